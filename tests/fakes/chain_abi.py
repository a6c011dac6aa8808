"""The ABI of our contract for fakes, and the encoding of jobs, orders and terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starknet_py.hash.selector import get_selector_from_name

from veriframe.adapters.starknet.cairo.abi import Abi, read_abi
from veriframe.adapters.starknet.cairo.codec import Codec, Value
from veriframe.model.registry.job import Address, Job, Order, Terms

STRUCTS = {
    "Terms": "reward:u128 bond:u128 deadline:u64 lease:u64 review:u64 arbitration:u64 arbiter:address"
    " worker:address",
    "Order": "id:u64 creator:address asset_cid:text terms:Terms first_job:u64 jobs:u32 created_at:u64",
    "Job": "id:u64 order:u64 part:u32 state:JobState worker:address claimed_at:u64 lease_end:u64"
    " review_end:u64 arbitration_end:u64 submitted_block:u64 disputed_block:u64 result_cid:text",
    "Look": "block:u64 now:u64 job_counter:u64 jobs:Array<Job> orders:Array<Order>",
    "Totals": "escrow:u128 credits:u128 burned:u128",
}
ENUMS = {"JobState": "Open Claimed Submitted Disputed Paid Refunded", "Verdict": "Worker Creator Neither"}
FUNCTIONS = {
    "deposit": "u128 ->",
    "withdraw": "u128 address ->",
    "create_order": "text Terms u32 -> u64",
    "claim_job": "u64 ->",
    "release_job": "u64 felt252 ->",
    "submit_result": "u64 text ->",
    "accept_result": "u64 ->",
    "dispute_result": "u64 text ->",
    "resolve_dispute": "u64 Verdict text ->",
    "finalize_job": "u64 ->",
    "claim_jobs": "Span<u64> -> Array<u64>",
    "submit_results": "Span<u64> Span<ByteArray> -> Array<u64>",
    "finalize_jobs": "Span<u64> -> Array<u64>",
    "look": "u64 u32 bool -> Look",
    "cancel_job": "u64 ->",
    "get_job_counter": "-> u64",
    "get_jobs": "u64 u32 -> Array<Job>",
    "get_order": "u64 -> Order",
    "get_credit": "address -> u128",
    "is_barred": "u64 address -> bool",
    "get_totals": "-> Totals",
    "balance_of": "address -> u256",
    "approve": "address u256 -> bool",
}
"""The functions of `contracts/src/job_registry.cairo` and of a token that are used."""


def _kind(word: str) -> str:
    return {"address": "ContractAddress", "text": "ByteArray"}.get(word, word)


def abi_entries() -> list[object]:
    """The ABI as a node returns it."""
    entries: list[object] = []
    for name, members in STRUCTS.items():
        pairs = [member.split(":") for member in members.split()]
        entries.append(
            {"type": "struct", "name": name, "members": [{"name": a, "type": _kind(b)} for a, b in pairs]}
        )
    for name, variants in ENUMS.items():
        entries.append(
            {"type": "enum", "name": name, "variants": [{"name": v, "type": "()"} for v in variants.split()]}
        )
    for name, shape in FUNCTIONS.items():
        before, _, after = shape.partition("->")
        inputs = [{"name": str(at), "type": _kind(word)} for at, word in enumerate(before.split())]
        outputs = [{"type": _kind(word)} for word in after.split()]
        entries.append({"type": "function", "name": name, "inputs": inputs, "outputs": outputs})
    return entries


ABI: Abi = read_abi(abi_entries())
BY_SELECTOR = {get_selector_from_name(name): name for name in FUNCTIONS}


def arguments(name: str, felts: Sequence[int]) -> list[Any]:
    """Decodes a call's felts."""
    types = ",".join(field.type for field in ABI.functions[name].inputs)
    values = Codec(ABI).decode(f"({types})", felts)
    assert isinstance(values, list)
    return values


def encode_job(job: Job) -> Mapping[str, Value]:
    """A job as `get_jobs` answers it."""
    return {
        "id": job.id,
        "order": job.order.id,
        "part": job.part,
        "state": (job.state.value.capitalize(), []),
        "worker": job.worker,
        "claimed_at": job.claimed_at,
        "lease_end": job.lease_end,
        "review_end": job.review_end,
        "arbitration_end": job.arbitration_end,
        "submitted_block": job.submitted_block,
        "disputed_block": job.disputed_block,
        "result_cid": job.result_cid.encode(),
    }


def encode_order(order: Order) -> Mapping[str, Value]:
    """An order as `get_order` answers it."""
    terms = order.terms
    return {
        "id": order.id,
        "creator": order.creator,
        "asset_cid": order.asset_cid.encode(),
        "terms": {
            "reward": terms.reward_fri,
            "bond": terms.bond_fri,
            "deadline": terms.deadline,
            "lease": terms.lease_seconds,
            "review": terms.review_seconds,
            "arbitration": terms.arbitration_seconds,
            "arbiter": terms.arbiter,
            "worker": terms.worker,
        },
        "first_job": order.first_job,
        "jobs": order.jobs,
        "created_at": order.created_at,
    }


def decode_terms(values: Mapping[str, Any]) -> Terms:
    """Terms as `create_order` takes them."""
    return Terms(
        reward_fri=values["reward"],
        bond_fri=values["bond"],
        deadline=values["deadline"],
        lease_seconds=values["lease"],
        review_seconds=values["review"],
        arbitration_seconds=values["arbitration"],
        arbiter=Address(values["arbiter"]),
        worker=Address(values["worker"]),
    )
