"""What jobs of one scene share."""

from __future__ import annotations

import asyncio

import pytest
from tests.fakes.renderer import INSPECTION

from veriframe.errors import Code, JobRejected
from veriframe.model.bundle.inspected import InspectedAsset
from veriframe.worker.shared import scenes as module
from veriframe.worker.shared.scenes import Scenes, SharedWork


class Work:
    """Work that waits until it may go on. `begun` counts how often it was begun."""

    def __init__(self, outcome: int | Exception) -> None:
        self.begun, self.go, self._outcome = 0, asyncio.Event(), outcome

    async def __call__(self) -> int:
        """Does it."""
        self.begun += 1
        await self.go.wait()
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


async def callers(shared: SharedWork[int], work: Work, number: int = 3) -> list[asyncio.Task[int]]:
    """Several callers with one key, all under way."""
    tasks = [asyncio.create_task(shared.run("key", work)) for _ in range(number)]
    await asyncio.sleep(0.001)
    return tasks


async def test_work_is_done_once() -> None:
    """All callers get its outcome; the next one does it anew."""
    shared, work = SharedWork[int](), Work(7)
    tasks = await callers(shared, work)
    work.go.set()
    assert await asyncio.gather(*tasks) == [7, 7, 7]
    assert work.begun == 1
    assert await shared.run("key", work) == 7
    assert work.begun == 2


async def test_other_keys_do_not_wait() -> None:
    """Each key has its own work."""
    shared, slow, quick = SharedWork[int](), Work(7), Work(8)
    (waiting,) = await callers(shared, slow, 1)
    quick.go.set()
    assert await shared.run("another", quick) == 8
    waiting.cancel()


async def test_an_error_is_the_outcome_of_all() -> None:
    """A scene that is refused is refused for all its jobs."""
    shared, work = SharedWork[int](), Work(JobRejected(Code.NO_CAMERA, "It has no camera."))
    tasks = await callers(shared, work)
    work.go.set()
    errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert [error.code for error in errors if isinstance(error, JobRejected)] == [Code.NO_CAMERA] * 3
    assert work.begun == 1


async def test_another_takes_over_from_one_that_is_cancelled() -> None:
    """A job that ends does not end the fetch that others wait for."""
    shared, work = SharedWork[int](), Work(7)
    first, *others = await callers(shared, work)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await asyncio.sleep(0.001)
    assert work.begun == 2
    work.go.set()
    assert await asyncio.gather(*others) == [7, 7]


def test_a_limited_number_of_assets_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest."""
    monkeypatch.setattr(module, "MOST_KNOWN", 2)
    known = Scenes()
    for name in ("a", "b", "a", "c"):
        known.remember(name, InspectedAsset(inspection=INSPECTION))
    assert [known.known(name) is not None for name in "abc"] == [True, False, True]
