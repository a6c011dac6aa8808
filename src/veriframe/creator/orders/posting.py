"""Posts a bundle as an order: one upload, and one transaction for each thousand chunks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from veriframe.causes import cause_of
from veriframe.creator.creator import Creator
from veriframe.creator.orders.notes import DraftNote, OrderNote, OrderNotes
from veriframe.creator.orders.repeats import EarlierOrder, Repeats, key_of
from veriframe.creator.payment import shortfall_fri
from veriframe.creator.postings import Posting
from veriframe.errors import (
    JobRejected,
    MoveRefused,
    SettingsError,
    StoreUnavailable,
    Unavailable,
    VeriFrameError,
)
from veriframe.model.attempt.proportion import TermsWarning, terms_warnings
from veriframe.model.bundle.chunks import Piece, parts, pieces_of
from veriframe.model.bundle.job_file import FILE_NAME, Bundle, parse_job_file, write_job_file
from veriframe.model.quantities import counted
from veriframe.model.registry.job import Terms
from veriframe.model.registry.offer import Offer
from veriframe.model.registry.order import JOBS_MAX
from veriframe.model.rendering.frames import format_frames
from veriframe.ports.store import OnTransfer, Pin, ignore_transfer


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDraft:
    """An order that may be posted, and what it costs. Nothing is public or paid yet.

    `source` is the bundle's folder, or the CID of one that was posted before. `bundles` are one for each
    order of the registry. `reward_fri` is for all chunks, `job_fees_fri` what the moves of one job cost a
    worker. `note` keeps the name and the estimate.
    """

    source: Path | str
    bundles: tuple[Bundle, ...]
    offer: Offer
    terms: Terms
    deposit_fri: int
    job_fees_fri: int
    note: OrderNote
    warnings: tuple[TermsWarning, ...] = ()

    @property
    def chunks(self) -> int:
        """How many jobs there will be."""
        return sum(map(parts, self.bundles))

    @property
    def frames(self) -> int:
        """How many frames are rendered."""
        return sum(len(bundle.frames) for bundle in self.bundles)

    @property
    def pieces(self) -> frozenset[Piece]:
        """What is rendered."""
        return frozenset().union(*map(pieces_of, self.bundles))

    @property
    def reward_fri(self) -> int:
        """All rewards."""
        return self.chunks * self.terms.reward_fri


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedOrder:
    """A posted order: the number of its first order in the registry, all jobs and assets, and its terms."""

    number: int
    jobs: tuple[int, ...]
    asset_cids: tuple[str, ...]
    terms: Terms
    deposited_fri: int


class PartlyPosted(MoveRefused):
    """Some of an order's parts are posted, and others not."""


def read_bundle(folder: Path) -> Bundle:
    """What a folder's `job.json` says. Raises `SettingsError`, `JobRejected` (BAD_BUNDLE, FRAME_RANGE)."""
    try:
        bundle = parse_job_file((folder / FILE_NAME).read_bytes())
    except OSError as error:
        raise SettingsError(
            f"{folder} is no bundle: its {FILE_NAME} cannot be read: {cause_of(error)}. "
            "`veriframe job pack` makes one."
        ) from error
    if not (folder / bundle.scene).is_file():
        raise SettingsError(f"{folder} is no bundle: it lacks its scene {bundle.scene}.")
    return bundle


