"""The options and arguments that commands about jobs share."""

from __future__ import annotations

from typing import Annotated

import typer

from veriframe.cli import arguments
from veriframe.model.quantities import format_span
from veriframe.model.registry import offer as defaults

LARGEST = 2**63 - 1
"""The largest number that a registry may give a job."""

AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout; amounts in fri, 10⁻¹⁸ STRK.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Publish without asking.")]
JobId = Annotated[int, typer.Argument(metavar="JOB", min=1, max=LARGEST, help="The job's number.")]
JobIds = Annotated[list[int], typer.Argument(metavar="JOB", min=1, max=LARGEST, help="The jobs' numbers.")]


def strk(name: str, meaning: str) -> object:
    """An option for an amount of STRK, parsed as fri."""
    return typer.Option(name, metavar="STRK", parser=arguments.strk, help=meaning)


def _span(name: str, meaning: str, default: str) -> object:
    text = f"{meaning} For example 90s, 10m, 2h or 1d. [default: {default}]"
    return typer.Option(name, metavar="SPAN", parser=arguments.span, help=text)


def address(name: str, meaning: str) -> object:
    """An option for an address."""
    return typer.Option(name, metavar="0x…", parser=arguments.address, help=meaning)


DEADLINE = _span("--deadline", "How long workers may claim it.", format_span(defaults.DEADLINE_SECONDS))
LEASE = _span("--lease", "How long a worker has to submit.", format_span(defaults.LEASE_SECONDS))
REVIEW = _span(
    "--review",
    "How long you may review the result before anyone may trigger the payment.",
    f"{format_span(defaults.REVIEW_SECONDS)}; "
    f"with an arbiter {format_span(defaults.ARBITRATED_REVIEW_SECONDS)}",
)
ARBITRATION = _span(
    "--arbitration", "How long the arbiter has to decide.", format_span(defaults.ARBITRATION_SECONDS)
)


def distinct(job_ids: list[int]) -> list[int]:
    """The numbers in their order, each once."""
    return list(dict.fromkeys(job_ids))
