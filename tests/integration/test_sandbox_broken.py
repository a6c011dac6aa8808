"""Sandboxes with one protection removed: the self-test detects each."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from veriframe.adapters.blender.runtimes import CONFINE
from veriframe.adapters.blender.sandbox.command import SandboxCommand
from veriframe.adapters.blender.sandbox.levels import bubblewrap, launcher, unnamespaced
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.adapters.blender.sandbox.levels.unnamespaced import UnnamespacedSandbox
from veriframe.adapters.blender.sandbox.run import Level, SandboxedRun
from veriframe.adapters.blender.sandbox.selftest import selftest

NO_FILTER = ("--seccomp", 2, ())
"""The filter's own descriptor stays open inside because bubblewrap does not read it."""
FILTERED = {
    *("attach_lists", "call_kernel", "inherit_files", "limit_outside", "make_set_uid", "watch_programs")
}
"""The attacks that only the filter holds at STRICT."""
SHARED_NETWORK = ("--cap-drop", 0, ("--share-net",))
SHARED_PROCESSES = ("--unshare-all", 1, ("--unshare-ipc", "--unshare-net", "--unshare-uts"))
UNCONFINED = (str(CONFINE), 1, ())
HOST_PROCESSES = ("--proc", 2, ("--bind", "/proc", "/proc"))


class LeakyStrict(BubblewrapSandbox):
    """STRICT with words of the inner command line removed or inserted.

    Each change: the word to find, how many words to remove from there, and their replacement.
    """

    def __init__(self, *changes: tuple[str, int, tuple[str, ...]]) -> None:
        super().__init__(nested=False, use_cgroup=False)
        self._changes = changes

    def _argv(self, run: SandboxedRun, given: Any) -> list[str]:
        argv = super()._argv(run, given)
        for word, gone, instead in self._changes:
            # Paths occur in the binds first, and then in the command.
            at = (
                len(argv) - 1 - argv[::-1].index(word)
                if word in argv[argv.index("--") :]
                else argv.index(word)
            )
            argv[at : at + gone] = instead
        return argv


@pytest.mark.parametrize(
    ("changes", "singing"),
    [
        ((), set()),
        ((NO_FILTER,), FILTERED),
        ((NO_FILTER, SHARED_NETWORK), FILTERED | {"connect_network", "connect_unix"}),
        ((SHARED_PROCESSES, HOST_PROCESSES, UNCONFINED), {"leave_process", "see_processes"}),
        ((("--remount-ro", 2, ()), ("--remount-ro", 2, ())), {"lower_oom_score"}),
        ((("--cap-drop", 2, ("--cap-add", "ALL")),), {"keep_privileges"}),
        ((("--symlink", 0, ("--ro-bind", "/etc", "/etc")),), {"read_accounts"}),
        (
            (("--remount-ro", 0, ("--bind", "/tmp", "/tmp")),),
            {"write_outside", "read_secret", "change_outside"},
        ),
    ],
    ids=[
        "whole",
        "no filter",
        "network too",
        "host's processes",
        "writable /proc",
        "capabilities",
        "host's /etc",
        "host's /tmp",
    ],
)
async def test_a_missing_protection_of_strict_is_detected(
    changes: tuple[tuple[str, int, tuple[str, ...]], ...], singing: set[str]
) -> None:
    """fault_24, fault_26, fault_27: exactly the attacks that the removed protection held."""
    results = await selftest.run_self_test(LeakyStrict(*changes))
    assert singing == {result.name for result in selftest.broken(Level.STRICT, results)}


async def test_tables_of_mounts_are_hidden_by_what_starts_the_scripts() -> None:
    """A new /proc alone still shows them, with the user and the job in every path."""
    results = {result.name: result for result in await selftest.run_self_test(LeakyStrict(UNCONFINED))}
    assert not results["see_mounts"].held
    results = {result.name: result for result in await selftest.run_self_test(LeakyStrict())}
    assert results["see_mounts"].held


@pytest.mark.parametrize("live", [False, True])
async def test_a_writable_scene_is_detected(live: bool) -> None:
    """One wrong flag of one bind is detected, also if only a sandbox that waits for its input has it."""

    class Writable(BubblewrapSandbox):
        def _argv(self, run: SandboxedRun, given: Any) -> list[str]:
            argv = super()._argv(run, given)
            for at, word in enumerate(argv):
                if run.live is live and word == "/selftest/shown" and argv[at - 2] == "--ro-bind":
                    argv[at - 2] = "--bind"
            return argv

    results = await selftest.run_self_test(Writable(use_cgroup=False))
    assert {"write_shown"} == {result.name for result in selftest.broken(Level.STRICT, results)}


async def test_an_inherited_file_is_detected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An open file bypasses every other protection."""
    (tmp_path / "key").write_text("secret")
    descriptor = os.open(tmp_path / "key", os.O_RDONLY)
    whole = SandboxCommand

    def leaky(*, descriptors: tuple[int, ...], **rest: Any) -> SandboxCommand:
        return whole(descriptors=(*descriptors, descriptor), **rest)

    for module in (bubblewrap, unnamespaced):
        monkeypatch.setattr(module, "SandboxCommand", leaky)
    try:
        results = await selftest.run_self_test(BubblewrapSandbox())
    finally:
        os.close(descriptor)
    assert {"inherit_files"} == {result.name for result in selftest.broken(Level.STRICT, results)}


FILES = {"read_secret", "read_accounts", "write_outside", "write_shown", "see_processes"}


@pytest.mark.parametrize(
    ("hole", "singing"),
    [
        (lambda plan: plan, set()),
        (lambda plan: {**plan, "landlock": False}, FILES),
        (
            lambda plan: {**plan, "filter_fd": None},
            {
                *("attach_lists", "call_kernel", "make_namespace", "connect_network", "change_outside"),
                *("limit_outside", "make_set_uid"),
            },
        ),
    ],
    ids=["whole", "no Landlock", "no filter"],
)
async def test_a_missing_protection_of_landlock_is_detected(
    monkeypatch: pytest.MonkeyPatch,
    hole: Callable[[dict[str, Any]], dict[str, Any]],
    singing: set[str],
) -> None:
    """Also if only one of its two protections is missing."""
    whole = launcher.LaunchPlan

    def leaky(**plan: Any) -> Any:
        return whole(**hole(plan))

    monkeypatch.setattr(launcher, "LaunchPlan", leaky)
    results = await selftest.run_self_test(UnnamespacedSandbox(Level.LANDLOCK, use_cgroup=False))
    assert singing <= {result.name for result in selftest.broken(Level.LANDLOCK, results)}
    assert bool(singing) == bool(selftest.broken(Level.LANDLOCK, results))
