"""The selection of a sandbox: never silently weaker than required, and with an exact remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from veriframe.adapters.blender.sandbox import selection
from veriframe.adapters.blender.sandbox.run import Level, Sandbox
from veriframe.adapters.blender.sandbox.selection import Host, remedy
from veriframe.adapters.blender.sandbox.selftest import selftest
from veriframe.adapters.blender.sandbox.selftest.selftest import PROMISES, AttackResult
from veriframe.errors import SettingsError

HOST = Host(
    bubblewrap=True,
    setpriv=True,
    root=True,
    user_namespaces=1000,
    apparmor_restricts=False,
    container=False,
    landlock_abi=7,
)


@pytest.mark.parametrize(
    ("host", "words"),
    [
        (replace(HOST, bubblewrap=False), "apt-get install bubblewrap."),
        (replace(HOST, bubblewrap=False, container=True), "apt-get install bubblewrap."),
        (replace(HOST, setpriv=False), "apt-get install util-linux."),
        (replace(HOST, container=True), "seccomp=unconfined"),
        (replace(HOST, user_namespaces=0), "sysctl -w user.max_user_namespaces"),
        (replace(HOST, apparmor_restricts=True), "bwrap-userns-restrict"),
        (HOST, "bwrap --unshare-all"),
    ],
)
def test_the_remedy_fits_the_machine(host: Host, words: str) -> None:
    """fault_44: the command to run depends on what is missing."""
    assert words in remedy(host, Level.STRICT)


def test_an_ordinary_user_needs_no_setpriv() -> None:
    """Only root changes to another user."""
    assert "util-linux" not in remedy(replace(HOST, setpriv=False, root=False), Level.STRICT)


def _self_test(held: dict[Level, bool], tried: list[Level]) -> object:
    async def run_self_test(sandbox: Sandbox, *, needed: Sequence[Path] = ()) -> tuple[AttackResult, ...]:
        assert (Path("/some/scene"),) == tuple(needed)
        tried.append(sandbox.level)
        name = min(PROMISES[sandbox.level])
        return (AttackResult(name, attempted=True, held=held.get(sandbox.level, False), detail="why not"),)

    return run_self_test


@pytest.mark.parametrize(
    ("required", "held", "chosen"),
    [
        (Level.STRICT, {Level.STRICT, Level.LANDLOCK, Level.NONE}, Level.STRICT),
        (Level.LANDLOCK, {Level.STRICT, Level.LANDLOCK}, Level.STRICT),
        (Level.LANDLOCK, {Level.LANDLOCK}, Level.LANDLOCK),
        (Level.CONTAINER, {Level.CONTAINER, Level.NONE}, Level.CONTAINER),
        (Level.NONE, {Level.NONE}, Level.NONE),
        (Level.NONE, {Level.LANDLOCK, Level.NONE}, Level.LANDLOCK),
    ],
)
async def test_the_strongest_level_that_passes_is_selected(
    monkeypatch: pytest.MonkeyPatch, required: Level, held: set[Level], chosen: Level
) -> None:
    """The required level is the minimum."""
    monkeypatch.setattr(selftest, "run_self_test", _self_test(dict.fromkeys(held, True), []))
    host = replace(HOST, container=True)
    sandbox = await selection.build(required, needed=(Path("/some/scene"),), host=host)
    assert chosen == sandbox.level


@pytest.mark.parametrize(
    ("required", "tried"),
    [
        (Level.STRICT, [Level.STRICT, Level.STRICT]),
        (Level.LANDLOCK, [Level.STRICT, Level.STRICT, Level.LANDLOCK]),
        (Level.CONTAINER, [Level.STRICT, Level.STRICT, Level.LANDLOCK]),
    ],
)
async def test_nothing_weaker_than_required_is_tried(
    monkeypatch: pytest.MonkeyPatch, required: Level, tried: list[Level]
) -> None:
    """fault_44: the error has the reason and the remedy. CONTAINER is tried only inside a container."""
    seen: list[Level] = []
    monkeypatch.setattr(
        selftest, "run_self_test", _self_test({Level.CONTAINER: True, Level.NONE: True}, seen)
    )
    with pytest.raises(SettingsError, match=f"{required.name}.*why not"):
        await selection.build(required, needed=(Path("/some/scene"),), host=HOST)
    assert tried == seen


async def test_without_bubblewrap_strict_is_refused_with_the_package() -> None:
    """fault_44: before any process is started."""
    with pytest.raises(SettingsError, match="apt-get install bubblewrap"):
        await selection.build(Level.STRICT, host=replace(HOST, bubblewrap=False))


def test_an_attack_that_was_not_tried_counts_as_broken() -> None:
    """A missing result does not mean that the attack was held."""
    silent = AttackResult("read_secret", attempted=False, held=False, detail="")
    assert [silent] == selftest.broken(Level.STRICT, [silent])
    assert selftest.broken(Level.NONE, [silent]) == []
