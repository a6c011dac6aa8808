"""Scenes that failed here: for whom, under which conditions, until when."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.journal import FakeJournal
from tests.fakes.renderer import FACTS
from tests.unit.worker.clock import Hand

from veriframe.errors import Code
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.registry.job import Address
from veriframe.model.rendering.frames import RenderLimits
from veriframe.model.rendering.scene import SceneLimits
from veriframe.worker.intake.failures import KEPT_SECONDS, NOT_THE_BYTES, Failures, conditions

MAKER, OTHER = Address(7), Address(8)
CID = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"


def ended(stage: Stage, code: Code | None = None, creator: Address = MAKER) -> Attempt:
    """An attempt at its end."""
    return Attempt(job_id=1, asset_cid=CID, reward_fri=1, creator=creator, stage=stage, code=code)


CRASHED = ended(Stage.RELEASED, Code.CRASH)


@pytest.fixture
def clock() -> Hand:
    """Unix seconds."""
    return Hand()


def failures(journal: FakeJournal, clock: Hand, under: str = "these") -> Failures:
    """What a worker knows that starts now."""
    return Failures(journal, under, clock)


def test_two_failed_renders_end_a_scene_for_all(clock: Hand) -> None:
    """fault_38: one may be bad luck; another creator's job of the same bytes would fail alike."""
    known = failures(FakeJournal(), clock)
    known.note(CRASHED)
    assert known.objection(CID, MAKER) == ""
    known.note(CRASHED)
    assert known.objection(CID, MAKER) == "its scene has failed here 2 times (last: CRASH)"
    assert known.objection(CID, OTHER) != ""
    assert known.objection("another", MAKER) == ""


def test_one_refusal_ends_a_scene(clock: Hand) -> None:
    """fault_83: it follows from bytes, limits and build alone, so that the next look says the same."""
    known = failures(FakeJournal(), clock)
    known.note(ended(Stage.REFUSED, Code.RESOLUTION))
    assert known.objection(CID, OTHER) == "its scene was refused here before (RESOLUTION)"


@pytest.mark.parametrize("code", sorted(NOT_THE_BYTES - {Code.LEASE}))
def test_what_cut_a_render_says_nothing_of_the_bytes(code: Code, clock: Hand) -> None:
    """fault_85: somebody's public CID under terms that leave no time: as often as one likes."""
    journal = FakeJournal()
    known = failures(journal, clock)
    for _ in range(10):
        known.note(ended(Stage.RELEASED, code))
    assert (known.objection(CID, MAKER), journal.failed) == ("", [])


def test_a_lease_that_cuts_a_render_twice_is_held_against_its_creator_alone(clock: Hand) -> None:
    """fault_85: not against the bytes: another's job of them, with a longer lease, is served."""
    known = failures(FakeJournal(), clock)
    for _ in range(2):
        known.note(ended(Stage.RELEASED, Code.LEASE))
    assert "has failed here 2 times (last: LEASE)" in known.objection(CID, MAKER)
    assert known.objection(CID, OTHER) == ""


def test_a_success_forgives(clock: Hand) -> None:
    """fault_85: whoever posted it; and the journal knows of it."""
    journal = FakeJournal()
    known = failures(journal, clock)
    known.note(CRASHED)
    known.note(ended(Stage.SUBMITTED, creator=OTHER))
    known.note(CRASHED)
    assert known.objection(CID, MAKER) == ""
    assert len(journal.failed) == 1


def test_whose_jobs_of_it_rendered_here_is_served(clock: Hand) -> None:
    """fault_85: failures of others' jobs of the same bytes are not held against it, after a restart too."""
    journal = FakeJournal()
    journal.by_job[1] = ended(Stage.PAID, creator=OTHER)
    known = failures(journal, clock)
    known.note(CRASHED)
    known.note(CRASHED)
    assert known.objection(CID, MAKER) != ""
    assert known.objection(CID, OTHER) == ""


def test_own_failures_after_a_success_count(clock: Hand) -> None:
    """fault_83: a scene that renders well once and never again is not tried a thousand times for it."""
    known = failures(FakeJournal(), clock)
    known.note(ended(Stage.SUBMITTED))
    known.note(CRASHED)
    assert known.objection(CID, MAKER) == ""
    known.note(CRASHED)
    assert known.objection(CID, MAKER) != ""


def test_other_conditions_are_another_try(clock: Hand) -> None:
    """fault_85: what failed by a limit is tried again under a larger one, and by another Blender."""
    journal = FakeJournal()
    first = failures(journal, clock)
    first.note(CRASHED)
    first.note(CRASHED)
    assert failures(journal, clock).objection(CID, MAKER) != ""
    assert failures(journal, clock, under="others").objection(CID, MAKER) == ""


def test_failures_expire(clock: Hand) -> None:
    """fault_85: a machine may have been mended meanwhile."""
    known = failures(FakeJournal(), clock)
    known.note(ended(Stage.REFUSED, Code.VERSION))
    clock.seconds += KEPT_SECONDS
    assert known.objection(CID, MAKER) != ""
    clock.seconds += 1
    assert known.objection(CID, MAKER) == ""


def test_what_somebody_forgets_meanwhile_is_forgotten(clock: Hand) -> None:
    """fault_85: a command clears them while the worker runs; it is noticed within a minute."""
    journal = FakeJournal()
    known = failures(journal, clock)
    known.note(ended(Stage.REFUSED, Code.VERSION))
    journal.forget_failures()
    clock.seconds += 60
    assert known.objection(CID, MAKER) == ""


def test_conditions_are_the_build_and_all_limits() -> None:
    """fault_83: the same ones have the same digest; each of them changes it."""
    plain = conditions(FACTS, RenderLimits(), SceneLimits())
    assert conditions(FACTS, RenderLimits(), SceneLimits()) == plain
    others = {
        conditions(replace(FACTS, build_hash="another"), RenderLimits(), SceneLimits()),
        conditions(FACTS, RenderLimits(frame_seconds=301), SceneLimits()),
        conditions(FACTS, RenderLimits(), SceneLimits(engines=("CYCLES",))),
    }
    assert len(others | {plain}) == 4
