"""Values are encoded and decoded unchanged, and answers that do not fit their type are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starknet_py.cairo.felt import encode_shortstring
from starknet_py.serialization.data_serializers.byte_array_serializer import ByteArraySerializer
from starknet_py.serialization.data_serializers.uint256_serializer import Uint256Serializer

from veriframe.adapters.starknet.cairo.abi import Abi, Field, read_abi
from veriframe.adapters.starknet.cairo.codec import PRIME, Codec, halves, parts, short_bytes, short_string
from veriframe.errors import RegistryUnavailable

ABI = Abi(
    functions={},
    structs={
        "Job": (Field("id", "u64"), Field("reward", "u256"), Field("cid", "ByteArray")),
        "Bomb": tuple(Field(str(at), "Bomb1") for at in range(100)),
        "Bomb1": tuple(Field(str(at), "Bomb2") for at in range(100)),
        "Bomb2": tuple(Field(str(at), "Bomb3") for at in range(1000)),
        "Bomb3": (),
        "Endless": (Field("again", "Endless"),),
    },
    enums={"State": (Field("Open", "()"), Field("Taken", "ContractAddress"))},
)
CODEC = Codec(ABI)
VALUES = {
    "felt252": st.integers(0, PRIME - 1),
    "u64": st.integers(0, 2**64 - 1),
    "u256": st.integers(0, 2**256 - 1),
    "bool": st.booleans(),
    "ByteArray": st.binary(max_size=200),
    "(u8,(u64,bool))": st.tuples(
        st.integers(0, 255), st.tuples(st.integers(0, 9), st.booleans()).map(list)
    ).map(list),
    "Span<ByteArray>": st.lists(st.binary(max_size=40), max_size=5),
    "Array<State>": st.lists(
        st.one_of(st.just(("Open", [])), st.tuples(st.just("Taken"), st.integers(0, 99))), max_size=5
    ),
    "Job": st.fixed_dictionaries(
        {"id": st.integers(0, 2**64 - 1), "reward": st.integers(0, 2**256 - 1), "cid": st.binary(max_size=70)}
    ),
}


@pytest.mark.parametrize("type_name", VALUES)
@given(data=st.data())
def test_a_value_comes_back(type_name: str, data: st.DataObject) -> None:
    """Whatever the type, encoding and decoding change nothing."""
    value = data.draw(VALUES[type_name])
    assert CODEC.decode(type_name, CODEC.encode(type_name, value)) == value


@given(st.text(st.characters(max_codepoint=127), max_size=100), st.integers(0, 2**256 - 1))
def test_starknet_py_writes_the_same(text: str, number: int) -> None:
    """An independent encoder agrees about texts and big numbers."""
    assert CODEC.encode("ByteArray", text.encode()) == ByteArraySerializer().serialize(text)
    assert CODEC.encode("u256", number) == Uint256Serializer().serialize(number)


@given(st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=31))
def test_a_short_string_comes_back(text: str) -> None:
    """And is written as starknet_py writes it."""
    assert short_string(text.encode()) == encode_shortstring(text)
    assert short_bytes(short_string(text.encode())) == text.encode()


@given(st.text("abcdefghijklmnopqrstuvwxyz234567", max_size=62))
def test_a_pair_of_short_strings_joins_to_the_text(text: str) -> None:
    """Up to 62 bytes."""
    first, second = halves(text.encode())
    assert short_bytes(first) + short_bytes(second) == text.encode()


def test_text_that_is_not_a_short_string_is_refused() -> None:
    """Too long, or with a leading NUL that would be lost."""
    for text in (b"x" * 32, b"\0x"):
        with pytest.raises(ValueError, match="short string"):
            short_string(text)
    with pytest.raises(ValueError, match="short string"):
        halves(b"x" * 63)


@given(st.sampled_from(sorted(VALUES)), st.lists(st.integers(-1, PRIME), max_size=12))
def test_any_answer_is_decoded_or_refused(type_name: str, felts: list[int]) -> None:
    """Never another error, and a decoded value encodes to the same felts."""
    try:
        value = CODEC.decode(type_name, felts)
    except RegistryUnavailable:
        return
    assert CODEC.encode(type_name, value) == felts


@pytest.mark.parametrize(
    ("type_name", "felts"),
    [
        ("u64", []),
        ("u64", [2**64]),
        ("u64", [1, 2]),
        ("bool", [2]),
        ("u256", [2**128, 0]),
        ("felt252", [PRIME]),
        ("ByteArray", [0, 0x100, 1]),
        ("ByteArray", [0, 0, 31]),
        ("ByteArray", [2**200, 0, 0]),
        ("Span<u64>", [3, 1, 2]),
        ("State", [2]),
        ("Unknown", [1]),
        ("", [1]),
        ("Endless", [1]),
        ("Bomb", []),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(type_name: str, felts: list[int]) -> None:
    """Too short, too long, out of range, a wrong length, an unknown type, nested empty structs."""
    with pytest.raises(RegistryUnavailable):
        CODEC.decode(type_name, felts)


@pytest.mark.parametrize(
    ("type_name", "value"),
    [
        ("u64", 2**64),
        ("u64", -1),
        ("bool", 1),
        ("ByteArray", "text"),
        ("State", ("Shut", [])),
        ("(u8,u8)", [1]),
    ],
)
def test_a_value_of_another_type_is_refused(type_name: str, value: object) -> None:
    """Before it is sent."""
    with pytest.raises(ValueError, match=r"is no|do not make"):
        CODEC.encode(type_name, value)


def test_the_parts_of_a_tuple() -> None:
    """Commas in inner tuples and lists do not separate."""
    assert parts("(u8,(u64,bool),Span<(u8,u8)>)") == ["u8", "(u64,bool)", "Span<(u8,u8)>"]


def test_types_of_an_abi_are_supported() -> None:
    """A struct as a node returns it, with modules in its names."""
    abi = read_abi(
        [{"type": "struct", "name": "a::b::Pair", "members": [{"name": "x", "type": "@core::integer::u256"}]}]
    )
    assert Codec(abi).decode("Pair", [1, 1]) == {"x": 1 + 2**128}
