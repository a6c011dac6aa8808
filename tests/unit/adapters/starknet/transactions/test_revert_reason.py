"""The reason of a revert, out of nodes' answers: the innermost contract's own words."""

from __future__ import annotations

from typing import Any

import pytest

from veriframe.adapters.starknet.contract.contract import refusal
from veriframe.adapters.starknet.transactions.receipt import Reverted
from veriframe.adapters.starknet.transactions.revert_reason import (
    REASON_MAX_CHARACTERS,
    innermost,
    reason_of,
    short_strings,
)

ACCOUNT = (
    "contract address: 0x064b48806902a367c8598f4f95c305e8c1a1acba5f082d294a43793113115691,"
    " class hash: 0x061dac032f228abef9c6626f995015233097ae253a7f72d68552db02f2971b8f,"
    " selector: 0x015d40a3d6ca2ac30f4031e42be28da9b056fef9bb7357ac5e85627ee876e5ad"
)
REGISTRY = (
    "contract address: 0x03a1f1f6ea8df4a9b5b5a0a2b4fd1d8e61e4b6a2e7a1ccfb4f2b6b6a83c64c11,"
    " class hash: 0x02b1b9a0c64d3c2a1fdb9d9e3f9ff5f94d0a9c0f7f9a0f4f5d7a27ce31a2ac55,"
    " selector: 0x02af31e74c3d52a5fb1d0a1a3d32f2b0ba0c6cc8c8f8de3d7ccf1ab36efb6fcf"
)
NOT_OPEN = "0x4e4f545f4f50454e ('NOT_OPEN')"
FAILED = "0x454e545259504f494e545f4641494c4544 ('ENTRYPOINT_FAILED')"
MAGIC = "0x46a6158a16a947e5916b2a2ca68501a45e93d7110e81aa2d6438b1c57c879a3"

RECEIPT = f"""Transaction execution has failed:
0: Error in the called contract ({ACCOUNT}):
Execution failed. Failure reason:
Error in contract ({ACCOUNT}):
Error in contract ({REGISTRY}):
{NOT_OPEN}.
"""
"""A receipt's text as blockifier writes it, one line for each contract on the way."""
MULTICALL = (
    f"Execution failed. Failure reason:\n(0x617267656e742f6d756c746963616c6c2d6661696c6564"
    f" ('argent/multicall-failed'), 0x1, {NOT_OPEN}, {FAILED}, {FAILED})."
)
CAIRO_0 = f"""Error in the called contract ({ACCOUNT}):
Error at pc=0:4835:
Got an exception while executing a hint: Execution failed. Failure reason: {NOT_OPEN}.
Cairo traceback (most recent call last):
Unknown location (pc=0:67)
Unknown location (pc=0:1835)
"""
BALANCE = (
    f"({MAGIC}, 0x1, 0x45524332303a207472616e7366657220616d6f756e74206578636565647320 ('ERC20: transfer"
    f" amount exceeds '), 0x62616c616e6365 ('balance'), 0x7, {FAILED})"
)
DEVNET = f'{RECEIPT.rstrip()}\n ["0x4e4f545f4f50454e"]'
"""As starknet-devnet 0.8.1 writes it: once more, as a list of felts."""
NO_CONTRACT = f"Requested contract address 0x{'0' * 61}123 is not deployed"
GAS = "Insufficient max L2Gas: max amount: 10, actual used: 20"


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (RECEIPT, "NOT_OPEN"),
        (" ".join(RECEIPT.split()), "NOT_OPEN"),
        (RECEIPT[100:], "NOT_OPEN"),
        (DEVNET, "NOT_OPEN"),
        ('["0x4e4f545f4f50454e"]', "NOT_OPEN"),
        ('["0x454e545259504f494e545f4e4f545f464f554e44"]', "ENTRYPOINT_NOT_FOUND"),
        (f"{NO_CONTRACT}.\n", NO_CONTRACT),
        (MULTICALL, "NOT_OPEN"),
        (CAIRO_0, "NOT_OPEN"),
        (f"({NOT_OPEN}, {FAILED})", "NOT_OPEN"),
        ("0x4e4f545f4f50454e", "NOT_OPEN"),
        ("(0x4e4f545f4f50454e, 'TOO_LATE')", "NOT_OPEN, TOO_LATE"),
        (BALANCE, "ERC20: transfer amount exceeds balance"),
        (f'("ERC20: insufficient balance", {FAILED})', "ERC20: insufficient balance"),
        (f"Transaction execution has failed:\n0: Error in the called contract ({ACCOUNT}):\n{GAS}", GAS),
        (FAILED, "ENTRYPOINT_FAILED"),
        (f"({MAGIC}, 0xffff, 0x1)", f"({MAGIC}, 0xffff, 0x1)"),
        ("0x0", "0x0"),
        ("the node's own words", "the node's own words"),
        ("", ""),
    ],
)
def test_the_innermost_reason_is_what_a_person_reads(reason: str, said: str) -> None:
    """fault_137: not the names of the contracts on the way, in any of the shapes in which nodes write it."""
    assert innermost(reason) == said


def test_a_contracts_own_reason_is_in_the_refusal() -> None:
    """fault_137: whether it comes from a receipt, from an estimate or from a view."""
    theirs = RECEIPT.replace(NOT_OPEN, "0x4e4f545f454c494749424c45 ('NOT_ELIGIBLE')")
    assert str(refusal(Reverted(theirs).reason)).endswith(": NOT_ELIGIBLE.")
    assert str(Reverted(theirs)).endswith(": NOT_ELIGIBLE.")
    assert refusal(Reverted(RECEIPT).reason).rule == "NOT_OPEN"


def test_a_reason_stays_one_line_of_bounded_length() -> None:
    """Whatever a contract says."""
    said = innermost("x" * 10**6 + "\x1b[31m\n\u202eevil")
    assert len(said) <= REASON_MAX_CHARACTERS
    assert said.isprintable()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MULTICALL, ("argent/multicall-failed", "NOT_OPEN", "ENTRYPOINT_FAILED")),
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


def _nested(depth: int, reason: object) -> object:
    frame = {"contract_address": "0x1", "class_hash": "0x2", "selector": "0x3"}
    return reason if depth == 0 else {**frame, "error": _nested(depth - 1, reason)}


@pytest.mark.parametrize(
    "data",
    [
        {"revert_error": NOT_OPEN},
        {"revert_error": _nested(2, NOT_OPEN)},
        {"transaction_index": 0, "execution_error": NOT_OPEN},
        {"transaction_index": 0, "execution_error": _nested(3, NOT_OPEN)},
        {"transaction_index": 0, "execution_error": _nested(3, DEVNET)},
        {"revert_error": _nested(1, '["0x4e4f545f4f50454e"]')},
        RECEIPT,
    ],
)
def test_the_innermost_error_is_the_reason(data: Any) -> None:
    """JSON-RPC 0.8 and later nest the errors of contracts that call each other; earlier ones have a text."""
    assert innermost(reason_of(data)) == "NOT_OPEN"
    assert Reverted(reason_of(data)).rule == "NOT_OPEN"


@pytest.mark.parametrize("data", [None, {}, [], 7, {"error": None}, _nested(100, "odd")])
def test_data_without_a_reason_are_no_fault(data: Any) -> None:
    """fault_59: whatever the node sends."""
    assert Reverted(reason_of(data)).rule == "REVERTED"
    assert len(innermost(reason_of(data))) <= REASON_MAX_CHARACTERS
