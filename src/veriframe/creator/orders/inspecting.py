"""What the creator's own Blender finds in the scene of an order that was posted before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from veriframe.errors import JobError, StoreUnavailable
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.content.folder import FolderLimits
from veriframe.model.rendering.overrides import overridden
from veriframe.model.rendering.scene import SceneInspection
from veriframe.ports.renderer import Renderer
from veriframe.ports.store import ContentStore, FetchLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspecting:
    """Inspects scenes in a store. `bundle_bytes` is the most that a bundle may have."""

    store: ContentStore
    renderer: Renderer
    bundle_bytes: int

    async def inspect(self, asset_cid: str, bundle: Bundle, folder: Path) -> SceneInspection:
        """Fetch an asset to `folder`, a new one, and inspect its scene, with the bundle's overrides.

        Raises `StoreUnavailable`, `HostUnavailable`, and `JobError` if there is no such asset or scene.
        """
        limits = FetchLimits(folder=FolderLimits(size_bytes=self.bundle_bytes))
        await self.store.fetch(asset_cid, folder, limits)
        async with self.renderer.open(folder / bundle.scene, folder) as session:
            return overridden(await session.inspect(), bundle.overrides)


def not_inspected(error: JobError) -> StoreUnavailable:
    """The scene's fault is none of the results': nothing can be said of them."""
    return StoreUnavailable(f"the order's own scene cannot be inspected: {error}")
