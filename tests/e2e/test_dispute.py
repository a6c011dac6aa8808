"""A dispute on a real StarkNet node, with real renders: creator, worker and arbiter as processes."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.deployed import REGISTRY, deploy
from tests.e2e.conftest import Home
from tests.e2e.test_starknet import chain
from tests.nodes import STRK_ADDRESS, Devnet

from veriframe.model.verification.findings import Conclusion
from veriframe.model.verification.report import parse_report

pytestmark = pytest.mark.slow

CHEAT = Path(__file__).with_name("cheating_worker.py")
CREATOR, WORKER, ARBITER = range(3)
STRK = 10**18
REWARD, BOND = 2 * STRK, STRK // 5


class Parties:
    """One home with three accounts of a development chain, and an order of one chunk with an arbiter."""

    def __init__(self, home: Home, node: Devnet) -> None:
        self.home, self.node = home, node
        registry = asyncio.run(deploy(node, REGISTRY, STRK_ADDRESS))
        self.creator, self.worker, self.arbiter = (
            chain(node, registry, number) for number in (CREATOR, WORKER, ARBITER)
        )
        self.judge = hex(node.accounts[ARBITER].address)

    def post(self, scene: Path) -> None:
        """Order one frame of 32 samples."""
        what = ("--frames", "1", "--samples", "32", "--no-check")
        terms = ("--reward", "2", "--bond", "0.2", "--review", "1h", "--arbitration", "1h")
        order = ("order", "create", scene, *what, *terms, "--arbiter", self.judge, "--yes")
        created = self.home.run(*order, environment=self.creator)
        assert created.returncode == 0, created.stderr

    def render(self, program: list[str | Path]) -> None:
        """Have a worker render it, which trusts the arbiter."""
        served = self.home.run_as(
            [*program, "--set", f"arbiters={self.judge}", "worker", "--once"], self.worker
        )
        assert served.returncode == 0, served.stderr
        self.node.create_block()

    def dispute(self) -> None:
        """Dispute the result, as the creator."""
        disputed = self.home.run("job", "dispute", "1", environment=self.creator)
        assert disputed.returncode == 0, disputed.stderr
        self.node.create_block()

    def arbitrate(self) -> dict[str, Any]:
        """Let the arbiter serve its only dispute. Returns what it told."""
        served = self.home.run("arbiter", "--once", "--json", environment=self.arbiter)
        assert served.returncode == 0, served.stderr
        (told,) = (json.loads(line) for line in served.stdout.splitlines())
        assert isinstance(told, dict)
        return told

    def credit(self, environment: dict[str, str]) -> int:
        """An account's credit, in fri."""
        answer = self.home.run("account", "show", "--json", environment=environment)
        return int(json.loads(answer.stdout)["credit_fri"])

    def burned(self) -> int:
        """What the registry has burned, in fri."""
        shown = self.home.run("registry", "show", "--json", environment=self.creator)
        return int(json.loads(shown.stdout)["burned_fri"])


@pytest.fixture
def parties(home: Home, fresh_devnet: Devnet) -> Parties:
    """A registry without orders."""
    return Parties(home, fresh_devnet)


def test_a_cheat_loses_its_bond(parties: Parties, light_scene: Path) -> None:
    """Half the samples: the arbiter finds it, the creator is refunded, and the bond is burned."""
    parties.post(light_scene)
    parties.render([sys.executable, CHEAT])
    parties.dispute()
    told = parties.arbitrate()
    assert (told["outcome"], told["verdict"], told["state"]) == ("RESOLVED", "CREATOR", "REFUNDED")
    assert parties.burned() == BOND
    assert parties.credit(parties.creator) == REWARD + BOND
    assert parties.credit(parties.worker) == 0
    report = (parties.home.folder / "store" / "content" / told["report_cid"]).read_bytes()
    (found,) = parse_report(report)
    assert (found.job, found.conclusion) == (1, Conclusion.WRONG)


def test_an_honest_worker_wins_a_dispute(parties: Parties, light_scene: Path) -> None:
    """The creator's bond is the worker's, and nothing is burned."""
    parties.post(light_scene)
    parties.render([sys.executable, "-m", "veriframe"])
    parties.dispute()
    told = parties.arbitrate()
    assert (told["outcome"], told["verdict"], told["state"]) == ("RESOLVED", "WORKER", "PAID")
    assert parties.burned() == 0
    assert parties.credit(parties.worker) == REWARD + 2 * BOND
    assert parties.credit(parties.creator) == 0
