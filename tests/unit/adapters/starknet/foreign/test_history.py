"""A job's history at a foreign registry, from the events that its ABI has."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starknet_py.hash.selector import get_selector_from_name
from tests.fakes.foreign import CID, CREATOR, REGISTRY, RESULT, THEIRS, Fn, ForeignChain, TheirJob

from veriframe.adapters.starknet.cairo.codec import encode_text, halves, short_string
from veriframe.adapters.starknet.foreign.history import NO_EVENTS
from veriframe.adapters.starknet.foreign.move_records import MoveRecords
from veriframe.adapters.starknet.foreign.reader import ForeignReader
from veriframe.model.registry.history import JobEvent, JobHistory
from veriframe.model.registry.job import NOBODY, Address
from veriframe.model.registry.ledger import EventKind
from veriframe.ports.registry import read_job


def shape(name: str, keys: str, data: str) -> dict[str, Any]:
    """A struct event of an ABI; members as `name:type`."""
    parts = (("key", keys), ("data", data))
    kinds = [(kind, one.split(":", 1)) for kind, part in parts for one in part.split()]
    return {
        "type": "event",
        "kind": "struct",
        "name": f"their::registry::{name}",
        "members": [{"name": named, "type": typed, "kind": kind} for kind, (named, typed) in kinds],
    }


def union(*names: str) -> dict[str, Any]:
    """The contract's own enum of these events."""
    variants = [{"name": one, "type": f"their::registry::{one}", "kind": "nested"} for one in names]
    return {"type": "event", "kind": "enum", "name": "their::registry::Event", "variants": variants}


@dataclass
class EventChain(ForeignChain):
    """A registry with events: `shapes` are in its ABI, `told` are its events."""

    shapes: list[dict[str, Any]] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    filters: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, name: str, keys: Sequence[int], data: Sequence[int]) -> None:
        """Adds an event."""
        self.told.append(
            {
                "from_address": hex(REGISTRY),
                "keys": [hex(get_selector_from_name(name)), *map(hex, keys)],
                "data": [*map(hex, data)],
                "block_number": self.block,
            }
        )

    def _answer(self, method: str, params: dict[str, Any]) -> Any:
        if method == "starknet_getEvents":
            self.filters.append(params["filter"])
            return self._page(params["filter"])
        if method == "starknet_getClassAt":
            answer = super()._answer(method, params)
            return {"abi": json.dumps([*json.loads(answer["abi"]), *self.shapes])}
        return super()._answer(method, params)

    def _page(self, asked: dict[str, Any]) -> dict[str, Any]:
        wanted = asked["keys"]
        fitting = [
            event
            for event in self.told
            if all(not some or key in some for some, key in zip(wanted, event["keys"], strict=False))
        ]
        start = int(asked.get("continuation_token", "0"))
        end = start + asked["chunk_size"]
        more = {"continuation_token": str(end)} if end < len(fitting) else {}
        return {"events": fitting[start:end], **more}


async def history(chain: ForeignChain, folder: Path, job_id: int = 1) -> JobHistory:
    """What one who only reads is told of a job."""
    reader = ForeignReader(chain, REGISTRY, NOBODY, MoveRecords(folder, REGISTRY, NOBODY))
    return await reader.history(await read_job(reader, job_id))


async def test_a_registry_without_events_says_so(tmp_path: Path) -> None:
    """fault_139: nothing is invented."""
    chain = EventChain(jobs={1: TheirJob()})
    assert await history(chain, tmp_path) == JobHistory(gap=NO_EVENTS)
    assert chain.filters == []


async def test_events_are_known_by_their_names(tmp_path: Path) -> None:
    """fault_139: with the job's id as a key the node searches for it, and other events are not asked for."""
    chain = EventChain(
        jobs={1: TheirJob(), 2: TheirJob()},
        shapes=[
            shape("JobCreated", "job_id:core::felt252 creator:ContractAddress", "reward:core::integer::u256"),
            shape("ResultSubmitted", "job_id:core::felt252", "worker:ContractAddress result_cid:ByteArray"),
            shape("Unknown", "job_id:core::felt252", ""),
            union("JobCreated", "ResultSubmitted", "Unknown"),
        ],
    )
    chain.tell("JobCreated", [1, CREATOR], [5, 0])
    chain.tell("ResultSubmitted", [1], [THEIRS, *encode_text(RESULT.encode())])
    chain.tell("ResultSubmitted", [2], [THEIRS, *encode_text(RESULT.encode())])
    chain.tell("Unknown", [1], [])
    found = await history(chain, tmp_path)
    assert found == JobHistory(
        events=(
            JobEvent(kind=EventKind.ORDER_CREATED, at=chain.now, party=Address(CREATOR), amount_fri=5),
            JobEvent(kind=EventKind.RESULT_SUBMITTED, at=chain.now, party=Address(THEIRS), cid=RESULT),
        )
    )
    (asked,) = chain.filters
    assert asked["keys"][1] == ["0x1"]
    assert hex(get_selector_from_name("Unknown")) not in asked["keys"][0]


