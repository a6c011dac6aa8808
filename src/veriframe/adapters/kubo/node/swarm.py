"""The node's way to other nodes: under which public addresses it is met, and whom it is to meet.

Source: “Provider hints” in the IPFS Pinning Service API, version 0.1.2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress

from veriframe.adapters.kubo.node.api import Answer, KuboApi
from veriframe.adapters.kubo.node.public_addresses import is_public
from veriframe.errors import StoreUnavailable

ADDRESSES = 20
"""So many are told, and so many are met, at most; the API names the same number."""

_SECONDS = 10.0
_ADDRESS = re.compile(
    r"/(?:(?P<ip>ip4|ip6)|dns|dns4|dns6|dnsaddr)/(?P<host>[A-Za-z0-9:._-]{1,253})"
    r"(?:/(?!ip4/|ip6/|p2p-circuit)[A-Za-z0-9:._-]{1,128}){0,12}"
)


class _Identity(Answer):
    Addresses: list[str] | None = None


class _Met(Answer):
    Strings: list[str]


class Swarm:
    """One node among the others. A node that cannot tell or cannot meet is no error: it is only slower."""

    def __init__(self, api: KuboApi) -> None:
        self._api = api

    async def close(self) -> None:
        """End all connections."""
        await self._api.close()

    async def addresses(self) -> Sequence[str]:
        """The node's own public addresses; private ones are nobody's business."""
        with suppress(StoreUnavailable):
            told = (await self._api.call("id", {}, _Identity, _SECONDS)).Addresses or ()
            return [address for address in told if is_meetable(address)][:ADDRESSES]
        return ()

    async def meet(self, addresses: Sequence[str]) -> None:
        """Connect to these nodes, a stranger's word: what is private, or no address, is left."""
        for address in addresses[:ADDRESSES]:
            if is_meetable(address):
                with suppress(StoreUnavailable):
                    await self._api.call("swarm/connect", {"arg": address}, _Met, _SECONDS)


def is_meetable(address: str) -> bool:
    """Whether a text is a multiaddr that leads straight to a full name, or to a public address."""
    found = _ADDRESS.fullmatch(address)
    if found is None:
        return False
    return is_public(found["host"]) if found["ip"] else "." in found["host"]
