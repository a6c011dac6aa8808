"""The proof that walls hold: attacks are made for real, and the level counts only as far as they fail."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from veriframe.adapters.blender.sandbox import attacks
from veriframe.adapters.blender.sandbox.bait import Bait, laid_out
from veriframe.adapters.blender.sandbox.cell import OUT, Cell, CellExit, CellLimits, Ending, Level, Sandbox

_SCRIPT, _SHOWN = PurePosixPath("/selftest/attacks.py"), PurePosixPath("/selftest/shown")
_INTERPRETER = os.path.realpath(sys.executable)
_PYTHON = {
    PurePosixPath(folder): Path(folder) for folder in {sys.base_prefix} if not folder.startswith("/usr")
}
_MIB = 2**20
_LIMITS = CellLimits(
    wall_seconds=20, memory_bytes=256 * _MIB, pids=32, output_bytes=8 * _MIB, tmp_bytes=8 * _MIB
)
_BOMB_SECONDS = 6.0
_BOMB_SIZES = MappingProxyType({"memory_bytes": 768 * _MIB, "processes": 100, "output_bytes": 64 * _MIB})
_BOMB_ENDINGS = MappingProxyType(
    {
        "take_memory": {Ending.OOM},
        "fork_much": {Ending.PIDS, Ending.OOM},
        "fill_output": {Ending.OUTPUT_LIMIT},
        "run_for_ever": {Ending.TIMEOUT},
    }
)

QUICK = tuple(attack.__name__ for attack in attacks.ATTACKS)
BOMBS = tuple(bomb.__name__ for bomb in attacks.BOMBS)

TITLES: Mapping[str, str] = MappingProxyType(
    {attack.__name__: (attack.__doc__ or "").splitlines()[0] for attack in (*attacks.ATTACKS, *attacks.BOMBS)}
)
"""What each attack tries, as one sentence."""

PROMISES: Mapping[Level, frozenset[str]] = MappingProxyType(
    {
        Level.STRICT: frozenset({*QUICK, *BOMBS}),
        # Without namespaces a daemon outlives its run unless a control group holds it.
        Level.LANDLOCK: frozenset({*QUICK, *BOMBS}) - {"leave_process"},
        Level.CONTAINER: frozenset({"inherit_files", *BOMBS}),
        Level.NONE: frozenset({"inherit_files", *BOMBS}),
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


async def prove(sandbox: Sandbox, *, bombs: bool = False) -> tuple[Canary, ...]:
    """Attack the sandbox from inside, in about a second. `bombs`: also the four that take longer."""
    async with laid_out(_BOMB_SIZES) as bait:
        canaries = await _quick(sandbox, bait)
        if bombs:
            canaries += tuple([await _bomb(sandbox, bait, name) for name in BOMBS])
    return canaries


def broken(level: Level, canaries: Iterable[Canary]) -> list[Canary]:
    """The canaries that contradict what the level promises."""
    return [canary for canary in canaries if canary.name in PROMISES[level] and not canary.held]


async def _quick(sandbox: Sandbox, bait: Bait) -> tuple[Canary, ...]:
    said: dict[str, Canary] = {}
    end = await _run(sandbox, bait, QUICK, said, _LIMITS)
    taken = bait.taken()
    bait.end_survivors()
    silent = f"the self-test ended before this ({end.ending}): {' '.join(end.log_tail[-3:])}"
    return tuple(_judge(name, said.get(name), taken.get(name), silent) for name in QUICK)


def _judge(name: str, said: Canary | None, taken: str | None, silent: str) -> Canary:
    if said is None:
        return Canary(name, attempted=False, held=False, detail=silent)
    if taken is not None:
        return Canary(name, attempted=True, held=False, detail=taken)
    # A process left behind cannot be denied inside: its maker says so, and only outside it can be missed.
    return said


async def _bomb(sandbox: Sandbox, bait: Bait, name: str) -> Canary:
    limits = _LIMITS
    if name == "run_for_ever":
        limits = CellLimits(wall_seconds=1, memory_bytes=_LIMITS.memory_bytes)
    end = await _run(sandbox, bait, (name,), {}, limits)
    survivors = len(bait.survivors())
    bait.end_survivors()
    held = end.ending in _BOMB_ENDINGS[name] and end.seconds < _BOMB_SECONDS and not survivors
    detail = f"{end.ending} after {end.seconds:.1f} s" + (
        f", {survivors} processes left" if survivors else ""
    )
    return Canary(name, attempted=end.ending is not Ending.WALLS_FAILED, held=held, detail=detail)


async def _run(
    sandbox: Sandbox, bait: Bait, names: Sequence[str], said: dict[str, Canary], limits: CellLimits
) -> CellExit:
    def note(line: bytes) -> None:
        claim = json.loads(line)
        said[claim["name"]] = Canary(
            claim["name"], attempted=True, held=claim["held"], detail=claim["detail"]
        )

    return await sandbox.run(
        Cell(
            argv=(_INTERPRETER, "-I", "-S", _SCRIPT, _SHOWN, OUT, bait.mark, *names),
            limits=limits,
            visible={_SCRIPT: Path(attacks.__file__), _SHOWN: bait.shown, **_PYTHON},
            out=bait.new_out(),
            on_report=note,
        )
    )
