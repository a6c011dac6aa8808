"""Every command that the documentation names exists, with its options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperGroup

from veriframe.cli.app import COMMANDS, Given, load

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
NAMED = re.compile(
    r"\bveriframe (?:--(?:home|account|config|set)[ =]\S+ )*"
    r"(?P<command>[a-z]+)\b(?: (?P<part>[a-z]+)\b)?(?P<rest>[^`#|\n]*)"
)
OPTION = re.compile(r"(?<!\S)--[a-z][a-z-]*")
PROSE = {"as"}
"""What follows the program's name in a comment."""


def named() -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """The page, the command, its part, and the options of everything that is called."""
    for page in PAGES:
        for code in re.findall(r"`{3}\w*\n(.*?)`{3}|`([^`\n]+)`", page.read_text("utf-8"), re.DOTALL):
            for found in NAMED.finditer("".join(code)):
                if found["command"] in PROSE:
                    continue
                options = tuple(OPTION.findall(found["rest"]))
                yield page.name, found["command"], found["part"] or "", options


CALLS = sorted(set(named()))


@pytest.mark.parametrize("call", CALLS, ids=lambda call: "-".join(map(str, call[:3])))
def test_it_exists(call: tuple[str, str, str, tuple[str, ...]]) -> None:
    """fault_274: a page told of a command that no table named."""
    _, name, part, options = call
    assert name in COMMANDS
    command = load(name, Given())
    if isinstance(command, TyperGroup):
        if not part:
            return
        assert part in command.commands
        command = command.commands[part]
    known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
    assert {*options} <= known | {"--help"}


def test_the_main_commands_are_documented() -> None:
    """So that the pages are read at all."""
    told = {(name, part) for _, name, part, _ in CALLS}
    assert {("verify", ""), ("order", "verify"), ("order", "watch"), ("job", "create")} <= told
    assert {name for name, _ in told} >= set(COMMANDS) - {"demo"}
