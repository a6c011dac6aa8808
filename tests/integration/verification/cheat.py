"""What a cheat is: how its result is made, and what a verifier must say of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.integration.verification.blenders import pretending
from tests.integration.verification.lab import RETRIES, Lab
from tests.integration.verification.withholding import Withholding
from tests.integration.verification.works import Scene, Work, same

from veriframe.model.bundle.manifest import Manifest
from veriframe.model.registry.job import Job, JobState
from veriframe.model.verification.draw import seed_of
from veriframe.model.verification.findings import Conclusion, JobFinding, Request
from veriframe.ports.renderer import Kernel

Make = Callable[[Lab, Kernel], Awaitable[tuple[Job, Work]]]

BOTH = (Kernel.BEST, Kernel.SSE)

DIFFERS = "differs by more than honest processors do"


class Found(StrEnum):
    """By what a cheat is found. All but `TILES` need no comparison of a tile."""

    TILES = "its tiles"
    MANIFEST = "its manifest"
    LIST = "its list of tiles"
    PROOF = "its proof, whose pixels its list of tiles denies"
    WITHHELD = "asking for it three times"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cheat:
    """One way to be paid for less, or to be believed less.

    `why` is a pattern for the reason. `kernels` are those that the worker renders with: with the SSE kernel
    it is of another class. `withholds` is how the path ends that nobody provides. `downloads`: it takes
    another release of Blender.
    """

    name: str
    scene: Scene
    make: Make
    why: str = DIFFERS
    conclusion: Conclusion = Conclusion.WRONG
    request: Request = field(default_factory=lambda: Request(tiles=1))
    kernels: tuple[Kernel, ...] = (Kernel.BEST,)
    found: Found = Found.TILES
    withholds: str = ""
    downloads: bool = False


def made(
    scene: Scene,
    *,
    of: Scene | None = None,
    told: Callable[[Manifest], Manifest] = same,
    spoil: Callable[[Path], None] = same,
    **changes: Any,
) -> Make:
    """A result of an order of `scene`: rendered `of` another one, or by `changes`, or published otherwise."""

    async def make(lab: Lab, kernel: Kernel) -> tuple[Job, Work]:
        job = await lab.claimed(scene)
        work = await (
            lab.render(of or scene, kernel=kernel, **changes)
            if changes or of
            else lab.honest(of or scene, kernel)
        )
        return await lab.submit(job, work, told, spoil), work

    return make


def by_next_blender(scene: Scene, told: Callable[[Manifest], Manifest] = same) -> Make:
    """A result that the next release of Blender rendered; its manifest has the settings that were ordered."""

    async def make(lab: Lab, kernel: Kernel) -> tuple[Job, Work]:
        job, honest = await lab.claimed(scene), await lab.honest(scene)
        other = await asyncio.to_thread(pretending)
        work = await lab.render(scene, kernel=kernel, renderer=other)
        work = replace(work, opened=honest.opened)
        return await lab.submit(job, work, told), work

    return make


async def examine(lab: Lab, cheat: Cheat, kernel: Kernel) -> None:
    """Make a result and verify it. Raises `AssertionError` if the verifier does not say what it is."""
    job, _ = await cheat.make(lab, kernel)
    await judged(lab, cheat, job)


async def judged(lab: Lab, cheat: Cheat, job: Job, request: Request | None = None) -> JobFinding:
    """What the verifier finds of a submitted result. Raises `AssertionError` as `examine` does."""
    assert job.state is JobState.SUBMITTED
    store = Withholding(lab.store, cheat.withholds) if cheat.withholds else None
    finding = (await lab.verify(job, request or cheat.request, store=store)).finding
    assert finding.conclusion is cheat.conclusion, finding.why
    assert re.search(cheat.why, finding.why), finding.why
    block = job.submitted_block + 1
    seed = seed_of(await lab.chain.hash_of(block), job.id, job.result_cid)
    assert (finding.seed_block, finding.seed) == (block, seed.hex())
    assert (finding.tiles > 0) == (cheat.found is Found.TILES)
    if store is not None:
        assert store.asked == RETRIES.tries
    return finding
