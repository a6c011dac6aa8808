"""Which heavy modules a light command may import: each takes longer than the command's own work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = frozenset(
    {
        "PIL",
        "aiohttp",
        "aleph_cid",
        "asyncio",
        "cryptography",
        "numpy",
        "pydantic",
        "rich.console",
        "rich.markdown",
        "rich.progress",
        "rich.traceback",
        "sqlite3",
        "stamina",
        "starknet_py",
        "structlog",
        "sympy",
        "veriframe.adapters.blender",
        "veriframe.adapters.kubo",
        "veriframe.adapters.starknet",
        "veriframe.worker.service",
        "zstandard",
    }
)
LOG = {"asyncio", "structlog", "rich.traceback"}
SETTINGS = {"pydantic", "rich.console"}

LIGHT: dict[str, set[str]] = {
    "--version": set(),
    "--help": set(),
    "config show": SETTINGS,
    "config show --json": SETTINGS,
    "registry show": SETTINGS | LOG | {"sqlite3"},
    "job list": SETTINGS | LOG | {"sqlite3", "aleph_cid", "rich.progress"},
}
"""The light commands, and what each of them may import."""

WITHOUT_CHAIN = ("job --help", "account show", "scene failures", "job watch 7")
"""Heavier commands, which still do without the chain and the node."""

PROGRAM = """
import sys
from veriframe.cli import main
heavy = sys.argv[1].split(",")
try:
    main(sys.argv[2:])
except SystemExit as end:
    print(end.code or 0, *sorted(set(heavy) & sys.modules.keys()), file=sys.stderr)
"""


def imported(folder: Path, *arguments: str, heavy: frozenset[str] = HEAVY) -> set[str]:
    """The heavy modules that a command imports; it succeeds, or fails with a sentence."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, ",".join(heavy), "--home", folder, *arguments],
        cwd=folder,
        env={},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    code, *modules = done.stderr.splitlines()[-1].split()
    assert code == "0" or arguments[-1] == "7", done.stderr
    return set(modules)


@pytest.mark.parametrize("command", LIGHT)
def test_a_light_command_imports_no_more_than_it_may(tmp_path: Path, command: str) -> None:
    """With the embedded registry."""
    if command.split(maxsplit=1)[0] in {"registry", "job"}:
        imported(tmp_path, "account", "show")  # makes one
    assert imported(tmp_path, *command.split()) - LIGHT[command] == set()


@pytest.mark.parametrize("command", WITHOUT_CHAIN)
def test_embedded_commands_do_without_chain_and_node(tmp_path: Path, command: str) -> None:
    """What takes half a second is imported only where it is used."""
    assert imported(tmp_path, *command.split()) & {"starknet_py", "aiohttp", "numpy", "PIL"} == set()


def test_commands_about_keys_need_it(tmp_path: Path) -> None:
    """The check finds the import here, so the tests above can fail."""
    found = imported(tmp_path, "account", "address", "--public-key", "0x1")
    assert {"starknet_py", "pydantic"} <= found
