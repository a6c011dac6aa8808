"""Room in the content store: reserved before a claim, and bounded for each creator."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from tests.fakes.bench import CREATOR, OTHER, REVIEW_SECONDS, REWARD, SCENE, Bench, until
from tests.fakes.embedded import Home
from tests.fakes.renderer import FakeRenderer, Script
from tests.nodes import kubo

from veriframe.adapters.kubo.store import KuboStore
from veriframe.adapters.local_store import LocalStore
from veriframe.errors import Code, JobRejected, NoRoom, StoreFull
from veriframe.model.attempt.attempt import Stage
from veriframe.model.registry.job import Job, JobState
from veriframe.model.rendering.frames import Rendering, RenderTask, ValidatedFrame
from veriframe.model.rendering.scene import SceneLimits
from veriframe.ports.store import StoreRoom
from veriframe.worker import pipeline
from veriframe.worker.service import Service
from veriframe.worker.steps import claim
from veriframe.worker.store_room import Reservations, Survey, picture_bytes
from veriframe.worker.workspace import Workspace

PICTURE_BYTES = 80_000
STORE_BYTES = 1_000_000
LARGE = SCENE + b"large"
NOISE = b"noise"


class Noisy(FakeRenderer):
    """Its pictures are large, and each is another."""

    async def validate(
        self, scene: Path, task: RenderTask, rendering: Rendering, out: Path, clean: Path
    ) -> Sequence[ValidatedFrame]:
        """As the fake does, with other bytes."""
        frames = await super().validate(scene, task, rendering, out, clean)
        (clean / frames[0].file).write_bytes(random.randbytes(PICTURE_BYTES))
        return frames


@pytest_asyncio.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    """A worker with a store of 1 MB, whose pictures may have 86 kB, and have 80."""
    made = Home(tmp_path, LocalStore(tmp_path / "store", STORE_BYTES), renderer=Noisy())
    yield made
    made.close()


class Working:
    """A worker at work for the block; its chain time moves only as the test says."""

    def __init__(self, home: Home, poll_seconds: float = 0.001) -> None:
        self.service = Service(home.context, slots=2, poll_seconds=poll_seconds, idle_seconds=0.01)

    async def __aenter__(self) -> None:
        self.task = asyncio.create_task(self.service.run())

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def handed_in(home: Home, first: int = 1) -> list[int]:
    """The jobs with a result, from one id on."""
    done = [attempt for attempt in home.journal.attempts() if attempt.stage is Stage.SUBMITTED]
    return sorted(attempt.job_id for attempt in done if attempt.job_id >= first)


async def claimed(home: Home) -> list[int]:
    """The jobs under a claim."""
    return [job.id for job in await home.worker.get_jobs(1, 50) if job.state is JobState.CLAIMED]


async def test_a_full_store_costs_no_bond(home: Home) -> None:
    """fault_87: strangers' results fill the store; the next job is not claimed until there is room for it."""
    for number in range(12):
        await home.post(creator=home.client(f"stranger-{number}"))
    async with Working(home):
        # 960 of 1000 kB: too little for one more of 86.
        await until(lambda: len(handed_in(home)) == 12)
        honest = await home.post()
        await asyncio.sleep(0.3)
        assert await claimed(home) == []
        assert (await home.worker.get_job(honest.id)).state is JobState.OPEN
        # The reviews end: pay is collected, pins go, and there is room.
        home.now += 601
        await until(lambda: handed_in(home) == [honest.id])
    assert (await home.worker.totals()).burned_fri == 0


async def test_a_stranger_fills_a_share_at_most(home: Home) -> None:
    """fault_87: one creator's results wait, and take a quarter of the store; others are served beside."""
    await home.post(jobs=20, creator=home.client("stranger"))
    async with Working(home):
        # 240 kB wait, and one more might make it 326.
        await until(lambda: len(handed_in(home)) == 3)
        honest = await home.post()
        await until(lambda: honest.id in handed_in(home))
        await asyncio.sleep(0.1)
        assert await claimed(home) == []
        first = handed_in(home)
        assert len(first) == 4
        home.now += 601
        # All are paid, and the stranger's next ones have their turn.
        await until(lambda: len(handed_in(home)) == 3 and not set(first) & set(handed_in(home)))
    assert (await home.worker.totals()).burned_fri == 0


def is_submitted(bench: Bench, job: Job) -> bool:
    """Whether a job's result is handed in."""
    attempt = bench.journal.get(job.id)
    return attempt is not None and attempt.stage is Stage.SUBMITTED


