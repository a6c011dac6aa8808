"""Results stay pinned until their jobs are over, whatever happens to the store."""

from __future__ import annotations

import asyncio

import pytest
import structlog.testing
from tests.fakes.bench import ME, OTHER, Bench, result_pin

from veriframe.errors import StoreUnavailable
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.ports.store import Pin
from veriframe.worker import pipeline
from veriframe.worker.settlement import repinning
from veriframe.worker.settlement.watch import clean_up


async def submitted(bench: Bench) -> Attempt:
    """A job whose result is handed in."""
    (job,) = await bench.post()
    attempt = await pipeline.run(bench.begin(job), bench.context)
    assert attempt.stage is Stage.SUBMITTED
    return attempt


async def looked(bench: Bench) -> list[str]:
    """What the log says of one look."""
    with structlog.testing.capture_logs() as told:
        await repinning.check_pins(bench.context)
    return [line["event"] for line in told if not line["event"].startswith("transfer_")]


async def test_a_pin_that_is_there_is_left(bench: Bench) -> None:
    """Nothing is lost, nothing is said."""
    attempt = await submitted(bench)
    assert await looked(bench) == []
    assert bench.store.pinned == [Pin(cid=attempt.result_cid, name=result_pin(ME, 1))]


async def test_a_lost_pin_is_made_again(bench: Bench) -> None:
    """fault_56: whoever unpinned it; other pins of the same name do not count."""
    attempt = await submitted(bench)
    bench.store.pinned = [Pin(cid="other", name=result_pin(ME, 1))]
    assert await looked(bench) == ["pin_restored"]
    assert Pin(cid=attempt.result_cid, name=result_pin(ME, 1)) in bench.store.pinned
    assert await looked(bench) == []


async def test_lost_content_is_added_again_from_the_job_s_folder(bench: Bench) -> None:
    """fault_56: the store lost the bytes too; the worker still has them until the job is over."""
    attempt = await submitted(bench)
    bench.store.pinned, content = [], bench.store.files.pop(attempt.result_cid)
    assert await looked(bench) == ["pin_restored"]
    assert bench.store.files[attempt.result_cid] == content
    assert bench.store.pinned == [Pin(cid=attempt.result_cid, name=result_pin(ME, 1))]


async def test_content_that_is_gone_everywhere_is_said(bench: Bench) -> None:
    """fault_56: nothing can be done; other bytes in the folder are not taken for the result."""
    attempt = await submitted(bench)
    del bench.store.files[attempt.result_cid]
    (picture,) = bench.context.workspace.validated(1).iterdir()
    picture.write_bytes(b"other")
    assert await looked(bench) == ["pin_lost"]
    picture.unlink()
    assert await looked(bench) == ["pin_lost"]
    assert attempt.result_cid not in bench.store.files


async def test_a_store_that_is_away_is_left_alone(bench: Bench) -> None:
    """Pay comes first: the look does not wait, and raises nothing."""
    await submitted(bench)
    bench.store.fault = StoreUnavailable("The store is away.")
    assert await looked(bench) == ["pins_not_checked"]


async def test_what_is_over_is_not_pinned_again(bench: Bench) -> None:
    """Paid: the result is nobody's debt any more."""
    attempt = await submitted(bench)
    bench.journal.move(attempt, paid := attempt.to(Stage.PAID, at=2.0))
    await clean_up(paid, bench.context)
    assert await looked(bench) == []
    assert bench.store.pinned == []


async def test_a_job_that_ends_during_a_look_is_released(bench: Bench) -> None:
    """Paid while the pin was being made again: nothing is left pinned."""
    attempt = await submitted(bench)
    make_pin = bench.store.pin

    async def slow(pin: Pin) -> None:
        bench.journal.move(attempt, attempt.to(Stage.PAID, at=2.0))
        await clean_up(attempt, bench.context)
        await make_pin(pin)

    bench.store.pin = slow  # type: ignore[method-assign]
    assert await looked(bench) == []
    assert bench.store.pinned == []


async def test_it_looks_again_and_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each pause."""
    monkeypatch.setattr(repinning, "FIRST_CHECK_SECONDS", 0.001)
    monkeypatch.setattr(repinning, "RECHECK_SECONDS", 0.001)
    await submitted(bench)
    keeping = asyncio.create_task(repinning.keep_results(bench.context))
    async with asyncio.timeout(5):
        for _ in range(3):
            bench.store.pinned = []
            while not bench.store.pinned:  # noqa: ASYNC110 - the store tells of no event
                await asyncio.sleep(0.001)
    keeping.cancel()


async def test_the_service_looks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_56: a worker restores what was lost while it was away, and no one else's."""
    monkeypatch.setattr(repinning, "FIRST_CHECK_SECONDS", 0.001)
    await submitted(bench)
    others = Pin(cid=bench.store.keep(b"other"), name=result_pin(OTHER, 1))
    bench.store.pinned = [others]
    service = bench.service()
    working = asyncio.create_task(service.run())
    async with asyncio.timeout(5):
        while len(bench.store.pinned) < 2:  # noqa: ASYNC110 - the store tells of no event
            await asyncio.sleep(0.001)
    service.drain()
    await working
    assert [result_pin(OTHER, 1), result_pin(ME, 1)] == [pin.name for pin in bench.store.pinned]
