"""What an examination finds, and how all parts are examined in turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from veriframe.errors import VeriFrameError


class Verdict(IntEnum):
    """The state of a part. The exit code is 1 if any part is BAD, else 0."""

    GOOD = 0
    WARNING = 1
    BAD = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, with the remedy if it is not good. `examine` adds the name of the part."""

    detail: str
    verdict: Verdict = Verdict.GOOD
    remedy: str = ""
    part: str = ""


Examination = Callable[[], Awaitable[Finding]]


async def examine(
    parts: Sequence[tuple[str, Examination]],
    on_finding: Callable[[Finding], None],
    on_begin: Callable[[str], None] = lambda _part: None,
) -> Sequence[Finding]:
    """Examine each part, in order. A part that raises `VeriFrameError` is BAD, with the error as remedy.

    `on_begin` receives the name of a part before its examination, `on_finding` the result after it.
    """
    findings: list[Finding] = []
    for name, examination in parts:
        on_begin(name)
        try:
            finding = await examination()
        except VeriFrameError as error:
            finding = Finding("not usable", Verdict.BAD, str(error))
        findings.append(replace(finding, part=name))
        on_finding(findings[-1])
    return findings


def not_examined(other: str, *, where: str = "above") -> Finding:
    """The finding on a part that depends on another one, whose own finding says what is wrong."""
    return Finding("not examined", Verdict.WARNING, f"It needs {other}: see {where}.")
