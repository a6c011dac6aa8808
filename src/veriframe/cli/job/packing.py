"""`veriframe job pack`: packs a scene with all its files into a bundle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from veriframe.cli import context
from veriframe.cli.display import show
from veriframe.cli.display.activity import activity
from veriframe.cli.job import bundle_options as wanted
from veriframe.cli.job import options
from veriframe.errors import Code, JobRejected
from veriframe.settings import to_fri

if TYPE_CHECKING:
    from veriframe.creator.packing.packing import Packing
    from veriframe.creator.packing.values import Comparison, Found, Packed
    from veriframe.model.bundle.estimate import Estimate
    from veriframe.model.bundle.options import BundleOptions

DIFFERENT = 7
"""The exit code if the bundle renders another picture than the original."""


def pack(
    scene: Annotated[Path, typer.Argument(metavar="FILE.blend", help="The scene. It is only read.")],
    target: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="A new folder.")],
    frames: wanted.Frames = None,
    chunk: wanted.Chunk = None,
    camera: wanted.Camera = None,
    view_layer: wanted.ViewLayer = None,
    engine: wanted.EngineOption = None,
    resolution: wanted.Resolution = None,
    samples: wanted.Samples = None,
    seed: wanted.Seed = None,
    denoise: wanted.Denoise = None,
    image_format: wanted.FormatOption = wanted.Format.PNG,
    depth: wanted.Depth = None,
    passes: wanted.Passes = None,
    proof_tiles: wanted.ProofTiles = 4,
    frame_seconds: wanted.FrameLimit = None,
    tiles: wanted.Tiles = None,
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Render nothing: neither a comparison nor an estimate.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Pack a scene with all its files into a folder, and say what its order will take. Nothing is posted."""
    given = wanted.Given(
        frames=frames,
        chunk=chunk,
        camera=camera,
        view_layer=view_layer,
        engine=engine,
        resolution=resolution,
        samples=samples,
        seed=seed,
        denoise=denoise,
        image_format=image_format,
        depth=depth,
        passes=passes,
        proof_tiles=proof_tiles,
        frame_seconds=frame_seconds,
        tiles=tiles,
    )
    packed, comparison, estimate = context.run(
        pack_and_check(scene, target, given.options(), is_checked=not no_check)
    )
    _show(packed, comparison, estimate, as_json=as_json)
    if comparison is not None and not comparison.is_equal:
        raise typer.Exit(DIFFERENT)


async def pack_and_check(
    scene: Path,
    target: Path,
    asked: BundleOptions,
    *,
    is_checked: bool,
    on_packed: Callable[[Packed], None] = lambda packed: None,
) -> tuple[Packed, Comparison | None, Estimate | None]:
    """Pack a scene, say what goes into the bundle, compare and estimate. Raises as `Packing` does.

    `on_packed` hears of the bundle before anything is rendered; what it raises ends it.
    """
    from veriframe.cli.display import bundle_view  # noqa: PLC0415 - other commands do not need it
    from veriframe.creator.packing.packing import check_options, with_chunk  # noqa: PLC0415
    from veriframe.creator.packing.writing import refuse_target  # noqa: PLC0415

    check_options(asked)
    await asyncio.to_thread(refuse_target, target)
    with activity("starting the sandbox"):
        packing = await packing_of_settings()
    with activity(f"looking for the files of {scene.name}"):
        found = await packing.find(scene)
    bundle_view.say_found(found)
    with activity("writing the bundle"), _named_once(found):
        packed = await packing.write(found, target, asked)
    on_packed(packed)
    if not is_checked:
        return packed, None, None
    with activity("rendering a small picture of the bundle and of your files"):
        comparison = await packing.compare(found, packed)
    with activity("rendering small pictures for the estimate"):
        estimate = await packing.estimate(packed, hour_fri())
    packed = await asyncio.to_thread(with_chunk, packed, estimate.chunk)
    return packed, comparison, estimate


@contextmanager
def _named_once(found: Found) -> Iterator[None]:
    """What could not travel was told with its path: the inspection would name it again, by its block."""
    try:
        yield
    except JobRejected as error:
        if error.code is not Code.MISSING_FILES or not any(left.is_used for left in found.left_out):
            raise
        raise JobRejected(
            error.code, "Without what was left out no worker takes the scene. Correct it, as said above."
        ) from error


async def packing_of_settings() -> Packing:
    """The packing, as the settings say. Raises `SettingsError` without Blender or a sandbox."""
    from veriframe.wiring.packing import build_packing  # noqa: PLC0415 - it is slow to import

    return await build_packing(context.current().settings)


def hour_fri() -> int | None:
    """The price of an hour of this machine, by the setting."""
    price = context.current().settings.machine_hour_strk
    return None if price is None else to_fri(price)


def _show(packed: Packed, comparison: Comparison | None, estimate: Estimate | None, *, as_json: bool) -> None:
    from veriframe.cli.display import bundle_view  # noqa: PLC0415

    for warning in packed.verdict.warnings:
        show.err.print(f"Warning: {show.clean(warning)}", style="yellow", markup=False)
    for trace in packed.traces:
        show.err.print(
            f"Warning: a path of this machine becomes public in {show.clean(trace)}",
            style="yellow",
            markup=False,
        )
    if as_json:
        show.as_json(bundle_view.as_object(packed, comparison, estimate))
        return
    facts = bundle_view.packed_facts(packed)
    show.facts("", {**facts, **(bundle_view.estimate_facts(estimate) if estimate else {})})
    if comparison is not None:
        show.out.print(bundle_view.compared(comparison), markup=False)
