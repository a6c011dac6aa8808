"""Verifies several results one after the other, shows how far it is, and writes and publishes the report."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from veriframe.causes import cause_of
from veriframe.cli import context, examining
from veriframe.cli.display import show
from veriframe.cli.display.activity import activity
from veriframe.cli.display.outcomes import Outcomes
from veriframe.cli.verification.advice import advice
from veriframe.cli.verification.choosing import chosen
from veriframe.cli.verification.options import how
from veriframe.creator.jobs import Jobs
from veriframe.creator.orders.notes import ConclusionNote, OrderNotes
from veriframe.creator.orders.orders import Orders
from veriframe.errors import SettingsError
from veriframe.model.registry.job_status import JobStatus
from veriframe.model.verification.findings import Conclusion, JobFinding, Request, worst
from veriframe.model.verification.report import write_report
from veriframe.model.verification.words import NAMED, meaning, standing, summary
from veriframe.ports.renderer import Renderer
from veriframe.verifier.page import write_page
from veriframe.verifier.verifier import Verified, Verifier, Watching
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
            raise SettingsError(
                f"The report cannot be written to {self.folder}: {cause_of(error)}. Pass another folder."
            ) from error


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
        found = context.run(_verify(verifier, wanted, request, watching, outcomes, on_found))
    if not found:
        outcomes.end()
    if request.frames:
        show.err.print(NAMED, markup=False, soft_wrap=True)
    verified = [one for _, one in found]
    findings = [one.finding for one in verified]
    report = None if output.folder is None else output.folder / JSON_NAME
    for status, one in found:
        if next_step := advice(status, one.finding.conclusion, jobs.account, report):
            show.err.print(f"Job {status.job.id}: {show.clean(next_step)}", markup=False, soft_wrap=True)
    content = write_report(findings)
    if output.folder is not None:
        _write(output.folder, content, write_page(verified))
        # Stdout has JSON alone, if that was asked for.
        console = show.err if output.as_json else show.out
        told = f"The report: {show.clean(str(output.folder / PAGE_NAME))}"
        console.print(told, markup=False, soft_wrap=True)
    if output.as_json:
        show.out.print(content.decode("ascii"), end="", markup=False, highlight=False, soft_wrap=True)
    if output.publish:
        cid = context.run(publish(jobs, content))
        show.err.print(f"The report is public: {cid}", markup=False, soft_wrap=True)
    if code := EXIT_CODES[worst(finding.conclusion for finding in findings)]:
        raise typer.Exit(code)
    outcomes.end()


def _write(folder: Path, content: bytes, page: str) -> None:
    (folder / JSON_NAME).write_bytes(content)
    (folder / PAGE_NAME).write_text(page, encoding="utf-8")


def concluded(finding: JobFinding, request: Request) -> ConclusionNote:
    """What is noted of a finding. Where nothing was checked, nothing is decided."""
    conclusion = standing([finding])
    why = finding.why if conclusion is finding.conclusion else meaning(finding)
    return ConclusionNote(conclusion=conclusion, why=why, how=how(request))


def _note(notes: OrderNotes, request: Request, finding: JobFinding) -> None:
    # Frames that a person named were not drawn: its worker may have known them.
    if not request.frames:
        notes.note_conclusion(finding.job, finding.result_cid, concluded(finding, request))


async def publish(jobs: Jobs, content: bytes) -> str:
    """Add a report to the store, pinned by its own content. Returns its CID."""
    with tempfile.TemporaryDirectory(prefix="veriframe-") as folder:
        file = Path(folder) / JSON_NAME
        file.write_bytes(content)
        return await jobs.store.add(file, "verification-report")


async def _verify(
    verifier: Verifier,
    jobs: Sequence[JobStatus],
    request: Request,
    watching: _Watching,
    outcomes: Outcomes,
    on_found: Callable[[JobFinding], None],
) -> list[tuple[JobStatus, Verified]]:
    found = list[tuple[JobStatus, Verified]]()
    async with verifier:
        for status in jobs:
            with outcomes.of(job_id=status.job.id):
                watching.begin(status.job.id)
                found.append((status, await verifier.verify(status.job, request)))
                on_found(found[-1][1].finding)
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
            return context.run(examining.renderer())
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
