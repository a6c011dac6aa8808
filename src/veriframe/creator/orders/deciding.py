"""Decides on an order as a whole: accepts what has come, cancels what nobody has claimed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace

from veriframe.creator.creator import Creator
from veriframe.creator.orders.orders import Orders
from veriframe.creator.orders.values import Chunk, ChunkState, OrderStatus
from veriframe.errors import MoveRefused, VeriFrameError
from veriframe.model.quantities import counted, plural
from veriframe.model.rendering.frames import format_frames


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What became of an order's chunks. `refused` are those that changed meanwhile, with the reasons."""

    before: OrderStatus
    after: OrderStatus
    chunks: tuple[Chunk, ...]
    refused: tuple[tuple[Chunk, VeriFrameError], ...] = ()
    left: tuple[Chunk, ...] = ()
    """Those that have a result and were not accepted, because nobody checked it or it is at fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """The decisions of one creator. Methods raise `Unavailable`; `MoveRefused` if nothing is to decide."""

    creator: Creator
    orders: Orders

    async def accept(
        self, number: int, wanted: Callable[[Chunk], bool], *, unchecked: bool = False
    ) -> Decided:
        """Pay for all chunks that are `wanted`, and that `order fetch` has checked or a verification proved.

        `unchecked`: for those, too, that nobody has checked; never for a result that is at fault, by either.
        """
        before = await self._own(number)
        waiting = _of(before, (ChunkState.THERE, ChunkState.FAULTY), wanted)
        chunks = tuple(
            chunk
            for chunk in waiting
            if chunk.state is ChunkState.THERE
            and not chunk.is_disproved
            and (unchecked or chunk.is_right or chunk.is_proved)
        )
        if not chunks:
            raise MoveRefused("NOTHING_TO_ACCEPT", _nothing(number, waiting))
        decided = await self._decide(before, chunks, self.creator.registry.accept_result)
        taken = {chunk.job.id for chunk in chunks}
        return replace(decided, left=tuple(chunk for chunk in waiting if chunk.job.id not in taken))

    async def cancel(self, number: int, wanted: Callable[[Chunk], bool]) -> Decided:
        """Take back the rewards of all `wanted` chunks that no worker has claimed."""
        before = await self._own(number)
        chunks = _of(before, (ChunkState.OPEN, ChunkState.EXPIRED), wanted)
        if not chunks:
            raise MoveRefused(
                "NOTHING_TO_CANCEL",
                f"Order {number} has no such chunk that is open. See `veriframe order show {number}`.",
            )
        return await self._decide(before, chunks, self.creator.registry.cancel_job)

    async def _own(self, number: int) -> OrderStatus:
        """The order, if it is the creator's: who else asks must not be told that it has no such chunk."""
        status = await self.orders.find(number)
        if status.order.creator != self.creator.account:
            raise MoveRefused(
                "NOT_CREATOR",
                f"Order {number} is not yours. `veriframe --account NAME order …` acts as another account.",
            )
        return status

    async def _decide(
        self, before: OrderStatus, chunks: Sequence[Chunk], move: Callable[[int], Awaitable[None]]
    ) -> Decided:
        left, refused = list(chunks), list[tuple[Chunk, VeriFrameError]]()
        # Twice: a transaction of several moves fails as a whole if one of them came too late.
        for _ in range(2):
            # All at once: the registry makes few transactions of them.
            made = await asyncio.gather(*(move(chunk.job.id) for chunk in left), return_exceptions=True)
            refused = []
            for chunk, error in zip(left, made, strict=True):
                if isinstance(error, MoveRefused):
                    refused.append((chunk, error))
                elif isinstance(error, BaseException):
                    raise error
            left = [chunk for chunk, _ in refused]
            if not left:
                break
        after = await self.orders.again(before)
        await self.orders.release(after)
        gone = {chunk.job.id for chunk in left}
        done = tuple(chunk for chunk in chunks if chunk.job.id not in gone)
        if not done:
            raise refused[0][1]
        return Decided(before=before, after=after, chunks=done, refused=tuple(refused))


def _nothing(number: int, waiting: Sequence[Chunk]) -> str:
    """Why no chunk is accepted."""
    if not waiting:
        return (
            f"Order {number} has no such chunk with a result that waits for you. "
            f"See `veriframe order show {number}`."
        )
    return left_words(number, waiting)


def left_words(number: int, left: Sequence[Chunk]) -> str:
    """Why these chunks are not accepted, and what may be done, in sentences."""
    words = list[str]()
    bad = [chunk for chunk in left if chunk.fault or chunk.is_disproved]
    unknown = [chunk for chunk in left if chunk not in bad]
    if bare := [chunk for chunk in unknown if not chunk.frames]:
        words.append(
            f"The result of {_jobs(bare)} is fetched as it is by `veriframe order fetch {number}`, and not "
            f"checked: look at it, and pass --unchecked to pay for it; or `veriframe order verify {number}` "
            "proves it."
        )
    if unseen := [chunk for chunk in unknown if chunk.frames]:
        words.append(
            f"Nobody has checked the results of {_jobs(unseen)}: `veriframe order fetch {number}` does, and "
            f"`veriframe order verify {number}` proves them; --unchecked pays for them as they are."
        )
    words += [
        f"The result of job {chunk.job.id} is at fault: {_fault(chunk)}. Dispute it if an arbiter is named; "
        f"`veriframe job accept {chunk.job.id}` pays for it nevertheless."
        for chunk in bad
    ]
    return " ".join(words)


def _fault(chunk: Chunk) -> str:
    if chunk.fault or chunk.verified is None:
        return chunk.fault
    why = chunk.verified.why.rstrip(".")
    return f"a verification said {chunk.verified.conclusion}{f' ({why})' if why else ''}"


def _jobs(chunks: Sequence[Chunk]) -> str:
    numbers = format_frames(tuple(sorted(chunk.job.id for chunk in chunks)))
    jobs = f"{plural(len(chunks), 'job')} {numbers}"
    return jobs if len(chunks) == 1 else f"{counted(len(chunks), 'chunk')}, {jobs}"


def _of(
    status: OrderStatus, states: Collection[ChunkState], wanted: Callable[[Chunk], bool]
) -> tuple[Chunk, ...]:
    return tuple(chunk for chunk in status.chunks if chunk.state in states and wanted(chunk))
