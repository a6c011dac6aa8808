"""The arbiter serves its disputes by urgency, waits for their blocks, and leaves what it cannot decide."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from unittest.mock import AsyncMock

import pytest
import structlog
from tests.unit.arbiter.bench import BOND, REPORT, REWARD, WORKER, Bench

from veriframe.arbiter.decisions import Decision, Decisions
from veriframe.arbiter.judge import Judgement
from veriframe.arbiter.outcome import OutcomeKind
from veriframe.errors import (
    Code,
    JobRejected,
    MoveRefused,
    RegistryUnavailable,
    SettingsError,
    StoreUnavailable,
)
from veriframe.model.registry.job import Address, JobState, Verdict
from veriframe.ports.registry import read_job


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        (Verdict.WORKER, JobState.PAID),
        (Verdict.CREATOR, JobState.REFUNDED),
        (Verdict.NEITHER, JobState.PAID),
    ],
)
async def test_a_verdict_is_sent_with_its_report(bench: Bench, verdict: Verdict, state: JobState) -> None:
    """The report is published and pinned as evidence, and its CID goes to the registry."""
    job_id = await bench.disputed()
    bench.judge.verdict = verdict
    await bench.run_once()
    report_cid = bench.store.keep(REPORT)
    assert bench.verdicts == [f"resolve_dispute {report_cid}"]
    assert await bench.state(job_id) is state
    pins = [pin for pin in await bench.store.pins() if pin.cid == report_cid]
    assert [pin.name for pin in pins] == [f"job-evidence-fake-0xc3-{job_id}"]
    (told,) = bench.told
    assert (told.kind, told.verdict, told.report_cid) == (OutcomeKind.RESOLVED, verdict, report_cid)
    assert told.after is not None
    assert told.after.job.state is state


async def test_the_money_of_a_cheat(bench: Bench) -> None:
    """The creator has everything back, and the worker's bond is burned."""
    await bench.disputed()
    before = bench.shared.credits[Address(0xA1)]
    bench.judge.verdict = Verdict.CREATOR
    await bench.run_once()
    assert bench.shared.credits[Address(0xA1)] - before == REWARD + BOND
    assert bench.shared.burned_fri == BOND
    assert bench.shared.credits[WORKER] == 0


async def test_the_most_urgent_dispute_is_judged_first(bench: Bench) -> None:
    """Also one that comes while another is judged; disputes of other arbiters are left.

    fault_266: but every second one: by its bond, or by its age.
    """
    late, soon, _, middle = [
        await bench.disputed(900),
        await bench.disputed(100),
        await bench.disputed(50, arbiter=Address(0xD4)),
        await bench.disputed(500),
    ]
    came: list[int] = []

    async def meanwhile() -> None:
        if not came:
            came.append(await bench.disputed(200))

    bench.judge.meanwhile = meanwhile
    await bench.run_once()
    assert [job_id for job_id, _ in bench.judge.judged] == [soon, late, came[0], middle]


async def test_a_dispute_waits_for_the_block_after_it(bench: Bench) -> None:
    """fault_250: nothing is judged before its seed exists; others are, and it is told once in the log."""
    job_id, other = await bench.disputed(100), await bench.disputed(900)
    waiting = await read_job(bench.creator, job_id)
    hidden = waiting.disputed_block + 1
    real, asked = bench.arbiter.block_hash, 0

    async def block_hash(number: int) -> int | None:
        nonlocal asked
        asked += number == hidden
        return None if number == hidden and asked < 4 else await real(number)

    bench.arbiter.block_hash = block_hash  # type: ignore[method-assign]
    with structlog.testing.capture_logs() as lines:
        await bench.run_once()
    assert [one for one, _ in bench.judge.judged] == [other, job_id]
    assert bench.judge.judged[1] == (job_id, hidden)
    assert [line["block"] for line in lines if line["event"] == "dispute_waits"] == [hidden]


