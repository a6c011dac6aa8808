"""The asset of an order: fetched once, inspected, and kept open while its jobs are verified."""

from __future__ import annotations

import asyncio
import tempfile
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
    _is_free: asyncio.Event = field(default_factory=asyncio.Event)
    _entering: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def kept(self, asset_cid: str) -> AsyncIterator[None]:
        """Meanwhile no other asset is opened. First come, first served."""
        cid = canonical_or_same(asset_cid)
        # Whoever waits for another asset holds it, so that the one that is open gets no new users.
        async with self._entering:
            while self._users and self._wanted != cid:
                self._is_free.clear()
                await self._is_free.wait()
            self._wanted, self._users = cid, self._users + 1
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._is_free.set()

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
