"""What the worker tells its listeners, and that none of them can harm it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.fakes.bench import Bench, stages, until

from veriframe.errors import HostUnavailable, RegistryUnavailable, StoreUnavailable
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.rendering.frames import Progress
from veriframe.ports.store import Transfer
from veriframe.worker.listener import Harmless, Listener, Listeners, Pauses

ATTEMPT = Attempt(job_id=3, asset_cid="bafk", reward_fri=5, number=1)
CALLS: dict[str, tuple[Any, ...]] = {
    "on_attempt": (ATTEMPT,),
    "on_stage": (ATTEMPT, ATTEMPT.to(Stage.FETCHED, at=1.0)),
    "on_progress": (
        3,
        Progress(phase="rendering", frame=1, done=0, total=1, fraction=0.5, seconds=1.0, memory_bytes=1),
    ),
    "on_transfer": (3, "scene", Transfer(done_bytes=1, total_bytes=2)),
    "on_wait": (3, "a renderer"),
    "on_idle": ("The disk is full.",),
}


class Told(Listener):
    """Notes all calls."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        for name in CALLS:
            setattr(self, name, lambda *arguments, name=name: self._note(name, arguments, error))

    def _note(self, name: str, arguments: tuple[Any, ...], error: Exception | None) -> None:
        self.calls.append((name, arguments))
        if error is not None:
            raise error


def test_the_calls_above_are_all_there_are() -> None:
    """A new one must be passed on, too."""
    assert set(CALLS) == {name for name in vars(Listener) if name.startswith("on_")}


@pytest.mark.parametrize("name", CALLS)
def test_each_call_reaches_each_listener(name: str) -> None:
    """With its arguments, also through one that is held harmless."""
    first, second = Told(), Told()
    getattr(Listeners([first, Harmless(second)]), name)(*CALLS[name])
    assert first.calls == second.calls == [(name, CALLS[name])]


@pytest.mark.parametrize("name", CALLS)
def test_a_harmless_listener_fails_once(name: str) -> None:
    """fault_180: the error is logged with its traceback, and the listener is left out from then on."""
    failing, other = Told(ZeroDivisionError()), Told()
    listeners = Listeners([Harmless(failing), other])
    with capture_logs() as lines:
        getattr(listeners, name)(*CALLS[name])
        listeners.on_idle("")
    assert [line["event"] for line in lines] == ["listener_failed"]
    assert len(failing.calls) == 1
    assert len(other.calls) == 2


def test_the_oldest_reason_for_a_pause_is_told() -> None:
    """fault_187: one reason at a time, each change once, and an empty text when there is none any more."""
    told = Told()
    pauses = Pauses(told)
    pauses.note("machine", "")
    pauses.note("machine", "The disk is full.")
    pauses.note("work_hours", "It is not night.")
    pauses.note("machine", "The disk is still full.")
    pauses.note("machine", "")
    pauses.note("machine", "")
    pauses.note("work_hours", "")
    reasons = ["The disk is full.", "The disk is still full.", "It is not night.", ""]
    assert told.calls == [("on_idle", (reason,)) for reason in reasons]
    assert pauses.reason == ""


def waits_of(told: Told, name: str) -> list[str]:
    """The texts of `on_wait` or `on_idle`."""
    return [arguments[-1] for call, arguments in told.calls if call == name]


async def test_a_registry_that_is_away_is_why_nothing_is_claimed(bench: Bench) -> None:
    """fault_187: from the first poll that fails to the first that does not."""
    told = Told()
    bench.context.listener.add(told)
    bench.shared.faults += 5 * [RegistryUnavailable("The registry is away.")]
    service = bench.service()
    working = asyncio.create_task(service.run())
    await until(lambda: len(waits_of(told, "on_idle")) == 2)
    service.drain()
    assert await working
    first, second, stopping = waits_of(told, "on_idle")
    assert (first, second) == ("The registry is away.", "")
    assert stopping


async def test_a_full_disk_is_why_nothing_is_claimed(bench: Bench) -> None:
    """fault_187: fault_101's pause, told while it lasts."""
    told = Told()
    bench.context.listener.add(told)
    await bench.post()
    bench.context = replace(bench.context, disk_free_bytes=2**62)
    service = bench.service()
    working = asyncio.create_task(service.run())
    await until(lambda: waits_of(told, "on_idle"))
    service.drain()
    assert await working
    with pytest.raises(HostUnavailable) as full:
        bench.context.workspace.require_free(2**62)
    assert waits_of(told, "on_idle")[0].split(":")[0] == str(full.value).split(":")[0]


async def test_a_job_says_what_is_unavailable(bench: Bench) -> None:
    """fault_102: a store that does not answer, until it does."""
    told = Told()
    bench.context.listener.add(told)
    await bench.post()
    bench.store.fault = StoreUnavailable("The store is away.")
    service = bench.service()
    working = asyncio.create_task(service.run())
    await until(lambda: "The store is away." in waits_of(told, "on_wait"))
    bench.store.fault = None
    await until(lambda: stages(bench) == [Stage.SUBMITTED])
    service.drain()
    assert await working
    assert stages(bench) == [Stage.SUBMITTED]
    last = [text for text in waits_of(told, "on_wait") if text in ("", "The store is away.")][-1]
    assert last == ""


async def test_attempts_of_earlier_runs_are_told_as_new_ones(bench: Bench) -> None:
    """At the start those of the journal, then each that begins."""
    told = Told()
    bench.context.listener.add(told)
    old, _ = await bench.post(jobs=2)
    bench.begin(old, Stage.CHECKED)
    assert await bench.service().run(once=True)
    known = [arguments[0] for call, arguments in told.calls if call == "on_attempt"]
    known = [attempt for attempt in known if attempt.stage is not Stage.SUBMITTED]
    assert [(attempt.job_id, attempt.stage) for attempt in known] == [(1, Stage.CHECKED), (2, Stage.SEEN)]
