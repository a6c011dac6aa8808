"""A fetched asset: a bare scene, or a bundle. It is read without Blender, and then inspected."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from veriframe.causes import cause_of
from veriframe.errors import Code, HostUnavailable, JobRejected
from veriframe.model.bundle.chunks import check_split
from veriframe.model.bundle.job_file import FILE_NAME, MOST_BYTES, Bundle, parse_job_file
from veriframe.model.quantities import format_size
from veriframe.model.rendering.checks import check_version, judge, read_header
from veriframe.model.rendering.overrides import overridden
from veriframe.model.rendering.scene import (
    BlenderVersion,
    SceneHeader,
    SceneInspection,
    SceneLimits,
    SceneVerdict,
)
from veriframe.model.text import printable
from veriframe.ports.renderer import Renderer
from veriframe.threads import run_uninterrupted

_PACK = "Pack it with: veriframe job pack."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """The scene of an asset and, for a bundle, its folder and what it asks for."""

    cid: str
    scene: Path
    folder: Path | None = None
    bundle: Bundle | None = None


def read_asset(cid: str, path: Path) -> Asset:
    """Reads what was fetched: a file is a bare scene, a folder is a bundle. Blocks.

    Raises `JobRejected`: BAD_BUNDLE, FRAME_RANGE, and those of paths; `HostUnavailable`.
    """
    if not path.is_dir():
        return Asset(cid=cid, scene=path)
    bundle = parse_job_file(_read_job_file(path))
    scene = path / bundle.scene
    if not _is_inside(scene, path):
        raise JobRejected(
            Code.BAD_BUNDLE,
            f"The bundle has no plain file {printable(bundle.scene, 200)}, its scene. {_PACK}",
        )
    return Asset(cid=cid, scene=scene, folder=path, bundle=bundle)


def _read_job_file(folder: Path) -> bytes:
    """The content, or the first bytes of one that is too long. Follows no link and waits for no pipe."""
    try:
        descriptor = os.open(folder / FILE_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return file.read(MOST_BYTES + 1)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise HostUnavailable(
                f"The fetched bundle {folder} cannot be read: {cause_of(error)}. "
                "If it is missing, it is fetched anew."
            ) from error
    raise JobRejected(Code.BAD_BUNDLE, f"The folder has no {FILE_NAME}, as a plain file. {_PACK}")


def _is_inside(scene: Path, folder: Path) -> bool:
    """Whether it is a plain file that no link leads to."""
    is_there = stat.S_ISREG(scene.lstat().st_mode) if os.path.lexists(scene) else False
    return is_there and scene.resolve() == folder.resolve() / scene.relative_to(folder)


async def check_bundle(bundle: Bundle, renderer: Renderer, memory_bytes: int) -> None:
    """Raise `JobRejected` (VERSION, OOM) for a bundle that this machine cannot render as it asks."""
    version = (await renderer.facts()).version
    if bundle.blender != str(version):
        raise JobRejected(
            Code.VERSION,
            f"The bundle asks for Blender {bundle.blender}, and this worker has Blender {version}. "
            "Pack it for that one, or set BLENDER_PATH to the other.",
        )
    if bundle.memory_bytes is not None and bundle.memory_bytes > memory_bytes:
        raise JobRejected(
            Code.OOM,
            f"The bundle may need {format_size(bundle.memory_bytes)} of memory (memory_bytes in job.json), "
            f"and this worker gives a render {format_size(memory_bytes)}. Raise memory_bytes of the worker.",
        )


def judge_asset(
    asset: Asset, header: SceneHeader, inspection: SceneInspection, limits: SceneLimits
) -> SceneVerdict:
    """The scene as the asset has it rendered. Raises `JobRejected` if it must not be."""
    parts = 1
    if asset.bundle is not None:
        # A bundle names its output; that of its scene is not used.
        inspection = replace(overridden(inspection, asset.bundle.overrides), output_is_movie=False)
        check_split(asset.bundle, inspection)
        parts = asset.bundle.split.tiles if asset.bundle.split is not None else 1
    return judge(header, inspection, limits, pixels=inspection.width * inspection.height // parts)


async def header_of(scene: Path, renderer: Renderer, limits: SceneLimits) -> SceneHeader:
    """Read the facts that need no Blender. Raises `JobRejected`, `HostUnavailable` if it cannot be read."""
    fits = partial(check_version, renderer=(await renderer.facts()).version)
    return await run_uninterrupted(_read_header, scene, limits, fits)


def _read_header(scene: Path, limits: SceneLimits, fits: Callable[[BlenderVersion], None]) -> SceneHeader:
    try:
        stream = scene.open("rb")
    except OSError as error:
        raise HostUnavailable(
            f"The fetched scene {scene} cannot be opened: {cause_of(error)}. "
            "If it is missing, it is fetched anew."
        ) from error
    with stream:
        return read_header(stream, limits, fits)
