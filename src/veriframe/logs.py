"""Logs: structured events on stderr, pretty on a terminal, otherwise one JSON object per line.

Logging never blocks and never fails, whatever happens to stderr (`BackgroundStderr`).
"""

from __future__ import annotations

import atexit
import os
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO, cast

from veriframe.model.text import printable
from veriframe.stderr import BackgroundStderr

if TYPE_CHECKING:
    import structlog

_SECRET_NAME = re.compile(
    r"password|passphrase|secret|private|mnemonic|token|authorization|api_?key", re.IGNORECASE
)
_SECRET_IN_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^/\s@]+@", re.IGNORECASE)
_SECRET_IN_QUERY = re.compile(r"(?P<name>[?&](?:api_?key|token|secret|password|auth)=)[^&\s]+", re.IGNORECASE)
_SECRET_IN_PATH = re.compile(
    r"(?P<before>[a-z][a-z0-9+.-]*://[^\s?#]*?/)(?!baf|Qm)(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{15,}(?=[/?#\s]|$)",
    re.IGNORECASE,
)
"""A long path segment with a digit is a provider's key, unless it is a CID."""
_BEARER = re.compile(r"(?P<name>bearer\s+)\S+", re.IGNORECASE)
REDACTED = "[redacted]"

FILE_BYTES, OLDER_FILES = 8 * 2**20, 3
"""The size of one file of a log, and how many older ones are kept."""

NEVER_HIDDEN = frozenset({"worker_started", "worker_stopping", "worker_stopped", "worker_cut_off"})
"""Events that are logged at any level: a worker that starts or stops says so."""

FIRST = ("job_id", "order_id", "stage", "code")
LAST = ("asset_cid", "result_cid", "cid", "stage_seconds", "command")
"""Fields that a person reads first, and long ones. The others stand between them, as they were given."""


def redact_text(text: str) -> str:
    """The text without credentials and keys in URLs, and without bearer tokens."""
    text = _SECRET_IN_PATH.sub(rf"\g<before>{REDACTED}", text)
    text = _SECRET_IN_URL.sub(rf"\g<scheme>{REDACTED}@", text)
    text = _SECRET_IN_QUERY.sub(rf"\g<name>{REDACTED}", text)
    return _BEARER.sub(rf"\g<name>{REDACTED}", text)


def _redact(value: object) -> object:
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {key: REDACTED if _is_secret(key) else _redact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redact(item) for item in value]
    return value


def _is_secret(key: object) -> bool:
    return isinstance(key, str) and _SECRET_NAME.search(key) is not None


def redact_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor that redacts values under secret names, and secrets inside texts."""
    for key, value in event.items():
        event[key] = REDACTED if _is_secret(key) else _redact(value)
    return event


def _shown(value: object) -> object:
    if isinstance(value, str):
        return value if value.isprintable() else printable(value, len(value))
    if isinstance(value, Mapping):
        return {_shown(key): _shown(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(item) for item in value]
    return value if repr(value).isprintable() else _shown(repr(value))


def show_hidden(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor that replaces control, bidirectional and invisible characters by U+FFFD.

    Any text may be untrusted. Only a traceback keeps its line breaks.
    """
    shown = {str(_shown(key)): _shown(value) for key, value in event.items() if key != "exception"}
    if "exception" in event:
        shown["exception"] = "\n".join(str(_shown(line)) for line in str(event["exception"]).split("\n"))
    return shown


