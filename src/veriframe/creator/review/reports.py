"""The reports of a review, each a file of its own: evidence must outlive a kill."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from veriframe.causes import cause_of
from veriframe.disk import write_new
from veriframe.errors import HostUnavailable
from veriframe.model.registry.job import Job


@dataclass(frozen=True, slots=True)
class Reports:
    """The reports of one account at one registry, in `folder`."""

    folder: Path

    def find(self, job: Job) -> Path | None:
        """The report on the job's result, if there is one."""
        file = self._file(job)
        return file if file.is_file() else None

    def keep(self, job: Job, content: bytes) -> Path:
        """Keep a report on the job's result, in place of an earlier one. Raises `HostUnavailable`."""
        file = self._file(job)
        try:
            if not file.is_file() or file.read_bytes() != content:
                file.unlink(missing_ok=True)
                write_new(file, content)
        except OSError as error:
            raise HostUnavailable(
                f"The report {file} cannot be written: {cause_of(error)}. Check that the disk has space, and"
                " that this user may write there."
            ) from error
        return file

    def _file(self, job: Job) -> Path:
        # A reorganisation may give the job another result, which is another matter.
        digest = hashlib.sha256(job.result_cid.encode("utf-8", "replace")).hexdigest()[:16]
        return self.folder / f"job-{job.id}-{digest}.json"
