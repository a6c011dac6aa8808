"""No dispute takes an arbiter's whole time, nor do many urgent ones."""

from __future__ import annotations

import asyncio

from tests.unit.arbiter.bench import Bench

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
    assert [job_id for job_id, _ in bench.judge.judged].index(honest) == 2


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