def divided(bundle: Bundle) -> tuple[Bundle, ...]:
    """The bundle as parts of at most `JOBS_MAX` chunks, one for each order of the registry."""
    if bundle.split is not None:
        return (bundle,)
    most = bundle.chunk * JOBS_MAX
    starts = range(0, len(bundle.frames), most)
    return tuple(replace(bundle, frames=bundle.frames[at : at + most]) for at in starts)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPosting:
    """Posts the orders of one creator."""

    creator: Creator
    notes: OrderNotes

    async def require_payable(self, offer: Offer, chunks: int) -> None:
        """Raise `SettingsError` or `MoveRefused` if no order of so many chunks, or more, can be posted so.

        For an offer that is at most what is asked for: before a scene is packed, which takes minutes.
        """
        terms, funds = await self.creator.terms(offer), await self.creator.funds()
        shortfall_fri(funds, terms.reward_fri * chunks, "the rewards")

    async def draft(self, source: Path | str, bundle: Bundle, offer: Offer, note: OrderNote) -> OrderDraft:
        """Compute terms and costs. Raises `MoveRefused` if the registry or the money does not allow them."""
        bundles = divided(bundle)
        note = replace(note, scene_key=note.scene_key or await key_of(source))
        terms, funds = await self.creator.terms(offer), await self.creator.funds()
        total_fri = terms.reward_fri * sum(map(parts, bundles))
        return OrderDraft(
            source=source,
            bundles=bundles,
            offer=offer,
            terms=terms,
            deposit_fri=shortfall_fri(funds, total_fri, "the rewards"),
            job_fees_fri=funds.job_fees_fri,
            note=note,
            warnings=terms_warnings(offer.terms(0), 0, funds.job_fees_fri),
        )

    async def post(self, draft: OrderDraft, on_progress: OnTransfer = ignore_transfer) -> PostedOrder:
        """Add the folder to the store, where anyone can read it, and post the order.

        Raises `MoveRefused` if the registry refuses it, and then nothing stays pinned; `PartlyPosted` if it
        refuses a later part, or does not answer. A folder whose order may be posted stays pinned.
        """
        creator, registry, store = self.creator, self.creator.registry, self.creator.store
        # Once for all parts: by their equal terms they are known for one order.
        terms, names = await creator.terms(draft.offer), await creator.pin_names()
        await creator.release_old(names)
        jobs, assets = list[int](), list[str]()
        deposited_fri = shortfall_fri(await creator.funds(), draft.reward_fri, "the rewards")
        with creator.postings.begun(names) as posting:
            try:
                async with self._stored(draft.source, draft.bundles, posting, on_progress) as stored:
                    assets += stored
                    posting.moves(await self._note_draft(draft, assets))
                    for asset_cid, bundle in zip(assets, draft.bundles, strict=True):
                        posting.is_open = True
                        posted = await registry.create_order(asset_cid, terms, parts(bundle))
                        posting.is_open = False
                        jobs += posted
                        with suppress(StoreUnavailable):
                            await store.pin(Pin(cid=asset_cid, name=names.asset(posted[0])))
            except MoveRefused as error:
                if jobs:
                    raise PartlyPosted(error.rule, _partly(jobs, draft, error)) from error
                raise
            except Unavailable as error:
                if not posting.is_open:
                    raise
                raise _unknown(jobs, draft, error) from error
        try:
            number = (await registry.snapshot(jobs[0], 1)).jobs[0].order.id
        except Unavailable as error:
            raise PartlyPosted(
                "OUTAGE", f"{_posted(jobs, draft)}; `veriframe order list` names the order. But: {error}"
            ) from error
        return PostedOrder(
            number=number,
            jobs=tuple(jobs),
            asset_cids=tuple(assets),
            terms=terms,
            deposited_fri=deposited_fri,
        )

    @asynccontextmanager
    async def _stored(
        self, source: Path | str, bundles: Sequence[Bundle], posting: Posting, on_progress: OnTransfer
    ) -> AsyncIterator[Sequence[str]]:
        """The assets of an order's parts, pinned until the end, or longer if the order may be posted."""
        pinned = list[str]()
        try:
            pinned.append(await self._add(source, posting.pin_name, on_progress))
            for bundle in bundles:
                pinned.append(await self._asset(source, pinned[0], bundle, posting.pin_name))
            yield pinned[1:]
        except MoveRefused:
            posting.is_open = False
            raise
        finally:
            # At worst a folder is kept too long: an outage of the store must not hide what became of it.
            if not posting.is_open:
                for cid in dict.fromkeys(pinned):
                    try:
                        await self.creator.store.unpin(Pin(cid=cid, name=posting.pin_name))
                    except StoreUnavailable:
                        posting.left_pins = True

    async def _note_draft(self, draft: OrderDraft, assets: Sequence[str]) -> int:
        """Note the order before its first move: a lost reply or the end of this process is not its end.

        Returns the registry's last job.
        """
        last_job = (await self.creator.registry.snapshot(1, 0)).job_counter
        for asset_cid, bundle in zip(assets, draft.bundles, strict=True):
            self.notes.note_order(asset_cid, _note(draft.note, bundle))
        self.notes.note_draft(DraftNote(assets=tuple(assets), after_job=last_job))
        return last_job

    async def asset_cid(self, folder_cid: str, bundle: Bundle) -> str:
        """The CID of the asset if the folder of an earlier order is posted with this bundle.

        Nothing stays pinned.
        """
        with self.creator.postings.begun(await self.creator.pin_names()) as posting:
            async with self._stored(folder_cid, (bundle,), posting, ignore_transfer) as stored:
                return stored[0]

    async def earlier(self, draft: OrderDraft) -> Sequence[EarlierOrder]:
        """Orders of the same scene that render frames, or tiles, of this one, or have delivered them."""
        repeats = Repeats(reader=self.creator.registry, notes=self.notes, account=self.creator.account)
        found = await repeats.find(draft.note.scene_key, draft.bundles[0])
        return [one for one in found if not (one.live | one.delivered).isdisjoint(draft.pieces)]

    async def _add(self, source: Path | str, unposted: str, on_progress: OnTransfer) -> str:
        if isinstance(source, Path):
            return await self.creator.store.add(source, unposted, on_progress)
        try:
            await self.creator.store.pin(Pin(cid=source, name=unposted))
        except StoreUnavailable as error:
            raise StoreUnavailable(
                f"The scene of the earlier order is not complete in the content store any more: {error} "
                "Post it again from its file."
            ) from error
        return source

    async def _asset(self, source: Path | str, folder_cid: str, bundle: Bundle, unposted: str) -> str:
        content = write_job_file(bundle)
        if isinstance(source, Path):
            there = await asyncio.to_thread((source / FILE_NAME).read_bytes)
            if there == content:
                return folder_cid
        try:
            return await self.creator.store.with_file(folder_cid, FILE_NAME, content, unposted)
        except JobRejected as error:
            raise SettingsError(f"The earlier order cannot be posted again: {error}") from error


