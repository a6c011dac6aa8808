"""`veriframe job accept`, `cancel` and `dispute`: the creator's decisions. `resolve`: the arbiter's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from veriframe.cli import context, opening
from veriframe.cli.display import consent, job_view, money, show
from veriframe.cli.display.outcomes import Outcomes
from veriframe.cli.job import acting, options
from veriframe.creator import files
from veriframe.creator.creator import Creator
from veriframe.errors import SettingsError, ValidationFailed
from veriframe.model.quantities import format_strk, plural
from veriframe.model.registry import guards
from veriframe.model.registry.job import Job, Verdict
from veriframe.model.registry.job_status import JobStatus
from veriframe.model.registry.ledger import Call
from veriframe.model.rendering.frames import format_frames
from veriframe.model.verification.findings import RIGHT

PUBLIC_EVIDENCE = "The evidence becomes public: anyone who knows its CID can read it. This cannot be undone."

Sentence = Callable[[JobStatus, JobStatus], str]
"""Tells what became of the money, by the statuses before and after a decision."""
Rule = Callable[[Job, Call], None]
"""Raises `MoveRefused` for a move that the registry would refuse."""


def accept(job_ids: options.JobIds, as_json: options.AsJson = False) -> None:
    """Accept the results: their workers are paid now. This cannot be undone."""
    creator = acting.creator_for("accept")
    numbers = options.distinct(job_ids)
    _decide(creator, creator.accept, money.accepted, numbers, as_json=as_json, rule=guards.require_acceptable)


def cancel(job_ids: options.JobIds, as_json: options.AsJson = False) -> None:
    """Cancel jobs that no worker has claimed; their rewards become credit again."""
    creator = acting.creator_for("cancel")
    _decide(creator, creator.cancel, money.cancelled, options.distinct(job_ids), as_json=as_json)


def dispute(
    job_id: options.JobId,
    evidence: Annotated[
        Path | None, typer.Option(help="A file for the arbiter, which becomes public. [default: the result]")
    ] = None,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            "-y",
            help="Publish the evidence without asking. Nothing else is asked, not even the bond.",
        ),
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Dispute the result before the review ends. This binds a bond as high as the worker's at once.

    You are asked only before a file is published. The bond comes from your credit, else from the wallet, and
    is lost if the arbiter decides for the worker, or not in time.
    """
    opening.refuse_other_makers("dispute")
    if evidence is not None:
        files.stamp(evidence, files.EVIDENCE)
    creator = acting.creator()
    if evidence is not None:
        # What cannot be disputed at all is said before anything is asked.
        status = context.run(creator.status(job_id))
        _require(creator, status, guards.require_disputable)
        _refuse_useless(status.job, evidence)
        consent.need_terminal(yes, "The file becomes public")
        bond = format_strk(status.job.terms.bond_fri)
        question = f"Publish it and dispute, for a bond of {bond} that may be lost?"
        consent.warn_and_ask(yes, PUBLIC_EVIDENCE, question)

    def decide(number: int) -> Awaitable[JobStatus]:
        return creator.dispute(number, evidence)

    _decide(creator, decide, money.disputed, [job_id], as_json=as_json, rule=guards.require_disputable)


def _refuse_useless(job: Job, evidence: Path) -> None:
    """Raise `SettingsError` for a report of other jobs or results, or one that proves the result right.

    The dispute and its bond may be lost with it. Any other file may be evidence.
    """
    from veriframe.model.verification.report import MOST_BYTES, parse_report, public_cid  # noqa: PLC0415 - is slow

    with suppress(OSError, ValidationFailed):
        with evidence.open("rb") as file:
            findings = parse_report(file.read(MOST_BYTES + 1))
        anew = f"`veriframe verify {job.id} -o DIR`"
        finding = next((one for one in findings if one.job == job.id), None)
        if finding is None:
            numbers = tuple(sorted(one.job for one in findings))
            about = f"{plural(len(numbers), 'job')} {format_frames(numbers)}" if numbers else "no job"
            raise SettingsError(
                f"This report is about {about}, not about job {job.id}: an arbiter learns nothing from it. "
                f"{anew} writes one that is."
            )
        if finding.result_cid != public_cid(job.result_cid):
            raise SettingsError(
                f"This report is about another result of job {job.id}, perhaps at another registry: an "
                f"arbiter learns nothing from it. {anew} writes one about this result."
            )
        if finding.conclusion in RIGHT:
            raise SettingsError(
                f"This report says that the result of job {job.id} is right. An arbiter would find the same, "
                f"and the dispute's bond would be lost. {anew} verifies it anew. "
                "Without --evidence you may dispute it nevertheless."
            )


def resolve(
    job_id: options.JobId,
    verdict: Annotated[
        Verdict,
        typer.Option(
            case_sensitive=False,
            help="Who is right. worker: paid, and gets the creator's bond. creator: refunded, and the "
            "worker's bond is burned. neither: the worker is paid, and both bonds are returned.",
        ),
    ],
    evidence: Annotated[
        Path | None,
        typer.Option(help="A file with your reasons, which becomes public. [default: the result]"),
    ] = None,
    yes: options.Yes = False,
    as_json: options.AsJson = False,
) -> None:
    """Decide a dispute as its arbiter: veriframe --account NAME job resolve. This cannot be undone."""
    opening.refuse_other_makers("resolve")
    if evidence is not None:
        files.stamp(evidence, files.EVIDENCE)
        consent.need_terminal(yes, "The file becomes public")
        consent.warn_and_ask(yes, PUBLIC_EVIDENCE, "Publish it and decide?")
    arbiter = acting.creator()

    def decide(number: int) -> Awaitable[JobStatus]:
        return arbiter.resolve(number, verdict, evidence)

    _decide(arbiter, decide, partial(money.resolved, verdict), [job_id], as_json=as_json)


def _require(creator: Creator, status: JobStatus, rule: Rule) -> None:
    """Raise `MoveRefused` if the rule refuses the creator's move now."""
    rule(status.job, Call(caller=creator.account, now=status.now, block=0))


def _decide(
    creator: Creator,
    decide: Callable[[int], Awaitable[JobStatus]],
    sentence: Sentence,
    job_ids: list[int],
    *,
    as_json: bool,
    rule: Rule | None = None,
) -> None:
    """Decide on each job that the `rule` allows, and say what became of the money.

    A contract refuses by a word; the rule says in a sentence what to do.
    """
    outcomes = Outcomes(len(job_ids), as_json=as_json)
    names = acting.scene_names().read()

    async def decided(job_id: int) -> tuple[JobStatus, JobStatus]:
        before = await creator.status(job_id)
        if rule is not None:
            _require(creator, before, rule)
        return before, await decide(job_id)

    for job_id in job_ids:
        with outcomes.of(job_id=job_id):
            before, after = context.run(decided(job_id))
            if as_json:
                outcomes.print_json(job_view.as_object(after, names.get(after.job.order.asset_cid)))
            else:
                show.out.print(show.clean(sentence(before, after)), markup=False)
    outcomes.end()
