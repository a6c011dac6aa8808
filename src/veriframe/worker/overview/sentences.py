"""What became of a job, in the words that people read on the worker's screen and in the demo."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType

from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.quantities import brief_strk, format_size, format_span
from veriframe.model.text import printable

DONE: Mapping[Stage, str] = MappingProxyType(
    {
        Stage.FETCHED: "fetched the scene and checked its bytes against the CID",
        Stage.CHECKED: "inspected it with Blender in the sandbox",
        Stage.CLAIMED: "claimed the job: its bond is in escrow",
        Stage.RENDERED: "rendered it",
        Stage.VALIDATED: "validated the picture in a clean sandbox",
        Stage.STORED: "put the picture into the store",
        Stage.SUBMITTED: "submitted the picture's CID",
    }
)
"""What the worker has done at each stage, as the second half of a sentence."""

DONE_WITH_CHUNK: Mapping[Stage, str] = MappingProxyType(
    {
        Stage.RENDERED: "rendered its frames",
        Stage.VALIDATED: "validated its frames in a clean sandbox",
        Stage.STORED: "put its frames into the store",
        Stage.SUBMITTED: "submitted its frames' CID",
    }
)
"""The same for a part of a bundle, where it differs."""

TOLD_OTHERWISE = frozenset(("stage_reached", "job_lost", "waiting", "claiming_paused", "listener_failed"))
"""Warnings of the log that a listener hears of in another way."""

WORTH_TELLING: Mapping[str, str] = MappingProxyType(
    {
        "job_left": "is left",
        "job_waits": "is not taken yet",
        "job_resumed": "goes on",
        "self_test_passed": "the test scene was rendered: this machine is healthy",
        "withdrawn": "withdrawn",
    }
)
"""Lines of the log that are no warnings, and that an operator wants to know of; with their words."""

OWN_WORDS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "spare_not_kept": (
            "no Blender is kept ready: one uses {memory_bytes} of memory, and spare_bytes is {spare_bytes}",
            "no Blender is kept ready: the one that was started has ended",
        ),
        "reconciled": (
            "job {job_id}: the registry shows {registry}, and the journal had {journal}: it is corrected",
        ),
    }
)
"""Warnings whose facts need a sentence of their own: the first one that finds all of its facts."""

_ENDED: Mapping[Stage, str] = MappingProxyType(
    {
        Stage.REFUSED: "refused the job",
        Stage.FAILED: "failed",
        Stage.RELEASED: "released its claim",
        Stage.LOST: "lost the job",
        Stage.REFUNDED: "lost the dispute: the arbiter decided for the creator",
    }
)

DOING: Mapping[Stage, str] = MappingProxyType(
    {
        Stage.SEEN: "fetching",
        Stage.FETCHED: "inspecting",
        Stage.CHECKED: "claiming",
        Stage.CLAIMED: "rendering",
        Stage.RENDERED: "validating",
        Stage.VALIDATED: "storing",
        Stage.STORED: "submitting",
        Stage.SUBMITTED: "in review",
        Stage.FAILED: "releasing",
    }
)
"""What follows each stage, in one or two words."""


def stage_sentence(before: Attempt, after: Attempt) -> str:
    """What a worker has just done, without its subject: `rendered it (59m16s)`. Safe to show."""
    started = before.reached.get(before.stage, after.reached[after.stage])
    seconds = max(0.0, after.reached[after.stage] - started)
    if after.stage is Stage.PAID:
        return f"received {brief_strk(after.reward_fri)}, {format_span(seconds)} after the submission"
    chunk = DONE_WITH_CHUNK if after.is_of_bundle else {}
    if (done := chunk.get(after.stage) or DONE.get(after.stage)) is not None:
        return f"{done} ({format_span(seconds)})"
    code = f" [{after.code}]" if after.code is not None else ""
    lost = f", which cost {brief_strk(after.lost_fri)} of its bond" if after.lost_fri else ""
    # A release follows a failure, which has just told why.
    is_told = after.stage in (Stage.RELEASED, Stage.REFUNDED)
    why = f": {printable(after.detail, 300)}" if after.detail and not is_told else ""
    return f"{_ENDED[after.stage]}{code}{lost}{why}"


def log_sentence(level: str, event: Mapping[str, object]) -> str:
    """What a line of the log says, for people; empty if it is not for them, or was told otherwise."""
    name = str(event.get("event", ""))
    is_warning = level in ("warning", "error", "critical", "exception") and name not in TOLD_OTHERWISE
    if not is_warning and name not in WORTH_TELLING:
        return ""
    facts = {key: value for key, value in event.items() if key not in _NOT_FACTS and value is not None}
    shown = {key: _shown(key, value) for key, value in facts.items()}
    for template in OWN_WORDS.get(name, ()):
        with suppress(KeyError):
            return template.format_map(shown)
    words = WORTH_TELLING.get(name, name.replace("_", " "))
    if (job_id := facts.pop("job_id", None)) is not None:
        words = f"job {job_id}{' ' if name in WORTH_TELLING else ': '}{words}"
    if (endpoint := facts.pop("endpoint", None)) is not None:
        words = f"{words} ({endpoint})"
    remedy, reason = facts.pop("remedy", ""), facts.pop("reason", "")
    why = reason or ", ".join(f"{_named(key)} {_shown(key, value)}" for key, value in facts.items())
    return ": ".join(str(part) for part in (words, why, remedy) if part)


_FIGURES = re.compile(r"\d+(?:\.\d+)?(?: ?[KMGT]?i?B\b)?")

_NOT_FACTS = frozenset(
    ("event", "level", "timestamp", "exception", "order_id", "jobs", "creator", "asset_cid", "reward")
)


def without_figures(text: str) -> str:
    """A text with a sign in place of every figure: the same for two that say the same of other figures."""
    return _FIGURES.sub("#", text)


def _named(key: str) -> str:
    return key.removesuffix("_bytes").removesuffix("_seconds").replace("_", " ")


def _shown(key: str, value: object) -> str:
    """A fact of the log in the form that people read: sizes and spans by the ending of its name."""
    if isinstance(value, int | float) and key.endswith("_bytes"):
        return format_size(int(value))
    if isinstance(value, int | float) and key.endswith("_seconds"):
        return format_span(value)
    return str(value)
