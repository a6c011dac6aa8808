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
from veriframe.model.registry.job import Verdict
from veriframe.model.registry.job_status import JobStatus
from veriframe.model.verification.findings import RIGHT

PUBLIC_EVIDENCE = "The evidence becomes public: anyone who knows its CID can read it. This cannot be undone."

Sentence = Callable[[JobStatus, JobStatus], str]
"""Tells what became of the money, by the statuses before and after a decision."""


def accept(job_ids: options.JobIds, as_json: options.AsJson = False) -> None:
    """Accept the results: their workers are paid now. This cannot be undone."""
    creator = acting.creator_for("accept")
    _decide(creator, creator.accept, money.accepted, options.distinct(job_ids), as_json=as_json)


def cancel(job_ids: options.JobIds, as_json: options.AsJson = False) -> None:
    """Cancel jobs that no worker has claimed; their rewards become credit again."""
    creator = acting.creator_for("cancel")
    _decide(creator, creator.cancel, money.cancelled, options.distinct(job_ids), as_json=as_json)


def dispute(
    job_id: options.JobId,
    evidence: Annotated[
        Path | None, typer.Option(help="A file for the arbiter, which becomes public. [default: the result]")
    ] = None,
    yes: options.Yes = False,
    as_json: options.AsJson = False,
) -> None:
    """Dispute the result before the review ends. This binds a bond as high as the worker's."""
    opening.refuse_other_makers("dispute")
    if evidence is not None:
        files.stamp(evidence, files.EVIDENCE)
        _refuse_proofs(job_id, evidence)
        consent.need_terminal(yes, "The file becomes public")
        consent.warn_and_ask(yes, PUBLIC_EVIDENCE, "Publish it and dispute?")
    creator = acting.creator()

    def decide(number: int) -> Awaitable[JobStatus]:
        return creator.dispute(number, evidence)

    _decide(creator, decide, money.disputed, [job_id], as_json=as_json)


def _refuse_proofs(job_id: int, evidence: Path) -> None:
    """Raise `SettingsError` for a report that proves the result right: the dispute and its bond were lost."""
    from veriframe.model.verification.report import MOST_BYTES, parse_report  # noqa: PLC0415 - is slow

    with suppress(OSError, ValidationFailed):
        with evidence.open("rb") as file:
            findings = parse_report(file.read(MOST_BYTES + 1))
        if any(one.job == job_id and one.conclusion in RIGHT for one in findings):
            raise SettingsError(
                f"This report says that the result of job {job_id} is right. An arbiter would find the same, "
                "and the dispute's bond would be lost. Without --evidence you may dispute it nevertheless."
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


def _decide(
    creator: Creator,
    decide: Callable[[int], Awaitable[JobStatus]],
    sentence: Sentence,
    job_ids: list[int],
    *,
    as_json: bool,
) -> None:
    """Decide on each job, and say what became of the money."""
    outcomes = Outcomes(len(job_ids), as_json=as_json)
    names = acting.scene_names().read()

    async def decided(job_id: int) -> tuple[JobStatus, JobStatus]:
        return await creator.status(job_id), await decide(job_id)

    for job_id in job_ids:
        with outcomes.of(job_id=job_id):
            before, after = context.run(decided(job_id))
            if as_json:
                outcomes.print_json(job_view.as_object(after, names.get(after.job.order.asset_cid)))
            else:
                show.out.print(show.clean(sentence(before, after)), markup=False)
    outcomes.end()
