"""The common stage of the creator's tests: accounts with money, a scene, a store and a registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from tests.fakes.registry import FakeRegistry, Shared
from tests.fakes.store import FakeStore

from veriframe.creator.creator import Creator
from veriframe.creator.postings import Postings
from veriframe.errors import (
    Code,
    JobRejected,
    MoveRefused,
    StoreUnavailable,
)
from veriframe.model.quantities import FRI_PER_STRK
from veriframe.model.registry.job import Address, Terms
from veriframe.model.registry.offer import Offer
from veriframe.model.rendering.scene import BlenderVersion, SceneHeader, Wrapping
from veriframe.ports.registry import Funds

ARTIST, WORKER, ARBITER, OUTSIDER = Address(0xA1), Address(0xB2), Address(0xC3), Address(0xD4)
STRK = FRI_PER_STRK
OFFER = Offer(reward_fri=5 * STRK)
JUDGED = Offer(reward_fri=5 * STRK, arbiter=ARBITER)
SCENE = b"BLENDER-v405 and what else a scene holds"
HEADER = SceneHeader(
    version=BlenderVersion(4, 5), wrapping=Wrapping.PLAIN, blocks=1, unpacked_bytes=len(SCENE)
)
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (640).to_bytes(4) + (360).to_bytes(4) + b"\x08\x02 and so on"


def check_header(stream: BinaryIO) -> SceneHeader:
    """Accepts any file that starts like a scene."""
    if not stream.read(7) == b"BLENDER":
        raise JobRejected(Code.NOT_BLEND, "This is no .blend file.")
    return HEADER


@dataclass
class Stage:
    """A creator with 100 STRK, a worker with 10, and a scene on disk."""

    folder: Path
    shared: Shared = field(default_factory=Shared)
    store: FakeStore = field(default_factory=FakeStore)

    def __post_init__(self) -> None:
        self.registry = FakeRegistry(ARTIST, self.shared, wallet_fri=100 * STRK)
        self.worker = FakeRegistry(WORKER, self.shared, wallet_fri=10 * STRK)
        self.creator = self.creator_at(self.registry)
        self.scene = self.folder / "scene.blend"
        self.scene.write_bytes(SCENE)

    def creator_at(self, registry: FakeRegistry) -> Creator:
        """Another creator on the same store."""
        return Creator(
            registry=registry,
            account=registry.account,
            store=self.store,
            check=check_header,
            postings=Postings(self.folder.with_name(f"{self.folder.name}-postings")),
        )

    async def posted(self, offer: Offer = OFFER) -> int:
        """The id of a posted job."""
        return (await self.creator.post(await self.creator.draft(self.scene, offer))).jobs[0]

    async def claimed(self, offer: Offer = OFFER) -> int:
        """The id of a job that the worker has claimed."""
        job_id = await self.posted(offer)
        await self.worker.deposit(STRK)
        await self.worker.claim(job_id)
        return job_id

    async def submitted(self, result: bytes = PNG, offer: Offer = OFFER) -> int:
        """The id of a job with a result."""
        job_id = await self.claimed(offer)
        await self.worker.submit_result(job_id, self.store.keep(result))
        return job_id

    async def funds(self, account: Address = ARTIST) -> Funds:
        """The balances of an account."""
        return await self.registry.funds(account)

    def pin_names(self) -> list[str]:
        """The names of all pins."""
        return sorted(pin.name for pin in self.store.pinned)


UNTOUCHED = Funds(wallet_fri=100 * STRK, credit_fri=0)


class RefusesLate(FakeRegistry):
    """Refuses orders and disputes. With `away`, the store becomes unavailable just before."""

    stage: Stage
    away = False

    async def create_order(self, asset_cid: str, terms: Terms, jobs: int) -> Sequence[int]:
        """Refuse the order."""
        self._take_store_away()
        raise MoveRefused("BAD_TERMS", "The registry does not take these terms.")

    async def dispute_result(self, job_id: int, evidence_cid: str) -> None:
        """Refuse the dispute."""
        self._take_store_away()
        raise MoveRefused("REVIEW_OVER", "The review is over.")

    def _take_store_away(self) -> None:
        if self.away:
            self.stage.store.fault = StoreUnavailable("The content store does not answer.")
