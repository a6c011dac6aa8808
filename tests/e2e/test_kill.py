"""A worker that is killed at any point and restarted finishes as without the interruption."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter

import pytest
from tests.e2e.embedded import REWARD_FRI, WAIT_SECONDS, Embedded, wait_for
from tests.scenes.blend_bytes import blend, block

from veriframe.model.attempt.attempt import Stage
from veriframe.model.registry.job import JobState
from veriframe.model.registry.pin_names import PinNames
from veriframe.wiring import registries, stores

pytestmark = pytest.mark.slow

JOBS, BEHIND = 6, 2
WITHOUT_LIMITS = ("--set", "new_creator_jobs=64")
"""One creator may have several jobs under way."""

WAY = ("SEEN", "FETCHED", "CHECKED", "CLAIMED", "RENDERED", "VALIDATED", "STORED", "SUBMITTED")


def leftovers(embedded: Embedded) -> list[str]:
    """Folders of jobs and pins of results that nothing needs any more."""

    async def pins() -> list[str]:
        registry = registries.embedded(embedded.settings, "worker")
        names = PinNames(await registry.identity(), registry.account)
        return [pin.name for pin in await stores.open_store(embedded.settings).pins(names.results)]

    jobs = embedded.home / "workers" / "worker" / "work" / "jobs"
    return [*(folder.name for folder in jobs.iterdir()), *asyncio.run(pins())]


@pytest.mark.parametrize("noted", [True, False], ids=["noted", "not noted"])
@pytest.mark.parametrize("stage", WAY)
def test_kill_9_at_any_stage(embedded: Embedded, stage: str, noted: bool) -> None:
    """fault_73: one claim, one submission, one pay; nothing is charged twice, and no file is left behind."""
    before_fri = embedded.funds("worker").wallet_fri
    embedded.post()
    assert embedded.run({"die": stage, "noted": noted}, "worker", "--once") == -signal.SIGKILL
    again = embedded.start({}, "worker")
    wait_for(lambda: embedded.stages() == [Stage.SUBMITTED])
    embedded.accept_all()
    wait_for(lambda: embedded.stages() == [Stage.PAID])
    wait_for(lambda: leftovers(embedded) == [])
    again.send_signal(signal.SIGTERM)
    assert again.wait(WAIT_SECONDS) == 0, embedded.log()
    events = embedded.events()
    assert (events["JobClaimed"], events["ResultSubmitted"], events["JobPaid"]) == (1, 1, 1)
    assert events["JobReleased"] == events["ClaimLapsed"] == 0
    funds = embedded.funds("worker")
    assert funds.wallet_fri + funds.credit_fri == before_fri + REWARD_FRI
    assert embedded.audit().discrepancies == ()
    # Each frame is noted when it arrives, so that none is rendered twice.
    assert embedded.renders() == {1: 1}


@pytest.mark.parametrize(
    "noted", [pytest.param(True, marks=pytest.mark.thorough, id="noted"), pytest.param(False, id="not noted")]
)
@pytest.mark.parametrize("stage", [*WAY, "PAID"])
def test_kill_9_with_jobs_ahead_and_behind(embedded: Embedded, stage: str, noted: bool) -> None:
    """The third job to get there: others are further, or fetched and inspected ahead. Each is done once."""
    before_fri = embedded.funds("worker").wallet_fri
    for number in range(JOBS):
        embedded.post(scene=blend(block(b"TEST", f"scene {number // 2}".encode())))
    plan = {"die": stage, "noted": noted, "behind": BEHIND}
    first = embedded.start(plan, *WITHOUT_LIMITS, "worker")
    if stage == "PAID":
        wait_for(lambda: embedded.stages() == [Stage.SUBMITTED] * JOBS)
        embedded.accept_all()
    assert first.wait(WAIT_SECONDS) == -signal.SIGKILL
    killed_at = Counter(embedded.stages())
    again = embedded.start({}, *WITHOUT_LIMITS, "worker")
    wait_for(lambda: all(job.state in (JobState.SUBMITTED, JobState.PAID) for job in embedded.jobs()))
    embedded.accept_all()
    wait_for(lambda: embedded.stages() == [Stage.PAID] * JOBS)
    wait_for(lambda: leftovers(embedded) == [])
    again.send_signal(signal.SIGTERM)
    assert again.wait(WAIT_SECONDS) == 0, embedded.log()
    assert killed_at.total() >= BEHIND, "the first run had several jobs under way"
    events = embedded.events()
    assert [events[kind] for kind in ("JobClaimed", "ResultSubmitted", "JobPaid")] == [JOBS] * 3
    assert events["JobReleased"] == events["ClaimLapsed"] == 0
    funds = embedded.funds("worker")
    assert funds.wallet_fri + funds.credit_fri == before_fri + JOBS * REWARD_FRI
    assert embedded.audit().discrepancies == ()
    renders = embedded.renders()
    assert set(renders.values()) == {1}, "none is rendered twice"
    # One job may be killed after its frame is kept, and before this test counts it.
    assert len(renders) >= JOBS - 1
