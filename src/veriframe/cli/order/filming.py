"""`veriframe order film`: a film from an order's frames."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from veriframe.cli import context
from veriframe.cli.display import show
from veriframe.cli.order import acting, fetching, options
from veriframe.creator import files
from veriframe.creator.orders.fetched import FetchedFrames
from veriframe.creator.orders.film import FilmPlan, plan_film
from veriframe.creator.orders.kept_frames import KeptFrames
from veriframe.creator.orders.values import OrderStatus
from veriframe.errors import SettingsError
from veriframe.model.quantities import counted, format_span, plural
from veriframe.model.rendering.frames import ImageFormat, format_frames
from veriframe.wiring import orders as building


def film(
    source: Annotated[
        str, typer.Argument(metavar="ORDER|DIR", help="An order's number, or a folder with its frames.")
    ],
    target: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.mp4", help="The film.")],
    rate: Annotated[
        float | None,
        typer.Option("--fps", min=1, max=1000, help="Frames a second. [default: the scene's]"),
    ] = None,
    skip_missing: Annotated[
        bool,
        typer.Option("--skip-missing", help="Leave missing frames out, instead of holding the one before."),
    ] = False,
    no_check: fetching.NoCheck = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing film.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Make a film (H.264, MP4) at the scene's frame rate from the frames that are there."""
    if target.suffix.lower() != ".mp4":
        raise SettingsError(f"--output {target} is no film. Give it a name that ends with .mp4.")
    if target.exists() and not force:
        raise SettingsError(f"{target} already exists. Pass another file, or replace it with --force.")
    with files.beside(target):
        pass  # what cannot be written is told before anything is fetched
    folder, frames = _source(source, no_check=no_check)
    plan = plan_film(KeptFrames(folder), frames, hold=not skip_missing, unchecked=no_check, rate=rate)
    width, height = _write(plan, target)
    seconds = len(plan.files) / plan.frames_per_second
    if as_json:
        show.as_json(
            {
                "film": str(target),
                "frames": len(plan.files),
                "missing": list(plan.missing),
                "frames_per_second": plan.frames_per_second,
                "seconds": round(seconds, 3),
                "width": width,
                "height": height,
            }
        )
        return
    if not plan.is_rate_known:
        show.err.print(
            f"The scene's frame rate is not known: {plan.frames_per_second:g} is used.", markup=False
        )
    if plan.missing:
        what = "left out" if skip_missing else "held by the frame before"
        show.err.print(
            f"Missing, and {what}: {plural(len(plan.missing), 'frame')} {format_frames(plan.missing)}.",
            style="yellow",
            markup=False,
        )
    show.out.print(
        f"{show.clean(str(target))}: {counted(len(plan.files), 'frame')}, {format_span(round(seconds, 2))}"
        f" at {plan.frames_per_second:g} frames a second, {width}×{height} pixels.",
        markup=False,
        soft_wrap=True,
    )


def _source(source: str, *, no_check: bool) -> tuple[Path, tuple[int, ...] | None]:
    """The folder of the frames, and the frames that there should be if an order says so."""
    if not (source.isascii() and source.isdigit()) or Path(source).is_dir():
        return Path(source), None
    orders = acting.orders()
    status = context.run(orders.find(int(source)))
    if status.bundle is None:
        raise SettingsError(f"Order {source} has one picture, and no film.")
    if status.bundle.format is ImageFormat.MULTILAYER:
        raise SettingsError(
            f"The frames of order {source} are multilayer EXR, which is no picture of its own. Make the film "
            "from them in Blender, or order PNG."
        )
    if status.bundle.split is not None:
        raise SettingsError(
            f"Order {source} is one still in tiles, and no film. `veriframe order fetch {source}` merges it."
        )
    folder = Path(f"order-{source}")
    if not folder.is_dir() and not any(chunk.has_come for chunk in status.chunks):
        raise SettingsError(f"Order {source} has no frame yet. {_nothing_yet(status)}")
    found = fetching.fetch_frames(orders, status, folder, no_check=no_check, force=False)
    show.err.print(_fetched_words(found, folder), markup=False)
    return folder, tuple(frame for chunk in status.chunks for frame in chunk.frames)


def _fetched_words(found: FetchedFrames, folder: Path) -> str:
    """What was fetched, and what was there already."""
    kept = len(found.kept)
    there = f"{counted(kept, 'frame')} {'was' if kept == 1 else 'were'} there already"
    if kept and not found.written:
        return f"{there}, in {folder}."
    return f"{counted(len(found.written), 'frame')} fetched to {folder}{', ' + there if kept else ''}."


def _nothing_yet(status: OrderStatus) -> str:
    """What to do about an order of which nothing has come."""
    if status.is_over:
        return f"None will come: `veriframe order create --again {status.number}` posts them again."
    return f"`veriframe order watch {status.number} --result` waits for them."


def _write(plan: FilmPlan, target: Path) -> tuple[int, int]:
    columns = (TextColumn("making the film"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=show.err, transient=True, disable=not show.err.is_terminal) as bars:
        bar = bars.add_task("", total=len(plan.files))
        writing = asyncio.to_thread(
            building.write_film,
            plan.files,
            target,
            plan.frames_per_second,
            lambda done: bars.update(bar, completed=done),
        )
        return context.run(writing)