async def test_a_job_id_among_the_data_is_found_too(tmp_path: Path) -> None:
    """Then all of the registry's events are read, and those of the job are told; also a CID in two felts."""
    chain = EventChain(
        jobs={1: TheirJob()},
        shapes=[
            shape("JobReleased", "", "id:core::integer::u256 reason:core::felt252"),
            shape("JobCompleted", "worker:ContractAddress", "id:u256 cid_1:felt252 cid_2:felt252"),
            union("JobReleased", "JobCompleted"),
        ],
    )
    chain.tell("JobReleased", [], [1, 0, short_string(b"OOM")])
    chain.tell("JobReleased", [], [2, 0, short_string(b"OOM")])
    chain.tell("JobReleased", [], [1])
    chain.tell("JobCompleted", [THEIRS], [1, 0, *halves(CID.encode())])
    found = await history(chain, tmp_path)
    assert [(one.kind, one.party, one.reason, one.cid) for one in found.events] == [
        (EventKind.JOB_RELEASED, NOBODY, "OOM", ""),
        (EventKind.JOB_PAID, Address(THEIRS), "", CID),
    ]
    assert len(chain.filters[0]["keys"]) == 1


async def test_events_without_the_id_as_a_key_are_read_apart(tmp_path: Path) -> None:
    """fault_205: else others' events of one kind would hide all those of a job."""
    chain = EventChain(
        jobs={1: TheirJob()},
        shapes=[
            shape("JobCreated", "job_id:core::felt252 creator:ContractAddress", ""),
            shape("JobReleased", "", "id:core::integer::u256 reason:core::felt252"),
            union("JobCreated", "JobReleased"),
        ],
    )
    for _ in range(50 * 200 + 1):
        chain.tell("JobReleased", [], [2, 0, short_string(b"OOM")])
    chain.tell("JobCreated", [1, CREATOR], [])
    found = await history(chain, tmp_path)
    assert [one.kind for one in found.events] == [EventKind.ORDER_CREATED]
    assert "newest are missing" in found.gap


async def test_events_of_cairo_0_are_known_too(tmp_path: Path) -> None:
    """They have no struct, and all their members are data."""
    old = {
        "type": "event",
        "name": "job_created",
        "keys": [],
        "data": [{"name": "job_id", "type": "felt"}, {"name": "creator", "type": "felt"}],
    }
    chain = EventChain(jobs={1: TheirJob()}, shapes=[old])
    chain.tell("job_created", [], [1, CREATOR])
    (event,) = (await history(chain, tmp_path)).events
    assert event.kind is EventKind.ORDER_CREATED


@pytest.mark.parametrize("members", [[], "text", [{"name": 7}], [{"name": "job_id", "type": "Nothing"}]])
async def test_a_hostile_abi_has_no_events(tmp_path: Path, members: Any) -> None:
    """fault_59: and no failure."""
    odd = {"type": "event", "kind": "struct", "name": "their::registry::JobCreated", "members": members}
    chain = EventChain(
        jobs={1: TheirJob()}, shapes=[odd, union("JobCreated"), {"type": "event", "name": "x"}]
    )
    assert (await history(chain, tmp_path)).gap == NO_EVENTS


def files(folder: Path) -> list[Path]:
    """What is in a folder."""
    return list(folder.iterdir())


async def test_readers_see_jobs_that_no_worker_of_theirs_may_have(tmp_path: Path) -> None:
    """fault_140: eligibility is a worker's; no lease is invented, and nothing is written to the disk."""
    chain = EventChain(jobs={1: TheirJob(), 2: TheirJob(worker=THEIRS)})
    chain.functions["claim_job"] = Fn("felt252", "")
    chain.functions["is_worker_eligible"] = Fn("ContractAddress felt252", "bool", lambda *_: [0])
    chain.with_results()
    reader = ForeignReader(chain, REGISTRY, NOBODY, MoveRecords(tmp_path, REGISTRY, NOBODY))
    jobs = (await reader.snapshot(1, 10)).jobs
    assert [(job.id, job.state) for job in jobs] == [(1, "OPEN"), (2, "CLAIMED")]
    assert not jobs[1].is_lapsed(chain.now + 10**9)
    assert "is_worker_eligible" not in chain.asked
    assert files(tmp_path) == []
