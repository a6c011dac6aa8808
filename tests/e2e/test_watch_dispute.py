"""Creators on a real StarkNet node, with real renders: one who sleeps, and one who lies.

Creator, cheat, arbiter and honest worker are processes of their own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import COMMAND
from tests.e2e.test_dispute import BOND, CHEAT, REWARD, Parties, parties
from tests.e2e.test_starknet import chain

from veriframe.model.rendering.frames import Region
from veriframe.model.verification.findings import (
    Conclusion,
    FrameFinding,
    JobFinding,
    Subject,
    TileFinding,
)
from veriframe.model.verification.report import parse_report, write_report

pytestmark = pytest.mark.slow

__all__ = ["parties"]  # a fixture

HONEST = 3
WATCH = ("--verify", "--accept", "--dispute", "--reorder", "--json")


class Watch:
    """The creator's watch as a process. `polls` are the objects that it has printed."""

    def __init__(self, of: Parties, number: int) -> None:
        self.polls: list[dict[str, Any]] = []
        self._process = subprocess.Popen(
            [COMMAND, "--set", "poll_seconds=0.5", "order", "watch", str(number), *WATCH],
            env={**of.home.environment, **of.creator},
            cwd=of.home.folder,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=(of.home.folder / f"watch-{number}.txt").open("w", encoding="utf-8"),
        )

    def until(self, state: str) -> dict[str, Any]:
        """Read on until its only chunk is in this state. Returns the chunk."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.polls.append(json.loads(line))
            if self.polls[-1]["chunks"][0]["state"] == state:
                chunk = self.polls[-1]["chunks"][0]
                assert isinstance(chunk, dict)
                return chunk
        raise AssertionError(f"It ended before the chunk was {state}: {self.polls}")

    def end(self) -> int:
        """Its exit code."""
        self._process.communicate(timeout=120)
        return self._process.returncode

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()


@pytest.mark.timeout(600)
def test_a_night_without_its_creator(parties: Parties, light_scene: Path) -> None:
    """The cheat's bond is burned, the creator refunded; the frame comes from an honest worker."""
    honest = chain(parties.node, int(parties.creator["JOB_REGISTRY_ADDRESS"], 16), HONEST)
    parties.post(light_scene)
    parties.render([sys.executable, CHEAT])
    watch = Watch(parties, 1)
    try:
        assert watch.until("disputed")["conclusion"] == "WRONG"
        parties.node.create_block()
        assert parties.arbitrate()["verdict"] == "CREATOR"
        assert watch.end() == 6
    finally:
        watch.kill()
    assert parties.burned() == BOND
    parties.worker = honest
    parties.render([sys.executable, "-m", "veriframe"])
    again = Watch(parties, 2)
    try:
        assert again.until("paid")["conclusion"] in {"EXACT", "EQUAL"}
        assert again.end() == 0
    finally:
        again.kill()
    assert parties.credit(honest) == REWARD + BOND
    assert (parties.credit(parties.creator), parties.burned()) == (BOND, BOND)
    listed = json.loads(parties.home.run("order", "list", "--json", environment=parties.creator).stdout)
    assert [one["order"] for one in listed["orders"]] == [2, 1]


def _forged(parties: Parties) -> bytes:
    """A report that calls a tile wrong which nobody has rendered again."""
    shown = json.loads(parties.home.run("job", "show", "1", "--json", environment=parties.creator).stdout)
    tile = TileFinding(
        tile=0,
        region=Region(left=0, top=0, width=64, height=54),
        subject=Subject.NOISY,
        conclusion=Conclusion.WRONG,
        reason="It differs by more than an early stop.",
    )
    finding = JobFinding(
        job=1,
        order=1,
        asset_cid=shown["asset_cid"],
        result_cid=shown["result_cid"],
        seed_block=1,
        seed="00" * 32,
        blender="4.5.15",
        build_hash="0123456789ab",
        machine_class="",
        frames=(FrameFinding(number=1, tiles=(tile,)),),
    )
    return write_report([finding])


@pytest.mark.timeout(600)
def test_a_forged_report_costs_its_creator_the_bond(parties: Parties, light_scene: Path) -> None:
    """The arbiter looks at the tile that it calls wrong, finds it right, and pays the worker."""
    parties.post(light_scene)
    parties.render([sys.executable, "-m", "veriframe"])
    evidence = parties.home.folder / "forged.json"
    evidence.write_bytes(_forged(parties))
    dispute = ("job", "dispute", "1", "--evidence", evidence, "--yes")
    disputed = parties.home.run(*dispute, environment=parties.creator)
    assert disputed.returncode == 0, disputed.stderr
    parties.node.create_block()
    told = parties.arbitrate()
    assert (told["verdict"], told["state"]) == ("WORKER", "PAID")
    report = (parties.home.folder / "store" / "content" / told["report_cid"]).read_bytes()
    (found,) = parse_report(report)
    assert 0 in {tile.tile for frame in found.frames for tile in frame.tiles}
    assert (parties.credit(parties.worker), parties.burned()) == (REWARD + 2 * BOND, 0)
    assert parties.credit(parties.creator) == 0
