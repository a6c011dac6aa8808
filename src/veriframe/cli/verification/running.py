"""Verifies several results one after the other, shows how far it is, and writes and publishes the report."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from veriframe.causes import cause_of
from veriframe.cli import context, inspecting
from veriframe.cli.display import show
from veriframe.cli.display.activity import activity
from veriframe.cli.display.outcomes import Outcomes
from veriframe.cli.verification.advice import advice
from veriframe.cli.verification.choosing import chosen
from veriframe.cli.verification.options import how
from veriframe.creator.jobs import Jobs
from veriframe.creator.orders.notes import ConclusionNote, OrderNotes
from veriframe.creator.orders.orders import Orders
from veriframe.errors import HostUnavailable, SettingsError
from veriframe.model.registry.job_status import JobStatus
from veriframe.model.verification.findings import Conclusion, JobFinding, Request, worst
from veriframe.model.verification.report import write_report
from veriframe.model.verification.words import NAMED, summary
from veriframe.ports.renderer import Renderer
from veriframe.verifier.page import JobSection, section_of, write_page
from veriframe.verifier.verifier import Verifier, Watching
from veriframe.wiring.verifiers import build_verifier

EXIT_CODES = {
    Conclusion.EXACT: 0,
    Conclusion.EQUAL: 0,
    Conclusion.WRONG: 10,
    Conclusion.WITHHELD: 11,
    Conclusion.UNDECIDED: 12,
}
"""The exit code of each conclusion; of several jobs, that of the worst. Only if all others are right, that of
the first job that could not be verified."""

STOPPED = "Stopped. What was concluded is noted, the rest is not verified yet."
LINE_SECONDS = 10.0
JSON_NAME, PAGE_NAME = "verification.json", "verification.html"
COLOURS = {
    Conclusion.EXACT: "green",
    Conclusion.EQUAL: "green",
    Conclusion.WRONG: "red",
    Conclusion.WITHHELD: "red",
    Conclusion.UNDECIDED: "yellow",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where the findings go: a folder for the report, the store, JSON on stdout."""

    folder: Path | None = None
    publish: bool = False
    as_json: bool = False

    def prepare(self) -> None:
        """Make the folder. Raises `SettingsError` if it cannot be used."""
        if self.folder is None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise self.unusable(error) from error

    @property
    def wants_report(self) -> bool:
        """Whether the findings go anywhere but to the screen."""
        return self.folder is not None or self.publish or self.as_json

    def unusable(self, error: OSError) -> SettingsError:
        """What is wrong with the folder."""
        return SettingsError(
            f"The report cannot be written to {self.folder}: {cause_of(error)}. Pass another folder."
        )


