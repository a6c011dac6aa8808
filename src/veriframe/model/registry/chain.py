"""The id of a chain: a short string such as SN_MAIN, kept as a felt."""

from __future__ import annotations

_LONGEST = 31
"""The number of ASCII characters that fit into a felt."""


def parse_chain_id(text: str) -> int:
    """Parse a short string, or hex as `0x…`, into a felt. Raises `ValueError`."""
    if text.lower().startswith("0x"):
        found = int(text, 16)
    elif text.isascii() and text.isprintable() and 0 < len(text) <= _LONGEST:
        found = int.from_bytes(text.encode(), "big")
    else:
        found = 0
    if not 0 < found < 2**251:
        raise ValueError("a chain's id is a short string such as SN_MAIN, or hex")
    return found


def format_chain_id(chain_id: int) -> str:
    """Format an id as its short string if it is one, else in hex."""
    word = chain_id.to_bytes(32, "big").lstrip(b"\0")
    is_text = len(word) <= _LONGEST and word.isascii() and word.decode("latin-1").isprintable()
    return word.decode("ascii") if word and is_text and b" " not in word else f"{chain_id:#x}"
