"""A worker killed while a chunk is claimed ahead: both claims go on, in the order of their leases."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest
from tests.e2e.embedded import REWARD_FRI, WAIT_SECONDS, Embedded, wait_for
from tests.e2e.test_kill import WITHOUT_LIMITS, leftovers
from tests.fakes.bundles import BUNDLE, files_of

from veriframe.model.attempt.attempt import Stage
from veriframe.model.registry.job import JobState

pytestmark = pytest.mark.slow

CHUNKS = 2
FRAME_SECONDS = 0.3
SECONDS_BETWEEN_LEASES = 1.2
"""Long enough for their ends to differ, in whole seconds."""


def post_chunks(embedded: Embedded) -> None:
    """Posts ten frames in two chunks, without proofs: no tile is rendered again."""
    folder = embedded.home / "bundle"
    for name, content in files_of(replace(BUNDLE, proof_tiles=0)).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    embedded.post_asset(folder, CHUNKS)


def rendered(embedded: Embedded) -> list[int]:
    """The jobs in the order in which their renders ended."""
    notes: Path = embedded.home / "renders"
    return [int(line) for line in notes.read_text().split()] if notes.exists() else []


@pytest.mark.parametrize("noted", [True, False], ids=["noted", "not noted"])
@pytest.mark.parametrize(
    ("stage", "behind"),
    [(Stage.CLAIMED, 1), (Stage.RENDERED, 0), (Stage.VALIDATED, 0), (Stage.SUBMITTED, 0)],
    ids=["claimed ahead", "first rendered", "first validated", "first submitted"],
)
def test_kill_9_with_a_chunk_claimed_ahead(
    embedded: Embedded, stage: Stage, behind: int, noted: bool
) -> None:
    """fault_320: each is claimed, rendered, submitted and paid once, and nothing is released."""
    before_fri = embedded.funds("worker").wallet_fri
    post_chunks(embedded)
    seconds = SECONDS_BETWEEN_LEASES if stage is Stage.CLAIMED else FRAME_SECONDS
    plan = {"die": stage, "noted": noted, "behind": behind, "seconds": seconds}
    assert embedded.run(plan, *WITHOUT_LIMITS, "worker", "--once") == -signal.SIGKILL
    assert len(rendered(embedded)) == (0 if stage is Stage.CLAIMED else 1)
    states = [job.state for job in embedded.jobs()]
    is_sent = stage is Stage.SUBMITTED
    assert sorted(states) == sorted([JobState.SUBMITTED if is_sent else JobState.CLAIMED, JobState.CLAIMED])
    claimed = [job.id for job in sorted(embedded.jobs(), key=lambda job: job.claimed_at)]
    again = embedded.start({}, *WITHOUT_LIMITS, "worker")
    wait_for(lambda: embedded.stages() == [Stage.SUBMITTED] * CHUNKS)
    embedded.accept_all()
    wait_for(lambda: embedded.stages() == [Stage.PAID] * CHUNKS)
    wait_for(lambda: leftovers(embedded) == [])
    again.send_signal(signal.SIGTERM)
    assert again.wait(WAIT_SECONDS) == 0, embedded.log()
    events = embedded.events()
    assert [events[kind] for kind in ("JobClaimed", "ResultSubmitted", "JobPaid")] == [CHUNKS] * 3
    assert events["JobReleased"] == events["ClaimLapsed"] == 0
    funds = embedded.funds("worker")
    assert funds.wallet_fri + funds.credit_fri == before_fri + CHUNKS * REWARD_FRI
    assert embedded.audit().discrepancies == ()
    order = rendered(embedded)
    assert sorted(order) == [1, 2]
    assert stage is not Stage.CLAIMED or order == claimed, "the older claim first"


def test_a_drain_finishes_both(embedded: Embedded) -> None:
    """fault_74: SIGTERM once, with one claimed ahead; exit code 0."""
    post_chunks(embedded)
    working = embedded.start({"seconds": FRAME_SECONDS}, *WITHOUT_LIMITS, "worker")
    wait_for(lambda: [job.state for job in embedded.jobs()] == [JobState.CLAIMED] * CHUNKS)
    assert rendered(embedded) == []
    working.send_signal(signal.SIGTERM)
    assert working.wait(WAIT_SECONDS) == 0, embedded.log()
    assert embedded.stages() == [Stage.SUBMITTED] * CHUNKS
    assert embedded.events()["JobReleased"] == 0
