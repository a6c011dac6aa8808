"""kill -9 at any point: one decision is made, and the same verdict arrives once."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest
from tests.unit.arbiter.bench import Bench, FakeJudge

from veriframe.arbiter import arbiter as module
from veriframe.arbiter.arbiter import Arbiter
from veriframe.errors import StoreUnavailable
from veriframe.model.registry.job import JobState, Verdict
from veriframe.threads import run_briefly


class Killed(BaseException):
    """The process is gone."""


class Countdown:
    """Kills at the n-th call, before or after its effect."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.left, self.after = at, after
        self.calls: list[str] = []

    def wrap(self, owner: Any) -> Any:
        """The same object, whose asynchronous methods count."""
        return _Wrapped(owner, self)

    async def count(self, name: str, call: Any) -> Any:
        """One call."""
        self.calls.append(name)
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Killed
        done = await call()
        if self.left == 0:
            raise Killed
        return done


class _Wrapped:
    def __init__(self, owner: Any, countdown: Countdown) -> None:
        self._owner, self._countdown = owner, countdown

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._owner, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def counted(*arguments: Any, **named: Any) -> Any:
            return await self._countdown.count(name, lambda: found(*arguments, **named))

        return counted


def counting(bench: Bench, countdown: Countdown, monkeypatch: pytest.MonkeyPatch) -> Arbiter:
    """An arbiter whose every await counts: of registry, store, judge and its own files."""

    async def briefly(work: Any, *arguments: Any) -> Any:
        return await countdown.count(work.__name__, lambda: run_briefly(work, *arguments))

    monkeypatch.setattr(module, "run_briefly", briefly)
    return bench.build(
        registry=countdown.wrap(bench.arbiter),
        store=countdown.wrap(bench.store),
        judge=countdown.wrap(bench.judge),
    )


async def test_every_await_is_a_place_to_be_killed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the other tests count through: the order of effects is note, publish, note, look, send."""
    await bench.disputed()
    countdown = Countdown(0, after=False)
    await counting(bench, countdown, monkeypatch).run(once=True)
    effects = [name for name in countdown.calls if name not in ("snapshot", "identity")]
    assert effects == [
        "read",
        "block_hash",
        "judge",
        "note",
        "published",
        "report_file",
        "add",
        "note_published",
        "resolve_dispute",
    ]
    at = countdown.calls.index("resolve_dispute")
    assert countdown.calls[at - 1] == "snapshot"
    assert 12 <= len(countdown.calls) < POINTS


POINTS = 22
"""More calls than a run with one dispute makes."""


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, POINTS))
async def test_a_killed_arbiter_goes_on_where_it_was(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, at: int, after: bool
) -> None:
    """fault_257: a second examination says otherwise, and changes nothing once a decision is noted."""
    job_id = await bench.disputed()
    countdown = Countdown(at, after=after)
    killed = counting(bench, countdown, monkeypatch)
    try:
        await killed.run(once=True)
    except Killed:
        pass
    else:
        assert len(countdown.calls) < at
    monkeypatch.undo()
    was_noted = bool(list((bench.folder / "decisions").glob("*-decision.json")))
    first_judge, bench.judge = bench.judge, FakeJudge()
    bench.judge.verdict, bench.judge.report = Verdict.CREATOR, b'{"version": 1, "other": 1}'
    await bench.run_once()
    await bench.run_once()
    assert len(bench.verdicts) == 1
    assert len(first_judge.judged) <= 1
    assert len(bench.judge.judged) == (0 if was_noted else 1)
    assert await bench.state(job_id) is (JobState.PAID if was_noted else JobState.REFUNDED)
    evidence = [pin for pin in await bench.store.pins() if pin.name.startswith("job-evidence")]
    assert len(evidence) == 1
    assert bench.verdicts == [f"resolve_dispute {evidence[0].cid}"]


async def test_a_published_report_is_not_published_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its CID is noted, so that a verdict arrives although the store is away by then."""
    await bench.disputed()
    countdown = Countdown(0, after=False)
    await counting(bench, countdown, monkeypatch).run(once=True)
    other = Bench(bench.folder / "again")
    await other.disputed()
    killing = Countdown(countdown.calls.index("note_published") + 1, after=True)
    with pytest.raises(Killed):
        await counting(other, killing, monkeypatch).run(once=True)
    monkeypatch.undo()
    assert other.verdicts == []
    other.store.fault = StoreUnavailable("The store is away.")
    await asyncio.wait_for(other.run_once(), 5)
    assert other.verdicts == bench.verdicts
