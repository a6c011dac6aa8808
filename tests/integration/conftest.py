"""Fixtures for tests with one real node: each file starts a `node` of its own kind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from tests.deployed import Clients
from tests.nodes import Devnet, Kubo

from veriframe.adapters.kubo.store import KuboStore


@pytest_asyncio.fixture
async def clients(node: Devnet, tmp_path: Path) -> AsyncIterator[Clients]:
    """The accounts on the file's chain."""
    opened = Clients(node, tmp_path)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def store(node: Kubo) -> AsyncIterator[KuboStore]:
    """A store on the file's IPFS node."""
    async with KuboStore(node.api_multiaddr) as opened:
        yield opened
