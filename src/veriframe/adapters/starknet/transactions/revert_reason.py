"""Why the chain refused, from nodes' answers: what the innermost contract said, without what is around it.

Nodes wrap a contract's own words in the names of all contracts on the way to it, as nested JSON or as one
text, and give them in hex, in quotes, or both. Sources: the Starknet specification (CONTRACT_EXECUTION_ERROR)
and the texts of blockifier. All of it is untrusted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

REASON_MAX_CHARACTERS = 1000

_TEXT_MAX = 50_000
_NESTING_MAX = 50
_NOISE = frozenset({"ENTRYPOINT_FAILED", "ENTRYPOINT_NOT_FOUND", "argent/multicall-failed"})
"""What contracts and accounts on the way add to the words of the innermost one."""
_BYTE_ARRAY = 0x46A6158A16A947E5916B2A2CA68501A45E93D7110E81AA2D6438B1C57C879A3
"""The felt before a text of any length: its number of full words, the words, the rest, the rest's length."""

_HEX = re.compile(r"0x([0-9a-fA-F]{4,62})\b")
_QUOTED = re.compile(r"'([A-Za-z][A-Za-z0-9_:./ -]{2,30})'")
_FRAME = re.compile(
    r"""(?:\d+:\s)?Error\sin\s(?:the\scalled\s)?contract\b[^():]{0,200}(?:\([^()]{0,400}\))?:
    | Transaction\s(?:execution|validation)\shas\sfailed:
    | Execution\sfailed\.\s+Failure\sreason:
    | Got\san\sexception\swhile\sexecuting\sa\shint:
    | Error\sat\spc=[\d:]+
    | Cairo\straceback\s\(most\srecent\scall\slast\):
    | Unknown\slocation\s\(pc=[\d:]+\)""",
    re.VERBOSE,
)
"""What stands around a reason in a text."""
_ITEM = re.compile(r""""?0x([0-9a-fA-F]{1,64})\b"?(?:\s\('[^']*'\))?|"([^"]{1,500})"|'([^']{1,31})'""")
"""One value of a panic: a felt, mostly with its meaning, or a text."""
_PANIC = re.compile(r"""[(\[]?(?:0x|"|')""")


def clean(text: str) -> str:
    """Puts untrusted text on one line, without control characters, truncated at the front."""
    # The cause is at the end, after the names of the calling contracts.
    flat = "".join(character if character.isprintable() else " " for character in text)
    return flat[-REASON_MAX_CHARACTERS:].strip()


def reason_of(data: object) -> str:
    """The reason in an RPC error's data of any shape: the text of the innermost error; empty if none."""
    for _ in range(_NESTING_MAX):
        if not isinstance(data, Mapping):
            break
        data = next((data[name] for name in ("execution_error", "revert_error", "error") if name in data), "")
    if data is None:
        return ""
    return data[-_TEXT_MAX:] if isinstance(data, str) else json.dumps(data)[-_TEXT_MAX:]


def innermost(reason: str) -> str:
    """What the innermost contract said, for people: `NOT_OPEN`, `ERC20: insufficient balance`.

    It is one line of at most `REASON_MAX_CHARACTERS`; empty only if the reason is.
    """
    pieces = [piece.strip(" .:\n\r\t") for piece in _FRAME.split(reason[-_TEXT_MAX:])]
    last = next((piece for piece in reversed(pieces) if piece), reason)
    if _PANIC.match(last):
        words = list(_panic_words(last))
        own = [word for word in words if word not in _NOISE] or words
        last = ", ".join(own) or last
    return clean(last)


def short_strings(text: str) -> tuple[str, ...]:
    """The short strings in a revert's reason, in order: given in hex, in quotes, or both."""
    found: list[str] = []
    text = text[-_TEXT_MAX:]
    marks = sorted([*_HEX.finditer(text), *_QUOTED.finditer(text)], key=lambda mark: mark.start())
    for mark in marks:
        word = mark.group(1)
        if mark.re is _HEX:
            word = _short_string(int(word, 16))
        if len(word) > 2 and word not in found:
            found.append(word)
    return tuple(found)


def own_words(words: tuple[str, ...]) -> tuple[str, ...]:
    """These short strings without those that contracts on the way add."""
    return tuple(word for word in words if word not in _NOISE)


def _panic_words(panic: str) -> Iterator[str]:
    """The texts among a panic's values, each once: short strings, and texts of any length."""
    said: set[str] = set()
    items: list[tuple[str, str, str]] = _ITEM.findall(panic)
    at = 0
    while at < len(items):
        felt, text, quoted = items[at]
        at += 1
        if felt and int(felt, 16) == _BYTE_ARRAY:
            word, at = _byte_array([int(one[0] or "0", 16) for one in items], at)
        else:
            word = text or quoted or _short_string(int(felt, 16))
        if len(word) > 2 and word not in said:
            said.add(word)
            yield word


def _byte_array(felts: list[int], at: int) -> tuple[str, int]:
    """The text whose felts begin at `at`, and where the next value is."""
    words = felts[at] if at < len(felts) else 0
    end = at + words + 3
    if end > len(felts):
        return "", len(felts)
    return "".join(map(_short_string, felts[at + 1 : end - 1])), end


def _short_string(felt: int) -> str:
    """A felt as a short string; empty if it is none."""
    raw = felt.to_bytes(32, "big").lstrip(b"\0")
    return raw.decode("ascii") if all(0x20 <= byte < 0x7F for byte in raw) else ""
