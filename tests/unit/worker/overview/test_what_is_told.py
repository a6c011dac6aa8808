"""What a running worker tells its owner: disputes, reasons that repeat, and facts of the log, in words."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.worker.overview.test_observer import NOON, Watched, progress

from veriframe.model.attempt.attempt import Stage


def test_a_disputed_result_is_told_and_marked() -> None:
    """fault_187: its reward is due only if the arbiter does not decide for the creator."""
    watched = Watched()
    submitted = watched.attempt(Stage.SUBMITTED, due_at=int(NOON) + 600)
    watched.observer.on_attempt(replace(submitted, due_at=int(NOON) + 9000, is_disputed=True))
    watched.observer.on_attempt(replace(submitted, due_at=int(NOON) + 9000, is_disputed=True))
    (told,) = watched.told
    assert ("disputes" in told.text, told.is_bad) == (True, True)
    assert watched.overview().due[0].is_disputed


def test_a_reason_with_other_figures_is_not_told_again() -> None:
    """fault_187: free bytes change all the time; another job is another one."""
    watched = Watched()
    for free in ("3.2 GiB", "3 GiB", "900.5 MiB"):
        watched.observer.on_idle(f"The disk is full: {free} are free.")
        watched.observer.on_log("info", {"event": "job_waits", "job_id": 15, "reason": f"it may cost {free}"})
    assert watched.overview().idle == "The disk is full: 900.5 MiB are free."
    watched.observer.on_log("info", {"event": "job_waits", "job_id": 16, "reason": "it may cost 1 GiB"})
    assert len(watched.told) == 3


def test_facts_of_the_log_are_in_words() -> None:
    """No raw bytes, and no names of fields."""
    watched = Watched()
    facts = {"memory_bytes": 2**31, "spare_bytes": 2**30}
    watched.observer.on_log("warning", {"event": "spare_not_kept", **facts})
    watched.observer.on_log("warning", {"event": "spare_not_kept", **facts, "memory_bytes": None})
    stages = {"journal": Stage.CHECKED, "registry": "REFUNDED", "stage": Stage.LOST}
    watched.observer.on_log("warning", {"event": "reconciled", "job_id": 5, **stages})
    watched.observer.on_log("warning", {"event": "another", "free_bytes": 2**30, "left_seconds": 90})
    spare, ended, reconciled, other = (told.text for told in watched.told)
    assert ("2 GiB" in spare, "1 GiB" in spare) == (True, True)
    assert "has ended" in ended
    assert reconciled.startswith("job 5: the registry shows REFUNDED")
    assert other == "another: free 1 GiB, left 1m30s"


def test_the_end_of_one_round_is_told() -> None:
    """With what is in review, and until when at most."""
    watched = Watched()
    watched.observer.end_once()
    watched.attempt(Stage.SUBMITTED, due_at=int(NOON) + 5400)
    watched.observer.end_once()
    assert [told.text for told in watched.told] == [
        "no open job is left",
        "no open job is left; 1 in review, due by 13:30",
    ]


def test_a_render_at_its_end_has_no_time_left() -> None:
    """Rather than “99 %  0s left” while it is denoised."""
    watched = Watched()
    watched.attempt(Stage.CLAIMED)
    watched.observer.on_progress(1, progress(done=0, total=1, fraction=0.1))
    watched.clock.seconds += 30
    watched.observer.on_progress(1, progress(done=0, total=1, fraction=0.99))
    assert (watched.job().share, watched.job().seconds_left) == (0.99, None)
