"""The worker's own disk: fetched scenes by CID, and a folder for each job; kept under a budget."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from veriframe import disk
from veriframe.errors import HostUnavailable, JobRejected
from veriframe.model.content.cid import canonical
from veriframe.model.rendering.frames import Rendering
from veriframe.ports.store import StoreRoom, partial_name

_RENDERING = TypeAdapter(Rendering)


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder of one worker account. `limit_bytes` is the budget for fetched scenes."""

    folder: Path
    limit_bytes: int

    def scene(self, asset_cid: str) -> Path:
        """Where a fetched scene lies; whole and checked where it exists. `asset_cid` passed the store."""
        return self.folder / "scenes" / f"{_safe(asset_cid)}.blend"

    def rendered(self, job_id: int) -> Path:
        """The folder that Blender writes a job's frames to."""
        return self._job(job_id) / "out"

    def validated(self, job_id: int) -> Path:
        """The folder with a job's proved frames."""
        return self._job(job_id) / "clean"

    def prepare(self) -> None:
        """Make the folders; to be called once. Raises `HostUnavailable`."""
        with _on_disk(self.folder):
            for name in ("scenes", "jobs"):
                (self.folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)

    def empty(self, folder: Path) -> Path:
        """The folder, new and empty: nothing of an earlier try is taken for this one's, or in its way."""
        with _on_disk(folder):
            with suppress(FileNotFoundError):
                disk.remove(folder.rename(folder.with_name(f"{folder.name}-{secrets.token_hex(8)}")))
            folder.mkdir(parents=True, mode=0o700)
        return folder

    def note_rendering(self, job_id: int, rendering: Rendering) -> None:
        """Keep what the render reported, durably, for a restart between rendering and proving."""
        file = self._job(job_id) / "rendering.json"
        with _on_disk(file):
            part = file.with_suffix(".part")
            with part.open("w", encoding="ascii") as stream:
                json.dump(asdict(rendering), stream)
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(file)

    def rendering(self, job_id: int) -> Rendering | None:
        """What the render reported. None where it is gone."""
        try:
            return _RENDERING.validate_json((self._job(job_id) / "rendering.json").read_bytes())
        except (OSError, ValidationError):
            return None

    def forget_rendered(self, job_id: int) -> None:
        """Remove a job's frames as Blender left them; what was proved of them stays."""
        disk.remove(self.rendered(job_id))

    def forget(self, job_id: int) -> None:
        """Remove a job's folder; its result is in the store, or nobody wants it."""
        disk.remove(self._job(job_id))

    def forget_fetch(self, asset_cid: str) -> None:
        """Remove what has come of a scene that nobody waits for any more."""
        # What is no CID was never asked of a store, however much of another's name it is.
        for name in _partial_names([asset_cid]):
            disk.remove(self.folder / "scenes" / name)

    def use(self, scene: Path) -> bool:
        """Whether a fetched scene is there; if so it counts as new, so that it is not the next to go."""
        with _on_disk(scene):
            try:
                os.utime(scene)
            except FileNotFoundError:
                return False
        return True

    def make_room(self, in_use: Collection[str]) -> None:
        """Delete fetched scenes, the longest unused first and none of `in_use` (CIDs), down to the budget.

        Their folder is there afterwards.
        """
        with _on_disk(self.folder):
            (self.folder / "scenes").mkdir(parents=True, exist_ok=True, mode=0o700)
            kept = {self.scene(cid) for cid in in_use}
            scenes = sorted(self._scenes(), key=lambda entry: entry[1].st_mtime)
            total = sum(status.st_size for _, status in scenes)
            for path, status in scenes:
                if total <= self.limit_bytes:
                    break
                if path not in kept:
                    path.unlink(missing_ok=True)
                    total -= status.st_size

    def sync(self, folder: Path) -> None:
        """Wait until the files in a folder are on the disk. What is not a plain file is left alone."""
        with _on_disk(folder):
            for path in folder.iterdir():
                if path.is_file() and not path.is_symlink():
                    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
                    try:
                        os.fsync(descriptor)
                    finally:
                        os.close(descriptor)

    def room(self, kept_bytes: int) -> StoreRoom:
        """What results may still take of this disk, where so much is kept free. Raises `HostUnavailable`."""
        return StoreRoom(
            free_bytes=max(0, self._free_bytes() - kept_bytes),
            remedy=f"Free some disk at {self.folder}, or set disk_free_bytes lower.",
        )

    def require_free(self, needed_bytes: int) -> None:
        """Raise `HostUnavailable` where the disk has less than `needed_bytes` free."""
        free = self._free_bytes()
        if free < needed_bytes:
            raise HostUnavailable(
                f"Only {free / 1e9:.1f} GB are free at {self.folder}, and {needed_bytes / 1e9:.1f} GB are "
                "wanted before a job is claimed. Free some disk, or set disk_free_bytes lower."
            )

    def sweep(self, jobs: Collection[int], assets: Collection[str]) -> None:
        """Remove what earlier runs left, but folders of `jobs`, and half-done fetches of `assets` (CIDs).

        A fetch that was cut off is gone on with: a store names what it leaves beside a scene by its CID.
        """
        with _on_disk(self.folder):
            wanted = {str(job_id) for job_id in jobs}
            for folder in (self.folder / "jobs").iterdir():
                if folder.name not in wanted:
                    disk.remove(folder)
            kept = _partial_names(assets)
            # None where somebody has deleted the whole folder, which is theirs to do.
            for path in (self.folder / "scenes").glob("*"):
                if path.suffix != ".blend" and path.name not in kept:
                    disk.remove(path)

    def _free_bytes(self) -> int:
        with _on_disk(self.folder):
            return shutil.disk_usage(self.folder).free

    def _scenes(self) -> list[tuple[Path, os.stat_result]]:
        return [(path, path.stat()) for path in (self.folder / "scenes").glob("*.blend")]

    def _job(self, job_id: int) -> Path:
        return self.folder / "jobs" / str(int(job_id))


def _partial_names(assets: Collection[str]) -> set[str]:
    names = set[str]()
    for asset_cid in assets:
        with suppress(JobRejected):
            names.add(partial_name(canonical(asset_cid)))
    return names


def _safe(cid: str) -> str:
    # A CID from the registry is a stranger's text until a store has taken it: it never becomes a path.
    if not (cid.isascii() and cid.isalnum() and 0 < len(cid) <= 128):
        raise ValueError("no CID: fetch it first")
    return cid


@contextmanager
def _on_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HostUnavailable(
            f"{path} cannot be used: {error.strerror}. Free the disk, or set home to a folder of this user."
        ) from error
