"""The worker's own disk: fetched scenes by CID, limited by a budget, and a folder for each job."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from veriframe import disk
from veriframe.causes import cause_of
from veriframe.errors import HostUnavailable, JobRejected
from veriframe.model.content.cid import canonical
from veriframe.model.quantities import format_size
from veriframe.ports.store import StoreRoom, partial_name


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder of one worker account. `limit_bytes` is the budget for fetched scenes."""

    folder: Path
    limit_bytes: int

    def scene(self, asset_cid: str) -> Path:
        """Returns a scene's path; if it exists, it is complete and checked.

        `asset_cid` must come from a store.
        """
        return self.folder / "scenes" / f"{_safe(asset_cid)}.blend"

    def rendered(self, job_id: int) -> Path:
        """Returns the folder that Blender writes a job's frames to."""
        return self._job(job_id) / "out"

    def validated(self, job_id: int) -> Path:
        """Returns the folder with a job's validated frames."""
        return self._job(job_id) / "clean"

    def prepare(self) -> None:
        """Creates the folders; call it once. Raises `HostUnavailable`."""
        with _on_disk(self.folder):
            for name in ("scenes", "jobs"):
                (self.folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)

    def empty(self, folder: Path) -> Path:
        """Returns the folder, new and empty: files of an earlier try must not be mistaken for this one's."""
        with _on_disk(folder):
            with suppress(FileNotFoundError):
                disk.remove(folder.rename(folder.with_name(f"{folder.name}-{secrets.token_hex(8)}")))
            folder.mkdir(parents=True, mode=0o700)
        return folder

    def move(self, file: Path, folder: Path) -> None:
        """Moves a file into a folder of its own, durably; the folder is emptied first."""
        self.publish(file, self.empty(folder))

    def publish(self, file: Path, folder: Path) -> None:
        """Moves a file into a folder, durably. What is not a plain file is left to its reader to refuse."""
        with _on_disk(folder):
            if file.is_file() and not file.is_symlink():
                descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.replace(folder / file.name)
            disk.sync_folder(folder)

    def forget_rendered(self, job_id: int) -> None:
        """Removes a job's frames as Blender wrote them; the validated ones stay."""
        disk.remove(self.rendered(job_id))

    def forget(self, job_id: int) -> None:
        """Removes a job's folder; its result is in the store, or no longer needed."""
        disk.remove(self._job(job_id))

    def forget_fetch(self, asset_cid: str) -> None:
        """Removes a partial fetch of a scene that is no longer needed."""
        # An invalid CID was never fetched, even if it looks like the name of another file.
        for name in _partial_names([asset_cid]):
            disk.remove(self.folder / "scenes" / name)

    def use(self, scene: Path) -> bool:
        """Whether a fetched scene exists; if so, marks it as recently used."""
        with _on_disk(scene):
            try:
                os.utime(scene)
            except FileNotFoundError:
                return False
        return True

    def make_room(self, in_use: Collection[str]) -> bool:
        """Deletes fetched scenes down to the budget, least recently used first, but none of `in_use` (CIDs).

        Creates their folder if it is missing. Returns False if those in use are more than the budget.
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
            return total <= self.limit_bytes

    def room(self, kept_bytes: int) -> StoreRoom:
        """Returns what results may still take of this disk, with `kept_bytes` kept free.

        Raises `HostUnavailable`.
        """
        return StoreRoom(
            free_bytes=max(0, self._free_bytes() - kept_bytes),
            remedy=f"Free some disk at {self.folder}, or set disk_free_bytes lower.",
        )

    def require_free(self, needed_bytes: int) -> None:
        """Raises `HostUnavailable` if the disk has less than `needed_bytes` free."""
        free = self._free_bytes()
        if free < needed_bytes:
            raise HostUnavailable(
                f"Only {format_size(free)} are free at {self.folder}; {format_size(needed_bytes)} are needed "
                "to claim a job. Free some disk, or set disk_free_bytes lower."
            )

    def sweep(self, jobs: Collection[int], assets: Collection[str]) -> None:
        """Removes what earlier runs left, except folders of `jobs` and partial fetches of `assets` (CIDs).

        An interrupted fetch is resumed: a store names its partial files beside a scene after the CID.
        """
        with _on_disk(self.folder):
            wanted = {str(job_id) for job_id in jobs}
            for folder in (self.folder / "jobs").iterdir():
                if folder.name not in wanted:
                    disk.remove(folder)
            kept = _partial_names(assets)
            # The folder may be missing: users may delete it.
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
    # A CID from the registry is untrusted text until a store has accepted it: it must not become a path.
    if not (cid.isascii() and cid.isalnum() and 0 < len(cid) <= 128):
        raise ValueError("not a CID: fetch it first")
    return cid


@contextmanager
def _on_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HostUnavailable(
            f"{path} cannot be used: {cause_of(error)}. Free the disk, or set home to a folder of this user."
        ) from error
