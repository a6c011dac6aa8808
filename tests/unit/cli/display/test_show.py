"""Output to a terminal or a pipe has no control characters from untrusted texts."""

from __future__ import annotations

import io
import json
import time
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from veriframe.cli.display import show

EVIL = "\x1b[2J\x07\u202etxt\r\nbell\x9b1m\u2028\t"


@pytest.fixture(autouse=True)
def _no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(variable, raising=False)


def printable(text: str) -> bool:
    """Whether each line has only printable characters."""
    return all(line.isprintable() for line in text.split("\n"))


@given(st.text())
def test_cleaned_text_is_one_printable_line(text: str) -> None:
    """fault_15: control, direction and separator characters are escaped; the rest stays as it is."""
    cleaned = show.clean(text)
    assert cleaned.isprintable()
    assert (cleaned == text) is text.isprintable()


def test_a_table_in_a_pipe_is_tab_separated(capsys: pytest.CaptureFixture[str]) -> None:
    """Each line has one tab less than columns, whatever the cells contain."""
    show.table("Jobs", ("job", "asset"), [("1", EVIL), ("2", "[bold]plain[/bold]")])
    head, first, second = capsys.readouterr().out.splitlines()
    assert head == "job\tasset"
    assert first == f"1\t{show.clean(EVIL)}"
    assert second == "2\t[bold]plain[/bold]"


def test_a_table_on_a_terminal_shows_cells_as_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_36: no Rich markup and no escape sequence from a cell."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    show.table("Jobs", ("job", "asset"), [("1", EVIL), ("2", "[bold]plain[/bold]")])
    said = capsys.readouterr().out
    assert "[bold]plain[/bold]" in said
    assert not {"\x07", "\u202e", "\x9b", "\r"} & set(said)
    assert "\x1b[2J" not in said


def test_facts_are_aligned_and_clean(capsys: pytest.CaptureFixture[str]) -> None:
    """Names in one column, values in the other, one pair per line."""
    show.facts("Job 1", {"state": "OPEN", "asset cid": "[red]\x1b"})
    assert capsys.readouterr().out == "Job 1\n  state      OPEN\n  asset cid  [red]\\x1b\n"


def test_json_is_ascii_and_exact(capsys: pytest.CaptureFixture[str]) -> None:
    """fault_15, fault_120: amounts are decimal strings at any depth; untrusted characters are escaped."""
    show.as_json({"reward_fri": 10**30 + 1, "asset_cid": EVIL, "all": [{"fee_fri": 0, "none_fri": None}]})
    said = capsys.readouterr().out
    assert (said.isascii(), printable(said)) == (True, True)
    assert json.loads(said) == {
        "version": show.JSON_VERSION,
        "reward_fri": str(10**30 + 1),
        "asset_cid": EVIL,
        "all": [{"fee_fri": "0", "none_fri": None}],
    }


def test_a_json_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """For scripts that read line by line."""
    show.json_line({"a": "x\ny", "paid_fri": 1})
    assert capsys.readouterr().out == '{"version": 1, "a": "x\\ny", "paid_fri": "1"}\n'


@given(st.text(max_size=70))
def test_short_keeps_both_ends(text: str) -> None:
    """Short texts are unchanged; long ones keep their first nine and last six characters."""
    shortened = show.short(text)
    assert len(shortened) <= 18
    assert (shortened[:9], shortened[-6:]) == (text[:9], text[-6:])


def test_short_makes_a_cid_fit() -> None:
    """With an ellipsis for the rest."""
    assert show.short("bafybeidzi2u7q4l5") == "bafybeidzi2u7q4l5"
    assert show.short("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy") == "bafkreigh…4s52zy"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59, "59s"),
        (61, "1m1s"),
        (3599, "59m59s"),
        (3661, "1h1m"),
        (86400 + 3661, "1d1h"),
        (-5, "0s"),
    ],
)
def test_a_rough_span_has_two_units(seconds: int, text: str) -> None:
    """For lists and spans to moments, where seconds matter less than a glance."""
    assert show.rough_span(seconds) == text


@pytest.mark.parametrize("at", [300_000_000_000, 2**40 - 1, 2**64])
def test_a_time_that_no_calendar_reaches(at: int) -> None:
    """fault_202: a registry of another maker may name any."""
    assert show.moment(at, 1_800_000_000).startswith("never (in ")


@pytest.mark.parametrize(
    ("after", "text"),
    [
        (75, "23:46:15 (in 1m15s)"),
        (0, "23:45:00 (now)"),
        (-60, "23:44:00 (1m ago)"),
        (900, "2026-12-01 00:00 (in 15m)"),
    ],
)
def test_a_moment_is_a_time_here_and_a_span(monkeypatch: pytest.MonkeyPatch, after: int, text: str) -> None:
    """With the date if it is not that of now."""
    now = int(datetime(2026, 11, 30, 23, 45, tzinfo=ZoneInfo("Europe/Zurich")).timestamp())
    monkeypatch.setenv("TZ", "Europe/Zurich")
    time.tzset()
    try:
        assert show.moment(now + after, now) == text
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_long_value_is_wrapped_under_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal; a pipe gets whole lines."""
    for is_terminal, lines in ((True, 4), (False, 1)):
        file = io.StringIO()
        console = Console(file=file, width=40, force_terminal=is_terminal, color_system=None, soft_wrap=True)
        show.facts("", {"asset": "x" * 100}, console)
        shown = file.getvalue().splitlines()
        assert len(shown) == lines
        assert all(line.startswith("  asset  x" if n == 0 else "         x") for n, line in enumerate(shown))