async def test_several_claims_share_the_room(bench: Bench) -> None:
    """fault_87: four slots, room for two pictures: two claims, and two jobs that are left for now."""
    bench.context.room.scene_pixels = 10_000
    for job in await bench.post(jobs=4):
        bench.journal.by_job[job.id] = replace(bench.begin(job, Stage.CHECKED), width=100, height=100)
    bench.store.limit_bytes = 2 * picture_bytes(10_000) + 100
    make_claim = bench.registry.claim

    async def slow(job_id: int) -> int:
        await asyncio.sleep(0.01)
        return await make_claim(job_id)

    bench.registry.claim = slow  # type: ignore[method-assign]
    claims = [claim(bench.attempt(job_id), bench.context) for job_id in (1, 2, 3, 4)]
    made = await asyncio.gather(*claims, return_exceptions=True)
    left = [error for error in made if isinstance(error, NoRoom)]
    assert (len(left), bench.shared.moves.count("claim")) == (2, 2)
    assert "its picture may take 0.2 MB" in str(left[0])
    assert str(left[0]).endswith("Raise the limit.")


async def test_a_restart_forgets_no_reservation(bench: Bench) -> None:
    """fault_87: what is claimed and not stored yet counts; what is handed in is in the store."""
    stages = (Stage.FETCHED, Stage.CHECKED, Stage.CLAIMED, Stage.RENDERED, Stage.VALIDATED, Stage.SUBMITTED)
    for job, reached in zip(await bench.post(jobs=6), stages, strict=True):
        attempt = replace(bench.begin(job, reached), creator=CREATOR, width=100, height=100)
        bench.journal.by_job[job.id] = attempt
    bench.journal.by_job[6] = replace(bench.attempt(6), result_bytes=50_000)
    bench.store.limit_bytes = 1_000_000
    survey = await Reservations(share=0.5).survey(bench.store, bench.journal)
    assert survey.left_bytes == 1_000_000 - 3 * picture_bytes(10_000)
    assert survey.taken == {CREATOR: 3 * picture_bytes(10_000) + 50_000}
    assert survey.most_bytes == 525_000


async def test_a_picture_that_does_not_fit_leaves_its_slot_to_others(bench: Bench) -> None:
    """fault_87: the best paid picture has no room, and is not looked at again; a small one is served."""
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


async def test_a_full_store_is_told_with_its_remedy(bench: Bench) -> None:
    """fault_87: nothing is begun, pay goes on, and the sentence says which setting."""
    (job,) = await bench.post()
    await pipeline.run(bench.begin(job), bench.context)
    bench.store.limit_bytes = 1000
    sentence = r"no room for another result.*Nothing is claimed\. Raise the limit\."
    with pytest.raises(StoreFull, match=sentence):
        await bench.context.room.survey(bench.store, bench.journal)
    (other,) = await bench.post()
    working = asyncio.create_task((service := bench.service()).run())
    bench.shared.now += REVIEW_SECONDS
    await until(lambda: bench.attempt(job.id).stage is Stage.PAID)
    await asyncio.sleep(0.02)
    assert bench.journal.get(other.id) is None
    bench.store.limit_bytes = 10**9
    await until(lambda: is_submitted(bench, other))
    service.drain()
    assert await working


@pytest.mark.slow
async def test_a_full_node_costs_no_bond(tmp_path: Path) -> None:
    """fault_87: the same with a Kubo node of 1 MB, which itself would take more; garbage is no room."""
    with kubo(tmp_path / "kubo") as node:
        node.run("config", "Datastore.StorageMax", f"{STORE_BYTES}B")
        node.restart()
        async with KuboStore(node.api_multiaddr) as store:
            home = Home(tmp_path, store, renderer=Noisy())
            for number in range(14):
                await home.post(creator=home.client(f"stranger-{number}"))
            async with Working(home, poll_seconds=0.05):
                await until(lambda: len(handed_in(home)) >= 9)
                await asyncio.sleep(1.0)
                full = len(handed_in(home))
                assert 9 <= full <= 11
                assert await claimed(home) == []
                home.now += 601
                await until(lambda: handed_in(home) == [])
                assert await claimed(home) == []
                node.run("repo", "gc")
                await until(lambda: len(home.journal.attempts()) > full and handed_in(home) != [])
            assert (await home.worker.totals()).burned_fri == 0
            home.close()


