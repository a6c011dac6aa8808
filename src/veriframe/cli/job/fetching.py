"""`veriframe job fetch`: downloads the picture of a job."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from veriframe.cli import context
from veriframe.cli.display import show
from veriframe.cli.display.transfer_bar import transfer_bar
from veriframe.cli.job import acting, options


def fetch(
    job_id: options.JobId,
    target: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write. [default: job-JOB.png]")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Fetch the picture of a job that has a result."""
    path = target or Path(f"job-{job_id}.png")
    with transfer_bar("fetching the picture") as on_progress:
        picture = context.run(acting.creator().fetch(job_id, path, on_progress, replace=force))
    if as_json:
        show.as_json({"job_id": job_id, **asdict(picture)})
        return
    size = f"{picture.width}×{picture.height} pixels, {show.size(picture.size_bytes)}"
    show.out.print(f"{escape(show.clean(str(path)))}: {size}", soft_wrap=True)
