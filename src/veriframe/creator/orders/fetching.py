"""Fetches an order's frames into a folder: only what is missing, each decoded in the sandbox and compared."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from veriframe import disk
from veriframe.creator.orders.kept_frames import KeptFrames
from veriframe.creator.orders.results import ChunkResults, frames_per_second
from veriframe.creator.orders.values import Chunk, ChunkState, OrderStatus
from veriframe.errors import Code, JobError, ValidationFailed
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.bundle.manifest import ManifestFrame
from veriframe.model.rendering.frames import Frame, RenderTask, frame_file
from veriframe.ports.renderer import Renderer
from veriframe.ports.store import ContentStore

FETCHES = 4
"""How many frames are fetched at a time."""

WORK = ".veriframe-work"
"""Within the artist's folder: what has arrived and is not checked yet. A later fetch goes on with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingFrames:
    """Frames that are not in the folder, and why. `is_bad`: there is a result, and it is at fault."""

    frames: tuple[int, ...]
    job_id: int
    why: str
    is_bad: bool = False


@dataclass(slots=True, kw_only=True)
class FetchedFrames:
    """What is in the folder now: frames that were written, and those that had been there."""

    folder: Path
    written: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    missing: list[MissingFrames] = field(default_factory=list)
    frames_per_second: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


OnFrame = Callable[[int], None]
"""Called with the number of each frame that is in the folder."""
OnCheck = Callable[[int, str, str], None]
"""Called with the job and the CID of each result that was checked, and its fault or an empty text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFetching:
    """Fetches into `kept.folder`. Without a `renderer` nothing is decoded or compared.

    `replace`: files of other content may be replaced. Raises `StoreUnavailable`, `HostUnavailable`,
    `SettingsError` if the folder cannot be written.
    """

    store: ContentStore
    renderer: Renderer | None
    kept: KeptFrames
    replace: bool = False
    on_frame: OnFrame = lambda number: None
    on_check: OnCheck = lambda job_id, result_cid, fault: None

    async def fetch(self, status: OrderStatus) -> FetchedFrames:
        """Fetch all that has come. What is at fault or has not come is told, and the rest goes on."""
        self.kept.open()
        found = FetchedFrames(folder=self.kept.folder)
        for chunk in status.chunks:
            bundle = status.bundles.get(chunk.job.order.id)
            if bundle is None or not chunk.has_result:
                found.missing.append(missing_of(chunk))
                continue
            try:
                await self._chunk(chunk, bundle, found)
            except JobError as error:
                left = tuple(n for n in chunk.frames if n not in (*found.written, *found.kept))
                found.missing.append(_bad(chunk, left, error))
            finally:
                self.kept.frames_per_second = found.frames_per_second or self.kept.frames_per_second
                await asyncio.to_thread(self.kept.save)
            self._note(chunk, found)
        await asyncio.to_thread(disk.remove, self.kept.folder / WORK)
        return found

    def _note(self, chunk: Chunk, found: FetchedFrames) -> None:
        """Note whether a result is right: all of its frames are in the folder, and were decoded."""
        lacks = [one for one in found.missing if one.job_id == chunk.job.id]
        bad = next((one.why for one in lacks if one.is_bad), "")
        if bad or (self.renderer is not None and not lacks):
            self.on_check(chunk.job.id, chunk.job.result_cid, bad)

    async def _chunk(self, chunk: Chunk, bundle: Bundle, found: FetchedFrames) -> None:
        results = ChunkResults(store=self.store)
        manifest = await results.manifest(chunk, bundle)
        found.frames_per_second = frames_per_second(manifest) or found.frames_per_second
        wanted, local = list[ManifestFrame](), list[ManifestFrame]()
        for frame in manifest.frames:
            name = frame_file(frame.number, bundle.format)
            known = self.kept.digest(name)
            if known == frame.digest or (known == "" and self.renderer is None):
                self._keep(frame, found)
            elif not known and self.kept.is_there(name) and self.renderer is not None:
                local.append(frame)
            elif self.kept.is_there(name) and not self.replace:
                found.missing.append(_taken(chunk, frame, name))
            else:
                wanted.append(frame)
        with tempfile.TemporaryDirectory(prefix=".veriframe-", dir=self.kept.folder) as folder:
            work = Path(folder)
            wanted += await self._judge_local(chunk, bundle, local, found, work)
            await self._download(results, chunk, wanted, work / "fetched")
            await self._take(chunk, bundle, wanted, found, work)

    def _keep(self, frame: ManifestFrame, found: FetchedFrames) -> None:
        found.kept.append(frame.number)
        self.on_frame(frame.number)

    async def _judge_local(
        self,
        chunk: Chunk,
        bundle: Bundle,
        local: Sequence[ManifestFrame],
        found: FetchedFrames,
        work: Path,
    ) -> list[ManifestFrame]:
        """Decode files that are there already. Returns the frames that must be fetched in their place."""
        wanted = list[ManifestFrame]()
        for frame in local:
            name = frame_file(frame.number, bundle.format)
            one = work / f"local-{frame.number}"
            await asyncio.to_thread(_copy, self.kept.folder / name, one / name)
            try:
                (digest, _) = (await self._decoded(bundle, [frame], one, work / f"decoded-{frame.number}"))[0]
            except ValidationFailed:
                digest = ""
            if digest == frame.digest:
                self.kept.note(name, digest)
                self._keep(frame, found)
            elif self.kept.digest(name) == "":
                # Ours, taken without a check.
                (self.kept.folder / name).unlink()
                wanted.append(frame)
            elif self.replace:
                wanted.append(frame)
            else:
                found.missing.append(_taken(chunk, frame, name))
        return wanted

    async def _download(
        self, results: ChunkResults, chunk: Chunk, wanted: Sequence[ManifestFrame], fetched: Path
    ) -> None:
        """Fetch the files, and move them to `fetched` once all are there."""
        arriving = self.kept.folder / WORK / str(chunk.job.id)
        await asyncio.to_thread(arriving.mkdir, parents=True, exist_ok=True)
        await asyncio.to_thread(fetched.mkdir)
        places = asyncio.Semaphore(FETCHES)

        async def one(frame: ManifestFrame) -> None:
            target = arriving / frame.file.rpartition("/")[2]
            async with places:
                # What an interrupted fetch completed is only to be checked.
                if not target.is_file():
                    await results.frame(chunk, frame, target)

        # All of them, before the first error counts: what has arrived is kept for the next time.
        outcomes = await asyncio.gather(*map(one, wanted), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        for frame in wanted:
            name = frame.file.rpartition("/")[2]
            (arriving / name).replace(fetched / name)

    async def _take(
        self, chunk: Chunk, bundle: Bundle, wanted: Sequence[ManifestFrame], found: FetchedFrames, work: Path
    ) -> None:
        """Check what was fetched, and write what is right under its name."""
        if not wanted:
            return
        if self.renderer is None:
            for frame in wanted:
                self._write(frame, bundle, work / "fetched" / frame_file(frame.number, bundle.format), "")
                found.written.append(frame.number)
            return
        try:
            checked = await self._decoded(bundle, wanted, work / "fetched", work / "clean")
            outcomes: list[tuple[str, Path] | ValidationFailed] = [*checked]
        except ValidationFailed as error:
            outcomes = [error] if len(wanted) == 1 else await self._one_by_one(bundle, wanted, work)
        for frame, outcome in zip(wanted, outcomes, strict=True):
            if isinstance(outcome, ValidationFailed):
                found.missing.append(_bad(chunk, (frame.number,), outcome))
            elif outcome[0] != frame.digest:
                found.missing.append(_other_pixels(chunk, frame))
            else:
                self._write(frame, bundle, outcome[1], frame.digest)
                found.written.append(frame.number)

    async def _one_by_one(
        self, bundle: Bundle, wanted: Sequence[ManifestFrame], work: Path
    ) -> list[tuple[str, Path] | ValidationFailed]:
        """After a chunk failed as a whole: which frames are right."""
        outcomes = list[tuple[str, Path] | ValidationFailed]()
        for frame in wanted:
            name, one = frame_file(frame.number, bundle.format), work / f"one-{frame.number}"
            one.mkdir()
            (work / "fetched" / name).replace(one / name)
            try:
                outcomes += await self._decoded(bundle, [frame], one, work / f"clean-{frame.number}")
            except ValidationFailed as error:
                outcomes.append(error)
        return outcomes

    async def _decoded(
        self, bundle: Bundle, frames: Sequence[ManifestFrame], out: Path, clean: Path
    ) -> list[tuple[str, Path]]:
        """Decode frames in the clean sandbox. Returns each one's digest, and its file written anew."""
        assert self.renderer is not None
        sizes = {(frame.width, frame.height) for frame in frames}
        if len(sizes) != 1:
            raise ValidationFailed(Code.WRONG_SIZE, "The frames of the chunk differ in size.")
        await asyncio.to_thread(clean.mkdir)
        task = RenderTask(
            frames=tuple(frame.number for frame in frames),
            format=bundle.format,
            size=sizes.pop(),
            overrides=bundle.overrides,
        )
        told = [_told(frame, bundle) for frame in frames]
        validated = await self.renderer.validate(task, told, out, clean)
        return [(one.pixel_digest, clean / one.file) for one in validated]

    def _write(self, frame: ManifestFrame, bundle: Bundle, file: Path, digest: str) -> None:
        self.kept.put(frame_file(frame.number, bundle.format), file, digest)
        self.on_frame(frame.number)


