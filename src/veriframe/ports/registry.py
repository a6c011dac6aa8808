"""The job registry for readers, workers and creators, and an account's money in it."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from veriframe.errors import Code
from veriframe.model.registry.disputes import disputes_of
from veriframe.model.registry.history import JobHistory
from veriframe.model.registry.job import NOBODY, Address, Head, Job, Terms, Verdict
from veriframe.model.registry.ledger import unknown_job
from veriframe.model.registry.standing import WorkerStanding

SNAPSHOTS_AT_ONCE = 10
"""Most snapshots that are requested, and held in memory, at the same time when many jobs are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A registry's newest block, the number of its jobs, and some of the jobs at that block."""

    head: Head
    job_counter: int
    jobs: Sequence[Job]


class JobReader(Protocol):
    """Read access to the registry. All methods raise `RegistryUnavailable`."""

    @property
    @abstractmethod
    def jobs_at_once(self) -> int:
        """Most jobs in one `snapshot`."""

    @abstractmethod
    async def identity(self) -> str:
        """The registry's unique, permanent name: letters, digits, `_` and `-`, at most 80 characters.

        It is part of the names of pins (`model.registry.pin_names`).
        """

    @abstractmethod
    async def snapshot(self, first: int, count: int) -> Snapshot:
        """The newest block and the existing jobs among `first … first + count - 1`, in one call.

        Ids start at 1. Deadlines are judged by the block's time, never by this machine's clock.
        """

    @abstractmethod
    async def changed(self) -> Collection[int]:
        """The ids of jobs that changed since the last call, as far as the registry reports them.

        Only a hint: some may be missing, repeated, or not exist.
        """

    @abstractmethod
    async def history(self, job: Job) -> JobHistory:
        """The events of a job after its posting, as far as the registry has them; its `gap` names the rest.

        A lapsed claim has an event only once another move has settled it.
        """

    @abstractmethod
    async def block_hash(self, number: int) -> int | None:
        """The hash of an accepted block: below 2^256, and unknown to all before it. None: no such block yet.

        A next block comes by itself with time. A reorganisation may replace a young block, and its hash.
        """


async def read_job(reader: JobReader, job_id: int) -> Job:
    """One job. Raises `MoveRefused` (UNKNOWN_JOB) if the registry does not show it."""
    for job in (await reader.snapshot(job_id, 1)).jobs:
        return job
    raise unknown_job(job_id)


async def read_jobs(reader: JobReader, first: int, count: int) -> Sequence[Job]:
    """The existing jobs among `first … first + count - 1`, by id; any number, not all at one block."""
    size = reader.jobs_at_once
    snapshot = await reader.snapshot(first, min(size, count))
    end, jobs = min(first + count, snapshot.job_counter + 1), [*snapshot.jobs]
    for begin in range(first + size, end, size * SNAPSHOTS_AT_ONCE):
        windows = range(begin, min(end, begin + size * SNAPSHOTS_AT_ONCE), size)
        more = await asyncio.gather(*(reader.snapshot(at, min(size, end - at)) for at in windows))
        jobs += [job for one in more for job in one.jobs]
    return jobs


async def read_disputes(reader: JobReader, arbiter: Address) -> Sequence[Job]:
    """The disputed jobs that name an account as their arbiter, the most urgent first."""
    counter = (await reader.snapshot(1, 0)).job_counter
    return disputes_of(await read_jobs(reader, 1, counter), arbiter)


class JobRegistry(JobReader, Protocol):
    """The worker's moves. Each raises `MoveRefused` if it is not legal.

    If credit does not cover the money that a move binds, the same move takes the rest from the wallet. Moves
    of one kind made at the same time may share a transaction; a refused one does not affect the others. Each
    move returns its cost in fri, or its share of a shared transaction; 0 if it is free or the cost is
    unknown.
    """

    @property
    @abstractmethod
    def account(self) -> Address:
        """The account that makes the moves."""

    @property
    def has_claims(self) -> bool:
        """Whether a claim keeps other workers from a job. If not, the first to submit is paid."""
        return True

    @abstractmethod
    async def claim(self, job_id: int) -> int:
        """Claim a job: the bond goes into escrow and the lease starts."""

    @abstractmethod
    async def release(self, job_id: int, reason: Code) -> int:
        """Release a claim within its lease, with the reason, for a fee out of the bond."""

    @abstractmethod
    async def submit_result(self, job_id: int, result_cid: str) -> int:
        """Submit the result of a claim within its lease."""

    @abstractmethod
    async def finalize(self, job_id: int) -> int:
        """Pay or refund a job that is due. Anyone may make this move."""


