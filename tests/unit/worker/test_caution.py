"""A machine that fails again and again stops claiming for a while."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from stamina.instrumentation import RetryDetails, set_on_retry_hooks
from tests.fakes.parts import Bench, crash
from tests.fakes.renderer import Script
from tests.scenes.blend_bytes import blend, block

from veriframe.errors import Code, HostUnavailable
from veriframe.model.attempt import Attempt, Stage
from veriframe.model.cid import Cid, Codec
from veriframe.model.job import Address
from veriframe.worker import caution as module
from veriframe.worker.caution import FAILURES, Absences, Caution
from veriframe.worker.watch import clean_up


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        """Its time."""
        return self.seconds


def ended(stage: Stage, code: Code | None = None) -> Attempt:
    """An attempt at its end."""
    return replace(Attempt(job_id=1, asset_cid="b", reward_fri=1), stage=stage, code=code)


FAILED = ended(Stage.RELEASED, Code.CRASH)


def pauses(caution: Caution) -> bool:
    """Whether claiming pauses now."""
    try:
        caution.require_none()
    except HostUnavailable:
        return True
    return False


def test_three_failures_in_a_row_pause_for_a_minute() -> None:
    """fault_43, fault_47: not two, and not for ever."""
    clock = Hand()
    caution = Caution(clock)
    for _ in range(FAILURES - 1):
        caution.note(FAILED)
    assert not pauses(caution)
    caution.note(FAILED)
    assert pauses(caution)
    clock.seconds += 59.9
    assert pauses(caution)
    clock.seconds += 0.1
    assert not pauses(caution)


def test_each_failure_more_doubles_the_pause_up_to_an_hour() -> None:
    """The machine is tried again now and then, for it may have been the scenes."""
    clock = Hand()
    caution = Caution(clock)
    for _ in range(FAILURES + 20):
        caution.note(FAILED)
    clock.seconds += 3599
    assert pauses(caution)
    clock.seconds += 1
    assert not pauses(caution)


def test_a_result_handed_in_clears_it() -> None:
    """The machine can render after all."""
    caution = Caution(Hand())
    for _ in range(FAILURES):
        caution.note(FAILED)
    caution.note(ended(Stage.SUBMITTED))
    assert not pauses(caution)
    caution.note(FAILED)
    assert not pauses(caution)


@pytest.mark.parametrize(
    "attempt",
    [ended(Stage.REFUSED, Code.NO_CAMERA), ended(Stage.LOST, Code.LOST), ended(Stage.RELEASED, Code.TIMEOUT)],
    ids=["refused", "lost", "time-out"],
)
def test_what_speaks_against_the_scene_does_not_count(attempt: Attempt) -> None:
    """Nor does it clear what was counted."""
    caution = Caution(Hand())
    for _ in range(10):
        caution.note(attempt)
    assert not pauses(caution)
    for _ in range(FAILURES - 1):
        caution.note(FAILED)
    caution.note(attempt)
    assert not pauses(caution)
    caution.note(FAILED)
    assert pauses(caution)


ABSENT = ended(Stage.REFUSED, Code.NOT_FOUND)
MAKER, STRANGER = Address(7), Address(8)


def test_what_could_not_be_had_rests_longer_each_time() -> None:
    """fault_6, fault_14: a minute, then two, an hour at most; its maker comes last as long."""
    clock = Hand()
    absences = Absences(clock)
    for rest in (60, 120, 240, 480, 960, 1920, 3600, 3600):
        absences.note(ABSENT, MAKER)
        clock.seconds += rest - 1
        assert (absences.rests(ABSENT.asset_cid), absences.come_last(MAKER)) == (True, True)
        assert (absences.rests("another"), absences.come_last(STRANGER)) == (False, False)
        clock.seconds += 1
        assert (absences.rests(ABSENT.asset_cid), absences.come_last(MAKER)) == (False, False)


def test_failures_without_end_are_an_hour_each() -> None:
    """fault_14: thousands of them are no more than many, of renders and of scenes."""
    clock = Hand()
    absences, caution = Absences(clock), Caution(clock)
    for _ in range(3000):
        absences.note(ABSENT, MAKER)
        caution.note(FAILED)
    assert (absences.come_last(MAKER), pauses(caution)) == (True, True)
    clock.seconds += 3600
    assert (absences.come_last(MAKER), pauses(caution)) == (False, False)


def test_a_scene_that_came_ends_the_rest() -> None:
    """What else becomes of it says nothing about where it was; other refusals count for nothing."""
    absences = Absences(Hand())
    absences.note(ended(Stage.REFUSED, Code.NO_CAMERA), MAKER)
    absences.note(ended(Stage.LOST, Code.LOST), MAKER)
    assert not absences.come_last(MAKER)
    absences.note(ABSENT, None)
    assert absences.rests(ABSENT.asset_cid)
    absences.note(ABSENT, MAKER)
    absences.note(replace(ended(Stage.REFUSED, Code.NO_CAMERA), reached={Stage.FETCHED: 1.0}), MAKER)
    assert (absences.rests(ABSENT.asset_cid), absences.come_last(MAKER)) == (False, False)


def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_14: a flood of absent assets takes no memory."""
    monkeypatch.setattr(module, "MOST_RESTS", 3)
    absences = Absences(Hand())
    for number in range(5):
        absences.note(replace(ABSENT, asset_cid=f"cid {number}"), None)
    assert [absences.rests(f"cid {number}") for number in range(5)] == [False, False, True, True, True]


