"""A second holder of content; a second Kubo node is one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Protocol

from veriframe.adapters.kubo.fetching.node import KuboNode
from veriframe.adapters.kubo.fetching.timeouts import Timeouts
from veriframe.adapters.kubo.node.address import parse_address
from veriframe.adapters.kubo.node.api import KuboApi
from veriframe.adapters.kubo.replicas.retrieval import read_back
from veriframe.adapters.kubo.store import KuboStore
from veriframe.errors import StoreUnavailable
from veriframe.model.content.cid import parse_cid
from veriframe.ports.store import Pin, StoreRoom

LOOKUP_SECONDS = 30.0
"""Until the second node has found a block that it lacks."""


class ReplicaRefused(StoreUnavailable):
    """A replica refused, and trying again at once would change nothing."""


class Replica(Protocol):
    """A second holder of content. Methods raise `StoreUnavailable`, and may be cancelled."""

    @property
    def name(self) -> str:
        """Where it is, for the log."""

    async def keep(self, pin: Pin, source: Path | None) -> None:
        """Pins content and waits until it is there; `source` is the local file or folder, if there is one."""

    async def change(self, pin: Pin, folder_cid: str, name: str, content: bytes) -> None:
        """Keeps a folder that `ContentStore.with_file` made of another one."""
        await self.keep(pin, None)

    async def release(self, pin: Pin) -> None:
        """Releases the pin. Does nothing if it does not exist."""

    async def room(self) -> StoreRoom:
        """Returns how much it may still store, as far as it reports that."""

    async def check(self) -> None:
        """Raises if it is not what it should be, or refuses this worker."""

    async def close(self) -> None:
        """Closes all connections."""


def second_node(api_url: str, token: str | None) -> SecondNode:
    """Returns the node whose API is at `api_url`. Raises `SettingsError` for an invalid address."""
    address = parse_address(api_url, "ipfs_replica_api")
    return SecondNode(KuboStore(address, token=token), KuboApi(address, token))


class SecondNode(Replica):
    """A Kubo node as a replica: it gets the bytes, and they are read back."""

    def __init__(self, store: KuboStore, api: KuboApi) -> None:
        self._store, self._api = store, api
        self._blocks = KuboNode(api, Timeouts(lookup_seconds=LOOKUP_SECONDS))

    @property
    def name(self) -> str:
        """Its address."""
        return self._api.address

    async def keep(self, pin: Pin, source: Path | None) -> None:
        """Adds the same bytes there. Without a `source`, pins what it has or finds in its network."""
        if source is None:
            try:
                await self._store.pin(pin)
            except StoreUnavailable:
                # A node keeps the blocks that it is asked for.
                await read_back(parse_cid(pin.cid), self._blocks)
                await self._store.pin(pin)
            return
        cid = await self._store.add(source, pin.name)
        if cid != pin.cid:
            raise ReplicaRefused(f"{source.name} was changed during the upload: {cid} is not {pin.cid}.")
        await read_back(parse_cid(cid), self._blocks)

    async def change(self, pin: Pin, folder_cid: str, name: str, content: bytes) -> None:
        """Changes its own copy of the folder, if it has one; otherwise fetches the new one."""
        with suppress(StoreUnavailable):
            await self._store.with_file(folder_cid, name, content, pin.name)
        await self.keep(pin, None)

    async def release(self, pin: Pin) -> None:
        """Unpins it there."""
        await self._store.unpin(pin)

    async def room(self) -> StoreRoom:
        """Returns what its node reports."""
        return await self._store.room()

    async def check(self) -> None:
        """Asks whether it answers."""
        await self._store.ready()

    async def close(self) -> None:
        """Closes all connections."""
        await self._store.close()
        await self._api.close()
