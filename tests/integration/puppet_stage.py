"""A devnet on which one unsigned sender acts for many accounts, at any time, with one request for each step.

The accounts are puppets (`tests/contracts/puppet.cairo`): they have no keys and pay no fees, so their wallets
contain exactly what the rules leave them. The sender that pays is a puppet, too.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from starknet_py.hash.selector import get_selector_from_name
from tests.deployed import declare, invoke
from tests.integration.contract_world import RULES
from tests.nodes import ROOT, Devnet

from veriframe.adapters.starknet.cairo.codec import short_bytes

PUPPET = ROOT / "tests" / "contracts" / "artifacts" / "puppet"
DEPLOYER = 0x02CEED65A4BD731034C01113685C831B01C15D7D432F71AFB1CF1634B53A2125
"""The contract deployer of every devnet."""
DEPLOY_ACCOUNT = 5
PLENTY = 2**120
"""Many times more than a registry can hold."""
FEW = 64
"""The most calls in one request."""
PUPPETS = 7
"""The sender, and six accounts."""
_BOUND = {"max_amount": "0x2540be400", "max_price_per_unit": "0x2540be400"}

selector = cache(get_selector_from_name)
Calling = tuple[int, str, Sequence[int]]
"""The contract, the function, and the arguments in felts."""
Question = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Played:
    """A transaction's outcome. `rule` is the rule that refused it; empty if it succeeded."""

    rule: str
    block: int
    events: tuple[tuple[int, tuple[int, ...], tuple[int, ...]], ...]
    """The emitting contract, the keys, the data."""


class Stage:
    """The node and its puppets, one of which is the sender."""

    def __init__(self, node: Devnet) -> None:
        self.node, self._nonce, self._salt = node, 0, 0
        self._line = http.client.HTTPConnection(urlsplit(node.url).netloc, timeout=120)
        self.sender = 0
        self.people: tuple[int, ...] = ()

    async def open(self) -> None:
        """Deploys the puppets and funds them."""
        class_hash = await declare(self.node, PUPPET, DEPLOY_ACCOUNT)
        deploys = [(DEPLOYER, "deployContract", [class_hash, salt, 0, 0]) for salt in range(PUPPETS)]
        await invoke(self.node, DEPLOY_ACCOUNT, *deploys)
        newest = self.node.ask("starknet_getBlockWithReceipts", block_id="latest")
        events = newest["transactions"][-1]["receipt"]["events"]
        made = [int(event["data"][0], 16) for event in events if int(event["from_address"], 16) == DEPLOYER]
        self.sender, *people = made
        self.people = tuple(people)
        for puppet in made:
            self.node.mint(puppet, PLENTY)

    @property
    def sent(self) -> int:
        """How many transactions were sent so far."""
        return self._nonce

    def deploy(self, class_hash: int, *arguments: int) -> int:
        """Deploys a contract of a declared class."""
        self._salt += 1
        values = [class_hash, self._salt, 0, len(arguments), *arguments]
        played = self.send([(DEPLOYER, "deployContract", values)])
        assert played.rule == ""
        return next(data[0] for address, _, data in played.events if address == DEPLOYER)

    def act(self, person: int, calling: Calling) -> Calling:
        """The same call, made by an account (a number from 0)."""
        to, name, values = calling
        return self.people[person], "act", [to, selector(name), len(values), *values]

    def send(self, calls: Sequence[Calling]) -> Played:
        """Sends one transaction now."""
        return self.play(calls, (), ())[0]

    def play(
        self, calls: Sequence[Calling], before: Sequence[Question], after: Sequence[Question]
    ) -> tuple[Played, list[Any], list[Any]]:
        """Sends a transaction at the latest block's time, with queries before and after, in one request."""
        answers = self.ask([*before, self._invoke(calls), _NEWEST, *after])
        self._nonce += 1
        sent, block = answers[len(before) : len(before) + 2]
        receipt = block["transactions"][-1]["receipt"]
        assert sent.get("transaction_hash") == receipt["transaction_hash"], sent
        refused = receipt["execution_status"] == "REVERTED"
        rule = rule_in(receipt["revert_reason"]) if refused else ""
        events = tuple(_event(event) for event in receipt["events"])
        return Played(rule, block["block_number"], events), answers[: len(before)], answers[len(before) + 2 :]

    def query_at(self, chain_seconds: int, questions: Sequence[Question] = ()) -> list[Any]:
        """Queries at exactly that time, past or future; the next transaction runs at it, too.

        The node computes a block's time from this machine's clock. If its second changes between setting the
        time and making the block, the block is a second late. Then everything is queried again.
        """
        setting = "devnet_setTime", {"time": chain_seconds, "generate_block": True}
        while True:
            block, *answers = self.ask([setting, *questions])
            if block["block_timestamp"] == chain_seconds:
                return answers

    def ask(self, questions: Sequence[Question]) -> list[Any]:
        """The results or errors of several node calls in one request.

        The node keeps their order only if they are few: after some hundred it interleaves other requests.
        """
        assert len(questions) <= FEW
        body = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}
            for number, (method, parameters) in enumerate(questions)
        ]
        self._line.request("POST", "/", json.dumps(body), {"Content-Type": "application/json"})
        answers = json.loads(self._line.getresponse().read())
        assert [answer["id"] for answer in answers] == list(range(len(questions)))
        return [answer["result"] if "result" in answer else answer["error"] for answer in answers]

    def _invoke(self, calls: Sequence[Calling]) -> Question:
        felts = [len(calls)]
        for to, name, values in calls:
            felts += [to, selector(name), len(values), *values]
        transaction = {
            "type": "INVOKE",
            "version": "0x3",
            "sender_address": hex(self.sender),
            "calldata": [hex(felt) for felt in felts],
            "signature": [],
            "nonce": hex(self._nonce),
            "resource_bounds": dict.fromkeys(("l1_gas", "l1_data_gas", "l2_gas"), _BOUND),
            "tip": "0x0",
            "paymaster_data": [],
            "account_deployment_data": [],
            "nonce_data_availability_mode": "L1",
            "fee_data_availability_mode": "L1",
        }
        return "starknet_addInvokeTransaction", {"invoke_transaction": transaction}


_NEWEST: Question = ("starknet_getBlockWithReceipts", {"block_id": "latest"})


def looking(calling: Calling) -> Question:
    """A call without a transaction, and without lasting effects."""
    to, name, values = calling
    request = {
        "contract_address": hex(to),
        "entry_point_selector": hex(selector(name)),
        "calldata": [hex(value) for value in values],
    }
    return "starknet_call", {"request": request, "block_id": "latest"}


def felts_of(answer: Any) -> list[int]:
    """The felts of a query's answer. Fails the test if it was refused."""
    assert isinstance(answer, list), f"no answer: {answer}"
    return [int(felt, 16) for felt in answer]


def rule_of(answer: Any) -> str:
    """The rule that refused a query; empty if it succeeded."""
    return "" if isinstance(answer, list) else rule_in(json.dumps(answer))


def rule_in(text: str) -> str:
    """The short string of a contract's panic: the first of our rules in the node's text.

    The node's whole text if there is none.
    """
    felts = [int(felt, 16) for felt in re.findall(r"0x[0-9a-f]+", text)]
    names = [short_bytes(felt).decode(errors="replace") for felt in felts]
    return next((name for name in names if name in RULES), text)


def _event(event: Mapping[str, Any]) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    keys, data = (tuple(int(felt, 16) for felt in event[name]) for name in ("keys", "data"))
    return int(event["from_address"], 16), keys, data