def arrange(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor that orders the fields by `FIRST` and `LAST`, and drops those that are None."""
    middle = [name for name in event if name not in (*FIRST, *LAST)]
    return {name: event[name] for name in (*FIRST, *middle, *LAST) if event.get(name) is not None}


class _LineLogger:
    """Writes lines without flushing, so that logging never waits for a reader."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        self._stream.write(line + "\n")

    debug = info = warning = error = critical = exception = msg


class RotatingFile(BackgroundStderr):
    """A log in a file of mode 0600, never longer than `limit_bytes`; the `older` ones beside it have numbers.

    Like stderr, it never blocks, slows or fails its writers. Raises `OSError` if it cannot be opened.
    """

    def __init__(self, path: Path, limit_bytes: int = FILE_BYTES, older: int = OLDER_FILES) -> None:
        self._path, self._limit_bytes, self._older = path, limit_bytes, older
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        super().__init__(_open(path))
        atexit.register(self.finish)

    def _written(self, text: str) -> bool:
        try:
            if os.fstat(self._descriptor).st_size + len(text.encode()) > self._limit_bytes:
                self._rotate()
        except OSError:
            return False
        return super()._written(text)

    def _rotate(self) -> None:
        names = [
            self._path,
            *(self._path.with_name(f"{self._path.name}.{n + 1}") for n in range(self._older)),
        ]
        for newer, older in reversed(list(pairwise(names))):
            with suppress(FileNotFoundError):
                newer.replace(older)
        following = _open(self._path)
        os.dup2(following, self._descriptor, inheritable=False)
        os.close(following)


def _open(path: Path) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, 0o600)


def configure(
    form: Literal["auto", "pretty", "json"],
    level: str,
    stream: TextIO | BackgroundStderr | None = None,
    tell: Callable[[str, Mapping[str, Any]], None] | None = None,
    never_hidden: frozenset[str] = NEVER_HIDDEN,
) -> None:
    """Set up structlog for the process. `auto` is pretty if `stream` (stderr by default) is a terminal.

    The events of `never_hidden` are logged at any level.
    `tell` receives the level and the facts of each line as well, without secrets, in any thread.
    """
    import structlog  # noqa: PLC0415 - it is slow to import, and light commands log nothing

    target = cast(TextIO, stream) if stream else sys.stderr
    processors = _processors(pretty=form == "pretty" or (form == "auto" and target.isatty()), target=target)
    if tell is not None:
        processors.insert(-1, _telling(tell))
    structlog.configure(
        processors=processors,
        wrapper_class=_filtering(level, never_hidden),
        logger_factory=lambda *_names: _LineLogger(target),
        cache_logger_on_first_use=False,
    )
    if isinstance(target, BackgroundStderr):
        target.tell_lost = lambda lost: _lost_line(processors, lost)


def _filtering(level: str, never_hidden: frozenset[str]) -> type[structlog.typing.FilteringBoundLogger]:
    """A logger that drops what is below `level`, except the events of `never_hidden`."""
    import structlog  # noqa: PLC0415

    below, all_levels = (structlog.make_filtering_bound_logger(name) for name in (level, "debug"))

    def info(self: Any, event: str, *args: Any, **fields: Any) -> Any:  # noqa: ANN401
        return (all_levels if event in never_hidden else below).info(self, event, *args, **fields)

    def warning(self: Any, event: str, *args: Any, **fields: Any) -> Any:  # noqa: ANN401
        return (all_levels if event in never_hidden else below).warning(self, event, *args, **fields)

    return type("Filtering", (below,), {"info": info, "warning": warning})


def _processors(*, pretty: bool, target: TextIO) -> list[structlog.typing.Processor]:
    import structlog  # noqa: PLC0415

    first: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if pretty else "iso", utc=not pretty),
        structlog.processors.format_exc_info,
        redact_event,
    ]
    if not pretty:
        return [*first, structlog.processors.JSONRenderer()]  # it escapes what `show_hidden` replaces
    render = structlog.dev.ConsoleRenderer(colors=_has_colours(target), pad_event_to=20, sort_keys=False)
    return [*first, arrange, show_hidden, render]


def _has_colours(target: TextIO) -> bool:
    """Whether rich would use colours there: it reads NO_COLOR, FORCE_COLOR and TERM."""
    from rich.console import Console  # noqa: PLC0415 - only a log for people needs it

    console = Console(file=target)
    return console.color_system is not None and not console.no_color


def _telling(tell: Callable[[str, Mapping[str, Any]], None]) -> structlog.typing.Processor:
    def processor(_logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        tell(method, dict(event))
        return event

    return processor


def _lost_line(processors: Sequence[structlog.typing.Processor], lost: int) -> str:
    event: Any = {"event": "log_lines_lost", "lines": lost, "reason": "nobody read them, or the disk is full"}
    for process in processors:
        event = process(None, "warning", event)
    return f"{event}\n"
