#!/usr/bin/env python3
"""Makes the self-test's attacks at every level and writes the results to docs/security.md."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox  # noqa: E402
from veriframe.adapters.blender.sandbox.levels.unnamespaced import UnnamespacedSandbox  # noqa: E402
from veriframe.adapters.blender.sandbox.run import Level  # noqa: E402
from veriframe.adapters.blender.sandbox.selftest import selftest  # noqa: E402
from veriframe.adapters.blender.sandbox.selftest.selftest import (  # noqa: E402
    BOMBS,
    QUICK,
    TITLES,
    AttackResult,
)

PAGE = ROOT / "docs" / "security.md"
_BEGIN, _END = "<!-- table: begin -->", "<!-- table: end -->"
_LEVELS = (Level.STRICT, Level.LANDLOCK, Level.CONTAINER, Level.NONE)

Measured = Mapping[Level, tuple[AttackResult, ...]]


async def measure() -> Measured:
    """Makes all attacks at all levels, without control groups, which not every machine has."""
    sandboxes = {
        level: BubblewrapSandbox(use_cgroup=False)
        if level is Level.STRICT
        else UnnamespacedSandbox(level, use_cgroup=False)
        for level in _LEVELS
    }
    return {level: await selftest.run_self_test(sandbox, bombs=True) for level, sandbox in sandboxes.items()}


def table(measured: Measured) -> str:
    """Returns a Markdown table with a row for each attack and a column for each level."""
    held = {level: {result.name for result in results if result.held} for level, results in measured.items()}
    rows = [
        f"| {TITLES[name].rstrip('.')} (`{name}`) | "
        + " | ".join("held" if name in held[level] else "**open**" for level in _LEVELS)
        + " |"
        for name in (*QUICK, *BOMBS)
    ]
    header = f"| What a hostile scene tries | {' | '.join(level.name for level in _LEVELS)} |"
    return "\n".join([header, "| --- |" + " --- |" * len(_LEVELS), *rows])


def with_table(page: str, measured: Measured) -> str:
    """Returns the page with the table between its marks replaced."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{table(measured)}\n{_END}{after}"


def main() -> None:
    """Writes the table and prints the result of each attack."""
    measured = asyncio.run(measure())
    PAGE.write_text(with_table(PAGE.read_text(), measured))
    for level, results in measured.items():
        for result in results:
            print(f"{level.name:<9} {'held' if result.held else 'OPEN':<4} {result.name:<17} {result.detail}")


if __name__ == "__main__":
    main()
