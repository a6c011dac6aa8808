"""The creator: posts scenes; accepts, cancels or disputes results. The arbiter, too: resolves disputes.

Jobs are read as in `jobs`.

A job is posted in two steps, so that a person can confirm in between: `draft` checks everything without
making anything public or moving money, `post` then does both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from veriframe.creator import files
from veriframe.creator.jobs import Jobs
from veriframe.creator.payment import shortfall_fri
from veriframe.creator.pins import rename_old
from veriframe.creator.postings import Posting, Postings
from veriframe.creator.values import Draft, Posted
from veriframe.errors import MoveRefused, SettingsError, StoreUnavailable
from veriframe.model.attempt.proportion import terms_warnings
from veriframe.model.registry.job import JobState, Terms, Verdict
from veriframe.model.registry.job_status import JobStatus
from veriframe.model.registry.ledger import Call
from veriframe.model.registry.offer import Offer
from veriframe.model.registry.order import require_terms
from veriframe.model.registry.pin_names import PinNames
from veriframe.model.rendering.scene import SceneHeader
from veriframe.ports.registry import FullRegistry, Funds
from veriframe.ports.store import OnTransfer, Pin, ignore_transfer


@dataclass(frozen=True, slots=True, kw_only=True)
class Creator(Jobs):
    """The actions of one creator's `account`, which is the registry's.

    Methods raise `Unavailable` and, for moves, `MoveRefused`.
    """

    registry: FullRegistry
    check: files.HeaderCheck
    postings: Postings

    async def draft(
        self, scene: Path, offer: Offer, read: tuple[files.Stamp, SceneHeader] | None = None
    ) -> Draft:
        """Read the scene's header, unless it was `read` before, and compute terms and costs.

        Raises `SettingsError` if the file cannot be read or no registry accepts the terms, `JobRejected` if
        no worker would take the scene, and `MoveRefused` if the account cannot pay.
        """
        if read is None:
            read = await asyncio.to_thread(files.read_header, scene, self.check)
        stamp, header = read
        terms, funds = await self.terms(offer), await self.funds()
        return Draft(
            scene=scene,
            stamp=stamp,
            header=header,
            offer=offer,
            terms=terms,
            deposit_fri=shortfall_fri(funds, terms.reward_fri, "the reward"),
            # At time 0, where the deadline is a span.
            warnings=terms_warnings(offer.terms(0), 0, funds.job_fees_fri),
        )

    async def deposit_fri(self, terms: Sequence[Terms]) -> int:
        """What orders with one job each take from the wallet. Raises `MoveRefused` if it holds less."""
        what_for = "the reward" if len(terms) == 1 else f"the {len(terms)} rewards"
        return shortfall_fri(await self.funds(), sum(each.reward_fri for each in terms), what_for)

    async def post(self, draft: Draft, on_progress: OnTransfer = ignore_transfer) -> Posted:
        """Add the scene to the store, where anyone can read it, and post its order to the registry.

        `on_progress` receives the progress of the upload. Raises `SettingsError` if the file has changed
        since the draft, and `MoveRefused` if the registry refuses the order; then the scene is unpinned.
        """
        if await asyncio.to_thread(files.stamp, draft.scene) != draft.stamp:
            raise SettingsError(
                f"{draft.scene} has changed since it was checked; nothing was posted. Post it again."
            )
        terms = await self.terms(draft.offer)
        names = await self.pin_names()
        await self.release_old(names)
        with self.postings.begun(names) as posting:
            posted = await self._post(draft, terms, posting, on_progress)
            # The order is posted: a store that fails now must not hide its id. The first pin keeps the scene.
            with suppress(StoreUnavailable):
                await self.store.pin(Pin(cid=posted.asset_cid, name=names.asset(posted.jobs[0])))
                await self.store.unpin(Pin(cid=posted.asset_cid, name=posting.pin_name))
                posting.is_open = False
        return posted

    async def _post(self, draft: Draft, terms: Terms, posting: Posting, on_progress: OnTransfer) -> Posted:
        asset_cid = await self.store.add(draft.scene, posting.pin_name, on_progress)
        try:
            deposited = shortfall_fri(await self.funds(), terms.reward_fri, "the reward")
            posting.moves((await self.registry.snapshot(1, 0)).job_counter)
            posting.is_open = True
            jobs = tuple(await self.registry.create_order(asset_cid, terms, 1))
        except MoveRefused:
            posting.is_open, posting.left_pins = False, True
            with suppress(StoreUnavailable):
                await self.store.unpin(Pin(cid=asset_cid, name=posting.pin_name))
                posting.left_pins = False
            raise
        return Posted(jobs=jobs, asset_cid=asset_cid, terms=terms, deposited_fri=deposited)

    async def release_old(self, names: PinNames) -> None:
        """Release what killed postings left in the store, and rename the pins of an earlier version."""
        await rename_old(names, self.registry, self.store)
        await self.postings.release_killed(names, self.registry, self.store)

    async def accept(self, job_id: int) -> JobStatus:
        """Pay the worker now. Returns the job's new status; releases the scene if no job needs it."""
        await self.registry.accept_result(job_id)
        status = await self.status(job_id)
        await self._release_job(status.job)
        return status

    async def cancel(self, job_id: int) -> JobStatus:
        """Cancel a job that no worker has claimed. Its reward becomes credit, and the scene is released."""
        await self.registry.cancel_job(job_id)
        status = await self.status(job_id)
        await self._release_job(status.job)
        return status

    async def dispute(self, job_id: int, evidence: Path | None = None) -> JobStatus:
        """Dispute a result, for a bond as high as the worker's. Returns the job's new status.

        `evidence` is a file that becomes public; without one, the result itself is the evidence. Raises
        `SettingsError` if it is not a file.
        """
        if evidence is not None:
            await asyncio.to_thread(files.stamp, evidence, files.EVIDENCE)
        status = await self.status(job_id)
        job, name = status.job, (await self.pin_names()).evidence(job_id)
        evidence_cid = job.result_cid or job.order.asset_cid
        # An illegal dispute publishes nothing and moves no money: the registry says why it refuses.
        if job.order.creator == self.account and status.may_be_disputed:
            shortfall_fri(await self.funds(), job.terms.bond_fri, "the dispute bond")
            if evidence is not None:
                evidence_cid = await self.store.add(evidence, name)
        try:
            await self.registry.dispute_result(job_id, evidence_cid)
        except MoveRefused:
            # Of a job that is disputed, it is the evidence: an earlier run's move may have arrived meanwhile.
            if (await self.status(job_id)).job.state is not JobState.DISPUTED:
                await self._unpin(Pin(cid=evidence_cid, name=name))
            raise
        return await self.status(job_id)

    async def resolve(self, job_id: int, verdict: Verdict, evidence: Path | None = None) -> JobStatus:
        """Decide a dispute, as its arbiter. Returns the job's new status.

        `evidence` is a file with the reasons, which becomes public; without one, the result itself is named.
        Raises `SettingsError` if it is not a file.
        """
        if evidence is not None:
            await asyncio.to_thread(files.stamp, evidence, files.EVIDENCE)
        status = await self.status(job_id)
        job, name = status.job, (await self.pin_names()).evidence(job_id)
        evidence_cid, is_ours = job.result_cid or job.order.asset_cid, job.terms.arbiter == self.account
        # An illegal verdict publishes nothing: the registry says why it refuses.
        if evidence is not None and is_ours and job.state is JobState.DISPUTED:
            evidence_cid = await self.store.add(evidence, name)
        try:
            await self.registry.resolve_dispute(job_id, verdict, evidence_cid)
        except MoveRefused:
            await self._unpin(Pin(cid=evidence_cid, name=name))
            raise
        return await self.status(job_id)

    async def funds(self) -> Funds:
        """The account's money."""
        return await self.registry.funds(self.registry.account)

    async def terms(self, offer: Offer) -> Terms:
        """The terms of an order posted now. Raises `MoveRefused` if the registry does not accept them."""
        head = (await self.registry.snapshot(1, 0)).head
        terms = offer.terms(head.time)
        # Apply the registry's rules before anything becomes public.
        try:
            require_terms(Call(caller=self.account, now=head.time, block=head.number), terms)
        except MoveRefused as error:
            # Nothing was asked of the registry: an option cannot be used.
            raise SettingsError(str(error)) from error
        return terms

    async def _unpin(self, pin: Pin) -> None:
        # An unavailable store must not hide the registry's refusal; at worst a file is kept too long.
        with suppress(StoreUnavailable):
            await self.store.unpin(pin)
