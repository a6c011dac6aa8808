"""The worker's loops with fakes: slots, outages, priorities, and bugs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.fakes.bench import (
    BOND,
    SCENE,
    WALLET,
    Bench,
    crash,
    stages,
    until,
)
from tests.fakes.registry import FakeRegistry
from tests.fakes.renderer import Script
from tests.scenes.blend_bytes import blend, block

from veriframe.errors import Code, HostUnavailable, RegistryUnavailable, SettingsError, StoreUnavailable
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.content.cid import Cid, Codec
from veriframe.model.registry.job import Address, JobState
from veriframe.ports.store import Fetched
from veriframe.worker.intake import backoff
from veriframe.worker.report import WorkerLog
from veriframe.worker.shared import throughput
from veriframe.worker.shared.lanes import FETCHES


async def test_once_serves_all_and_ends(bench: Bench) -> None:
    """More jobs than slots; it ends when all are submitted."""
    await bench.post(jobs=5)
    assert await bench.service(slots=2).run(once=True)
    assert stages(bench) == [Stage.SUBMITTED] * 5
    assert bench.shared.moves.count("claim") == bench.shared.moves.count("submit_result") == 5


async def test_once_with_nothing_to_do_ends_at_once(bench: Bench) -> None:
    """An empty registry."""
    assert await bench.service().run(once=True)


async def test_once_reads_all_jobs_before_it_ends(bench: Bench) -> None:
    """The only acceptable job comes after a flood of others."""
    policy = replace(bench.policy, minimum_reward_fri=5)
    bench.context = replace(bench.context, policy=policy)
    await bench.post(jobs=1500, reward_fri=1)
    await bench.post(reward_fri=5)
    assert await bench.service().run(once=True)
    assert list(bench.journal.by_job) == [1501]


async def test_slots_are_respected(bench: Bench) -> None:
    """Never more claims than renderers; the other jobs wait, checked, and no lease runs for them."""
    await bench.post(jobs=4)
    bench.renderer.gate.clear()
    working = asyncio.create_task(bench.service(slots=2).run(once=True))
    await until(lambda: bench.renderer.started == 2 and stages(bench).count(Stage.CHECKED) == 2)
    await asyncio.sleep(0.02)
    assert [job.state for job in bench.shared.jobs.values()].count(JobState.CLAIMED) == 2
    assert sorted(stages(bench)) == [*[Stage.CHECKED] * 2, *[Stage.CLAIMED] * 2]
    assert bench.renderer.started == 2
    bench.renderer.gate.set()
    assert await working
    assert stages(bench) == [Stage.SUBMITTED] * 4


async def test_claims_of_an_earlier_run_come_first(bench: Bench) -> None:
    """With one slot: first the job with a running lease, then the one already seen, then the new one."""
    seen_job, claimed, _new = await bench.post(jobs=3)
    await bench.registry.deposit(BOND)
    await bench.registry.claim(claimed.id)
    bench.begin(seen_job)
    bench.begin(claimed, Stage.CLAIMED)
    assert await bench.service().run(once=True)
    submitted = dict.fromkeys(a.job_id for a in bench.journal.moves if a.stage is Stage.SUBMITTED)
    assert list(submitted) == [2, 1, 3]


async def test_outages_are_waited_for(bench: Bench) -> None:
    """fault_58: after an outage of registry and store the job is served as usual."""
    await bench.post()
    bench.shared.faults += [RegistryUnavailable("away")] * 7
    fetch, fails = bench.store.fetch, [StoreUnavailable("away")] * 5

    async def shaky(*arguments: object) -> object:
        if fails:
            raise fails.pop()
        return await fetch(*arguments)  # type: ignore[arg-type]

    bench.store.fetch = shaky  # type: ignore[method-assign, assignment]
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.SUBMITTED]
    assert bench.shared.moves == [f"deposit {BOND}", "claim", "submit_result"]


async def test_a_journal_that_cannot_be_written_holds_everything(bench: Bench) -> None:
    """fault_76: no claim without a durable note; it continues when the disk has room again."""
    await bench.post()
    start, fails = bench.journal.start, [HostUnavailable("The disk is full.")] * 3

    async def full(attempt: Attempt) -> Attempt:
        if fails:
            raise fails.pop()
        return await start(attempt)

    bench.journal.start = full  # type: ignore[method-assign]
    assert await bench.service().run(once=True)
    assert fails == []
    assert stages(bench) == [Stage.SUBMITTED]


async def test_a_full_disk_takes_no_jobs(bench: Bench) -> None:
    """fault_41: logged repeatedly, and the job stays open for others."""
    await bench.post()
    bench.context = replace(bench.context, disk_free_bytes=2**62)
    service = bench.service()
    with capture_logs() as lines:
        working = asyncio.create_task(service.run())
        await until(lambda: any("disk_free_bytes" in str(line) for line in lines))
        service.drain()
        assert await working
    assert bench.journal.by_job == {}


async def test_a_bug_stops_new_jobs_and_keeps_the_stage(bench: Bench) -> None:
    """Logged with its traceback; jobs under way continue; `run` returns that a bug occurred."""
    await bench.post(jobs=3)
    bench.script.render_failures.append(KeyError("a bug"))
    with capture_logs() as lines:
        assert not await bench.service().run(once=True)
    # Jobs that were ready to be claimed are not.
    assert [stage for stage in stages(bench) if stage is not Stage.LOST] == [Stage.CLAIMED]
    assert bench.shared.moves.count("claim") == 1
    (bug,) = [line for line in lines if line["event"] == "bug"]
    assert bug["exc_info"] is True
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.SUBMITTED] * 3


async def test_a_bug_in_one_slot_does_not_end_the_other(bench: Bench) -> None:
    """The other job is finished."""
    bench.renderer.scripts = {b"BLENDER-v405TEST": Script(render_failures=[KeyError("a bug")])}
    await bench.post(scene=blend(block(b"TEST")))
    await bench.post()
    assert not await bench.service(slots=2).run(once=True)
    assert stages(bench) == [Stage.CLAIMED, Stage.SUBMITTED]


async def test_a_failed_job_leaves_nothing_on_the_disk(bench: Bench) -> None:
    """Its folder is removed at its end."""
    await bench.post()
    bench.script.render_failures += [crash(), crash()]
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.RELEASED]
    assert list((bench.folder / "jobs").iterdir()) == []


async def test_an_idle_worker_polls_less_often(bench: Bench) -> None:
    """Without news the pauses grow; a new job is still found, and then it polls often again."""
    service = bench.service(poll_seconds=0.001, idle_seconds=0.05)
    working = asyncio.create_task(service.run())
    await asyncio.sleep(0.02)
    service._poll_interval._news_at -= 100
    await asyncio.sleep(0.06)
    bench.shared.reads = 0
    await asyncio.sleep(0.2)
    assert 2 <= bench.shared.reads <= 2 * 6
    await bench.post()
    await until(lambda: bench.journal.by_job and bench.attempt().stage is Stage.SUBMITTED)
    service.drain()
    assert await working


async def test_an_unusable_setting_ends_the_worker_in_order(bench: Bench) -> None:
    """It is no bug, and it is not tried for ever: the error reaches the operator, and a restart goes on."""
    await bench.post()
    await bench.post(scene=blend(block(b"TEST")))
    bench.renderer.gate.clear()
    service = bench.service(slots=2)

    async def without_token(*arguments: Any) -> str:
        raise SettingsError("The ipfs_token_file is gone. Put it back.")

    bench.store.add = without_token  # type: ignore[method-assign, assignment]
    with capture_logs() as lines:
        working = asyncio.create_task(service.run())
        await until(lambda: bench.renderer.started == 2)
        bench.renderer.gate.set()
        with pytest.raises(SettingsError, match="Put it back"):
            await asyncio.wait_for(working, 10)
    assert [line for line in lines if line["event"] == "bug"] == []
    assert stages(bench) == [Stage.VALIDATED] * 2


async def test_a_job_whose_scene_nobody_had_is_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was refused; later somebody has the scene. Meanwhile it is left alone."""
    monkeypatch.setattr(backoff, "FIRST_SECONDS", 0.05)
    cid = bench.store.keep(SCENE)
    content = bench.store.files.pop(cid)
    await bench.post_cid(cid)
    assert await bench.service().run(once=True)
    assert (bench.attempt().stage, bench.attempt().code) == (Stage.REFUSED, Code.NOT_FOUND)
    working = asyncio.create_task((service := bench.service()).run())
    await until(lambda: len(bench.journal.tries) > 2)
    bench.store.files[cid] = content
    await until(lambda: bench.attempt().stage is Stage.SUBMITTED)
    service.drain()
    assert await working
    assert bench.shared.moves.count("claim") == 1


