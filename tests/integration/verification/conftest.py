"""The lab, one for the tests of a file: its Blenders stay open."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.integration.verification.lab import Lab, embedded


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    """A lab on the embedded registry."""
    async with embedded(tmp_path_factory.mktemp("lab")) as opened:
        yield opened
