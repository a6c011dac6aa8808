"""`veriframe order fetch`: the frames of an order, into a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from veriframe.cli import context, inspecting
from veriframe.cli.display import show
from veriframe.cli.display.activity import activity
from veriframe.cli.job import fetching as pictures
from veriframe.cli.order import acting, options
from veriframe.creator.orders.fetched import FetchedFrames, MissingFrames
from veriframe.creator.orders.fetching import FrameFetching
from veriframe.creator.orders.kept_frames import KeptFrames
from veriframe.creator.orders.orders import Orders
from veriframe.creator.orders.repeats import Repeats
from veriframe.creator.orders.stills import StillMerging
from veriframe.creator.orders.values import OrderStatus
from veriframe.errors import SettingsError
from veriframe.model.quantities import counted, plural
from veriframe.model.rendering.frames import format_frames
from veriframe.model.rendering.scene import SceneInspection
from veriframe.ports.renderer import Renderer
from veriframe.wiring import limits

INCOMPLETE = 6
"""The exit code if a result is at fault. Frames that have not come yet are no fault."""

TAKEN = 8
"""The exit code if other files have the names of frames, which are therefore not fetched."""

Target = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="DIR", help="A folder; it is made. [default: order-ORDER]"),
]
NoCheck = Annotated[
    bool, typer.Option("--no-check", help="Do not decode the frames in the sandbox: take them as they are.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace files of other content.")]


def fetch(
    number: options.Number,
    target: Target = None,
    no_check: NoCheck = False,
    force: Force = False,
    as_json: options.AsJson = False,
) -> None:
    """Fetch all frames that have come, each checked, into a folder. Again: only what is missing."""
    orders = acting.orders()
    status = context.run(orders.find(number))
    folder = target or Path(f"order-{number}")
    if status.bundle is None:
        fetch_pictures(orders, status, target, force=force, as_json=as_json)
        return
    found = fetch_frames(orders, status, folder, no_check=no_check, force=force)
    if as_json:
        show.as_json(_as_object(status, found))
    else:
        tell(status, found)
    if any(one.is_bad for one in found.missing):
        raise typer.Exit(INCOMPLETE)
    if any(one.is_taken for one in found.missing):
        raise typer.Exit(TAKEN)


def fetch_frames(
    orders: Orders, status: OrderStatus, folder: Path, *, no_check: bool, force: bool
) -> FetchedFrames:
    """Fetch an order's frames, with their progress on stderr. Raises `SettingsError` without a sandbox."""
    kept, bundle = KeptFrames(folder), status.bundle
    if bundle is not None and bundle.split is not None:
        return _fetch_still(orders, status, kept, no_check=no_check, force=force)
    renderer = None if no_check else _renderer()
    with _progress(status.frames) as on_frame:
        fetching = FrameFetching(
            store=orders.jobs.store,
            renderer=renderer,
            kept=kept,
            replace=force,
            on_frame=on_frame,
            on_check=orders.notes.note_check,
            on_inspected=partial(_note_size, orders, status),
            bundle_bytes=limits.scene_limits(context.current().settings).bundle_bytes,
            disk_free_bytes=context.current().settings.disk_free_bytes,
            fetch_seconds=context.current().settings.fetch_seconds,
        )
        return context.run(fetching.fetch(status))


def _note_size(orders: Orders, status: OrderStatus, asset_cid: str, found: SceneInspection) -> None:
    """Note what was found in the scene, so that the next fetch need not open it."""
    if (note := status.notes.get(asset_cid)) is not None:
        size, rate = (found.width, found.height), found.frames_per_second
        orders.notes.note_order(asset_cid, replace(note, size=size, frames_per_second=rate))


def _fetch_still(
    orders: Orders, status: OrderStatus, kept: KeptFrames, *, no_check: bool, force: bool
) -> FetchedFrames:
    if no_check:
        raise SettingsError("The tiles of a still are merged in the sandbox: --no-check cannot be used.")
    merging = StillMerging(
        store=orders.jobs.store,
        renderer=_renderer(),
        kept=kept,
        bundle_bytes=limits.scene_limits(context.current().settings).bundle_bytes,
        replaces=force,
        disk_free_bytes=context.current().settings.disk_free_bytes,
        fetch_seconds=context.current().settings.fetch_seconds,
        on_check=orders.notes.note_check,
    )
    with activity("merging the tiles"):
        return context.run(_merged(merging, orders, status))


async def _merged(merging: StillMerging, orders: Orders, status: OrderStatus) -> FetchedFrames:
    """Merge with the tiles of the other orders of the same still, of which this machine has notes."""
    assert status.bundle is not None
    repeats = Repeats(reader=orders.jobs.registry, notes=orders.notes, account=status.order.creator)
    cid = status.order.asset_cid
    key = (status.note.scene_key if status.note else "") or cid
    return await merging.fetch(status, await repeats.find(key, status.bundle))


def fetch_pictures(
    orders: Orders, status: OrderStatus, target: Path | None, *, force: bool, as_json: bool
) -> None:
    """Fetch the one picture of each job of a bare scene."""
    ready = [job.id for job in status.jobs if job.result_cid]
    if not ready:
        raise SettingsError(
            f"Order {status.number} has no picture yet. `veriframe order watch {status.number} --result` "
            "waits for it."
        )
    pictures.fetch_all(orders.jobs, ready, target, force=force, as_json=as_json)


def tell(status: OrderStatus, found: FetchedFrames) -> None:
    """Print what is there, and what is missing and why."""
    kept = f", {len(found.kept)} {'was' if len(found.kept) == 1 else 'were'} there" if found.kept else ""
    there = len(found.written) + len(found.kept)
    counts = f"{there} of {counted(status.frames, 'frame')} ({len(found.written)} fetched{kept})"
    show.out.print(
        f"{show.clean(str(found.folder))}: {counts}.",
        markup=False,
        soft_wrap=True,
    )
    alike: dict[tuple[str, bool], list[MissingFrames]] = {}
    for one in found.missing:
        alike.setdefault((one.why, one.is_bad), []).append(one)
    for (why, is_bad), some in alike.items():
        frames = format_frames(tuple(sorted(frame for one in some for frame in one.frames)))
        numbers = tuple(sorted(one.job_id for one in some if one.job_id is not None))
        jobs = f" ({plural(len(numbers), 'job')} {format_frames(numbers)})" if numbers else ""
        show.out.print(
            f"  missing {frames or 'all frames'}{jobs}: {show.clean(why)}",
            style="red" if is_bad else "yellow",
            markup=False,
            soft_wrap=True,
        )


def _as_object(status: OrderStatus, found: FetchedFrames) -> dict[str, object]:
    return {
        "order": status.number,
        "folder": str(found.folder),
        "frames": status.frames,
        "written": found.written,
        "kept": found.kept,
        "missing": [
            {"frames": list(one.frames), "job_id": one.job_id, "why": one.why, "at_fault": one.is_bad}
            for one in found.missing
        ],
        "frames_per_second": found.frames_per_second or None,
    }


def _renderer() -> Renderer:
    try:
        with activity("starting the sandbox"):
            return context.run(inspecting.renderer())
    except SettingsError as error:
        raise SettingsError(
            f"Frames of unknown workers are only decoded in a sandbox, and this machine has none: {error} "
            "Fetch them on another machine, or as they are with --no-check."
        ) from error


@contextmanager
def _progress(frames: int) -> Iterator[Callable[[int], None]]:
    if not show.err.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn("fetching frames"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=show.err, transient=True) as bars:
        bar = bars.add_task("", total=frames)
        yield lambda _: bars.advance(bar)
