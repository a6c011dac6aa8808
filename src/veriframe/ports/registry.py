"""The job registry, as its readers, workers and creators use it, and an account's money in it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from veriframe.errors import Code
from veriframe.model.registry.job import Address, Head, Job, Terms, Verdict

SNAPSHOTS_AT_ONCE = 10
"""Where many jobs are read, those of so many looks are asked for, and kept, at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One answer of a registry: its newest block, how many jobs it has, and some of them at that block."""

    head: Head
    job_counter: int
    jobs: Sequence[Job]


class JobReader(Protocol):
    """Anyone's view of the registry. All methods raise `RegistryUnavailable`."""

    @property
    @abstractmethod
    def jobs_at_once(self) -> int:
        """How many jobs one `snapshot` may ask for."""

    @abstractmethod
    async def identity(self) -> str:
        """What tells this registry from all others, and never changes: a few letters, digits, `_` and `-`.

        At most 80 characters. It is part of the names of pins (`model.pin_names`).
        """

    @abstractmethod
    async def snapshot(self, first: int, count: int) -> Snapshot:
        """The newest block and the jobs `first … first + count - 1` that exist, by one call."""

    @abstractmethod
    async def changed(self) -> Collection[int]:
        """Jobs that somebody touched since the last call, as far as the registry tells, and worth a look.

        A hint and never the truth: some may be missing, told twice, or be no jobs at all.
        """

    @abstractmethod
    async def head(self) -> Head:
        """The newest block. Deadlines are judged by its time, never by this machine's clock."""

    @abstractmethod
    async def job_counter(self) -> int:
        """The highest job id so far; ids count from 1."""

    @abstractmethod
    async def get_job(self, job_id: int) -> Job:
        """One job. Raises `MoveRefused` (UNKNOWN_JOB) where the id was never given."""

    @abstractmethod
    async def get_jobs(self, first: int, count: int) -> Sequence[Job]:
        """The jobs `first … first + count - 1` that exist, by id, however many; not all at one block."""


class JobRegistry(JobReader, Protocol):
    """The worker's moves, each legal or refused (`MoveRefused`) for itself.

    What a move binds, and credit does not cover, comes out of the wallet in the same move. Moves of one kind
    that are made at the same time may become one transaction; no refused one takes the others with it. Each
    returns what it cost in fri, its share of a transaction for several; 0 where nothing is charged or known.
    """

    @property
    @abstractmethod
    def account(self) -> Address:
        """Who makes the moves."""

    @abstractmethod
    async def claim(self, job_id: int) -> int:
        """Take a job: its bond goes into escrow. The lease starts."""

    @abstractmethod
    async def release(self, job_id: int, reason: Code) -> int:
        """Give a claim back while its lease runs, with the reason, for a fee out of the bond."""

    @abstractmethod
    async def submit_result(self, job_id: int, result_cid: str) -> int:
        """Hand in the result of one's own claim while its lease runs."""

    @abstractmethod
    async def finalize(self, job_id: int) -> int:
        """Anyone's move that ends a job whose time has come: pay or refund."""


class CreatorRegistry(JobReader, Protocol):
    """The creator's moves, and the arbiter's. Each raises `MoveRefused` where it is not legal.

    As for workers, what credit does not cover comes out of the wallet in the same move.
    """

    @abstractmethod
    async def create_order(self, asset_cid: str, terms: Terms, jobs: int) -> Sequence[int]:
        """Post an order and put its rewards in escrow. Returns the ids of its jobs."""

    @abstractmethod
    async def accept_result(self, job_id: int) -> None:
        """Pay the worker now."""

    @abstractmethod
    async def cancel_job(self, job_id: int) -> None:
        """Take back a job that nobody has under a live claim."""

    @abstractmethod
    async def dispute_result(self, job_id: int, evidence_cid: str) -> None:
        """Ask the arbiter, for a bond."""

    @abstractmethod
    async def resolve_dispute(self, job_id: int, verdict: Verdict, evidence_cid: str) -> None:
        """The arbiter's decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Funds:
    """Who holds what, in fri: `wallet` outside the registry, `credit` inside it, free to use.

    `reserve_fri` is what of the wallet must stay there, to pay for the moves that have to follow a claim.
    `job_fees_fri` is what the moves of one job cost at the present price of gas, from its claim to its pay.
    """

    wallet_fri: int
    credit_fri: int
    reserve_fri: int = 0
    job_fees_fri: int = 0

    @property
    def means_fri(self) -> int:
        """What can be bound in one move: the credit, and what the wallet can spare."""
        return self.credit_fri + max(0, self.wallet_fri - self.reserve_fri)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """All money inside the registry, in fri. `token` is what the registry holds: the sum of the rest."""

    token_fri: int
    escrow_fri: int
    credit_fri: int
    burned_fri: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryFacts:
    """What a registry is, as anyone may see it. `kind` is "embedded", "ours" or "foreign".

    `place` is an address or a file. A foreign one tells what it is paid in and what it owes in ways of its
    own: `held_fri` is what it has of our token. `offers` and `lacks` are names of functions that we would
    use; `fault` says why a worker cannot serve it, and is empty where it can.
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
    """How far a chain's nodes are believed.

    `chain` is the id in words, learned at `learned_at` (Unix seconds; `is_new`: by this run). `nodes` are the
    endpoints' names. `skew_seconds` is 0 where the chain's time is not held against this machine's clock.
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
        """What an account holds."""

    @abstractmethod
    async def totals(self) -> Totals:
        """What the registry holds."""

    @abstractmethod
    async def deposit(self, amount_fri: int) -> None:
        """From the own wallet into credit. Raises `MoveRefused` where the wallet holds less."""

    @abstractmethod
    async def withdraw(self, amount_fri: int, recipient: Address) -> None:
        """From the own credit to anyone's wallet."""