@pytest.mark.parametrize(
    "said",
    [
        Judgement(verdict=None, reason="Another Blender.", report=REPORT),
        JobRejected(Code.VERSION, "Another Blender."),
        MoveRefused("ANY", "Another Blender."),
        ZeroDivisionError("a bug in the examination"),
        TimeoutError("a bug, too"),
    ],
)
async def test_what_cannot_be_decided_is_told_in_time(bench: Bench, said: Judgement | Exception) -> None:
    """fault_258: once a run, with the time that is left; other disputes are served, nothing is published."""
    job_id, other = await bench.disputed(100), await bench.disputed(900)
    bench.judge.says[job_id] = said
    with structlog.testing.capture_logs() as lines:
        await bench.run_once()
    assert bench.kinds == [(job_id, OutcomeKind.UNDECIDED), (other, OutcomeKind.RESOLVED)]
    (line,) = [line for line in lines if line["event"] == "dispute_undecided"]
    assert (line["job_id"], line["seconds_left"], line["log_level"]) == (job_id, 100, "warning")
    is_bug = isinstance(said, ZeroDivisionError | TimeoutError)
    assert ("Another Blender." in bench.told[0].reason) is not is_bug
    assert [line["event"] for line in lines].count("judge_failed") == is_bug
    assert await bench.state(job_id) is JobState.DISPUTED
    assert len(bench.verdicts) == 1


async def test_an_undecided_dispute_is_judged_once_a_run(bench: Bench) -> None:
    """A service goes on looking, and judges it again only after a restart."""
    job_id = await bench.disputed()
    bench.judge.verdict = None
    running = asyncio.create_task(bench.build().run(once=False))
    await asyncio.sleep(0.1)
    later = await bench.disputed()
    await asyncio.sleep(0.1)
    running.cancel()
    assert [one for one, _ in bench.judge.judged] == [job_id, later]
    await bench.run_once()
    assert [one for one, _ in bench.judge.judged] == [job_id, later, job_id, later]


async def test_an_outage_puts_a_dispute_off_and_serves_the_others(bench: Bench) -> None:
    """fault_259: it is tried again with growing pauses; whatever else fails is not."""
    first, second = await bench.disputed(100), await bench.disputed(900)
    bench.judge.says[first] = StoreUnavailable("The store is away.")
    bench.shared.faults.append(RegistryUnavailable("No node answers."))

    async def meanwhile() -> None:
        if bench.judge.judged.count(bench.judge.judged[-1]) == 2:
            del bench.judge.says[first]

    bench.judge.meanwhile = meanwhile
    with structlog.testing.capture_logs() as lines:
        await bench.run_once()
    assert [one for one, _ in bench.judge.judged] == [first, second, first]
    assert bench.kinds == [(second, OutcomeKind.RESOLVED), (first, OutcomeKind.RESOLVED)]
    assert [line["job_id"] for line in lines if line["event"] == "dispute_put_off"] == [first]


async def test_a_wrong_setting_ends_the_command(bench: Bench) -> None:
    """As a Blender that does not exist: waiting would not help."""
    job_id = await bench.disputed()
    bench.judge.says[job_id] = SettingsError("BLENDER_PATH names no Blender.")
    with pytest.raises(SettingsError, match="BLENDER_PATH"):
        await bench.run_once()
    assert bench.verdicts == []


async def test_a_dry_run_sends_nothing(bench: Bench) -> None:
    """Nothing is noted, published or moved; the verdict is told."""
    job_id = await bench.disputed()
    pins = await bench.store.pins()
    await bench.run_once(is_dry=True)
    assert [(one.kind, one.verdict) for one in bench.told] == [(OutcomeKind.JUDGED, Verdict.WORKER)]
    assert bench.shared.moves == []
    assert await bench.store.pins() == pins
    assert not (bench.folder / "decisions").exists()
    assert await bench.state(job_id) is JobState.DISPUTED


async def test_one_job_alone(bench: Bench) -> None:
    """Others are left, though they are more urgent; a job that is no dispute of ours is refused."""
    urgent, wanted = await bench.disputed(100), await bench.disputed(900)
    foreign = await bench.disputed(900, arbiter=Address(0xD4))
    await bench.run_once(only=wanted)
    assert [one for one, _ in bench.judge.judged] == [wanted]
    assert await bench.state(urgent) is JobState.DISPUTED
    with pytest.raises(SettingsError, match="PAID, not disputed"):
        await bench.run_once(only=wanted)
    with pytest.raises(SettingsError, match="another arbiter"):
        await bench.run_once(only=foreign)
    with pytest.raises(MoveRefused):
        await bench.run_once(only=99)


