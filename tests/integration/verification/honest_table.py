"""The table of honest results in docs/verification.md: `make honest`, some minutes.

All tiles are compared.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.integration.verification import page
from tests.integration.verification.honest import HONEST, Said
from tests.integration.verification.lab import embedded

from veriframe.errors import VeriFrameError
from veriframe.model.verification.findings import Request
from veriframe.ports.renderer import Kernel

HEAD = ("honest result", "by the verifier's class", "by another class")
ALL = Request(tiles=16, every=True)
"""Of the small pictures, all tiles."""


def _cell(said: Said | None) -> str:
    if said is None:
        return ""
    conclusion, why = said
    return f"{conclusion}: {why.partition('. ')[0]}" if why else str(conclusion)


async def measure(folder: Path, names: Sequence[str]) -> tuple[list[page.Cells], list[str]]:
    """The rows, and what was said otherwise than it should be. `names`: only these; none: all."""
    rows, faults = [], []
    async with embedded(folder) as lab:
        for one in (one for one in HONEST if not names or one.name in names):
            started, said = time.monotonic(), dict[Kernel, Said]()
            for kernel, expected in one.expected.items():
                try:
                    said[kernel] = await one.say(lab, kernel, ALL)
                except VeriFrameError as error:
                    faults.append(f"{one.name}, {kernel}: {error}")
                    continue
                if said[kernel][0] is not expected:
                    faults.append(f"{one.name}, {kernel}: {_cell(said[kernel])}")
            rows.append((one.name, *(_cell(said.get(kernel)) for kernel in Kernel)))
            seconds = f"{time.monotonic() - started:.1f} s"
            print(*rows[-1], seconds, sep=" | ", flush=True)  # noqa: T201 - for who runs it
    return rows, faults


def main() -> None:
    """Verify the results that are named, or all, and put them into the page."""
    page.warnings_only()
    with tempfile.TemporaryDirectory() as folder:
        rows, faults = asyncio.run(measure(Path(folder), sys.argv[1:]))
    known = {cells[0]: cells for cells in (*page.rows_of("honest"), *rows)}
    page.put("honest", page.markdown(HEAD, [known[one.name] for one in HONEST if one.name in known]))
    if faults:
        sys.exit("\n".join(("Not what they should be:", *faults)))


if __name__ == "__main__":
    main()
