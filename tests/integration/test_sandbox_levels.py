"""Real attacks at each level: each level holds what it promises and what the docs say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from tools import security_table

from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.adapters.blender.sandbox.levels.unnamespaced import UnnamespacedSandbox
from veriframe.adapters.blender.sandbox.limits import cgroup
from veriframe.adapters.blender.sandbox.run import Level
from veriframe.adapters.blender.sandbox.selftest import selftest
from veriframe.adapters.blender.sandbox.selftest.selftest import BOMBS, PROMISES, QUICK

# Attacks that never end are given so many seconds.
pytestmark = pytest.mark.alone

ONLY_LIMITS = {
    *("inherit_files", "take_memory", "fork_much", "start_threads", "fill_output", "nest_folders"),
    "run_for_ever",
}
HELD: Mapping[Level, set[str]] = {
    Level.STRICT: {*QUICK, *BOMBS},
    Level.LANDLOCK: {*QUICK, *BOMBS} - {"leave_process", "hide_output"},
    Level.CONTAINER: ONLY_LIMITS,
    Level.NONE: ONLY_LIMITS,
}
"""The attacks that are held without a control group, on a kernel whose Landlock covers signals (ABI 6)."""


@pytest.fixture(scope="module")
def measured() -> security_table.Measured:
    """Makes all attacks at all levels, once."""
    return asyncio.run(security_table.measure())


@pytest.mark.parametrize("level", list(Level))
def test_exactly_the_expected_attacks_are_held(measured: security_table.Measured, level: Level) -> None:
    """fault_23, fault_24, fault_25, fault_26, fault_27, fault_28, fault_31, fault_92, fault_94, fault_96.

    No fewer and no more: an attack that a weak level holds by chance would make the table claim too much.
    """
    results = measured[level]
    assert {*QUICK, *BOMBS} == {result.name for result in results if result.attempted}
    assert HELD[level] == {result.name for result in results if result.held}


@pytest.mark.parametrize("level", list(Level))
def test_every_level_keeps_its_promises(measured: security_table.Measured, level: Level) -> None:
    """The doctor and the worker rely on them."""
    assert selftest.broken(level, measured[level]) == []


def test_a_stronger_level_promises_all_of_a_weaker_one() -> None:
    """The levels are ordered by strength."""
    for weaker, stronger in zip(list(Level), list(Level)[1:], strict=False):
        assert PROMISES[weaker] <= PROMISES[stronger]


@pytest.mark.skipif(cgroup.find() is None, reason="needs a control group that can be written: run as root")
@pytest.mark.parametrize(
    "sandbox", [BubblewrapSandbox(), UnnamespacedSandbox(Level.LANDLOCK)], ids=["strict", "landlock"]
)
async def test_a_control_group_holds_everything(sandbox: BubblewrapSandbox | UnnamespacedSandbox) -> None:
    """fault_31, fault_45: the kernel counts memory and processes, and no daemon escapes."""
    results = await selftest.run_self_test(sandbox, bombs=True)
    assert sandbox.memory_held_by.startswith("cgroup")
    # Control groups do not count the host's disk.
    disk = set() if sandbox.level is Level.STRICT else {"hide_output"}
    assert disk == {result.name for result in results if not result.held}


def test_the_table_in_the_docs_is_the_measured_one(measured: security_table.Measured) -> None:
    """`make security-table` writes it; it is not edited by hand."""
    assert (
        security_table.with_table(security_table.PAGE.read_text(), measured)
        == security_table.PAGE.read_text()
    )
