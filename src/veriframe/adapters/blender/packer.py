"""The packer: Blender in a sandbox that sees one scene and its libraries, at their own paths."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.parse import quote_from_bytes, unquote_to_bytes

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError

from veriframe import disk
from veriframe.adapters.blender import outcome, outputs, scripts
from veriframe.adapters.blender.runtimes import Runtime
from veriframe.adapters.blender.sandbox import visible
from veriframe.adapters.blender.sandbox.limits import host_errors
from veriframe.adapters.blender.sandbox.run import OUT, Sandbox
from veriframe.adapters.blender.session import BlenderSession
from veriframe.errors import Code, JobRejected
from veriframe.model.bundle.travel import Kind, NamedFile, Shape
from veriframe.model.others_json import read_json
from veriframe.model.rendering.frames import RenderLimits
from veriframe.model.text import printable
from veriframe.ports.packer import SceneFiles, ScenePacker
from veriframe.threads import run_uninterrupted

_PLAN = PurePosixPath("/job/plan.json")
_LISTING, _SAVED = "files.json", "saved.blend"
_MOST_FILES = 100_000
_LISTING_BYTES = 64 * 2**20


class BlenderPacker(ScenePacker):
    """Runs the scripts of `in_blender/packing`, each in a sandbox of its own."""

    def __init__(self, runtime: Runtime, sandbox: Sandbox, limits: RenderLimits) -> None:
        """Starts nothing."""
        self._runtime, self._sandbox, self._limits = runtime, sandbox, limits

    async def files(self, scene: Path, libraries: Mapping[str, Path]) -> SceneFiles:
        """What the scene names. Raises `JobRejected`, `HostUnavailable`."""
        async with self._run("find_files.py", scene, libraries, _LISTING) as listing:
            return await run_uninterrupted(_read, listing)

    async def rewrite(
        self, scene: Path, libraries: Mapping[str, Path], paths: Mapping[str, str], place: str, target: Path
    ) -> None:
        """Saves the `.blend` with other paths, uncompressed. Raises as `files`."""
        plan = {
            "place": _quoted(place),
            "paths": {_quoted(path): _quoted(where) for path, where in paths.items()},
        }
        async with self._run("rewrite_paths.py", scene, libraries, _SAVED, plan) as saved:
            with host_errors.as_unavailable():
                await run_uninterrupted(disk.move, saved, target)

    @contextlib.asynccontextmanager
    async def original(self, scene: Path, files: Mapping[str, Path]) -> AsyncIterator[BlenderSession]:
        """A session with the scene at its own path. Entering it raises `HostUnavailable`."""
        session = BlenderSession(self._sandbox, self._runtime, self._limits, 0)
        try:
            await session.start(scene, files)
            yield session
        finally:
            await session.close()

    @contextlib.asynccontextmanager
    async def _run(
        self,
        name: str,
        scene: Path,
        libraries: Mapping[str, Path],
        result: str,
        plan: object = None,
    ) -> AsyncIterator[Path]:
        """Runs a script. Yields the one file that it must leave."""
        async with contextlib.AsyncExitStack() as stack:
            folder = await stack.enter_async_context(scripts.scratch())
            shown = await stack.enter_async_context(scripts.at_home(scene, libraries))
            words: list[str | PurePosixPath] = [PurePosixPath(str(scene))]
            with host_errors.as_unavailable():
                if plan is not None:
                    shown[_PLAN] = _plan_file(plan, folder / "plan.json")
                    words.append(_PLAN)
                out = folder / "out"
                out.mkdir()
            script = scripts.Script(
                name=f"packing/{name}",
                arguments=(*words, OUT / result),
                shown=shown,
                out=out,
                expected=(result,),
                wall_seconds=self._limits.wall_seconds(1),
                limits=self._limits,
            )
            end, report = await scripts.run_script(self._sandbox, self._runtime, script)
            allowed = outcome.Allowance(limits=self._limits, seconds=script.wall_seconds)
            if not report.finished or end.fault:
                raise outcome.rejection(end, allowed, error=report.error)
            if fault := outputs.find_fault(out, [result], max_bytes=self._limits.output_bytes):
                raise JobRejected(Code.CORRUPT, f"The scene cannot be packed: {fault.sentence}")
            yield out / result


def _plan_file(plan: object, file: Path) -> Path:
    file.write_text(json.dumps(plan), encoding="ascii")
    visible.grant_access(file)
    return file


def _quoted(path: str) -> str:
    return quote_from_bytes(os.fsencode(path))


def _path(text: str) -> str:
    return os.path.normpath(os.fsdecode(unquote_to_bytes(text)))


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_Path = Annotated[str, Field(min_length=1, max_length=4 * 4096, pattern=r"^(/|%2F)")]
_Text = Annotated[str, Field(max_length=4 * 4096)]


class _File(_Checked):
    kind: Kind
    block: str
    path: _Path
    shape: Shape
    used: bool
    derived: bool
    folder: _Path

    def value(self) -> NamedFile:
        return NamedFile(
            kind=self.kind,
            block=printable(self.block, 100),
            path=_path(self.path),
            shape=self.shape,
            is_used=self.used,
            is_derived=self.derived,
            owner=_path(self.folder),
        )


class _Listing(_Checked):
    files: Annotated[list[_File], FailFast(), Field(max_length=_MOST_FILES)]
    unknown: Annotated[list[_Text], FailFast(), Field(max_length=1000)]
    machine: Annotated[list[_Text], FailFast(), Field(max_length=1000)]


def _read(listing: Path) -> SceneFiles:
    """The listing, parsed strictly. Raises `JobRejected` (CORRUPT)."""
    with host_errors.as_unavailable():
        content = listing.read_bytes() if listing.stat().st_size <= _LISTING_BYTES else b""
    try:
        found = _Listing.model_validate(read_json(content))
    except (ValidationError, ValueError, RecursionError):
        raise JobRejected(
            Code.CORRUPT, "Blender's list of the scene's files cannot be used. Save the scene again."
        ) from None
    return SceneFiles(
        files=tuple(file.value() for file in found.files),
        unknown=tuple(_shown(text) for text in found.unknown),
        machine=tuple(_shown(text) for text in found.machine),
    )


def _shown(text: str) -> str:
    return printable(unquote_to_bytes(text).decode(errors="replace"), 200)
