"""Tests of the embedded registry: accounts, blocks, clock, and the content of its file."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest
from tests.unit.adapters.local_registry.rows import CID, START, Client, Clock, rows, terms

from veriframe.adapters.local_registry import WALLET_FRI, LocalRegistry, local_address
from veriframe.errors import Code, MoveRefused, RegistryUnavailable
from veriframe.model.quantities import FRI_PER_STRK
from veriframe.model.registry.job import Head
from veriframe.model.registry.ledger import ADDRESS_MAX
from veriframe.ports.registry import read_job, read_jobs


def test_an_address_follows_from_its_name() -> None:
    """Always the same felt of 251 bits, and another one for each name, whatever its characters."""
    assert local_address("worker") == 0x43F5D3B73F98B229A022DD49173BB87DAC5DE8A56B995DFADD3788E62B4C4F3
    names = ["", "worker", "Worker", "a" * 1000, "é", "\ud800", *map(str, range(200))]
    addresses = [local_address(name) for name in names]
    assert len(set(addresses)) == len(names)
    assert all(0 < address < 2**251 <= ADDRESS_MAX for address in addresses)


def test_creating_one_opens_no_file(path: Path, client: Client) -> None:
    """The first call opens the file."""
    registry = client("worker")
    assert registry.account == local_address("worker")
    assert not path.parent.exists()


async def test_folders_and_file_are_private(path: Path, client: Client) -> None:
    """No other user can read them."""
    await client("worker").snapshot(1, 0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600  # noqa: ASYNC240 - small
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    names = {path.name, f"{path.name}-wal", f"{path.name}-shm"}
    assert names == set(os.listdir(path.parent))  # noqa: PTH208 - small, and not awaited for


async def test_each_account_gets_its_play_money_once(client: Client) -> None:
    """A thousand STRK when it is new, recorded in the ledger; none afterwards."""
    worker = client("worker")
    assert (await worker.funds(worker.account)).wallet_fri == 1000 * FRI_PER_STRK == WALLET_FRI
    again, other = client("worker"), client("other")
    assert (await other.funds(again.account)).wallet_fri == WALLET_FRI
    audit = await other.audit()
    assert (audit.postings, audit.discrepancies) == (2, ())


async def test_many_may_create_the_file_at_once(tmp_path: Path) -> None:
    """None finds the file or its account: one creates both, and the others use them."""
    for number in range(10):
        clients = [LocalRegistry(tmp_path / str(number), name) for name in ("worker", "other") * 4]
        await asyncio.gather(*(client.snapshot(1, 0) for client in clients))
        audit = await clients[0].audit()
        for client in clients:
            client.close()
        assert (audit.postings, audit.discrepancies) == (2, ())


async def test_money_for_an_account_that_comes_later_is_kept(client: Client) -> None:
    """It has the money that was withdrawn to it earlier, plus the play money."""
    worker = client("worker")
    await worker.deposit(5)
    await worker.withdraw(5, local_address("later"))
    later = client("later")
    assert (await later.funds(later.account)).wallet_fri == WALLET_FRI + 5


async def test_moves_mine_blocks_and_reading_does_not(client: Client) -> None:
    """One block for each move while the clock stands still; none for reads and refusals."""
    worker = client("worker")
    first = (await worker.snapshot(1, 0)).head
    await worker.deposit(5)
    await worker.funds(worker.account)
    with pytest.raises(MoveRefused):
        await worker.claim(7)
    assert (await worker.snapshot(1, 0)).head == Head(number=first.number + 1, time=int(START))


async def test_time_advances_by_empty_blocks(client: Client, clock: Clock) -> None:
    """A head that is a second old is followed by a new block; a younger one is not."""
    worker = client("worker")
    first = (await worker.snapshot(1, 0)).head
    clock.now += 0.9
    assert (await worker.snapshot(1, 0)).head == first
    clock.now += 0.1
    assert (await worker.snapshot(1, 0)).head == Head(number=first.number + 1, time=first.time + 1)
    clock.now += 3600.5
    assert (await worker.snapshot(1, 0)).head.time == first.time + 3601


async def test_time_never_goes_back(client: Client, clock: Clock) -> None:
    """fault_70: this machine's clock jumps back an hour; deadlines do not."""
    worker = client("worker")
    first = (await worker.snapshot(1, 0)).head
    clock.now -= 3600
    await worker.deposit(1)
    assert (await worker.snapshot(1, 0)).head == Head(number=first.number + 1, time=first.time)
    assert (await worker.audit()).is_clean


