"""Parses the report lines of the scripts inside Blender. Every line is untrusted until it has passed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from veriframe.model.rendering.frames import LAST_FRAME, MAX_FRAMES, Frame, Progress
from veriframe.model.text import printable

Seconds = Annotated[float, Field(ge=0, le=1e8, allow_inf_nan=False)]
Bytes = Annotated[int, Field(ge=0, le=2**50)]
FrameNumber = Annotated[int, Field(ge=0, le=LAST_FRAME)]
Pixels = Annotated[int, Field(ge=1, le=65_536)]
ChannelNames = Annotated[str, Field(pattern=r"^[A-Za-z0-9.,%_~-]+$", max_length=30_000)]
Text = Annotated[str, Field(max_length=2_000)]
MAX_CHANGES = 500
MAX_CHANNELS = 1024
"""The most channels of a picture."""

MAX_EVENTS = 2 * MAX_FRAMES
"""Reports of one run that are kept; an unmodified script sends fewer."""

MAX_IGNORED = 100
"""Invalid lines of one run that are tolerated; an unmodified script sends none."""

MAX_LINE_BYTES = 2**16
"""The longest report in bytes. Only an inspection may be longer."""

_INSPECTION = b'{"kind": "inspection"'


class _Report(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class About(_Report):
    """Which Blender this is."""

    kind: Literal["about"]
    major: Annotated[int, Field(ge=0, le=99)]
    minor: Annotated[int, Field(ge=0, le=99)]
    version_text: Annotated[str, Field(max_length=100)]
    build_hash: Annotated[str, Field(max_length=100)]


class Ready(_Report):
    """Blender has started and awaits its first command."""

    kind: Literal["ready"]


class ProgressReport(_Report):
    """The progress of a render."""

    kind: Literal["progress"]
    phase: Literal["preparing", "rendering", "sampling or denoising", "compositing", "writing"]
    frame: FrameNumber
    done: Annotated[int, Field(ge=0, le=MAX_FRAMES)]
    total: Annotated[int, Field(ge=1, le=MAX_FRAMES)]
    fraction: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None
    seconds: Seconds
    memory_bytes: Bytes

    def value(self) -> Progress:
        """The same as the port's type."""
        return Progress(**self.model_dump(exclude={"kind"}))


class FrameReport(_Report):
    """A frame is done."""

    kind: Literal["frame"]
    number: FrameNumber
    file: Annotated[str, Field(max_length=40)]
    width: Pixels
    height: Pixels

    def value(self, seconds: float, peak_memory_bytes: int) -> Frame:
        """The frame, with what was measured from outside."""
        return Frame(
            **self.model_dump(exclude={"kind"}), seconds=seconds, peak_memory_bytes=peak_memory_bytes
        )


class Normalised(_Report):
    """What was turned off in the scene before rendering."""

    kind: Literal["normalised"]
    changed: Annotated[list[Text], Field(max_length=MAX_CHANGES)]


class Finished(_Report):
    """The work is done; only the end of the process follows."""

    kind: Literal["finished"]


class Failed(_Report):
    """The script failed."""

    kind: Literal["failed"]
    error: Text


class Decoded(_Report):
    """A frame was decoded in the clean sandbox and written again without metadata."""

    kind: Literal["decoded"]
    number: FrameNumber
    width: Pixels
    height: Pixels
    channels: Annotated[int, Field(ge=1, le=MAX_CHANNELS)]
    bit_depth: Literal[8, 16, 32]
    pixel_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    channel_names: ChannelNames
    proof_root: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
    black: bool
    finite: bool


class CutReport(_Report):
    """A part of a picture was taken in the clean sandbox."""

    kind: Literal["cut"]
    number: FrameNumber
    leaf: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    channel_names: ChannelNames


class Refused(_Report):
    """A file is not the expected picture."""

    kind: Literal["refused"]
    number: FrameNumber
    code: Literal["NOT_IMAGE", "WRONG_SIZE"]
    why: Text


Event = (
    About
    | Ready
    | ProgressReport
    | FrameReport
    | Normalised
    | Finished
    | Failed
    | Decoded
    | CutReport
    | Refused
)
_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])


def parse(line: bytes) -> Event | None:
    """Returns one report, or None if the line is not a valid one. Such lines are ignored."""
    try:
        return _EVENT.validate_json(line)
    except ValidationError:
        return None


@dataclass
class RunReport:
    """What one run has reported so far. `on_event` is called with each valid report."""

    on_event: Callable[[Event], None] = lambda event: None
    events: list[Event] = field(default_factory=list)
    inspection: dict[str, Any] | None = None
    finished: bool = False
    error: str | None = None
    ignored: int = 0
    _kinds: set[str] = field(default_factory=set)

    @property
    def is_flood(self) -> bool:
        """Whether so many lines were invalid that the run should be ended."""
        return self.ignored > MAX_IGNORED

    def add_line(self, line: bytes) -> None:
        """Parses one line."""
        if line.startswith(_INSPECTION):
            self._add_inspection(line)
            return
        event = parse(line) if len(line) <= MAX_LINE_BYTES else None
        if event is None or not self._is_new(event):
            self.ignored += 1
            return
        if isinstance(event, Finished):
            self.finished = True
        elif isinstance(event, Failed):
            self.error = printable(event.error, 300)
        elif not isinstance(event, ProgressReport):
            self.events.append(event)
        self.on_event(event)

    def _is_new(self, event: Event) -> bool:
        """Whether the event is progress, the first of its kind, or about another frame."""
        if isinstance(event, FrameReport | Decoded | CutReport | Refused):
            return len(self.events) < MAX_EVENTS
        return isinstance(event, ProgressReport) or self._is_first(event.kind)

    def _is_first(self, kind: str) -> bool:
        is_first = kind not in self._kinds
        self._kinds.add(kind)
        return is_first

    def _add_inspection(self, line: bytes) -> None:
        # The model parses the inspection strictly; this only checks that it is one. It may be long, so only
        # the first is parsed.
        raw = None
        if self._is_first("inspection"):
            with contextlib.suppress(ValueError, RecursionError):
                raw = json.loads(line)
        if isinstance(raw, dict) and raw.pop("kind", None) == "inspection":
            self.inspection, self.finished = raw, True
        else:
            self.ignored += 1
