"""Results that their providers hold back: the others come nevertheless."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.unit.creator.orders.studio import Studio

from veriframe.creator.orders.fetching import WORK
from veriframe.errors import StoreUnavailable
from veriframe.ports.store import Fetched, FetchLimits


def _hold(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, hold: Callable[[str, str], Awaitable[None]]
) -> None:
    """Call `hold` with CID and path before each fetch."""
    real = studio.store.fetch

    async def fetch(cid: str, target: Path, limits: FetchLimits, *, path: str = "") -> Fetched:
        await hold(cid, path)
        return await real(cid, target, limits, path=path)

    monkeypatch.setattr(studio.store, "fetch", fetch)


async def _delivered(studio: Studio) -> tuple[int, list[str]]:
    number = (await studio.ordered()).number
    for chunk in (await studio.status(number)).chunks:
        await studio.deliver(chunk)
    return number, [chunk.job.result_cid for chunk in (await studio.status(number)).chunks]


async def test_a_result_that_does_not_come_holds_up_no_other(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_281: it is missing, nobody's fault, and not noted as checked."""
    number, cids = await _delivered(studio)

    async def hold(cid: str, path: str) -> None:
        if cid == cids[0]:
            raise StoreUnavailable("It arrives at 5 KiB a second.")

    _hold(studio, monkeypatch, hold)
    found = await studio.fetch(number)
    assert found.written == list(range(5, 11))
    assert [(one.job_id, one.frames, one.is_bad) for one in found.missing] == [(1, (1, 2, 3, 4), False)]
    assert "5 KiB a second" in found.missing[0].why
    assert [chunk.is_right for chunk in (await studio.status(number)).chunks] == [False, True, True]


async def test_a_store_that_gives_nothing_is_told(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_281: that is the store's own trouble."""
    number, _ = await _delivered(studio)

    async def hold(cid: str, path: str) -> None:
        raise StoreUnavailable("The node is away.")

    _hold(studio, monkeypatch, hold)
    with pytest.raises(StoreUnavailable):
        await studio.fetch(number)


async def test_a_chunk_has_a_time_and_goes_on_later(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_281: a file that never ends costs `fetch_seconds`; those that had come are not fetched again."""
    number, cids = await _delivered(studio)
    ends, fetched = asyncio.Event(), list[str]()

    async def hold(cid: str, path: str) -> None:
        fetched.append(path)
        if cid == cids[0] and path.endswith("0003.png"):
            await ends.wait()

    _hold(studio, monkeypatch, hold)
    found = await studio.fetch(number, fetch_seconds=1.0)
    assert found.written == list(range(5, 11))
    assert [(one.job_id, one.is_bad) for one in found.missing] == [(1, False)]
    assert "fetch_seconds" in found.missing[0].why
    kept = studio.folder / "out" / WORK / "1"
    assert sorted(path.name for path in kept.iterdir()) == [f"frame_000{n}.png" for n in (1, 2, 4)]
    ends.set()
    fetched.clear()
    assert (await studio.fetch(number)).written == [1, 2, 3, 4]
    assert [path for path in fetched if path.endswith(".png")] == ["frames/frame_0003.png"]
