"""What every test may use, and the rule that a run can forbid skips."""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.nodes import Devnet, Kubo, NodeMissing, devnet, kubo

EXIT_SECONDS = 120
"""How long the test process may take to exit after its last test."""


def pytest_configure() -> None:
    """Files of tests are not open to others, whatever the umask of whoever runs them."""
    os.umask(0o022)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--forbid-skips`: a skipped test fails the run, so that CI cannot pass by leaving things out."""
    parser.addoption("--forbid-skips", action="store_true", help="fail the run where any test is skipped")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run where skips are forbidden and a test was skipped."""
    if not session.config.getoption("--forbid-skips"):
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("Skips are forbidden in this run; see the reasons above.", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None]:
    """A test whose fixtures need a node that is not here is skipped."""
    with _skipping():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    """And so is one that starts the node itself."""
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
    """Folders of tests are where they always are, also where the first test moves temporary folders."""
    tmp_path_factory.getbasetemp()


@pytest.fixture(scope="session")
def devnet_node() -> Iterator[Devnet]:
    """One StarkNet chain for all tests of a run: for tests that bring contracts and accounts of their own."""
    with devnet() as node:
        yield node


@pytest.fixture
def fresh_devnet() -> Iterator[Devnet]:
    """A StarkNet chain for one test: where its time or its blocks matter."""
    with devnet() as node:
        yield node


@pytest.fixture(scope="session")
def kubo_node() -> Iterator[Kubo]:
    """One IPFS node for all tests of a run: for tests that only add, read and pin files of their own."""
    with kubo() as node:
        yield node


@pytest.fixture
def fresh_kubo(tmp_path: Path) -> Iterator[Kubo]:
    """An IPFS node for one test: where it is stopped, killed, filled or emptied."""
    with kubo(tmp_path / "kubo") as node:
        yield node


@pytest.fixture
def tell_line(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints a line in the run's output, whether the test fails or not."""

    def tell(line: str) -> None:
        with capsys.disabled():
            print(line)  # noqa: T201 - for whoever reads the run

    return tell


def pytest_unconfigure() -> None:
    """Ends a process that does not exit by itself after the last test, and says what its threads do."""
    faulthandler.dump_traceback_later(EXIT_SECONDS, exit=True, file=2)
