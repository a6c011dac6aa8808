"""The creator's side: post a scene, follow its job, fetch the picture; accept, cancel or dispute.

A job is posted in two steps, so that a person can be asked in between: `draft` finds out all that can be
known without making anything public or moving money, `post` then does both.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import stamina

from veriframe.creator import files
from veriframe.creator.pins import release_ended, rename_old
from veriframe.errors import (
    Code,
    JobRejected,
    MoveRefused,
    SettingsError,
    StoreUnavailable,
    Unavailable,
    VerificationFailed,
)
from veriframe.model.registry.job import Address, Job, JobState, Terms, format_strk
from veriframe.model.registry.job_status import JobStatus
from veriframe.model.registry.ledger import Call, unknown_job
from veriframe.model.registry.offer import Offer
from veriframe.model.registry.order import require_terms
from veriframe.model.registry.pin_names import PinNames
from veriframe.model.rendering.scene import SceneHeader
from veriframe.ports.registry import SNAPSHOTS_AT_ONCE, CreatorRegistry, Funds, Treasury
from veriframe.ports.store import ContentStore, OnTransfer, Pin, ignore_transfer

PATIENCE_SECONDS = 60.0
RESULT_BYTES = 2 * 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A scene that passed the gate, and what posting it takes. Nothing is public, no money has moved.

    `terms` are those of this moment; `post` counts the deadline anew.
    """

    scene: Path
    stamp: files.Stamp
    header: SceneHeader
    offer: Offer
    terms: Terms
    deposit_fri: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """An order that stands in the registry. `deposited_fri` came out of the wallet for it."""

    jobs: tuple[int, ...]
    asset_cid: str
    terms: Terms
    deposited_fri: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A result that was fetched: a PNG file, by its first bytes, with the size in pixels that it names."""

    path: Path
    result_cid: str
    size_bytes: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Creator:
    """What one account does with its jobs. Methods raise `Unavailable` and, for moves, `MoveRefused`."""

    account: Address
    registry: CreatorRegistry
    treasury: Treasury
    store: ContentStore
    gate: files.Gate

    async def draft(self, scene: Path, offer: Offer) -> Draft:
        """Read the scene's header and reckon terms and costs.

        Raises `SettingsError` where the file cannot be read, `JobRejected` where it is no scene that a
        worker would take, `MoveRefused` where no registry takes such terms or the account cannot pay.
        """
        stamp, header = await asyncio.to_thread(files.read_header, scene, self.gate)
        terms = await self._terms(offer)
        return Draft(
            scene=scene,
            stamp=stamp,
            header=header,
            offer=offer,
            terms=terms,
            deposit_fri=await self._shortfall(terms.reward_fri, "the reward"),
        )

    async def post(self, draft: Draft, on_progress: OnTransfer = ignore_transfer) -> Posted:
        """Put the scene into the store, for everybody to read, and its order into the registry.

        `on_progress` hears of the scene's way into the store.

        Raises `SettingsError` where the file is not the one that was drafted any more, `MoveRefused` where
        the registry does not take the order; the scene is released then.
        """
        if await asyncio.to_thread(files.stamp, draft.scene) != draft.stamp:
            raise SettingsError(f"{draft.scene} was changed meanwhile; nothing was posted. Post it again.")
        terms = await self._terms(draft.offer)
        names = await self._names()
        await rename_old(names, self.registry, self.store)
        unposted = names.unposted(secrets.token_hex(8))
        asset_cid = await self.store.add(draft.scene, unposted, on_progress)
        try:
            deposited = await self._shortfall(terms.reward_fri, "the reward")
            jobs = tuple(await self.registry.create_order(asset_cid, terms, 1))
        except MoveRefused:
            await self._release(Pin(cid=asset_cid, name=unposted))
            raise
        # The order stands: a store that fails now must not hide its id. The first pin keeps the scene.
        with suppress(StoreUnavailable):
            await self.store.pin(Pin(cid=asset_cid, name=names.asset(jobs[0])))
            await self.store.unpin(Pin(cid=asset_cid, name=unposted))
        return Posted(jobs=jobs, asset_cid=asset_cid, terms=terms, deposited_fri=deposited)

    async def status(self, job_id: int) -> JobStatus:
        """One job as it is now."""
        snapshot = await self.registry.snapshot(job_id, 1)
        for job in snapshot.jobs:
            return JobStatus(job, snapshot.head.time)
        raise unknown_job(job_id)

    async def statuses(self, job_id: int, poll_seconds: float) -> AsyncIterator[JobStatus]:
        """One look after the other until the job is final; then what was kept for it is released.

        A registry that is away is waited for, a while.
        """
        while True:
            async for attempt in stamina.retry_context(
                on=Unavailable, attempts=None, timeout=PATIENCE_SECONDS
            ):
                with attempt:
                    status = await self.status(job_id)
            yield status
            if status.job.state.is_final:
                await self._let_go(status.job)
                return
            await asyncio.sleep(poll_seconds)

    async def changes(self, job_id: int, poll_seconds: float) -> AsyncIterator[JobStatus]:
        """The sightings that differ from the one before: a move was made, or a time limit passed."""
        before = None
        async for status in self.statuses(job_id, poll_seconds):
            now = (status.job, status.waits_for)
            if now != before:
                yield status
            before = now

    async def jobs(self, states: Collection[JobState], *, own: bool, limit: int) -> Sequence[JobStatus]:
        """The newest jobs, newest first, at most `limit`: in any of `states` (none given: in all)."""
        head = await self.registry.snapshot(1, 0)
        now, last, size = head.head.time, head.job_counter, self.registry.jobs_at_once
        found: list[JobStatus] = []
        while last > 0 and len(found) < limit:
            first = max(1, last - size + 1)
            batch = await self.registry.get_jobs(first, last - first + 1)
            found += (
                JobStatus(job, now)
                for job in reversed(batch)
                if (not states or job.state in states) and (not own or job.order.creator == self.account)
            )
            last = first - 1
            # The newest are mostly enough; who looks further looks far.
            size = self.registry.jobs_at_once * SNAPSHOTS_AT_ONCE
        return found[:limit]

    async def fetch(
        self, job_id: int, target: Path, on_progress: OnTransfer = ignore_transfer, *, replace: bool
    ) -> Picture:
        """Bring a job's picture to `target`, all of it or nothing; what a cut has left there is gone on with.

        Raises `MoveRefused` where there is no result yet, `SettingsError` where `target` exists and must
        not be replaced or cannot be written, `VerificationFailed` where it is no PNG (NOT_IMAGE), or nothing
        that can be fetched as one file (the store's code).
        """
        job = await self.registry.get_job(job_id)
        if not job.result_cid:
            raise MoveRefused("NO_RESULT", _no_result(job))
        files.refuse_target(target, replace=replace)
        with files.beside(target) as fetched:
            try:
                size_bytes = await self.store.fetch(job.result_cid, fetched, RESULT_BYTES, on_progress)
            except JobRejected as error:
                raise _no_picture(job, error) from error
            width, height = files.picture_size(fetched)
            files.put(fetched, target, replace=replace)
        return Picture(
            path=target, result_cid=job.result_cid, size_bytes=size_bytes, width=width, height=height
        )

    async def accept(self, job_id: int) -> JobStatus:
        """Pay the worker now. Returns the job after it; a scene that no job needs any more is released."""
        await self.registry.accept_result(job_id)
        status = await self.status(job_id)
        await self._let_go(status.job)
        return status

    async def cancel(self, job_id: int) -> JobStatus:
        """Take back a job that nobody works on, and its reward as credit; the scene is released."""
        await self.registry.cancel_job(job_id)
        status = await self.status(job_id)
        await self._let_go(status.job)
        return status

    async def dispute(self, job_id: int, evidence: Path | None = None) -> JobStatus:
        """Ask the arbiter, for a bond as high as the worker's. Returns the job after it.

        `evidence` is a file that becomes public; without one, the result itself is the evidence. Raises
        `SettingsError` where it is no file.
        """
        if evidence is not None:
            await asyncio.to_thread(files.stamp, evidence)
        status = await self.status(job_id)
        job, name = status.job, (await self._names()).evidence(job_id)
        evidence_cid = job.result_cid or job.order.asset_cid
        # A dispute that cannot stand publishes nothing and moves no money: the registry says why not.
        if job.order.creator == self.account and status.may_be_disputed:
            await self._shortfall(job.terms.bond_fri, "the dispute bond")
            if evidence is not None:
                evidence_cid = await self.store.add(evidence, name)
        try:
            await self.registry.dispute_result(job_id, evidence_cid)
        except MoveRefused:
            await self._release(Pin(cid=evidence_cid, name=name))
            raise
        return await self.status(job_id)

    async def _names(self) -> PinNames:
        return PinNames(await self.registry.identity(), self.account)

    async def _terms(self, offer: Offer) -> Terms:
        head = await self.registry.head()
        terms = offer.terms(head.time)
        # By the registry's own rules, before anything is public.
        require_terms(Call(caller=self.account, now=head.time, block=head.number), terms)
        return terms

    async def _shortfall(self, needed_fri: int, what_for: str) -> int:
        """What a move will take out of the wallet. Raises `MoveRefused` where it holds less."""
        funds = await self.treasury.funds(self.account)
        missing = max(0, needed_fri - funds.credit_fri)
        if needed_fri > funds.means_fri:
            raise MoveRefused(
                "INSUFFICIENT_FUNDS",
                f"The account lacks {format_strk(needed_fri - funds.means_fri)} for {what_for} of "
                f"{format_strk(needed_fri)}: it holds {format_strk(funds.wallet_fri)} in its wallet and "
                f"{format_strk(funds.credit_fri)} as credit{_kept(funds)}. Offer less, or send money to it "
                "first.",
            )
        return missing

    async def _let_go(self, job: Job) -> None:
        if job.state.is_final and job.order.creator == self.account:
            with suppress(Unavailable):
                names = await self._names()
                await rename_old(names, self.registry, self.store)
                await release_ended(job, names, self.registry, self.store)

    async def _release(self, pin: Pin) -> None:
        # A store that is away must not hide what the registry said; at worst a file is kept too long.
        with suppress(StoreUnavailable):
            await self.store.unpin(pin)


def _kept(funds: Funds) -> str:
    return f", and keeps {format_strk(funds.reserve_fri)} for fees" if funds.reserve_fri else ""


def _no_picture(job: Job, error: JobRejected) -> VerificationFailed:
    """The store's refusal, said to whom can do something: its own sentence is for the maker of a scene."""
    if error.code is Code.NOT_FOUND:
        why = "nobody shares it any more" if job.state.is_final else "nobody shares it"
    else:
        why = "it is not one file of a bearable size"
    remedy = "" if job.state.is_final else " Dispute it if an arbiter is named."
    return VerificationFailed(error.code, f"The result of job {job.id} cannot be fetched: {why}.{remedy}")


def _no_result(job: Job) -> str:
    remedy = (
        "It will have none." if job.state.is_final else f"Wait for it with `veriframe job watch {job.id}`."
    )
    return f"Job {job.id} is {job.state} and has no result. {remedy}"
