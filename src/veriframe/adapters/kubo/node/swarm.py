"""The node's peers: the public addresses that the node announces, and the peers that it is to connect to.

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
"""The most addresses that are announced, and that are connected to; the API specifies the same number."""

_SECONDS = 10.0
_ADDRESS = re.compile(
    r"/(?:(?P<ip>ip4|ip6)|dns|dns4|dns6|dnsaddr)/(?P<host>[A-Za-z0-9:._-]{1,253})"
    r"(?:/(?!ip4/|ip6/|p2p-circuit)[A-Za-z0-9:._-]{1,128}){0,12}"
)


class _Identity(Answer):
    Addresses: list[str] | None = None


class _Connected(Answer):
    Strings: list[str]


class Swarm:
    """One node among its peers. Failures to answer or connect are ignored: transfers are only slower."""

    def __init__(self, api: KuboApi) -> None:
        self._api = api

    async def close(self) -> None:
        """Closes all connections."""
        await self._api.close()

    async def addresses(self) -> Sequence[str]:
        """Returns the node's own public addresses; private ones are not announced."""
        with suppress(StoreUnavailable):
            found = (await self._api.call("id", {}, _Identity, _SECONDS)).Addresses or ()
            return [address for address in found if is_dialable(address)][:ADDRESSES]
        return ()

    async def connect(self, addresses: Sequence[str]) -> None:
        """Connects to these peers. The addresses are untrusted: private and invalid ones are ignored."""
        for address in addresses[:ADDRESSES]:
            if is_dialable(address):
                with suppress(StoreUnavailable):
                    await self._api.call("swarm/connect", {"arg": address}, _Connected, _SECONDS)


def is_dialable(address: str) -> bool:
    """Whether a text is a multiaddr that leads directly to a full host name or to a public address."""
    found = _ADDRESS.fullmatch(address)
    if found is None:
        return False
    return is_public(found["host"]) if found["ip"] else "." in found["host"]
