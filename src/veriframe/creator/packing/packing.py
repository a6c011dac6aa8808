"""Packs a scene: finds its files, copies them, and saves it with relative paths. Originals are only read."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from veriframe import disk
from veriframe.creator.packing import probing, writing
from veriframe.creator.packing.gathering import Gathering
from veriframe.creator.packing.values import Comparison, Found, LeftOut, Packed
from veriframe.errors import JobRejected, SettingsError
from veriframe.model.bundle.chunks import check_split
from veriframe.model.bundle.estimate import Estimate
from veriframe.model.bundle.job_file import FILE_NAME, write_job_file
from veriframe.model.bundle.options import (
    BundleOptions,
    bundle_of,
    bundle_warnings,
    overridden_by_options,
    require_fit,
)
from veriframe.model.bundle.travel import Kind
from veriframe.model.rendering.checks import check_version, judge, read_header
from veriframe.model.rendering.scene import SceneHeader, SceneLimits
from veriframe.ports.packer import SceneFiles, ScenePacker
from veriframe.ports.renderer import Renderer

_MOST_ROUNDS = 64
"""How deep libraries may link one another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """Packs scenes with Blender in a sandbox. Errors are those of the steps.

    `SettingsError` for paths that cannot be used, `JobRejected` for a scene that no worker would take,
    `HostUnavailable`.
    """

    packer: ScenePacker
    renderer: Renderer
    limits: SceneLimits

    async def find(self, scene: Path) -> Found:
        """Find all that a scene needs. Nothing is written, and no file but scenes is read."""
        scene = await asyncio.to_thread(writing.regular, scene)
        header = await self._header(scene)
        gathering, libraries = Gathering(scene), dict[str, Path]()
        for _ in range(_MOST_ROUNDS):
            named = await self.packer.files(scene, libraries)
            before = len(libraries)
            for file in named.files:
                known = (str(scene), *libraries, *gathering.left_out)
                if file.kind is not Kind.LIBRARY or file.path in known:
                    continue
                if (found := await asyncio.to_thread(gathering.library, file)) is not None:
                    libraries[file.path] = found
            if len(libraries) == before:
                break
        await asyncio.to_thread(_add_all, gathering, named)
        return Found(
            scene=scene,
            header=header,
            files=tuple(gathering.files.values()),
            libraries=libraries,
            paths=gathering.paths,
            left_out=(*gathering.left_out.values(), *_others(named)),
        )

    async def pack(
        self,
        scene: Path,
        target: Path,
        asked: BundleOptions,
        on_found: Callable[[Found], None] = lambda found: None,
    ) -> Packed:
        """Find and write: `target` is a new folder, or an empty one, and complete or not there.

        `on_found` hears what goes into the bundle before anything is written; what it raises ends it.
        """
        check_options(asked)
        found = await self.find(scene)
        on_found(found)
        return await self.write(found, target, asked)

    async def write(self, found: Found, target: Path, asked: BundleOptions) -> Packed:
        """Write the bundle of what was found."""
        await asyncio.to_thread(writing.refuse_target, target)
        with writing.as_settings_error(target):
            await asyncio.to_thread(partial(target.parent.mkdir, parents=True, exist_ok=True))
        await asyncio.to_thread(writing.require_room, found, target.parent, self.limits.bundle_bytes)
        folder = target.with_name(f".{target.name}-{secrets.token_hex(4)}")
        try:
            traces = list(await asyncio.to_thread(writing.copy_files, found, folder))
            traces += await self._rewrite(found, folder)
            packed = await self._described(found, folder, asked, traces)
            with writing.as_settings_error(target):
                await asyncio.to_thread(writing.put, folder, target)
            return replace(packed, folder=target)
        finally:
            await asyncio.to_thread(disk.remove, folder)

    async def compare(self, found: Found, packed: Packed) -> Comparison:
        """Render a small picture of the bundle, and of the original with its files, and compare them."""
        return await probing.compare(self.packer, self.renderer, found, packed)

    async def estimate(self, packed: Packed, hour_fri: int | None = None) -> Estimate:
        """What the order will take here, from small renders of three frames.

        `hour_fri` is the price of an hour of this machine.
        """
        return await probing.estimate(self.renderer, packed, hour_fri)

    async def _header(self, scene: Path) -> SceneHeader:
        fits = partial(check_version, renderer=(await self.renderer.facts()).version)

        def read() -> SceneHeader:
            with scene.open("rb") as stream:
                return read_header(stream, self.limits, fits)

        with writing.as_settings_error(scene):
            return await asyncio.to_thread(read)

    async def _rewrite(self, found: Found, folder: Path) -> list[str]:
        """Save each `.blend` into the bundle with its new paths. Returns traces of this machine in them."""
        words, traces = writing.machine_words(found), list[str]()
        for path, source in found.blends.items():
            place = found.paths[path]
            others = {**found.within, **found.blends}
            del others[path]
            await self.packer.rewrite(source, others, found.paths, place, folder / place)
            traces += await asyncio.to_thread(writing.finish_scene, source, folder / place, place, words)
        return traces

    async def _described(
        self, found: Found, folder: Path, asked: BundleOptions, traces: Sequence[str]
    ) -> Packed:
        """Open the bundle as a worker does, judge it, and write `job.json`."""
        scene = folder / found.place
        async with self.renderer.open(scene, folder) as session:
            own = await session.inspect()
        inspection = overridden_by_options(own, asked.overrides)
        verdict = judge(found.header, inspection, self.limits)
        release = (await self.renderer.facts()).version
        bundle = bundle_of(asked, found.place, str(release), own)
        require_fit(bundle)
        if asked.split is not None:
            try:
                check_split(bundle, inspection)
            except JobRejected as error:
                raise SettingsError(f"--tiles does not fit the scene: {error}") from error
        await asyncio.to_thread((folder / FILE_NAME).write_bytes, write_job_file(bundle))
        files, size_bytes = await asyncio.to_thread(writing.measure, folder)
        return Packed(
            folder=folder,
            bundle=bundle,
            chunk_is_given=asked.chunk is not None,
            verdict=replace(verdict, warnings=(*verdict.warnings, *bundle_warnings(bundle, own))),
            files=files,
            size_bytes=size_bytes,
            left_out=found.left_out,
            traces=tuple(traces),
            outside=tuple(str(file.source) for file in found.outside),
            collected=tuple(str(file.source) for file in found.collected),
        )


def check_options(asked: BundleOptions) -> None:
    """Raise `SettingsError` for options that no bundle can hold, whatever the scene is."""
    named = replace(asked, frames=asked.frames or (1,))
    require_fit(bundle_of(named, "scene.blend", "4.5", None))


def with_chunk(packed: Packed, chunk: int) -> Packed:
    """The bundle with this number of frames for each job; `job.json` is written again."""
    bundle = replace(packed.bundle, chunk=chunk)
    (packed.folder / FILE_NAME).write_bytes(write_job_file(bundle))
    return replace(packed, bundle=bundle)


def _add_all(gathering: Gathering, named: SceneFiles) -> None:
    for file in named.files:
        gathering.add(file)


def _others(named: SceneFiles) -> tuple[LeftOut, ...]:
    unknown = (
        LeftOut(
            what=path,
            why="packing does not know what this path is for",
            remedy="Pack the file into the scene, or remove the path, if a picture needs it.",
            is_used=False,
        )
        for path in named.unknown
    )
    machine = (
        LeftOut(
            what=what,
            why="no Blender without your add-ons knows it",
            remedy="Replace it, or apply its result.",
        )
        for what in named.machine
    )
    return (*unknown, *machine)
