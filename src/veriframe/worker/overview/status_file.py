"""The overview of a running worker in a small file of its home, for `veriframe status`."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter

from veriframe.worker.overview.overview import Overview

VERSION = 1
"""The version of the format. A file of another one is not read."""

MOST_BYTES = 2**20


def write(path: Path, overview: Overview) -> None:
    """Replaces the file, all of it or nothing, of mode 0600. Raises `OSError`."""
    new = path.with_name(f".{path.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(new, flags, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)  # whatever an earlier run has left
        file.write(json.dumps({"version": VERSION, **asdict(overview)}).encode())
    new.replace(path)


def read(path: Path) -> Overview | None:
    """Returns the overview in a file; None if there is none, or it cannot be read."""
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(MOST_BYTES))
        return _OVERVIEW.validate_python(found) if found.pop("version") == VERSION else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


_OVERVIEW: TypeAdapter[Overview] = TypeAdapter(Overview)
