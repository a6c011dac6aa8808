"""The names of the scenes that an account posted, by CID: a note in the home, only to be shown."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path


class SceneNames:
    """One JSON line for each posted scene. The registry knows CIDs alone; people know files.

    The notes of one account on one machine: elsewhere nothing but the names is missing.
    """

    def __init__(self, home: Path, account: str) -> None:
        self._file = home / f"scenes-{account}.jsonl"

    def note(self, asset_cid: str, scene: Path) -> None:
        """Note the file's name, without its folder. A disk that is full costs only the note."""
        self.write({"asset_cid": asset_cid, "scene": scene.name})

    def read(self) -> Mapping[str, str]:
        """The newest name of each CID. Lines that cannot be read are left out."""
        names: dict[str, str] = {}
        for line in self.lines():
            with suppress(ValueError, KeyError, TypeError):
                noted = json.loads(line)
                names[str(noted["asset_cid"])] = str(noted["scene"])
        return names

    def write(self, noted: Mapping[str, object]) -> None:
        """Add a line."""
        line = json.dumps(noted) + "\n"
        with suppress(OSError):
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # One write of one line: commands at the same time do not mix theirs.
            descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, line.encode("ascii"))
            finally:
                os.close(descriptor)

    def lines(self) -> Sequence[str]:
        """All lines, oldest first; none if they cannot be read."""
        try:
            return self._file.read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:
            return ()