def verify_jobs(orders: Orders, numbers: Sequence[int], request: Request, output: Output) -> None:
    """Verify these jobs' results, tell what was found, and exit with the code that it means.

    A conclusion is noted for `order accept`, `show` and `watch`. Of several jobs, what is wrong with one is
    told, and the others go on. Raises `MoveRefused` for a single job without a result, and `SettingsError`
    for frames that no job has: before anything is rendered, if that is known.
    """
    output.prepare()
    # Errors are no part of a report, whose form is fixed: they are told on stderr alone.
    outcomes, jobs = Outcomes(len(numbers), as_json=False), orders.jobs
    wanted = chosen(orders, numbers, request.frames, outcomes)
    if not wanted:
        outcomes.end()

    def on_found(finding: JobFinding) -> None:
        _note(orders.notes, request, finding)
        if not output.as_json:
            tell(finding)

    blender = renderer()
    with _progress() as watching, told_when_stopped(is_noted=not request.frames):
        verifier = build_verifier(context.current().settings, jobs.registry, jobs.store, blender, watching)
        has_page = output.folder is not None
        found = context.run(_verify(verifier, wanted, request, watching, outcomes, on_found, has_page))
    if not found:
        outcomes.end()
    if request.frames:
        show.err.print(NAMED, markup=False, soft_wrap=True)
    findings = [one.finding for one in found]
    report = None if output.folder is None else output.folder / JSON_NAME
    for one in found:
        if next_step := advice(one.status, one.finding.conclusion, jobs.account, report):
            said = f"Job {one.status.job.id}: {show.clean(next_step)}"
            show.err.print(said, markup=False, soft_wrap=True)
    if output.wants_report:
        _report(jobs, found, output)
    if code := EXIT_CODES[worst(finding.conclusion for finding in findings)]:
        raise typer.Exit(code)
    outcomes.end()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What was found of a job, and what the page says of it; None without a page."""

    status: JobStatus
    finding: JobFinding
    section: JobSection | None


def _report(jobs: Jobs, found: Sequence[_Found], output: Output) -> None:
    """Write, print and publish the report, as was asked for. Raises `SettingsError`, `ValidationFailed`."""
    content = write_report([one.finding for one in found])
    if output.folder is not None:
        page = write_page([one.section for one in found if one.section is not None])
        try:
            (output.folder / JSON_NAME).write_bytes(content)
            (output.folder / PAGE_NAME).write_text(page, encoding="utf-8")
        except OSError as error:
            raise output.unusable(error) from error
        # Stdout has JSON alone, if that was asked for.
        console = show.err if output.as_json else show.out
        told = f"The report: {show.clean(str(output.folder / PAGE_NAME))}"
        console.print(told, markup=False, soft_wrap=True)
    if output.as_json:
        show.out.print(content.decode("ascii"), end="", markup=False, highlight=False, soft_wrap=True)
    if output.publish:
        cid = context.run(publish(jobs, content))
        show.err.print(f"The report is public: {cid}", markup=False, soft_wrap=True)


def concluded(finding: JobFinding, request: Request) -> ConclusionNote:
    """What is noted of a finding."""
    return ConclusionNote(conclusion=finding.conclusion, why=finding.why, how=how(request))


def _note(notes: OrderNotes, request: Request, finding: JobFinding) -> None:
    # Frames that a person named were not drawn: its worker may have known them.
    if not request.frames:
        notes.note_conclusion(finding.job, finding.result_cid, concluded(finding, request))


async def publish(jobs: Jobs, content: bytes) -> str:
    """Add a report to the store, pinned by its own content. Returns its CID. Raises `HostUnavailable`."""
    with tempfile.TemporaryDirectory(prefix="veriframe-") as folder:
        file = Path(folder) / JSON_NAME
        try:
            file.write_bytes(content)
        except OSError as error:
            raise HostUnavailable(
                f"The report cannot be published: {cause_of(error)}. Free some disk space, or set TMPDIR."
            ) from error
        return await jobs.store.add(file, "verification-report")


async def _verify(
    verifier: Verifier,
    jobs: Sequence[JobStatus],
    request: Request,
    watching: _Watching,
    outcomes: Outcomes,
    on_found: Callable[[JobFinding], None],
    has_page: bool,
) -> list[_Found]:
    found = list[_Found]()
    async with verifier:
        for status in jobs:
            with outcomes.of(job_id=status.job.id):
                watching.begin(status.job.id)
                verified = await verifier.verify(status.job, request)
                # Told and noted before its page is drawn.
                on_found(verified.finding)
                section = await asyncio.to_thread(section_of, verified) if has_page else None
                found.append(_Found(status=status, finding=verified.finding, section=section))
    return found


@contextmanager
def told_when_stopped(*, is_noted: bool = True) -> Iterator[None]:
    """Say after Ctrl-C what is kept."""
    try:
        yield
    except typer.Exit as stopped:
        if is_noted and stopped.exit_code == context.INTERRUPTED:
            show.err.print(STOPPED, markup=False, soft_wrap=True)
        raise


def tell(finding: JobFinding) -> None:
    """Print one finding: a line, and the reason if there is one."""
    said = show.clean(summary(finding))
    show.out.print(said, style=COLOURS[finding.conclusion], markup=False, soft_wrap=True)
    for words in (finding.why, *finding.notes):
        if words:
            show.out.print(f"  {show.clean(words)}", markup=False, soft_wrap=True)


def renderer() -> Renderer:
    """Build the renderer that verifies. Raises `SettingsError` without Blender or a sandbox."""
    try:
        with activity("starting the sandbox"):
            return context.run(inspecting.renderer())
    except SettingsError as error:
        raise SettingsError(
            f"Results are verified by rendering parts of them again, and this machine cannot: {error}"
        ) from error


class _Watching(Watching):
    """Says on stderr what is under way: lines, or a bar on a terminal."""

    _said = 0.0

    def begin(self, job_id: int) -> None:
        """A job begins."""
        show.err.print(f"verifying job {job_id} …", markup=False)

    def on_wait(self, why: str) -> None:
        """It waits."""
        show.err.print(f"waiting for {why} …", markup=False)

    def on_tiles(self, done: int, total: int) -> None:
        """Tiles are done: a line every `LINE_SECONDS`."""
        if (now := time.monotonic()) - self._said >= LINE_SECONDS:
            self._said = now
            show.err.print(f"{done} of {total} tiles", markup=False)


class _BarWatching(_Watching):
    """A bar for the tiles of each job."""

    def __init__(self, bars: Progress) -> None:
        self._bars, self._bar = bars, TaskID(-1)

    def begin(self, job_id: int) -> None:
        """A new bar."""
        if self._bar >= 0:
            self._bars.remove_task(self._bar)
        self._bar = self._bars.add_task(f"verifying job {job_id}", total=None)

    def on_wait(self, why: str) -> None:
        """It waits."""
        self._bars.update(self._bar, description=f"waiting for {show.clean(why)}")

    def on_tiles(self, done: int, total: int) -> None:
        """Tiles are done."""
        self._bars.update(self._bar, description="rendering drawn tiles", completed=done, total=total)


@contextmanager
def _progress() -> Iterator[_Watching]:
    if not show.err.is_terminal:
        yield _Watching()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=show.err, transient=True) as bars:
        yield _BarWatching(bars)
