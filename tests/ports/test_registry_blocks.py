"""Tests of every registry's blocks: their hashes, which nobody knows before them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.ports.registry_world import KINDS, World, open_world

from veriframe.ports.registry import read_job


@pytest.fixture(params=KINDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Each registry."""
    async with open_world(request, tmp_path) as opened:
        yield opened


async def test_the_block_after_a_submission_comes_with_time(world: World) -> None:
    """fault_250: it has no hash until it exists, and needs no move of anyone; then all see the same hash."""
    job = await read_job(world.other, await world.submitted())
    following = job.submitted_block + 1
    head = (await world.worker.snapshot(1, 0)).head.number
    assert head >= job.submitted_block
    assert await world.worker.block_hash(head + 1) is None
    held = await world.worker.block_hash(job.submitted_block)
    world.wait(1)
    told = [await one.block_hash(following) for one in (world.other, world.worker, world.arbiter)]
    assert len(set(told)) == 1
    assert told[0] is not None
    assert 0 < told[0] < 2**256
    assert held == await world.other.block_hash(job.submitted_block)


async def test_each_block_has_its_own_hash(world: World) -> None:
    """Blocks with moves, and without."""
    first = (await world.creator.snapshot(1, 0)).head.number
    await world.claimed()
    world.wait(3)
    last = (await world.creator.snapshot(1, 0)).head.number
    assert last >= first + 3
    # A view of starknet-devnet names the block that would be next.
    hashes = [await world.other.block_hash(number) for number in range(first, last)]
    assert None not in hashes
    assert len(set(hashes)) == len(hashes)


@pytest.mark.parametrize("number", [-1, 10**6, 2**63 - 1, 2**64, 2**300])
async def test_a_block_that_does_not_exist_has_no_hash(world: World, number: int) -> None:
    """Whatever its number."""
    assert await world.worker.block_hash(number) is None
