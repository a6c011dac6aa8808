"""`veriframe order watch`: follows an order as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import typer

from veriframe.causes import cause_of
from veriframe.cli import context
from veriframe.cli.order import acting, facts, options, review_words, reviewing
from veriframe.cli.order.views import View, view_of
from veriframe.cli.verification import options as verification
from veriframe.cli.verification import running
from veriframe.creator.creator import Creator
from veriframe.creator.orders.notes import ConclusionNote
from veriframe.creator.orders.orders import Orders
from veriframe.creator.orders.previews import Previews
from veriframe.creator.orders.values import ChunkState, OrderStatus
from veriframe.creator.review.reviewing import Review
from veriframe.creator.review.values import Happened, Told
from veriframe.errors import SettingsError, Unavailable
from veriframe.ports.renderer import Renderer
from veriframe.retry import end

REFUNDED = 6
"""The exit code of `watch` if a chunk was refunded, or expired."""


def watch(
    number: options.Number,
    to_result: Annotated[bool, typer.Option("--result", help="Stop once no more frames can come.")] = False,
    previews: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Fetch the contact sheet of each chunk that comes, as it is, to this folder."
        ),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Verify each result while it is under review.")
    ] = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="Pay at once for results that are EXACT or EQUAL.")
    ] = False,
    dispute: Annotated[
        bool, typer.Option("--dispute", help="Dispute results that are WRONG or WITHHELD, with the report.")
    ] = False,
    reorder: Annotated[
        bool,
        typer.Option(
            "--reorder",
            help="Order chunks again, once, that lost a dispute, whoever made it.",
        ),
    ] = False,
    tiles: verification.Tiles = None,
    thorough: verification.Thorough = False,
    as_json: options.AsJson = False,
) -> None:
    """Follow an order until it is over: chunks, frames, money and time. Exits with 6 if some were lost.

    With --verify it renders drawn tiles of each result again, and says whether the result is right.
    """
    wanted = reviewing.Wanted(
        verify=verify,
        accept=accept,
        dispute=dispute,
        reorder=reorder,
        request=verification.request(tiles, thorough=thorough),
    )
    wanted.check()
    if previews is not None:
        _make(previews)
    creator = None
    if wanted.makes_moves:
        decisions = acting.decisions()
        orders, creator = decisions.orders, decisions.creator
    else:
        orders = acting.orders()
    blender = running.renderer() if verify else None
    with view_of(as_json=as_json) as view:
        follower = _Follower(view=view, to_result=to_result, reorders=reorder)
        if previews is not None:
            follower.previews = Previews(
                store=orders.jobs.store,
                folder=previews,
                disk_free_bytes=context.current().settings.disk_free_bytes,
                say=view.say,
            )
        polls = orders.followed(number, context.current().settings.poll_seconds)
        if blender is None:
            last = context.follow(follower.follow(polls))
        else:
            with running.told_when_stopped():
                last = context.follow(_reviewed(number, follower, polls, orders, creator, blender, wanted))
        for line in (*facts.paid_at_fault(last), *facts.before_arbiter(last)) if last is not None else ():
            view.say(line)
    if last is not None and last.count(ChunkState.REFUNDED, ChunkState.EXPIRED):
        raise typer.Exit(REFUNDED)


def _make(previews: Path) -> None:
    try:
        previews.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"--previews {previews} cannot be used: {cause_of(error)}. Pass a folder that you can write."
        ) from error


async def _reviewed(
    number: int,
    follower: _Follower,
    polls: AsyncIterator[OrderStatus],
    orders: Orders,
    creator: Creator | None,
    blender: Renderer,
    wanted: reviewing.Wanted,
) -> OrderStatus | None:
    """Follow an order with its review in the background."""

    def tell(told: Told) -> None:
        follower.tell(told, wanted.words)

    async with reviewing.opened(number, orders, creator, blender, wanted, tell) as review:
        follower.review = review
        follower.work = asyncio.create_task(review.run())
        try:
            return await follower.follow(polls)
        finally:
            await end([follower.work])


@dataclass(slots=True, kw_only=True)
class _Follower:
    """Shows an order as it changes. `review`, whose `work` is under way, sees each poll; None without one."""

    view: View
    to_result: bool
    reorders: bool
    previews: Previews | None = None
    review: Review | None = None
    work: asyncio.Task[None] | None = None
    _before: dict[int, tuple[ChunkState, ConclusionNote | None]] = field(default_factory=dict)
    _has_checked: bool = False

    async def follow(self, polls: AsyncIterator[OrderStatus]) -> OrderStatus | None:
        """Show each poll until the end. Returns the last one."""
        async with self.previews or nullcontext():
            return await self._follow(polls)

    async def _follow(self, polls: AsyncIterator[OrderStatus]) -> OrderStatus | None:
        status = None
        async for status in polls:
            if self.review is not None:
                self.review.see(status)
            self._show(status if self.review is None else self.review.status)
            await self._check_bonds()
            if self.previews is not None:
                self.previews.see(status)
            if status.is_over:
                # Before the scene is released: what is ordered again needs it.
                await self._finish()
            if self.to_result and status.has_come and not self._goes_on(status):
                break
            if self.work is not None and self.work.done():
                await self.work
        if self.previews is not None:
            await self.previews.finish()
        # What the review has concluded since the poll counts, too.
        return status if status is None or self.review is None else self.review.status

    def _goes_on(self, status: OrderStatus) -> bool:
        """Whether something is left to be done although no more frames can come."""
        # A chunk that loses its dispute is ordered again, whoever disputed it.
        awaits_verdict = self.reorders and status.count(ChunkState.DISPUTED) > 0
        return awaits_verdict or (self.review is not None and not self.review.is_done)

    async def _check_bonds(self) -> None:
        """Say once what the account lacks for disputes."""
        if self.review is None or self._has_checked:
            return
        with suppress(Unavailable):
            missing = await self.review.bonds_missing()
            self._has_checked = True
            if missing:
                self.view.say(missing)

    async def _finish(self) -> None:
        if self.review is None or self.work is None:
            return
        finishing = asyncio.create_task(self.review.finish())
        await asyncio.wait({finishing, self.work}, return_when=asyncio.FIRST_COMPLETED)
        await end([finishing])
        if self.work.done():
            await self.work

    def tell(self, told: Told, options: str) -> None:
        """Show what became of a chunk under review."""
        if told.what is Happened.CONCLUDED:
            assert self.review is not None
            self._show(self.review.status)
        else:
            self.view.say(review_words.sentence(self._as_it_is_now(told), options))

    def _as_it_is_now(self, told: Told) -> Told:
        """With the chunk of the last poll: what came too late is told with what became of it."""
        chunks = self.review.status.chunks if self.review is not None else ()
        now = [chunk for chunk in chunks if chunk.job.id == told.chunk.job.id]
        return replace(told, chunk=now[0]) if now and told.what is Happened.LATE else told

    def _show(self, status: OrderStatus) -> None:
        chunks, is_first = status.chunks, not self._before
        changed = [one for one in chunks if self._before.get(one.job.id) != (one.state, one.verified)]
        self._before = {chunk.job.id: (chunk.state, chunk.verified) for chunk in chunks}
        # At first, only what is under way or has come is news.
        self.view.show(status, [one for one in changed if not is_first or one.state is not ChunkState.OPEN])
