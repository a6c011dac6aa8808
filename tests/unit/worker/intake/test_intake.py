"""Which jobs a worker on fakes claims, and which it skips: failures, money, races."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.fakes.bench import (
    BOND,
    CREATOR,
    LEASE_SECONDS,
    ME,
    OTHER,
    REVIEW_SECONDS,
    WALLET,
    Bench,
    GatedRenderer,
    crash,
    stages,
    until,
)
from tests.fakes.registry import FakeRegistry
from tests.fakes.renderer import FakeSession

from veriframe.errors import Code, HostUnavailable, JobRejected
from veriframe.model.attempt.attempt import Stage
from veriframe.model.attempt.stakes import StakeLimits
from veriframe.model.registry.job import Address, JobState
from veriframe.model.rendering.scene import SceneLimits
from veriframe.ports.registry import Funds
from veriframe.ports.renderer import Kernel
from veriframe.worker.service import Service


async def test_an_asset_that_failed_twice_is_not_tried_again(bench: Bench) -> None:
    """fault_38: two failures of the same bytes cost two fees, not one for each job of the order."""
    await bench.post(jobs=5)
    bench.script.render_failures += [crash() for _ in range(20)]
    with capture_logs() as lines:
        assert await bench.service().run(once=True)
    # Jobs that were ready are not claimed after the second failure.
    assert [stage for stage in stages(bench) if stage is not Stage.LOST] == [Stage.RELEASED] * 2
    assert bench.shared.moves.count("release CRASH") == bench.shared.moves.count("claim") == 2
    left = [line for line in lines if line["event"] == "job_left"]
    assert len(left) == 1, "one line per order"
    known = len(bench.journal.by_job)
    await bench.post(scene=b"another scene")
    assert await bench.service().run(once=True)
    assert len(bench.journal.by_job) == known + 1


async def test_a_refused_asset_counts_too(bench: Bench) -> None:
    """fault_83: not a scene: fetched once, not a thousand times."""
    await bench.post(jobs=5, scene=b"<html>")
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.REFUSED]


@pytest.mark.parametrize("code", [Code.VERSION, Code.SAMPLES, Code.ENGINE, Code.RESOLUTION])
async def test_a_refusal_by_settings_lasts_while_they_stay(bench: Bench, code: Code) -> None:
    """fault_83: one refusal ends all jobs of the scene. Another Blender, or other limits, may accept them."""
    await bench.post(jobs=4)
    bench.script.inspect_failures += [JobRejected(code, "Not here.") for _ in range(4)]
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.REFUSED]
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.REFUSED], "a restart remembers it"
    bench.context = replace(bench.context, scene_limits=SceneLimits(samples=100_000))
    bench.script.inspect_failures.clear()
    assert await bench.service().run(once=True)
    assert sorted(stages(bench)) == [Stage.REFUSED, *[Stage.SUBMITTED] * 3]


async def test_a_bond_beyond_our_means_is_not_claimed(bench: Bench) -> None:
    """fault_68: logged once, with the remedy; nothing is fetched for it."""
    bench.shared.wallets[ME] = BOND - 1
    await bench.post(jobs=3)
    with capture_logs() as lines:
        assert await bench.service().run(once=True)
    assert bench.journal.by_job == {}
    assert [line["event"] for line in lines].count("no_money_for_bond") == 1


async def test_a_wallet_that_cannot_pay_the_fees_that_follow_claims_nothing(bench: Bench) -> None:
    """fault_68: however much credit there is; logged once, with the remedy."""
    bench.shared.credits[ME] = 10 * BOND
    bench.shared.wallets[ME] = 4
    funds = bench.registry.funds

    async def with_reserve(account: Address) -> Funds:
        return replace(await funds(account), reserve_fri=5)

    bench.registry.funds = with_reserve  # type: ignore[method-assign]
    await bench.post(jobs=3)
    with capture_logs() as lines:
        assert await bench.service().run(once=True)
    assert bench.journal.by_job == {}
    assert [line["event"] for line in lines].count("no_money_for_fees") == 1
    bench.shared.wallets[ME] = 5
    assert await bench.service().run(once=True)
    assert len(bench.journal.by_job) == 3


async def test_money_for_one_bond_serves_one_job_at_a_time(bench: Bench) -> None:
    """Four slots and one bond: no claim relies on credit that another uses; then the next follows."""
    bench.shared.wallets[ME] = BOND
    await bench.post(jobs=2)
    service = bench.service(slots=4)
    working = asyncio.create_task(service.run())
    await until(lambda: bench.shared.moves.count("submit_result") == 1)
    await asyncio.sleep(0.01)
    assert bench.shared.moves.count("claim") == 1
    bench.shared.now += REVIEW_SECONDS
    await until(lambda: bench.shared.moves.count("submit_result") == 2)
    service.drain()
    assert await working


async def test_a_lost_race_may_be_run_again(bench: Bench) -> None:
    """Another worker was faster and let the lease lapse: the job counts as new."""
    (job,) = await bench.post()
    bench.begin(job, Stage.LOST, code=Code.LOST)
    await bench.other.claim(1)
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.LOST]
    bench.shared.now += LEASE_SECONDS
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.SUBMITTED]


async def test_a_rival_who_releases_at_once_does_not_end_a_job_for_us(bench: Bench) -> None:
    """fault_100: claimed right before us and released right after: it is open again and counts as new."""
    await bench.post()
    claim = bench.registry.claim

    async def sandwich(job_id: int) -> int:
        bench.registry.claim = claim  # type: ignore[method-assign]
        await bench.other.claim(job_id)
        try:
            return await claim(job_id)
        finally:
            await bench.other.release(job_id, Code.STOPPED)

    bench.registry.claim = sandwich  # type: ignore[method-assign]
    assert await bench.service().run(once=True)
    if bench.attempt().stage is Stage.LOST:
        assert await bench.service().run(once=True)
    assert bench.attempt().stage is Stage.SUBMITTED


class SlowToClose(GatedRenderer):
    """What a scene has written in memory takes a while to be freed."""

    @asynccontextmanager
    async def open(
        self, scene: Path, folder: Path | None = None, kernel: Kernel = Kernel.BEST
    ) -> AsyncIterator[FakeSession]:
        """Leaves slowly."""
        async with super().open(scene, folder, kernel) as session:
            try:
                yield session
            finally:
                await asyncio.sleep(0.2)


async def test_a_job_that_is_open_again_waits_until_its_first_attempt_is_over(tmp_path: Path) -> None:
    """fault_100: a scene that is slow to close, and a rival who claims and releases, do not stop the worker.

    Otherwise two attempts at one job are under way, and the end of one is taken for that of the other.
    """
    bench = Bench(tmp_path / "work", renderer=SlowToClose())
    await bench.post()
    claim = bench.registry.claim

    async def sandwich(job_id: int) -> int:
        bench.registry.claim = claim  # type: ignore[method-assign]
        await bench.other.claim(job_id)
        asyncio.get_running_loop().call_later(
            0.02, lambda: releasing.append(asyncio.ensure_future(release()))
        )
        return await claim(job_id)

    async def release() -> None:
        await bench.other.release(1, Code.STOPPED)

    releasing = list[asyncio.Future[None]]()
    bench.registry.claim = sandwich  # type: ignore[method-assign]
    service = bench.service(idle_seconds=0.01)
    working = asyncio.create_task(service.run())
    await until(lambda: working.done() or (bench.journal.by_job and bench.attempt().stage is Stage.SUBMITTED))
    service.drain()
    assert await working, "no bug"
    assert [attempt.stage for attempt in bench.journal.tries.values()] == [Stage.LOST, Stage.SUBMITTED]


async def test_a_lost_race_is_run_again_in_the_same_run(bench: Bench) -> None:
    """Without a restart."""
    await bench.post()
    claim = bench.registry.claim

    async def too_late(job_id: int) -> int:
        bench.registry.claim = claim  # type: ignore[method-assign]
        await bench.other.claim(job_id)
        return await claim(job_id)

    bench.registry.claim = too_late  # type: ignore[method-assign]
    service = bench.service()
    working = asyncio.create_task(service.run())
    await until(lambda: bench.journal.by_job and bench.attempt().stage is Stage.LOST)
    bench.shared.now += LEASE_SECONDS
    await until(lambda: bench.attempt().stage is Stage.SUBMITTED)
    service.drain()
    assert await working


@pytest.mark.parametrize("stage", [Stage.REFUSED, Stage.RELEASED, Stage.PAID, Stage.REFUNDED])
async def test_other_ends_are_ends(bench: Bench, stage: Stage) -> None:
    """Open again or not: it is not tried again."""
    (job,) = await bench.post()
    bench.begin(job, stage)
    assert await bench.service().run(once=True)
    assert stages(bench) == [stage]


async def test_a_lapsed_claim_of_ours_is_not_tried_again(bench: Bench) -> None:
    """The registry would burn a second bond."""
    (job,) = await bench.post()
    await bench.registry.deposit(BOND)
    await bench.registry.claim(1)
    bench.begin(job, Stage.CLAIMED)
    bench.shared.now += LEASE_SECONDS
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.LOST]
    assert bench.shared.moves.count("claim") == 1


async def test_a_claim_that_we_let_lapse_is_not_repeated_after_another(bench: Bench) -> None:
    """The registry bars an account that let a job lapse, whoever had it since."""
    (job,) = await bench.post()
    lost = replace(bench.begin(job, Stage.CLAIMED).to(Stage.LOST, at=1.0), code=Code.LOST)
    bench.amend(lost)
    await bench.other.claim(1)
    bench.shared.now += LEASE_SECONDS
    assert await bench.service().run(once=True)
    assert bench.attempt() == lost


async def test_a_job_is_read_again_right_before_it_is_started(bench: Bench) -> None:
    """If another worker claims it after the poll, nothing is started."""
    await bench.post()
    funds = bench.registry.funds

    async def meanwhile(account: Address) -> Funds:
        if bench.job().state is JobState.OPEN:
            await bench.other.claim(1)
        return await funds(account)

    bench.registry.funds = meanwhile  # type: ignore[method-assign]
    assert await bench.service().run(once=True)
    assert bench.journal.by_job == {}


async def test_two_workers_share_the_jobs(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> None:
    """fault_65: in one loop, with one registry and one store: each job is claimed once."""
    second = Bench(
        tmp_path_factory.mktemp("second"),
        registry=FakeRegistry(OTHER, bench.shared, wallet_fri=WALLET),
        store=bench.store,
        policy=replace(bench.policy, account=OTHER),
    )
    bench.shared.credits[CREATOR] = WALLET
    await bench.post(jobs=20)
    both: list[Service] = [bench.service(slots=3), second.service(slots=3)]
    assert await asyncio.gather(*(service.run(once=True) for service in both)) == [True, True]
    assert {job.state for job in bench.shared.jobs.values()} == {JobState.SUBMITTED}
    assert bench.shared.moves.count("claim") == 20
    assert {job.worker for job in bench.shared.jobs.values()} == {ME, OTHER}


async def test_a_job_that_waits_for_its_stakes_is_told(bench: Bench) -> None:
    """fault_187: on the screen, and by the exit code of `--once`; not while another job is under way."""
    reasons = list[str]()
    bench.context.listener.on_idle = reasons.append  # type: ignore[method-assign, assignment]
    limits = StakeLimits(loss_share=Fraction(0))
    bench.context.policy = replace(bench.context.policy, stakes=limits)
    await bench.post()
    with pytest.raises(HostUnavailable, match="Job 1 is not taken yet: it may cost"):
        await bench.service().run(once=True)
    assert [reason for reason in reasons if "Job 1 is not taken yet" in reason]
    assert bench.journal.by_job == {}
