"""Contact sheets are fetched beside the order that is followed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.creator.orders.studio import Studio

from veriframe.creator.orders import previews
from veriframe.creator.orders.previews import Previews


async def test_one_that_comes_drop_by_drop_holds_nothing_up(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_356: a poll is taken at once, and the next preview comes although the first does not."""
    monkeypatch.setattr(previews, "BYTES_PER_SECOND", 1e12)
    monkeypatch.setattr(previews, "WAIT_SECONDS", 0.3)
    await studio.ordered()
    for chunk in (await studio.status(1)).chunks[:2]:
        await studio.deliver(chunk)
    said, fetch = list[str](), studio.store.fetch
    slow = (await studio.status(1)).chunks[0].job.result_cid

    async def stall(cid: str, *rest: Any, **more: Any) -> Any:
        if cid == slow:
            await asyncio.Event().wait()
        return await fetch(cid, *rest, **more)

    monkeypatch.setattr(studio.store, "fetch", stall)
    fetching = Previews(store=studio.store, folder=studio.folder, disk_free_bytes=0, say=said.append)
    async with fetching, asyncio.timeout(30):
        fetching.see(await studio.status(1))
        fetching.see(await studio.status(1))
        assert said == []
        await fetching.finish()
    assert ["no preview: it did not come" in line for line in said] == [True, False]
    assert (studio.folder / "job-2.jpg").is_file()
