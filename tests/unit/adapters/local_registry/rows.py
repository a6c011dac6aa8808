"""Direct access to a registry's file, a clock, and common terms."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from veriframe.adapters.local_registry import LocalRegistry
from veriframe.model.registry.job import Terms

CID = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"
START = 1_700_000_000.0

Client = Callable[[str], LocalRegistry]
"""Opens the registry as an account."""


class Clock:
    """This machine's time, set by the tests."""

    now = START

    def __call__(self) -> float:
        """The time in Unix seconds."""
        return self.now


def terms(now: int, reward_fri: int = 1000, bond_fri: int = 10) -> Terms:
    """Terms without an arbiter."""
    return Terms(
        reward_fri=reward_fri,
        bond_fri=bond_fri,
        deadline=now + 10_000,
        lease_seconds=600,
        review_seconds=300,
        arbitration_seconds=60,
    )


def rows(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of the file."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables}


def tamper(path: Path, statement: str) -> None:
    """Changes the file directly."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)
