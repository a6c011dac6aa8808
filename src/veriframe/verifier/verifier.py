"""Verification, read as the proof: what must be true of a result, in the order in which it is checked.

1. The **seed** is the hash of the block after the one that holds the submission, with the job and the CID of
   the result. When the worker committed to the result, nobody knew it; now anyone can compute it.
2. The **asset** is what the order names. Its inspection, in the sandbox, says what must be rendered.
3. The **manifest** must be that of the job, with the settings that the asset has.
4. **Frames** are drawn by the seed. Of each, the delivered picture must have the digest in the manifest, and
   the list of tiles must make the root in it: what was delivered cannot change any more.
5. **Tiles** are drawn by the seed and rendered again. Equal bits prove a tile. Where they differ, the rule
   between machines decides (model/verification/rule.py), after the tile's pixels have been fetched and found
   to be those that the list commits to.
6. The **delivered picture** of the same tiles must be what Blender makes of them.

`Result` (results.py) does 3 and 4, `FrameCheck` (frame_check.py) 5 and 6.
"""

from __future__ import annotations

import asyncio
import math
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from veriframe import disk
from veriframe.errors import Code, JobRejected, RenderFailed, SettingsError, ValidationFailed
from veriframe.model.quantities import plural
from veriframe.model.registry.job import Job
from veriframe.model.rendering.frames import format_frames
from veriframe.model.rendering.scene import SceneLimits
from veriframe.model.verification.draw import draw_frames, seed_of
from veriframe.model.verification.findings import AT_FAULT, Conclusion, FrameFinding, JobFinding, Request
from veriframe.ports.registry import JobReader
from veriframe.ports.renderer import Renderer
from veriframe.ports.store import ContentStore
from veriframe.verifier.delivery.evidence import WITHHELD, Evidence, Retries
from veriframe.verifier.frame_check import FrameCheck
from veriframe.verifier.heat_map import overview
from veriframe.verifier.judging import Judging
from veriframe.verifier.results import Result, open_result
from veriframe.verifier.scenes import OpenedAsset, Scenes
from veriframe.verifier.turn import Turn, Turns
from veriframe.verifier.values import Plan, TilePicture

FIRST_BLOCK_SECONDS, BLOCK_SECONDS = 0.25, 2.0
"""When the registry is asked again whether the next block is there; each time later, up to the second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found of a job, and pictures for people.

    `pictures` are of the parts that differ, `overviews` small JPEGs of the delivered frames by their numbers.
    `size` is that of the frames in pixels; None if nothing was looked at. `lacks_asset`: nobody provides the
    scene now. `late_seconds`: how long late deliveries were waited for.
    """

    finding: JobFinding
    pictures: tuple[TilePicture, ...] = ()
    overviews: Mapping[int, bytes] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    lacks_asset: bool = False
    late_seconds: float = 0.0


class Watching:
    """What hears of the progress. By default it does nothing."""

    def on_wait(self, why: str) -> None:
        """It waits for something."""

    def on_tiles(self, done: int, total: int) -> None:
        """So many tiles of a job are done, of so many."""