class CreatorRegistry(JobReader, Protocol):
    """The creator's and the arbiter's moves. Each raises `MoveRefused` if it is not legal.

    As for workers, the same move takes from the wallet what credit does not cover.
    """

    @abstractmethod
    async def create_order(self, asset_cid: str, terms: Terms, jobs: int) -> Sequence[int]:
        """Post an order and put its rewards in escrow. Returns the ids of its jobs."""

    @abstractmethod
    async def accept_result(self, job_id: int) -> None:
        """Pay the worker now."""

    @abstractmethod
    async def cancel_job(self, job_id: int) -> None:
        """Cancel a job without a live claim."""

    @abstractmethod
    async def dispute_result(self, job_id: int, evidence_cid: str) -> None:
        """Dispute a result before the arbiter, for a bond."""

    @abstractmethod
    async def resolve_dispute(self, job_id: int, verdict: Verdict, evidence_cid: str) -> None:
        """Decide a dispute, as its arbiter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Funds:
    """An account's money in fri: `wallet` outside the registry, `credit` inside it, free to use.

    `reserve_fri` is the part of the wallet that must stay there, to pay for the moves that follow a claim.
    `job_fees_fri` is the cost of all moves of one job, from claim to pay, at the present gas price.
    `is_paid_in_fri`: whether rewards are in the token of the fees, so that the two can be compared.
    """

    wallet_fri: int
    credit_fri: int
    reserve_fri: int = 0
    job_fees_fri: int = 0
    is_paid_in_fri: bool = True

    @property
    def means_fri(self) -> int:
        """The amount that one move can bind: the credit, and the wallet less the reserve."""
        return self.credit_fri + max(0, self.wallet_fri - self.reserve_fri)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """All money inside the registry, in fri. `token_fri` is the sum of the other three."""

    token_fri: int
    escrow_fri: int
    credit_fri: int
    burned_fri: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryFacts:
    """Public facts about a registry. `kind` is "embedded", "ours" or "foreign".

    `place` is an address or a file. `held_fri` is the registry's balance of our token; a foreign registry may
    use others. `offers` and `lacks` are names of functions that we would use. `fault` says why a worker
    cannot serve it, and is empty if it can.
    """

    kind: str
    place: str
    class_hash: int | None = None
    token: Address | None = None
    jobs: int | None = None
    held_fri: int
    totals: Totals | None = None
    offers: Sequence[str] = ()
    lacks: Sequence[str] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFacts:
    """How far a chain's nodes are trusted.

    `chain` is the readable id, learned at `learned_at` (Unix seconds; `is_new`: by this run). `nodes` are the
    endpoints' names. `skew_seconds` is 0 if the chain's time is not compared with this machine's clock.
    """

    chain: str
    learned_at: int
    is_new: bool
    nodes: Sequence[str]
    time_fault: str
    skew_seconds: float


class Treasury(Protocol):
    """An account's money, in and out of the registry."""

    @abstractmethod
    async def funds(self, account: Address) -> Funds:
        """The balances of an account."""

    @abstractmethod
    async def totals(self) -> Totals:
        """The balances of the registry."""

    @abstractmethod
    async def deposit(self, amount_fri: int) -> None:
        """Move money from the account's wallet into its credit. Raises `MoveRefused` if it is short."""

    @abstractmethod
    async def withdraw(self, amount_fri: int, recipient: Address) -> None:
        """Move money from the account's credit to any wallet."""


class WorkerRegistry(JobRegistry, Treasury, Protocol):
    """The registry as a worker needs it: moves, and the money for bonds."""


class FullRegistry(WorkerRegistry, CreatorRegistry, Protocol):
    """A registry for workers and creators, as our own kinds are."""


class Membership(Protocol):
    """An account as a worker of a registry that may require its workers to register."""

    @abstractmethod
    async def standing(self) -> WorkerStanding:
        """The account's standing."""

    @abstractmethod
    async def register(self, info: str) -> None:
        """Register the account, with a description. Raises `MoveRefused`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRegistry:
    """What an opened registry offers to an account. None: it does not offer that.

    `chain_facts` says, with the newest head, how far the nodes of its chain are trusted.
    """

    worker: WorkerRegistry
    creator: FullRegistry | None = None
    membership: Membership | None = None
    chain_facts: Callable[[Head], ChainFacts] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedReader:
    """A registry that was opened for reading alone, which needs no key.

    `account` is the reader's own address, `NOBODY` if it is not known. `is_foreign`: it is of another maker.
    """

    jobs: JobReader
    account: Address = NOBODY
    is_foreign: bool = False
