"""Encodes values of Cairo types as felts and decodes them by the ABI. Answers are untrusted input.

Integers, addresses and felts are `int`; `bool` is `bool`; `ByteArray` is `bytes`; tuples, arrays and spans
are lists; a struct is a mapping by member name; an enum is the pair of its variant's name and value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from veriframe.adapters.starknet.cairo.abi import Abi
from veriframe.errors import RegistryUnavailable

PRIME = 2**251 + 17 * 2**192 + 1
"""StarkNet's field: a felt is 0 … `PRIME` - 1."""
WORD_BYTES = 31
"""The bytes of text that one felt holds."""
DEPTH_MAX = 16
"""The deepest nesting of types."""

_BITS = {"u8": 8, "u16": 16, "u32": 32, "u64": 64, "u128": 128, "usize": 32}
VALUES_MAX = 1_000_000
"""The most values in one answer. A hostile ABI could nest empty structs: many values from few felts."""
_FELTS = ("felt252", "ContractAddress", "ClassHash", "EthAddress", "bytes31", "StorageAddress")
_SCALARS = frozenset((*_BITS, *_FELTS, "u256", "bool", "ByteArray"))

Value = object


def encode_text(text: bytes) -> list[int]:
    """Encodes a `ByteArray`: the number of full words, the words, the rest and its length."""
    full = len(text) // WORD_BYTES
    words = [int.from_bytes(text[at * WORD_BYTES : (at + 1) * WORD_BYTES], "big") for at in range(full)]
    rest = text[full * WORD_BYTES :]
    return [full, *words, int.from_bytes(rest, "big"), len(rest)]


def short_string(text: bytes) -> int:
    """Encodes up to 31 bytes in one felt. Raises `ValueError` for more, or for a NUL at the start."""
    if len(text) > WORD_BYTES or text.startswith(b"\0"):
        raise ValueError(f"{text!r} is not a short string.")
    return int.from_bytes(text, "big")


