"""The parts of a result have a time: each of them, and all of one job together."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.store import FakeStore

from veriframe.errors import StoreDamaged, StoreUnavailable, ValidationFailed
from veriframe.model.bundle.manifest import ManifestFrame, Proof
from veriframe.model.verification.tiles import TileGrid
from veriframe.ports.store import Fetched, FetchLimits, OnTransfer, Transfer, ignore_transfer
from veriframe.verifier.delivery.evidence import WITHHELD, Evidence, Retries

pytestmark = pytest.mark.alone  # times of some hundredths of a second

SIZE = 1_000
FRAME = ManifestFrame(
    number=1,
    file="frames/frame_0001.png",
    width=4,
    height=4,
    channels="RGB",
    depth=8,
    size_bytes=SIZE,
    digest="0" * 64,
    proof=None,
    seconds=1.0,
    peak_memory_bytes=1,
)
QUICK = Retries(
    pause_seconds=0.01,
    part_seconds=0.1,
    part_bytes_per_second=100_000_000,
    usual_seconds=0.02,
    late_seconds=60.0,
    usual_bytes_per_second=100_000_000,
)


class SlowStore(FakeStore):
    """Gives a file in pieces. `delays` has the seconds before each piece, for each try; the last for all."""

    def __init__(self, *delays: list[float]) -> None:
        super().__init__()
        self.delays, self.asked = delays, 0
        self.is_away = False

    async def fetch(
        self,
        cid: str,
        target: Path,
        limits: FetchLimits,
        on_progress: OnTransfer = ignore_transfer,
        path: str = "",
    ) -> Fetched:
        """Tell of each piece."""
        delays = self.delays[min(self.asked, len(self.delays) - 1)]
        self.asked += 1
        for number, seconds in enumerate(delays, start=1):
            await asyncio.sleep(seconds)
            on_progress(Transfer(done_bytes=SIZE * number // len(delays), total_bytes=SIZE))
        await asyncio.to_thread(target.write_bytes, b"x" * SIZE)
        return Fetched(is_folder=False, size_bytes=SIZE)

    async def read(self, cid: str, path: str, offset: int, length: int) -> bytes:
        """A range of the first file, all at once."""
        await asyncio.sleep(sum(self.delays[min(self.asked, len(self.delays) - 1)]))
        self.asked += 1
        return next(iter(self.files.values()))[offset : offset + length]

    async def ready(self) -> None:
        """Fails if this store is away itself."""
        if self.is_away:
            raise StoreUnavailable("The store is away.")


def of(store: SlowStore, folder: Path, retries: Retries = QUICK) -> Evidence:
    """The evidence in this store."""
    return Evidence(store=store, result_cid="result", folder=folder, retries=retries)


async def withheld(evidence: Evidence) -> str:
    """Why the frame is withheld."""
    async with asyncio.timeout(5):
        with pytest.raises(ValidationFailed) as refused:
            await evidence.frame(FRAME)
    assert refused.value.code is WITHHELD
    return str(refused.value)


async def test_a_part_that_comes_drop_by_drop_is_withheld(tmp_path: Path) -> None:
    """fault_268: each drop comes soon, and all of them never, each of three times; each wait is told."""
    store, waits = SlowStore([0.05] * 1_000), list[str]()
    evidence = of(store, tmp_path)
    evidence.on_wait = waits.append
    why = await withheld(evidence)
    assert store.asked == 3
    assert [wait.partition("try ")[2] for wait in waits] == ["2 of 3", "3 of 3"]
    assert all("frames/frame_0001.png" in wait for wait in waits)
    assert why == "nobody provides frames/frame_0001.png in time; it was asked for 3 times"


async def test_tiles_of_a_proof_have_a_time_as_well(tmp_path: Path) -> None:
    """fault_268: and what came is counted."""
    frame = replace(FRAME, proof=Proof(tiles="proof/1.tiles", exr="proof/1.exr", root="0" * 64))
    tile = struct.pack("<5i", 0, 0, 0, 0, 100) + b"x" * 100
    proof = b"\x76\x2f\x31\x01\2\2\0\0\0" + struct.pack("<Q", 17) + tile
    store = SlowStore([0.0])
    store.keep(proof)
    evidence = of(store, tmp_path)
    file = await evidence.proof_tiles(frame, TileGrid(4, 4), [0])
    assert await asyncio.to_thread(file.read_bytes) == proof
    assert evidence.fetched_bytes == len(proof) + len(tile)
    store.delays = ([60.0],)
    async with asyncio.timeout(5):
        with pytest.raises(ValidationFailed) as refused:
            await evidence.proof_tiles(frame, TileGrid(4, 4), [0])
    assert refused.value.code is WITHHELD
    assert "in time" in str(refused.value)


async def test_a_node_that_is_slow_for_a_moment_does_not_lose(tmp_path: Path) -> None:
    """Two tries fail, and the third brings the part."""
    store = SlowStore([60.0], [60.0], [0.0])
    assert (await of(store, tmp_path).frame(FRAME)).read_bytes() == b"x" * SIZE
    assert store.asked == 3


async def test_a_large_part_has_the_time_of_its_bytes(tmp_path: Path) -> None:
    """A part has longer by its size at the slowest rate."""
    slow = replace(QUICK, part_bytes_per_second=2 * SIZE)
    store = SlowStore([0.05] * 5)
    await of(store, tmp_path, slow).frame(FRAME)
    assert store.asked == 1


async def test_all_parts_together_have_a_time(tmp_path: Path) -> None:
    """fault_268: each part comes late, within its own time; the sum ends it, without further tries."""
    store = SlowStore([0.2])
    evidence = of(store, tmp_path, replace(QUICK, part_seconds=10.0, late_seconds=1.2))
    parts = 0

    async def ask() -> None:
        nonlocal parts
        while True:
            await evidence.frame(FRAME)
            parts += 1

    async with asyncio.timeout(5):
        with pytest.raises(ValidationFailed) as refused:
            await ask()
    assert refused.value.code is WITHHELD
    assert 1 <= parts <= 6
    assert store.asked == parts + 1
    assert "it was asked for once" in str(refused.value)


async def test_parts_that_come_as_usual_are_never_late(tmp_path: Path) -> None:
    """However many there are."""
    store = SlowStore([0.0])
    evidence = of(store, tmp_path, replace(QUICK, usual_seconds=0.1, late_seconds=0.001))
    for _ in range(50):
        await evidence.frame(FRAME)
    assert store.asked == 50


async def test_bytes_that_come_prolong_the_time_of_all(tmp_path: Path) -> None:
    """A slow line that delivers is not late while its bytes come at the usual rate."""
    slow = replace(QUICK, part_seconds=5.0, usual_seconds=0.1, late_seconds=0.0, usual_bytes_per_second=SIZE)
    await of(SlowStore([0.04] * 10), tmp_path, slow).frame(FRAME)
    assert "asked for once" in await withheld(
        of(SlowStore([0.04] * 10), tmp_path, replace(slow, usual_bytes_per_second=10**9))
    )


async def test_results_that_share_a_line_have_its_time(tmp_path: Path) -> None:
    """fault_362: four honest workers were withheld by a line that all four shared."""
    slow = replace(
        QUICK, part_seconds=5.0, usual_seconds=0.1, late_seconds=0.0, usual_bytes_per_second=4 * SIZE
    )
    alone, shared = (of(SlowStore([0.04] * 10), tmp_path, slow) for _ in range(2))
    shared.sharing = lambda: 4
    await shared.frame(FRAME)
    assert "asked for once" in await withheld(alone)


async def test_a_store_of_ours_that_is_away_is_not_the_worker(tmp_path: Path) -> None:
    """Then nothing is said of the result."""
    store = SlowStore([60.0])
    store.is_away = True
    with pytest.raises(StoreUnavailable):
        await of(store, tmp_path).frame(FRAME)


async def test_damage_in_a_store_of_ours_is_not_the_worker_s(tmp_path: Path) -> None:
    """fault_276: it was WITHHELD, and an honest worker lost a dispute over it."""

    class Damaged(SlowStore):
        async def fetch(self, *_: object, **__: object) -> Fetched:
            raise StoreDamaged("The stored file is damaged.")

    with pytest.raises(StoreDamaged):
        await of(Damaged(), tmp_path).frame(FRAME)
