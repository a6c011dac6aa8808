"""The table of honest results in docs/verification.md: `make honest`, some minutes.

All tiles are compared.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.verification import page
from tests.integration.verification.honest import HONEST, Honest, Said
from tests.integration.verification.lab import Lab, embedded

from veriframe.model.verification.findings import Conclusion, Request
from veriframe.ports.renderer import Kernel

HEAD = ("honest result", "by the verifier's class", "by another class")
ALL = Request(tiles=16, every=True)
"""Of the small pictures, all tiles."""


@dataclass(frozen=True, slots=True)
class Row:
    """What was said of a result, for each kernel of its worker."""

    name: str
    said: dict[Kernel, Said] = field(default_factory=dict)

    @property
    def is_a_false_alarm(self) -> bool:
        """Whether an honest worker would lose its bond."""
        return any(found in (Conclusion.WRONG, Conclusion.WITHHELD) for found, _ in self.said.values())

    def cells(self) -> tuple[str, ...]:
        """The row, as it is shown."""
        return (self.name, *(_cell(self.said.get(kernel)) for kernel in Kernel))


def _cell(said: Said | None) -> str:
    if said is None:
        return ""
    conclusion, why = said
    return f"{conclusion}: {why}" if why else str(conclusion)


async def measure(folder: Path) -> list[Row]:
    """All rows."""
    rows = []
    async with embedded(folder) as lab:
        for one in HONEST:
            started = time.monotonic()
            rows.append(await _row(lab, one))
            seconds = f"{time.monotonic() - started:.1f} s"
            print(*rows[-1].cells(), seconds, sep=" | ", flush=True)  # noqa: T201 - for who runs it
    return rows


async def _row(lab: Lab, honest: Honest) -> Row:
    row = Row(honest.name)
    for kernel in honest.expected:
        row.said[kernel] = await honest.say(lab, kernel, ALL)
    return row


def main() -> None:
    """Measure, and put the table into the page, unless there is a false alarm."""
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(measure(Path(folder)))
    if wrong := [row.name for row in rows if row.is_a_false_alarm]:
        sys.exit(f"False alarms: {', '.join(wrong)}")
    page.put("honest", page.markdown(HEAD, [row.cells() for row in rows]))


if __name__ == "__main__":
    main()