async def test_scenes_that_are_nowhere_keep_no_slot_from_others(bench: Bench) -> None:
    """fault_6, fault_14: the best paid jobs of one creator, without scenes; another's goes second."""
    nowhere = [str(Cid(Codec.RAW, bytes([number]) * 32)) for number in range(3)]
    for asset_cid in nowhere:
        await bench.post_cid(asset_cid, jobs=50, reward_fri=900)
    last = (await bench.post(reward_fri=800))[0]
    (job_id,) = await bench.other.create_order(last.order.asset_cid, replace(last.terms, reward_fri=5), 1)
    tried, fetch = list[str](), bench.store.fetch

    async def counted(cid: str, *arguments: object) -> int:
        tried.append(cid)
        return await fetch(cid, *arguments)  # type: ignore[arg-type]

    bench.store.fetch = counted  # type: ignore[method-assign, assignment]
    assert await bench.service().run(once=True)
    handed_in = [moved.job_id for moved in bench.journal.moves if moved.stage is Stage.SUBMITTED]
    assert (tried[0] in nowhere, handed_in) == (True, [job_id, last.id])
    # What rests is left; what only comes last is served all the same.
    assert sorted(cid for cid in tried if cid in nowhere) == sorted(nowhere)


@pytest.mark.parametrize("others", [1, 2])
async def test_half_a_scene_goes_with_the_last_who_waits_for_it(bench: Bench, others: int) -> None:
    """fault_46: not while another attempt would go on with it."""
    first, *waiting = await bench.post(jobs=others)
    ended_one = replace(bench.begin(first), stage=Stage.REFUSED)
    bench.journal.by_job[first.id] = ended_one
    for job in waiting:
        bench.begin(job)
    half = bench.folder / "scenes" / f".veriframe-fetch-{ended_one.asset_cid}"
    half.write_bytes(b"half")
    await clean_up(ended_one, bench.parts)
    assert half.exists() == (others > 1)


async def test_a_failing_machine_leaves_the_fourth_job_to_others(bench: Bench) -> None:
    """Four scenes that crash, twice each: three are claimed and released, the last one is not claimed."""
    bench.renderer.scripts.clear()
    for number in range(4):
        scene = blend(block(b"TEST", bytes([number])))
        bench.renderer.scripts[scene] = Script(render_failures=[crash(), crash()])
        await bench.post(scene=scene)
    paused = asyncio.Event()

    def hear(details: RetryDetails) -> None:
        if "as on a broken machine" in str(details.caused_by):
            paused.set()

    set_on_retry_hooks((hear,))
    working = asyncio.create_task(bench.service().run())
    try:
        await asyncio.wait_for(paused.wait(), 10)
    finally:
        set_on_retry_hooks(None)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert [attempt.stage for attempt in bench.journal.attempts()] == [Stage.RELEASED] * 3
