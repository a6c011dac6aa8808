"""What the program needs of the outside world, as small protocols that adapters inherit explicitly.

Every method raises only errors of `veriframe.errors`. Each port has one conformance suite in
`tests/ports`, which runs on every adapter and on the fake.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from veriframe.errors import Code
from veriframe.model.attempt import Attempt
from veriframe.model.failure import Failure
from veriframe.model.folder import FolderLimits
from veriframe.model.frames import Progress, ProvedFrame, Rendering, RenderTask
from veriframe.model.job import Address, Head, Job, Terms, Verdict
from veriframe.model.scene import BlenderVersion, SceneInspection

LOOKS_AT_ONCE = 10
"""Where many jobs are read, those of so many looks are asked for, and kept, at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One answer of a registry: its newest block, how many jobs it has, and some of them at that block."""

    head: Head
    job_counter: int
    jobs: Sequence[Job]


class JobReader(Protocol):
    """Anyone's view of the registry. All methods raise `RegistryUnavailable`."""

    @property
    @abstractmethod
    def jobs_at_once(self) -> int:
        """How many jobs one `look` may ask for."""

    @abstractmethod
    async def identity(self) -> str:
        """What tells this registry from all others, and never changes: a few letters, digits, `_` and `-`.

        At most 80 characters. It is part of the names of pins (`model.pin_names`).
        """

    @abstractmethod
    async def look(self, first: int, count: int) -> Look:
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


class OrderDesk(JobReader, Protocol):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """Why something is kept: a job's asset, a job's result. Named so that it can be released."""

    cid: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """How far an add or a fetch is, in bytes of files. `total_bytes` is None while it is not known."""

    done_bytes: int
    total_bytes: int | None


OnTransfer = Callable[[Transfer], None]
"""Hears of a transfer, often, and always of its end; in the event loop's thread, and must be quick."""


def unheard(_: Transfer) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRoom:
    """How full a store is, in bytes of content; None: it does not tell.

    `free_bytes` may be added without breaking a pin, `held_bytes` make no room by themselves. `remedy` is
    what a person can do for more room, as one sentence.
    """

    free_bytes: int | None = None
    held_bytes: int | None = None
    remedy: str = ""


def partial_name(cid: str) -> str:
    """The name of what has come of a file, beside its target. `cid`: in its canonical spelling."""
    return f".veriframe-fetch-{cid}"


class ContentStore(Protocol):
    """Files and folders by CID. All methods raise `StoreUnavailable`; bytes are checked on every read."""

    @abstractmethod
    async def add(self, source: Path, pin_name: str, on_progress: OnTransfer = unheard) -> str:
        """Keep a file, or a folder without empty folders, pinned as `pin_name`. Returns its CIDv1.

        Raises `StoreFull` where there is no room for it.
        """

    @abstractmethod
    async def fetch(self, cid: str, target: Path, limit_bytes: int, on_progress: OnTransfer = unheard) -> int:
        """Put one regular file at `target`, all of it or nothing. Returns its size in bytes.

        What is half-done may stay beside it, for a later try to go on with: named `partial_name(cid)`.
        Raises `JobRejected`: BAD_CID, NOT_FOUND (nobody has it), NOT_A_FILE, TOO_LARGE, CORRUPT.
        """

    @abstractmethod
    async def fetch_folder(
        self, cid: str, target: Path, limits: FolderLimits, on_progress: OnTransfer = unheard
    ) -> int:
        """Put a folder at `target`, all of it or nothing, in place of what is there.

        Returns the bytes of its files. Raises `JobRejected` like `fetch`: NOT_A_FILE for what is no folder,
        TOO_LARGE for more than `limits`, CORRUPT for links, and for names that no file here may have.
        """

    @abstractmethod
    async def pin(self, pin: Pin) -> None:
        """Keep what is already there, under one more name."""

    @abstractmethod
    async def unpin(self, pin: Pin) -> None:
        """Release one name; what has no name left may be cleaned. Unknown pins are no error."""

    @abstractmethod
    async def pins(self) -> Sequence[Pin]:
        """All pins."""

    @abstractmethod
    async def room(self) -> StoreRoom:
        """How much may be added now. Other users of the same store may be faster."""

    async def tidy(self) -> None:
        """At the start of a run: remove what fetches of a killed one left in the store. Never raises.

        Nothing by default: for stores that keep nothing of what is fetched.
        """
        return


