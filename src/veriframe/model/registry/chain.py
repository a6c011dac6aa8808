"""The id of a chain: a short string such as SN_MAIN, kept as a felt."""

from __future__ import annotations

_LONGEST = 31
"""So many ASCII characters fit into a felt."""


def parse_chain_id(text: str) -> int:
    """The felt of a short string, or of hex as `0x…`. Raises `ValueError`."""
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
    """Its short string where it is one, else hex."""
    word = chain_id.to_bytes(32, "big").lstrip(b"\0")
    is_text = len(word) <= _LONGEST and word.isascii() and word.decode("latin-1").isprintable()
    return word.decode("ascii") if word and is_text and b" " not in word else f"{chain_id:#x}"
