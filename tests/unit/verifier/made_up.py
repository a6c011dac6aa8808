"""Made-up findings, for what shows them."""

from __future__ import annotations

from veriframe.model.verification.findings import (
    Conclusion,
    FrameFinding,
    JobFinding,
    Subject,
    TileFinding,
)
from veriframe.model.verification.tiles import TileGrid

JOB = JobFinding(
    job=12,
    order=3,
    asset_cid="bafyasset",
    result_cid="bafyresult",
    seed_block=70,
    seed="ab" * 32,
    blender="4.5.15 LTS",
    build_hash="abc",
    machine_class="class-of-ours",
    worker_class="class-of-theirs",
    frames_of_job=10,
    seconds=93.0,
    fetched_bytes=2**20,
)


def tile_of(size: TileGrid, number: int, conclusion: Conclusion = Conclusion.EXACT) -> TileFinding:
    """A finding of a tile in its place."""
    subject = Subject.NOISY if conclusion is Conclusion.EXACT else Subject.DELIVERED
    return TileFinding(tile=number, region=size.region(number), subject=subject, conclusion=conclusion)


def frame(number: int, *tiles: TileFinding) -> FrameFinding:
    """A frame with these findings."""
    return FrameFinding(number=number, tiles=tiles)
