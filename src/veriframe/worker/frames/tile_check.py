"""The worker's own check before it publishes: one tile of one frame is rendered once more.

A machine with bad memory, or one that is overclocked, delivers pixels that no other machine gets. Whoever
verifies the result would find that, and the bond would be lost.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import structlog

from veriframe.assets import Asset
from veriframe.errors import Code, HostUnavailable, RenderFailed, ValidationFailed
from veriframe.model.attempt.attempt import Attempt
from veriframe.model.attempt.lease import decoding_seconds
from veriframe.model.attempt.pace import Pace
from veriframe.model.bundle.chunks import parts
from veriframe.model.rendering.frames import RenderTask, proof_file, tiles_file
from veriframe.model.text import some_names
from veriframe.model.verification.tiles import TileGrid
from veriframe.ports.renderer import Cut, CutKind, RenderSession
from veriframe.threads import run_uninterrupted
from veriframe.worker.context import WorkerContext
from veriframe.worker.shared.kept_sessions import OpenedSession
from veriframe.worker.shared.lanes import Lane

log = structlog.get_logger()

MARGIN = 2.0
"""How many times its expected time a second render must have."""

LEAF_BYTES = 32

_DRAW = secrets.SystemRandom()


async def check_tile(attempt: Attempt, asset: Asset, until: float, context: WorkerContext) -> None:
    """Renders a drawn tile again in a second process, and compares what was rendered, bit for bit.

    `until` is the end by the monotonic clock. Only a difference is a failure: without time, or if the second
    render itself fails, the tile is not checked, which is logged. Raises `ValidationFailed` (MISMATCH).
    """
    task = attempt.task
    if not context.checks_tile or task is None or not task.has_proof or task.frame_size is None:
        return
    number, grid = _DRAW.choice(task.frames), TileGrid(*task.frame_size)
    drawn = _Drawn(task, asset, number, grid, _DRAW.randrange(grid.count))
    started, told = context.monotonic(), {"frame": number, "tile": drawn.tile}
    if objection := drawn.objection(until - started, context):
        log.info("tile_not_checked", **told, reason=objection)
        return
    try:
        async with context.lanes.within(Lane.AGAIN, until - started):
            found, has_cycle = await drawn.rendered_again(attempt.job_id, until, context)
    except TimeoutError:
        log.info("tile_not_checked", **told, reason="other jobs took the time that the lease left")
        return
    except (RenderFailed, ValidationFailed, HostUnavailable) as error:
        log.warning("tile_not_checked", **told, reason=str(error))
        return
    if has_cycle:
        log.info("tile_not_checked", **told, reason="a dependency cycle makes a frame depend on others")
        return
    published = context.workspace.validated(attempt.job_id) / tiles_file(number)
    leaves = await run_uninterrupted(published.read_bytes)
    log.info("tile_checked", **told, seconds=round(context.monotonic() - started, 3))
    if found != leaves[LEAF_BYTES * drawn.tile :][:LEAF_BYTES].hex():
        raise ValidationFailed(
            Code.MISMATCH,
            f"Tile {drawn.tile} of frame {number} came out otherwise when it was rendered again: this"
            " machine does not compute reliably, or the scene does not repeat. Test its memory, and undo"
            " overclocking.",
        )


@dataclass(frozen=True, slots=True)
class _Drawn:
    """One tile of a frame of a task."""

    task: RenderTask
    asset: Asset
    number: int
    grid: TileGrid
    tile: int

    def objection(self, left: float, context: WorkerContext) -> str:
        """Why it cannot be checked in the seconds that are left, or an empty text."""
        known = context.scenes.known(self.asset.cid)
        if known is None:
            return "the worker was restarted since the scene was inspected"
        if known.inspection.path_guiding or "Freestyle" in known.inspection.changed_later:
            return "with path guiding or Freestyle, a part of a picture differs if it is rendered alone"
        if known.inspection.sees_region:
            return f"{some_names(known.inspection.sees_region)} may see which part is rendered"
        if left < MARGIN * (needed := self._seconds(context)):
            return f"it may take {needed:.0f} s, and the lease leaves {max(0.0, left):.0f} s"
        return ""

    def _seconds(self, context: WorkerContext) -> float:
        """How long it may take, by what this worker has seen of the scene."""
        pace = context.speeds.pace(self.asset.cid) or Pace(0.0)
        shown = self.grid.bordered(self.tile)
        share = shown.width * shown.height / (self.grid.width * self.grid.height)
        decoding = decoding_seconds(shown.width, shown.height)
        return pace.loading_seconds + share * pace.frame_seconds + decoding

    async def rendered_again(self, job_id: int, until: float, context: WorkerContext) -> tuple[str, bool]:
        """The hash of the tile, in hex, and whether the scene has a dependency cycle.

        Raises `RenderFailed`, `ValidationFailed`, `HostUnavailable`.
        """
        workspace, shown = context.workspace, self.grid.bordered(self.tile)
        out = workspace.rendered(job_id) / "tile"
        await run_uninterrupted(workspace.empty, out)
        one = replace(self.task, frames=(self.number,), region=shown, has_thumbnail=False)
        async with _second_session(self.asset, context) as session:
            left = until - context.monotonic()
            async for _ in session.frames(one, out, lease_seconds=left):
                pass
            has_cycle = session.has_cycle
        cut = Cut(
            file=out / proof_file(self.number),
            kind=CutKind.RAW_PROOF,
            shown=shown,
            wanted=self.grid.region(self.tile),
            size=(self.grid.width, self.grid.height),
        )
        (found,) = await context.renderer.cut([cut])
        return found.leaf, has_cycle


@asynccontextmanager
async def _second_session(asset: Asset, context: WorkerContext) -> AsyncIterator[RenderSession]:
    """The scene in a process that renders no results; kept for the next chunk of the asset if it is small.

    Starting Blender and loading the scene costs more than a tile of a light frame.
    """
    kept = await context.kept_for_checks.take(asset.cid)
    opened = AsyncExitStack() if kept is None else kept.opened
    async with opened:
        if kept is None:
            session = await opened.enter_async_context(context.renderer.open(asset.scene, asset.folder))
        else:
            session = kept.session
        yield session
        if asset.bundle is None or parts(asset.bundle) == 1 or not await session.may_wait():
            return
        # One is enough: tiles are checked one after the other.
        await context.kept_for_checks.close()
        context.kept_for_checks.put(OpenedSession(asset.cid, session, opened.pop_all()))
