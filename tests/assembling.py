"""Assembles a file from a source's blocks, as a store does."""

from __future__ import annotations

from pathlib import Path

from veriframe.adapters.kubo.blocks.dag import BlockSource, DagLimits, assemble
from veriframe.adapters.kubo.files.partial import partial
from veriframe.model.content.cid import Cid
from veriframe.ports.store import OnTransfer, ignore_transfer


async def assembled(
    root: Cid, source: BlockSource, target: Path, limits: DagLimits, on_progress: OnTransfer = ignore_transfer
) -> int:
    """Writes the file to `target`. Returns its size in bytes."""
    async with partial(root, str(root), target.parent) as part:
        size_bytes = await assemble(root, source, part, limits, on_progress)
        await part.place(target)
    return size_bytes