@dataclass(frozen=True, slots=True, kw_only=True)
class RendererFacts:
    """What the renderer stands on: `program` is "bpy wheel" or "Blender executable"."""

    program: str
    version: BlenderVersion
    version_text: str
    build_hash: str
    sandbox_level: str
    memory_held_by: str


class Renderer(Protocol):
    """Blender behind walls. Everything that it says about a scene is hostile until checked."""

    @abstractmethod
    async def facts(self) -> RendererFacts:
        """What this renderer is. Raises `HostUnavailable` where it cannot start."""

    @abstractmethod
    async def self_test(self) -> None:
        """Render a small scene of our own. Raises `HostUnavailable` where this machine fails at it."""

    @abstractmethod
    async def inspect(self, scene: Path) -> SceneInspection:
        """What Blender finds in a scene. Raises `JobRejected` (CORRUPT) where it cannot open it."""

    @abstractmethod
    async def render(
        self, scene: Path, task: RenderTask, out: Path, on_progress: Callable[[Progress], None]
    ) -> Rendering:
        """Render into `out`, a new and empty folder. Raises `RenderFailed` with the outcome's code.

        A frame of another size than the task's is WRONG_SIZE, before anybody looks into its file. What the
        lease cuts is LEASE, and never TIMEOUT.
        """

    @abstractmethod
    async def prove(
        self, scene: Path, task: RenderTask, rendering: Rendering, out: Path, clean: Path
    ) -> Sequence[ProvedFrame]:
        """Decode the frames in `out` in a clean sandbox; write them, stripped of metadata, to `clean`.

        A black frame is rendered once more, small, in a fresh process; black again is legitimate. All of it
        ends within the task's `lease_seconds`. Raises `VerificationFailed`: NOT_IMAGE, WRONG_SIZE,
        NOT_FINITE, BLACK, TAMPER, TIMEOUT, LEASE; for a black frame what `render` raises, too.
        """


class Journal(Protocol):
    """What this worker has done, durable before `move` returns. Raises `HostUnavailable`."""

    @abstractmethod
    def add(self, attempt: Attempt) -> bool:
        """Note a new attempt. False where one on this job is already there."""

    @abstractmethod
    def get(self, job_id: int) -> Attempt | None:
        """The attempt on a job."""

    @abstractmethod
    def move(self, before: Attempt, after: Attempt) -> None:
        """Replace `before` by `after`, only if `before`'s stage is still the journal's (compare-and-set).

        Raises `RuntimeError` where it is not: two processes work on one journal, which is a bug.
        """

    @abstractmethod
    def unfinished(self) -> Sequence[Attempt]:
        """The attempts whose stage is not an end, oldest first."""

    @abstractmethod
    def attempts(self) -> Sequence[Attempt]:
        """All attempts, oldest first."""

    @abstractmethod
    def belongs_to(self, identity: str) -> str:
        """The registry that this journal is about: what was noted first, `identity` where nothing was."""

    @abstractmethod
    def note_failure(self, failure: Failure) -> None:
        """Keep why a scene failed, so that the same bytes are not tried for ever. The oldest may go."""

    @abstractmethod
    def failures(self) -> Sequence[Failure]:
        """What has failed here, oldest first."""

    @abstractmethod
    def forget_failures(self, asset_cid: str | None = None) -> int:
        """Forget the failures of one scene, or of all. Returns how many there were."""
