"""What the ports' suites share: one chain for those of their tests that need a real one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.nodes import Devnet, devnet


@pytest.fixture(scope="session")
def chain_node() -> Iterator[Devnet]:
    """A chain whose time the suites move as they like; each test has a contract of its own."""
    with devnet() as node:
        yield node
