"""CIDs: the names of content on IPFS. The text in a registry is untrusted until it is parsed here.

Source: the multiformats specifications of CID, multibase and multihash. Accepts only what can be checked
here: SHA-256 over dag-pb (folders, and files in several blocks) or over raw bytes (files in one block).
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from veriframe.errors import Code, JobRejected

MAX_CHARACTERS = 128
"""Longest text. The longest accepted spelling, base16, has 73 characters."""

DIGEST_BYTES = 32

_VERSION = b"\x01"
_SHA2_256 = bytes((0x12, DIGEST_BYTES))
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


class Codec(IntEnum):
    """The format of the bytes that a CID names, by its number in the multicodec table."""

    RAW = 0x55
    DAG_PB = 0x70


@dataclass(frozen=True, slots=True)
class Cid:
    """A CID that can be checked here: `digest` is SHA-256 of the root block, 32 bytes."""

    codec: Codec
    digest: bytes

    def __str__(self) -> str:
        """The canonical spelling: version 1, base32 in lower case."""
        return "b" + _to_base32(_VERSION + bytes((self.codec,)) + _SHA2_256 + self.digest)


def canonical(text: str) -> str:
    """The canonical spelling of a CID, for use as a key. Raises like `parse_cid`."""
    return str(parse_cid(text))


@lru_cache(maxsize=10_000)
def canonical_or_same(text: str) -> str:
    """The canonical spelling of a CID; any other text as it is, for the store to refuse."""
    try:
        return canonical(text)
    except JobRejected:
        return text


@lru_cache(maxsize=10_000)
def is_cid(text: str) -> bool:
    """Whether a text is a CID that can be checked here."""
    try:
        canonical(text)
    except JobRejected:
        return False
    return True


def parse_cid(text: str) -> Cid:
    """Parse a CID: version 0, or version 1 in base16, base32, base36 or base58btc.

    Ignores case in bases that have only one, as Kubo does. Raises `JobRejected` (BAD_CID) for anything else:
    links, paths, spaces, other codecs, other digests.
    """
    if len(text) > MAX_CHARACTERS:
        raise _bad(text, f"it has {len(text)} characters, more than any CID")
    if not text.isascii():
        # Required for `lower` below: the Kelvin sign would become a k.
        raise _bad(text, "it has characters that no CID has")
    if len(text) == 46 and text.startswith("Qm"):
        return _parse_binary(text, _VERSION + bytes((Codec.DAG_PB,)) + _decode(text, "z", text))
    return _parse_binary(text, _decode(text, text[:1].lower(), text[1:]))


def _parse_binary(text: str, binary: bytes) -> Cid:
    # All numbers here are varints. Those below 128 are single bytes, and so are all accepted ones.
    version, codec, multihash, digest = binary[:1], binary[1:2], binary[2:4], binary[4:]
    if version != _VERSION:
        raise _bad(text, "it is not of version 0 or 1")
    if codec not in (bytes((accepted,)) for accepted in Codec):
        raise _bad(text, "it names something other than a file or a folder (dag-pb or raw)")
    if multihash != _SHA2_256:
        raise _bad(text, "its digest is not a sha2-256 of 32 bytes")
    if len(digest) != DIGEST_BYTES:
        raise _bad(text, f"its digest has {len(digest)} bytes and not {DIGEST_BYTES}")
    return Cid(Codec(codec[0]), digest)


def _decode(text: str, prefix: str, body: str) -> bytes:
    """Decode `body` in the base that multibase calls `prefix`."""
    base = _BASES.get(prefix)
    if base is None:
        raise _bad(text, "it does not start like one")
    decode, encode, has_case = base
    if not has_case:
        body = body.lower()
    try:
        binary = decode(body)
    except ValueError:
        raise _bad(text, "it has characters that no CID has") from None
    # Each base has one spelling: no surplus bits, no leading zeros, no whitespace.
    if encode(binary) != body:
        raise _bad(text, "it is cut off, or has something added")
    return binary


def _from_base32(body: str) -> bytes:
    return base64.b32decode(body.upper() + "=" * (-len(body) % 8))


def _to_base32(binary: bytes) -> str:
    return base64.b32encode(binary).decode().rstrip("=").lower()


def _from_digits(body: str, alphabet: str) -> bytes:
    number = 0
    for character in body:
        number = number * len(alphabet) + alphabet.index(character)
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _to_digits(binary: bytes, alphabet: str) -> str:
    number, digits = int.from_bytes(binary, "big"), []
    while number:
        number, digit = divmod(number, len(alphabet))
        digits.append(alphabet[digit])
    return "".join(reversed(digits))


_BASES: dict[str, tuple[Callable[[str], bytes], Callable[[bytes], str], bool]] = {
    "b": (_from_base32, _to_base32, False),
    "f": (bytes.fromhex, bytes.hex, False),
    "k": (lambda body: _from_digits(body, _BASE36), lambda binary: _to_digits(binary, _BASE36), False),
    "z": (lambda body: _from_digits(body, _BASE58), lambda binary: _to_digits(binary, _BASE58), True),
}
"""By multibase prefix: the decoder, the encoder, and whether case matters."""


def _bad(text: str, why: str) -> JobRejected:
    # `ascii` escapes control and bidirectional characters.
    shown = ascii(text[:60]) + ("…" if len(text) > 60 else "")
    return JobRejected(
        Code.BAD_CID,
        f"{shown} is not a usable CID: {why}. Use the CID alone, as `ipfs add` shows it.",
    )
