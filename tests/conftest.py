"""Fixtures for all tests, and the option `--forbid-skips`."""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
from tests.nodes import Devnet, Kubo, NodeMissing, devnet, kubo

EXIT_SECONDS = 120
"""How long the test process may take to exit after its last test."""


def pytest_configure() -> None:
    """Sets the umask, so that tests' files are not writable by others, and lets Ctrl-C reach children.

    A shell starts its background jobs with SIGINT ignored, and all their children inherit that.
    """
    os.umask(0o022)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--forbid-skips`: a skipped test fails the run, so that CI cannot pass by skipping tests."""
    parser.addoption("--forbid-skips", action="store_true", help="fail the run if any test is skipped")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails the run if skips are forbidden and a test was skipped."""
    if not session.config.getoption("--forbid-skips"):
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("Skips are forbidden in this run; see the reasons above.", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None]:
    """Skips a test whose fixtures need a node that is not installed."""
    with _skipping():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    """Skips a test that starts such a node itself."""
    with _skipping():
        yield


@contextmanager
def _skipping() -> Iterator[None]:
    try:
        yield
    except NodeMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session", autouse=True)
def _base_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Creates the base folder first, since a test may change the location of temporary folders."""
    tmp_path_factory.getbasetemp()


@pytest.fixture(scope="session")
def devnet_node() -> Iterator[Devnet]:
    """One StarkNet chain for all tests of a run that use their own contracts and accounts."""
    with devnet() as node:
        yield node


@pytest.fixture
def fresh_devnet() -> Iterator[Devnet]:
    """A StarkNet chain for one test that depends on its time or its blocks."""
    with devnet() as node:
        yield node


@pytest.fixture(scope="session")
def kubo_node() -> Iterator[Kubo]:
    """One IPFS node for all tests of a run that only add, read and pin their own files."""
    with kubo() as node:
        yield node


@pytest.fixture
def fresh_kubo(tmp_path: Path) -> Iterator[Kubo]:
    """An IPFS node for one test that stops, kills, fills or empties it."""
    with kubo(tmp_path / "kubo") as node:
        yield node


@pytest.fixture
def tell_line(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints a line in the run's output, even if the test passes."""

    def tell(line: str) -> None:
        with capsys.disabled():
            print(line)  # noqa: T201 - for the reader of the run

    return tell


@pytest.fixture(autouse=True)
def _log_configuration() -> Iterator[None]:
    """Restores the log's configuration, so that no test writes to a stream of an earlier one."""
    before = structlog.get_config() if structlog.is_configured() else None
    yield
    structlog.reset_defaults()
    if before is not None:
        structlog.configure(**before)


def pytest_unconfigure() -> None:
    """Ends a process that does not exit by itself after the last test, and says what its threads do."""
    faulthandler.dump_traceback_later(EXIT_SECONDS, exit=True, file=2)