@dataclass(slots=True, kw_only=True)
class Verifier:
    """Verifies results of a registry. A context manager: an asset stays open meanwhile.

    Several results of one asset may be verified at once. One of them at a time uses Blender and memory for
    its work, while others wait for deliveries.

    `folder` is its own, for work; `memory_bytes` is what a render may use.
    """

    registry: JobReader
    store: ContentStore
    renderer: Renderer
    limits: SceneLimits
    memory_bytes: int
    folder: Path
    retries: Retries = field(default_factory=Retries)
    watching: Watching = field(default_factory=Watching)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _scenes: Scenes = field(init=False)
    _turns: Turns = field(default_factory=Turns)

    async def __aenter__(self) -> Self:
        scenes = Scenes(
            store=self.store,
            renderer=self.renderer,
            limits=self.limits,
            memory_bytes=self.memory_bytes,
            folder=self.folder,
        )
        self._scenes = await self._stack.enter_async_context(scenes)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def verify(
        self,
        job: Job,
        request: Request,
        after_block: int | None = None,
        late: Callable[[], float] = lambda: math.inf,
    ) -> Verified:
        """Verify the result of a job. The seed is of the block after `after_block`; None: its submission's.

        Waits for that block. `late` says, once it is its turn, how many seconds late deliveries may take.
        Raises `RegistryUnavailable`, `StoreUnavailable`, `HostUnavailable`, and `SettingsError` if the job
        has none of the frames that were asked for; what cannot be decided here is a finding.
        """
        started = time.monotonic()
        block = (job.submitted_block if after_block is None else after_block) + 1
        seed = seed_of(await self._block_hash(block), job.id, job.result_cid)
        facts = await self.renderer.facts()
        finding = JobFinding(
            job=job.id,
            order=job.order.id,
            asset_cid=job.order.asset_cid,
            result_cid=job.result_cid,
            seed_block=block,
            seed=seed.hex(),
            blender=facts.version_text,
            build_hash=facts.build_hash,
            machine_class=await self.renderer.machine_class(),
            are_named=bool(request.frames),
        )
        plan = Plan(job=job, seed=seed, request=request)
        turn = Turn(self._turns)
        async with self._scenes.kept(job.order.asset_cid), turn:
            verified = await self._job(finding, replace(plan, late_seconds=late()), turn)
        seconds = round(time.monotonic() - started, 2)
        return replace(verified, finding=replace(verified.finding, seconds=seconds))

    async def _job(self, finding: JobFinding, plan: Plan, turn: Turn) -> Verified:
        """Steps 2 to 6."""
        try:
            opened = await self._scenes.open(plan.job.order.asset_cid)
            return await self._result(finding, opened, plan, turn)
        except JobRejected as error:
            reason = f"the scene cannot be rendered here: {error} [{error.code.value}]"
            lacks_asset = error.code is Code.NOT_FOUND
            return Verified(finding=undecided(finding, reason), lacks_asset=lacks_asset)

    async def _result(self, finding: JobFinding, opened: OpenedAsset, plan: Plan, turn: Turn) -> Verified:
        """Steps 3 to 6, in a folder of its own."""
        name = f"job-{plan.job.id}-"
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=name, dir=opened.folder))
        evidence = Evidence(
            store=self.store,
            result_cid=plan.job.result_cid,
            folder=folder,
            retries=self.retries.within(plan.late_seconds),
            on_wait=self.watching.on_wait,
            waiting=turn.given_up,
            sharing=lambda: self._turns.waiting,
        )
        try:
            result = await open_result(evidence, self.renderer, plan.job, opened)
            verified = await self._frames(finding, result, plan)
        except ValidationFailed as error:
            verified = Verified(finding=at_fault(finding, error))
        finally:
            # An order has many results, and its asset stays open for all of them.
            await asyncio.to_thread(disk.remove, folder)
        return replace(verified, late_seconds=evidence.late_seconds)

    async def _frames(self, finding: JobFinding, result: Result, plan: Plan) -> Verified:
        """Steps 4 to 6, of the frames that are drawn."""
        if not (drawn := _drawn(result, plan)):
            raise SettingsError(
                f"Job {plan.job.id} has none of these frames, but {plural(len(result.numbers), 'frame')}"
                f" {format_frames(result.numbers)}."
            )
        result.expect(drawn)
        plan = replace(plan, tiles=plan.request.tiles or result.tiles)
        finding = replace(
            finding,
            worker_class=result.worker_class,
            frames_of_job=len(result.numbers),
            tiles_of_frame=result.tiles_of_frame,
            notes=result.notes(drawn),
        )
        on_tile = _Counter(self.watching, len(drawn) * result.steps(plan.tiles)).count
        frames, pictures, overviews = list[FrameFinding](), list[TilePicture](), dict[int, bytes]()
        has_two_kernels = (await self.renderer.facts()).has_two_kernels
        for number in drawn:
            traits, crops = result.traits(number), result.crops(number)
            size = result.opened.size
            judging = Judging(frame=number, size=size, crops=crops, has_two_kernels=has_two_kernels)
            check = FrameCheck(traits=traits, judging=judging, renderer=self.renderer, on_tile=on_tile)
            frames.append(await self._frame(number, result, check, plan))
            pictures += judging.pictures
            if check.overview:
                overviews[number] = check.overview
            if frames[-1].conclusion in AT_FAULT and not plan.request.every:
                # Nothing that the others show makes the result right.
                break
        finding = replace(finding, frames=tuple(frames), fetched_bytes=result.evidence.fetched_bytes)
        finding = with_class_note(finding)
        size = result.region.width, result.region.height
        return Verified(finding=finding, pictures=tuple(pictures), overviews=overviews, size=size)

    async def _frame(self, number: int, result: Result, check: FrameCheck, plan: Plan) -> FrameFinding:
        try:
            delivered = await result.delivered(number, check.judging.crops)
            check.overview = await asyncio.to_thread(overview, delivered)
            return await check.check(delivered, plan)
        except ValidationFailed as error:
            conclusion = Conclusion.WITHHELD if error.code is WITHHELD else Conclusion.WRONG
            reason = str(error)
        except RenderFailed as error:
            conclusion, reason = Conclusion.UNDECIDED, f"it cannot be rendered here: {error}"
        return FrameFinding(
            number=number,
            tiles=tuple(check.judging.findings),
            conclusion_of_its_own=conclusion,
            reason=reason,
        )

    async def _block_hash(self, number: int) -> int:
        """The hash of a block, once it is there."""
        seconds = FIRST_BLOCK_SECONDS
        while (found := await self.registry.block_hash(number)) is None:
            if seconds == FIRST_BLOCK_SECONDS:
                self.watching.on_wait(f"block {number}, whose hash says which tiles are checked")
            await asyncio.sleep(seconds)
            seconds = min(2 * seconds, BLOCK_SECONDS)
        return found


