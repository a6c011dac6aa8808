"""`veriframe scene`: checks or renders a scene without a job."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from veriframe.causes import cause_of
from veriframe.cli import context, inspecting
from veriframe.cli.display import show
from veriframe.cli.display.activity import activity
from veriframe.cli.display.outcomes import Outcomes
from veriframe.cli.display.render_bar import render_bar
from veriframe.cli.failures import failures, forget
from veriframe.errors import JobRejected, SettingsError
from veriframe.model.bundle.options import frames_option
from veriframe.model.quantities import counted, format_size, format_span
from veriframe.model.rendering.frames import (
    Frame,
    ImageFormat,
    RenderTask,
    ValidatedFrame,
    frame_file,
)
from veriframe.model.rendering.scene import SceneVerdict

app = typer.Typer(help="Check or render a scene without a job.", no_args_is_help=True)
app.command()(failures)
app.command()(forget)

PICTURES = frozenset((".png", ".exr", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"))
"""Suffixes of pictures: a name with one of them is meant as a file."""

Scene = Annotated[Path, typer.Argument(metavar="FILE", help="A .blend file.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.command()
def check(
    scenes: Annotated[
        list[Path],
        typer.Argument(metavar="FILE|DIR", help="Scenes, or folders of `job pack`."),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on stdout; of several scenes, one a line.")
    ] = False,
) -> None:
    """Check whether a worker would take the scenes. Exits with 5, and the reason, if it would not."""
    named = list(dict.fromkeys(scenes))
    outcomes = Outcomes(len(named), as_json=as_json)
    for scene in named:
        with outcomes.of(scene=str(scene)):
            _check_one(scene, outcomes, as_json=as_json)
    outcomes.end()


def _check_one(scene: Path, outcomes: Outcomes, *, as_json: bool) -> None:
    which = {} if outcomes.is_single else {"scene": str(scene)}
    try:
        verdict = context.run(_check_bundle(scene) if scene.is_dir() else _check(_readable(scene)))
    except JobRejected as error:
        if as_json and outcomes.is_single:
            show.as_json({"verdict": "refused", "code": error.code, "reason": str(error)})
        raise
    if as_json:
        outcomes.print_json({**which, "verdict": "fit", **asdict(verdict)})
    else:
        show.facts(f"{scene.name}: fit", _facts(verdict))


@app.command()
def render(
    scene: Scene,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="PATH", help="Folder for the frames, or FILE.png for one frame."),
    ],
    frames: Annotated[str, typer.Option(help="For example 1-10,15,20-40x2.")] = "1",
    image_format: Annotated[
        ImageFormat, typer.Option("--format", case_sensitive=False, help="File format of the frames.")
    ] = ImageFormat.PNG,
    force: Annotated[bool, typer.Option("--force", help="Replace existing frames.")] = False,
    as_json: AsJson = False,
) -> None:
    """Render frames of a scene in the same sandbox as a job's, and validate them."""
    numbers = frames_option("--frames", frames)
    files = _files(out, numbers, image_format, force=force)
    target, started = next(iter(files.values())).parent, time.monotonic()
    with _made(target):
        rendered, validated = context.run(_render(_readable(scene), files, image_format))
    if as_json:
        show.as_json(
            {
                "folder": str(target),
                "seconds": round(time.monotonic() - started, 3),
                "peak_memory_bytes": rendered[-1].peak_memory_bytes,
                "frames": [
                    {**asdict(frame), "seconds": made.seconds}
                    for frame, made in zip(validated, rendered, strict=True)
                ],
            }
        )
        return
    rows = [
        (
            str(f.number),
            f"{f.width}×{f.height}",
            format_span(made.seconds),
            format_size(f.size_bytes),
            _name(f),
        )
        for f, made in zip(validated, rendered, strict=True)
    ]
    show.table(f"Frames in {target}", ("frame", "pixels", "rendered in", "size", "file"), rows)


async def _check(scene: Path) -> SceneVerdict:
    with activity(f"checking {scene.name} in the sandbox"):
        async with inspecting.examined(scene) as (_, _, verdict):
            return verdict


