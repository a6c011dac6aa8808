"""The creator: posts scenes, follows jobs, fetches pictures; accepts, cancels or disputes results.

A job is posted in two steps, so that a person can confirm in between: `draft` checks everything without
making anything public or moving money, `post` then does both.
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
from veriframe.creator.payment import shortfall_fri
from veriframe.creator.pins import release_ended, rename_old
from veriframe.creator.values import Draft, Picture, Posted
from veriframe.errors import (
    Code,
    JobRejected,
    MoveRefused,
    SettingsError,
    StoreUnavailable,
    Unavailable,
    ValidationFailed,
)
from veriframe.model.registry.job import Job, JobState, Terms
from veriframe.model.registry.job_status import JobStatus
from veriframe.model.registry.ledger import Call, unknown_job
from veriframe.model.registry.offer import Offer
from veriframe.model.registry.order import require_terms
from veriframe.model.registry.pin_names import PinNames
from veriframe.ports.registry import SNAPSHOTS_AT_ONCE, FullRegistry, read_job, read_jobs
from veriframe.ports.store import ContentStore, FetchLimits, OnTransfer, Pin, ignore_transfer

RETRY_SECONDS = 60.0
"""Longest wait for a registry that does not answer, while a job is followed."""
RESULT_BYTES = 2 * 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Creator:
    """The actions of one creator's account. Methods raise `Unavailable` and, for moves, `MoveRefused`."""

    registry: FullRegistry
    store: ContentStore
    check: files.HeaderCheck

    async def draft(self, scene: Path, offer: Offer) -> Draft:
        """Read the scene's header and compute terms and costs.

        Raises `SettingsError` if the file cannot be read, `JobRejected` if no worker would take the scene,
        and `MoveRefused` if the registry does not accept the terms or the account cannot pay.
        """
        stamp, header = await asyncio.to_thread(files.read_header, scene, self.check)
        terms = await self._terms(offer)
        return Draft(
            scene=scene,
            stamp=stamp,
            header=header,
            offer=offer,
            terms=terms,
            deposit_fri=await shortfall_fri(self.registry, terms.reward_fri, "the reward"),
        )

    async def post(self, draft: Draft, on_progress: OnTransfer = ignore_transfer) -> Posted:
        """Add the scene to the store, where anyone can read it, and post its order to the registry.

        `on_progress` receives the progress of the upload. Raises `SettingsError` if the file has changed
        since the draft, and `MoveRefused` if the registry refuses the order; then the scene is unpinned.
        """
        if await asyncio.to_thread(files.stamp, draft.scene) != draft.stamp:
            raise SettingsError(
                f"{draft.scene} has changed since it was checked; nothing was posted. Post it again."
            )
        terms = await self._terms(draft.offer)
        names = await self._names()
        await rename_old(names, self.registry, self.store)
        unposted = names.unposted(secrets.token_hex(8))
        asset_cid = await self.store.add(draft.scene, unposted, on_progress)
        try:
            deposited = await shortfall_fri(self.registry, terms.reward_fri, "the reward")
            jobs = tuple(await self.registry.create_order(asset_cid, terms, 1))
        except MoveRefused:
            await self._unpin(Pin(cid=asset_cid, name=unposted))
            raise
        # The order is posted: a store that fails now must not hide its id. The first pin keeps the scene.
        with suppress(StoreUnavailable):
            await self.store.pin(Pin(cid=asset_cid, name=names.asset(jobs[0])))
            await self.store.unpin(Pin(cid=asset_cid, name=unposted))
        return Posted(jobs=jobs, asset_cid=asset_cid, terms=terms, deposited_fri=deposited)

    async def status(self, job_id: int) -> JobStatus:
        """The present status of a job."""
        snapshot = await self.registry.snapshot(job_id, 1)
        for job in snapshot.jobs:
            return JobStatus(job, snapshot.head.time)
        raise unknown_job(job_id)

    async def statuses(self, job_id: int, poll_seconds: float) -> AsyncIterator[JobStatus]:
        """Poll a job until it is final; then release what was kept for it.

        Retries for `RETRY_SECONDS` if the registry does not answer.
        """
        while True:
            async for attempt in stamina.retry_context(on=Unavailable, attempts=None, timeout=RETRY_SECONDS):
                with attempt:
                    status = await self.status(job_id)
            yield status
            if status.job.state.is_final:
                await self._release_job(status.job)
                return
            await asyncio.sleep(poll_seconds)

    async def changes(self, job_id: int, poll_seconds: float) -> AsyncIterator[JobStatus]:
        """Poll a job like `statuses`, but yield only changes: a move was made, or a time limit passed."""
        before = None
        async for status in self.statuses(job_id, poll_seconds):
            now = (status.job, status.waits_for)
            if now != before:
                yield status
            before = now

    async def jobs(self, states: Collection[JobState], *, own: bool, limit: int) -> Sequence[JobStatus]:
        """At most `limit` jobs, newest first, in any of `states` (empty: in all)."""
        head = await self.registry.snapshot(1, 0)
        now, last, size = head.head.time, head.job_counter, self.registry.jobs_at_once
        account = self.registry.account
        found: list[JobStatus] = []
        while last > 0 and len(found) < limit:
            first = max(1, last - size + 1)
            batch = await read_jobs(self.registry, first, last - first + 1)
            found += (
                JobStatus(job, now)
                for job in reversed(batch)
                if (not states or job.state in states) and (not own or job.order.creator == account)
            )
            last = first - 1
            # The newest jobs are usually enough. If not, read larger batches.
            size = self.registry.jobs_at_once * SNAPSHOTS_AT_ONCE
        return found[:limit]

    async def fetch(
        self, job_id: int, target: Path, on_progress: OnTransfer = ignore_transfer, *, replace: bool
    ) -> Picture:
        """Download a job's picture to `target`, completely or not at all; resumes an interrupted download.

        Raises `MoveRefused` if there is no result yet, `SettingsError` if `target` exists and must not be
        replaced or cannot be written, and `ValidationFailed` if the result is not a PNG (NOT_IMAGE) or
        cannot be fetched as one file (the store's code).
        """
        job = await read_job(self.registry, job_id)
        if not job.result_cid:
            raise MoveRefused("NO_RESULT", _no_result(job))
        files.refuse_target(target, replace=replace)
        with files.beside(target) as fetched:
            try:
                limits = FetchLimits(file_bytes=RESULT_BYTES)
                size_bytes = (await self.store.fetch(job.result_cid, fetched, limits, on_progress)).size_bytes
            except JobRejected as error:
                raise _no_picture(job, error) from error
            width, height = files.picture_size(fetched)
            files.put(fetched, target, replace=replace)
        return Picture(
            path=target, result_cid=job.result_cid, size_bytes=size_bytes, width=width, height=height
        )

    async def accept(self, job_id: int) -> JobStatus:
        """Pay the worker now. Returns the job's new status; releases the scene if no job needs it."""
        await self.registry.accept_result(job_id)
        status = await self.status(job_id)
        await self._release_job(status.job)
        return status

    async def cancel(self, job_id: int) -> JobStatus:
        """Cancel a job that no worker has claimed. Its reward becomes credit, and the scene is released."""
        await self.registry.cancel_job(job_id)
        status = await self.status(job_id)
        await self._release_job(status.job)
        return status

    async def dispute(self, job_id: int, evidence: Path | None = None) -> JobStatus:
        """Dispute a result, for a bond as high as the worker's. Returns the job's new status.

        `evidence` is a file that becomes public; without one, the result itself is the evidence. Raises
        `SettingsError` if it is not a file.
        """
        if evidence is not None:
            await asyncio.to_thread(files.stamp, evidence)
        status = await self.status(job_id)
        job, name = status.job, (await self._names()).evidence(job_id)
        evidence_cid = job.result_cid or job.order.asset_cid
        # An illegal dispute publishes nothing and moves no money: the registry says why it refuses.
        if job.order.creator == self.registry.account and status.may_be_disputed:
            await shortfall_fri(self.registry, job.terms.bond_fri, "the dispute bond")
            if evidence is not None:
                evidence_cid = await self.store.add(evidence, name)
        try:
            await self.registry.dispute_result(job_id, evidence_cid)
        except MoveRefused:
            await self._unpin(Pin(cid=evidence_cid, name=name))
            raise
        return await self.status(job_id)

    async def _names(self) -> PinNames:
        return PinNames(await self.registry.identity(), self.registry.account)

    async def _terms(self, offer: Offer) -> Terms:
        head = (await self.registry.snapshot(1, 0)).head
        terms = offer.terms(head.time)
        # Apply the registry's rules before anything becomes public.
        require_terms(Call(caller=self.registry.account, now=head.time, block=head.number), terms)
        return terms

    async def _release_job(self, job: Job) -> None:
        if job.state.is_final and job.order.creator == self.registry.account:
            with suppress(Unavailable):
                names = await self._names()
                await rename_old(names, self.registry, self.store)
                await release_ended(job, names, self.registry, self.store)

    async def _unpin(self, pin: Pin) -> None:
        # An unavailable store must not hide the registry's refusal; at worst a file is kept too long.
        with suppress(StoreUnavailable):
            await self.store.unpin(pin)


def _no_picture(job: Job, error: JobRejected) -> ValidationFailed:
    """Reword the store's refusal for a creator: its own sentence addresses the maker of a scene."""
    if error.code is Code.NOT_FOUND:
        why = "nobody provides it any more" if job.state.is_final else "nobody provides it"
    else:
        why = "it is not one file of an acceptable size"
    remedy = "" if job.state.is_final else " Dispute it if an arbiter is named."
    return ValidationFailed(error.code, f"The result of job {job.id} cannot be fetched: {why}.{remedy}")


def _no_result(job: Job) -> str:
    remedy = (
        "It will have none." if job.state.is_final else f"Wait for it with `veriframe job watch {job.id}`."
    )
    return f"Job {job.id} is {job.state} and has no result. {remedy}"
