"""`veriframe job`: the creator's commands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from veriframe.cli import arguments, context, opening
from veriframe.cli.display import consent, job_view, show
from veriframe.cli.display.transfer_bar import transfer_bar
from veriframe.creator.creator import Creator
from veriframe.creator.values import Draft, Posted
from veriframe.model.registry import offer as defaults
from veriframe.model.registry.job import NOBODY, Address, JobState, format_strk
from veriframe.model.registry.job_status import JobStatus
from veriframe.model.registry.offer import Offer
from veriframe.wiring import creators

REFUNDED = 6
"""The exit code of `watch` if the job was refunded."""

PUBLIC_SCENE = (
    "The scene and its picture become public: anyone who knows a CID can read them. This cannot be undone."
)
PUBLIC_EVIDENCE = "The evidence becomes public: anyone who knows its CID can read it. This cannot be undone."

app = typer.Typer(
    help="Post scenes, follow their jobs, and fetch, accept or dispute the results.", no_args_is_help=True
)

AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout; amounts in fri, 10⁻¹⁸ STRK.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Publish without asking.")]
JobId = Annotated[int, typer.Argument(metavar="JOB", min=1, max=2**63 - 1, help="The job's number.")]


def _strk(name: str, meaning: str) -> object:
    return typer.Option(name, metavar="STRK", parser=arguments.strk, help=meaning)


def _span(name: str, meaning: str, default: str) -> object:
    text = f"{meaning} For example 90s, 10m, 2h or 1d. \\[default: {default}]"
    return typer.Option(name, metavar="SPAN", parser=arguments.span, help=text)


def _address(name: str, meaning: str) -> object:
    return typer.Option(name, metavar="0x…", parser=arguments.address, help=meaning)


DEADLINE = _span("--deadline", "How long workers may claim it.", show.span(defaults.DEADLINE_SECONDS))
LEASE = _span("--lease", "How long a worker has to submit.", show.span(defaults.LEASE_SECONDS))
REVIEW = _span(
    "--review",
    "How long you may review the result before anyone may trigger the payment.",
    f"{show.span(defaults.REVIEW_SECONDS)}; with an arbiter {show.span(defaults.ARBITRATED_REVIEW_SECONDS)}",
)
ARBITRATION = _span(
    "--arbitration", "How long the arbiter has to decide.", show.span(defaults.ARBITRATION_SECONDS)
)


@app.command()
def create(
    scene: Annotated[Path, typer.Argument(metavar="FILE.blend", help="The scene. Frame 1 is rendered.")],
    reward: Annotated[int, _strk("--reward", "What you pay for the picture, such as 1.5.")],
    bond: Annotated[int | None, _strk("--bond", "A worker's bond; by default a tenth of the reward.")] = None,
    deadline: Annotated[int | None, DEADLINE] = None,
    lease: Annotated[int | None, LEASE] = None,
    review: Annotated[int | None, REVIEW] = None,
    arbitration: Annotated[int | None, ARBITRATION] = None,
    arbiter: Annotated[
        int | None, _address("--arbiter", "Who decides disputes; without an arbiter there are none.")
    ] = None,
    worker: Annotated[int | None, _address("--worker", "The only worker who may claim it.")] = None,
    yes: Yes = False,
    follow: Annotated[bool, typer.Option("--watch", help="Follow the job until it is final.")] = False,
    as_json: AsJson = False,
) -> None:
    """Post a scene with a reward in escrow. The scene becomes public."""
    consent.need_terminal(yes, "The file becomes public")
    offer = Offer(
        reward_fri=reward,
        bond_fri=bond,
        deadline_seconds=deadline,
        lease_seconds=lease,
        review_seconds=review,
        arbitration_seconds=arbitration,
        arbiter=Address(arbiter or NOBODY),
        worker=Address(worker or NOBODY),
    )
    creator = _creator()
    draft = context.run(creator.draft(scene, offer))
    _show_draft(draft)
    _ask(yes, PUBLIC_SCENE, "Post it?")
    with transfer_bar("storing the scene") as on_progress:
        posted = context.run(creator.post(draft, on_progress))
    _show_posted(posted, as_json=as_json, in_line=follow)
    if follow:
        _watch(creator, posted.jobs[0], to_result=False, as_json=as_json)


@app.command("list")
def list_jobs(
    state: Annotated[
        list[JobState] | None,
        typer.Option(case_sensitive=False, help="Only jobs in this state; may be repeated."),
    ] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Include other creators' jobs.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Most jobs to list.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first: your own, or everyone's with --all."""
    statuses = context.run(_creator().jobs(state or (), own=not everybody, limit=limit))
    if as_json:
        show.as_json({"jobs": [job_view.as_object(status) for status in statuses]})
        return
    rows = [job_view.row(status, whole=not show.out.is_terminal) for status in statuses]
    show.table("Jobs", job_view.COLUMNS, rows)