async def test_an_advanced_clock_counts_for_all(client: Client, clock: Clock, path: Path) -> None:
    """It is stored in the file: other accounts see it, and so do later processes."""
    worker, creator = client("worker"), client("creator")
    first = (await worker.snapshot(1, 0)).head
    await worker.advance_clock(600)
    assert (await creator.snapshot(1, 0)).head.time == first.time + 600
    clock.now += 5
    await creator.advance_clock(0.5)
    assert (await client("late").snapshot(1, 0)).head.time == first.time + 605


async def test_blocks_have_digests_of_their_own(path: Path, client: Client) -> None:
    """32 random bytes each, so that the crops of a dispute cannot be predicted."""
    worker = client("worker")
    for _ in range(5):
        await worker.deposit(1)
    digests = [digest for _, digest, _ in rows(path)["blocks"]]
    assert {len(digest) for digest in digests if isinstance(digest, bytes)} == {32}
    assert len(set(digests)) == len(digests) == 6


async def test_events_and_bars_are_kept(path: Path, client: Client) -> None:
    """The registry's events with their blocks, in order."""
    creator, worker = client("creator"), client("worker")
    await creator.deposit(5000)
    await worker.deposit(500)
    now = (await creator.snapshot(1, 0)).head.time
    await creator.create_order(CID, terms(now), 1)
    await worker.claim(1)
    await worker.release(1, Code.OOM)
    kept = rows(path)
    kinds = [row[2] for row in kept["events"]]
    assert kinds == ["Deposited", "Deposited", "OrderCreated", "JobClaimed", "JobReleased"]
    assert kept["events"][-1][3:] == (1, str(worker.account), "1", "OOM")
    assert kept["bars"] == [(1, str(worker.account))]
    blocks = [row[1] for row in kept["events"]]
    assert blocks == sorted(set(blocks))


async def test_a_refused_move_changes_nothing(path: Path, client: Client) -> None:
    """I11: not a single row, whatever is refused."""
    creator, worker = client("creator"), client("worker")
    await creator.deposit(5000)
    now = (await creator.snapshot(1, 0)).head.time
    await creator.create_order(CID, terms(now), 2)
    await worker.snapshot(1, 0)
    before = rows(path)
    refused = [
        creator.create_order(CID, terms(now, reward_fri=WALLET_FRI + 1), 1),
        creator.claim(1),
        worker.release(1, Code.CRASH),
        worker.submit_result(1, CID),
        worker.finalize(1),
        worker.deposit(10 * WALLET_FRI),
        worker.withdraw(1, creator.account),
        read_job(worker, 3),
    ]
    for move in refused:
        with pytest.raises(MoveRefused):
            await move
    assert rows(path) == before


async def test_large_amounts_are_kept_exactly(client: Client) -> None:
    """Far beyond SQLite's integers."""
    creator = client("creator")
    await creator.deposit(WALLET_FRI)
    odd = WALLET_FRI - 7
    (job_id,) = await creator.create_order(
        CID, terms((await creator.snapshot(1, 0)).head.time, odd, 2**104 - 1), 1
    )
    job = await read_job(creator, job_id)
    assert (job.terms.reward_fri, job.terms.bond_fri) == (odd, 2**104 - 1)
    assert (await creator.funds(creator.account)).credit_fri == 7
    assert (await creator.audit()).is_clean


async def test_a_snapshot_has_200_jobs_at_most(client: Client) -> None:
    """However many are requested; `get_jobs` returns all that exist."""
    creator = client("creator")
    await creator.deposit(10**6)
    await creator.create_order(CID, terms((await creator.snapshot(1, 0)).head.time), 300)
    assert [job.id for job in (await creator.snapshot(50, 10**9)).jobs] == list(range(50, 250))
    assert [job.id for job in await read_jobs(creator, 50, 10**9)] == list(range(50, 301))
    assert [job.id for job in await read_jobs(creator, -100, 200)] == list(range(1, 100))
    assert list(await read_jobs(creator, 2**70, 5)) == []
    assert list(await read_jobs(creator, 1, -5)) == []


async def test_moves_survive_reopening(path: Path, client: Client) -> None:
    """The file contains everything."""
    creator = client("creator")
    await creator.deposit(5000)
    await creator.create_order(CID, terms((await creator.snapshot(1, 0)).head.time), 2)
    job = await read_job(creator, 2)
    creator.close()
    again = client("creator")
    assert await read_job(again, 2) == job
    assert (await again.audit()).is_clean


async def test_a_closed_one_does_not_answer(client: Client) -> None:
    """Closing twice is allowed; later calls fail."""
    worker = client("worker")
    await worker.snapshot(1, 0)
    worker.close()
    worker.close()
    with pytest.raises(RegistryUnavailable):
        await worker.snapshot(1, 0)
