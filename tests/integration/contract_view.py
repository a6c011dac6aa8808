"""One deployed registry in the model's terms: calls, views and events with the model's accounts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.deployed import REGISTRY, sierra_of
from tests.integration.puppet_stage import Calling, Question, felts_of, looking, selector
from tests.unit.model.registry.escrow_invariants import CID
from tests.unit.model.registry.escrow_machine import Deed

from veriframe.adapters.starknet.cairo.abi import read_abi, spelling
from veriframe.adapters.starknet.cairo.codec import Codec, Value, short_string
from veriframe.adapters.starknet.job_registry.decoding import order_of, put_terms, read_job, read_order
from veriframe.errors import Code
from veriframe.model.registry.job import Address, Job, Terms

_FUNCTIONS = {
    "create": "create_order",
    "claim": "claim_job",
    "release": "release_job",
    "submit": "submit_result",
    "accept": "accept_result",
    "dispute": "dispute_result",
    "finalize": "finalize_job",
    "cancel": "cancel_job",
    "claims": "claim_jobs",
    "submits": "submit_results",
    "finalizes": "finalize_jobs",
}
_ABI = json.loads(sierra_of(REGISTRY))["abi"]
_ABI = json.loads(_ABI) if isinstance(_ABI, str) else _ABI
_EVENTS = {
    selector(item["name"].rpartition("::")[2]): item
    for item in _ABI
    if item["type"] == "event" and item["kind"] == "struct"
}


class ContractView:
    """A registry at an address. `people` are the model's accounts and their addresses on the chain."""

    def __init__(self, registry: int, token: int, people: Mapping[Address, int]) -> None:
        self.registry, self._token, self._people = registry, token, people
        self._accounts = {address: account for account, address in people.items()}
        self._abi = read_abi(_ABI)
        self._codec = Codec(self._abi)

    def address(self, account: Address) -> int:
        """The chain's address of a model account."""
        return self._people.get(account, account)

    def balance(self, account: Address | None) -> Question:
        """An account's balance of the token; None: the registry's."""
        owner = self.registry if account is None else self.address(account)
        return looking((self._token, "balance_of", [owner]))

    def view(self, name: str, *values: Value) -> Question:
        """Calls a view of the registry. Addresses are the model's."""
        addressed = [
            self.address(Address(value))
            if field.type == "ContractAddress" and isinstance(value, int)
            else value
            for field, value in zip(self._abi.functions[name].inputs, values, strict=True)
        ]
        return looking(self._calling(name, addressed))

    def read(self, name: str, answer: Any) -> Any:
        """Decodes a view's answer. Addresses are the chain's."""
        return self._codec.decode(self._abi.functions[name].outputs[0], felts_of(answer))

    def jobs(self, listed: Any, orders: Sequence[Any]) -> list[Job]:
        """Decodes the answers of `get_jobs` and `get_order`."""
        known = {}
        for answer in orders:
            if isinstance(answer, list):  # the next order may have been refused
                order = read_order(self.read("get_order", answer))
                terms = order.terms
                terms = replace(
                    terms, arbiter=self._account(terms.arbiter), worker=self._account(terms.worker)
                )
                known[order.id] = replace(order, creator=self._account(order.creator), terms=terms)
        jobs = [read_job(one, known[order_of(one)]) for one in self.read("get_jobs", listed)]
        return [replace(job, worker=self._account(job.worker)) for job in jobs]

    def ids(self, answer: Any) -> list[int] | None:
        """The ids that a plural call of a puppet would return; None if it would be refused."""
        if not isinstance(answer, list):
            return None
        returned = felts_of(answer)[1:]
        return list(self._codec.decode("Array<u64>", returned))  # type: ignore[call-overload, no-any-return]

    def calling(self, deed: Deed, now: int) -> Calling:
        """The contract's call for a model's move."""
        name, values = self._call_of(deed, now)
        return self._calling(name, values)

    def event(self, keys: Sequence[int], data: Sequence[int]) -> tuple[str, dict[str, Value]]:
        """An event's name and fields. Addresses are the model's accounts."""
        item = _EVENTS[keys[0]]
        fields: dict[str, Value] = {"name": item["name"].rpartition("::")[2]}
        for kind, felts in (("key", keys[1:]), ("data", data)):
            members = [member for member in item["members"] if member["kind"] == kind]
            types = [spelling(member["type"]) for member in members]
            values = self._codec.decode(f"({','.join(types)},)", felts)
            assert isinstance(values, list)
            for member, type_name, value in zip(members, types, values, strict=True):
                is_address = type_name == "ContractAddress"
                fields[member["name"]] = self._account(value) if is_address else value
        return str(fields.pop("name")), fields

    def _account(self, address: int) -> Address:
        return self._accounts.get(address, Address(address))

    def _calling(self, name: str, values: Sequence[Value]) -> Calling:
        fields = self._abi.functions[name].inputs
        pairs = zip(fields, values, strict=True)
        return (
            self.registry,
            name,
            [felt for field, value in pairs for felt in self._codec.encode(field.type, value)],
        )

    def _call_of(self, deed: Deed, now: int) -> tuple[str, Sequence[Value]]:
        name, job = _FUNCTIONS.get(deed.move, deed.move), deed.job_id
        match deed.move.split(), deed.values:
            case ["create"], (str() as cid, Terms() as terms, jobs):
                arbiter, worker = (Address(self.address(who)) for who in (terms.arbiter, terms.worker))
                return name, (cid.encode(), put_terms(replace(terms, arbiter=arbiter, worker=worker)), jobs)
            case ["withdraw"], (amount, int() as recipient):
                return name, (amount, self.address(Address(recipient)))
            case ["submits"], (ids, list() as cids):
                return name, (ids, [cid.encode() for cid in cids])
            case ["resolve", verdict], _:
                return "resolve_dispute", (job, (verdict.capitalize(), []), CID.encode())
            case _:
                return name, deed.values or (job, *self._besides(deed.move, now))

    def _besides(self, move: str, now: int) -> Sequence[Value]:
        """A move's arguments after the job, as in `escrow_invariants.make`."""
        match move:
            case "release":
                return (short_string(Code.CRASH.value.encode()),)
            case "submit":
                return ((CID + str(now)).encode(),)
            case "dispute":
                return (CID.encode(),)
            case _:
                return ()
