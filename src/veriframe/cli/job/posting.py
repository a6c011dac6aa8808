"""`veriframe job create`: posts a scene."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from veriframe.cli import context
from veriframe.cli.display import consent, job_view, show
from veriframe.cli.display.transfer_bar import transfer_bar
from veriframe.cli.job import acting, following, options
from veriframe.creator.values import Draft, Posted
from veriframe.model.registry.job import NOBODY, Address, format_strk
from veriframe.model.registry.offer import Offer

PUBLIC_SCENE = (
    "The scene and its picture become public: anyone who knows a CID can read them. This cannot be undone."
)


def create(
    scene: Annotated[Path, typer.Argument(metavar="FILE.blend", help="The scene. Frame 1 is rendered.")],
    reward: Annotated[int, options.strk("--reward", "What you pay for the picture, such as 1.5.")],
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
    follow: Annotated[bool, typer.Option("--watch", help="Follow the job until it is final.")] = False,
    as_json: options.AsJson = False,
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
    creator = acting.creator()
    draft = context.run(creator.draft(scene, offer))
    _show_draft(draft)
    consent.warn_and_ask(yes, PUBLIC_SCENE, "Post it?")
    with transfer_bar("storing the scene") as on_progress:
        posted = context.run(creator.post(draft, on_progress))
    _show_posted(posted, as_json=as_json, in_line=follow)
    if follow:
        following.follow(creator, posted.jobs[0], to_result=False, as_json=as_json)


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
