"""The status file that a running worker writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from veriframe.model.attempt.attempt import Stage
from veriframe.worker.overview import status_file
from veriframe.worker.overview.overview import Due, Happening, JobAtWork, Overview, Sums, Who

JOB = JobAtWork(
    job_id=2**70, stage=Stage.CLAIMED, doing="rendering", since=1.5, reward_fri=2**80, bond_fri=1, share=0.25
)
OVERVIEW = Overview(
    who=Who(account="worker", home="/home", registry="embedded", store="embedded"),
    now=10.0,
    jobs=[JOB],
    happened=[Happening(at=9.0, text="job 1: rendered it")],
    today=Sums(paid_jobs=1, paid_fri=2**90),
    due=[Due(job_id=1, reward_fri=3, due_at=4)],
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """By its owner alone, and no second file stays."""
    file = tmp_path / "status.json"
    for _ in range(2):
        status_file.write(file, OVERVIEW)
    assert status_file.read(file) == OVERVIEW
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"{}", b'{"version": 1}', b'{"version": 2}', b"\xff" * 100]
)
def test_a_file_that_cannot_be_read_is_none(tmp_path: Path, content: bytes) -> None:
    """fault_183: damaged, of another version, or cut off."""
    file = tmp_path / "status.json"
    file.write_bytes(content)
    assert status_file.read(file) is None
    file.unlink()
    assert status_file.read(file) is None


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    """fault_183: another file keeps its content."""
    other = tmp_path / "other"
    other.write_text("mine")
    (tmp_path / ".status.json.new").symlink_to(other)
    with pytest.raises(OSError, match="symbolic"):
        status_file.write(tmp_path / "status.json", OVERVIEW)
    assert other.read_text() == "mine"
