"""No dispute takes an arbiter's whole time, nor do many urgent ones."""

from __future__ import annotations

import asyncio

from tests.unit.arbiter.bench import BOND, Bench

from veriframe.arbiter.outcome import OutcomeKind


async def test_urgent_disputes_without_end_keep_no_other_waiting(bench: Bench) -> None:
    """fault_266: somebody who is creator and worker at once disputes a job of theirs after each verdict."""
    honest = await bench.disputed(900)
    await bench.disputed(60)

    async def meanwhile() -> None:
        if len(bench.judge.judged) < 10:
            await bench.disputed(60)

    bench.judge.meanwhile = meanwhile
    await bench.run_once()
    assert [job_id for job_id, _ in bench.judge.judged].index(honest) == 1


async def test_one_dispute_does_not_take_all_time(bench: Bench) -> None:
    """fault_267: it is undecided after `dispute_seconds`, and the remedy is told; alone, it has no limit."""
    job_id, other = await bench.disputed(100), await bench.disputed(900)

    async def meanwhile() -> None:
        await asyncio.sleep(0.2 if bench.judge.judged[-1][0] == job_id else 0)

    bench.judge.meanwhile = meanwhile
    await bench.run_once(dispute_seconds=0.1)
    assert bench.kinds == [(job_id, OutcomeKind.UNDECIDED), (other, OutcomeKind.RESOLVED)]
    assert f"(dispute_seconds). Without this limit: veriframe arbiter --job {job_id}." in bench.told[0].reason
    await bench.run_once(dispute_seconds=0.1, only=job_id)
    assert bench.kinds[-1] == (job_id, OutcomeKind.RESOLVED)


async def test_old_and_urgent_disputes_of_little_value_keep_none_waiting(bench: Bench) -> None:
    """fault_266: of somebody who is both parties; the honest one has the highest bond."""
    for _ in range(12):
        await bench.disputed(60)
    honest = await bench.disputed(900, bond_fri=BOND + 1)
    await bench.run_once()
    assert [job_id for job_id, _ in bench.judge.judged].index(honest) == 1


async def test_a_service_tries_again_with_more_time(bench: Bench) -> None:
    """fault_267: what took too long is put off behind all others, and may take twice as long then."""
    job_id, other = await bench.disputed(100), await bench.disputed(900)

    async def meanwhile() -> None:
        await asyncio.sleep(0.15 if bench.judge.judged[-1][0] == job_id else 0)

    bench.judge.meanwhile = meanwhile
    running = asyncio.create_task(bench.build(dispute_seconds=0.1).run(once=False))
    async with asyncio.timeout(20):
        while len(bench.told) < 2:  # noqa: ASYNC110 - the service tells nobody
            await asyncio.sleep(0.02)
    running.cancel()
    assert bench.kinds == [(other, OutcomeKind.RESOLVED), (job_id, OutcomeKind.RESOLVED)]