@app.command("show")
def show_job(job_id: JobId, as_json: AsJson = False) -> None:
    """Show the details of a job and the possible next steps."""
    _show(context.run(_creator().status(job_id)), as_json=as_json)


@app.command()
def watch(
    job_id: JobId,
    to_result: Annotated[bool, typer.Option("--result", help="Stop once the job has a result.")] = False,
    as_json: AsJson = False,
) -> None:
    """Follow a job until it is final, with a line for each change. Exits with 0 if PAID, 6 if REFUNDED."""
    _watch(_creator(), job_id, to_result=to_result, as_json=as_json)


@app.command()
def fetch(
    job_id: JobId,
    target: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write. [default: job-JOB.png]")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch the picture of a job that has a result."""
    path = target or Path(f"job-{job_id}.png")
    with transfer_bar("fetching the picture") as on_progress:
        picture = context.run(_creator().fetch(job_id, path, on_progress, replace=force))
    if as_json:
        show.as_json({"job_id": job_id, **asdict(picture)})
        return
    size = f"{picture.width}×{picture.height} pixels, {show.size(picture.size_bytes)}"
    show.out.print(f"{escape(show.clean(str(path)))}: {size}", soft_wrap=True)


@app.command()
def accept(job_id: JobId, as_json: AsJson = False) -> None:
    """Accept the result: the worker is paid now. This cannot be undone."""
    _show(context.run(_creator().accept(job_id)), as_json=as_json)


@app.command()
def cancel(job_id: JobId, as_json: AsJson = False) -> None:
    """Cancel a job that no worker has claimed; the reward becomes credit again."""
    _show(context.run(_creator().cancel(job_id)), as_json=as_json)


@app.command()
def dispute(
    job_id: JobId,
    evidence: Annotated[
        Path | None, typer.Option(help="A file for the arbiter, which becomes public. [default: the result]")
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Dispute the result before the review ends. This binds a bond as high as the worker's."""
    if evidence is not None:
        consent.need_terminal(yes, "The file becomes public")
        _ask(yes, PUBLIC_EVIDENCE, "Publish it and dispute?")
    _show(context.run(_creator().dispute(job_id, evidence)), as_json=as_json)


def _creator() -> Creator:
    settings = context.current().settings
    registry = opening.open_creator_registry(job_view.DEFAULT_ACCOUNT)
    return creators.build_creator(settings, registry, context.open_store(settings))


def _ask(yes: bool, warning: str, question: str) -> None:
    """Print the warning, and ask unless --yes was passed."""
    show.err.print(warning, style="yellow")
    consent.ask(yes, question, "Nothing was published.")


def _show_draft(draft: Draft) -> None:
    header = draft.header
    pairs = {
        "scene": f"{draft.scene}, {show.size(draft.stamp.size_bytes)}, Blender {header.version}",
        # The offer's terms at time 0, so that the deadline is a span.
        "deadline": f"{show.span(draft.offer.terms(0).deadline)} after posting",
        **job_view.terms_facts(draft.terms),
        "from the wallet": format_strk(draft.deposit_fri),
    }
    show.facts("", pairs, show.err)


def _show_posted(posted: Posted, *, as_json: bool, in_line: bool) -> None:
    if as_json:
        (show.json_line if in_line else show.as_json)(job_view.posted_object(posted))
        return
    for job_id in posted.jobs:
        show.out.print(f"Posted as job {job_id}. Follow it with `veriframe job watch {job_id}`.")


def _show(status: JobStatus, *, as_json: bool) -> None:
    if as_json:
        show.as_json(job_view.as_object(status))
        return
    show.facts(f"Job {status.job.id}", job_view.facts(status))


def _watch(creator: Creator, job_id: int, *, to_result: bool, as_json: bool) -> None:
    poll_seconds = context.current().settings.poll_seconds
    on_terminal = show.out.is_terminal and not as_json
    follow = creator.statuses if on_terminal else creator.changes
    statuses = follow(job_id, poll_seconds)
    if to_result:
        statuses = _until_result(statuses)
    if on_terminal:
        last = context.run(job_view.draw_bar(statuses))
    else:
        last = context.run(job_view.print_lines(statuses, as_json=as_json))
    if last.state is JobState.REFUNDED:
        raise typer.Exit(REFUNDED)


async def _until_result(statuses: AsyncIterator[JobStatus]) -> AsyncIterator[JobStatus]:
    async for status in statuses:
        yield status
        if status.job.result_cid:
            return
