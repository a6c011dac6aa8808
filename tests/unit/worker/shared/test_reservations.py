"""Room in the content store: surveyed, reserved before a claim, and limited for each creator."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.fakes.bench import CREATOR, OTHER, REVIEW_SECONDS, REWARD, SCENE, Bench, until
from tests.fakes.renderer import Script

from veriframe.errors import Code, NoRoom, StoreFull
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.registry.job import Job
from veriframe.model.rendering.frames import RenderTask
from veriframe.model.rendering.sizes import most_bytes
from veriframe.ports.store import StoreRoom
from veriframe.worker import pipeline
from veriframe.worker.job_run import started
from veriframe.worker.shared.reservations import Reservations, StoreUsage, picture_bytes
from veriframe.worker.steps import claim

LARGE = SCENE + b"large"


def is_submitted(bench: Bench, job: Job) -> bool:
    """Whether a job's result is submitted."""
    attempt = bench.journal.by_job.get(job.id)
    return attempt is not None and attempt.stage is Stage.SUBMITTED


async def claimed(bench: Bench, job_id: int) -> Attempt:
    """Takes the step that claims a job."""
    async with started(bench.attempt(job_id), bench.context) as job_run:
        return await claim(bench.attempt(job_id), job_run)


async def test_several_claims_share_the_room(bench: Bench) -> None:
    """fault_87: with four slots and room for two pictures, two jobs are claimed and two have to wait."""
    bench.context.room.scene_pixels = 10_000
    for job in await bench.post(jobs=4):
        bench.begin(job, Stage.CHECKED, task=RenderTask(size=(100, 100)))
    bench.store.limit_bytes = 2 * picture_bytes(10_000) + 100
    make_claim = bench.registry.claim

    async def slow(job_id: int) -> int:
        await asyncio.sleep(0.01)
        return await make_claim(job_id)

    bench.registry.claim = slow  # type: ignore[method-assign]
    made = await asyncio.gather(*(claimed(bench, job_id) for job_id in (1, 2, 3, 4)), return_exceptions=True)
    left = [error for error in made if isinstance(error, NoRoom)]
    assert (len(left), bench.shared.moves.count("claim")) == (2, 2)
    assert "its picture may take 152 KiB" in str(left[0])
    assert str(left[0]).endswith("Raise the limit.")


async def test_a_restart_forgets_no_reservation(bench: Bench) -> None:
    """fault_87: claimed jobs whose results are not stored yet count; submitted results are in the store."""
    stages = (Stage.FETCHED, Stage.CHECKED, Stage.CLAIMED, Stage.RENDERED, Stage.VALIDATED, Stage.SUBMITTED)
    for job, reached in zip(await bench.post(jobs=6), stages, strict=True):
        bench.begin(job, reached, creator=CREATOR, task=RenderTask(size=(100, 100)))
    bench.amend(replace(bench.attempt(6), result_bytes=50_000))
    bench.store.limit_bytes = 1_000_000
    survey = await Reservations(share=0.5).survey(bench.store, bench.context.attempts)
    assert survey.left_bytes == 1_000_000 - 3 * picture_bytes(10_000)
    assert survey.taken == {CREATOR: 3 * picture_bytes(10_000) + 50_000}
    assert survey.most_bytes == 525_000


async def test_a_picture_that_does_not_fit_frees_its_slot(bench: Bench) -> None:
    """fault_87: the best paid picture has no room, and is not examined again; a small one is served."""
    large = replace(bench.script.inspection, width=4000, height=4000)
    bench.renderer.scripts = {LARGE: Script(inspection=large), b"": bench.script}
    bench.store.limit_bytes = 10_000_000
    large_job, small_job = (await bench.post(scene=LARGE, reward_fri=10 * REWARD))[0], (await bench.post())[0]
    working = asyncio.create_task((service := bench.service()).run())
    await until(lambda: is_submitted(bench, small_job))
    await asyncio.sleep(0.05)
    left = bench.attempt(large_job.id)
    assert (left.stage, left.code, len(bench.renderer.inspected)) == (Stage.LOST, Code.DISK, 2)
    bench.store.limit_bytes = 10**9
    await until(lambda: is_submitted(bench, large_job))
    service.drain()
    assert await working


