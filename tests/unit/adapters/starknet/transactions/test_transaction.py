"""Transactions parsed from their JSON are identical to the signed ones."""

from __future__ import annotations

import json

import pytest

from veriframe.adapters.starknet.connection import CLASSES
from veriframe.adapters.starknet.job_registry.deployer import read_built
from veriframe.adapters.starknet.transactions.fees import FeeBounds, Resource
from veriframe.adapters.starknet.transactions.transaction import (
    Action,
    Declare,
    Invoke,
    UnsignedTransaction,
    submission,
)

BUILT = read_built(CLASSES)
BOUNDS = FeeBounds(l1_gas=Resource(1, 2), l1_data_gas=Resource(3, 4), l2_gas=Resource(5, 6), tip_fri=7)


def unsigned(act: Action) -> UnsignedTransaction:
    """A transaction."""
    return UnsignedTransaction(chain_id=1, account=2, nonce=3, act=act, bounds=BOUNDS)


@pytest.mark.parametrize(
    ("act", "method"),
    [(Invoke((1, 2, 3)), "starknet_addInvokeTransaction"), (BUILT.declare, "starknet_addDeclareTransaction")],
)
def test_a_transaction_survives_json(act: Action, method: str) -> None:
    """Parsed again it is equal, including its hash, and is sent with the method for its kind."""
    made = unsigned(act)
    text = json.dumps(made.payload((8, 9)))
    assert UnsignedTransaction.parse(1, text) == made
    assert UnsignedTransaction.parse(1, text).digest() == made.digest()
    assert submission(text)[0] == method


def test_the_digest_covers_everything() -> None:
    """Another class, compiled class or nonce leads to another hash."""
    made = unsigned(BUILT.declare)
    others = [
        unsigned(Declare({**BUILT.declare.contract_class, "abi": "[]"}, BUILT.declare.compiled_class_hash)),
        unsigned(Declare(BUILT.declare.contract_class, 1)),
        UnsignedTransaction(chain_id=1, account=2, nonce=4, act=BUILT.declare, bounds=BOUNDS),
    ]
    assert len({made.digest(), *(other.digest() for other in others)}) == 4
