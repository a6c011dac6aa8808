"""Scenes that failed here: for which creators, under which conditions, until when."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.journal import FakeJournal
from tests.fakes.renderer import FACTS
from tests.unit.worker.clock import ManualClock

from veriframe.errors import Code
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.registry.job import Address
from veriframe.model.rendering.frames import RenderLimits
from veriframe.model.rendering.scene import SceneLimits
from veriframe.worker.intake.failures import KEPT_SECONDS, NOT_THE_BYTES, Failures, conditions

CREATOR, OTHER = Address(7), Address(8)
CID = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"


def ended(stage: Stage, code: Code | None = None, creator: Address = CREATOR) -> Attempt:
    """An attempt at its end."""
    return Attempt(job_id=1, asset_cid=CID, reward_fri=1, creator=creator, stage=stage, code=code)


CRASHED = ended(Stage.RELEASED, Code.CRASH)


@pytest.fixture
def clock() -> ManualClock:
    """Unix seconds."""
    return ManualClock()


async def failures(journal: FakeJournal, clock: ManualClock, under: str = "these") -> Failures:
    """Returns the failures as a worker reads them at its start."""
    known = Failures(journal, under, clock)
    await known.read(await journal.history())
    return known


async def noted(known: Failures, attempt: Attempt) -> None:
    """Notes an attempt, and records its end."""
    known.note(attempt)
    await known.record(attempt)


async def test_two_failed_renders_end_a_scene_for_all(clock: ManualClock) -> None:
    """fault_38: one may be bad luck; another creator's job with the same bytes would fail as well."""
    known = await failures(FakeJournal(), clock)
    await noted(known, CRASHED)
    assert known.objection(CID, CREATOR) == ""
    await noted(known, CRASHED)
    assert known.objection(CID, CREATOR) == "its scene has failed here 2 times (last: CRASH)"
    assert known.objection(CID, OTHER) != ""
    assert known.objection("another", CREATOR) == ""


async def test_one_refusal_ends_a_scene(clock: ManualClock) -> None:
    """fault_83: it follows from bytes, limits and build alone, so that another try gives the same."""
    known = await failures(FakeJournal(), clock)
    await noted(known, ended(Stage.REFUSED, Code.RESOLUTION))
    assert known.objection(CID, OTHER) == "its scene was refused here before (RESOLUTION)"


@pytest.mark.parametrize("code", sorted(NOT_THE_BYTES - {Code.LEASE}))
async def test_an_interrupted_render_says_nothing_about_the_bytes(code: Code, clock: ManualClock) -> None:
    """fault_85: another creator's public CID under terms that leave no time, any number of times."""
    journal = FakeJournal()
    known = await failures(journal, clock)
    for _ in range(10):
        await noted(known, ended(Stage.RELEASED, code))
    assert (known.objection(CID, CREATOR), journal.failed) == ("", [])


async def test_two_leases_that_were_too_short_count_against_their_creator_only(clock: ManualClock) -> None:
    """fault_85: not against the bytes: another creator's job with a longer lease is served."""
    known = await failures(FakeJournal(), clock)
    for _ in range(2):
        await noted(known, ended(Stage.RELEASED, Code.LEASE))
    assert "has failed here 2 times (last: LEASE)" in known.objection(CID, CREATOR)
    assert known.objection(CID, OTHER) == ""


async def test_a_success_clears_the_failures(clock: ManualClock) -> None:
    """fault_85: whoever posted it; also in the journal."""
    journal = FakeJournal()
    known = await failures(journal, clock)
    await noted(known, CRASHED)
    await noted(known, ended(Stage.SUBMITTED, creator=OTHER))
    await noted(known, CRASHED)
    assert known.objection(CID, CREATOR) == ""
    assert len(journal.failed) == 1


async def test_a_creator_whose_job_rendered_here_is_served(clock: ManualClock) -> None:
    """fault_85: failures of other creators' jobs do not count against it, also after a restart."""
    journal = FakeJournal()
    journal.put(ended(Stage.PAID, creator=OTHER))
    known = await failures(journal, clock)
    await noted(known, CRASHED)
    await noted(known, CRASHED)
    assert known.objection(CID, CREATOR) != ""
    assert known.objection(CID, OTHER) == ""


async def test_own_failures_after_a_success_count(clock: ManualClock) -> None:
    """fault_83: a scene that renders only once is not tried a thousand times."""
    known = await failures(FakeJournal(), clock)
    await noted(known, ended(Stage.SUBMITTED))
    await noted(known, CRASHED)
    assert known.objection(CID, CREATOR) == ""
    await noted(known, CRASHED)
    assert known.objection(CID, CREATOR) != ""


async def test_other_conditions_allow_another_try(clock: ManualClock) -> None:
    """fault_85: a scene that exceeded a limit is tried again with a larger one, and with another Blender."""
    journal = FakeJournal()
    first = await failures(journal, clock)
    await noted(first, CRASHED)
    await noted(first, CRASHED)
    assert (await failures(journal, clock)).objection(CID, CREATOR) != ""
    assert (await failures(journal, clock, under="others")).objection(CID, CREATOR) == ""


async def test_failures_expire(clock: ManualClock) -> None:
    """fault_85: the machine may be repaired meanwhile."""
    known = await failures(FakeJournal(), clock)
    await noted(known, ended(Stage.REFUSED, Code.VERSION))
    clock.seconds += KEPT_SECONDS
    assert known.objection(CID, CREATOR) != ""
    clock.seconds += 1
    assert known.objection(CID, CREATOR) == ""


async def test_failures_forgotten_meanwhile_do_not_count(clock: ManualClock) -> None:
    """fault_85: a command clears them while the worker runs; it notices within a minute."""
    journal = FakeJournal()
    known = await failures(journal, clock)
    await noted(known, ended(Stage.REFUSED, Code.VERSION))
    await journal.forget_failures()
    clock.seconds += 60
    await known.read()
    assert known.objection(CID, CREATOR) == ""


def test_conditions_are_the_build_and_all_limits() -> None:
    """fault_83: the same conditions have the same digest; each of them changes it."""
    plain = conditions(FACTS, RenderLimits(), SceneLimits())
    assert conditions(FACTS, RenderLimits(), SceneLimits()) == plain
    others = {
        conditions(replace(FACTS, build_hash="another"), RenderLimits(), SceneLimits()),
        conditions(FACTS, RenderLimits(frame_seconds=301), SceneLimits()),
        conditions(FACTS, RenderLimits(), SceneLimits(engines=("CYCLES",))),
    }
    assert len(others | {plain}) == 4
