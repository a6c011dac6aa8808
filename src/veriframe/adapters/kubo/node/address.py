"""The address of a Kubo node's API: IPFS_API as a multiaddr or as a URL.

Source of the names: the multiaddr table of protocols. A port without `/http` means plain HTTP, as in `ipfs`.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

from veriframe.errors import SettingsError
from veriframe.model.text import printable

DEFAULT = "/dns/ipfs-node/tcp/5001/http"

MAX_CHARACTERS = 512


class _BadAddress(Exception):
    """What was given, and what is wrong with it."""


_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
    r"(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?"
)
_SECURE = {(): "http", ("http",): "http", ("https",): "https", ("tls", "http"): "https"}


def parse_address(text: str, setting: str = "IPFS_API") -> str:
    """Returns the base URL of an API, such as `http://ipfs-node:5001`, without a trailing slash.

    Raises `SettingsError`, which says what is valid in `setting`, if `text` is not the address of an API.
    """
    try:
        return _parse(text)
    except _BadAddress as error:
        raise SettingsError(f"{setting} is {error}") from None


def _parse(text: str) -> str:
    stripped = text.strip()
    if (
        len(stripped) > MAX_CHARACTERS
        or not stripped.isascii()
        or not stripped.isprintable()
        or " " in stripped
    ):
        raise _bad(text, "it is too long, or has characters that no address has")
    if stripped.startswith("/"):
        return _from_multiaddr(stripped)
    return _from_url(stripped)


def _from_multiaddr(text: str) -> str:
    words = text.rstrip("/").split("/")[1:]
    if len(words) < 4 or words[2] != "tcp":
        raise _bad(text, "a multiaddr names a host, then /tcp/ and a port")
    kind, name, _, port, *rest = words
    scheme = _SECURE.get(tuple(rest))
    if scheme is None:
        raise _bad(text, "after the port come /http, /https or nothing")
    return f"{scheme}://{_host(text, kind, name)}:{_port(text, port)}"


def _host(text: str, kind: str, name: str) -> str:
    if kind in ("dns", "dns4", "dns6"):
        return _checked_name(text, name)
    try:
        if kind == "ip4":
            return str(IPv4Address(name))
        if kind == "ip6":
            return _bracketed(name)
    except ValueError:
        raise _bad(text, f"“{printable(name)}” is not an {kind} address") from None
    raise _bad(text, "it starts with none of /dns, /dns4, /dns6, /ip4 and /ip6")


def _from_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _bad(text, "its host or its port is invalid") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _bad(text, "it is neither a multiaddr nor a URL with http or https")
    if parts.username is not None or parts.password is not None:
        raise _bad(_without_user(parts), "it must not contain a user name or a password; use a token")
    if (
        parts.path.rstrip("/") not in ("", "/api/v0")
        or parts.query
        or parts.fragment
        or text.endswith(("?", "#"))
    ):
        raise _bad(text, "it has more than a host and a port")
    host = _url_host(text, parts.hostname)
    return f"{parts.scheme}://{host}" + ("" if port is None else f":{_port(text, str(port))}")


def _url_host(text: str, name: str) -> str:
    if ":" not in name:
        return _checked_name(text, name)
    try:
        return _bracketed(name)
    except ValueError:
        raise _bad(text, f"“{printable(name)}” is not an IPv6 address") from None


def _bracketed(name: str) -> str:
    address = IPv6Address(name)
    if address.scope_id is not None:
        raise ValueError(name)
    return f"[{address}]"


def _checked_name(text: str, name: str) -> str:
    if _HOST_NAME.fullmatch(name) is None:
        raise _bad(text, f"“{printable(name)}” is not a host name")
    return name.lower()


def _port(text: str, port: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise _bad(text, "its port is not a number from 1 to 65535")
    return int(port)


def _without_user(parts: SplitResult) -> str:
    return f"{parts.scheme}://…@{parts.hostname}"


def _bad(text: str, why: str) -> _BadAddress:
    return _BadAddress(
        f"“{printable(text)}”, which is not the address of a Kubo API: {why}. Give a multiaddr such as"
        f" {DEFAULT}, or a URL such as http://127.0.0.1:5001."
    )
