"""Figures out of a worker's log. Nothing here reads files or clocks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

Event = Mapping[str, Any]
"""One line of a log. `at` is its time in Unix seconds."""


def parse(lines: Iterable[str]) -> list[Event]:
    """The events in lines of a log; lines that are no JSON objects are left out."""
    return [
        _timed(json.loads(line)) for line in lines if line.startswith("{") and line.rstrip().endswith("}")
    ]


def _timed(event: dict[str, Any]) -> Event:
    if "at" in event or "timestamp" not in event:
        return event
    return {**event, "at": datetime.fromisoformat(event["timestamp"]).timestamp()}


def reached(events: Sequence[Event], stage: str) -> dict[int, float]:
    """When each job reached a stage, first, in Unix seconds."""
    times: dict[int, float] = {}
    for event in events:
        if event["event"] == "stage_reached" and event["stage"] == stage:
            times.setdefault(event["job_id"], event["at"])
    return times


def given_up(events: Sequence[Event]) -> dict[int, str]:
    """One sentence for each job that ended with a code."""
    ended = [event for event in events if event["event"] == "stage_reached" and event.get("code")]
    return {
        event["job_id"]: f"job {event['job_id']}: {event['code']}, {event.get('reason', '')}"
        for event in ended
    }


def claimed_to_sampling(events: Sequence[Event], job_id: int) -> float:
    """Seconds from the claim to the start of the frame: to RENDERED, less the frame's own seconds."""
    claimed, rendered = reached(events, "CLAIMED")[job_id], reached(events, "RENDERED")[job_id]
    frames = [event for event in events if event["event"] == "frame_rendered" and event["at"] <= rendered]
    return rendered - claimed - frame_seconds(frames[-1])


def frame_seconds(event: Event) -> float:
    """Seconds that one frame took: by Blender, or from the command to render it to its arrival."""
    return float(event["frame_seconds"] if "frame_seconds" in event else event["seconds"])


def rendering_share(events: Sequence[Event]) -> float:
    """The share in which Blender renders a frame, from the first claim to the last rendered frame.

    Starting Blender and loading a scene are no rendering.
    """
    begin = min(reached(events, "CLAIMED").values())
    end = max(reached(events, "RENDERED").values())
    frames = [
        (event["at"] - frame_seconds(event), event["at"])
        for event in events
        if event["event"] == "frame_rendered"
    ]
    covered, until = 0.0, begin
    for first, last in sorted(frames):
        covered += max(0.0, min(last, end) - max(first, until))
        until = max(until, last)
    return covered / (end - begin)


def reads(events: Sequence[Event], job_id: int) -> tuple[int, int]:
    """Reads of the registry from the step of the claim to the pay: those for the job, and those of polls.

    A task polls if it ever asks what changed; all of its reads are polls.
    """
    polling = {event["task"] for event in events if _is_read(event) and event["name"] == "changed"}
    checked, paid = reached(events, "CHECKED")[job_id], reached(events, "PAID")[job_id]
    tasks = [event["task"] for event in events if _is_read(event) and checked <= event["at"] <= paid]
    polls = sum(task in polling for task in tasks)
    return len(tasks) - polls, polls


def _is_read(event: Event) -> bool:
    return bool(event["event"] == "registry_read")
