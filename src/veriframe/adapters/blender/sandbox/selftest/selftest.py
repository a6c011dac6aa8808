"""The proof that walls hold: attacks are made for real, and the level counts only as far as they fail."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
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
from veriframe.adapters.blender.sandbox.selftest.decoys import Decoys, laid_out

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
_HASTY = replace(_LIMITS, wall_seconds=1)
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
"""Bombs that may also be held by a refusal, so that the run goes on and ends by itself."""

QUICK = tuple(attack.__name__ for attack in attacks.ATTACKS)
BOMBS = tuple(bomb.__name__ for bomb in attacks.BOMBS)

TITLES: Mapping[str, str] = MappingProxyType(
    {attack.__name__: (attack.__doc__ or "").splitlines()[0] for attack in (*attacks.ATTACKS, *attacks.BOMBS)}
)
"""What each attack tries, as one sentence."""

_LIMITED = frozenset({"inherit_files", *BOMBS}) - {"hide_memory", "hide_output"}

PROMISES: Mapping[Level, frozenset[str]] = MappingProxyType(
    {
        # A kernel without Landlock shows the tables of mounts, which tell paths and open nothing.
        Level.STRICT: frozenset({*QUICK, *BOMBS}) - {"see_mounts"},
        # Without namespaces a daemon outlives its run unless a control group holds it, and on the host's disk
        # there are files that nobody can find.
        Level.LANDLOCK: frozenset({*QUICK, *BOMBS}) - {"see_mounts", "leave_process", "hide_output"},
        Level.CONTAINER: _LIMITED,
        Level.NONE: _LIMITED,
    }
)
"""What must hold at each level before it may be called so."""


@dataclass(frozen=True, slots=True)
class Canary:
    """One attack. `held` only where it was made, and failed, both as seen inside and from outside."""

    name: str
    attempted: bool
    held: bool
    detail: str


async def run_self_test(
    sandbox: Sandbox, *, bombs: bool = False, needed: Sequence[Path] = ()
) -> tuple[Canary, ...]:
    """Attack the sandbox from inside, in about a second. `bombs`: also the four that take longer.

    `needed`: what later runs will be shown. Where it cannot be, no attack is made, so none is held.
    """
    async with laid_out(_BOMB_SIZES) as decoys:
        attacker = _Attacker(sandbox, decoys, needed)
        canaries = await attacker.try_quick()
        if bombs:
            canaries += tuple([await attacker.throw(name) for name in BOMBS])
    return canaries


def broken(level: Level, canaries: Iterable[Canary]) -> list[Canary]:
    """The canaries that contradict what the level promises."""
    return [canary for canary in canaries if canary.name in PROMISES[level] and not canary.held]


class _Attacker:
    """Runs attacks in one sandbox, with one lot of bait."""

    def __init__(self, sandbox: Sandbox, decoys: Decoys, needed: Sequence[Path]) -> None:
        self._sandbox, self._bait = sandbox, decoys
        self._visible = {
            _ATTACKS: Path(attacks.__file__).parent,
            CONFINE: SCRIPTS / CONFINE.name,
            _SHOWN: decoys.shown,
            **_PYTHON,
            **{_NEEDED / str(number): path for number, path in enumerate(needed)},
        }
        self._said: dict[str, Canary] = {}

    async def try_quick(self) -> tuple[Canary, ...]:
        """All quick attacks, in one run. What is seen from outside outweighs what is said inside."""
        end = await self._run(QUICK, _LIMITS)
        taken = self._bait.taken()
        self._bait.end_survivors()
        silent = f"the self-test ended before this ({end.ending}): {' '.join(end.log_tail[-3:])}"
        return tuple(self._judge(name, taken.get(name), silent) for name in QUICK)

    def _judge(self, name: str, taken: str | None, silent: str) -> Canary:
        said = self._said.get(name)
        if said is None:
            return Canary(name, attempted=False, held=False, detail=silent)
        if taken is not None:
            return Canary(name, attempted=True, held=False, detail=taken)
        return said

    async def throw(self, name: str) -> Canary:
        """One bomb. It holds where the run was ended for the right reason, soon, and wholly."""
        self._said.pop(name, None)
        end = await self._run((name,), _HASTY if name == "run_for_ever" else _LIMITS)
        survivors = len(self._bait.survivors())
        self._bait.end_survivors()
        said = self._said.get(name)
        refused = name in _REFUSED_INSIDE and end.ending is Ending.EXITED and said is not None and said.held
        ended = end.ending in _BOMB_ENDINGS[name] or refused
        held = ended and end.seconds < _BOMB_SECONDS and not survivors
        left = f", {survivors} processes left" if survivors else ""
        return Canary(
            name,
            attempted=end.ending is not Ending.WALLS_FAILED,
            held=held,
            detail=f"{end.ending} after {end.seconds:.1f} s{left}",
        )

    def _python(self) -> tuple[str | PurePosixPath, ...]:
        # As Blender's own scripts are started.
        confined = (CONFINE,) if self._sandbox.level is Level.STRICT else ()
        return (_INTERPRETER, "-I", "-S", *confined)

    async def _run(self, names: Sequence[str], limits: RunLimits) -> RunExit:
        return await self._sandbox.run(
            SandboxedRun(
                argv=(*self._python(), _ATTACKS / "attempt.py", _SHOWN, OUT, self._bait.mark, *names),
                limits=limits,
                visible=self._visible,
                out=self._bait.new_out(),
                on_report=self._note,
            )
        )

    def _note(self, line: bytes) -> None:
        claim = json.loads(line)
        name = claim["name"]
        self._said[name] = Canary(name, attempted=True, held=claim["held"], detail=claim["detail"])
