"""Orders a chunk again that lost its dispute: over the same bundle, at the same terms, once.

Whether that was done is read from the registry, not from a note: the new order's asset is the bundle with a
`job.json` of these frames alone, so that its CID is known before it is posted. An order of it after this one
is the one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from veriframe.creator.jobs import orders_from
from veriframe.creator.orders.notes import OrderNote, OrderNotes
from veriframe.creator.orders.posting import OrderPosting, PartlyPosted
from veriframe.creator.orders.repeats import Repeats
from veriframe.creator.orders.values import Chunk, OrderStatus
from veriframe.creator.postings import SETTLED_SECONDS
from veriframe.creator.review.bonds import require_spare
from veriframe.errors import MoveRefused, Unavailable
from veriframe.model.bundle.chunks import of_pieces
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.content.cid import canonical, canonical_or_same
from veriframe.model.registry.offer import Offer


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """The order that renders a chunk again. `is_new`: it was posted now, not before."""

    number: int
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reordering:
    """Orders chunks of one creator again. `keeps_bonds`: money for disputes is never spent."""

    posting: OrderPosting
    notes: OrderNotes
    keeps_bonds: bool
    _unknown: dict[int, float] = field(default_factory=dict)
    """When a transaction was lost that may be in the registry later, by job."""

    async def order_again(self, status: OrderStatus, chunk: Chunk) -> Again:
        """Order a lost chunk again, unless a later order renders it.

        Raises `Unavailable`, `MoveRefused` (INSUFFICIENT_FUNDS, OTHER_WORKER, BARE) and `SettingsError`.
        """
        order = chunk.job.order
        whole = status.bundles.get(order.id)
        if whole is None:
            raise MoveRefused("BARE", "Its order is of a bare scene: post its file again.")
        bundle = of_pieces(whole, sorted(chunk.pieces))
        note = status.notes.get(order.asset_cid) or OrderNote(name=status.name)
        note = replace(note, scene_key=note.scene_key or order.asset_cid)
        # Before anything else: what was posted may have taken the money.
        if (number := await self._later(status, chunk, bundle, note)) is not None:
            return Again(number=number, is_new=False)
        draft = await self.posting.draft(order.asset_cid, bundle, _same_offer(status, chunk), note)
        funds = await self.posting.creator.funds()
        require_spare(status, funds, draft.reward_fri, reserved=self.keeps_bonds)
        since = time.monotonic() - self._unknown.get(chunk.job.id, -SETTLED_SECONDS)
        if since < SETTLED_SECONDS:
            raise Unavailable(f"Whether job {chunk.job.id} is ordered again is not known yet.")
        try:
            return Again(number=(await self.posting.post(draft)).number, is_new=True)
        except (Unavailable, PartlyPosted) as error:
            # It may be in the registry, now or later: it is looked for before it is posted again.
            self._unknown[chunk.job.id] = time.monotonic()
            raise Unavailable(str(error)) from error

    async def _later(self, status: OrderStatus, chunk: Chunk, bundle: Bundle, note: OrderNote) -> int | None:
        """A later order of the chunk's frames, whatever became of it."""
        creator, last = self.posting.creator, status.orders[-1]
        asset_cid = canonical(await self.posting.asset_cid(chunk.job.order.asset_cid, bundle))
        async for order in orders_from(creator.registry, last.first_job + last.jobs):
            if order.creator == creator.account and canonical_or_same(order.asset_cid) == asset_cid:
                return order.id
        # A person may have ordered it again together with others.
        repeats = Repeats(reader=creator.registry, notes=self.notes, account=creator.account)
        for one in await repeats.find(note.scene_key, bundle, after=last.id):
            if any(not chunk.pieces.isdisjoint(other.pieces) for other in one.chunks):
                return one.number
        return None


def _same_offer(status: OrderStatus, chunk: Chunk) -> Offer:
    """The terms of the chunk as an offer. Raises `MoveRefused` (OTHER_WORKER)."""
    terms = chunk.job.terms
    if terms.worker == chunk.job.worker:
        raise MoveRefused(
            "OTHER_WORKER",
            "The order names only the worker who lost: order it again with `veriframe order create"
            f" --again {status.number}` and another --worker.",
        )
    return Offer(
        reward_fri=terms.reward_fri,
        bond_fri=terms.bond_fri,
        deadline_seconds=terms.deadline - chunk.job.order.created_at,
        lease_seconds=terms.lease_seconds,
        review_seconds=terms.review_seconds,
        arbitration_seconds=terms.arbitration_seconds,
        arbiter=terms.arbiter,
        worker=terms.worker,
    )
