"""Claims under way are waited for."""

from __future__ import annotations

import asyncio

import pytest

from veriframe.worker.shared.in_flight_claims import InFlightClaims


async def test_without_claims_there_is_no_wait() -> None:
    """It returns at once."""
    await asyncio.wait_for(InFlightClaims().wait_for_none(), 1)


async def test_all_claims_are_waited_for() -> None:
    """The last one too, and one that starts while another ends."""
    claims = InFlightClaims()
    first, second = claims.one(1), claims.one(2)
    first.__enter__()
    assert (1 in claims, 2 in claims) == (True, False)
    waiting = asyncio.create_task(claims.wait_for_none())
    await asyncio.sleep(0)
    first.__exit__(None, None, None)
    second.__enter__()
    await asyncio.sleep(0.01)
    assert not waiting.done()
    second.__exit__(None, None, None)
    await asyncio.wait_for(waiting, 1)


async def test_a_claim_that_fails_is_over() -> None:
    """It is not waited for."""
    claims = InFlightClaims()
    with pytest.raises(ValueError, match="no"), claims.one(1):
        raise ValueError("no")
    await asyncio.wait_for(claims.wait_for_none(), 1)
