"""The doctor's finding on a chain's nodes: the chain, its time, and how far the nodes are trusted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.fakes.registry import FakeRegistry

from veriframe.doctor import services
from veriframe.doctor.finding import Verdict
from veriframe.ports.registry import ChainFacts

FACTS = ChainFacts(
    chain="SN_MAIN",
    learned_at=1_800_000_000,
    is_new=False,
    nodes=("1. one", "2. two"),
    time_fault="",
    skew_seconds=600,
)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {},
            (
                "chain SN_MAIN, as learned on 2027-01-15",
                "its time agrees with this machine's",
                "two must show",
            ),
        ),
        ({"is_new": True}, ("chain SN_MAIN, learned now",)),
        ({"nodes": ("1. one",)}, ("one node, which is trusted",)),
        ({"skew_seconds": 0}, ("its time is not checked",)),
    ],
)
async def test_the_finding_on_the_registry_says_how_far_its_nodes_are_trusted(
    changed: dict[str, Any], words: tuple[str, ...]
) -> None:
    """fault_98: in the finding on the registry."""
    finding = await services.registry(FakeRegistry(1), lambda _head: replace(FACTS, **changed))
    assert (finding.verdict, finding.remedy) == (Verdict.GOOD, "")
    assert [word for word in words if word not in finding.detail] == []


async def test_an_implausible_time_is_bad() -> None:
    """fault_98: nothing is claimed meanwhile; the sentence has both times and the remedy."""
    facts = replace(FACTS, time_fault="The newest block is of yesterday. Set the clock.")
    finding = await services.registry(FakeRegistry(1), lambda _head: facts)
    assert (finding.verdict, finding.remedy) == (Verdict.BAD, facts.time_fault)
