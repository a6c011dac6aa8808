"""Reads the jobs of a foreign registry in few requests, all at one block.

What never changes about a job is queried once, and finished jobs are not queried again. A reorganisation
behind the last block that was read clears this cache. Ids are our own: they start at 1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import replace
from typing import TypeVar

import structlog

from veriframe.adapters.starknet.chain_reader import ChainReader
from veriframe.adapters.starknet.contract.contract import Node, Question, WrongContract
from veriframe.adapters.starknet.contract.event_log import EventLog
from veriframe.adapters.starknet.contract.view_batches import ViewBatches
from veriframe.adapters.starknet.foreign import membership
from veriframe.adapters.starknet.foreign.dialect import Dialect, choose_dialect
from veriframe.adapters.starknet.foreign.facts import put_job, read_facts, read_shown
from veriframe.adapters.starknet.foreign.history import read_history
from veriframe.adapters.starknet.foreign.job import (
    CurrentView,
    FixedFacts,
    MoveRecord,
    RegistryFeatures,
    build_job,
    figures,
)
from veriframe.adapters.starknet.foreign.job_range import ID_MAX, JobRange
from veriframe.adapters.starknet.foreign.move_records import MoveRecords
from veriframe.adapters.starknet.foreign.moves import ObservedJob
from veriframe.adapters.starknet.foreign.queries import Block, BlockGone, Queries, hash_of, read_block
from veriframe.adapters.starknet.trust.witnesses import Witnesses
from veriframe.errors import RegistryUnavailable, VeriFrameError
from veriframe.model.registry import ledger
from veriframe.model.registry.history import JobHistory
from veriframe.model.registry.job import NOBODY, Address, Job, JobState, format_address
from veriframe.model.registry.standing import WorkerStanding
from veriframe.ports.registry import Snapshot

log = structlog.get_logger()
T = TypeVar("T")
JOBS_AT_ONCE = 50
"""The most jobs in one poll: some hundreds of questions at first, few once most jobs are over."""
KEPT = 20_000
"""How many jobs are cached."""
STEPS = 50
"""How many further steps of ids one poll may take."""
PAUSES_SECONDS = (0.0, 0.1, 0.3, 0.6)
"""The pauses between attempts if a block is gone: a newer one replaced it, or a node lacks it."""


class ForeignReader(ChainReader):
    """The registry at `address` as seen by `account`, whose own records are `notes`.

    For `NOBODY` no job is left out, since eligibility is a worker's.
    """

    def __init__(
        self,
        node: Node,
        address: int,
        account: Address,
        notes: MoveRecords,
        witnesses: Witnesses | None = None,
    ) -> None:
        super().__init__(node, address, witnesses)
        self._batches, self._events = ViewBatches(node), EventLog(node, address)
        self._account, self._notes = account, notes
        self._dialect: Dialect | None = None
        self._walk, self._walking = JobRange(notes.first_id), asyncio.Lock()
        self._last: Block | None = None
        self._facts: dict[int, FixedFacts] = {}
        self._over: dict[int, Job | None] = {}
        self._left: dict[int, str] = {}
        self._job_fees_fri = 0
        """The expected fees of one job's moves, as last computed."""

    @property
    def jobs_at_once(self) -> int:
        """The most jobs in one poll."""
        return JOBS_AT_ONCE

    async def dialect(self) -> Dialect:
        """How to call the registry. Raises `RegistryUnavailable`, which names what is missing."""
        if self._dialect is None:
            dialect = choose_dialect(await self._contract.abi())
            if dialect.missing:
                raise WrongContract(dialect.missing)
            self._dialect = dialect
            if not dialect.has("claim") and self._account != NOBODY:
                log.warning(
                    "registry_without_claims",
                    registry=format_address(self._contract.address),
                    reason="First come, first served: others may copy a result and be paid for it.",
                )
        return self._dialect

    async def changed(self) -> Collection[int]:
        """Nothing: the events of foreign registries have no common form."""
        return ()

    async def history(self, job: Job) -> JobHistory:
        """The job's events, as far as the registry's ABI has events that are known here."""
        return await read_history(self._events, (await self.dialect()).abi, self._walk.their_id(job.id))

    async def snapshot(self, first: int, count: int) -> Snapshot:
        """The newest block, and the jobs `first … first + count - 1` that exist and are not left out.

        Open jobs that the registry does not give to this account are left out and logged once.
        """
        last = min(first + min(count, JOBS_AT_ONCE) - 1, ID_MAX)
        async with self._walking:
            return await self._of_one_block(lambda block: self._poll(block, range(max(first, 1), last + 1)))

    async def standing(self) -> WorkerStanding:
        """The account's standing at the registry."""

        async def read(block: Block) -> WorkerStanding:
            queries = await self._queries(block)
            membership.put_account(queries, self._account)
            await self._ask(queries)
            return membership.read_standing(queries, self._account)

        return await self._of_one_block(read)

    async def _seen(self, ids: Collection[int]) -> dict[int, ObservedJob | VeriFrameError]:
        """Reads these jobs again without the cache; an error for each that cannot be read."""

        async def read(block: Block) -> dict[int, ObservedJob | VeriFrameError]:
            if self._walk.first_id is None:
                await self._poll(block, range(0))
            fit = [job_id for job_id in ids if 0 < job_id <= ID_MAX]
            for job_id in fit:
                self._facts.pop(job_id, None)
                self._over.pop(job_id, None)
            queries = await self._queries(block)
            self._put_jobs(queries, fit)
            await self._ask(queries)
            return {job_id: self._seen_one(queries, job_id) for job_id in ids}

        return await self._of_one_block(read)

    def _seen_one(self, queries: Queries, job_id: int) -> ObservedJob | VeriFrameError:
        try:
            if (job := self._job(queries, job_id)) is None:
                return ledger.unknown_job(job_id)
            reason = self._objection(queries, job_id)
        except RegistryUnavailable as error:
            return error
        facts = FixedFacts(job.order.creator, job.terms.reward_fri, job.order.asset_cid, job.terms.deadline)
        note = self._notes.get(job_id, facts) or MoveRecord(facts=facts)
        is_paused = queries.boolean("paused") is True
        now = queries.block.head.time
        return ObservedJob(job=job, note=note, objection=reason, is_paused=is_paused, now=now)

    async def _poll(self, block: Block, wanted: range) -> Snapshot:
        # Our own jobs may be deleted since, also the newest.
        known = [one for one in wanted if one <= self._walk.job_counter or one in self._notes.jobs]
        queries = await self._queries(block)
        self._walk.put(queries)
        self._put_jobs(queries, known)
        await self._ask(queries)
        jobs = self._listed(queries, known)
        await self._walk_on(queries)
        new = [one for one in wanted if one <= self._walk.job_counter and one not in known]
        if new:
            queries = await self._queries(block)
            self._put_jobs(queries, new)
            await self._ask(queries)
        return Snapshot(
            head=block.head,
            job_counter=self._walk.job_counter,
            jobs=sorted([*jobs, *self._listed(queries, new)], key=lambda job: job.id),
        )

    async def _walk_on(self, queries: Queries) -> None:
        for _ in range(STEPS):
            if not self._walk.take(queries):
                break
            queries = await self._queries(queries.block)
            self._walk.put(queries)
            await self._ask(queries)

    async def _queries(self, block: Block) -> Queries:
        return Queries(self._contract, await self.dialect(), block)

    def _put_jobs(self, queries: Queries, ids: Iterable[int]) -> None:
        wanted = [job_id for job_id in ids if job_id not in self._over]
        for job_id in wanted:
            their_id = self._walk.their_id(job_id)
            put_job(queries, their_id, with_facts=job_id not in self._facts)
            if self._account != NOBODY:
                membership.put_eligibility(queries, self._account, their_id)
        if wanted and self._account != NOBODY:
            membership.put_account(queries, self._account)

    async def _ask(self, queries: Queries) -> None:
        """Sends the queries, and checks that the chain still has the last block that was read."""
        last, block = self._last, queries.block
        doubts: list[Question] = []
        if last is not None and last.hash not in (block.hash, block.parent):
            doubts = [("starknet_getBlockWithTxHashes", {"block_id": {"block_number": last.head.number}})]
        answers = await queries.ask(self._batches, *doubts)
        if last is not None and any(hash_of(answer) != last.hash for answer in answers):
            log.warning("registry_went_back", block=last.head.number)
            self._last = None
            self._facts.clear()
            self._over.clear()
            self._walk.step_back()
            if queries.dialect.has("worker"):
                self._notes.doubt()
            raise BlockGone("The chain was reorganised. The jobs are read again.")
        self._last = block

    async def _of_one_block(self, read: Callable[[Block], Awaitable[T]]) -> T:
        """Reads at the newest block. If it is gone before the end, tries again at the next newest."""
        for pause in PAUSES_SECONDS:
            try:
                return await read(read_block(await self._contract.newest_block()))
            except BlockGone:
                await asyncio.sleep(pause)
        return await read(read_block(await self._contract.newest_block()))

    def _listed(self, queries: Queries, ids: Iterable[int]) -> list[Job]:
        return [job for job_id in ids if (job := self._listed_one(queries, job_id)) is not None]

    def _listed_one(self, queries: Queries, job_id: int) -> Job | None:
        if job_id in self._over:
            return self._over[job_id]
        try:
            job = self._job(queries, job_id)
        except RegistryUnavailable as error:
            # Unusable answers about one job must not hide the others.
            self._leave(job_id, str(error))
            return None
        now = queries.block.head.time
        if job is None:
            if job_id < self._walk.job_counter:
                _keep(self._over, job_id, None)
            return None
        if job.is_open(now) and (reason := self._objection(queries, job_id)):
            self._leave(job_id, reason, job)
            return None
        self._left.pop(job_id, None)
        if job.state.is_final or (job.state is JobState.OPEN and not job.is_open(now)):
            _keep(self._over, job_id, job)
        return job

    def _objection(self, queries: Queries, job_id: int) -> str:
        if self._account == NOBODY:
            return ""
        return membership.objection(queries, self._account, self._walk.their_id(job_id))

    def _leave(self, job_id: int, reason: str, job: Job | None = None) -> None:
        if self._left.get(job_id) != reason:
            _keep(self._left, job_id, reason)
            facts = {} if job is None else figures(job, self._job_fees_fri)
            log.info("job_left", job_id=job_id, **facts, reason=reason)

    def _job(self, queries: Queries, job_id: int) -> Job | None:
        """The job from the answers. Raises `RegistryUnavailable` if they do not fit."""
        their_id = self._walk.their_id(job_id)
        facts = self._facts.get(job_id) or read_facts(queries, their_id)
        if facts is None:
            return self._forgotten(job_id, queries.block.head.time)
        _keep(self._facts, job_id, facts)
        shown = read_shown(queries, their_id)
        note = self._notes.get(job_id, facts) or MoveRecord(facts=facts)
        return build_job(job_id, note, shown, self._features(queries.dialect), queries.block.head.time)

    def _forgotten(self, job_id: int, now: int) -> Job | None:
        """A job that the registry does not have (any more): finished, if it accepted a result of ours."""
        note = self._notes.jobs.get(job_id)
        if note is None or not note.is_submitted:
            return None
        features = RegistryFeatures(account=self._account, has_claims=False, finalizes=False)
        return build_job(job_id, replace(note, has_ended=True), CurrentView(), features, now)

    def _features(self, dialect: Dialect) -> RegistryFeatures:
        return RegistryFeatures(
            account=self._account,
            has_claims=dialect.has("claim"),
            finalizes=dialect.has("finalize"),
            shows_workers=dialect.has("worker"),
        )


def _keep(kept: dict[int, T], job_id: int, value: T) -> None:
    """Caches a value, and drops the oldest if there are too many."""
    if job_id not in kept and len(kept) >= KEPT:
        del kept[next(iter(kept))]
    kept[job_id] = value