class _Counter:
    """Counts the tiles that are done. There may be more of them than was thought."""

    def __init__(self, watching: Watching, total: int) -> None:
        self._watching, self._total, self._done = watching, total, 0
        watching.on_tiles(0, total)

    def count(self) -> None:
        """One more is done."""
        self._done += 1
        self._watching.on_tiles(self._done, max(self._done, self._total))


def _drawn(result: Result, plan: Plan) -> tuple[int, ...]:
    """The frames that are checked, in the job's order."""
    if plan.request.every:
        return result.numbers
    wanted = set(plan.request.frames or draw_frames(plan.seed, result.numbers))
    wanted |= set(plan.request.suspects)
    return tuple(number for number in result.numbers if number in wanted)


def undecided(finding: JobFinding, reason: str) -> JobFinding:
    """The finding of a job that cannot be judged here."""
    return replace(finding, conclusion_of_its_own=Conclusion.UNDECIDED, reason=reason)


def at_fault(finding: JobFinding, error: ValidationFailed) -> JobFinding:
    """The finding of a result that is withheld, or wrong as a whole."""
    conclusion = Conclusion.WITHHELD if error.code is WITHHELD else Conclusion.WRONG
    return replace(finding, conclusion_of_its_own=conclusion, reason=str(error))


def with_class_note(finding: JobFinding) -> JobFinding:
    """The finding, with a note if the worker claims our class and rendered other bits."""
    has_other_bits = any(tile.worker is not None for frame in finding.frames for tile in frame.tiles)
    if not (has_other_bits and finding.worker_class and finding.worker_class == finding.machine_class):
        return finding
    note = "The worker claims the class of this machine, which rendered other bits."
    return replace(finding, notes=(*finding.notes, note))