def _told(frame: ManifestFrame, bundle: Bundle) -> Frame:
    return Frame(
        number=frame.number,
        file=frame_file(frame.number, bundle.format),
        width=frame.width,
        height=frame.height,
        seconds=frame.seconds,
        peak_memory_bytes=frame.peak_memory_bytes,
    )


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir()
    shutil.copyfile(source, target, follow_symlinks=False)


def missing_of(chunk: Chunk) -> MissingFrames:
    """The frames of a chunk without a result that may be fetched, and why they have not come."""
    if chunk.job.result_cid and not chunk.has_result:
        return MissingFrames(frames=chunk.frames, job_id=chunk.job.id, why=chunk.fault, is_bad=True)
    why = {
        ChunkState.OPEN: "no worker has claimed it yet",
        ChunkState.UNDER_WAY: "a worker renders it",
        ChunkState.EXPIRED: "no worker claimed it in time",
        ChunkState.REFUNDED: "it was cancelled or refunded",
    }.get(chunk.state, "its order's job.json is not known")
    return MissingFrames(frames=chunk.frames, job_id=chunk.job.id, why=why)


def _bad(chunk: Chunk, frames: tuple[int, ...], error: JobError) -> MissingFrames:
    return MissingFrames(frames=frames, job_id=chunk.job.id, why=f"{error} [{error.code.value}]", is_bad=True)


def _other_pixels(chunk: Chunk, frame: ManifestFrame) -> MissingFrames:
    return MissingFrames(
        frames=(frame.number,),
        job_id=chunk.job.id,
        why=f"its pixels are not those that the manifest names [{Code.TAMPER.value}]",
        is_bad=True,
    )


def _taken(chunk: Chunk, frame: ManifestFrame, name: str) -> MissingFrames:
    return MissingFrames(
        frames=(frame.number,),
        job_id=chunk.job.id,
        why=f"another file is called {name}; --force replaces it",
    )
