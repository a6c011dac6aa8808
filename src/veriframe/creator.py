"""The creator's side: post a scene, follow its job, fetch the picture; accept, cancel or dispute.

A job is posted in two steps, so that a person can be asked in between: `draft` finds out all that can be
known without making anything public or moving money, `post` then does both.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import stamina

from veriframe.errors import (
    Code,
    MoveRefused,
    SettingsError,
    StoreUnavailable,
    Unavailable,
    VerificationFailed,
)
from veriframe.model.job import Address, Job, JobState, Terms, format_strk
from veriframe.model.offer import Offer
from veriframe.model.scene import SceneHeader
from veriframe.model.sighting import Sighting
from veriframe.ports import ContentStore, OrderDesk, Pin, Treasury

JOBS_AT_ONCE = 200
PATIENCE_SECONDS = 60.0
RESULT_BYTES = 2 * 2**30
PNG_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
"""The signature and the head of the first chunk, the same in every PNG (W3C PNG, 5.2 and 11.2.1)."""

Gate = Callable[[BinaryIO], SceneHeader]
"""Reads a scene's header without Blender. Raises `JobRejected`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A scene that passed the gate, and what posting it takes. Nothing is public, no money has moved."""

    scene: Path
    size_bytes: int
    header: SceneHeader
    terms: Terms
    deposit_fri: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """An order that stands in the registry. `deposited_fri` came out of the wallet for it."""

    jobs: tuple[int, ...]
    asset_cid: str
    terms: Terms
    deposited_fri: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A result that was fetched: a PNG file, by its first bytes, with the size in pixels that it names."""

    path: Path
    result_cid: str
    size_bytes: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Creator:
    """What one account does with its jobs. Methods raise `Unavailable` and, for moves, `MoveRefused`."""

    account: Address
    desk: OrderDesk
    treasury: Treasury
    store: ContentStore
    gate: Gate

    async def draft(self, scene: Path, offer: Offer) -> Draft:
        """Read the scene's header and reckon terms and costs.

        Raises `SettingsError` where the file cannot be read, `JobRejected` where it is no scene that a
        worker would take, `MoveRefused` where the account cannot pay.
        """
        size_bytes, header = await asyncio.to_thread(_read_header, scene, self.gate)
        terms = offer.terms((await self.desk.head()).time)
        return Draft(
            scene=scene,
            size_bytes=size_bytes,
            header=header,
            terms=terms,
            deposit_fri=await self._shortfall(terms.reward_fri, "the reward"),
        )

    async def post(self, draft: Draft) -> Posted:
        """Put the scene into the store, for everybody to read, and its order into the registry."""
        unposted = f"order-asset-unposted-{secrets.token_hex(8)}"
        asset_cid = await self.store.add(draft.scene, unposted)
        try:
            deposited = await self._deposit(draft.terms.reward_fri, "the reward")
            jobs = tuple(await self.desk.create_order(asset_cid, draft.terms, 1))
        except MoveRefused:
            await self.store.unpin(Pin(cid=asset_cid, name=unposted))
            raise
        # The order stands: a store that fails now must not hide its id. The first pin keeps the scene.
        with suppress(StoreUnavailable):
            await self.store.pin(_asset_pin(asset_cid, jobs[0]))
            await self.store.unpin(Pin(cid=asset_cid, name=unposted))
        return Posted(jobs=jobs, asset_cid=asset_cid, terms=draft.terms, deposited_fri=deposited)

    async def look(self, job_id: int) -> Sighting:
        """One job as it is now."""
        job = await self.desk.get_job(job_id)
        return Sighting(job, (await self.desk.head()).time)

    async def sightings(self, job_id: int, poll_seconds: float) -> AsyncIterator[Sighting]:
        """One look after the other until the job is final. A registry that is away is waited for, a while."""
        while True:
            async for attempt in stamina.retry_context(
                on=Unavailable, attempts=None, timeout=PATIENCE_SECONDS
            ):
                with attempt:
                    sighting = await self.look(job_id)
            yield sighting
            if sighting.job.state.is_final:
                return
            await asyncio.sleep(poll_seconds)

    async def changes(self, job_id: int, poll_seconds: float) -> AsyncIterator[Sighting]:
        """The sightings that differ from the one before: a move was made, or a time limit passed."""
        before = None
        async for sighting in self.sightings(job_id, poll_seconds):
            now = (sighting.job, sighting.waits_for)
            if now != before:
                yield sighting
            before = now

    async def jobs(self, states: Collection[JobState], *, own: bool, limit: int) -> Sequence[Sighting]:
        """The newest jobs, newest first, at most `limit`: in any of `states` (none given: in all)."""
        now = (await self.desk.head()).time
        last = await self.desk.job_counter()
        found: list[Sighting] = []
        while last > 0 and len(found) < limit:
            first = max(1, last - JOBS_AT_ONCE + 1)
            batch = await self.desk.get_jobs(first, last - first + 1)
            found += (
                Sighting(job, now)
                for job in reversed(batch)
                if (not states or job.state in states) and (not own or job.order.creator == self.account)
            )
            last = first - 1
        return found[:limit]

    async def fetch(self, job_id: int, target: Path, *, replace: bool) -> Picture:
        """Bring a job's picture to `target`, all of it or nothing.

        Raises `MoveRefused` where there is no result yet, `SettingsError` where `target` exists and must
        not be replaced or cannot be written, `JobRejected` where the store has no such file,
        `VerificationFailed` (NOT_IMAGE) where it is no PNG.
        """
        job = await self.desk.get_job(job_id)
        if not job.result_cid:
            raise MoveRefused("NO_RESULT", _no_result(job))
        _refuse_target(target, replace=replace)
        with _beside(target) as folder:
            fetched = Path(folder) / "result"
            size_bytes = await self.store.fetch(job.result_cid, fetched, RESULT_BYTES)
            width, height = _picture_size(fetched)
            _put(fetched, target, replace=replace)
        return Picture(
            path=target, result_cid=job.result_cid, size_bytes=size_bytes, width=width, height=height
        )

    async def accept(self, job_id: int) -> Job:
        """Pay the worker now. Returns the job after it."""
        await self.desk.accept_result(job_id)
        return await self.desk.get_job(job_id)

    async def cancel(self, job_id: int) -> Job:
        """Take back a job that nobody works on, and its reward as credit; the scene is released."""
        await self.desk.cancel_job(job_id)
        job = await self.desk.get_job(job_id)
        if job.order.jobs == 1:
            await self.store.unpin(_asset_pin(job.order.asset_cid, job_id))
        return job

    async def dispute(self, job_id: int, evidence: Path | None = None) -> Job:
        """Ask the arbiter, for a bond as high as the worker's. Returns the job after it.

        `evidence` is a file that becomes public; without one, the result itself is the evidence.
        """
        sighting = await self.look(job_id)
        job = sighting.job
        evidence_cid = job.result_cid or job.order.asset_cid
        # A dispute that cannot stand publishes nothing and moves no money: the registry says why not.
        if job.order.creator == self.account and sighting.may_be_disputed:
            await self._deposit(job.terms.bond_fri, "the dispute bond")
            if evidence is not None:
                evidence_cid = await self.store.add(evidence, f"job-evidence-{job_id}")
        await self.desk.dispute_result(job_id, evidence_cid)
        return await self.desk.get_job(job_id)

    async def _shortfall(self, needed_fri: int, what_for: str) -> int:
        funds = await self.treasury.funds(self.account)
        missing = max(0, needed_fri - funds.credit_fri)
        if missing > funds.wallet_fri:
            raise MoveRefused(
                "INSUFFICIENT_FUNDS",
                f"The account lacks {format_strk(missing - funds.wallet_fri)} for {what_for} of "
                f"{format_strk(needed_fri)}: it holds {format_strk(funds.wallet_fri)} in its wallet and "
                f"{format_strk(funds.credit_fri)} as credit. Offer less, or send money to it first.",
            )
        return missing

    async def _deposit(self, needed_fri: int, what_for: str) -> int:
        missing = await self._shortfall(needed_fri, what_for)
        if missing:
            await self.treasury.deposit(missing)
        return missing


def _asset_pin(asset_cid: str, first_job: int) -> Pin:
    return Pin(cid=asset_cid, name=f"order-asset-{first_job}")


def _read_header(scene: Path, gate: Gate) -> tuple[int, SceneHeader]:
    if scene.exists() and not scene.is_file():
        raise SettingsError(f"{scene} is no file. Name one .blend file with everything packed into it.")
    try:
        with scene.open("rb") as stream:
            return scene.stat().st_size, gate(stream)
    except OSError as error:
        raise SettingsError(f"{scene} cannot be read: {error.strerror}. Name a .blend file.") from error


def _no_result(job: Job) -> str:
    remedy = (
        "It will have none." if job.state.is_final else f"Wait for it with `veriframe job watch {job.id}`."
    )
    return f"Job {job.id} is {job.state} and has no result. {remedy}"


def _refuse_target(target: Path, *, replace: bool) -> None:
    if target.is_dir():
        raise SettingsError(f"{target} is a folder. Name the file that the picture shall become.")
    if not replace and (target.exists() or target.is_symlink()):
        raise _taken(target)


def _taken(target: Path) -> SettingsError:
    return SettingsError(f"{target} is there already. Name another file, or allow it with --force.")


def _beside(target: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder on the target's own disk, so that the last step is a rename."""
    try:
        return tempfile.TemporaryDirectory(prefix=".veriframe-", dir=target.parent)
    except OSError as error:
        raise _unwritable(target, error) from error


def _put(fetched: Path, target: Path, *, replace: bool) -> None:
    try:
        if not replace:
            # Takes the name, or fails where another process took it meanwhile; then the file is ours.
            target.touch(exist_ok=False)
        fetched.replace(target)
    except FileExistsError as error:
        raise _taken(target) from error
    except OSError as error:
        raise _unwritable(target, error) from error


def _unwritable(target: Path, error: OSError) -> SettingsError:
    return SettingsError(f"{target} cannot be written: {error.strerror}. Name a file in a folder of yours.")


def _picture_size(file: Path) -> tuple[int, int]:
    """Width and height in pixels as a PNG's first chunk names them. Raises `VerificationFailed`."""
    with file.open("rb") as stream:
        start = stream.read(24)
    if len(start) < 24 or not start.startswith(PNG_START):
        raise VerificationFailed(
            Code.NOT_IMAGE,
            "The result is not a PNG picture; it was not kept. Dispute it if an arbiter is named.",
        )
    return int.from_bytes(start[16:20], "big"), int.from_bytes(start[20:24], "big")
