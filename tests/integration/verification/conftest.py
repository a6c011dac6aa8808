"""Labs, one for the tests of a file: their Blenders stay open."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.integration.verification.chains import DEPLOYER, NOT_WORKERS
from tests.integration.verification.lab import Lab, embedded, on_devnet
from tests.nodes import devnet


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    """A lab on the embedded registry."""
    async with embedded(tmp_path_factory.mktemp("lab")) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def devnet_lab(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Lab]:
    """A lab on the real contract, with a worker for each test of the file."""
    tests = sum(item.path == request.path for item in request.session.items)
    with devnet(accounts=max(tests + NOT_WORKERS, DEPLOYER + 1)) as node:
        async with on_devnet(node, tmp_path_factory.mktemp("lab")) as opened:
            yield opened
