"""A chain of one account over JSON-RPC that can give every answer observed from nodes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.proxy import FakeRpcError

from veriframe.adapters.starknet.transactions.transaction import UnsignedTransaction

CHAIN = 0x534E5F5345504F4C4941
"""SN_SEPOLIA."""


@dataclass
class FakeChain:
    """One account's chain. `errors`: the answers to the next sends (`None`: accepted)."""

    nonce: int = 0
    errors: list[int | None] = field(default_factory=list)
    act_anyway: bool = False
    """Whether a send that answers with an error is executed anyway."""
    statuses: list[str | None] = field(default_factory=list)
    """The next answers about the status of a transaction in a block, instead of the real ones."""
    nonces: list[int] = field(default_factory=list)
    """The next answers about the nonce, instead of the real ones."""
    hold: bool = False
    """Whether accepted transactions stay out of every block."""
    revert_reason: str = ""
    receipt: dict[str, Any] | None = None
    wrong_hash: bool = False
    price: int = 10
    rise_after_send: int = 0
    sent: list[dict[str, Any]] = field(default_factory=list)
    pool: dict[int, dict[str, Any]] = field(default_factory=dict)
    blocks: dict[int, dict[str, Any]] = field(default_factory=dict)

    def __call__(self, method: str, params: dict[str, Any]) -> Any:
        """Answers as a node."""
        return getattr(self, method.removeprefix("starknet_"))(**params)

    def chainId(self) -> str:  # noqa: N802 - the method's own name
        """The chain's id."""
        return hex(CHAIN)

    def getNonce(self, block_id: str, contract_address: str) -> str:  # noqa: N802
        """The next nonce."""
        return hex(self.nonces.pop(0) if self.nonces else self.nonce)

    def estimateFee(self, request: list[Any], **_: Any) -> list[dict[str, str]]:  # noqa: N802
        """The same estimate for every transaction."""
        gas = {"consumed": "0x10", "price": hex(self.price)}
        names = ("l1_gas", "l1_data_gas", "l2_gas")
        return [{f"{name}_{key}": value for name in names for key, value in gas.items()} | {"unit": "FRI"}]

    def addInvokeTransaction(self, invoke_transaction: dict[str, Any]) -> dict[str, str]:  # noqa: N802
        """Accepts a transaction, or raises the next error."""
        self.sent.append(invoke_transaction)
        self.price = self.rise_after_send or self.price
        error = self.errors.pop(0) if self.errors else None
        digest = digest_of(invoke_transaction)
        if error is None or self.act_anyway:
            self.pool[digest] = invoke_transaction
            if not self.hold:
                self.include(digest)
        if error is not None:
            raise FakeRpcError(error, "Refused", "some reason")
        return {"transaction_hash": hex(digest + self.wrong_hash)}

    def include(self, digest: int) -> None:
        """Puts a transaction in a block, if its nonce is the next."""
        if int(self.pool[digest]["nonce"], 16) == self.nonce:
            self.nonce += 1
            self.blocks[digest] = self.pool.pop(digest)

    def getTransactionStatus(self, transaction_hash: str) -> dict[str, str]:  # noqa: N802
        """The status of a transaction."""
        digest = int(transaction_hash, 16)
        if digest in self.blocks:
            status = self.statuses.pop(0) if self.statuses else "ACCEPTED_ON_L2"
        else:
            status = "RECEIVED" if digest in self.pool else None
        if status is None:
            raise FakeRpcError(29, "Transaction hash not found")
        return {"finality_status": status}

    def getTransactionReceipt(self, transaction_hash: str) -> dict[str, Any]:  # noqa: N802
        """The receipt of a transaction."""
        answer = {
            "transaction_hash": transaction_hash,
            "finality_status": "ACCEPTED_ON_L2",
            "execution_status": "REVERTED" if self.revert_reason else "SUCCEEDED",
            "revert_reason": self.revert_reason,
            "block_number": 7,
            "actual_fee": {"amount": "0x2a", "unit": "FRI"},
            "events": [{"from_address": "0x1", "keys": ["0x2"], "data": []}],
        }
        return answer | (self.receipt or {})


def digest_of(payload: dict[str, Any]) -> int:
    """A transaction's hash."""
    return UnsignedTransaction.parse(CHAIN, json.dumps(payload)).digest()


class AnySigner:
    """A signer without a key."""

    def sign(self, message_hash: int) -> tuple[int, int]:
        """A signature that only the fake chain accepts."""
        return message_hash, 1
