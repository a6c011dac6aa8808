"""The asset of an order: fetched once, inspected, and kept open while its jobs are verified."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from veriframe.assets import Asset, check_bundle, header_of, judge_asset, read_asset
from veriframe.model.bundle.inspected import InspectedAsset
from veriframe.model.content.cid import canonical_or_same
from veriframe.model.content.folder import FolderLimits
from veriframe.model.rendering.scene import SceneLimits
from veriframe.ports.renderer import Kernel, Renderer
from veriframe.ports.store import ContentStore, FetchLimits
from veriframe.threads import run_uninterrupted
from veriframe.verifier.crops import Sessions

MOST_WAIT_SECONDS = 600.0
"""So long others who come later for the asset that is open go first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedAsset:
    """An asset with its Blenders, and what its inspection says."""

    asset: Asset
    inspected: InspectedAsset
    sessions: Sessions
    folder: Path

    @property
    def size(self) -> tuple[int, int]:
        """The whole picture's width and height in pixels."""
        inspection = self.inspected.inspection
        return inspection.width, inspection.height


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """One that waits to keep an asset, since a time by the monotonic clock."""

    cid: str
    since: float


@dataclass(slots=True, kw_only=True)
class Scenes:
    """The one asset that is open. A context manager."""

    store: ContentStore
    renderer: Renderer
    limits: SceneLimits
    memory_bytes: int
    folder: Path
    _opened: OpenedAsset | None = None
    _cid: str = ""
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _wanted: str = ""
    _users: int = 0
    _waiting: list[_Waiting] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def kept(self, asset_cid: str) -> AsyncIterator[None]:
        """Meanwhile no other asset is opened: waits until nobody keeps another one.

        Whoever comes later for the asset that is open goes first, but only until another one has been waited
        for `MOST_WAIT_SECONDS`.
        """
        turn = _Waiting(canonical_or_same(asset_cid), time.monotonic())
        self._waiting.append(turn)
        try:
            while not self._is_free_for(turn):
                self._changed.clear()
                await self._changed.wait()
            self._wanted, self._users = turn.cid, self._users + 1
        finally:
            self._waiting.remove(turn)
            self._changed.set()
        try:
            yield
        finally:
            self._users -= 1
            self._changed.set()

    def _is_free_for(self, turn: _Waiting) -> bool:
        """Whether its asset may be kept now."""
        before = self._waiting[: self._waiting.index(turn)]
        overdue = time.monotonic() - MOST_WAIT_SECONDS
        if any(one.cid != turn.cid and one.since <= overdue for one in before):
            return False
        return not self._users or self._wanted == turn.cid

    async def open(self, asset_cid: str) -> OpenedAsset:
        """The asset, which the caller keeps, opened; another one that was open is closed.

        Raises `JobRejected` if it must not or cannot be rendered here, or nobody provides it;
        `StoreUnavailable`, `HostUnavailable`.
        """
        cid = canonical_or_same(asset_cid)
        if self._opened is None or self._cid != cid:
            await self._stack.aclose()
            self._stack, self._opened = AsyncExitStack(), None
            self._opened, self._cid = await self._open(cid), cid
        return self._opened

    async def _open(self, cid: str) -> OpenedAsset:
        await asyncio.to_thread(self.folder.mkdir, parents=True, exist_ok=True)
        place = tempfile.TemporaryDirectory(prefix="asset-", dir=self.folder)
        folder = Path(self._stack.enter_context(place))
        limits = FetchLimits(
            file_bytes=self.limits.file_bytes, folder=FolderLimits(size_bytes=self.limits.bundle_bytes)
        )
        target = folder / "asset.blend"
        await self.store.fetch(cid, target, limits)
        asset = await run_uninterrupted(read_asset, cid, target)
        if asset.bundle is not None:
            await check_bundle(asset.bundle, self.renderer, self.memory_bytes)
        header = await header_of(asset.scene, self.renderer, self.limits)
        sessions = await self._stack.enter_async_context(Sessions(renderer=self.renderer, asset=asset))
        inspection = await (await sessions.get(Kernel.BEST)).inspect()
        verdict = judge_asset(asset, header, inspection, self.limits)
        inspected = InspectedAsset(inspection=verdict.inspection, bundle=asset.bundle)
        return OpenedAsset(asset=asset, inspected=inspected, sessions=sessions, folder=folder)
