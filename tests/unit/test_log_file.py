"""The log in a file of limited size."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from veriframe import logs
from veriframe.logs import RotatingFile


def test_a_log_file_and_its_older_ones_stay_small(tmp_path: Path) -> None:
    """fault_184: the newest lines are kept, and no line is cut in two."""
    path = tmp_path / "folder" / "worker.log"
    log = RotatingFile(path, limit_bytes=100, older=2)
    for number in range(1000):
        log.write(f"line {number}\n")
    log.flush()
    files = [path.with_name("worker.log.2"), path.with_name("worker.log.1"), path]
    assert sorted(path.parent.iterdir()) == sorted(files)
    assert all(file.stat().st_size <= 100 and file.stat().st_mode & 0o777 == 0o600 for file in files)
    lines = "".join(file.read_text() for file in files).splitlines()
    assert lines == [f"line {number}" for number in range(1000 - len(lines), 1000)]
    assert len(lines) > 20


def test_a_log_goes_on_where_it_ended(tmp_path: Path) -> None:
    """The next run adds to the same file."""
    path = tmp_path / "worker.log"
    for text in ("one\n", "two\n"):
        log = RotatingFile(path)
        log.write(text)
        log.finish()
    assert path.read_text() == "one\ntwo\n"


def test_lines_that_cannot_be_written_are_lost_and_counted(tmp_path: Path) -> None:
    """fault_184: its folder is gone when it should rotate; the writer hears nothing of it."""
    folder = tmp_path / "folder"
    log = RotatingFile(folder / "worker.log", limit_bytes=100, older=1)
    log.write("x" * 95 + "\n")
    log.flush()
    moved = folder.rename(tmp_path / "elsewhere")
    log.write("lost\n")
    log.flush()
    os.rename(moved, folder)  # noqa: PTH104 - back again
    log.write("kept\n")
    log.flush()
    said, last = (folder / "worker.log").read_text().splitlines()
    assert (said.split()[0], last) == ("1", "kept")


def test_lines_are_told_as_well_as_written(tmp_path: Path) -> None:
    """With their level, and without secrets."""
    told: list[tuple[str, Mapping[str, Any]]] = []
    file = RotatingFile(tmp_path / "worker.log")
    logs.configure("json", "info", file, lambda level, event: told.append((level, event)))
    structlog.get_logger().warning("weak_sandbox", password="hunter2")
    structlog.get_logger().debug("noise")
    file.flush()
    ((level, event),) = told
    assert (level, event["event"], event["password"]) == ("warning", "weak_sandbox", logs.REDACTED)
    assert json.loads((tmp_path / "worker.log").read_text())["event"] == "weak_sandbox"
