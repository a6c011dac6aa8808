"""Fixtures for these tests: a file, a clock that stands still, and clients of the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.unit.adapters.local_registry.rows import Clock

from veriframe.adapters.local_registry import LocalRegistry


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a file that does not exist yet, nor do its folders."""
    return tmp_path / "home" / "of" / "registry.sqlite"


@pytest.fixture
def client(path: Path, clock: Clock) -> Iterator[Callable[[str], LocalRegistry]]:
    """Opens the registry as an account, and closes it at the end."""
    opened: list[LocalRegistry] = []

    def open_as(name: str) -> LocalRegistry:
        opened.append(LocalRegistry(path, name, clock=clock))
        return opened[-1]

    yield open_as
    for registry in opened:
        registry.close()
