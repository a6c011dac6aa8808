"""Which frames an account's live orders of a scene render already, so that nobody pays for them twice."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from veriframe.creator.jobs import orders_from
from veriframe.creator.orders.notes import OrderNotes
from veriframe.creator.orders.values import Chunk, ChunkState
from veriframe.errors import JobError
from veriframe.model.bundle.chunks import Piece, check_parts, frames_of, tile_of
from veriframe.model.bundle.job_file import FILE_NAME, Bundle, parse_job_file
from veriframe.model.registry.job import Order
from veriframe.ports.registry import JobReader, read_jobs

LOST = (ChunkState.REFUNDED, ChunkState.EXPIRED)
"""What becomes of a chunk that nobody renders or is paid for any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierOrder:
    """An order of the registry that renders the same pictures of the same scene.

    `chunks` is empty if the registry's order does not fit the `bundle` that was noted.
    """

    number: int
    bundle: Bundle
    chunks: tuple[Chunk, ...] = ()

    @property
    def live(self) -> frozenset[Piece]:
        """What it renders for a reward that is still bound."""
        return _pieces(self.chunks, (*LOST, ChunkState.PAID))

    @property
    def delivered(self) -> frozenset[Piece]:
        """What has come, paid or not, and was not found at fault: `order fetch` gets it."""
        come = [chunk for chunk in self.chunks if chunk.has_come]
        return _pieces(come, (*LOST, ChunkState.DISPUTED))

    @property
    def covered(self) -> frozenset[Piece]:
        """That, and what is paid."""
        return _pieces(self.chunks, LOST)


def scene_key(folder: Path) -> str:
    """The same for the same files, whatever `job.json` asks of them. Reads them all."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name != FILE_NAME and path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{name}\0{content}\0".encode())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """The earlier orders of one account, by its notes. Methods raise `RegistryUnavailable`."""

    reader: JobReader
    notes: OrderNotes
    account: int

    async def find(self, key: str, bundle: Bundle, after: int = 0) -> list[EarlierOrder]:
        """Orders after the number `after` of the scene with this key, or CID, that render the same pictures.

        A draft is noted before it is posted, so that an order whose reply was lost is found, too.
        """
        notes = self.notes.read_orders()
        same = {
            cid: noted
            for cid, note in notes.items()
            if key in (note.scene_key, cid) and (noted := _parsed(note.job_file)) and _is_same(noted, bundle)
        }
        drafts = [draft for draft in self.notes.read_drafts() if not same.keys().isdisjoint(draft.assets)]
        if not drafts:
            return []
        found = list[EarlierOrder]()
        async for order in orders_from(self.reader, min(draft.after_job for draft in drafts) + 1):
            if order.creator == self.account and order.id > after and order.asset_cid in same:
                found.append(await self._earlier(order, same[order.asset_cid]))
        return found

    async def _earlier(self, order: Order, bundle: Bundle) -> EarlierOrder:
        with suppress(JobError):
            check_parts(bundle, order.jobs)
            jobs = await read_jobs(self.reader, order.first_job, order.jobs)
            now = (await self.reader.snapshot(order.first_job, 1)).head.time
            checks = self.notes.read_checks()
            chunks = tuple(
                Chunk(
                    job=job,
                    frames=frames_of(bundle, job.part),
                    tile=tile_of(bundle, job.part),
                    now=now,
                    finding=checks.get((job.id, job.result_cid)),
                )
                for job in jobs
            )
            return EarlierOrder(number=order.id, bundle=bundle, chunks=chunks)
        return EarlierOrder(number=order.id, bundle=bundle)


async def key_of(source: Path | str) -> str:
    """The key of a folder, or the CID of one that was posted before."""
    return await asyncio.to_thread(scene_key, source) if isinstance(source, Path) else source


def _pieces(chunks: Collection[Chunk], without: Collection[ChunkState]) -> frozenset[Piece]:
    return frozenset(piece for chunk in chunks if chunk.state not in without for piece in chunk.pieces)


def _parsed(job_file: str) -> Bundle | None:
    with suppress(JobError):
        return parse_job_file(job_file.encode())
    return None


def _is_same(one: Bundle, other: Bundle) -> bool:
    """Whether both ask for the same pictures, of whichever frames and tiles."""
    return _kind(one) == _kind(other)


def _kind(bundle: Bundle) -> tuple[object, ...]:
    split = None if bundle.split is None else replace(bundle.split, only=())
    return bundle.scene, bundle.overrides, bundle.format, split
