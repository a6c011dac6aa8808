"""`veriframe job create`: posts scenes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from veriframe.cli import context, opening
from veriframe.cli.display import consent, job_view, scene_view, show
from veriframe.cli.display.outcomes import Outcomes
from veriframe.cli.display.transfer_bar import transfer_bar
from veriframe.cli.job import acting, checking, following, options
from veriframe.cli.job.checking import Checked
from veriframe.creator.creator import Creator
from veriframe.creator.values import Draft
from veriframe.model.quantities import counted, format_size, format_span, format_strk
from veriframe.model.registry.job import NOBODY, Address
from veriframe.model.registry.offer import Offer

PUBLIC_SCENE = (
    "The scene and its picture become public: anyone who knows a CID can read them. This cannot be undone."
)


def create(
    scenes: Annotated[
        list[Path], typer.Argument(metavar="FILE.blend", help="The scenes. Frame 1 of each is rendered.")
    ],
    reward: Annotated[int, options.strk("--reward", "What you pay for each picture, such as 1.5.")],
    bond: Annotated[
        int | None, options.strk("--bond", "A worker's bond; by default a tenth of the reward.")
    ] = None,
    deadline: Annotated[int | None, options.DEADLINE] = None,
    lease: Annotated[int | None, options.LEASE] = None,
    review: Annotated[int | None, options.REVIEW] = None,
    arbitration: Annotated[int | None, options.ARBITRATION] = None,
    arbiter: Annotated[
        int | None, options.address("--arbiter", "Who decides disputes; without an arbiter there are none.")
    ] = None,
    worker: Annotated[int | None, options.address("--worker", "The only worker who may claim it.")] = None,
    yes: options.Yes = False,
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Do not check the scenes in the sandbox first.")
    ] = False,
    follow: Annotated[bool, typer.Option("--watch", help="Follow the jobs until they are final.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Check scenes in the sandbox, and post each with a reward in escrow. The scenes become public."""
    consent.need_terminal(yes, "The file becomes public")
    opening.refuse_other_makers("create")
    terms = {
        "bond_fri": bond,
        "deadline_seconds": deadline,
        "lease_seconds": lease,
        "review_seconds": review,
        "arbitration_seconds": arbitration,
        "arbiter": arbiter,
        "worker": worker,
    }
    how = PostOptions(yes=yes, no_check=no_check, follow=follow, as_json=as_json)
    post_all(scenes, offer_of(reward, terms), how)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostOptions:
    """How scenes are posted: without questions, unchecked, followed, told as JSON."""

    yes: bool = False
    no_check: bool = False
    follow: bool = False
    as_json: bool = False


def offer_of(reward_fri: int, terms: Mapping[str, int | None]) -> Offer:
    """The offer of a reward with these terms, by the names of `Offer`; None for what was not given."""
    return Offer(
        reward_fri=reward_fri,
        bond_fri=terms["bond_fri"],
        deadline_seconds=terms["deadline_seconds"],
        lease_seconds=terms["lease_seconds"],
        review_seconds=terms["review_seconds"],
        arbitration_seconds=terms["arbitration_seconds"],
        arbiter=Address(terms["arbiter"] or NOBODY),
        worker=Address(terms["worker"] or NOBODY),
    )


def post_all(scenes: Sequence[Path], offer: Offer, how: PostOptions) -> None:
    """Check scenes, say what they cost, ask, and post each."""
    as_json = how.as_json
    named = list(dict.fromkeys(scenes))
    for scene in named:
        if (times := scenes.count(scene)) > 1:
            said = f"{show.clean(str(scene))} is named {times} times: it is posted once."
            show.err.print(said, style="yellow", markup=False)
    outcomes = Outcomes(len(named), as_json=as_json)
    checked = checking.check(named, outcomes, in_sandbox=not how.no_check)
    if not checked:
        outcomes.end()
    creator = acting.creator()
    drafts = [context.run(creator.draft(one.scene, offer, (one.stamp, one.header))) for one in checked]
    deposit_fri = context.run(creator.deposit_fri([draft.terms for draft in drafts]))
    _show_drafts(checked, drafts, deposit_fri)
    what = "it" if len(drafts) == 1 else counted(len(drafts), "scene")
    consent.warn_and_ask(how.yes, PUBLIC_SCENE, f"Post {what}?")
    posted: list[int] = []
    for one, draft in zip(checked, drafts, strict=True):
        with outcomes.of(scene=str(one.scene)):
            posted += _post(creator, one, draft, outcomes, as_json=as_json, in_line=how.follow)
    if how.follow and posted:
        following.follow(creator, posted, outcomes, to_result=False, as_json=as_json)
    outcomes.end()


def _post(
    creator: Creator, one: Checked, draft: Draft, outcomes: Outcomes, *, as_json: bool, in_line: bool
) -> Sequence[int]:
    """Post one scene, note its name, and tell its job's number."""
    with transfer_bar(f"storing {draft.scene.name}") as on_progress:
        posted = context.run(creator.post(draft, on_progress))
    acting.scene_names().note(posted.asset_cid, draft.scene)
    if as_json:
        told = job_view.posted_object(posted, draft.scene.name, one.verdict)
        (show.json_line if in_line else outcomes.print_json)(told)
        return posted.jobs
    for job_id in posted.jobs:
        said = "Posted" if outcomes.is_single else f"{show.clean(str(draft.scene))}: posted"
        waits = f"`veriframe job watch {job_id} --result` waits for its picture."
        show.out.print(f"{said} as job {job_id}. {waits}", markup=False)
    return posted.jobs


def _show_drafts(checked: Sequence[Checked], drafts: Sequence[Draft], deposit_fri: int) -> None:
    pairs: dict[str, str] = {}
    for one in checked:
        facts = f"{format_size(one.stamp.size_bytes)}, Blender {one.header.version}"
        if len(checked) == 1:
            pairs |= {
                "scene": f"{one.scene}, {facts}",
                **(scene_view.facts(one.verdict) if one.verdict else {}),
            }
        else:
            pairs[str(one.scene)] = (
                f"{facts}, {scene_view.in_one_line(one.verdict)}" if one.verdict else facts
            )
    draft = drafts[0]
    pairs |= {
        # The offer's terms at time 0, so that the deadline is a span.
        "deadline": f"{format_span(draft.offer.terms(0).deadline)} after posting",
        **job_view.terms_facts(draft.terms),
    }
    if len(drafts) > 1:
        pairs["rewards"] = format_strk(sum(each.terms.reward_fri for each in drafts))
    credit_fri = sum(each.terms.reward_fri for each in drafts) - deposit_fri
    if credit_fri > 0:
        pairs["from credit"] = format_strk(credit_fri)
    show.facts("", {**pairs, "from the wallet": format_strk(deposit_fri)}, show.err)
    for terms_warning in draft.warnings:
        show.err.print(f"Warning: {terms_warning.sentence}", style="yellow", markup=False)
    for one in checked:
        for warning in one.verdict.warnings if one.verdict else ():
            about = "" if len(checked) == 1 else f" {show.clean(str(one.scene))}:"
            show.err.print(f"Warning:{about} {show.clean(warning)}", style="yellow", markup=False)
