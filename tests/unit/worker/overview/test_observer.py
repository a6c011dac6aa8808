"""The overview of a running worker."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from tests.unit.worker.clock import ManualClock

from veriframe.errors import Code, JobLost, RenderFailed
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.rendering.frames import Progress
from veriframe.model.text import REPLACEMENT
from veriframe.ports.store import Transfer
from veriframe.worker.overview.observer import AGAIN_SECONDS, EVENTS, SENTENCE, Observer
from veriframe.worker.overview.overview import Happening, JobAtWork, Overview, Sums, Who

WHO = Who(account="worker", home="/home", registry="embedded", store="embedded")
STRK = 10**18
NOON = datetime(2026, 11, 30, 12, 0).astimezone().timestamp()
HOSTILE = "\x1b[2J\x07 a\u202eb\nc"


class Watched:
    """An observer with a clock at noon, and what it has told."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.clock.seconds = NOON
        self.told: list[Happening] = []
        self.observer = Observer(WHO, clock=self.clock, on_event=self.told.append)

    def attempt(self, stage: Stage = Stage.SEEN, number: int = 1, **facts: object) -> Attempt:
        """An attempt that reached its stage just now, known to the observer."""
        reached = {Stage.SEEN: self.clock.seconds, stage: self.clock.seconds}
        made = Attempt(
            job_id=number, asset_cid="bafk", reward_fri=5 * STRK, number=number, stage=stage, reached=reached
        )
        made = replace(made, **facts)  # type: ignore[arg-type]
        self.observer.on_attempt(made)
        return made

    def overview(self) -> Overview:
        """The present one."""
        return self.observer.overview()

    def job(self) -> JobAtWork:
        """The only job under way."""
        (job,) = self.overview().jobs
        return job


def progress(**facts: object) -> Progress:
    """Progress of the second of four frames."""
    whole = Progress(
        phase="rendering", frame=12, done=1, total=4, fraction=0.5, seconds=1.0, memory_bytes=2**30
    )
    return replace(whole, **facts)  # type: ignore[arg-type]


def test_a_job_is_shown_from_its_start_to_its_submission() -> None:
    """With what follows its stage, and the rewards in review beside the jobs."""
    watched = Watched()
    attempt = watched.attempt()
    assert (watched.job().doing, watched.job().since) == ("fetching", NOON)
    for stage in (Stage.FETCHED, Stage.CHECKED, Stage.CLAIMED, Stage.RENDERED, Stage.VALIDATED, Stage.STORED):
        before, attempt = attempt, attempt.to(stage, at=NOON + 1)
        watched.observer.on_stage(before, attempt)
        assert watched.job().stage is stage
    submitted = replace(attempt.to(Stage.SUBMITTED, at=NOON + 2), due_at=int(NOON) + 600)
    watched.observer.on_stage(attempt, submitted)
    assert watched.overview().jobs == []
    (due,) = watched.overview().due
    assert (due.job_id, due.reward_fri, due.due_at) == (1, 5 * STRK, int(NOON) + 600)


def test_a_render_has_a_share_a_frame_and_a_time_left() -> None:
    """By the time since its first report; nothing is estimated right after the start."""
    watched = Watched()
    watched.attempt(Stage.CLAIMED, due_at=int(NOON) + 3600)
    watched.observer.on_progress(1, progress(done=0, fraction=0.01))
    assert watched.job().seconds_left is None
    watched.clock.seconds += 30
    watched.observer.on_progress(1, progress())
    job = watched.job()
    assert (job.share, job.frame, job.frames_done, job.frames) == (0.375, 12, 1, 4)
    assert (job.seconds_left, job.memory_bytes, job.due_at) == (50.0, 2**30, int(NOON) + 3600)


def test_a_render_without_a_share_has_none() -> None:
    """An engine that reports none, at its first frame."""
    watched = Watched()
    watched.attempt(Stage.CLAIMED)
    watched.observer.on_progress(1, progress(done=0, fraction=None))
    assert (watched.job().share, watched.job().seconds_left) == (None, None)


def test_a_transfer_has_bytes_and_a_share_if_its_size_is_known() -> None:
    """Of a scene, or of a picture."""
    watched = Watched()
    watched.attempt()
    watched.observer.on_transfer(1, "scene", Transfer(done_bytes=50, total_bytes=None))
    assert (watched.job().share, watched.job().done_bytes) == (None, 50)
    watched.observer.on_transfer(1, "scene", Transfer(done_bytes=50, total_bytes=200))
    assert (watched.job().share, watched.job().total_bytes) == (0.25, 200)


def test_a_wait_has_its_beginning() -> None:
    """fault_102: the same wait, told again, began when it was told first."""
    watched = Watched()
    watched.attempt(Stage.CHECKED)
    watched.observer.on_wait(1, "a renderer")
    watched.clock.seconds += 60
    watched.observer.on_wait(1, "a renderer")
    assert (watched.job().waits_for, watched.job().waits_since) == ("a renderer", NOON)
    watched.observer.on_wait(1, "")
    assert watched.job().waits_for == ""


def test_the_next_stage_ends_what_was_known_of_the_last() -> None:
    """No bar of a render while its picture is validated."""
    watched = Watched()
    attempt = watched.attempt(Stage.CLAIMED)
    watched.observer.on_progress(1, progress())
    watched.observer.on_stage(attempt, attempt.to(Stage.RENDERED, at=NOON))
    assert (watched.job().share, watched.job().memory_bytes) == (None, None)


def test_jobs_with_a_lease_come_first() -> None:
    """Then by number."""
    watched = Watched()
    for number, stage in ((1, Stage.SEEN), (2, Stage.CLAIMED), (3, Stage.CHECKED)):
        watched.attempt(stage, number)
    assert [job.job_id for job in watched.overview().jobs] == [2, 1, 3]


