"""IPFS_API: valid addresses, and the messages for all others."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriframe.adapters.kubo.node.address import DEFAULT, parse_address
from veriframe.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (DEFAULT, "http://ipfs-node:5001"),
        ("/dns4/node.example/tcp/5001", "http://node.example:5001"),
        ("/dns6/node.example/tcp/443/https", "https://node.example:443"),
        ("/dns/node.example/tcp/443/tls/http", "https://node.example:443"),
        ("/ip4/127.0.0.1/tcp/5001/", "http://127.0.0.1:5001"),
        ("/ip6/::1/tcp/5001/http", "http://[::1]:5001"),
        ("http://127.0.0.1:5001", "http://127.0.0.1:5001"),
        ("http://[::1]:5001/", "http://[::1]:5001"),
        ("https://ipfs.example/api/v0/", "https://ipfs.example"),
        (" http://Localhost:5001\n", "http://localhost:5001"),
    ],
)
def test_an_address_becomes_a_base_url(text: str, expected: str) -> None:
    """All kinds of multiaddrs that `ipfs` accepts, and URLs, give a host and a port."""
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost:5001",
        "ftp://host:1",
        "file:///etc/passwd",
        "http://",
        "http://host:99999",
        "http://host:0",
        "http://user:secret@host:5001",
        "http://host:5001/other",
        "http://host:5001?x=1",
        "http://host:5001#",
        "http://[::1",
        "http://a b:5001",
        "http://host\n.example:5001",
        "http://hóst:5001",
        "/ip4/127.0.0.1",
        "/ip4/300.0.0.1/tcp/5001",
        "/ip4/host/tcp/5001",
        "/ip6/fe80::1%eth0/tcp/5001",
        "/ip6/127.0.0.1/tcp/5001",
        "/dns/../tcp/5001",
        "/dns/host/tcp/x",
        "/dns/host/tcp/+1",
        "/dns/host/tcp/70000",
        "/dns/host/udp/5001/quic-v1",
        "/dns/host/tcp/5001/ws",
        "/dns/host/tcp/5001/http/p2p/x",
        "/unix/run/ipfs.sock",
        "/dns/" + "a" * 600 + "/tcp/1",
    ],
)
def test_an_invalid_address_is_refused_with_a_valid_example(text: str) -> None:
    """fault_78: a wrong IPFS_API stops the start, with one line that shows a valid one and no secret."""
    with pytest.raises(SettingsError) as caught:
        parse_address(text)
    sentence = str(caught.value)
    assert (DEFAULT in sentence, "secret" in sentence, "\n" in sentence) == (True, False, False)


@given(
    st.one_of(
        st.text(max_size=40), st.from_regex(r"(/(dns|ip4|ip6|tcp|http)|/[ -~]{0,9}){1,6}", fullmatch=True)
    )
)
def test_any_text_is_an_address_or_refused(text: str) -> None:
    """Hostile text never becomes more than a scheme, a host and a port."""
    try:
        base = parse_address(text)
    except SettingsError:
        return
    parts = urlsplit(base)
    assert (parts.scheme in ("http", "https"), bool(parts.hostname)) == (True, True)
    assert (parts.path, parts.query, parts.fragment, parts.username) == ("", "", "", None)
    assert parse_address(base) == base
