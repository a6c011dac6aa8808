"""The docs agree with the program."""

from __future__ import annotations

import re
from pathlib import Path

from veriframe.adapters.kubo.gateways.gateway import GatewayFault
from veriframe.cli.arbiter.command import UNDECIDED
from veriframe.cli.display.error import EXIT_CODES
from veriframe.cli.verification.running import EXIT_CODES as VERIFIED
from veriframe.errors import Code
from veriframe.settings import CLASSIC_NAMES, Settings

ROOT = Path(__file__).parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
LOGGED = re.compile(r'\b(?:log|say)\.?(?:debug|info|warning|error|exception)?\(\s*"([a-z_]+)"')

FAULT = re.compile(r"\bfault_(\d+)")

NOT_YET = {
    Code.LOST,
    Code.CANCELLED,
    Code.GPU,
    Code.SANDBOX,
    Code.STOPPED,
    Code.FRAME_RANGE,
    Code.BAD_MANIFEST,
    Code.BAD_REPORT,
}
"""Codes without a faulty scene or render: lost races, unused codes, a command's argument."""


def _column(title: str) -> set[str]:
    """The names in backticks in the first cells of a section's tables."""
    section = OPERATIONS.split(f"## {title}\n")[1].split("\n## ")[0]
    scripts = [line.split("|")[1] for line in section.splitlines() if line.startswith("| ")]
    return {name for run in scripts for name in re.findall(r"`([^`]+)`", run)}


def test_every_log_event_is_explained() -> None:
    """And every explained event is logged."""
    logged = set(LOGGED.findall(SOURCE)) | {"store_fetched", "store_added", "blender_ended", "decoder_ended"}
    logged.add("log_lines_lost")
    assert _column("Log") == logged


def test_every_gateway_fault_is_explained() -> None:
    """With its code in the log, and no others."""
    page = (ROOT / "docs" / "ipfs.md").read_text(encoding="utf-8")
    explained = re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE)
    assert sorted(GatewayFault) == sorted(explained)
    named = re.findall(r"^([a-z_]+) = ", page, re.MULTILINE) + re.findall(r"`((?:ipfs|replica)_\w+)`", page)
    assert set(named) <= set(Settings.model_fields)


def test_every_code_is_explained() -> None:
    """Every code that ends a job because of its scene or its render."""
    assert {code for code in Code if code not in NOT_YET} == {Code(name) for name in _column("What it takes")}


def test_every_fault_that_a_test_names_is_explained() -> None:
    """And a test names every fault on the page, which has each number once and only real codes."""
    page = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    numbers = re.findall(r"^\| (\d+) \|", page, re.MULTILINE)
    tests = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")]
    assert sorted(map(int, numbers)) == sorted(
        {int(number) for text in tests for number in FAULT.findall(text)}
    )
    assert set(re.findall(r"`([A-Z_]+)`", page)) <= set(Code)


def test_every_exit_code_is_explained() -> None:
    """Including those of the errors."""
    section = OPERATIONS.split("## Exit codes\n")[1]
    rows = re.findall(r"^\| ([\d, ]+) \|", section, re.MULTILINE)
    explained = {int(number) for row in rows for number in row.split(", ")}
    of_errors = {code for _, code in EXIT_CODES}
    assert of_errors | set(VERIFIED.values()) | {UNDECIDED, 0, 1, 6, 7, 130} == explained


def test_settings_that_the_page_names_exist() -> None:
    """The docs must not have old names of settings."""
    example = OPERATIONS.split("```toml\n")[1].split("```")[0]
    named = set(re.findall(r"^([a-z_]+) = ", example, re.MULTILINE))
    assert named <= set(Settings.model_fields)
    assert len(named) >= 5
    assert all(name in OPERATIONS for name in CLASSIC_NAMES)
