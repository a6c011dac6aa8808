"""Logs: machine-readable where nobody looks, and never with a secret in them."""

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
    """fault_79: whatever way a secret gets into an event, it does not get out."""
    stream = io.StringIO()
    logs.configure(form, "debug", stream)  # type: ignore[arg-type]
    structlog.get_logger().info("event", **fields)
    assert logs.REDACTED in stream.getvalue()
    assert SECRET not in stream.getvalue()


@pytest.mark.parametrize("form", ["json", "pretty"])
def test_secrets_in_tracebacks_are_redacted(form: str) -> None:
    """fault_79: an exception's text passes the same filter."""
    stream = io.StringIO()
    logs.configure(form, "info", stream)  # type: ignore[arg-type]
    try:
        raise RuntimeError(f"cannot reach https://me:{SECRET}@example.org")
    except RuntimeError:
        structlog.get_logger().exception("bug")
    assert "RuntimeError" in stream.getvalue()
    assert SECRET not in stream.getvalue()


def test_one_json_object_a_line_where_nobody_looks() -> None:
    """`auto` on a pipe gives JSON lines with level and time."""
    stream = io.StringIO()
    logs.configure("auto", "info", stream)
    structlog.get_logger().info("job_seen", job=3)
    structlog.get_logger().debug("noise")
    (line,) = stream.getvalue().splitlines()
    event = json.loads(line)
    assert (event["event"], event["job"], event["level"]) == ("job_seen", 3, "info")
    assert event["timestamp"].endswith("Z")


HIDDEN = "".join(map(chr, (0, 7, 8, 27, 0x7F, 0x85, 0x9B, 0x200B, 0x202E, 0x2066, 0x2028, 0xFEFF, 0xE0041)))
"""Characters that a terminal obeys, that turn the direction of writing, or that nobody sees."""


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
def test_a_strangers_text_stays_on_its_line_and_drives_no_terminal(
    form: str, fields: dict[str, object]
) -> None:
    """fault_95: whatever way it gets into an event, and in either form."""
    stream = io.StringIO()
    logs.configure(form, "debug", stream)  # type: ignore[arg-type]
    structlog.get_logger().info("event", **fields)
    (line,) = stream.getvalue().removesuffix("\n").split("\n")
    assert "bafy" in line
    assert line.isprintable()


def test_a_pretty_line_keeps_what_people_read() -> None:
    """Letters of any language; only what cannot be seen is replaced, and nothing is left out."""
    stream = io.StringIO()
    logs.configure("pretty", "debug", stream)
    structlog.get_logger().info("event", name="Grüße 日本 ✓", turned="a\u202eb")
    assert "Grüße 日本 ✓" in stream.getvalue()
    assert "a\ufffdb" in stream.getvalue()


def test_a_pretty_traceback_keeps_its_lines() -> None:
    """fault_95: and what it quotes of a stranger's text drives no terminal either."""
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
    """Some ask for one by a name, as what tries again for us does."""
    stream = io.StringIO()
    logs.configure("json", "debug", stream)
    getattr(structlog.get_logger("stamina"), level)("waiting")
    assert json.loads(stream.getvalue())["level"] == level
