"""Logs: machine-readable unless on a terminal, without secrets and control characters."""

from __future__ import annotations

import io
import json

import pytest
import structlog

from veriframe import logs

SECRET = "hunter2-hunter2"


@pytest.mark.parametrize("form", ["json", "pretty"])
@pytest.mark.parametrize(
    "fields",
    [
        {"password": SECRET},
        {"deep": {"keystore_password": SECRET}},
        {"url": f"https://user:{SECRET}@example.org/path"},
        {"url": f"https://example.org/path?x=1&api_key={SECRET}"},
        {"headers": {"Authorization": f"Bearer {SECRET}"}},
        {"text": f"sent Bearer {SECRET} to the node"},
        {"items": [f"https://:{SECRET}@example.org"]},
    ],
)
def test_planted_secrets_never_reach_the_log(form: str, fields: dict[str, object]) -> None:
    """fault_79: wherever a secret is in an event, it is redacted."""
    stream = io.StringIO()
    logs.configure(form, "debug", stream)  # type: ignore[arg-type]
    structlog.get_logger().info("event", **fields)
    assert logs.REDACTED in stream.getvalue()
    assert SECRET not in stream.getvalue()


@pytest.mark.parametrize("form", ["json", "pretty"])
def test_secrets_in_tracebacks_are_redacted(form: str) -> None:
    """fault_79: the text of an exception passes the same filter."""
    stream = io.StringIO()
    logs.configure(form, "info", stream)  # type: ignore[arg-type]
    try:
        raise RuntimeError(f"cannot reach https://me:{SECRET}@example.org")
    except RuntimeError:
        structlog.get_logger().exception("bug")
    assert "RuntimeError" in stream.getvalue()
    assert SECRET not in stream.getvalue()


def test_a_pipe_gets_one_json_object_per_line() -> None:
    """`auto` on a pipe writes JSON lines with level and time."""
    stream = io.StringIO()
    logs.configure("auto", "info", stream)
    structlog.get_logger().info("job_seen", job=3)
    structlog.get_logger().debug("noise")
    (line,) = stream.getvalue().splitlines()
    event = json.loads(line)
    assert (event["event"], event["job"], event["level"]) == ("job_seen", 3, "info")
    assert event["timestamp"].endswith("Z")


HIDDEN = "".join(map(chr, (0, 7, 8, 27, 0x7F, 0x85, 0x9B, 0x200B, 0x202E, 0x2066, 0x2028, 0xFEFF, 0xE0041)))
"""Control, bidirectional and invisible characters."""


@pytest.mark.parametrize("form", ["json", "pretty"])
@pytest.mark.parametrize(
    "fields",
    [
        {"asset_cid": f"bafy{HIDDEN}end"},
        {"asset_cid": f"bafy\r\n{HIDDEN}end"},
        {"reasons": [f"bafy{HIDDEN}end"]},
        {"deep": {f"bafy{HIDDEN}": {"x": (f"bafy{HIDDEN}end",)}}},
        {"error": ValueError(f"bafy{HIDDEN}end")},
        {f"bafy{HIDDEN}": 1},
    ],
    ids=["text", "lines", "list", "mapping", "object", "key"],
)
def test_an_untrusted_text_stays_on_its_line_without_control_characters(
    form: str, fields: dict[str, object]
) -> None:
    """fault_95: wherever it is in an event, and in both forms."""
    stream = io.StringIO()
    logs.configure(form, "debug", stream)  # type: ignore[arg-type]
    structlog.get_logger().info("event", **fields)
    (line,) = stream.getvalue().removesuffix("\n").split("\n")
    assert "bafy" in line
    assert line.isprintable()


def test_a_pretty_line_keeps_printable_text() -> None:
    """Letters of any language stay; only hidden characters are replaced, and nothing is dropped."""
    stream = io.StringIO()
    logs.configure("pretty", "debug", stream)
    structlog.get_logger().info("event", name="Grüße 日本 ✓", turned="a\u202eb")
    assert "Grüße 日本 ✓" in stream.getvalue()
    assert "a\ufffdb" in stream.getvalue()


def test_a_pretty_traceback_keeps_its_lines() -> None:
    """fault_95: without the control characters of untrusted texts that it quotes."""
    stream = io.StringIO()
    logs.configure("pretty", "info", stream)
    try:
        raise RuntimeError("no \x1b[31m\u202ecamera")
    except RuntimeError:
        structlog.get_logger().exception("bug")
    lines = stream.getvalue().splitlines()
    assert "Traceback (most recent call last):" in lines
    assert lines[-1] == "RuntimeError: no \ufffd[31m\ufffdcamera"
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical"])
def test_a_librarys_own_logger_writes_a_line(level: str) -> None:
    """Libraries such as stamina ask for a logger by name."""
    stream = io.StringIO()
    logs.configure("json", "debug", stream)
    getattr(structlog.get_logger("stamina"), level)("waiting")
    assert json.loads(stream.getvalue())["level"] == level


def test_a_pretty_line_is_in_the_order_in_which_a_person_reads() -> None:
    """First what it is about, last what is long, without what is not there; JSON keeps everything."""
    stream = io.StringIO()
    fields = {
        "asset_cid": "bafy",
        "seconds": 3,
        "code": None,
        "stage": "PAID",
        "reward": "5 STRK",
        "job_id": 7,
    }
    for form in ("pretty", "json"):
        logs.configure(form, "debug", stream)
        structlog.get_logger().info("attempt_finished", **fields)
    pretty, machine = stream.getvalue().splitlines()
    shown = "job_id=7 stage=PAID seconds=3 reward='5 STRK' asset_cid=bafy"
    assert " ".join(pretty.split()).endswith(f"] attempt_finished {shown}")
    assert fields.items() <= json.loads(machine).items()


@pytest.mark.parametrize("level", ["warning", "error"])
def test_the_start_and_the_end_of_a_worker_are_logged_at_any_level(level: str) -> None:
    """fault_106: else the screen is empty, and Ctrl-C gets no answer for as long as a render takes."""
    stream = io.StringIO()
    logs.configure("json", level, stream)
    log = structlog.get_logger()
    for event in sorted(logs.NEVER_HIDDEN):
        log.info(event, job_id=1)
        log.warning(event)
    log.info("stage_reached")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [
        (event, kind) for event in sorted(logs.NEVER_HIDDEN) for kind in ("info", "warning")
    ]


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Always true."""
        return True


@pytest.mark.parametrize(
    ("environment", "target", "coloured"),
    [
        ({}, Terminal, True),
        ({"NO_COLOR": "1"}, Terminal, False),
        ({"NO_COLOR": ""}, Terminal, True),
        ({"TERM": "dumb"}, Terminal, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, Terminal, False),
        ({}, io.StringIO, False),
        ({"FORCE_COLOR": "1"}, io.StringIO, True),
    ],
)
def test_the_log_has_colours_where_rich_has_them(
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    target: type[io.StringIO],
    coloured: bool,
) -> None:
    """fault_108: NO_COLOR and FORCE_COLOR hold for the log as for all else on the screen."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm", **environment}.items():
        monkeypatch.setenv(name, value)
    stream = target()
    logs.configure("pretty", "info", stream)
    structlog.get_logger().info("event", name="value")
    assert ("\x1b[" in stream.getvalue()) is coloured
