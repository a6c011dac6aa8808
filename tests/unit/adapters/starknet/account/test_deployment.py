"""Deploying an account with nodes that lose, lag and lie: at most once, with the right outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest
from starknet_py.hash.utils import verify_message_signature

from veriframe.adapters.starknet.account import deployment
from veriframe.adapters.starknet.account.accounts import counterfactual_address
from veriframe.adapters.starknet.account.deployment import Deployment
from veriframe.adapters.starknet.account.keystore import Key
from veriframe.adapters.starknet.rpc.endpoints import Endpoints, RpcError
from veriframe.adapters.starknet.transactions.fees import FeeBounds, Resource
from veriframe.adapters.starknet.transactions.receipt import Reverted
from veriframe.errors import MoveRefused, RegistryUnavailable

SECRET = 0x71D7BB07B9A64F6F78AC4C816AFF4DA9
STRK = 10**18
SEPOLIA = 0x534E5F5345504F4C4941
NOT_THERE = RpcError(20, "Contract not found")
UNKNOWN = RpcError(29, "Transaction hash not found")
PRICES = {
    f"{name}_{what}": "0x10" for name in ("l1_gas", "l1_data_gas", "l2_gas") for what in ("consumed", "price")
}


class Node:
    """Answers by method: each of a list in turn, the last one repeatedly; errors are raised."""

    def __init__(self, **answers: object) -> None:
        self.sent: list[Mapping[str, Any]] = []
        self.answers: dict[str, list[object]] = {
            "getClassHashAt": [NOT_THERE],
            "estimateFee": [[PRICES]],
            "call": [[hex(STRK), "0x0"]],
            "addDeployAccountTransaction": [{}],
            "getTransactionReceipt": [UNKNOWN],
        }
        for method, answer in answers.items():
            self.answers[method] = answer if isinstance(answer, list) else [answer]

    async def chain_id(self) -> int:
        """As `Endpoints` has it."""
        return SEPOLIA

    async def call(self, method: str, params: Mapping[str, Any]) -> object:
        """As `Endpoints` has it."""
        answers = self.answers[method.removeprefix("starknet_")]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if method == "starknet_addDeployAccountTransaction":
            self.sent.append(params["deploy_account_transaction"])
        if answer == "receipt":
            return self.receipt()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def receipt(self, **changes: object) -> dict[str, object]:
        """The receipt of the last transaction."""
        whole = {
            "transaction_hash": hex(_digest(self.sent[-1])),
            "finality_status": "ACCEPTED_ON_L2",
            "execution_status": "SUCCEEDED",
            "block_number": 7,
            "actual_fee": {"amount": "0x64", "unit": "FRI"},
            "events": [],
        }
        return {**whole, **changes}


def _digest(sent: Mapping[str, Any]) -> int:
    return Deployment(
        chain_id=SEPOLIA,
        public_key=int(sent["constructor_calldata"][0], 16),
        class_hash=int(sent["class_hash"], 16),
        salt=int(sent["contract_address_salt"], 16),
        bounds=FeeBounds.parse(sent["resource_bounds"], int(sent["tip"], 16)),
    ).digest()


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "_POLL_SECONDS", 0)


async def _deploy(node: Node) -> int | None:
    """Returns the fee, or None if the account was already deployed."""
    key = Key(SECRET)
    address, receipt = await deployment.deploy(cast(Endpoints, node), key, 1, 2, max_fee_fri=STRK)
    assert address == counterfactual_address(key.public_key, 1, 2)
    return None if receipt is None else receipt.fee_fri


async def test_the_receipt_may_take_its_time() -> None:
    """It is sent once, with a valid signature, and polled until it is in a block."""
    node = Node(getTransactionReceipt=[UNKNOWN, UNKNOWN, "receipt"])
    assert await _deploy(node) == 100
    (sent,) = node.sent
    signature = [int(felt, 16) for felt in sent["signature"]]
    assert verify_message_signature(_digest(sent), signature, Key(SECRET).public_key)


async def test_a_deployed_account_is_not_deployed_again() -> None:
    """Nothing is sent."""
    node = Node(getClassHashAt="0x1")
    assert (await _deploy(node), node.sent) == (None, [])


async def test_an_earlier_attempt_counts() -> None:
    """The node refuses the nonce, since an earlier attempt is pending: that one is awaited."""
    node = Node(
        getClassHashAt=[NOT_THERE, "0x1", NOT_THERE, "0x1"],
        addDeployAccountTransaction=RpcError(52, "Invalid transaction nonce"),
    )
    assert await _deploy(node) is None


async def test_a_lost_answer_counts() -> None:
    """The node accepted it but answered with an error; its receipt arrives."""
    node = Node(
        getClassHashAt=[NOT_THERE, "0x1"],
        addDeployAccountTransaction=RpcError(63, "An unexpected error occurred"),
        getTransactionReceipt="receipt",
    )
    assert await _deploy(node) == 100


async def test_a_refusal_is_reported() -> None:
    """With the node's text, without control characters."""
    node = Node(addDeployAccountTransaction=RpcError(55, "Account validation failed\x1b[31m"))
    with pytest.raises(MoveRefused, match="Account validation failed") as caught:
        await _deploy(node)
    assert "\x1b" not in str(caught.value)


async def test_a_revert_is_reported() -> None:
    """It costs a fee, and the account does not exist."""
    node = Node()
    real = node.call

    async def call(method: str, params: Mapping[str, Any]) -> object:
        if method == "starknet_getTransactionReceipt":
            return node.receipt(execution_status="REVERTED", revert_reason="no luck")
        return await real(method, params)

    node.call = call  # type: ignore[method-assign]
    with pytest.raises(Reverted) as caught:
        await _deploy(node)
    assert caught.value.fee_fri == 100


async def test_an_open_outcome_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a timeout; the same command may be run again."""
    monkeypatch.setattr(deployment, "WAIT_SECONDS", 0.05)
    with pytest.raises(RegistryUnavailable):
        await _deploy(Node())


@pytest.mark.parametrize("held", [None, [], ["0x1"], ["zz", "0x0"], "0x1", [1, 2], RpcError(40, "reverted")])
async def test_an_unreadable_balance_sends_nothing(held: object) -> None:
    """The balance must be known."""
    node = Node()
    node.answers["call"] = [held]
    with pytest.raises(RegistryUnavailable):
        await _deploy(node)
    assert node.sent == []


async def test_without_money_nothing_is_sent() -> None:
    """Refused by its own rule, before anything is signed."""
    node = Node(call=[["0x1", "0x0"]])
    with pytest.raises(MoveRefused) as caught:
        await _deploy(node)
    assert (caught.value.rule, node.sent) == ("BALANCE", [])


async def test_the_upper_half_of_a_balance_counts() -> None:
    """A uint256 comes in two halves."""
    assert await _deploy(Node(call=[["0x0", "0x1"]], getTransactionReceipt="receipt")) == 100


def test_the_digest_covers_all_fields() -> None:
    """Another chain, class, salt, key or price is another transaction."""
    first: dict[str, Any] = {"chain_id": 1, "public_key": 2, "class_hash": 3, "salt": 4}
    priced = FeeBounds(l1_gas=Resource(1, 1), l1_data_gas=Resource(0, 0), l2_gas=Resource(0, 0))
    digests = {Deployment(**{**first, name: 9}).digest() for name in first}
    digests |= {Deployment(**first).digest(), Deployment(**first, bounds=priced).digest()}
    assert len(digests) == 6
