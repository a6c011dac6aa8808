"""The worker's own disk: fetched scenes and bundles by CID, limited by a budget, a folder for each job."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from veriframe import disk
from veriframe.causes import cause_of
from veriframe.errors import HostUnavailable, JobRejected
from veriframe.model.content.cid import canonical
from veriframe.model.quantities import format_size
from veriframe.ports.store import StoreRoom, partial_name

_SUFFIX = ".blend"


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder of one worker account. `limit_bytes` is the budget for fetched scenes."""

    folder: Path
    limit_bytes: int

    def scene(self, asset_cid: str) -> Path:
        """Returns the path of a bare scene; if it exists, it is complete and checked.

        `asset_cid` must come from a store.
        """
        return self.folder / "scenes" / f"{_safe(asset_cid)}{_SUFFIX}"

    def bundle(self, asset_cid: str) -> Path:
        """Returns the path of a bundle; if there is such a folder, it is complete and checked."""
        return self.folder / "scenes" / _safe(asset_cid)

    def find(self, asset_cid: str) -> Path | None:
        """Returns the path of a fetched scene or bundle, marked as recently used; None if it is not there."""
        scene, bundle = self.scene(asset_cid), self.bundle(asset_cid)
        return next((path for path in (scene, bundle) if self._use(path)), None)

    def arriving(self, asset_cid: str) -> Path:
        """Returns where a store writes an asset of which it is not known yet whether it is a folder."""
        path = self.folder / "scenes" / f".new-{_safe(asset_cid)}"
        disk.remove(path)  # a file replaces no folder
        return path

    def take_in(self, asset_cid: str) -> Path:
        """Moves what has arrived to its place. Returns that."""
        arrived = self.folder / "scenes" / f".new-{_safe(asset_cid)}"
        with _on_disk(arrived):
            target = self.bundle(asset_cid) if arrived.is_dir() else self.scene(asset_cid)
            return arrived.replace(target)

    def rendered(self, job_id: int) -> Path:
        """Returns the folder that Blender writes a job's frames to."""
        return self._job(job_id) / "out"

    def validated(self, job_id: int) -> Path:
        """Returns the folder with a job's validated frames."""
        return self._job(job_id) / "clean"

    def result(self, job_id: int) -> Path:
        """Returns the folder that becomes the result of a bundle's job; if it exists, it is complete."""
        return self._job(job_id) / "result"

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

    def move(self, files: Sequence[Path], folder: Path) -> None:
        """Moves files into a folder of their own, durably; the folder is emptied first."""
        self.publish(files, self.empty(folder))

    def publish(self, files: Sequence[Path], folder: Path) -> None:
        """Moves files into a folder, durably. What is not a plain file is left to its reader to refuse."""
        with _on_disk(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for file in files:
                disk.sync_file(file)
                file.replace(folder / file.name)
            disk.sync_folder(folder)

    def link_all(self, names: Mapping[str, str], source: Path, folder: Path) -> None:
        """Makes a new folder with files of `source`: `names` maps paths within it to names there."""
        self.empty(folder)
        with _on_disk(folder):
            for path, name in names.items():
                (folder / path).parent.mkdir(exist_ok=True, mode=0o700)
                os.link(source / name, folder / path, follow_symlinks=False)

    def complete(self, folder: Path, contents: Mapping[str, bytes], job_id: int) -> None:
        """Adds files to a folder, and makes it the result of a job, durably."""
        result = self.result(job_id)
        with _on_disk(folder):
            for name, content in contents.items():
                (folder / name).write_bytes(content)
            for top, _, names in os.walk(folder):
                for name in names:
                    disk.sync_file(Path(top, name))
                disk.sync_folder(Path(top))
            self.empty(result)
            folder.replace(result)
            disk.sync_folder(result.parent)

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

    def _use(self, path: Path) -> bool:
        with _on_disk(path):
            # A file without its ending is not what it was named for.
            if path.suffix != _SUFFIX and not path.is_dir():
                return False
            try:
                os.utime(path)
            except FileNotFoundError:
                return False
        return True

    def make_room(self, in_use: Collection[str]) -> bool:
        """Deletes fetched scenes down to the budget, least recently used first, but none of `in_use` (CIDs).

        Creates their folder if it is missing. Returns False if those in use are more than the budget.
        """
        with _on_disk(self.folder):
            (self.folder / "scenes").mkdir(parents=True, exist_ok=True, mode=0o700)
            kept = {path for cid in in_use for path in (self.scene(cid), self.bundle(cid))}
            assets = sorted((path.stat().st_mtime, path, _size_bytes(path)) for path in self._assets())
            total = sum(size_bytes for _, _, size_bytes in assets)
            for _, path, size_bytes in assets:
                if total <= self.limit_bytes:
                    break
                if path not in kept:
                    # Half a bundle must not be mistaken for a whole one.
                    disk.remove(path.rename(path.with_name(f".old-{secrets.token_hex(8)}")))
                    total -= size_bytes
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
            complete = set(self._assets())
            for path in (self.folder / "scenes").glob("*"):
                if path not in complete and path.name not in kept:
                    disk.remove(path)

    def _free_bytes(self) -> int:
        with _on_disk(self.folder):
            return shutil.disk_usage(self.folder).free

    def _assets(self) -> list[Path]:
        """What is complete: bare scenes, and folders with the name of a CID."""
        entries = (self.folder / "scenes").glob("*")
        return [
            path
            for path in entries
            if path.suffix == _SUFFIX or (path.is_dir() and path.name.isalnum() and not path.is_symlink())
        ]

    def _job(self, job_id: int) -> Path:
        return self.folder / "jobs" / str(int(job_id))


def _partial_names(assets: Collection[str]) -> set[str]:
    names = set[str]()
    for asset_cid in assets:
        with suppress(JobRejected):
            names.add(partial_name(canonical(asset_cid)))
    return names


def _size_bytes(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_size
    return sum(Path(folder, name).lstat().st_size for folder, _, names in os.walk(path) for name in names)


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