async def test_a_full_store_is_reported_with_its_remedy(bench: Bench) -> None:
    """fault_87: nothing is started, pay continues, and the message names the setting."""
    (job,) = await bench.post()
    await pipeline.run(bench.begin(job), bench.context)
    bench.store.limit_bytes = 1000
    sentence = r"no room for another result.*Nothing is claimed\. Raise the limit\."
    with pytest.raises(StoreFull, match=sentence):
        await bench.context.room.survey(bench.store, bench.context.attempts)
    (other,) = await bench.post()
    working = asyncio.create_task((service := bench.service()).run())
    bench.shared.now += REVIEW_SECONDS
    await until(lambda: bench.attempt(job.id).stage is Stage.PAID)
    await asyncio.sleep(0.02)
    assert other.id not in bench.journal.by_job
    bench.store.limit_bytes = 10**9
    await until(lambda: is_submitted(bench, other))
    service.drain()
    assert await working


def test_a_creator_is_trusted_with_its_pay_only() -> None:
    """fault_87: one small paid job does not make its creator's large ones acceptable."""
    survey = StoreUsage(
        left_bytes=10**6,
        most_bytes=10**9,
        taken={CREATOR: 90_000, OTHER: 90_000},
        owed_fri={CREATOR: 60, OTHER: 100},
        balance_fri=lambda _: 100,
        new_bytes=90_000,
        most_new_bytes=120_000,
    )
    assert survey.objection(CREATOR, 39, 20_000) == ""
    objection = survey.objection(CREATOR, 40, 20_000)
    assert "take 175.8 KiB of the content store, and with this one more than 117.2 KiB" in objection
    assert survey.objection(OTHER, 1, 20_000) == ""
    assert survey.objection(OTHER, 1, 30_001).endswith("(new_creators_store_share)")


async def test_rendered_frames_are_removed_once_validated(bench: Bench) -> None:
    """fault_87: they stayed on the disk, beside the validated ones, until the review was over."""
    (job,) = await bench.post()
    after = await pipeline.run(bench.begin(job), bench.context)
    assert after.stage is Stage.SUBMITTED
    workspace = bench.context.workspace
    assert not workspace.rendered(job.id).exists()
    assert len(list(workspace.validated(job.id).iterdir())) == 1


async def test_the_disk_of_the_jobs_folders_is_shared_too(bench: Bench) -> None:
    """fault_87: each undecided result is stored there as well, however large the store is."""
    (job,) = await bench.post()
    bench.begin(job, Stage.SUBMITTED, creator=CREATOR, result_bytes=300_000)
    bench.store.limit_bytes = 10**12
    reservations = Reservations(disk_room=lambda: StoreRoom(free_bytes=200_000, remedy="Free the disk."))
    survey = await reservations.survey(bench.store, bench.context.attempts)
    assert (survey.left_bytes, survey.most_new_bytes, survey.remedy) == (200_000, 250_000, "Free the disk.")
    assert "new_creators_store_share" in survey.objection(OTHER, 1)
    free = bench.context.workspace.room(0).free_bytes
    assert free
    assert bench.context.workspace.room(2**62).free_bytes == 0
    assert "disk_free_bytes" in bench.context.workspace.room(0).remedy


async def test_a_chunk_needs_room_for_its_folder(bench: Bench) -> None:
    """fault_87: all frames with their proofs, and not one picture."""
    (job,) = await bench.post()
    task = RenderTask(frames=(1, 2, 3), size=(100, 100), has_proof=True, has_thumbnail=True)
    bench.begin(job, Stage.CHECKED, task=task, settings={"engine": "CYCLES"})
    bench.store.limit_bytes = most_bytes(task) - 1
    with pytest.raises(NoRoom):
        await claimed(bench, 1)
    bench.store.limit_bytes = most_bytes(task)
    assert (await claimed(bench, 1)).stage is Stage.CLAIMED
