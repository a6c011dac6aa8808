"""Decides on an order as a whole: accepts what has come, cancels what nobody has claimed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from veriframe.creator.creator import Creator
from veriframe.creator.orders.orders import Orders
from veriframe.creator.orders.values import Chunk, ChunkState, OrderStatus
from veriframe.errors import MoveRefused, VeriFrameError


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What became of an order's chunks. `refused` are those that changed meanwhile, with the reasons."""

    before: OrderStatus
    after: OrderStatus
    chunks: tuple[Chunk, ...]
    refused: tuple[tuple[Chunk, VeriFrameError], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """The decisions of one creator. Methods raise `Unavailable`; `MoveRefused` if nothing is to decide."""

    creator: Creator
    orders: Orders

    async def accept(self, number: int, wanted: Callable[[Chunk], bool]) -> Decided:
        """Pay for all chunks that have a result and are `wanted`."""
        before = await self.orders.find(number)
        chunks = _of(before, (ChunkState.THERE,), wanted)
        if not chunks:
            raise MoveRefused(
                "NOTHING_TO_ACCEPT",
                f"Order {number} has no such chunk with a result that waits for you. "
                f"See `veriframe order show {number}`.",
            )
        return await self._decide(before, chunks, self.creator.registry.accept_result)

    async def cancel(self, number: int, wanted: Callable[[Chunk], bool]) -> Decided:
        """Take back the rewards of all `wanted` chunks that no worker has claimed."""
        before = await self.orders.find(number)
        chunks = _of(before, (ChunkState.OPEN, ChunkState.EXPIRED), wanted)
        if not chunks:
            raise MoveRefused(
                "NOTHING_TO_CANCEL",
                f"Order {number} has no such chunk that is open. See `veriframe order show {number}`.",
            )
        return await self._decide(before, chunks, self.creator.registry.cancel_job)

    async def _decide(
        self, before: OrderStatus, chunks: Sequence[Chunk], move: Callable[[int], Awaitable[None]]
    ) -> Decided:
        if before.order.creator != self.creator.account:
            raise MoveRefused("NOT_CREATOR", f"Order {before.number} is not yours.")
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


def _of(
    status: OrderStatus, states: Collection[ChunkState], wanted: Callable[[Chunk], bool]
) -> tuple[Chunk, ...]:
    return tuple(chunk for chunk in status.chunks if chunk.state in states and wanted(chunk))
