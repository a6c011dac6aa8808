"""The jobs of a registry that is not ours, read in few requests, all of one block.

What never changes about a job is asked once, and of a job that is over nothing any more: until the chain goes
back behind the block that was last looked at, and then all is asked anew. Ids are our own: they count from 1,
also where the registry's count from 0.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import structlog

from veriframe.adapters.starknet.contract.batches import Batches
from veriframe.adapters.starknet.contract.contract import Contract, Node, Question
from veriframe.adapters.starknet.foreign.dialect import Dialect, choose_dialect
from veriframe.adapters.starknet.foreign.facts import put_job, read_facts, read_shown
from veriframe.adapters.starknet.foreign.job import Facts, Note, RegistryRules, Shown, build_job
from veriframe.adapters.starknet.foreign.job_range import ID_MAX, Walk
from veriframe.adapters.starknet.foreign.local_claims import Notes
from veriframe.adapters.starknet.foreign.membership import (
    objection,
    put_account,
    put_eligibility,
    read_standing,
)
from veriframe.adapters.starknet.foreign.moves import Seen
from veriframe.adapters.starknet.foreign.queries import Asking, Block, BlockGone, hash_of, read_block
from veriframe.errors import RegistryUnavailable, VeriFrameError
from veriframe.model.registry import ledger
from veriframe.model.registry.job import Address, Head, Job, JobState, format_address
from veriframe.model.registry.standing import WorkerStanding
from veriframe.ports.registry import JobReader, Snapshot

log = structlog.get_logger()
T = TypeVar("T")
V = TypeVar("V")

JOBS_AT_ONCE = 50
"""In one look: some hundreds of questions at the first, few once most of them are over."""
KEPT = 20_000
"""How many jobs are remembered."""
STEPS = 50
"""How often one look goes on to further ids."""
PAUSES_SECONDS = (0.0, 0.1, 0.3, 0.6)
"""Between tries where a block is gone: a newer one came in between, or a node does not have it yet."""


class ForeignReader(JobReader):
    """The registry at `address` as `account` sees it, which has made `notes`."""

    def __init__(self, node: Node, address: int, account: Address, notes: Notes) -> None:
        self._contract, self._batches = Contract(node, address), Batches(node)
        self._account, self._notes = account, notes
        self._spoken: Dialect | None = None
        self._walk = Walk(notes.first_id)
        self._last: Block | None = None
        self._facts: dict[int, Facts] = {}
        self._over: dict[int, Job | None] = {}
        self._left: dict[int, str] = {}

    @property
    def jobs_at_once(self) -> int:
        """How many jobs one look may ask for."""
        return JOBS_AT_ONCE

    async def identity(self) -> str:
        """Chain and address."""
        return await self._contract.identity()

    async def dialect(self) -> Dialect:
        """How the registry is spoken to. Raises `RegistryUnavailable`, with what is missing."""
        if self._spoken is None:
            spoken = choose_dialect(await self._contract.abi())
            if spoken.missing:
                raise RegistryUnavailable(spoken.missing)
            self._spoken = spoken
            if not spoken.has("claim"):
                log.warning(
                    "registry_without_claims",
                    registry=format_address(self._contract.address),
                    reason="First come, first served: others may copy a result and be paid for it.",
                )
        return self._spoken

    async def head(self) -> Head:
        """The newest accepted block."""
        return await self._contract.head()

    async def changed(self) -> Collection[int]:
        """Nothing: such registries' events are of every kind."""
        return ()

    async def job_counter(self) -> int:
        """The highest job id, by the registry's counter, and by walking on from there."""
        seen = -1
        while (counter := (await self.snapshot(1, 0)).job_counter) > seen:
            seen = counter
        return counter

    async def snapshot(self, first: int, count: int) -> Snapshot:
        """The newest block, and the jobs `first … first + count - 1` that exist, but for those left.

        Open ones that the registry does not give to this account are left, and told once in the log.
        """
        last = min(first + min(count, JOBS_AT_ONCE) - 1, ID_MAX)
        return await self._of_one_block(lambda block: self._look(block, range(max(first, 1), last + 1)))

    async def get_jobs(self, first: int, count: int) -> Sequence[Job]:
        """The same jobs, however many, by as many looks as they take."""
        jobs: list[Job] = []
        while count > 0:
            snapshot = await self.snapshot(first, count)
            jobs += snapshot.jobs
            first, count = first + JOBS_AT_ONCE, count - JOBS_AT_ONCE
            if first > snapshot.job_counter:
                break
        return jobs

    async def get_job(self, job_id: int) -> Job:
        """One job, all of it asked anew. Raises `MoveRefused` (UNKNOWN_JOB)."""
        seen = (await self._seen([job_id]))[job_id]
        if isinstance(seen, VeriFrameError):
            raise seen
        return seen.job

    async def standing(self) -> WorkerStanding:
        """How the account stands there."""

        async def read(block: Block) -> WorkerStanding:
            asking = await self._asking(block)
            put_account(asking, self._account)
            await self._done(asking)
            return read_standing(asking, self._account)

        return await self._of_one_block(read)

    async def _seen(self, ids: Collection[int]) -> dict[int, Seen | VeriFrameError]:
        """These jobs, all of them asked anew, each with an error where it cannot be had."""

        async def read(block: Block) -> dict[int, Seen | VeriFrameError]:
            if self._walk.first_id is None:
                await self._look(block, range(0))
            fit = [job_id for job_id in ids if 0 < job_id <= ID_MAX]
            for job_id in fit:
                self._facts.pop(job_id, None)
                self._over.pop(job_id, None)
            asking = await self._asking(block)
            self._put_jobs(asking, fit)
            await self._done(asking)
            return {job_id: self._seen_one(asking, job_id) for job_id in ids}

        return await self._of_one_block(read)

    def _seen_one(self, asking: Asking, job_id: int) -> Seen | VeriFrameError:
        try:
            if (job := self._job(asking, job_id)) is None:
                return ledger.unknown_job(job_id)
            reason = objection(asking, self._account, self._walk.their_id(job_id))
        except RegistryUnavailable as error:
            return error
        facts = Facts(job.order.creator, job.terms.reward_fri, job.order.asset_cid, job.terms.deadline)
        note = self._notes.get(job_id, facts) or Note(facts=facts)
        is_paused = asking.truth("paused") is True
        now = asking.block.head.time
        return Seen(job=job, note=note, objection=reason, is_paused=is_paused, now=now)

    async def _look(self, block: Block, wanted: range) -> Snapshot:
        known = [job_id for job_id in wanted if job_id <= self._walk.job_counter]
        asking = await self._asking(block)
        self._walk.put(asking)
        self._put_jobs(asking, known)
        await self._done(asking)
        jobs = self._listed(asking, known)
        await self._walk_on(asking)
        new = [job_id for job_id in wanted[len(known) :] if job_id <= self._walk.job_counter]
        if new:
            asking = await self._asking(block)
            self._put_jobs(asking, new)
            await self._done(asking)
        return Snapshot(
            head=block.head,
            job_counter=self._walk.job_counter,
            jobs=[*jobs, *self._listed(asking, new)],
        )

    async def _walk_on(self, asking: Asking) -> None:
        for _ in range(STEPS):
            if not self._walk.take(asking):
                break
            asking = await self._asking(asking.block)
            self._walk.put(asking)
            await self._done(asking)

    async def _asking(self, block: Block) -> Asking:
        return Asking(self._contract, await self.dialect(), block)

    def _put_jobs(self, asking: Asking, ids: Iterable[int]) -> None:
        wanted = [job_id for job_id in ids if job_id not in self._over]
        for job_id in wanted:
            their_id = self._walk.their_id(job_id)
            put_job(asking, their_id, with_facts=job_id not in self._facts)
            put_eligibility(asking, self._account, their_id)
        if wanted:
            put_account(asking, self._account)

    async def _done(self, asking: Asking) -> None:
        """Have it answered; and look whether the chain still has the block that was seen last."""
        last, block = self._last, asking.block
        doubts: list[Question] = []
        if last is not None and last.hash not in (block.hash, block.parent):
            doubts = [("starknet_getBlockWithTxHashes", {"block_id": {"block_number": last.head.number}})]
        answers = await asking.done(self._batches, *doubts)
        if last is not None and any(hash_of(answer) != last.hash for answer in answers):
            log.warning("registry_went_back", block=last.head.number)
            self._last = None
            self._facts.clear()
            self._over.clear()
            self._walk.step_back()
            if asking.spoken.has("worker"):
                self._notes.doubt()
            raise BlockGone("The chain went back. It is looked at anew.")
        self._last = block

    async def _of_one_block(self, read: Callable[[Block], Awaitable[T]]) -> T:
        """Read at the newest block; where that is gone before the end, at the one that is then the newest."""
        for pause in PAUSES_SECONDS:
            try:
                return await read(read_block(await self._contract.newest_block()))
            except BlockGone:
                await asyncio.sleep(pause)
        return await read(read_block(await self._contract.newest_block()))

    def _listed(self, asking: Asking, ids: Iterable[int]) -> list[Job]:
        return [job for job_id in ids if (job := self._listed_one(asking, job_id)) is not None]

    def _listed_one(self, asking: Asking, job_id: int) -> Job | None:
        if job_id in self._over:
            return self._over[job_id]
        try:
            job = self._job(asking, job_id)
        except RegistryUnavailable as error:
            # One job's odd answers are no reason to see none of the others.
            self._leave(job_id, str(error))
            return None
        now = asking.block.head.time
        if job is None:
            if job_id < self._walk.job_counter:
                _keep(self._over, job_id, None)
            return None
        if job.is_open(now) and (reason := objection(asking, self._account, self._walk.their_id(job_id))):
            self._leave(job_id, reason)
            return None
        self._left.pop(job_id, None)
        if job.state.is_final or (job.state is JobState.OPEN and not job.is_open(now)):
            _keep(self._over, job_id, job)
        return job

    def _leave(self, job_id: int, reason: str) -> None:
        if self._left.get(job_id) != reason:
            _keep(self._left, job_id, reason)
            log.info("job_left", job_id=job_id, reason=reason)

    def _job(self, asking: Asking, job_id: int) -> Job | None:
        """The job out of the answers. Raises `RegistryUnavailable` where they do not make one."""
        their_id = self._walk.their_id(job_id)
        facts = self._facts.get(job_id) or read_facts(asking, their_id)
        if facts is None:
            return self._forgotten(job_id, asking.block.head.time)
        _keep(self._facts, job_id, facts)
        shown = read_shown(asking, their_id)
        note = self._notes.get(job_id, facts) or Note(facts=facts)
        return build_job(job_id, note, shown, self._rules(asking.spoken), asking.block.head.time)

    def _forgotten(self, job_id: int, now: int) -> Job | None:
        """A job that the registry does not have (any more): over, where a result of ours was taken."""
        note = self._notes.jobs.get(job_id)
        if note is None or not note.is_submitted:
            return None
        rules = RegistryRules(account=self._account, has_claims=False, finalizes=False)
        return build_job(job_id, replace(note, has_ended=True), Shown(), rules, now)

    def _rules(self, spoken: Dialect) -> RegistryRules:
        return RegistryRules(
            account=self._account,
            has_claims=spoken.has("claim"),
            finalizes=spoken.has("finalize"),
            shows_workers=spoken.has("worker"),
        )


def _keep(kept: dict[int, V], job_id: int, value: V) -> None:
    """Remember, and forget the oldest where that is too much."""
    if job_id not in kept and len(kept) >= KEPT:
        del kept[next(iter(kept))]
    kept[job_id] = value
