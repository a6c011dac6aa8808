"""Sessions between two chunks: for the same asset only, as long as it is wanted and there is memory."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.fakes.renderer import FakeRenderer, FakeSession
from tests.waiting import until

from veriframe.worker.shared import kept_sessions
from veriframe.worker.shared.kept_sessions import KeptSessions, OpenedSession


@pytest.fixture
def wanted() -> set[str]:
    """The assets that are wanted."""
    return {"a", "b"}


@pytest.fixture
def pool(wanted: set[str], monkeypatch: pytest.MonkeyPatch) -> KeptSessions:
    """None kept yet, and short times."""
    monkeypatch.setattr(kept_sessions, "KEPT_SECONDS", 0.005)
    return KeptSessions(wanted.__contains__)


async def opened(renderer: FakeRenderer, asset_cid: str) -> OpenedSession:
    """An open session of an asset."""
    stack = AsyncExitStack()
    session = await stack.enter_async_context(renderer.open(Path(asset_cid)))
    return OpenedSession(asset_cid, session, stack)


async def test_a_session_is_given_to_its_own_asset_only(pool: KeptSessions) -> None:
    """fault_118: what one scene has left behind never meets another."""
    renderer = FakeRenderer()
    one = await opened(renderer, "a")
    pool.put(one)
    assert await pool.take("b") is None
    assert await pool.take("a") is one
    assert await pool.take("a") is None
    assert renderer.sessions == 1


async def test_a_session_that_has_ended_is_not_given(pool: KeptSessions) -> None:
    """As when its Blender was killed while it waited."""
    renderer = FakeRenderer()
    pool.put(one := await opened(renderer, "a"))
    assert isinstance(one.session, FakeSession)
    one.session.over = True
    assert pool.assets == set()
    assert await pool.take("a") is None
    assert renderer.sessions == 0


async def test_a_session_ends_once_nobody_wants_it(pool: KeptSessions, wanted: set[str]) -> None:
    """It stays while a job of its asset is under way."""
    renderer = FakeRenderer()
    for asset_cid in ("a", "b"):
        pool.put(await opened(renderer, asset_cid))
    wanted.remove("a")
    await until(lambda: renderer.sessions == 1)
    assert pool.assets == {"b"}
    wanted.clear()
    await until(lambda: renderer.sessions == 0)


async def test_the_oldest_session_ends_first(pool: KeptSessions) -> None:
    """If others need the memory."""
    renderer = FakeRenderer()
    for asset_cid in ("b", "a"):
        pool.put(await opened(renderer, asset_cid))
    async with pool.beside(3):
        assert renderer.sessions == 2
        async with pool.beside(3):
            assert pool.assets == {"a"}
    await pool.close()
    assert renderer.sessions == 0
