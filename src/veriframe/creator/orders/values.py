"""An artist's order at one moment: its chunks, frames, money and time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from veriframe.creator.orders.notes import Checks, ConclusionNote, Conclusions, OrderNote
from veriframe.model.bundle.chunks import Piece, frames_of, tile_of
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.content.cid import is_cid
from veriframe.model.registry.job import Job, JobState, Order
from veriframe.model.verification.findings import AT_FAULT, RIGHT


class ChunkState(StrEnum):
    """What a chunk is to its creator."""

    OPEN = "open"
    UNDER_WAY = "under way"
    THERE = "there"
    FAULTY = "at fault"
    """A result waits for the creator that is no CID, or that `order fetch` found at fault."""
    PAID = "paid"
    REFUNDED = "refunded"
    DISPUTED = "disputed"
    EXPIRED = "expired"
    """No worker may claim it any more, and its reward is still bound."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self in (ChunkState.PAID, ChunkState.REFUNDED, ChunkState.EXPIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One job of an order, at `now` in chain seconds, and the numbers of its frames.

    `frames` is empty if the bundle's `job.json` could not be read. `tile` is the one of a split still, from
    0, None for whole frames. `finding` is what `order fetch` found of its result: None if it was not checked,
    an empty text if all is right, else the fault. `verified` is what a verification said of it, if one did.
    """

    job: Job
    frames: tuple[int, ...]
    now: int
    tile: int | None = None
    finding: str | None = None
    verified: ConclusionNote | None = None

    @property
    def state(self) -> ChunkState:
        """Its state."""
        job = self.job
        if job.state is JobState.OPEN or job.is_lapsed(self.now):
            return ChunkState.OPEN if job.is_open(self.now) else ChunkState.EXPIRED
        if job.state is JobState.SUBMITTED and self.fault:
            return ChunkState.FAULTY
        return {
            JobState.CLAIMED: ChunkState.UNDER_WAY,
            JobState.SUBMITTED: ChunkState.THERE,
            JobState.DISPUTED: ChunkState.DISPUTED,
            JobState.PAID: ChunkState.PAID,
            JobState.REFUNDED: ChunkState.REFUNDED,
        }[job.state]

    @property
    def pieces(self) -> frozenset[Piece]:
        """What it renders."""
        return frozenset((frame, self.tile) for frame in self.frames)

    @property
    def has_result(self) -> bool:
        """Whether there is a result that may be fetched: workers may submit any text as a CID."""
        return is_cid(self.job.result_cid)

    @property
    def has_come(self) -> bool:
        """Whether its frames are there: not those of a result at fault, or that lost a dispute."""
        return self.has_result and not self.fault and not self.lost_dispute

    @property
    def has_ended(self) -> bool:
        """Whether nothing more can come of it: its worker has submitted something, or it is over."""
        return bool(self.job.result_cid) or self.state.is_over

    @property
    def fault(self) -> str:
        """Why its result is none, as one clause, or an empty text."""
        if self.job.result_cid and not self.has_result:
            return "its worker submitted no CID as its result"
        return self.finding or ""

    @property
    def is_right(self) -> bool:
        """Whether `order fetch` has checked every frame of its result."""
        return self.has_result and self.finding == ""

    @property
    def is_proved(self) -> bool:
        """Whether a verification of this machine has proved its result right."""
        return self.has_result and self.verified is not None and self.verified.conclusion in RIGHT

    @property
    def is_disproved(self) -> bool:
        """Whether a verification of this machine has found its result wrong, or withheld."""
        return self.verified is not None and self.verified.conclusion in AT_FAULT

    @property
    def lost_dispute(self) -> bool:
        """Whether its arbiter decided against its worker: nothing else refunds a chunk with a result."""
        return self.job.state is JobState.REFUNDED and bool(self.job.result_cid)

    @property
    def is_under_review(self) -> bool:
        """Whether its result may still be disputed, if an arbiter is named."""
        return self.job.state is JobState.SUBMITTED and self.now < self.job.review_end

    @property
    def came_at(self) -> int:
        """When the result came, in chain seconds; 0 if there is none or it is not known."""
        job = self.job
        return job.review_end - job.terms.review_seconds if self.has_result and job.review_end else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStatus:
    """An artist's order: one order of the registry or, beyond a thousand chunks, several.

    `bundles` are by the registry's order; one that is missing is a bare scene's, or could not be read.
    `notes` are those of this machine, by CID.
    """

    orders: tuple[Order, ...]
    jobs: tuple[Job, ...]
    bundles: Mapping[int, Bundle]
    notes: Mapping[str, OrderNote]
    now: int
    checks: Checks = field(default_factory=dict)
    conclusions: Conclusions = field(default_factory=dict)

    @property
    def number(self) -> int:
        """The number that commands name it by: that of its first order in the registry."""
        return self.orders[0].id

    @property
    def order(self) -> Order:
        """Its first order in the registry."""
        return self.orders[0]

    @property
    def note(self) -> OrderNote | None:
        """What this machine noted of it."""
        return self.notes.get(self.order.asset_cid)

    @property
    def bundle(self) -> Bundle | None:
        """The first bundle; None for a bare scene."""
        return self.bundles.get(self.number)

    @property
    def name(self) -> str:
        """The scene's name, or an empty text if it is not known."""
        if self.note is not None:
            return self.note.name
        return self.bundle.scene.rpartition("/")[2] if self.bundle else ""

    @property
    def chunks(self) -> tuple[Chunk, ...]:
        """All chunks, in the order of their frames."""
        return tuple(
            Chunk(
                job=job,
                frames=self._frames(job),
                tile=self._tile(job),
                now=self.now,
                finding=self.checks.get((job.id, job.result_cid)),
                verified=self.conclusions.get((job.id, job.result_cid)),
            )
            for job in self.jobs
        )

    def _frames(self, job: Job) -> tuple[int, ...]:
        bundle = self.bundles.get(job.order.id)
        return () if bundle is None else frames_of(bundle, job.part)

    def _tile(self, job: Job) -> int | None:
        bundle = self.bundles.get(job.order.id)
        return None if bundle is None else tile_of(bundle, job.part)

    @property
    def frames(self) -> int:
        """How many frames it has; a split still is one, and so is each job of a bare scene."""
        if self.bundle is not None and self.bundle.split is not None:
            return 1
        return sum(len(chunk.frames) for chunk in self.chunks) or len(self.jobs)

    @property
    def frames_there(self) -> int:
        """How many frames have come. Those of a result at fault, or that was refunded, have not."""
        there = [chunk for chunk in self.chunks if chunk.has_come]
        if self.bundle is not None and self.bundle.split is not None:
            return int(len(there) == len(self.jobs))
        return sum(len(chunk.frames) or 1 for chunk in there)

    def count(self, *states: ChunkState) -> int:
        """How many chunks are in one of these states."""
        return sum(chunk.state in states for chunk in self.chunks)

    @property
    def is_over(self) -> bool:
        """Whether every chunk is paid, refunded or expired."""
        return all(chunk.state.is_over for chunk in self.chunks)

    @property
    def has_come(self) -> bool:
        """Whether nothing more can come: every chunk has a result or is over."""
        return all(chunk.has_ended for chunk in self.chunks)

    @property
    def spent_fri(self) -> int:
        """The rewards that were paid."""
        return sum(job.terms.reward_fri for job in self.jobs if job.state is JobState.PAID)

    @property
    def bound_fri(self) -> int:
        """The rewards that are in escrow."""
        return sum(job.terms.reward_fri for job in self.jobs if not job.state.is_final)

    @property
    def returned_fri(self) -> int:
        """The rewards that became credit again."""
        return sum(job.terms.reward_fri for job in self.jobs if job.state is JobState.REFUNDED)

    @property
    def seconds_left(self) -> float | None:
        """How long missing chunks will take: by the pace so far, else by the estimate; None if unknown."""
        missing = [chunk for chunk in self.chunks if not chunk.has_ended]
        if not missing:
            return 0.0
        came = [chunk.came_at for chunk in self.chunks if chunk.came_at]
        if came and max(came) > self.order.created_at:
            pace = len(came) / (max(came) - self.order.created_at)
            return max(0.0, len(missing) / pace - (self.now - max(came)))
        note = self.note
        if note is None or not note.frame_seconds:
            return None
        frames = sum(len(chunk.frames) for chunk in missing)
        hands = max(1, self.count(ChunkState.UNDER_WAY))
        return (frames * note.frame_seconds + len(missing) * note.loading_seconds) / hands


def missing_pieces(
    chunks: Sequence[Chunk], states: Collection[ChunkState], *, there: frozenset[Piece]
) -> tuple[Piece, ...]:
    """What the chunks in one of these states render, in order, each once, without what is `there`."""
    lost = [(frame, chunk.tile) for chunk in chunks if chunk.state in states for frame in chunk.frames]
    return tuple(piece for piece in dict.fromkeys(lost) if piece not in there)
