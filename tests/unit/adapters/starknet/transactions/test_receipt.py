"""The reason of a revert, parsed from nodes' answers."""

from __future__ import annotations

import pytest

from veriframe.adapters.starknet.transactions.receipt import Reverted, reason_of, short_strings

NOT_OPEN = (
    "Execution failed. Failure reason:\n(0x4e4f545f4f50454e ('NOT_OPEN'),"
    " 0x454e545259504f494e545f4641494c4544)"
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (NOT_OPEN, ("NOT_OPEN", "ENTRYPOINT_FAILED")),
        ("0x4e4f545f4f50454e", ("NOT_OPEN",)),
        ("(0x617267656e742f6d756c746963616c6c2d6661696c6564, 0x0 (''), 0x0, 'TOO_LATE')",
         ("argent/multicall-failed", "TOO_LATE")),
        ("contract 0x04718f5a0fc34cc1af16a1cdee98ffb20c31f5cd61d6ab07201858f4287c938d", ()),
        ("", ()),
    ],
)  # fmt: skip
def test_short_strings_are_read_out_of_a_reason(text: str, words: tuple[str, ...]) -> None:
    """Nodes give reasons in hex, in quotes, or both."""
    assert words == short_strings(text)


def test_the_innermost_error_is_the_reason() -> None:
    """Nodes nest the errors of contracts that call each other."""
    nested = {"execution_error": {"error": {"error": "0x4e4f545f4f50454e"}}}
    assert reason_of(nested) == "0x4e4f545f4f50454e"
    assert Reverted("0x4e4f545f4f50454e").rule == "NOT_OPEN"
    assert Reverted("out of gas").rule == "REVERTED"
