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
from veriframe.worker.settlement.settling import clean_up


async def submitted(bench: Bench) -> Attempt:
    """A job whose result is submitted."""
    (job,) = await bench.post()
    attempt = await pipeline.run(bench.begin(job), bench.context)
    assert attempt.stage is Stage.SUBMITTED
    return attempt


async def checked(bench: Bench) -> list[str]:
    """Returns the events that one check logs."""
    with structlog.testing.capture_logs() as lines:
        await repinning.check_pins(bench.context)
    return [line["event"] for line in lines if not line["event"].startswith("transfer_")]


async def test_an_existing_pin_is_kept(bench: Bench) -> None:
    """Nothing is lost, nothing is logged."""
    attempt = await submitted(bench)
    assert await checked(bench) == []
    assert bench.store.pinned == [Pin(cid=attempt.result_cid, name=result_pin(ME, 1))]


async def test_a_lost_pin_is_made_again(bench: Bench) -> None:
    """fault_56: whoever unpinned it; other pins of the same name do not count."""
    attempt = await submitted(bench)
    bench.store.pinned = [Pin(cid="other", name=result_pin(ME, 1))]
    assert await checked(bench) == ["pin_restored"]
    assert Pin(cid=attempt.result_cid, name=result_pin(ME, 1)) in bench.store.pinned
    assert await checked(bench) == []


async def test_lost_content_is_added_again_from_the_job_s_folder(bench: Bench) -> None:
    """fault_56: the store lost the bytes too; the worker has them until the job is over."""
    attempt = await submitted(bench)
    bench.store.pinned, content = [], bench.store.files.pop(attempt.result_cid)
    assert await checked(bench) == ["pin_restored"]
    assert bench.store.files[attempt.result_cid] == content
    assert bench.store.pinned == [Pin(cid=attempt.result_cid, name=result_pin(ME, 1))]


async def test_content_that_is_gone_everywhere_is_logged(bench: Bench) -> None:
    """fault_56: nothing can be done; other bytes in the folder are not taken for the result."""
    attempt = await submitted(bench)
    del bench.store.files[attempt.result_cid]
    (picture,) = bench.context.workspace.validated(1).iterdir()
    picture.write_bytes(b"other")
    assert await checked(bench) == ["pin_lost"]
    picture.unlink()
    assert await checked(bench) == ["pin_lost"]
    assert attempt.result_cid not in bench.store.files


async def test_an_unavailable_store_is_not_waited_for(bench: Bench) -> None:
    """Pay has priority: the check does not wait, and raises nothing."""
    await submitted(bench)
    bench.store.fault = StoreUnavailable("The store is away.")
    assert await checked(bench) == ["pins_not_checked"]


async def test_a_finished_result_is_not_pinned_again(bench: Bench) -> None:
    """Paid: the result is no longer owed."""
    attempt = await submitted(bench)
    await bench.context.attempts.record(attempt, paid := attempt.to(Stage.PAID, at=2.0))
    await clean_up(paid, bench.context)
    assert await checked(bench) == []
    assert bench.store.pinned == []


async def test_a_job_that_ends_during_a_check_is_released(bench: Bench) -> None:
    """Paid while the pin was being made again: nothing stays pinned."""
    attempt = await submitted(bench)
    make_pin = bench.store.pin

    async def slow(pin: Pin) -> None:
        await bench.context.attempts.record(attempt, attempt.to(Stage.PAID, at=2.0))
        await clean_up(attempt, bench.context)
        await make_pin(pin)

    bench.store.pin = slow  # type: ignore[method-assign]
    assert await checked(bench) == []
    assert bench.store.pinned == []


async def test_it_checks_repeatedly(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each pause."""
    monkeypatch.setattr(repinning, "FIRST_CHECK_SECONDS", 0.001)
    monkeypatch.setattr(repinning, "RECHECK_SECONDS", 0.001)
    await submitted(bench)
    keeping = asyncio.create_task(repinning.keep_results(bench.context))
    async with asyncio.timeout(5):
        for _ in range(3):
            bench.store.pinned = []
            while not bench.store.pinned:  # noqa: ASYNC110 - the store gives no event
                await asyncio.sleep(0.001)
    keeping.cancel()


async def test_the_service_checks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_56: a worker restores what was lost while it was stopped, and touches no other pins."""
    monkeypatch.setattr(repinning, "FIRST_CHECK_SECONDS", 0.001)
    await submitted(bench)
    others = Pin(cid=bench.store.keep(b"other"), name=result_pin(OTHER, 1))
    bench.store.pinned = [others]
    service = bench.service()
    working = asyncio.create_task(service.run())
    async with asyncio.timeout(5):
        while len(bench.store.pinned) < 2:  # noqa: ASYNC110 - the store gives no event
            await asyncio.sleep(0.001)
    service.drain()
    await working
    assert [result_pin(OTHER, 1), result_pin(ME, 1)] == [pin.name for pin in bench.store.pinned]
