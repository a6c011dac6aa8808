"""Jobs as anyone may read them: their status, lists of them, one that is followed, and their pictures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from veriframe.creator import files
from veriframe.creator.pins import release_ended, rename_old
from veriframe.creator.values import Evidence, Followed, Picture
from veriframe.errors import Code, JobRejected, MoveRefused, Unavailable, ValidationFailed
from veriframe.model.registry.history import JobHistory, told_from_start
from veriframe.model.registry.job import NOBODY, Address, Job, JobState, Order
from veriframe.model.registry.job_status import JobStatus
from veriframe.model.registry.ledger import EventKind, unknown_job
from veriframe.model.registry.pin_names import PinNames
from veriframe.ports.registry import SNAPSHOTS_AT_ONCE, JobReader, read_job, read_jobs
from veriframe.ports.store import ContentStore, FetchLimits, OnTransfer, ignore_transfer

RETRY_SECONDS = 60.0
"""Longest wait for a registry that does not answer, while a job is followed."""
RESULT_BYTES = 2 * 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """The jobs of a registry, read without a key. Methods raise `Unavailable`.

    `account` is the reader's own, whose jobs are "own"; `NOBODY` if it is not known. `is_foreign`: the
    registry is of another maker.
    """

    registry: JobReader
    store: ContentStore
    account: Address = NOBODY
    is_foreign: bool = False

    async def status(self, job_id: int) -> JobStatus:
        """The present status of a job."""
        snapshot = await self.registry.snapshot(job_id, 1)
        for job in snapshot.jobs:
            return JobStatus(job, snapshot.head.time, self.is_foreign)
        raise unknown_job(job_id)

    async def statuses(self, job_id: int, poll_seconds: float) -> AsyncIterator[JobStatus]:
        """Poll a job until it is final; then release what was kept for it.

        Retries for `RETRY_SECONDS` if the registry does not answer.
        """
        # Imported here because most commands do not wait.
        import stamina  # noqa: PLC0415

        while True:
            async for attempt in stamina.retry_context(on=Unavailable, attempts=None, timeout=RETRY_SECONDS):
                with attempt:
                    status = await self.status(job_id)
            yield status
            if status.job.state.is_final:
                await self._release_job(status.job)
                return
            await asyncio.sleep(poll_seconds)

    async def history(self, status: JobStatus) -> JobHistory:
        """The job's history up to this status, with its posting and all lapses.

        Where the registry is of another maker, only what it has events of.
        """
        found = await self.registry.history(status.job)
        if self.is_foreign:
            return found
        return replace(found, events=told_from_start(status.job, found.events, status.now))

    async def followed(self, job_id: int, poll_seconds: float) -> AsyncIterator[Followed]:
        """Poll a job like `statuses`, with its history, which tells also what happened between two polls.

        A history that cannot be read is read again with the next poll.
        """
        history, before, is_due = JobHistory(), None, True
        async for status in self.statuses(job_id, poll_seconds):
            now, told = (status.job, status.waits_for), history
            is_due = await self._has_moved(job_id) or is_due or now != before
            if is_due:
                with suppress(Unavailable):
                    history, is_due = await self.history(status), False
            yield Followed(status=status, history=history, is_news=now != before or history != told)
            before = now

    async def _has_moved(self, job_id: int) -> bool:
        with suppress(Unavailable):
            return job_id in await self.registry.changed()
        return False

    async def jobs(self, states: Collection[JobState], *, own: bool, limit: int) -> Sequence[JobStatus]:
        """At most `limit` jobs, newest first, in any of `states` (empty: in all)."""
        head = await self.registry.snapshot(1, 0)
        now, last, size = head.head.time, head.job_counter, self.registry.jobs_at_once
        account = self.account
        found: list[JobStatus] = []
        while last > 0 and len(found) < limit:
            first = max(1, last - size + 1)
            batch = await read_jobs(self.registry, first, last - first + 1)
            found += (
                JobStatus(job, now, self.is_foreign)
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

    async def fetch_evidence(
        self,
        job_id: int,
        kind: EventKind,
        target: Path,
        on_progress: OnTransfer = ignore_transfer,
        *,
        replace: bool,
    ) -> Evidence:
        """Download the evidence of a job's dispute (RESULT_DISPUTED) or of its verdict (DISPUTE_RESOLVED).

        Raises as `fetch`; `MoveRefused` also where the evidence is the result itself.
        """
        status = await self.status(job_id)
        cid = (await self.history(status)).cid_of(kind)
        if not cid:
            raise MoveRefused("NO_EVIDENCE", f"Job {job_id} has none. See `veriframe job show {job_id}`.")
        if cid == status.job.result_cid:
            raise MoveRefused("NO_EVIDENCE", f"The evidence is the result of job {job_id} itself: no file.")
        files.refuse_target(target, replace=replace)
        with files.beside(target) as fetched:
            try:
                limits = FetchLimits(file_bytes=RESULT_BYTES)
                size_bytes = (await self.store.fetch(cid, fetched, limits, on_progress)).size_bytes
            except JobRejected as error:
                why = "nobody provides it" if error.code is Code.NOT_FOUND else "it is not one file"
                said = f"The evidence {cid} cannot be fetched: {why}."
                raise ValidationFailed(error.code, said) from error
            files.put(fetched, target, replace=replace)
        return Evidence(path=target, cid=cid, size_bytes=size_bytes)

    async def pin_names(self) -> PinNames:
        """The names of the account's pins."""
        return PinNames(await self.registry.identity(), self.account)

    async def _release_job(self, job: Job) -> None:
        if job.state.is_final and job.order.creator == self.account:
            with suppress(Unavailable):
                names = await self.pin_names()
                await rename_old(names, self.registry, self.store)
                await release_ended(job, names, self.registry, self.store)


def _no_picture(job: Job, error: JobRejected) -> ValidationFailed:
    """Reword the store's refusal for a creator: its own sentence addresses the maker of a scene."""
    if error.code is Code.NOT_FOUND:
        why = "nobody provides it any more" if job.state.is_final else "nobody provides it"
    elif error.code is Code.BAD_CID:
        why = "the registry shows no CID of it that can be used"
    else:
        why = "it is not one file of an acceptable size"
    remedy = "" if job.state.is_final else " Dispute it if an arbiter is named."
    if error.code is Code.NOT_A_FILE:
        why = "it is not one file"
        otherwise = f" Otherwise:{remedy}" if remedy else ""
        remedy = f" If frames were ordered: veriframe order fetch {job.order.id}.{otherwise}"
    return ValidationFailed(error.code, f"The result of job {job.id} cannot be fetched: {why}.{remedy}")


def _no_result(job: Job) -> str:
    remedy = (
        "It will have none."
        if job.state.is_final
        else f"Wait for it with `veriframe job watch {job.id} --result`."
    )
    return f"Job {job.id} is {job.state} and has no result. {remedy}"


async def orders_from(reader: JobReader, first: int) -> AsyncIterator[Order]:
    """Each order from the job `first` on to the registry's last one, in batches of jobs."""
    while found := (await reader.snapshot(first, reader.jobs_at_once)).jobs:
        for job in found:
            if job.id >= first:
                yield job.order
                first = job.order.first_job + job.order.jobs
