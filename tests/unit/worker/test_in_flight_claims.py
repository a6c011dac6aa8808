"""Claims that are being made are waited for."""

from __future__ import annotations

import asyncio

import pytest

from veriframe.worker.in_flight_claims import InFlightClaims


async def test_nobody_is_waited_for_where_nobody_claims() -> None:
    """At once."""
    await asyncio.wait_for(InFlightClaims().wait_for_none(), 1)


async def test_all_claims_are_waited_for() -> None:
    """The last one too, and one that begins while another ends."""
    claims = InFlightClaims()
    first, second = claims.one(), claims.one()
    first.__enter__()
    waiting = asyncio.create_task(claims.wait_for_none())
    await asyncio.sleep(0)
    first.__exit__(None, None, None)
    second.__enter__()
    await asyncio.sleep(0.01)
    assert not waiting.done()
    second.__exit__(None, None, None)
    await asyncio.wait_for(waiting, 1)


async def test_a_claim_that_fails_is_over() -> None:
    """Nobody waits for it."""
    claims = InFlightClaims()
    with pytest.raises(ValueError, match="no"), claims.one():
        raise ValueError("no")
    await asyncio.wait_for(claims.wait_for_none(), 1)
