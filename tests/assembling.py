"""Fetches a file from one source's blocks, as a store does."""

from __future__ import annotations

from pathlib import Path

from veriframe.adapters.kubo.fetching.fetcher import BlockSource, Fetcher
from veriframe.adapters.kubo.fetching.timeouts import Timeouts
from veriframe.model.content.cid import Cid
from veriframe.ports.store import FetchLimits, OnTransfer, ignore_transfer


async def assembled(
    root: Cid, source: BlockSource, target: Path, limit_bytes: int, on_progress: OnTransfer = ignore_transfer
) -> int:
    """Writes the file to `target`. Returns its size in bytes."""
    fetcher = Fetcher([source], Timeouts(away_seconds=0))
    fetched = await fetcher.fetch(root, target, FetchLimits(file_bytes=limit_bytes), on_progress)
    return fetched.size_bytes
