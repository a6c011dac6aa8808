"""Records one account's moves at a foreign registry in a small JSON file that survives crashes.

Such a registry may have no claims, hide who submitted a result, or delete finished jobs. Each change writes
the whole file under a temporary name, syncs it, and renames it over the old one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from veriframe.adapters.starknet.foreign.job import FixedFacts, MoveRecord
from veriframe.disk import sync_folder
from veriframe.errors import HostUnavailable, SettingsError

NOTES_MOST = 1000
"""The most notes that are stored. Beyond that, notes on submitted jobs are deleted, oldest first."""
FILE_MAX_BYTES = 16 * 1024 * 1024


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    registry: str
    account: str
    first_id: Literal[0, 1] | None = None
    jobs: dict[NonNegativeInt, MoveRecord]


class MoveRecords:
    """The notes of `account` on the jobs of `registry`, in `folder`. The first note creates the file.

    Raises `SettingsError` if the file is damaged, `HostUnavailable` if it cannot be read or written.
    Methods block for as long as the disk takes.
    """

    def __init__(self, folder: Path, registry: int, account: int) -> None:
        self.path = folder / f"claims-{registry:x}-{account:x}.json"
        self._file = _File(registry=hex(registry), account=hex(account), jobs={})
        try:
            found = self._read()
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._unusable(error) from error
        if (found.registry, found.account) != (hex(registry), hex(account)):
            raise SettingsError(
                f"{self.path} belongs to another registry or account. Put the right file there."
            )
        self._file = found

    @property
    def first_id(self) -> int | None:
        """Whether the registry's ids start at 0 or at 1; None if there is no note yet."""
        return self._file.first_id

    @property
    def jobs(self) -> Mapping[int, MoveRecord]:
        """All notes by job, oldest first."""
        return self._file.jobs

    def get(self, job_id: int, facts: FixedFacts) -> MoveRecord | None:
        """The note on a job with these facts; a note on another job with this id does not count."""
        note = self._file.jobs.get(job_id)
        same = note is not None and (note.facts.creator, note.facts.asset_cid) == (
            facts.creator,
            facts.asset_cid,
        )
        return note if same else None

    def put(self, job_id: int, note: MoveRecord, *, first_id: int) -> None:
        """Stores a note and replaces an earlier one; durable on return."""
        jobs = {known: other for known, other in self._file.jobs.items() if known != job_id}
        over = [known for known, other in jobs.items() if other.is_submitted]
        for known in over[: max(0, len(jobs) + 1 - NOTES_MOST)]:
            del jobs[known]
        self._keep({**jobs, job_id: note}, 1 if first_id else 0)

    def drop(self, job_id: int) -> None:
        """Deletes a note, if it exists; durable on return."""
        if job_id in self._file.jobs:
            jobs = {known: note for known, note in self._file.jobs.items() if known != job_id}
            self._keep(jobs, self._file.first_id)

    def doubt(self) -> None:
        """Marks all submissions as unconfirmed: a reorganisation may have undone them. Durable on return."""
        jobs = {
            job_id: note if note.has_ended else replace(note, is_submitted=False)
            for job_id, note in self._file.jobs.items()
        }
        if jobs != self._file.jobs:
            self._keep(jobs, self._file.first_id)

    def _keep(self, jobs: dict[int, MoveRecord], first_id: Literal[0, 1] | None) -> None:
        changed = self._file.model_copy(update={"jobs": jobs, "first_id": first_id})
        try:
            _write(self.path, changed.model_dump_json(indent=1).encode())
        except OSError as error:
            raise self._unusable(error) from error
        self._file = changed

    def _read(self) -> _File:
        if self.path.stat().st_size > FILE_MAX_BYTES:
            raise self._damaged("it is too large")
        try:
            return _File.model_validate_json(self.path.read_bytes())
        except ValidationError as error:
            raise self._damaged(error.errors()[0]["msg"]) from error

    def _damaged(self, finding: str) -> SettingsError:
        return SettingsError(
            f"The notes {self.path} are damaged ({finding}). Put a copy in their place. Without one, move"
            " the file away: results in progress are then rendered again, or lost to other workers."
        )

    def _unusable(self, error: OSError) -> HostUnavailable:
        return HostUnavailable(
            f"The notes {self.path} cannot be used now: {error.strerror}. Check that the disk has space and"
            " that this user may write there."
        )


def _write(path: Path, content: bytes) -> None:
    """Writes a file, all of it or nothing, synced on return, readable by its owner only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink()
    sync_folder(path.parent)
