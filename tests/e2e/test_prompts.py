"""Prompts at a real terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.scenes.blend_bytes import blend, block


class Terminal:
    """A command with a terminal of its own for all three streams."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from veriframe.cli import main; main()", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env={**os.environ, "VERIFRAME_HOME": str(folder / "home"), "TERM": "dumb"},
        )
        os.close(slave)
        self.said = ""

    def until(self, words: str, seconds: float = 20) -> None:
        """Read until the words are printed."""
        end = time.monotonic() + seconds
        while words not in " ".join(self.said.split()):
            left = end - time.monotonic()
            assert left > 0, self.said
            if select.select([self._master], [], [], left)[0]:
                self.said += os.read(self._master, 4096).decode(errors="replace")

    def type(self, text: str) -> None:
        """Type a text."""
        os.write(self._master, text.encode())


@pytest.mark.parametrize(("answer", "code", "words"), [("n", 1, "Nothing was published"), ("y", 0, "job 1")])
def test_publishing_needs_confirmation(tmp_path: Path, answer: str, code: int, words: str) -> None:
    """The question is visible, and so is the effect of the answer."""
    scene = tmp_path / "scene.blend"
    scene.write_bytes(blend(block(b"TEST")))
    terminal = Terminal(tmp_path, "job", "create", str(scene), "--reward", "1", "--no-check")
    terminal.until("Post it?")
    terminal.type(f"{answer}\n")
    terminal.until(words)
    assert terminal.process.wait(20) == code
