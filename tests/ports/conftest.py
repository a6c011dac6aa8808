"""Fixtures for the ports' tests: one chain, and the content stores."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.fakes.store import FakeStore
from tests.nodes import Devnet, Kubo, devnet, kubo

from veriframe.adapters.kubo.replicas.replica import second_node
from veriframe.adapters.kubo.replicas.replicated_store import ReplicatedStore, ReplicationPolicy
from veriframe.adapters.kubo.store import KuboStore
from veriframe.adapters.local_store import LocalStore
from veriframe.ports.store import ContentStore


@pytest.fixture(scope="session")
def chain_node() -> Iterator[Devnet]:
    """A chain whose time the tests change freely; each test has its own contract."""
    with devnet() as node:
        yield node


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubo]:
    """One Kubo node for all tests of a module."""
    with kubo(tmp_path_factory.mktemp("kubo")) as started:
        yield started


@pytest.fixture(scope="module")
def replica(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubo]:
    """A second Kubo node that keeps copies."""
    with kubo(tmp_path_factory.mktemp("replica")) as started:
        yield started


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("kubo", "kubo and a replica")]


@pytest_asyncio.fixture(params=["fake", "local", *SLOW])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ContentStore]:
    """A store of each kind, without pins."""
    if request.param == "fake":
        fake = FakeStore()
        fake.limit_bytes = 2**24
        yield fake
    elif request.param == "local":
        yield LocalStore(tmp_path / "store", 2**24)
    else:
        async with KuboStore(request.getfixturevalue("node").api_multiaddr) as opened:
            for pin in await opened.pins():
                await opened.unpin(pin)
            if request.param == "kubo":
                yield opened
                return
            second = second_node(request.getfixturevalue("replica").api_multiaddr, None)
            store = ReplicatedStore(opened, [second], [], ReplicationPolicy(required=True))
            yield store
            await store.close()
