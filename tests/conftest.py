"""What every test may use, and the rule that a run can forbid skips."""

from __future__ import annotations

import pytest


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
