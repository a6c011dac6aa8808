"""Room in the content store: reserved before each claim, and shared among creators.

A claim whose result cannot be stored loses its bond. So the store is asked before each claim, for the largest
file that the picture may become, in addition to what jobs under way will add. Claimed jobs are in the
journal, so that a restart forgets no reservation. The undecided results of one creator may fill a share of
the store, and those of all creators who have not paid this account as much may fill another: accounts cost
nothing. Each result is also in its job's folder, so that the disk there is shared in the same way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from veriframe.errors import NoRoom, StoreFull, StoreUnavailable
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.quantities import format_size
from veriframe.model.registry.job import NOBODY, Address
from veriframe.model.rendering.sizes import most_bytes
from veriframe.ports.store import ContentStore, StoreRoom
from veriframe.threads import run_uninterrupted
from veriframe.worker.shared.attempts import Attempts

PIXEL_BYTES = 9
"""Bytes per pixel of a PNG with four 16-bit channels, and one byte per row, for rows of one pixel."""
FILE_BYTES = 2**16
"""The most bytes of a picture's file beyond its pixels."""
LEAST_BYTES = FILE_BYTES + PIXEL_BYTES
"""The file of the smallest picture, by the same bounds: with less room nothing is started."""

MOST_NEEDS = 10_000
"""The most scenes remembered whose pictures did not fit."""

_UNDER_WAY = frozenset((Stage.CLAIMED, Stage.RENDERED, Stage.VALIDATED))


def picture_bytes(pixels: int) -> int:
    """Returns the largest file of a picture with this many pixels. Compression may add a thousandth."""
    return pixels * PIXEL_BYTES * 1001 // 1000 + FILE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreUsage:
    """How much of a store is left, in bytes, and whose results fill it. `left_bytes` None: unknown.

    `taken` holds, for each creator, the bytes of undecided results and of what jobs under way may add; one
    creator may take `most_bytes`. A creator is new if its `balance_fri` is not more than what these jobs pay,
    `owed_fri`; all new creators together take `new_bytes`, and may take `most_new_bytes`.
    """

    left_bytes: int | None = None
    taken: Mapping[Address, int] = field(default_factory=dict)
    most_bytes: int = 0
    owed_fri: Mapping[Address, int] = field(default_factory=dict)
    balance_fri: Callable[[Address], int] = lambda creator: 0
    new_bytes: int = 0
    most_new_bytes: int = 0
    remedy: str = ""

    def objection(self, creator: Address, reward_fri: int, needed_bytes: int = LEAST_BYTES) -> str:
        """Returns why a job that may need `needed_bytes` has to wait, as one clause, or an empty text."""
        if self.left_bytes is None:
            return ""
        taken = self.taken.get(creator, 0) if creator != NOBODY else 0
        if taken and taken + needed_bytes > self.most_bytes:
            return (
                f"undecided results of its creator take {format_size(taken)} of the content store, "
                f"and with this one more than {format_size(self.most_bytes)} (creator_store_share)"
            )
        if needed_bytes > self.left_bytes:
            return (
                f"its picture may take {format_size(needed_bytes)}, and the content store has room for "
                f"{format_size(max(self.left_bytes, 0))} more. {self.remedy.rstrip('.')}"
            )
        taken = self._taken_by_new(creator, reward_fri)
        if taken and taken + needed_bytes > self.most_new_bytes:
            return (
                "undecided results of creators who have not paid this account as much take "
                f"{format_size(taken)} of the content store, and with this one more than "
                f"{format_size(self.most_new_bytes)} (new_creators_store_share)"
            )
        return ""

    def _taken_by_new(self, creator: Address, reward_fri: int) -> int:
        """Returns what all new creators would take with this job, or 0 if its creator is not new."""
        owed_fri, balance_fri = self.owed_fri.get(creator, 0), self.balance_fri(creator)
        if owed_fri + reward_fri < balance_fri:
            return 0
        return self.new_bytes + (self.taken.get(creator, 0) if owed_fri < balance_fri else 0)