async def test_nothing_is_sent_after_the_end_of_the_arbitration(bench: Bench) -> None:
    """It ended before the dispute was seen, or while it was judged; then the decision is not sent."""
    past, during = await bench.disputed(100), await bench.disputed(900)
    bench.shared.now += 100

    async def meanwhile() -> None:
        bench.shared.now += 800

    bench.judge.meanwhile = meanwhile
    await bench.run_once()
    assert [one for one, _ in bench.judge.judged] == [during]
    assert bench.kinds == [(past, OutcomeKind.OVER), (during, OutcomeKind.OVER)]
    assert bench.verdicts == []


async def test_a_judge_that_takes_too_long_is_stopped(bench: Bench) -> None:
    """At the end of the arbitration a verdict is worth nothing, and others wait."""
    slow, other = await bench.disputed(60), await bench.disputed(900)
    bench.shared.now += 59

    async def meanwhile() -> None:
        if len(bench.judge.judged) == 1:
            await asyncio.sleep(30)

    bench.judge.meanwhile = meanwhile
    await bench.run_once()
    assert bench.kinds == [(slow, OutcomeKind.UNDECIDED), (other, OutcomeKind.RESOLVED)]
    assert "ended" in bench.told[0].reason


async def test_a_refused_verdict_is_told(bench: Bench) -> None:
    """As for the lack of money for the fee: it is not sent again and again, but after a restart."""
    job_id = await bench.disputed()
    real = bench.arbiter.resolve_dispute

    async def refuse(*_: object) -> None:
        raise MoveRefused("INSUFFICIENT_FUNDS", "The wallet is empty.")

    bench.arbiter.resolve_dispute = refuse  # type: ignore[assignment,method-assign]
    await bench.run_once()
    assert [(one.kind, one.reason) for one in bench.told] == [(OutcomeKind.REFUSED, "The wallet is empty.")]
    bench.arbiter.resolve_dispute = real  # type: ignore[method-assign]
    await bench.run_once()
    assert bench.kinds[1:] == [(job_id, OutcomeKind.RESOLVED)]
    assert len(bench.judge.judged) == 1


async def test_a_reorganisation_that_undoes_a_verdict_gets_the_same_again(bench: Bench) -> None:
    """The decision stands; a node that merely lags behind the verdict is not believed."""
    job_id = await bench.disputed()
    disputed = bench.shared.jobs[job_id]
    arbiter = bench.build()
    await arbiter.run(once=True)
    paid = bench.shared.jobs[job_id]
    bench.judge.verdict = Verdict.CREATOR
    bench.shared.jobs[job_id] = disputed
    await arbiter.run(once=True)
    assert len(bench.verdicts) == 1
    bench.shared.now += 30
    bench.shared.escrows[job_id] = REWARD + 2 * BOND
    await arbiter.run(once=True)
    assert len(bench.verdicts) == 2
    assert bench.shared.jobs[job_id] == paid
    assert len(bench.judge.judged) == 1


async def test_a_node_that_lags_does_not_make_a_verdict_look_late(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_354: it lists the dispute once more, and the next answer is of the time after the verdict."""
    disputed = bench.shared.jobs[await bench.disputed()]
    arbiter = bench.build()
    await arbiter.run(once=True)
    lists = AsyncMock(side_effect=[[disputed], []])
    monkeypatch.setattr(arbiter._docket, "read", lists)
    await arbiter.run(once=True)
    assert lists.await_count == 2
    assert bench.kinds == [(disputed.id, OutcomeKind.RESOLVED)]


async def test_a_damaged_decision_is_never_replaced(bench: Bench) -> None:
    """It may have been sent: a person has to look."""
    job_id = await bench.disputed()
    job = await read_job(bench.creator, job_id)
    decisions = Decisions(bench.folder / "decisions")
    decision = Decision(
        job_id=job_id, result_cid=job.result_cid, verdict=Verdict.CREATOR, reason="Seen.", report=REPORT
    )
    assert decisions.read(job) is None
    decisions.note(decision)
    assert decisions.read(job) == decision
    assert decisions.read(replace(job, result_cid="another")) is None
    with pytest.raises(SettingsError, match="decided meanwhile"):
        decisions.note(replace(decision, verdict=Verdict.WORKER))
    (file,) = (bench.folder / "decisions").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text(file.read_text().replace("CREATOR", "JUDGE"))
    with pytest.raises(SettingsError, match="is damaged"):
        await bench.run_once()
    assert bench.verdicts == []