async def test_pay_is_noted_while_claiming_is_paused(bench: Bench) -> None:
    """fault_101: a full disk, or a machine that fails its own test, stopped every look at the registry."""
    await bench.post()
    assert await bench.service().run(once=True)
    await bench.creator.accept_result(1)
    await bench.post()
    bench.context = replace(bench.context, disk_free_bytes=2**62)
    service = bench.service()
    working = asyncio.create_task(service.run())
    await until(lambda: bench.attempt(1).stage is Stage.PAID)
    service.drain()
    assert await working
    assert list(bench.journal.by_job) == [1]


async def test_scenes_that_do_not_arrive_hold_nobody_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than may be fetched at once, all better paid: the good job is served beside them."""
    monkeypatch.setattr(throughput, "SILENT_SECONDS", 0.01)
    monkeypatch.setattr(throughput, "CHECK_SECONDS", 0.005)
    ghosts = [str(Cid(Codec.RAW, bytes([number]) * 32)) for number in range(2 * FETCHES)]
    for number, ghost in enumerate(ghosts):
        terms = (await bench.post_cid(ghost, reward_fri=900))[0].terms
        bench.shared.credits[Address(100 + number)] = WALLET
        await FakeRegistry(Address(100 + number), bench.shared).create_order(ghost, terms, 1)
    await bench.post(reward_fri=5)
    good, fetch = len(bench.shared.jobs), bench.store.fetch

    async def endless(cid: str, *arguments: Any) -> Fetched:
        if cid in ghosts:
            await asyncio.Event().wait()
        return await fetch(cid, *arguments)

    bench.store.fetch = endless  # type: ignore[method-assign, assignment]
    service = bench.service(idle_seconds=0.01)
    with capture_logs() as lines:
        bench.context.listener.add(WorkerLog())
        working = asyncio.create_task(service.run())
        await until(lambda: good in bench.journal.by_job and bench.attempt(good).stage is Stage.SUBMITTED)
    service.drain()
    assert await working
    assert "its scene" in {line["what"] for line in lines if line["event"] == "job_waits_for"}
    assert any(line["event"] == "stage_reached" and line.get("code") is Code.NOT_FOUND for line in lines)
