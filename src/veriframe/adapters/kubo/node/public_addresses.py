"""Which addresses belong to the public internet, and a resolver that accepts no others."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

_NAT64 = ip_network("64:ff9b::/96")


class NotPublic(OSError):
    """A name leads to an address that is not public. Its text says so, in our words."""


class PublicResolver(AbstractResolver):
    """Resolves names for connections, and refuses names that lead to private or local addresses."""

    def __init__(self, *, allow_private: bool = False) -> None:
        self._resolver = aiohttp.ThreadedResolver()
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Returns the addresses of a host, all of them public. Raises `NotPublic`, `OSError`."""
        found = await self._resolver.resolve(host, port, family)
        for result in found:
            if not self._allow_private and not is_public(result["host"]):
                raise NotPublic(f"its name resolves to {result['host']}, which is not a public address")
        return found

    async def close(self) -> None:
        """Closes the underlying resolver."""
        await self._resolver.close()


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet. IPv4 inside IPv6 is judged as IPv4."""
    try:
        ip: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address):
        if ip in _NAT64:
            return is_public(str(IPv4Address(int(ip) & 0xFFFFFFFF)))
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if inner:
            return is_public(str(inner))
        # The one block that is assigned to hosts; IPv4-compatible and site-local addresses are outside it.
        return ip in ip_network("2000::/3") and ip.is_global
    return ip.is_global and not ip.is_multicast


def is_address(host: str) -> bool:
    """Whether a host is an IP address, not a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
