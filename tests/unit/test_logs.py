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
