"""The arbiter's decisions, each in files of its own: noted before anything becomes public, never changed.

A decision that is noted is carried out by the next run if this one is killed, whatever a second examination
would find.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from veriframe.causes import cause_of
from veriframe.disk import write_new
from veriframe.errors import HostUnavailable, SettingsError
from veriframe.model.content.cid import is_cid
from veriframe.model.registry.job import Job, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A verdict on a job's result. `report` is a JSON document."""

    job_id: int
    result_cid: str
    verdict: Verdict
    reason: str
    report: bytes


class Decisions:
    """The decisions of one account at one registry, in `folder`. Methods raise `HostUnavailable`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, job: Job) -> Decision | None:
        """The decision on the job's result, if one was noted. Raises `SettingsError` if it is damaged."""
        file = self._file(job.id, job.result_cid, "decision.json")
        content = self._read(file)
        if content is None:
            return None
        try:
            noted = json.loads(content)
            if (noted["job_id"], noted["result_cid"]) != (job.id, job.result_cid):
                raise ValueError("another job's")
            return Decision(
                job_id=job.id,
                result_cid=job.result_cid,
                verdict=Verdict(noted["verdict"]),
                reason=str(noted["reason"]),
                report=bytes.fromhex(noted["report"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(file) from error

    def note(self, decision: Decision) -> None:
        """Note a decision, durable on return. Raises `SettingsError` if there is one on this result."""
        noted = {
            "job_id": decision.job_id,
            "result_cid": decision.result_cid,
            "verdict": decision.verdict.value,
            "reason": decision.reason,
            "report": decision.report.hex(),
        }
        file = self._file(decision.job_id, decision.result_cid, "decision.json")
        with self._writing(file):
            try:
                write_new(file, json.dumps(noted).encode("ascii"))
            except FileExistsError as error:
                raise SettingsError(
                    f"Job {decision.job_id} was decided meanwhile: see {file}. Run one arbiter an account."
                ) from error

    def report_file(self, decision: Decision) -> Path:
        """The decision's report as a file of its own."""
        file = self._file(decision.job_id, decision.result_cid, "report.json")
        if self._read(file) != decision.report:
            with self._writing(file):
                file.unlink(missing_ok=True)
                write_new(file, decision.report)
        return file

    def published(self, decision: Decision) -> str | None:
        """The CID of the report, if it was noted."""
        file = self._file(decision.job_id, decision.result_cid, "report-cid.txt")
        content = self._read(file)
        if content is None:
            return None
        cid = content.decode("ascii", "replace")
        if not is_cid(cid):
            raise _damaged(file)
        return cid

    def note_published(self, decision: Decision, report_cid: str) -> None:
        """Note the CID of the report, durable on return."""
        file = self._file(decision.job_id, decision.result_cid, "report-cid.txt")
        with self._writing(file), suppress(FileExistsError):
            write_new(file, report_cid.encode("ascii"))

    def _file(self, job_id: int, result_cid: str, suffix: str) -> Path:
        # A reorganisation may give the job another result, which is another matter.
        digest = hashlib.sha256(result_cid.encode()).hexdigest()[:16]
        return self._folder / f"job-{job_id}-{digest}-{suffix}"

    def _read(self, file: Path) -> bytes | None:
        with self._writing(file):
            try:
                return file.read_bytes()
            except FileNotFoundError:
                return None

    @contextmanager
    def _writing(self, file: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise HostUnavailable(
                f"{file} cannot be used: {cause_of(error)}. Check that the disk has space, and that this user"
                " may write there."
            ) from error


def _damaged(file: Path) -> SettingsError:
    return SettingsError(
        f"{file} is damaged, and it holds a decision that may have been sent. Decide this job with"
        " `veriframe --account NAME job resolve JOB --verdict worker`, or `creator`, and remove the file."
    )
