"""ABIs are parsed as nodes return them, and untrusted text does no harm."""

from __future__ import annotations

import json

import pytest

from veriframe.adapters.starknet.cairo.abi import ABI_MAX_CHARACTERS, Field, Function, read_abi, spelling
from veriframe.errors import RegistryUnavailable


@pytest.mark.parametrize(
    ("full", "short"),
    [
        ("core::felt252", "felt252"),
        ("felt", "felt252"),
        ("Uint256", "u256"),
        ("@core::array::Array::<core::felt252>", "Array<felt252>"),
        ("core::array::Span::<(core::felt252, a::b::C)>", "Span<(felt252,C)>"),
        ("()", "()"),
    ],
)
def test_types_are_spelt_short(full: str, short: str) -> None:
    """Without modules, snapshots and spaces."""
    assert spelling(full) == short


def test_functions_of_interfaces_count() -> None:
    """A function is at the top level or in an interface; a list and its JSON text are equivalent."""
    inner = {
        "type": "function",
        "name": "get_job_reward",
        "inputs": [{"name": "job", "type": "core::integer::u64"}],
        "outputs": [{"type": "core::integer::u256"}],
        "state_mutability": "view",
    }
    entries = [{"type": "interface", "name": "a::I", "items": [inner]}, {"type": "function", "name": "go"}]
    abi = read_abi(entries)
    assert abi.functions["get_job_reward"] == Function("get_job_reward", (Field("job", "u64"),), ("u256",))
    assert abi.functions["go"] == Function("go", (), (), is_view=False)
    assert read_abi(json.dumps(entries)) == abi


@pytest.mark.parametrize("value", [None, 5, "no JSON", "{}", "[" * 100_000, " " * (ABI_MAX_CHARACTERS + 1)])
def test_other_values_are_refused(value: object) -> None:
    """Nothing, other JSON, deep nesting, too much text."""
    with pytest.raises(RegistryUnavailable, match="ABI"):
        read_abi(value)