def short_bytes(felt: int) -> bytes:
    """Decodes a short string. Returns bytes, since it may not be valid text."""
    return felt.to_bytes((felt.bit_length() + 7) // 8, "big")


def halves(text: bytes) -> tuple[int, int]:
    """Encodes up to 62 bytes as two short strings, the first one full. Raises `ValueError` for more."""
    return short_string(text[:WORD_BYTES]), short_string(text[WORD_BYTES:])


class Felts:
    """An answer's felts, read one by one."""

    def __init__(self, felts: Sequence[int]) -> None:
        self._felts, self._at, self._values = felts, 0, 0

    @property
    def left(self) -> int:
        """How many felts are not read yet."""
        return len(self._felts) - self._at

    def count_value(self) -> None:
        """Counts one more decoded value. Raises `RegistryUnavailable` if there are too many."""
        self._values += 1
        if self._values > VALUES_MAX:
            refuse(f"it has more than {VALUES_MAX} values")

    def take(self, below: int = PRIME) -> int:
        """Reads the next felt. Raises `RegistryUnavailable` if there is none or it is not below `below`."""
        if not self.left:
            refuse("it is too short")
        felt = self._felts[self._at]
        self._at += 1
        if not 0 <= felt < below:
            refuse(f"{felt:#x} is out of range")
        return felt


def refuse(why: str) -> NoReturn:
    """Raises `RegistryUnavailable` for an answer that does not fit."""
    raise RegistryUnavailable(
        f"The registry's answer does not fit its ABI: {why}. Check the registry's address and the node."
    )


class Codec:
    """Encodes and decodes values by the types of one ABI (as `abi.spelling` spells them)."""

    def __init__(self, abi: Abi) -> None:
        self._abi = abi

    def decode(self, type_name: str, answer: Sequence[int]) -> Value:
        """Decodes one value from a whole answer. Raises `RegistryUnavailable` if it does not fit."""
        felts = Felts(answer)
        value = self._take(type_name, felts, 0)
        if felts.left:
            refuse(f"{felts.left} values are left over")
        return value

    def encode(self, type_name: str, value: Value) -> list[int]:
        """Encodes one value as felts. Raises `ValueError` if it does not fit its type."""
        return self._put(type_name, value, 0)

    def _take(self, type_name: str, felts: Felts, depth: int) -> Value:
        felts.count_value()
        if depth > DEPTH_MAX:
            refuse(f"the type {type_name} is nested too deep")
        if type_name in _SCALARS:
            return _take_scalar(type_name, felts)
        if (inner := element(type_name)) is not None:
            length = felts.take()
            if length > felts.left:
                refuse(f"a list of {length} values is cut off")
            return [self._take(inner, felts, depth + 1) for _ in range(length)]
        if type_name.startswith("("):
            return [self._take(part, felts, depth + 1) for part in parts(type_name)]
        return self._take_named(type_name, felts, depth + 1)

    def _take_named(self, type_name: str, felts: Felts, depth: int) -> Value:
        if (members := self._abi.structs.get(type_name)) is not None:
            return {member.name: self._take(member.type, felts, depth) for member in members}
        if variants := self._abi.enums.get(type_name):
            variant = variants[felts.take(len(variants))]
            return variant.name, self._take(variant.type, felts, depth)
        refuse(f"the type {type_name} is not known")

    def _put(self, type_name: str, value: Value, depth: int) -> list[int]:
        bits = _BITS.get(type_name)
        if bits is not None or type_name in _FELTS:
            return [_within(value, 1 << bits if bits else PRIME)]
        match type_name, value:
            case "u256", _:
                whole = _within(value, 1 << 256)
                return [whole & ((1 << 128) - 1), whole >> 128]
            case "bool", bool():
                return [int(value)]
            case "ByteArray", bytes():
                return encode_text(value)
        if depth > DEPTH_MAX:
            raise ValueError(f"The type {type_name} is nested too deep.")
        return self._put_compound(type_name, value, depth + 1)

    def _put_compound(self, type_name: str, value: Value, depth: int) -> list[int]:
        def put(types: Sequence[str], values: Sequence[Value]) -> list[int]:
            if len(types) != len(values):
                raise ValueError(f"{len(values)} values do not make a {type_name}.")
            pairs = zip(types, values, strict=True)
            return [felt for kind, inner in pairs for felt in self._put(kind, inner, depth)]

        if (inner := element(type_name)) is not None and isinstance(value, list | tuple):
            return [len(value), *put([inner] * len(value), value)]
        if type_name.startswith("(") and isinstance(value, list | tuple):
            return put(parts(type_name), value)
        members = self._abi.structs.get(type_name)
        if members is not None and isinstance(value, Mapping):
            return put([member.type for member in members], [value[member.name] for member in members])
        variants = self._abi.enums.get(type_name, ())
        for at, variant in enumerate(variants):
            match value:
                case (variant.name, content):
                    return [at, *put([variant.type], [content])]
        raise ValueError(f"{value!r} is not a {type_name}.")


def element(type_name: str) -> str | None:
    """The element type of an array or a span; None for other types."""
    for name in ("Array<", "Span<"):
        if type_name.startswith(name) and type_name.endswith(">"):
            return type_name[len(name) : -1]
    return None


def parts(type_name: str) -> list[str]:
    """The element types of a tuple: `(u8,(u8,u64))` has `u8` and `(u8,u64)`."""
    found, depth = [""], 0
    for character in type_name[1:-1]:
        depth += (character in "(<") - (character in ")>")
        if character == "," and depth == 0:
            found.append("")
        else:
            found[-1] += character
    return [part for part in found if part]


def _take_scalar(type_name: str, felts: Felts) -> Value:
    match type_name:
        case "u256":
            low = felts.take(1 << 128)
            return low + (felts.take(1 << 128) << 128)
        case "bool":
            return felts.take(2) == 1
        case "ByteArray":
            return _take_text(felts)
        case _:
            return felts.take(1 << _BITS[type_name] if type_name in _BITS else PRIME)


def _take_text(felts: Felts) -> bytes:
    full = felts.take()
    if full > felts.left:
        refuse(f"a text of {full} words is cut off")
    words: list[bytes] = [felts.take(1 << 248).to_bytes(WORD_BYTES, "big") for _ in range(full)]
    rest = felts.take(1 << 248)
    size = felts.take(WORD_BYTES)
    if rest >> (8 * size):
        refuse("the end of a text is longer than it says")
    return b"".join(words) + rest.to_bytes(size, "big")


def _within(value: Value, bound: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < bound:
        raise ValueError(f"{value!r} is not a number below {bound:#x}.")
    return value