async def _check_bundle(folder: Path) -> SceneVerdict:
    from veriframe.creator.orders.posting import read_bundle  # noqa: PLC0415 - scenes do not need it

    bundle = read_bundle(folder)
    with activity(f"checking {folder.name} in the sandbox"):
        return await inspecting.judged_bundle(folder, bundle, await inspecting.renderer())


async def _render(
    scene: Path, files: Mapping[int, Path], image_format: ImageFormat
) -> tuple[Sequence[Frame], Sequence[ValidatedFrame]]:
    numbers = list(files)
    with tempfile.TemporaryDirectory(prefix="veriframe-") as folder, render_bar(len(numbers)) as bar:
        out, clean = _two_in(Path(folder))
        bar.step("opening and checking the scene")
        async with inspecting.examined(scene) as (renderer, session, verdict):
            for warning in verdict.warnings:
                show.err.print(f"Warning: {show.clean(warning)}", style="yellow", markup=False)
            size = (verdict.inspection.width, verdict.inspection.height)
            task = RenderTask(frames=tuple(numbers), format=image_format, size=size)
            rendered = [frame async for frame in session.frames(task, out, on_progress=bar.on_progress)]
        bar.step("validating the frames")
        validated = await renderer.validate(task, rendered, out, clean)
        for frame in validated:
            shutil.move(clean / frame.file, files[frame.number])
    return rendered, [replace(frame, file=files[frame.number].name) for frame in validated]


def _name(frame: ValidatedFrame) -> str:
    return f"{frame.file}, black" if frame.is_black else frame.file


def _two_in(folder: Path) -> tuple[Path, Path]:
    rendered, clean = folder / "out", folder / "clean"
    rendered.mkdir()
    clean.mkdir()
    return rendered, clean


def _readable(scene: Path) -> Path:
    try:
        with scene.open("rb"):
            return scene.resolve()
    except OSError as error:
        raise SettingsError(f"{scene} cannot be read: {cause_of(error)}. Pass a .blend file.") from error


def _files(
    out: Path, numbers: Sequence[int], image_format: ImageFormat, *, force: bool
) -> Mapping[int, Path]:
    """The file of each frame: in the folder `out`, or `out` itself if it is the name of a picture."""
    if str(out) == "-":
        raise SettingsError("Frames are written to files, not to stdout. Pass a folder, or FILE.png.")
    files = {number: out / frame_file(number, image_format) for number in numbers}
    if out.suffix.lower() in PICTURES and not out.is_dir():
        if len(numbers) > 1:
            raise SettingsError(f"{out} is one file, for {len(numbers)} frames. Pass a folder.")
        if out.suffix.lower() != image_format.suffix:
            raise SettingsError(
                f"{out} does not end in {image_format.suffix}, as {image_format} files do. Rename it, or"
                " choose another --format."
            )
        files = {numbers[0]: out}
    if taken := [file for file in files.values() if file.exists() and not force]:
        raise SettingsError(f"{taken[0]} already exists. Pass another place, or replace it with --force.")
    return files


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder for the block. If that fails, whatever was made is removed again."""
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"{folder} cannot be created: {cause_of(error)}. Pass a folder that you can write."
        ) from error
    try:
        yield
    except BaseException:
        for one in new:
            with suppress(OSError):
                one.rmdir()
        raise


def _facts(verdict: SceneVerdict) -> dict[str, str]:
    scene, header = verdict.inspection, verdict.header
    return {
        "Blender": f"{header.version}, {header.wrapping}, {header.blocks} blocks, "
        f"{format_size(header.unpacked_bytes)} unpacked",
        "engine": f"{scene.engine}, {counted(scene.samples, 'sample')}",
        "picture": f"{scene.width}×{scene.height}",
        "frames": f"{scene.frame_start}-{scene.frame_end}; a job renders frame 1",
        "camera": scene.camera,
        "view layers": ", ".join(scene.view_layers),
        "objects": str(scene.objects),
        "warnings": " ".join(verdict.warnings) or "none",
    }
