"""The doctor's finding on what there is to earn now."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.bench import Bench

from veriframe.doctor import account
from veriframe.doctor.finding import Verdict
from veriframe.model.attempt.stakes import Stakes
from veriframe.model.quantities import FRI_PER_STRK

HELD = Stakes(free_fri=100 * FRI_PER_STRK, job_fees_fri=FRI_PER_STRK // 100)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A registry, and a creator."""
    return Bench(tmp_path)


async def test_the_best_job_is_shown_with_what_it_pays_and_costs(bench: Bench) -> None:
    """fault_169: reward, expected fees, and the bond at risk, of the best paid job that suits."""
    await bench.post(reward_fri=100)
    await bench.post(reward_fri=300)
    await bench.post(reward_fri=200)
    jobs = list(bench.shared.jobs.values())
    found = account.choose(
        jobs, bench.shared.now, lambda job, _: "it is too good" if job.terms.reward_fri == 300 else ""
    )
    assert ([job.id for job in found.open], [job.id for job in found.suitable]) == ([2, 3, 1], [3, 1])
    finding = account.jobs(found, HELD)
    assert finding.verdict is Verdict.GOOD
    figures = ("0.0000000000000002 STRK", "0.01 STRK", "0.00000000000000001 STRK")
    assert [words for words in ("3 open", "2 for", "job 3", *figures) if words not in finding.detail] == []


async def test_without_a_suitable_job_the_reason_is_shown(bench: Bench) -> None:
    """fault_169: and without any, the fees of one."""
    await bench.post()
    found = account.choose(
        list(bench.shared.jobs.values()), bench.shared.now, lambda *_: "it pays too little"
    )
    assert "it pays too little" in account.jobs(found, HELD).detail
    assert "0.01 STRK" in account.jobs(account.choose([], 0, lambda *_: ""), HELD).detail


async def test_a_single_job_is_counted_as_one(bench: Bench) -> None:
    """No “1 jobs”, and no “none open of the newest 1”."""
    await bench.post()
    jobs = list(bench.shared.jobs.values())
    assert account.jobs(account.choose(jobs, 2**40, lambda *_: ""), HELD).detail.startswith("the only one")