def test_the_sums_are_those_of_the_local_day() -> None:
    """An attempt that ended yesterday does not count, nor one under way."""
    watched = Watched()
    watched.attempt(Stage.PAID, 1, fees_fri=2)
    watched.attempt(Stage.PAID, 2, reached={Stage.PAID: NOON - 86400})
    watched.attempt(Stage.RELEASED, 3, fees_fri=1, lost_fri=10)
    watched.attempt(Stage.CLAIMED, 4, fees_fri=5)
    expected = Sums(paid_jobs=1, paid_fri=5 * STRK, lost_fri=10, fees_fri=3)
    assert watched.overview().today == expected


def test_a_reason_for_a_pause_lasts_from_the_first_one() -> None:
    """fault_187: and it is told as an event, as is its end."""
    watched = Watched()
    for _ in range(3):
        watched.observer.on_idle("The disk is full.")
        watched.clock.seconds += 10
    watched.observer.on_idle("The store is full.")
    assert (watched.overview().idle, watched.overview().idle_since) == ("The store is full.", NOON)
    watched.observer.on_idle("")
    assert watched.overview().idle == ""
    assert [happening.is_bad for happening in watched.told] == [True, True, False]


def test_a_stop_names_what_is_waited_for() -> None:
    """fault_182: the claimed jobs; the pause that follows is no event of its own."""
    watched = Watched()
    watched.attempt(Stage.CLAIMED, 7)
    watched.attempt(Stage.CHECKED, 8)
    watched.observer.stop()
    watched.observer.on_idle("The worker stops.")
    (told,) = watched.told
    assert "job 7 " in told.text
    assert watched.overview().is_stopping


def test_failures_are_told_with_their_code() -> None:
    """And what they cost; good news is not marked."""
    watched = Watched()
    claimed = watched.attempt(Stage.CLAIMED)
    failed = claimed.ended_by(RenderFailed(Code.OOM, "Blender needed more memory."), at=NOON)
    released = replace(failed.to(Stage.RELEASED, at=NOON), lost_fri=STRK)
    watched.observer.on_stage(claimed, failed)
    watched.observer.on_stage(failed, released)
    assert all("[OOM]" in told.text and told.is_bad for told in watched.told)
    assert "1 STRK" in watched.told[-1].text


def test_untrusted_texts_cannot_control_the_terminal() -> None:
    """fault_181: in events, waits, reasons and lines of the log; none is longer than a sentence."""
    watched = Watched()
    attempt = watched.attempt()
    watched.observer.on_stage(attempt, attempt.ended_by(JobLost(HOSTILE), at=NOON))
    watched.attempt(number=2)
    watched.observer.on_wait(2, HOSTILE)
    watched.observer.on_idle(HOSTILE + "x" * 5000)
    watched.observer.on_log("warning", {"event": "weak_sandbox", "reason": HOSTILE})
    overview = watched.overview()
    texts = [overview.idle, overview.jobs[0].waits_for, *(one.text for one in overview.happened)]
    assert all(text.isprintable() and REPLACEMENT in text for text in texts)
    assert max(map(len, texts)) <= SENTENCE


def test_warnings_of_the_log_are_events() -> None:
    """fault_187: with job, reason and remedy; other lines are not, nor what is told in another way."""
    watched = Watched()
    watched.observer.on_log("warning", {"event": "no_money_for_bond", "job_id": 3, "remedy": "send money"})
    watched.observer.on_log("info", {"event": "job_left", "job_id": 4, "reason": "it pays too little"})
    watched.observer.on_log("info", {"event": "registry_move", "job_id": 4})
    watched.observer.on_log("warning", {"event": "stage_reached", "job_id": 4})
    first, second = watched.told
    assert ("job 3" in first.text, "send money" in first.text, first.is_bad) == (True, True, True)
    assert ("job 4" in second.text, "it pays too little" in second.text, second.is_bad) == (True, True, False)


def test_a_line_of_the_log_is_told_once_in_a_while() -> None:
    """fault_187: a node that is away is a line every second in the log, and one event; with its name."""
    watched = Watched()
    line = {"event": "endpoint_failed", "endpoint": "1. node", "reason": "the connection is refused"}
    for _ in range(3):
        watched.observer.on_log("warning", line)
        watched.clock.seconds += 1
    watched.observer.on_log("warning", {**line, "endpoint": "2. node"})
    watched.clock.seconds += AGAIN_SECONDS
    watched.observer.on_log("warning", line)
    assert ["1. node" in told.text for told in watched.told] == [True, False, True]


def test_only_the_last_events_are_kept() -> None:
    """And only the attempts of the last days."""
    watched = Watched()
    for number in range(2 * EVENTS):
        watched.observer.say(str(number))
        watched.attempt(Stage.PAID, number + 1, reached={Stage.PAID: NOON - 10 * 86400})
    assert len(watched.overview().happened) == EVENTS
    assert watched.observer._attempts == {}
    watched.attempt(Stage.PAID, 1)
    assert watched.overview().today.paid_jobs == 1
    watched.clock.seconds += 3 * 86400
    watched.overview()
    assert watched.observer._attempts == {}


def test_frames_of_an_earlier_run_do_not_count_as_fast() -> None:
    """Six of ten were there: the time left follows from what this run has done."""
    watched = Watched()
    watched.attempt(Stage.CLAIMED)
    watched.observer.on_progress(1, replace(progress(done=6, fraction=0.0), total=10))
    watched.clock.seconds += 30
    watched.observer.on_progress(1, replace(progress(done=7, fraction=0.0), total=10))
    job = watched.job()
    assert (job.frames_done, job.frames, job.share) == (7, 10, 0.7)
    assert round(job.seconds_left or 0) == 90
