"""The self-test of a sandbox: makes real attacks and checks that those fail which its level promises."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from veriframe.adapters.blender.runtimes import CONFINE, SCRIPTS
from veriframe.adapters.blender.sandbox.run import (
    OUT,
    Ending,
    Level,
    RunExit,
    RunLimits,
    Sandbox,
    SandboxedRun,
)
from veriframe.adapters.blender.sandbox.selftest import attacks
from veriframe.adapters.blender.sandbox.selftest.decoys import Decoys, set_up
from veriframe.model.quantities import format_span
from veriframe.threads import run_uninterrupted

_ATTACKS, _SHOWN = PurePosixPath("/selftest/attacks"), PurePosixPath("/selftest/shown")
_NEEDED = PurePosixPath("/selftest/needed")
_INTERPRETER = os.path.realpath(sys.executable)
_PYTHON = {
    PurePosixPath(folder): Path(folder) for folder in {sys.base_prefix} if not folder.startswith("/usr")
}
_MIB = 2**20
_LIMITS = RunLimits(
    wall_seconds=20, memory_bytes=256 * _MIB, pids=32, output_bytes=8 * _MIB, tmp_bytes=8 * _MIB
)
_SHORT = replace(_LIMITS, wall_seconds=1)
_BOMB_SECONDS = 6.0
_BOMB_SIZES = MappingProxyType(
    {"memory_bytes": 768 * _MIB, "processes": 100, "output_bytes": 64 * _MIB, "folders": 2_500}
)
_BOMB_ENDINGS = MappingProxyType(
    {
        "take_memory": {Ending.OOM},
        "hide_memory": {Ending.OOM},
        "fork_much": {Ending.PIDS, Ending.OOM},
        "start_threads": {Ending.PIDS, Ending.OOM},
        "fill_output": {Ending.OUTPUT_LIMIT},
        "hide_output": {Ending.OUTPUT_LIMIT},
        "nest_folders": {Ending.OUTPUT_LIMIT},
        "run_for_ever": {Ending.TIMEOUT},
    }
)

_REFUSED_INSIDE = frozenset({"hide_memory", "hide_output", "nest_folders"})
"""Bombs that may also be held by a denied call, so that the run continues and ends normally."""

QUICK = tuple(attack.__name__ for attack in attacks.ATTACKS)
BOMBS = tuple(bomb.__name__ for bomb in attacks.BOMBS)

TITLES: Mapping[str, str] = MappingProxyType(
    {attack.__name__: (attack.__doc__ or "").splitlines()[0] for attack in (*attacks.ATTACKS, *attacks.BOMBS)}
)
"""The first docstring line of each attack: what it tries."""

_LIMITED = frozenset({"inherit_files", *BOMBS}) - {"hide_memory", "hide_output"}

PROMISES: Mapping[Level, frozenset[str]] = MappingProxyType(
    {
        # A kernel without Landlock shows the mount tables, which reveal paths but give no access.
        Level.STRICT: frozenset({*QUICK, *BOMBS}) - {"see_mounts"},
        # Without namespaces a daemon outlives its run unless it is in a control group, and deleted files that
        # are still open take space on the host's disk.
        Level.LANDLOCK: frozenset({*QUICK, *BOMBS}) - {"see_mounts", "leave_process", "hide_output"},
        Level.CONTAINER: _LIMITED,
        Level.NONE: _LIMITED,
    }
)
"""The attacks that each level must hold."""


@dataclass(frozen=True, slots=True)
class AttackResult:
    """The result of one attack. `held` only if it was attempted and failed, seen from inside and outside."""

    name: str
    attempted: bool
    held: bool
    detail: str


async def run_self_test(
    sandbox: Sandbox, *, bombs: bool = False, needed: Sequence[Path] = ()
) -> tuple[AttackResult, ...]:
    """Attacks the sandbox from inside, in about a second. `bombs`: also the bombs, which take longer.

    `needed`: files and folders that later runs must see. If they cannot be shown, no attack can be made, so
    none is held.
    """
    async with set_up(_BOMB_SIZES) as decoys:
        attacker = _Attacker(sandbox, decoys, needed)
        results = await attacker.run_quick()
        if bombs:
            results += tuple([await attacker.run_bomb(name) for name in BOMBS])
    return results


def broken(level: Level, results: Iterable[AttackResult]) -> list[AttackResult]:
    """Returns the results that contradict the promises of the level."""
    return [result for result in results if result.name in PROMISES[level] and not result.held]


class _Attacker:
    """Runs attacks in one sandbox, against one set of decoys."""

    def __init__(self, sandbox: Sandbox, decoys: Decoys, needed: Sequence[Path]) -> None:
        self._sandbox, self._decoys = sandbox, decoys
        self._visible = {
            _ATTACKS: Path(attacks.__file__).parent,
            CONFINE: SCRIPTS / CONFINE.name,
            _SHOWN: decoys.shown,
            **_PYTHON,
            **{_NEEDED / str(number): path for number, path in enumerate(needed)},
        }
        self._reported: dict[str, AttackResult] = {}

    async def run_quick(self) -> tuple[AttackResult, ...]:
        """Makes all quick attacks in two runs: one at once, one in a sandbox that waited for its input.

        An attack is held if it is held in both.
        """
        at_once = await self._judge_all(self._run(QUICK, _LIMITS))
        after_waiting = await self._judge_all(self._run_late())
        return tuple(
            late if early.held else early for early, late in zip(at_once, after_waiting, strict=True)
        )

    async def _judge_all(self, run: Awaitable[RunExit]) -> tuple[AttackResult, ...]:
        """What is seen from outside outweighs reports from inside."""
        self._reported.clear()
        end = await run
        succeeded = self._decoys.succeeded()
        self._decoys.end_survivors()
        silent = f"the self-test ended before this ({end.ending}): {' '.join(end.log_tail[-3:])}"
        return tuple(self._judge(name, succeeded.get(name), silent) for name in QUICK)

    def _judge(self, name: str, success: str | None, silent: str) -> AttackResult:
        reported = self._reported.get(name)
        if reported is None:
            return AttackResult(name, attempted=False, held=False, detail=silent)
        if success is not None:
            return AttackResult(name, attempted=True, held=False, detail=success)
        return reported

    async def run_bomb(self, name: str) -> AttackResult:
        """Runs one bomb. It is held if the run ended soon, for the expected reason, and left no process."""
        self._reported.pop(name, None)
        end = await self._run((name,), _SHORT if name == "run_for_ever" else _LIMITS)
        survivors = len(self._decoys.survivors())
        self._decoys.end_survivors()
        claim = self._reported.get(name)
        refused = name in _REFUSED_INSIDE and end.ending is Ending.EXITED and claim is not None and claim.held
        ended = end.ending in _BOMB_ENDINGS[name] or refused
        held = ended and end.seconds < _BOMB_SECONDS and not survivors
        left = f", {survivors} processes left" if survivors else ""
        return AttackResult(
            name,
            attempted=end.ending is not Ending.SANDBOX_FAILED,
            held=held,
            detail=f"{end.ending} after {format_span(end.seconds)}{left}",
        )

    def _python(self) -> tuple[str | PurePosixPath, ...]:
        # Started like Blender's own scripts.
        confined = (CONFINE,) if self._sandbox.level is Level.STRICT else ()
        return (_INTERPRETER, "-I", "-S", *confined)

    async def _run(self, names: Sequence[str], limits: RunLimits) -> RunExit:
        return await self._sandbox.run(self._attempt(names, limits))

    async def _run_late(self) -> RunExit:
        ready, run = asyncio.Event(), self._attempt((), _LIMITS)

        def note(line: bytes) -> None:
            self._note(line)
            ready.set()

        shown = {**run.visible, _SHOWN: self._decoys.late}
        late = replace(run, visible=shown, live=True, on_report=note, on_end=ready.set)
        async with self._sandbox.start(late) as live:
            await ready.wait()
            await live.freeze()
            await run_uninterrupted(self._decoys.deliver_late)
            await live.thaw()
            await live.send(json.dumps(QUICK).encode())
            return await live.wait()

    def _attempt(self, names: Sequence[str], limits: RunLimits) -> SandboxedRun:
        return SandboxedRun(
            argv=(*self._python(), _ATTACKS / "attempt.py", _SHOWN, OUT, self._decoys.mark, *names),
            limits=limits,
            visible=self._visible,
            out=self._decoys.new_out(),
            on_report=self._note,
        )

    def _note(self, line: bytes) -> None:
        claim = json.loads(line)
        name = claim["name"]
        self._reported[name] = AttackResult(name, attempted=True, held=claim["held"], detail=claim["detail"])
