"""One account at two registries with one content store: neither touches the other's pins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from tests.fakes.bench import ME, OTHER, WALLET, Bench, result_pin, until
from tests.fakes.embedded import Home
from tests.fakes.registry import FakeRegistry, Shared
from tests.nodes import kubo
from tests.unit.worker.pipelines import restart

from veriframe.adapters.kubo.store import KuboStore
from veriframe.adapters.local_store import LocalStore
from veriframe.errors import StoreUnavailable
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.registry.pin_names import old_result
from veriframe.ports.store import ContentStore, Pin
from veriframe.worker import pipeline
from veriframe.worker.settlement.repinning import rename_old
from veriframe.worker.settlement.settling import clean_up


@pytest_asyncio.fixture(params=["local", pytest.param("kubo", marks=pytest.mark.slow)])
async def homes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Home, Home]]:
    """Two embedded registries and one store: the embedded one, or a Kubo node."""
    async with AsyncExitStack() as opened:
        store: ContentStore = LocalStore(tmp_path / "store", 2**24)
        if request.param == "kubo":
            node = opened.enter_context(kubo(tmp_path / "kubo"))
            store = await opened.enter_async_context(KuboStore(node.api_multiaddr))
        made = [Home(tmp_path / name, store) for name in ("one", "two")]
        for home in made:
            opened.callback(home.close)
        yield made[0], made[1]


async def test_a_start_at_one_registry_keeps_results_owed_at_another(homes: tuple[Home, Home]) -> None:
    """fault_91: with the same address at two registries, a start at one releases nothing of the other."""
    one, two = homes
    owed = await one.submit()
    assert one.worker.account == two.worker.account
    await two.post()
    await restart(two.context)
    assert await one.kept(owed.result_cid) == 1


async def test_a_paid_job_keeps_the_same_picture_owed_at_another(homes: tuple[Home, Home]) -> None:
    """fault_91: both jobs 1 have the same picture: one is paid, the other's stays pinned."""
    one, two = homes
    owed, paid = await one.submit(), await two.submit()
    assert (owed.job_id, owed.result_cid) == (paid.job_id, paid.result_cid)
    await two.end(paid)
    assert two.journal.by_job[1].stage is Stage.PAID
    assert await one.kept(owed.result_cid) == 1
    await one.end(owed)
    assert await one.kept(owed.result_cid) == 0


async def test_two_chains_are_two_registries(tmp_path: Path) -> None:
    """fault_91: the same with registries on two chains."""
    main, test = (Shared(identity=f"{chain}-0x1") for chain in ("SN_MAIN", "SN_SEPOLIA"))
    first = Bench(tmp_path / "first", registry=FakeRegistry(ME, main, wallet_fri=WALLET))
    second = Bench(tmp_path / "second", registry=FakeRegistry(ME, test, wallet_fri=WALLET), store=first.store)
    for bench in (first, second):
        (job,) = await bench.post()
        await pipeline.run(bench.begin(job), bench.context)
    kept = list(first.store.pinned)
    second.begin(second.job(), Stage.PAID)
    await restart(second.context)
    await restart(first.context)
    assert first.store.pinned == kept[:1]


def old_pin(attempt: Attempt) -> Pin:
    """The pin that earlier versions made for a result."""
    return Pin(cid=attempt.result_cid, name=old_result(ME, attempt.job_id))


async def old_bench(bench: Bench) -> Attempt:
    """An owed result, pinned by an earlier version."""
    (job,) = await bench.post()
    attempt = await pipeline.run(bench.begin(job), bench.context)
    bench.store.pinned = [old_pin(attempt)]
    return attempt


async def test_owed_results_get_their_new_names(bench: Bench) -> None:
    """fault_91: pinned by an earlier version and owed; never without a pin. A second run changes nothing."""
    attempt = await old_bench(bench)
    kept = []
    unpin = bench.store.unpin

    async def watched(pin: Pin) -> None:
        kept.append([pin.name for pin in bench.store.pinned])
        await unpin(pin)

    bench.store.unpin = watched  # type: ignore[method-assign]
    await restart(bench.context)
    assert bench.store.pinned == [old_pin(attempt)]
    for _ in range(2):
        assert await rename_old(bench.context, bench.context.attempts.live())
        assert bench.store.pinned == [Pin(cid=attempt.result_cid, name=result_pin(ME, 1))]
    assert kept == [[old_result(ME, 1), result_pin(ME, 1)]]


async def test_old_names_that_are_not_owed_here_are_kept(bench: Bench) -> None:
    """fault_91: for another job, picture or account: perhaps another registry owes them."""
    attempt = await old_bench(bench)
    others = [
        Pin(cid=bench.store.keep(b"other"), name=old_result(ME, 1)),
        Pin(cid=attempt.result_cid, name=old_result(ME, 2)),
        Pin(cid=attempt.result_cid, name=old_result(OTHER, 1)),
    ]
    bench.store.pinned += others
    await restart(bench.context)
    assert await rename_old(bench.context, bench.context.attempts.live())
    assert bench.store.pinned == [*others, Pin(cid=attempt.result_cid, name=result_pin(ME, 1))]


async def test_a_result_that_ends_before_its_rename_is_released(bench: Bench) -> None:
    """fault_91: owed at the start, paid during an outage: its old pin is released, no new one is made."""
    attempt = await old_bench(bench)
    owed = bench.context.attempts.live()
    bench.store.fault = StoreUnavailable("The store is away.")
    assert not await rename_old(bench.context, owed)
    bench.store.fault = None
    await bench.context.attempts.record(attempt, paid := attempt.to(Stage.PAID, at=2.0))
    await clean_up(paid, bench.context)
    assert bench.store.pinned == [old_pin(attempt)]
    assert await rename_old(bench.context, owed)
    assert bench.store.pinned == []


async def test_the_service_renames(bench: Bench) -> None:
    """fault_91: at the start of a worker, at once."""
    await old_bench(bench)
    working = asyncio.create_task(bench.service().run())
    await until(lambda: [pin.name for pin in bench.store.pinned] == [result_pin(ME, 1)])
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
