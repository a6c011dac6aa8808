"""No secret leaks: searches for a planted key and password in all output and child processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.e2e.conftest import COMMAND, Home

from veriframe.adapters.starknet.account import keystore

SECRET = 0x5EC2E7_5EC2E7_5EC2E7_5EC2E7_5EC2E7_5EC2E7
WORD = "planted-password-7391"
NEEDLES = (WORD, f"{SECRET:x}", f"{SECRET:X}", str(SECRET))
LOW = 4

PROTECTED = """
import ctypes, resource, sys
from pathlib import Path
from veriframe.cli import app, context, password
opened = []
real = context.read_settings
def read(*arguments, **named):
    real(*arguments, **named)
    opened.append(password.unlock(Path(sys.argv[1]), Path(sys.argv[2])))
    assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0, "dumpable"
    assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0), "core"
context.read_settings = read
app.main(sys.argv[3:])
"""
"""A command that starts Blender while the key is in memory, as a worker does."""


def _planted(home: Home) -> tuple[Path, Path]:
    """Write a keystore with the key, and a file with its password."""
    path, word = home.folder / "key.json", home.folder / "word"
    keystore.write(path, keystore.Key(SECRET), WORD.encode(), scrypt_n=LOW)
    word.touch(0o600)
    word.write_text(WORD, encoding="utf-8")
    return path, word


def _assert_clean(text: str) -> None:
    for needle in NEEDLES:
        assert needle not in text


def _family(root: int) -> set[int]:
    """A process and its descendants that are alive."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
    family = {root}
    while grown := {child for child, parent in parents.items() if parent in family} - family:
        family |= grown
    return family


def _shown_to_others(process: int) -> str:
    """What processes of this user may read of a process, or an empty text if it has ended."""
    found = []
    for name in ("environ", "cmdline", "comm"):
        try:
            found.append((Path("/proc") / str(process) / name).read_bytes())
        except OSError:
            continue
    return b"\0".join(found).decode("utf-8", "replace")


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the process ends within a short time, so that polling does not take a whole core."""
    try:
        process.wait(0.02)
    except subprocess.TimeoutExpired:
        return False
    return True


def _watch(command: Sequence[str | Path], home: Home) -> tuple[int, str, int]:
    """Run to the end. Returns the exit code, the output, and the number of inspected processes."""
    said = home.folder / "said"
    seen: set[int] = set()
    with said.open("wb") as sink:
        process = subprocess.Popen(
            command, cwd=home.folder, env=home.environment, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
        )
        until = time.monotonic() + 200
        while not _ended(process) and time.monotonic() < until:
            for member in _family(process.pid):
                _assert_clean(_shown_to_others(member))
                seen.add(member)
    return process.wait(10), said.read_text(encoding="utf-8"), len(seen)


@pytest.mark.slow
def test_blender_and_its_sandbox_never_see_the_key(home: Home, light_scene: Path) -> None:
    """fault_79: the key is in memory while Blender inspects a scene; the command works and shows no key."""
    path, word = _planted(home)
    arguments: list[str | Path] = ["--set", "log_level=debug", "scene", "check", light_scene, "--json"]
    code, said, processes = _watch([sys.executable, "-c", PROTECTED, path, word, *arguments], home)
    assert (code, '"fit"' in said) == (0, True), said
    assert processes > 2
    _assert_clean(said)


@pytest.mark.slow
def test_settings_name_files_and_show_no_secret(home: Home, light_scene: Path) -> None:
    """fault_79: with a worker's settings, a command that starts Blender, and the list of settings."""
    path, word = _planted(home)
    settings: list[str | Path] = [
        "--set",
        f"keystore={path}",
        "--set",
        f"password_file={word}",
        "--set",
        "log_level=debug",
    ]
    code, said, processes = _watch([COMMAND, *settings, "scene", "check", light_scene], home)
    assert code == 0, said
    assert processes > 2
    _assert_clean(said)
    listed = home.run(*settings, "config", "show")
    assert str(path) in listed.stdout
    _assert_clean(listed.stdout + listed.stderr)


@pytest.mark.slow
def test_commands_about_keys_show_no_secret(home: Home) -> None:
    """fault_79: creating, importing, showing or refusing prints and stores neither key nor password."""
    path, word = _planted(home)
    plain = home.folder / "accounts.json"
    entry = {"private_key": f"{SECRET:#x}", "public_key": f"{keystore.Key(SECRET).public_key:#x}"}
    plain.touch(0o600)
    plain.write_text(json.dumps({"n": {"me": {**entry, "address": "0x1"}}}), encoding="utf-8")
    by_file = ("--password-file", word)
    for command, code in (
        (("account", "address", path, *by_file), 0),
        (("account", "import", path, home.folder / "copy.json", *by_file), 0),
        (("account", "import", plain, home.folder / "new.json", *by_file), 0),
        (("account", "import", plain, path, *by_file), 2),
        (("account", "address", plain, *by_file), 2),
        (("account", "address", word, *by_file), 2),
        (("account", "address", path, "--password-file", plain), 2),
    ):
        ran = home.run(*command)
        assert ran.returncode == code, ran.stderr
        assert "Traceback" not in ran.stderr
        _assert_clean(ran.stdout + ran.stderr)
    for left in home.folder.rglob("*"):
        if left.is_file() and left not in (word, plain):
            _assert_clean(left.read_text(encoding="utf-8", errors="replace"))


def test_a_password_is_typed_without_an_echo(home: Home) -> None:
    """fault_79: at a real terminal."""
    path, _word = _planted(home)
    master, terminal = os.openpty()
    process = subprocess.Popen(
        [COMMAND, "account", "address", path],
        env=home.environment,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    shown = _until(master, b"Password of")
    os.write(master, f"{WORD}\n".encode())
    shown += _until(master, b"address  ")
    assert process.wait(60) == 0
    os.close(master)
    _assert_clean(shown.decode())


def test_a_bug_shows_no_secret(home: Home) -> None:
    """fault_79: not even in the traceback and the log of an unexpected error with the key in memory."""
    path, word = _planted(home)
    code = (
        "import sys; from pathlib import Path; import structlog\n"
        "from veriframe import logs; from veriframe.cli import context, password\n"
        "context.read_settings(None, ['log_format=json'], {'home': '.'})\n"
        "key = password.unlock(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "try: raise RuntimeError(f'with {key!r} and {[key]}')\n"
        "except RuntimeError: structlog.get_logger().exception('bug', key=key, keys=[key], password='x')\n"
        "raise RuntimeError(f'with {key!r}')\n"
    )
    ran = home.run_as([sys.executable, "-c", code, path, word])
    assert (ran.returncode, "Key(public_key=0x" in ran.stderr) == (1, True), ran.stderr
    _assert_clean(ran.stdout + ran.stderr)


def _until(terminal: int, text: bytes) -> bytes:
    """The output of a terminal, up to and including this text."""
    shown = b""
    while text not in shown:
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            break
        shown += piece
    return shown
