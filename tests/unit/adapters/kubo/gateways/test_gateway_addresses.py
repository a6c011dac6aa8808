"""Gateways may only be on the public internet."""

from __future__ import annotations

import socket

import pytest
from aiohttp import ThreadedResolver
from aiohttp.abc import ResolveResult
from tests.gateway import LoopbackGateway

from veriframe.adapters.kubo.gateways.gateway import Gateways
from veriframe.adapters.kubo.node.public_addresses import PublicResolver, is_public
from veriframe.errors import SettingsError, StoreUnavailable
from veriframe.model.content.cid import Cid, Codec

CID = Cid(Codec.RAW, bytes(32))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "198.18.0.1",
        "240.0.0.1",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::169.254.169.254",
        "2002:7f00:1::",
        "2001:db8::1",
        "fec0::1",
        "2001:0:102:304:0:ffff:80ff:fffe",
        "gateway",
    ],
)
def test_private_addresses_are_not_public(address: str) -> None:
    """fault_52: loopback, private, link-local, metadata, multicast and reserved ones, in any notation."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"])
def test_public_addresses_are_public(address: str) -> None:
    """Ordinary addresses pass, also IPv4 written as IPv6."""
    assert is_public(address)


@pytest.mark.parametrize("name", ["localhost", "2130706433", "0x7f000001", "127.1"])
async def test_names_of_private_addresses_are_refused(name: str) -> None:
    """fault_52: a name or an unusual notation of a private address gets no connection."""
    async with LoopbackGateway({}) as inside:
        async with Gateways([inside.url.replace("127.0.0.1", name)]) as gateways:
            with pytest.raises(StoreUnavailable):
                await gateways.block(CID)
        assert inside.asked == []


async def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_52: a name that resolves to public and private addresses is refused as a whole."""

    async def both(*_: object) -> list[ResolveResult]:
        return [_result("1.1.1.1"), _result("10.0.0.1")]

    monkeypatch.setattr(ThreadedResolver, "resolve", both)
    resolver = PublicResolver()
    with pytest.raises(OSError, match=r"10\.0\.0\.1"):
        await resolver.resolve("both.example")
    await resolver.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080",
        "http://[::1]/",
        "http://169.254.169.254/",
        "http://[::ffff:10.0.0.1]/",
        "file:///etc/passwd",
        "ftp://gateway.example",
        "gateway.example",
        "https://me:secret@gateway.example",
        "https://gateway.example/?a=b",
        "https://gateway.example/#a",
        "https://gateway.example:99999",
        "https:///ipfs",
    ],
)
def test_an_invalid_gateway_is_a_settings_error(url: str) -> None:
    """fault_52: private addresses, other schemes, passwords and parameters are refused at once."""
    with pytest.raises(SettingsError):
        Gateways([url])


def _result(address: str) -> ResolveResult:
    return ResolveResult(
        hostname="both.example", host=address, port=443, family=socket.AF_INET, proto=0, flags=0
    )
