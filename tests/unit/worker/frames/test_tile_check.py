"""One tile of each result is rendered again before it is published."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.fakes.bench import Bench, GatedRenderer, GatedSession, crash
from tests.fakes.bundles import begun, post_bundle
from tests.fakes.renderer import INSPECTION, FakeSession
from tests.unit.worker.pipelines import EARNING_MOVES, run

from veriframe.errors import Code, HostUnavailable, RenderFailed
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.pace import Pace
from veriframe.model.rendering.frames import Frame, Region, RenderTask
from veriframe.worker.intake.circuit_breaker import FAILURES, CircuitBreaker


class Moody(GatedRenderer):
    """Renders parts of a picture otherwise: in `colour`, or not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.colour: tuple[int, int, int] | None = None
        self.failure: Exception | None = None
        self.regions: list[tuple[tuple[int, ...], Region]] = []
        self.used: list[tuple[FakeSession, bool]] = []

    def session(self, scene: Path) -> FakeSession:
        """A session of its kind."""
        return MoodySession(self, scene)


class MoodySession(GatedSession):
    """One scene."""

    def __init__(self, renderer: Moody, scene: Path) -> None:
        super().__init__(renderer, scene)
        self._moody = renderer

    async def frames(self, task: RenderTask, out: Path, **how: Any) -> AsyncIterator[Frame]:
        """Renders as the fake does, unless it is a part."""
        script, renderer = self._renderer.script(self._scene), self._moody
        own = script.colour
        renderer.used.append((self, task.region is not None))
        if task.region is not None:
            renderer.regions.append((task.frames, task.region))
            script.colour = renderer.colour or own
            if renderer.failure is not None:
                raise renderer.failure
        try:
            async for frame in super().frames(task, out, **how):
                yield frame
        finally:
            script.colour = own


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A worker that checks tiles, whose pictures have six of them."""
    made = Bench(tmp_path / "work", renderer=Moody())
    made.context.checks_tile = True
    made.script.inspection = replace(INSPECTION, width=150, height=100)
    return made


def moody(bench: Bench) -> Moody:
    """Its renderer."""
    assert isinstance(bench.renderer, Moody)
    return bench.renderer


async def delivered(bench: Bench, **changes: Any) -> Attempt:
    """One chunk of five frames, as it ended."""
    job, *_ = await post_bundle(bench, **changes)
    return await run(bench, begun(bench, job))


async def test_a_tile_that_is_the_same_is_published(bench: Bench) -> None:
    """One tile of one frame, drawn anew each time, in a second session; the cost is logged."""
    with capture_logs() as logs:
        for _ in range(8):
            assert (await delivered(bench)).stage is Stage.SUBMITTED
    checked = [entry for entry in logs if entry["event"] == "tile_checked"]
    assert len(checked) == len(moody(bench).regions) == 8
    assert all(entry["seconds"] >= 0 for entry in checked)
    assert len({(entry["frame"], entry["tile"]) for entry in checked}) > 1
    for (numbers, region), entry in zip(moody(bench).regions, checked, strict=True):
        assert numbers == (entry["frame"],)
        left = 64 * (entry["tile"] % 3)
        assert region.left == max(0, left - 16)
        assert region.left + region.width == min(150, left + 80)
    assert bench.renderer.sessions <= 2, "one is kept for the next chunk, and one for its check"
    await bench.context.kept.close()
    await bench.context.kept_for_checks.close()
    assert bench.renderer.sessions == 0


async def test_the_second_process_stays_open_for_the_next_chunk(bench: Bench) -> None:
    """It is never the one that rendered the frames; each asset is opened once for all checks."""
    for _ in range(3):
        assert (await delivered(bench)).stage is Stage.SUBMITTED
    used = moody(bench).used
    frames, tiles = ({one for one, is_part in used if is_part is kind} for kind in (False, True))
    assert len(used) == 6
    assert len(tiles) == 1
    assert frames.isdisjoint(tiles)


async def test_large_scenes_are_not_kept_for_checks(bench: Bench) -> None:
    """Two processes would hold them, one of them for nothing."""
    moody(bench).waits = False
    assert (await delivered(bench)).stage is Stage.SUBMITTED
    assert not bench.context.kept_for_checks.assets


async def test_what_failed_is_not_kept(bench: Bench) -> None:
    """The next check begins with a new process."""
    moody(bench).failure = crash()
    assert (await delivered(bench)).stage is Stage.SUBMITTED
    assert not bench.context.kept_for_checks.assets


async def test_a_tile_that_is_another_is_never_submitted(bench: Bench) -> None:
    """fault_244: the job is released with a code and the remedy, and the circuit breaker counts it."""
    moody(bench).colour = (200, 120, 41)
    after = await delivered(bench)
    assert (after.stage, after.code) == (Stage.RELEASED, Code.MISMATCH)
    assert "memory" in after.detail
    assert [move[0] if isinstance(move, tuple) else move for move in bench.shared.moves] != EARNING_MOVES
    assert not bench.job(1).result_cid
    breaker = CircuitBreaker()
    for _ in range(FAILURES):
        breaker.note(replace(after, stage=Stage.FAILED))
    bench.renderer.unfit = True
    with pytest.raises(HostUnavailable):
        await breaker.require_healthy(bench.renderer)


async def test_a_tile_of_a_scene_with_a_cycle_may_be_another(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_360: it depends on what was evaluated before; a creator would make good machines look bad."""
    monkeypatch.setattr(FakeSession, "has_cycle", True)
    moody(bench).colour = (200, 120, 41)
    with capture_logs() as logs:
        assert (await delivered(bench)).stage is Stage.SUBMITTED
    (told,) = [entry for entry in logs if entry["event"] == "tile_not_checked"]
    assert "cycle" in told["reason"]


