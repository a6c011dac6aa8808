"""Output of exactly the limit, at each level: the setting is the exact size that is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.sandbox_runs import (
    BUILDERS,
    LIMITS,
    own_temporary_folder,
    reachable,
    run_shell,
    sandbox,
)

from veriframe.adapters.blender.sandbox.run import Ending, RunExit, Sandbox
from veriframe.errors import Code

__all__ = ["own_temporary_folder", "sandbox"]

SIZES = {"one": [1_000_001], "three": [333_333, 333_334, 333_334], "many": [1] * 297 + [999_704]}


async def write(sandbox: Sandbox, sizes: Sequence[int], tmp_path: Path) -> tuple[RunExit, Path]:
    """Writes files of these sizes, at a limit of 1 000 001 bytes, and waits long enough for a measurement."""
    names = [str(number) for number in range(len(sizes))]
    script = "cd $0; " + "".join(
        f"head -c {size} /dev/zero > {name};" for name, size in zip(names, sizes, strict=True)
    )
    limits, out = replace(LIMITS, output_bytes=1_000_001), reachable(tmp_path)
    end = await run_shell(sandbox, script + "sleep 0.3", limits=limits, out=out, expected=names)
    return end, out


@pytest.mark.parametrize("files", SIZES)
async def test_output_of_exactly_the_limit_passes(sandbox: Sandbox, files: str, tmp_path: Path) -> None:
    """fault_31: the file system's rounding does not count."""
    end, out = await write(sandbox, SIZES[files], tmp_path)
    assert (end.ending, end.code, end.fault) == (Ending.EXITED, 0, None), end.log_tail
    assert sum(file.stat().st_size for file in out.iterdir()) == 1_000_001


@pytest.mark.parametrize("files", SIZES)
async def test_a_byte_more_does_not(sandbox: Sandbox, files: str, tmp_path: Path) -> None:
    """fault_31: it is detected while the program runs, or at the latest when its output is copied."""
    *others, last = SIZES[files]
    end, out = await write(sandbox, [*others, last + 1], tmp_path)
    assert end.ending is Ending.OUTPUT_LIMIT or (end.fault and end.fault.code is Code.OUTPUT_LIMIT)
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("builder", ["strict-watcher", "landlock-watcher"])
async def test_daemons_count_without_a_control_group(builder: str) -> None:
    """fault_31: each was forked twice, so that it was no descendant of the program."""
    end = await run_shell(BUILDERS[builder](), "for n in {1..60}; do ( setsid sleep 9 & ); done; sleep 9")
    assert end.ending is Ending.PIDS