def _note(note: OrderNote, bundle: Bundle) -> OrderNote:
    return replace(note, job_file=write_job_file(bundle).decode("ascii"))


def _partly(jobs: Sequence[int], draft: OrderDraft, error: VeriFrameError) -> str:
    return f"{_posted(jobs, draft)}; then: {error} Post the rest with --frames {_rest(jobs, draft)}."


def _unknown(jobs: Sequence[int], draft: OrderDraft, error: Unavailable) -> VeriFrameError:
    """The reply of a transaction is lost: it may be in the registry or not."""
    if not jobs:
        return type(error)(
            f"{error} Whether the order is posted is not known: see `veriframe order list` before you try "
            "again."
        )
    return PartlyPosted(
        "OUTAGE",
        f"{_posted(jobs, draft)}; then: {error} Whether the next part is posted, too, is not known: see "
        f"`veriframe order list`. If it is not, post the rest with --frames {_rest(jobs, draft)}.",
    )


def _posted(jobs: Sequence[int], draft: OrderDraft) -> str:
    numbers = f"job {jobs[0]}" if len(jobs) == 1 else f"jobs {jobs[0]} to {jobs[-1]}"
    return f"Posted: {len(jobs)} of {counted(draft.chunks, 'chunk')}, as {numbers}"


def _rest(jobs: Sequence[int], draft: OrderDraft) -> str:
    """The frames of the parts that are not known to be posted."""
    count, frames = 0, list[int]()
    for bundle in draft.bundles:
        if count >= len(jobs):
            frames += bundle.frames
        count += parts(bundle)
    return format_frames(tuple(frames))
