"""What became of an order's frames: those in the folder, and those that are missing, with reasons."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from veriframe.creator.orders.values import Chunk, ChunkState
from veriframe.errors import JobError, StoreUnavailable
from veriframe.model.bundle.manifest import ManifestFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingFrames:
    """Frames that are not in the folder, and why. `is_bad`: there is a result, and it is at fault.

    `is_taken`: another file has the frame's name. `job_id` is None for a tile whose job is not known here.
    """

    frames: tuple[int, ...]
    job_id: int | None
    why: str
    is_bad: bool = False
    is_taken: bool = False


@dataclass(slots=True, kw_only=True)
class FetchedFrames:
    """What is in the folder now: frames that were written, and those that had been there."""

    folder: Path
    written: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    missing: list[MissingFrames] = field(default_factory=list)
    frames_per_second: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


def missing_of(chunk: Chunk) -> MissingFrames:
    """The frames of a chunk without a result that may be fetched, and why they have not come."""
    if chunk.job.result_cid and not chunk.has_result:
        return MissingFrames(frames=chunk.frames, job_id=chunk.job.id, why=chunk.fault, is_bad=True)
    if chunk.lost_dispute:
        why = "its worker lost the dispute, and the reward was returned"
        return MissingFrames(frames=chunk.frames, job_id=chunk.job.id, why=why)
    why = {
        ChunkState.OPEN: "no worker has claimed it yet",
        ChunkState.UNDER_WAY: "a worker renders it",
        ChunkState.EXPIRED: "no worker claimed it in time",
        ChunkState.REFUNDED: "it was cancelled or refunded",
    }.get(chunk.state, "its order's job.json is not known")
    return MissingFrames(frames=chunk.frames, job_id=chunk.job.id, why=why)


def bad_frames(chunk: Chunk, frames: tuple[int, ...], error: JobError) -> MissingFrames:
    """The frames of a result that is at fault."""
    return MissingFrames(frames=frames, job_id=chunk.job.id, why=f"{error} [{error.code.value}]", is_bad=True)


def unreached(chunk: Chunk, frames: tuple[int, ...], error: StoreUnavailable) -> MissingFrames:
    """The frames of a result whose files do not come now. That is nobody's fault yet."""
    return MissingFrames(frames=frames, job_id=chunk.job.id, why=f"the store does not give it now: {error}")


def taken(chunk: Chunk, frame: ManifestFrame, name: str) -> MissingFrames:
    """A frame whose name another file has."""
    return MissingFrames(
        frames=(frame.number,),
        job_id=chunk.job.id,
        why=f"another file is called {name}; --force replaces it",
        is_taken=True,
    )
