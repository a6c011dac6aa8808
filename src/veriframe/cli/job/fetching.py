"""`veriframe job fetch`: downloads the pictures of jobs."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from veriframe.cli import context
from veriframe.cli.display import show
from veriframe.cli.display.outcomes import Outcomes
from veriframe.cli.display.transfer_bar import transfer_bar
from veriframe.cli.job import acting, options
from veriframe.creator.jobs import Jobs
from veriframe.creator.values import Picture
from veriframe.errors import SettingsError
from veriframe.model.quantities import format_size
from veriframe.model.registry.ledger import EventKind

STDOUT = Path("-")


def fetch(
    job_ids: options.JobIds,
    target: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A file, a folder, or - for stdout. [default: job-JOB.png]"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="Instead, the evidence of a job's dispute.")
    ] = False,
    verdict: Annotated[bool, typer.Option("--verdict", help="Instead, the evidence of its verdict.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Fetch the pictures of jobs that have a result."""
    numbers = options.distinct(job_ids)
    if evidence or verdict:
        if len(numbers) > 1 or evidence == verdict:
            raise SettingsError("--evidence and --verdict fetch one file: pass one of them, for one job.")
        _fetch_evidence(numbers[0], target, is_verdict=verdict, replace=force, as_json=as_json)
        return
    # Before a connection is opened.
    _judge_target(target, numbers, as_json=as_json)
    fetch_all(acting.jobs(), numbers, target, force=force, as_json=as_json)


def fetch_all(jobs: Jobs, numbers: Sequence[int], target: Path | None, *, force: bool, as_json: bool) -> None:
    """Fetch the pictures of these jobs."""
    _judge_target(target, numbers, as_json=as_json)
    outcomes = Outcomes(len(numbers), as_json=as_json)
    for job_id in numbers:
        with outcomes.of(job_id=job_id):
            if target == STDOUT:
                _write_out(jobs, job_id)
                continue
            picture = _fetch(jobs, job_id, _path(target, job_id), replace=force)
            if as_json:
                outcomes.print_json({"job_id": job_id, **asdict(picture)})
            else:
                size = f"{picture.width}×{picture.height} pixels, {format_size(picture.size_bytes)}"
                show.out.print(f"{escape(show.clean(str(picture.path)))}: {size}", soft_wrap=True)
    outcomes.end()


def _fetch_evidence(
    job_id: int, target: Path | None, *, is_verdict: bool, replace: bool, as_json: bool
) -> None:
    _judge_target(target, [job_id], as_json=as_json)
    kind = EventKind.DISPUTE_RESOLVED if is_verdict else EventKind.RESULT_DISPUTED
    name = f"job-{job_id}-{'verdict' if is_verdict else 'evidence'}"
    jobs, path = acting.jobs(), Path(name) if target is None else target / name if target.is_dir() else target
    with tempfile.TemporaryDirectory(prefix="veriframe-") as folder:
        to_stdout = path == STDOUT
        place = Path(folder) / name if to_stdout else path
        with transfer_bar("fetching the evidence") as on_progress:
            found = context.run(jobs.fetch_evidence(job_id, kind, place, on_progress, replace=replace))
        if to_stdout:
            _copy_out(found.path)
        elif as_json:
            show.as_json({"job_id": job_id, **asdict(found)})
        else:
            show.out.print(
                f"{escape(show.clean(str(path)))}: {format_size(found.size_bytes)}", soft_wrap=True
            )


def _judge_target(target: Path | None, job_ids: Sequence[int], *, as_json: bool) -> None:
    """Raise `SettingsError` if the pictures cannot go there."""
    if target is not None and len(job_ids) > 1 and (target == STDOUT or not target.is_dir()):
        raise SettingsError(f"--output {target} is not a folder. Pass an existing one for several pictures.")
    if target != STDOUT:
        return
    if as_json:
        raise SettingsError("With --output - the picture itself goes to stdout. Leave out --json.")
    if sys.stdout.isatty():
        raise SettingsError("A terminal cannot show the picture. Send stdout to a file or a program.")


def _path(target: Path | None, job_id: int) -> Path:
    name = f"job-{job_id}.png"
    if target is None:
        return Path(name)
    return target / name if target.is_dir() else target


def _fetch(jobs: Jobs, job_id: int, path: Path, *, replace: bool) -> Picture:
    with transfer_bar("fetching the picture") as on_progress:
        return context.run(jobs.fetch(job_id, path, on_progress, replace=replace))


def _write_out(jobs: Jobs, job_id: int) -> None:
    """Write a picture to stdout, once it is complete and known to be one."""
    with tempfile.TemporaryDirectory(prefix="veriframe-") as folder:
        picture = _fetch(jobs, job_id, Path(folder) / "picture.png", replace=False)
        _copy_out(picture.path)


def _copy_out(file: Path) -> None:
    with file.open("rb") as stream:
        shutil.copyfileobj(stream, sys.stdout.buffer)
    sys.stdout.buffer.flush()
