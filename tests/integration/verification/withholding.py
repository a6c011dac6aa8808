"""A store in which nobody provides some of the parts of a result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from veriframe.errors import Code, JobRejected
from veriframe.ports.store import ContentStore, Fetched, FetchLimits, OnTransfer, ignore_transfer


class Withholding:
    """Another store, but for paths that end so. `asked` counts what was asked for in vain."""

    def __init__(self, store: ContentStore, end: str) -> None:
        self._store, self._end, self.asked = store, end, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def fetch(
        self,
        cid: str,
        target: Path,
        limits: FetchLimits,
        on_progress: OnTransfer = ignore_transfer,
        path: str = "",
    ) -> Fetched:
        """All but these."""
        await self.before(cid, path)
        return await self._store.fetch(cid, target, limits, on_progress, path)

    async def read(self, cid: str, path: str, offset: int, length: int) -> bytes:
        """All but these."""
        await self.before(cid, path)
        return await self._store.read(cid, path, offset, length)

    async def before(self, _cid: str, path: str) -> None:
        """What happens before a path is fetched or read."""
        if path.endswith(self._end):
            self.asked += 1
            raise JobRejected(Code.NOT_FOUND, f"Nobody has {path}.")