@pytest.mark.parametrize(
    "failure", [crash(), HostUnavailable("The disk is full."), RenderFailed(Code.LEASE, "Late.")]
)
async def test_only_a_difference_counts(bench: Bench, failure: Exception) -> None:
    """A second render that fails for its own reasons holds nothing up; it is logged."""
    moody(bench).failure = failure
    with capture_logs() as logs:
        assert (await delivered(bench)).stage is Stage.SUBMITTED
    (told,) = [entry for entry in logs if entry["event"] == "tile_not_checked"]
    assert told["reason"] == str(failure)


async def test_without_time_it_is_left_out(bench: Bench) -> None:
    """By the pace of the scene: a second render that may not fit the lease is not begun."""
    moody(bench).colour = (0, 0, 0)
    job, *_ = await post_bundle(bench)
    paces = bench.context.speeds._paces
    bench.renderer.on_start = lambda: paces.update({job.order.asset_cid: Pace(1.0, 3000.0)})
    with capture_logs() as logs:
        assert (await run(bench, begun(bench, job))).stage is Stage.SUBMITTED
    (told,) = [entry for entry in logs if entry["event"] == "tile_not_checked"]
    assert "lease" in told["reason"]
    assert moody(bench).regions == []


async def test_what_cannot_be_compared_is_not(bench: Bench) -> None:
    """fault_334: path guiding, Freestyle, sight of the region; no proofs; a worker that checks no tiles."""
    moody(bench).colour = (0, 0, 0)
    assert (await delivered(bench, proof_tiles=0)).stage is Stage.SUBMITTED
    own = bench.script.inspection
    unlike: list[dict[str, Any]] = [
        {"path_guiding": True},
        {"changed_later": ("Freestyle",)},
        {"sees_region": ("driver of Light energy",)},
    ]
    with capture_logs() as logs:
        for most, more in enumerate(unlike, start=1):
            bench.script.inspection = replace(own, **more)
            assert (await delivered(bench, proof_tiles=most)).stage is Stage.SUBMITTED
    reasons = [entry["reason"] for entry in logs if entry["event"] == "tile_not_checked"]
    assert ["“driver of Light energy” may see" in reason for reason in reasons] == [False, False, True]
    bench.script.inspection = own
    bench.context.checks_tile = False
    assert (await delivered(bench, proof_tiles=4)).stage is Stage.SUBMITTED
    assert moody(bench).regions == []
