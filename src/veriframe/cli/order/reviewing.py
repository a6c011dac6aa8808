"""`veriframe order watch --verify`: who verifies, and the review that is made of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from veriframe.cli import context
from veriframe.cli.verification.options import how
from veriframe.cli.verification.running import concluded
from veriframe.creator.creator import Creator
from veriframe.creator.orders.orders import Orders
from veriframe.creator.orders.posting import OrderPosting
from veriframe.creator.review.reordering import Reordering
from veriframe.creator.review.reports import Reports
from veriframe.creator.review.reviewing import Review
from veriframe.creator.review.values import Examined, Examiner, Late, ReviewOptions, Told
from veriframe.errors import MoveRefused, SettingsError, StoreUnavailable
from veriframe.model.registry.job import Job, format_address
from veriframe.model.verification.findings import Request
from veriframe.model.verification.report import write_report
from veriframe.ports.renderer import Renderer
from veriframe.verifier.verifier import Verifier
from veriframe.wiring.verifiers import build_verifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked of a watch."""

    verify: bool = False
    accept: bool = False
    dispute: bool = False
    reorder: bool = False
    request: Request = field(default_factory=Request)

    def check(self) -> None:
        """Raise `SettingsError` for an option that needs --verify."""
        given = {
            "--accept": self.accept,
            "--dispute": self.dispute,
            "--reorder": self.reorder,
            "--tiles": self.request.tiles is not None,
            "--thorough": self.request.thorough,
        }
        for name, is_given in given.items():
            if is_given and not self.verify:
                raise SettingsError(f"{name} is about what was verified: pass --verify, too.")

    @property
    def makes_moves(self) -> bool:
        """Whether the account's key is needed."""
        return self.accept or self.dispute or self.reorder

    @property
    def words(self) -> str:
        """These options as they are written, each after a space."""
        names = [name for name in ("verify", "accept", "dispute", "reorder") if getattr(self, name)]
        words = "".join(f" --{name}" for name in names)
        words += f" --tiles {self.request.tiles}" if self.request.tiles is not None else ""
        return words + (" --thorough" if self.request.thorough else "")


@asynccontextmanager
async def opened(
    number: int,
    orders: Orders,
    creator: Creator | None,
    blender: Renderer,
    wanted: Wanted,
    tell: Callable[[Told], None],
) -> AsyncIterator[Review]:
    """The review of an order. Raises `MoveRefused` if moves are wanted, and it is another creator's."""
    jobs, settings = orders.jobs, context.current().settings
    if creator is not None and (await orders.find(number)).order.creator != creator.account:
        raise MoveRefused("NOT_CREATOR", f"Order {number} is not yours: watch it with --verify alone.")
    reordering = None
    if creator is not None and wanted.reorder:
        posting = OrderPosting(creator=creator, notes=orders.notes)
        reordering = Reordering(posting=posting, notes=orders.notes, keeps_bonds=wanted.dispute)
    place = f"{await jobs.registry.identity()}-{format_address(jobs.account)}"
    async with Verifying(orders, blender, wanted.request) as examiner:
        yield Review(
            reader=jobs.registry,
            notes=orders.notes,
            reports=Reports(settings.home / "verifications" / place),
            examiner=examiner,
            options=ReviewOptions(
                accept=wanted.accept, dispute=wanted.dispute, reorder=wanted.reorder, how=how(wanted.request)
            ),
            tell=tell,
            creator=creator,
            reordering=reordering,
        )


class Verifying(Examiner):
    """The verifier, open with its asset while results wait. A context manager."""

    def __init__(self, orders: Orders, blender: Renderer, request: Request) -> None:
        self._jobs, self._blender, self._request = orders.jobs, blender, request
        self._stack, self._opening = AsyncExitStack(), asyncio.Lock()
        self._verifier: Verifier | None = None
        self._under_way = 0

    async def __aenter__(self) -> Verifying:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.rest()

    async def examine(self, job: Job, late: Late) -> Examined:
        """Verify the result."""
        self._under_way += 1
        try:
            verifier = await self._open()
            verified = await verifier.verify(job, self._request, late=late)
        except BaseException:
            if self._under_way == 1:
                await self.rest()
            raise
        finally:
            self._under_way -= 1
        if verified.lacks_asset:
            raise StoreUnavailable(f"Nobody provides the scene now: {verified.finding.why}.")
        note = concluded(verified.finding, self._request)
        return Examined(
            conclusion=note.conclusion,
            why=note.why,
            report=write_report([verified.finding]),
            late_seconds=verified.late_seconds,
        )

    async def rest(self) -> None:
        """Close the verifier. An examination that begins meanwhile opens another one."""
        async with self._opening:
            self._verifier = None
            stack, self._stack = self._stack, AsyncExitStack()
            await stack.aclose()

    async def _open(self) -> Verifier:
        async with self._opening:
            if self._verifier is None:
                built = build_verifier(
                    context.current().settings, self._jobs.registry, self._jobs.store, self._blender
                )
                self._verifier = await self._stack.enter_async_context(built)
            return self._verifier