@pytest.mark.slow
async def test_fetched_scenes_do_not_fill_a_node(tmp_path: Path) -> None:
    """fault_87: strangers' scenes, 24 MB through a node of 20, all refused: then an honest job is served."""
    with kubo(tmp_path / "far", offline=False) as far, kubo(tmp_path / "kubo", offline=False) as node:
        node.run("config", "Datastore.StorageMax", "20000000B")
        node.restart(offline=False)
        node.swarm_connect(far)
        async with KuboStore(far.api_multiaddr) as theirs, KuboStore(node.api_multiaddr) as store:
            home = Home(tmp_path, theirs, renderer=Noisy(), scene_limits=SceneLimits(pixels=10_000))
            home.context = replace(home.context, store=store, workspace=Workspace(tmp_path / "work", 2**30))
            refused = Script(inspect_failures=[JobRejected(Code.NOT_BLEND, "It is no scene.")] * 99)
            home.renderer.scripts = {NOISE: refused, b"": Script()}
            before = (await store.room()).free_bytes
            assert before is not None
            for number in range(6):
                scene = NOISE + random.randbytes(4_000_000)
                await home.post(creator=home.client(f"stranger-{number}"), scene=scene)
            async with Working(home, poll_seconds=0.05):
                refusals = {Code.NOT_BLEND: 6}
                await until(lambda: Counter(a.code for a in home.journal.attempts()) == refusals)
                # Empty folders of blocks stay, up to 4 MB in all.
                async with asyncio.timeout(5):
                    while ((await store.room()).free_bytes or 0) < before * 0.96:  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                honest = await home.post()
                await until(lambda: honest.id in handed_in(home))
            assert (await home.worker.totals()).burned_fri == 0
            home.close()


async def test_a_crowd_of_new_accounts_fills_half_at_most(home: Home) -> None:
    """fault_87: accounts cost nothing; eleven results for small change stopped all claims for a week.

    The creator who has paid before finds room all the same, and its job is not held up.
    """
    home.context = replace(home.context, room=Reservations(scene_pixels=home.scene_limits.pixels))
    async with Working(home):
        await home.post(jobs=3)
        await until(lambda: len(handed_in(home)) == 3)
        home.now += 601
        await until(lambda: handed_in(home) == [])
        for number in range(12):
            await home.post(creator=home.client(f"stranger-{number}"))
        # 480 kB wait; with one more of 86 it would be more than half of 1000.
        await until(lambda: len(handed_in(home)) == 6)
        await asyncio.sleep(0.2)
        assert len(handed_in(home)) == 6
        honest = [await home.post() for _ in range(2)]
        await until(lambda: {job.id for job in honest} <= set(handed_in(home)))
        assert len(handed_in(home)) == 8
    assert (await home.worker.totals()).burned_fri == 0


def test_what_was_paid_covers_no_more_than_that() -> None:
    """fault_87: a tiny job that was paid once does not make its creator's large ones welcome."""
    survey = Survey(
        left_bytes=10**6,
        most_bytes=10**9,
        taken={CREATOR: 90_000, OTHER: 90_000},
        owed_fri={CREATOR: 60, OTHER: 100},
        balance_fri=lambda _: 100,
        new_bytes=90_000,
        most_new_bytes=120_000,
    )
    assert survey.objection(CREATOR, 39, 20_000) == ""
    told = survey.objection(CREATOR, 40, 20_000)
    assert "take 0.2 MB of the content store, and with it more than 0.1 MB" in told
    assert survey.objection(OTHER, 1, 20_000) == ""
    assert survey.objection(OTHER, 1, 30_001).endswith("(new_creators_store_share)")


async def test_rendered_frames_go_once_they_are_proved(bench: Bench) -> None:
    """fault_87: they lay on the disk, beside the proved ones, until the review was over."""
    (job,) = await bench.post()
    after = await pipeline.run(bench.begin(job), bench.context)
    assert after.stage is Stage.SUBMITTED
    workspace = bench.context.workspace
    assert not workspace.rendered(job.id).exists()
    assert len(list(workspace.validated(job.id).iterdir())) == 1


async def test_the_disk_of_the_jobs_folders_is_shared_out_too(bench: Bench) -> None:
    """fault_87: each undecided result lies there as well, however large the store is."""
    (job,) = await bench.post()
    attempt = replace(bench.begin(job, Stage.SUBMITTED), creator=CREATOR, result_bytes=300_000)
    bench.journal.by_job[job.id] = attempt
    bench.store.limit_bytes = 10**12
    reservations = Reservations(disk_room=lambda: StoreRoom(free_bytes=200_000, remedy="Free the disk."))
    survey = await reservations.survey(bench.store, bench.journal)
    assert (survey.left_bytes, survey.most_new_bytes, survey.remedy) == (200_000, 250_000, "Free the disk.")
    assert "new_creators_store_share" in survey.objection(OTHER, 1)
    free = bench.context.workspace.room(0).free_bytes
    assert free
    assert bench.context.workspace.room(2**62).free_bytes == 0
    assert "disk_free_bytes" in bench.context.workspace.room(0).remedy