@dataclass(slots=True)
class Reservations:
    """What claims need in the store, and which scenes had no room. One for each worker.

    Of all the room that results have, `share` (0 to 1) is for the results of one creator, `new_share` for
    those of all new creators together, who have not earned us as much by `balance_fri`. `scene_pixels` is the
    limit of a scene, for attempts without the size of their picture. `disk_room` returns what may be added on
    the disk of the jobs' folders; it raises `HostUnavailable`.
    """

    share: float = 0.25
    new_share: float = 0.5
    scene_pixels: int = 64_000_000
    balance_fri: Callable[[Address], int] = lambda creator: 0
    disk_room: Callable[[], StoreRoom] = StoreRoom
    _claiming: dict[int, Attempt] = field(default_factory=dict)
    _needs: dict[str, int] = field(default_factory=dict)

    async def survey(self, store: ContentStore, attempts: Attempts) -> StoreUsage:
        """Returns the survey by which jobs are chosen. Raises `StoreFull` if no picture at all has room.

        An unavailable store counts as one of unknown room: it is asked again before a claim.
        """
        try:
            survey = await self.ask(store, attempts)
        except StoreUnavailable:
            return StoreUsage()
        if survey.left_bytes is not None and survey.left_bytes < LEAST_BYTES:
            raise StoreFull(
                f"The content store has no room for another result: beside jobs under way, "
                f"{format_size(max(survey.left_bytes, 0))} are left. Nothing is claimed. {survey.remedy}"
            )
        return survey

    async def ask(self, store: ContentStore, attempts: Attempts) -> StoreUsage:
        """Asks the store, and the journal for jobs under way. Raises `StoreUnavailable`."""
        before = self._under_way(attempts)
        room = _smaller(await store.room(), await run_uninterrupted(self.disk_room))
        # A result that is stored meanwhile counts twice rather than not at all.
        coming = {**before, **self._under_way(attempts)}.values()
        waiting = [attempt for attempt in attempts.live() if attempt.result_bytes]
        taken, owed_fri = Counter[Address](), Counter[Address]()
        for attempt in waiting:
            taken[attempt.creator] += attempt.result_bytes
        for attempt in coming:
            taken[attempt.creator] += self._needed_bytes(attempt)
        for attempt in (*waiting, *coming):
            owed_fri[attempt.creator] += attempt.reward_fri
        free_bytes = room.free_bytes or 0
        all_bytes = free_bytes + sum(attempt.result_bytes for attempt in waiting)
        left_bytes = free_bytes - sum(map(self._needed_bytes, coming))
        return StoreUsage(
            left_bytes=None if room.free_bytes is None else left_bytes,
            taken=taken,
            most_bytes=int(all_bytes * self.share),
            owed_fri=owed_fri,
            balance_fri=self.balance_fri,
            new_bytes=sum(taken[known] for known in taken if owed_fri[known] >= self.balance_fri(known)),
            most_new_bytes=int(all_bytes * self.new_share),
            remedy=room.remedy,
        )

    @asynccontextmanager
    async def reserved(
        self, attempt: Attempt, store: ContentStore, attempts: Attempts
    ) -> AsyncIterator[None]:
        """Reserves room for the picture of `attempt` while its claim is made; then the journal shows it.

        Raises `NoRoom` if there is none, `StoreUnavailable`.
        """
        survey = await self.ask(store, attempts)
        needed_bytes = self._needed_bytes(attempt)
        if objection := survey.objection(attempt.creator, attempt.reward_fri, needed_bytes):
            self._needs.pop(attempt.asset_cid, None)
            self._needs[attempt.asset_cid] = needed_bytes
            while len(self._needs) > MOST_NEEDS:
                del self._needs[next(iter(self._needs))]
            raise NoRoom(f"The job has to wait: {objection}.")
        self._claiming[attempt.job_id] = attempt
        try:
            yield
        finally:
            del self._claiming[attempt.job_id]

    def objection(self, survey: StoreUsage, asset_cid: str, creator: Address, reward_fri: int) -> str:
        """Returns why a job has to wait, before its scene is fetched, or an empty text."""
        return survey.objection(creator, reward_fri, self._needs.get(asset_cid, LEAST_BYTES))

    def _under_way(self, attempts: Attempts) -> dict[int, Attempt]:
        known = {a.job_id: a for a in attempts.live() if a.stage in _UNDER_WAY}
        return {**known, **self._claiming}

    def _needed_bytes(self, attempt: Attempt) -> int:
        if attempt.is_of_bundle and attempt.task is not None:
            return most_bytes(attempt.task)
        return picture_bytes(attempt.width * attempt.height or self.scene_pixels)


def _smaller(store: StoreRoom, disk: StoreRoom) -> StoreRoom:
    if disk.free_bytes is None or (store.free_bytes is not None and store.free_bytes <= disk.free_bytes):
        return store
    return disk
