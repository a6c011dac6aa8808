"""A job's history in words: each reason has a meaning and a remedy."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from veriframe.cli.display import history_view, release_words
from veriframe.errors import Code
from veriframe.model.registry.history import JobEvent, JobHistory
from veriframe.model.registry.job import Address
from veriframe.model.registry.ledger import EventKind

NOON = int(datetime(2026, 3, 1, 12, 0).astimezone().timestamp())


def event(kind: EventKind, reason: str = "", at: int = NOON) -> JobEvent:
    """An event of account 0xb."""
    return JobEvent(kind=kind, at=at, party=Address(0xB), reason=reason)


@pytest.mark.parametrize("code", Code)
def test_every_reason_has_words_and_a_remedy(code: Code) -> None:
    """fault_135: an artist need not know the codes; a job that is cancelled needs nothing."""
    meaning, remedy = release_words.words(code.value)
    assert f"[{code}]" in meaning
    assert bool(remedy) is (code is not Code.CANCELLED)


def test_an_unknown_reason_is_shown_safely() -> None:
    """fault_15: a worker of another maker may give any text; it has no remedy."""
    meaning, remedy = release_words.words("\x1b[31m\u202eevil" + "x" * 99)
    assert meaning.isprintable()
    assert (len(meaning) < 100, remedy) == (True, "")


@pytest.mark.parametrize("kind", sorted(set(EventKind) - {EventKind.DEPOSITED, EventKind.WITHDRAWN}))
def test_every_event_of_a_job_has_a_sentence(kind: EventKind) -> None:
    """With who acted, lost or was paid."""
    said = history_view.sentence(event(kind))
    assert "0xb" in said
    assert kind.value not in said


STRK = 10**18
MADE = {EventKind.ORDER_CREATED: 50, EventKind.JOB_CLAIMED: 10, EventKind.RESULT_DISPUTED: 10}
RETURNED = "50 STRK is the reward, 10 STRK its own bond, returned"


@pytest.mark.parametrize(
    ("kind", "paid", "told"),
    [
        (EventKind.JOB_PAID, 60, f"60 STRK to 0xb; {RETURNED}"),
        (EventKind.JOB_PAID, 70, f"70 STRK to 0xb; {RETURNED}, and 10 STRK the bond of the other side"),
        (EventKind.JOB_PAID, 50, "50 STRK to 0xb"),
        (EventKind.JOB_REFUNDED, 60, f"60 STRK back to 0xb; {RETURNED}"),
    ],
)
def test_a_sum_is_told_with_its_parts(kind: EventKind, paid: int, told: str) -> None:
    """Of the bonds that came back, and of one that was won."""
    made = [replace(event(one), amount_fri=fri * STRK) for one, fri in MADE.items()]
    last = replace(event(kind), amount_fri=paid * STRK)
    assert history_view.lines(JobHistory(events=(*made, last)), NOON)[-1].endswith(told)


def test_the_remedy_follows_its_event() -> None:
    """For missing textures: the menu of Blender that packs them."""
    history = JobHistory(events=(event(EventKind.JOB_RELEASED, "MISSING_FILES"),), gap="Some are missing.")
    told, remedy, gap = history_view.lines(history, NOON + 61)
    assert told.startswith("12:00:00 (")
    assert "Pack Resources" in remedy
    assert gap == "Some are missing."


def test_scripts_get_codes_and_times() -> None:
    """And the remedy in words; null where there is nothing."""
    found = history_view.as_object(JobHistory(events=(event(EventKind.JOB_RELEASED, "OOM"),)))
    (told,), gap = found["history"], found["history_gap"]
    assert gap is None
    assert told["remedy"]
    assert {name: told[name] for name in ("at", "event", "who", "reason", "cid")} == {
        "at": NOON,
        "event": "JobReleased",
        "who": "0xb",
        "reason": "OOM",
        "cid": None,
    }
