"""The table of cheats in docs/verification.md: `make cheats`, some minutes.

Each cheat is published by a worker of its own through the real contract on a devnet. The verifier compares
all its tiles; then tiles are drawn by the hashes of the next 20 blocks of that chain.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import OpenEXR
from numpy.typing import NDArray
from PIL import Image
from tests.integration.verification import page
from tests.integration.verification.chains import DEPLOYER, NOT_WORKERS
from tests.integration.verification.cheat import Cheat, Found, judged
from tests.integration.verification.cheats import CHEATS
from tests.integration.verification.lab import Lab, on_devnet
from tests.integration.verification.works import Work
from tests.nodes import devnet

from veriframe.errors import VeriFrameError
from veriframe.model.bundle.chunks import whole_region
from veriframe.model.registry.job import Job
from veriframe.model.verification.draw import draw_tiles, seed_of
from veriframe.model.verification.findings import Conclusion, FrameFinding, Request, Subject
from veriframe.model.verification.tiles import TileGrid
from veriframe.ports.renderer import Kernel
from veriframe.verifier import comparing
from veriframe.verifier.samples import part_of

DRAWS = 20

HEAD = (
    "cheat",
    "the worker's class",
    "conclusion",
    "found by",
    "tiles that are wrong",
    "drawn until the first of them: median",
    f"most, of {DRAWS} draws",
)

CLASSES = {Kernel.BEST: "the verifier's", Kernel.SSE: "another"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A cheat: how many of its tiles are wrong, and how many are drawn until the first of them.

    `tiles` is 0 if it is found without comparing any.
    """

    cheat: Cheat
    kernel: Kernel
    conclusion: Conclusion
    tiles: int = 0
    wrong: int = 0
    drawn: tuple[int, ...] = ()

    def cells(self) -> tuple[str, ...]:
        """The row, as it is shown."""
        found = "" if self.tiles and not self.wrong else self.cheat.found.value
        share = f"{self.wrong} of {self.tiles}" if self.tiles else ""
        draws = (f"{statistics.median(self.drawn):g}", str(max(self.drawn))) if self.drawn else ("", "")
        return (self.cheat.name, CLASSES[self.kernel], str(self.conclusion), found, share, *draws)


async def row(lab: Lab, cheat: Cheat, kernel: Kernel) -> Row:
    """Publish a cheat and verify all its tiles."""
    job, work = await cheat.make(lab, kernel)
    resolution, number = cheat.scene.bundle.overrides.resolution, work.frames[-1][0].number
    assert resolution is not None
    grid = TileGrid(*resolution)
    if cheat.found is not Found.TILES:
        finding = await judged(lab, cheat, job)
        return Row(cheat=cheat, kernel=kernel, conclusion=finding.conclusion)
    finding = await judged(lab, cheat, job, Request(tiles=grid.count, every=True))
    (frame,) = (one for one in finding.frames if one.number == number)
    wrong = wrong_tiles(frame, grid.count)
    drawn = await draws(lab, job, work, number, wrong) if wrong else ()
    return Row(
        cheat=cheat,
        kernel=kernel,
        conclusion=finding.conclusion,
        tiles=grid.count,
        wrong=len(wrong),
        drawn=drawn,
    )


def wrong_tiles(frame: FrameFinding, tiles: int) -> set[int]:
    """The tiles of a frame that are wrong, if each was compared.

    One whose denoised picture does not look alike has no finding of that picture: the whole has it.
    """
    wrong = {one.tile for one in frame.tiles if one.conclusion is Conclusion.WRONG}
    seen = {one.tile for one in frame.tiles if one.subject is Subject.DELIVERED}
    noisy = {one.tile for one in frame.tiles if one.subject is Subject.NOISY}
    assert noisy == set(range(tiles))
    return noisy & wrong | noisy - seen


async def draws(lab: Lab, job: Job, work: Work, number: int, wrong: set[int]) -> tuple[int, ...]:
    """How many tiles each of the next blocks' hashes draws until the first wrong one."""
    picture = _picture(work, number)
    grid = TileGrid(picture.shape[1], picture.shape[0])
    here = whole_region((grid.width, grid.height))
    flat = [
        tile for tile in range(grid.count) if comparing.is_flat(part_of(picture, grid.region(tile), here))
    ]
    await lab.chain.add_blocks(DRAWS - 1)  # after that of the submission
    found = []
    for block in range(job.submitted_block + 1, job.submitted_block + 1 + DRAWS):
        seed = seed_of(await lab.chain.hash_of(block), job.id, job.result_cid)
        order = draw_tiles(seed, number, grid.count, flat, grid.count)
        found.append(1 + min(place for place, tile in enumerate(order) if tile in wrong))
    return tuple(found)


def _picture(work: Work, number: int) -> NDArray[np.float32]:
    """A delivered frame."""
    (file,) = (work.folder / one.file for _, one in work.frames if one.number == number)
    if file.suffix == ".png":
        with Image.open(file) as picture:
            return np.asarray(picture, dtype=np.float32) / np.float32(255)
    channels = OpenEXR.File(str(file), separate_channels=True).channels()
    return np.dstack([channels[name].pixels for name in "RGB"]).astype(np.float32)


def wanted(names: Sequence[str]) -> list[tuple[Cheat, Kernel]]:
    """What is published, in an order in which each scene is opened once. `names`: only these; none: all."""
    cheats = [cheat for cheat in CHEATS if not names or cheat.name in names]
    return [
        (cheat, kernel)
        for scene in dict.fromkeys(cheat.scene for cheat in cheats)
        for kernel in Kernel
        for cheat in cheats
        if kernel in cheat.kernels and cheat.scene == scene
    ]


async def measure(folder: Path, names: Sequence[str]) -> tuple[list[page.Cells], list[str]]:
    """The rows, and what was not found as it should be."""
    rows, faults, cases = [], [], wanted(names)
    with devnet(accounts=max(len(cases) + NOT_WORKERS, DEPLOYER + 1)) as node:
        async with on_devnet(node, folder) as lab:
            for cheat, kernel in cases:
                started = time.monotonic()
                try:
                    cells = (await row(lab, cheat, kernel)).cells()
                except (AssertionError, VeriFrameError) as error:
                    faults.append(f"{cheat.name} ({CLASSES[kernel]} class): {error}")
                    cells = (faults[-1],)
                else:
                    rows.append(cells)
                seconds = f"{time.monotonic() - started:.1f} s"
                print(*cells, seconds, sep=" | ", flush=True)  # noqa: T201 - for who runs it
    return rows, faults


def main() -> None:
    """Measure the cheats that are named, or all, and put them into the page."""
    page.warnings_only()
    with tempfile.TemporaryDirectory() as folder:
        rows, faults = asyncio.run(measure(Path(folder), sys.argv[1:]))
    known = {cells[:2]: cells for cells in (*page.rows_of("cheats"), *rows)}
    order = [(cheat.name, CLASSES[kernel]) for kernel in Kernel for cheat in CHEATS]
    page.put("cheats", page.markdown(HEAD, [known[key] for key in order if key in known]))
    if faults:
        sys.exit("\n".join(("Not found as they should be:", *faults)))


if __name__ == "__main__":
    main()
