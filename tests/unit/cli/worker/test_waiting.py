"""`veriframe worker` at its start: it waits for what is away, and stops at once if told to."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import stamina
from structlog.testing import capture_logs
from tests.fakes.bench import Bench
from tests.fakes.registry import FakeRegistry
from tests.unit.cli.test_register import RegisteringRegistry

from veriframe.cli import context, opening
from veriframe.cli.worker import command
from veriframe.cli.worker.views import LogOnly
from veriframe.cli.worker.watching import Watching
from veriframe.errors import MoveRefused, RegistryUnavailable, SettingsError, StoreUnavailable
from veriframe.ports.registry import OpenedRegistry
from veriframe.settings import Settings, load
from veriframe.wiring import renderers, workers
from veriframe.worker.context import WorkerContext
from veriframe.worker.overview.overview import Who

AWAY = "No StarkNet node answers now. Start one."


class Start:
    """A worker that is started. `answers` are what opening its registry gives, one after the other."""

    def __init__(self, bench: Bench, patched: pytest.MonkeyPatch) -> None:
        self.bench, self.answers = bench, list[Exception | OpenedRegistry]()
        self.on_open: Callable[[], None] = lambda: None
        patched.setattr(opening, "opened", self._open)
        patched.setattr(renderers, "build_renderer", self._renderer)
        patched.setattr(workers, "build_context", self._context)

    def run(self, *, once: bool = False) -> int:
        """Runs the worker to its end. Returns the exit code."""
        loaded = load({"home": str(self.bench.folder), "poll_seconds": "0.001"}, {})
        who = Who(account="worker", home="a folder", registry="a registry", store="a store")
        watching = Watching(who, LogOnly(), self.bench.folder / "status")
        work = partial(command._work, loaded, "worker", None, watching, once, None)
        return context.run(command._until_stopped(work, watching))

    async def _open(self, _settings: Settings, *_: object) -> OpenedRegistry:
        self.on_open()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _renderer(self, _settings: Settings) -> object:
        return self.bench.renderer

    def _context(
        self, _settings: Settings, _account: str, registry: FakeRegistry, *_: object
    ) -> WorkerContext:
        return replace(self.bench.context, registry=registry)


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """A worker on fakes."""
    context.read_settings(None, [], {"home": str(tmp_path / "home")})
    yield Start(Bench(tmp_path / "work"), monkeypatch)
    context.finish()


@pytest.fixture
def _no_waiting() -> Iterator[None]:
    """Retries happen at once."""
    with stamina.set_testing(True, attempts=10**9):
        yield


@pytest.mark.usefixtures("_no_waiting")
def test_a_worker_waits_for_a_registry_that_is_away(start: Start) -> None:
    """fault_167: it says for what and since when, and begins once the registry is there."""
    away = RegistryUnavailable(AWAY)
    start.answers = [away, away, OpenedRegistry(worker=start.bench.registry)]

    def stop_later() -> None:
        if len(start.answers) == 1:
            asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGTERM)

    start.on_open = stop_later
    with capture_logs() as lines:
        assert start.run() == 0
    waits = [line for line in lines if line["event"] == "waiting"]
    assert [line["reason"] for line in waits] == [AWAY, AWAY]
    assert all(line["since"].endswith("UTC") for line in waits)
    events = [line["event"] for line in lines]
    assert events.index("waiting_over") < events.index("worker_started") < events.index("worker_stopped")


def test_a_worker_that_waits_stops_at_once(start: Start) -> None:
    """fault_167: nothing is claimed yet, so the first signal suffices; exit code 0."""
    start.answers = [RegistryUnavailable(AWAY)]
    start.on_open = lambda: os.kill(os.getpid(), signal.SIGINT)
    with capture_logs() as lines:
        assert start.run() == 0
    assert [line["event"] for line in lines if line["event"].startswith("worker_")] == ["worker_stopping"]


def test_once_does_not_wait_for_a_store(start: Start) -> None:
    """fault_168: a script must try again."""
    start.answers = [OpenedRegistry(worker=start.bench.registry)]
    start.bench.store.fault = StoreUnavailable("The IPFS node does not answer. Start it.")
    with pytest.raises(StoreUnavailable):
        start.run(once=True)


@pytest.mark.parametrize(
    ("error", "once"),
    [
        (SettingsError("wrong chain"), False),
        (SettingsError("wrong"), True),
        (RegistryUnavailable(AWAY), True),
    ],
)
def test_what_waiting_does_not_help_ends_the_worker(start: Start, error: Exception, once: bool) -> None:
    """fault_167: a wrong setting; and with --once, a registry that is away."""
    start.answers = [error]
    with pytest.raises(type(error)):
        start.run(once=once)


def test_an_account_that_is_not_admitted_is_told_so(start: Start) -> None:
    """fault_171: once at the start, with the remedy; --once does not end as if all were well."""
    registry = RegisteringRegistry()
    start.answers = [OpenedRegistry(worker=registry, membership=registry)]
    with capture_logs() as lines, pytest.raises(MoveRefused, match="account register"):
        start.run(once=True)
    told = [line for line in lines if line["event"] == "account_not_admitted"]
    assert [("account register" in line["remedy"], line["standing"]) for line in told] == [
        (True, "not registered, not verified")
    ]


def test_an_admitted_account_works(start: Start) -> None:
    """fault_171: nothing is said, and --once ends well."""
    registry = RegisteringRegistry()
    registry.worker = replace(registry.worker, is_registered=True, is_verified=True)
    start.answers = [OpenedRegistry(worker=registry, membership=registry)]
    with capture_logs() as lines:
        assert start.run(once=True) == 0
    assert "account_not_admitted" not in [line["event"] for line in lines]


def test_a_new_account_with_a_given_name_is_a_warning(tmp_path: Path) -> None:
    """fault_155: `--account wokrer worker` earns for an account that nobody meant."""
    for named, level in (({}, "info"), ({"account": "wokrer"}, "warning")):
        context.read_settings(None, [], {"home": str(tmp_path), **named})
        with capture_logs() as logged:
            command._log_new_account("wokrer")
        assert [(line["event"], line["log_level"]) for line in logged] == [("account_created", level)]
