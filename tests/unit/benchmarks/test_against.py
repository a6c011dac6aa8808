"""`make bench-against` reads the right figures out of logs, and compares the revisions that it means."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.against import driven, log, table
from benchmarks.against.measures import MEASUREMENTS
from benchmarks.against.revisions import Incomparable, Revision

JOB, OTHER = 1, 2


def stage(name: str, at: float, job_id: int = JOB, **facts: Any) -> log.Event:
    """A job has reached a stage."""
    return {"event": "stage_reached", "job_id": job_id, "stage": name, "at": at, **facts}


def frame(at: float, seconds: float) -> log.Event:
    """A frame that took so long was finished then."""
    return {"event": "frame_rendered", "frame_seconds": seconds, "at": at}


def read(name: str, at: float, task: int) -> log.Event:
    """A task read the registry."""
    return {"event": "registry_read", "name": name, "task": task, "at": at}


def test_whole_events_of_a_log_are_read() -> None:
    """A line that is still being written, and what is no event, are left out."""
    lines = [
        '{"event": "stage_reached", "timestamp": "1970-01-01T00:01:00.500000Z"}\n',
        '{"event": "order_created", "at": 7.25}\n',
        "Traceback (most recent call last):\n",
        '{"event": "stage_rea',
    ]
    assert [(event["event"], event["at"]) for event in log.parse(lines)] == [
        ("stage_reached", 60.5),
        ("order_created", 7.25),
    ]


def test_a_stage_is_reached_once() -> None:
    """The first time counts, for each job."""
    events = [stage("CLAIMED", 1), stage("CLAIMED", 2, OTHER), stage("CLAIMED", 3), stage("RENDERED", 4)]
    assert log.reached(events, "CLAIMED") == {JOB: 1, OTHER: 2}


def test_jobs_that_are_given_up_are_named() -> None:
    """With the code that ended them."""
    events = [stage("CLAIMED", 1), stage("REFUSED", 2, OTHER, code="NOT_FOUND", reason="Nobody has it.")]
    assert log.given_up(events) == {OTHER: "job 2: NOT_FOUND, Nobody has it."}


def test_the_frame_itself_does_not_delay_its_first_sample() -> None:
    """Of two jobs, each has its own frame."""
    events = [
        *(stage("CLAIMED", 10), frame(14, 3), stage("RENDERED", 14.5)),
        *(stage("CLAIMED", 20, OTHER), frame(22, 1), stage("RENDERED", 22, OTHER)),
    ]
    assert log.claimed_to_sampling(events, JOB) == pytest.approx(1.5)
    assert log.claimed_to_sampling(events, OTHER) == pytest.approx(1)


def test_gaps_between_frames_are_not_rendering() -> None:
    """From the first claim to the last rendered frame."""
    events = [stage("CLAIMED", 0), frame(5, 4), frame(10, 4), stage("RENDERED", 10)]
    assert log.rendering_share(events) == pytest.approx(0.8)


def test_frames_at_the_same_time_count_once() -> None:
    """With more than one slot, and only what lies between the first claim and the last frame."""
    events = [stage("CLAIMED", 0), frame(6, 6), frame(5, 3), frame(8, 4), stage("RENDERED", 10)]
    assert log.rendering_share(events) == pytest.approx(0.8)
    outside = [stage("CLAIMED", 10), frame(12, 12), stage("RENDERED", 14), frame(16, 3)]
    assert log.rendering_share(outside) == pytest.approx(0.75)


def test_reads_of_polls_are_not_those_of_a_job() -> None:
    """A task that asks what changed polls, with all that it reads; only reads from claim to pay count."""
    job, poll = 11, 12
    events = [
        *(read("changed", 1, poll), read("get_job", 2, job), stage("CHECKED", 3), read("head", 4, job)),
        *(stage("CLAIMED", 5), read("snapshot", 6, poll), read("snapshot", 7, job), stage("PAID", 8)),
        read("get_job", 9, job),
    ]
    assert log.reads(events, JOB) == (2, 1)


def test_medians_are_compared_and_judged() -> None:
    """By the ratio, or by the new figure alone; without a target nothing is judged."""
    rows = table.compare(
        {
            "claim": {"old": [4, 2, 90], "new": [1, 2, 3]},
            "idle_processor": {"old": [0.1], "new": [0.5]},
            "idle_children": {"old": [0], "new": [2]},
        }
    )
    assert [(row.old, row.new, row.ratio, row.is_met) for row in rows.values()] == [
        (4, 2, 0.5, True),
        (0.1, 0.5, 5.0, False),
        (0, 2, None, None),
    ]


def test_without_an_old_figure_no_ratio_is_met() -> None:
    """There is nothing to compare with."""
    rows = table.compare({"claim": {"old": [0], "new": [0]}})
    assert (rows["claim"].ratio, rows["claim"].is_met) == (None, False)


def test_each_letter_has_figures() -> None:
    """And each figure a measurement."""
    assert {figure.letter for figure in table.FIGURES.values()} == set(MEASUREMENTS)


class Registry:
    """A registry of any revision."""

    async def snapshot(self) -> str:
        """A read."""
        return "snapshot"

    async def get_job(self) -> str:
        """A read, by way of another."""
        return await self.snapshot()

    async def claim(self) -> str:
        """A move."""
        return "claim"


async def test_each_read_is_noted_once(capfd: pytest.CaptureFixture[str]) -> None:
    """Not the reads within it, nor moves."""
    watched = type("Watched", (Registry,), {})
    driven.note_reads(watched)
    assert [await watched().get_job(), await watched().snapshot(), await watched().claim()] == [
        *("snapshot", "snapshot", "claim")
    ]
    events = log.parse(capfd.readouterr().err.splitlines())
    assert [event["name"] for event in events] == ["get_job", "snapshot"]


async def test_only_absent_content_never_arrives() -> None:
    """What is there arrives, later or at once."""

    class Store:
        async def fetch(self, cid: str) -> str:
            return cid

    driven.slow_fetches(Store, 0, frozenset(("absent",)))
    assert await Store().fetch("present") == "present"
    waiting = asyncio.create_task(Store().fetch("absent"))
    await asyncio.sleep(0)
    await Store().fetch("present")
    assert not waiting.done()
    waiting.cancel()


def test_commands_run_with_their_options() -> None:
    """As one object for the program that runs them."""
    command = Revision("old", Path("/src")).command(("worker",), absent=["cid"])
    assert command[0] == sys.executable
    assert json.loads(command[-1]) == {"commands": [["worker"]], "absent": ["cid"]}


def test_a_revision_is_what_its_commands_import(tmp_path: Path) -> None:
    """Never the installed one in its place."""
    package = tmp_path / "src" / "veriframe"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "cli.py").touch()
    Revision("old", tmp_path / "src").require_itself()
    (tmp_path / "empty").mkdir()
    with pytest.raises(Incomparable, match="in place of"):
        Revision("old", tmp_path / "empty").require_itself()
