"""The disk of a node's repository, where it is this machine's own."""

from __future__ import annotations

import asyncio
import shutil
from ipaddress import ip_address
from pathlib import Path

from yarl import URL

from veriframe.adapters.kubo.api import Answer, KuboApi
from veriframe.errors import StoreUnavailable

PATH_SECONDS = 10.0
"""For a node to tell where its repository is: it counts all its blocks meanwhile."""


class _Place(Answer):
    RepoPath: str


class NodeDisk:
    """Asks once where the repository is; a node on another machine is not asked."""

    def __init__(self, api: KuboApi) -> None:
        self._api = api
        self._folder: Path | None = None
        self._is_asked = not _is_here(api.address)

    async def free_bytes(self) -> int | None:
        """What the disk has free; None where that cannot be known, as for a node in a container."""
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
