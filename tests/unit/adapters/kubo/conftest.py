"""A fake node, a store on it, and a folder for fetched files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.unit.adapters.kubo.lying_node import SHORT_TIMEOUTS, LyingNode, lying_node

from veriframe.adapters.kubo.store import KuboStore


@pytest_asyncio.fixture
async def node() -> AsyncIterator[LyingNode]:
    """A node that answers correctly until a test changes its replies."""
    async with lying_node() as started:
        yield started


@pytest_asyncio.fixture
async def store(node: LyingNode) -> AsyncIterator[KuboStore]:
    """A store on that node, with short timeouts."""
    async with KuboStore(node.url, timeouts=SHORT_TIMEOUTS) as opened:
        yield opened


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An empty folder for what is fetched."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder
