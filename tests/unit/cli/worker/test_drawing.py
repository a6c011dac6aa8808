"""The worker's screen at several widths, and its picture in the docs."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console
from tools import worker_picture
from tools.worker_picture import NOW, STRK, example

from veriframe.cli.worker import drawing
from veriframe.worker.overview.overview import Due, Overview


def drawn(overview: Overview, columns: int = 110, **how: object) -> list[str]:
    """The lines of the screen, without colours."""
    file = io.StringIO()
    console = Console(file=file, width=columns, color_system=None)
    console.print(drawing.draw(overview, columns, **how))  # type: ignore[arg-type]
    return [line.rstrip() for line in file.getvalue().splitlines()]


def line_with(lines: list[str], *texts: str) -> str:
    """The only line with all of these texts."""
    (found,) = [line for line in lines if all(text in line for text in texts)]
    return found


def test_the_picture_of_the_screen_is_true() -> None:
    """`python -m tools.worker_picture` draws it anew."""
    assert worker_picture.PICTURE.read_text(encoding="utf-8") == worker_picture.draw()


@pytest.mark.parametrize("columns", [110, 80, 60, 40])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    """And the jobs with their shares are still there."""
    lines = drawn(example(), columns, events=5)
    assert max(map(len, lines)) <= columns
    for job in example().jobs:
        assert line_with(lines, f" {job.job_id} ", job.doing)
    assert line_with(lines, "63 %")


@pytest.mark.parametrize("columns", [110, 60])
def test_who_and_where_are_shown(columns: int) -> None:
    """Account, registry, store, sandbox, Blender and slots."""
    text = " ".join(drawn(example(), columns))
    who = example().who
    assert all(part in text for part in (who.account, who.registry, who.store, who.sandbox, "1 slot"))
    assert "4.5.15" in text


def test_a_wait_has_its_time() -> None:
    """fault_102: what a job waits for, and how long it has."""
    assert line_with(drawn(example()), " 12 ", "a renderer", "2m11s")


def test_a_render_has_frame_memory_and_time_left() -> None:
    """And the time that its lease leaves."""
    lines = drawn(example())
    assert line_with(lines, " 11 ", "1m57s left")
    assert line_with(lines, "frame 1", "1.2 GiB", "5 STRK", "56m41s")


def test_todays_money_and_what_is_due_are_shown() -> None:
    """Paid, lost, and when the next reward comes."""
    lines = drawn(example())
    assert line_with(lines, "45 STRK", "9 jobs", "0.05 STRK")
    assert line_with(lines, "5 STRK", "job 10", "14:13")


def test_many_results_in_review_are_summed_up() -> None:
    """The next ones by name, the others by number."""
    due = [Due(job_id=n, reward_fri=STRK, due_at=int(NOW) + 60 * n) for n in range(1, 8)]
    assert line_with(drawn(replace(example(), due=due)), "7 STRK", "job 3", "4 more")


def test_more_jobs_than_lines_are_counted() -> None:
    """A low terminal does not scroll."""
    assert line_with(drawn(example(), most_jobs=1), "2 more")


def test_the_last_line_leaves_room_for_the_terminals_own_echo() -> None:
    """fault_182: “^C” at the right edge would begin a line, and the next picture would miss the last one."""
    file = io.StringIO()
    Console(file=file, width=110, color_system=None).print(drawing.draw(example(), 110))
    assert len(file.getvalue().splitlines()[-1]) < 100


def test_a_pause_is_shown_with_its_reason() -> None:
    """fault_187: and since when."""
    idle = replace(example(), idle="The disk is full.", idle_since=NOW - 90)
    assert line_with(drawn(idle), "1m30s", "The disk is full.")


def test_a_stop_names_the_claimed_jobs() -> None:
    """fault_182: those that are finished first, and what another Ctrl-C does."""
    assert line_with(drawn(replace(example(), is_stopping=True, idle="It stops.")), "job 11", "Ctrl-C")


def test_a_worker_that_does_not_run_is_told_from_one_that_does() -> None:
    """No slots, no times of a run, and no word on Ctrl-C."""
    lines = drawn(replace(example(), started_at=None, busy_percent=None), runs=False)
    assert not any("Ctrl-C" in line or "slot" in line for line in lines)


def test_a_claim_that_waits_for_its_worker_has_a_last_time() -> None:
    """When the first lease ends, its bond is burned; without a claim there is nothing to lose."""
    assert line_with(drawn(example(), runs=False), "Start the worker before 15:01")
    free = replace(example(), jobs=[replace(job, due_at=0) for job in example().jobs])
    assert not any("Start the worker" in line for line in drawn(free, runs=False))


def test_a_disputed_reward_is_apart_from_what_is_due() -> None:
    """fault_187: it may never come."""
    due = [
        Due(job_id=1, reward_fri=STRK, due_at=int(NOW) + 60),
        Due(job_id=2, reward_fri=2 * STRK + 1, due_at=int(NOW) + 120, is_disputed=True),
    ]
    lines = drawn(replace(example(), due=due))
    assert line_with(lines, "due", "1 STRK for job 1")
    assert line_with(lines, "disputed", "2 STRK for job 2")


def test_a_sentence_that_a_job_waits_for_has_a_line_of_its_own() -> None:
    """It is not cut off, nor repeated where the last line says the same."""
    why = "Other programs need the processors (pause_when_busy)."
    waiting = replace(example(), jobs=[replace(example().jobs[1], waits_for=why)])
    assert len([line for line in drawn(waiting) if why in line]) == 1
    assert not any("waits for Other" in line for line in drawn(waiting))
    assert len([line for line in drawn(replace(waiting, idle=why, idle_since=NOW)) if why in line]) == 1


def test_another_terminal_shows_the_process() -> None:
    """A signal needs its number."""
    file = io.StringIO()
    Console(file=file, width=110).print(drawing.draw(example(), 110, is_here=False, process="4711"))
    assert "process 4711" in file.getvalue()
