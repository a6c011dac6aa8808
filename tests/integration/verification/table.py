"""The table of cheats in docs/verification.md: `make cheats`, some minutes.

Each cheat is rendered once, and all its tiles are compared with the honest ones; then tiles are drawn by the
hashes of 20 blocks.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import OpenEXR
from numpy.typing import NDArray
from PIL import Image
from tests.integration.verification.cheats import CHEATS, Cheat
from tests.integration.verification.lab import Lab, Work, embedded

from veriframe.model.rendering.frames import Region, proof_file, tiles_file
from veriframe.model.verification import rule
from veriframe.model.verification.draw import draw_tiles, seed_of
from veriframe.model.verification.rule import Answer
from veriframe.model.verification.tiles import TileGrid
from veriframe.ports.renderer import Kernel
from veriframe.verifier import comparing
from veriframe.verifier.crops import part_of

PAGE = Path(__file__).parents[3] / "docs" / "verification.md"
BEGIN, END = "<!-- cheats: begin -->", "<!-- cheats: end -->"
BLOCKS = range(20)

Pixels = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A cheat: how many of its tiles are called wrong, and how many are drawn until the first of them."""

    name: str
    by_rule: bool
    tiles: int
    wrong: int
    drawn: tuple[int, ...]

    def cells(self) -> tuple[str, ...]:
        """The row, as it is shown."""
        if not self.drawn:
            return self.name, "by the rule" if self.by_rule else "exactly", f"0 of {self.tiles}", "", ""
        median, most = statistics.median(self.drawn), max(self.drawn)
        return (
            self.name,
            "by the rule" if self.by_rule else "exactly",
            f"{self.wrong} of {self.tiles}",
            f"{median:g}",
            f"{most}",
        )


async def row(lab: Lab, cheat: Cheat, kernel: Kernel) -> Row:
    """Make a cheat and compare all its tiles."""
    job, work = await cheat.make(lab, kernel)
    honest = await lab.honest(cheat.scene)
    number = honest.task.frames[-1]
    width, height = honest.opened.size
    grid = TileGrid(width, height)
    by_rule = kernel is Kernel.SSE
    wrong = await (_rejected if by_rule else _unequal)(lab, cheat, work, number, grid)
    wrong |= _other_pictures(honest, work, number, grid) if not by_rule else set()
    picture, here = _picture(work, number), Region(left=0, top=0, width=width, height=height)
    flat = [
        tile for tile in range(grid.count) if comparing.is_flat(part_of(picture, grid.region(tile), here))
    ]
    drawn = []
    for block in BLOCKS if wrong else ():
        seed = seed_of(block, job.id, job.result_cid)
        order = draw_tiles(seed, number, grid.count, flat, grid.count)
        drawn.append(1 + min(place for place, tile in enumerate(order) if tile in wrong))
    return Row(name=cheat.name, by_rule=by_rule, tiles=grid.count, wrong=len(wrong), drawn=tuple(drawn))


async def _unequal(lab: Lab, cheat: Cheat, work: Work, number: int, grid: TileGrid) -> set[int]:
    """The tiles whose leaves differ."""
    honest = await lab.honest(cheat.scene)
    theirs, ours = ((one.folder / tiles_file(number)).read_bytes() for one in (work, honest))
    return {tile for tile in range(grid.count) if theirs[32 * tile :][:32] != ours[32 * tile :][:32]}


async def _rejected(lab: Lab, cheat: Cheat, work: Work, number: int, grid: TileGrid) -> set[int]:
    """The tiles that the rule rejects."""
    honest, other = [await lab.honest(cheat.scene, kernel) for kernel in Kernel]
    early = await lab.honest(cheat.scene, stop_early=rule.STOP_EARLY)
    pictures = [_noisy(one.folder / proof_file(number)) for one in (honest, other, early, work)]
    here = Region(left=0, top=0, width=grid.width, height=grid.height)
    found = set()
    for tile in range(grid.count):
        ours, kernel, stopped, theirs = (part_of(one, grid.region(tile), here) for one in pictures)
        if rule.judge(*comparing.judged(ours, kernel, stopped, theirs)) is Answer.REJECTED:
            found.add(tile)
    return found


def _other_pictures(honest: Work, work: Work, number: int, grid: TileGrid) -> set[int]:
    """The tiles of the delivered picture that do not look like the honest ones."""
    here = Region(left=0, top=0, width=grid.width, height=grid.height)
    ours, theirs = _picture(honest, number), _picture(work, number)
    found = set()
    for tile in range(grid.count):
        part = grid.region(tile)
        if not comparing.looks(part_of(ours, part, here), part_of(theirs, part, here)).are_alike:
            found.add(tile)
    return found


def _noisy(file: Path) -> Pixels:
    channels = OpenEXR.File(str(file), separate_channels=True).channels()
    planes = [channel.pixels for name, channel in sorted(channels.items()) if "Noisy" in name]
    return np.dstack(planes).astype(np.float32)


def _picture(work: Work, number: int) -> Pixels:
    """A delivered frame."""
    (file,) = (work.folder / one.file for _, one in work.frames if one.number == number)
    if file.suffix == ".png":
        with Image.open(file) as picture:
            return np.asarray(picture, dtype=np.float32) / np.float32(255)
    channels = OpenEXR.File(str(file), separate_channels=True).channels()
    return np.dstack([channels[name].pixels for name in "RGB"]).astype(np.float32)


async def measure(folder: Path) -> list[Row]:
    """All rows, those that are found exactly first."""
    rows = []
    async with embedded(folder) as lab:
        for scene in dict.fromkeys(cheat.scene for cheat in CHEATS):
            for kernel in Kernel:
                for cheat in CHEATS:
                    if cheat.drawn and kernel in cheat.kernels and cheat.scene == scene:
                        rows.append(await row(lab, cheat, kernel))
                        print(*rows[-1].cells(), sep=" | ", flush=True)  # noqa: T201 - for who runs it
    return sorted(rows, key=lambda one: one.by_rule)


def table(rows: list[Row]) -> str:
    """The table, as Markdown."""
    head = (
        "| cheat | found | tiles that are wrong | drawn until the first of them: median | most, of 20 draws |"
    )
    return "\n".join([head, "| --- |" + " --- |" * 4, *(f"| {' | '.join(one.cells())} |" for one in rows)])


def main() -> None:
    """Measure, and put the table into the page."""
    with tempfile.TemporaryDirectory() as folder:
        made = table(asyncio.run(measure(Path(folder) / "lab")))
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{made}\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main()
