"""Commands that do not need StarkNet do not import its library, which takes half a second."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from veriframe.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    print(end.code or 0, "starknet_py" in sys.modules, file=sys.stderr)
"""


def ran(folder: Path, *arguments: str) -> str:
    """The exit code of a command, and whether it imported StarkNet's library."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "--home", folder, *arguments],
        cwd=folder,
        env={},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("command", ["--help", "config show", "account show", "job list", "registry show"])
def test_embedded_commands_do_without_starknet(tmp_path: Path, command: str) -> None:
    """With the embedded registry, nothing for the chain is imported."""
    assert ran(tmp_path, *command.split()) == "0 False"


def test_commands_about_keys_need_it(tmp_path: Path) -> None:
    """The check finds the import here, so the test above can fail."""
    assert ran(tmp_path, "account", "address", "--public-key", "0x1") == "0 True"
