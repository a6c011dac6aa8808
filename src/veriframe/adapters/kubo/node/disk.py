"""How much a node may still store: by its own limit, and by its disk if that is on this machine."""

from __future__ import annotations

import asyncio
import shutil
from ipaddress import ip_address
from pathlib import Path

from pydantic import Field
from yarl import URL

from veriframe.adapters.kubo.node.api import Answer, KuboApi
from veriframe.errors import StoreUnavailable
from veriframe.ports.store import StoreRoom

PATH_SECONDS = 10.0
"""For a node to report where its repository is: it counts all its blocks meanwhile."""

ROOM_SECONDS = 30.0
NO_LIMIT = 2**63
"""A node without `StorageMax` reports a number beyond this one."""

REMEDY = (
    "Run `ipfs repo gc` on the IPFS node (or start it with --enable-gc), raise its Datastore.StorageMax, or"
    " free its disk."
)


class _Place(Answer):
    RepoPath: str


class _Repository(Answer):
    RepoSize: int = Field(ge=0)
    StorageMax: int = Field(ge=0)


class NodeDisk:
    """The disk of a node's repository. A local node is asked once where it is; a remote one is not."""

    def __init__(self, api: KuboApi) -> None:
        self._api = api
        self._folder: Path | None = None
        self._is_asked = not _is_here(api.address)

    async def room(self) -> StoreRoom:
        """Returns the node's `StorageMax` less the size of its repository, and at most its disk's free space.

        Raises `StoreUnavailable`.
        """
        repository = await self._api.call("repo/stat", {"size-only": "true"}, _Repository, ROOM_SECONDS)
        limits = [repository.StorageMax - repository.RepoSize] if repository.StorageMax < NO_LIMIT else []
        limits += [] if (disk_bytes := await self.free_bytes()) is None else [disk_bytes]
        return StoreRoom(
            free_bytes=max(0, min(limits)) if limits else None, held_bytes=repository.RepoSize, remedy=REMEDY
        )

    async def free_bytes(self) -> int | None:
        """Returns the free space of the disk; None if it cannot be known, as for a node in a container."""
        if not self._is_asked:
            self._is_asked = True
            try:
                place = await self._api.call("repo/stat", {}, _Place, PATH_SECONDS)
                self._folder = Path(place.RepoPath) if place.RepoPath else None
            except StoreUnavailable:
                return None
        if self._folder is None:
            return None
        try:
            return (await asyncio.to_thread(shutil.disk_usage, self._folder)).free
        except (OSError, ValueError):
            return None


def _is_here(address: str) -> bool:
    host = URL(address).host or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
