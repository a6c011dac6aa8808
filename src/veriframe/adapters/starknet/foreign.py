"""A registry that is not ours, as one account sees it: whatever its ABI offers, behind the same ports.

Such a registry keeps no bonds and no credit for us. Where it has no claims, a claim is noted here and nowhere
else: the first to submit is paid, and whoever reads a result's CID may copy it. What its views do not tell
about a job is derived; see `_standing`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

import structlog

from veriframe.adapters.starknet.codec import short_string
from veriframe.adapters.starknet.contract import TOKEN_ABI, Contract, Node
from veriframe.adapters.starknet.dialect import Dialect, choose_dialect
from veriframe.adapters.starknet.foreign_job import Facts, Standing, build_job
from veriframe.adapters.starknet.sending import Sender, make_move
from veriframe.errors import Code, MoveRefused, RegistryUnavailable
from veriframe.model import ledger
from veriframe.model.job import NOBODY, Address, Head, Job, JobState, format_address
from veriframe.model.ledger import AMOUNT_MAX_FRI, TIME_MAX, Rule
from veriframe.ports import Funds, JobRegistry, Look, Totals, Treasury

log = structlog.get_logger()

JOBS_AT_ONCE = 200
CALLS_AT_ONCE = 16
AGAIN_SECONDS = 3600
"""How long a job is left alone whose finalizing was refused: a revert costs a fee."""
NOT_ELIGIBLE = "NOT_ELIGIBLE"
NO_CREDIT = "NO_CREDIT"
_ID_MAX = 2**64 - 1


class ForeignRegistry(JobRegistry, Treasury):
    """The registry at `address`, spoken to as its ABI wants. What this process did itself it remembers."""

    def __init__(self, node: Node, sender: Sender, address: int, *, token: int) -> None:
        self._contract, self._token, self._sender = (
            Contract(node, address),
            Contract(node, token, TOKEN_ABI),
            sender,
        )
        self._spoken: Dialect | None = None
        self._facts: dict[int, Facts] = {}
        self._claimed_at: dict[int, int] = {}
        self._results: dict[int, str] = {}
        self._ended: set[int] = set()
        self._again_at: dict[int, int] = {}
        self._highest = 0
        self._turns = asyncio.Semaphore(CALLS_AT_ONCE)

    @property
    def account(self) -> Address:
        """Who makes the moves."""
        return Address(self._sender.account)

    async def dialect(self) -> Dialect:
        """How the registry is spoken to. Raises `RegistryUnavailable`, with what is missing."""
        if self._spoken is None:
            spoken = choose_dialect(await self._contract.abi())
            if spoken.missing:
                raise RegistryUnavailable(spoken.missing)
            self._spoken = spoken
            if not spoken.has("claim"):
                log.warning(
                    "registry_without_claims",
                    registry=format_address(self._contract.address),
                    reason="First come, first served: others may copy a result and be paid for it.",
                )
        return self._spoken

    @property
    def jobs_at_once(self) -> int:
        """Few, since each takes calls of its own."""
        return JOBS_AT_ONCE

    async def look(self, first: int, count: int) -> Look:
        """Block, counter and jobs, one after the other."""
        return Look(
            head=await self.head(),
            job_counter=await self.job_counter(),
            jobs=await self.get_jobs(first, min(count, JOBS_AT_ONCE)),
        )

    async def changed(self) -> Collection[int]:
        """Nothing is known of its events."""
        return ()

    async def head(self) -> Head:
        """The newest accepted block."""
        return await self._contract.head()

    async def job_counter(self) -> int:
        """The highest job id; without a counter, that of the last job before one without a creator.

        At most 200 ids are walked at once: the next look goes on.
        """
        if (await self.dialect()).has("counter"):
            return min(await self._number("counter"), _ID_MAX)
        for job_id in range(self._highest + 1, self._highest + 1 + JOBS_AT_ONCE):
            if await self._creator(job_id) == NOBODY:
                break
            self._highest = job_id
        return self._highest

    async def get_job(self, job_id: int) -> Job:
        """One job, all of it asked anew. Raises `MoveRefused` (UNKNOWN_JOB)."""
        self._facts.pop(job_id, None)
        job = await self._job(job_id, (await self.head()).time) if 0 < job_id <= _ID_MAX else None
        if job is None:
            raise ledger.unknown_job(job_id)
        return job

    async def get_jobs(self, first: int, count: int) -> Sequence[Job]:
        """The jobs of these ids that exist, without the open ones that this account is not eligible for."""
        now = (await self.head()).time
        last = min(first + min(count, JOBS_AT_ONCE) - 1, _ID_MAX)
        jobs = await asyncio.gather(*(self._listed(job_id, now) for job_id in range(max(first, 1), last + 1)))
        return [job for job in jobs if job is not None]

    async def claim(self, job_id: int) -> None:
        """Take a job; where the registry has no claims, only note it."""
        job, now = await self.get_job(job_id), (await self.head()).time
        if not job.is_open(now):
            raise MoveRefused(Rule.NOT_OPEN.value, f"Job {job_id} is {job.state}. Look for another one.")
        if not await self._is_eligible(job_id):
            raise MoveRefused(
                NOT_ELIGIBLE,
                f"The registry does not take this account for job {job_id}: see `veriframe doctor`.",
            )
        if (await self.dialect()).has("claim"):
            await self._move("claim", job_id)
        self._claimed_at[job_id] = now

    async def release(self, job_id: int, reason: Code) -> None:
        """Give a claim back, as far as the registry knows of claims."""
        spoken = await self.dialect()
        if spoken.has("release"):
            wants_reason = len(spoken.functions["release"].inputs) > 1
            await self._move(
                "release", job_id, *([short_string(reason.value.encode())] if wants_reason else [])
            )
        elif spoken.has("claim"):
            raise MoveRefused(Rule.LIVE_CLAIM.value, "This registry takes no claim back.")
        self._claimed_at.pop(job_id, None)

    async def submit_result(self, job_id: int, result_cid: str) -> None:
        """Hand in a result, its CID written as the ABI wants it."""
        job = await self.get_job(job_id)
        if job.state is not JobState.CLAIMED or job.worker != self.account:
            raise MoveRefused(
                Rule.NOT_CLAIMANT.value, f"Job {job_id} is {job.state}, and not claimed by this account."
            )
        await self._move("submit", job_id, result_cid)
        self._results[job_id] = result_cid
        self._claimed_at.pop(job_id, None)

    async def finalize(self, job_id: int) -> None:
        """End a job whose time has come. After a refusal not again for an hour."""
        now = (await self.head()).time
        if now < self._again_at.get(job_id, 0):
            raise MoveRefused(
                Rule.NOT_DUE.value, f"The registry has refused to finalize job {job_id} lately."
            )
        if not (await self.dialect()).has("finalize"):
            raise MoveRefused(Rule.NOT_DUE.value, "This registry finalizes nothing.")
        try:
            await self._move("finalize", job_id)
        except MoveRefused:
            self._again_at[job_id] = now + AGAIN_SECONDS
            raise
        self._ended.add(job_id)

    async def funds(self, account: Address) -> Funds:
        """What an account holds: all of it in its wallet."""
        return Funds(wallet_fri=await self._balance(account), credit_fri=0)

    async def totals(self) -> Totals:
        """What the registry holds; it does not tell what for."""
        held = await self._balance(self._contract.address)
        return Totals(token_fri=held, escrow_fri=held, credit_fri=0, burned_fri=0)

    async def deposit(self, amount_fri: int) -> None:
        """Refused: no money goes to a contract that is not ours."""
        raise MoveRefused(NO_CREDIT, f"This registry is not VeriFrame's: no {amount_fri} fri go there.")

    async def withdraw(self, amount_fri: int, recipient: Address) -> None:
        """Refused: there is no credit."""
        raise MoveRefused(NO_CREDIT, "This registry keeps no credit: pay goes to the account's wallet.")

    async def _listed(self, job_id: int, now: int) -> Job | None:
        async with self._turns:
            job = await self._job(job_id, now)
            if job is not None and job.is_open(now) and not await self._is_eligible(job_id):
                return None
            return job

    async def _job(self, job_id: int, now: int) -> Job | None:
        facts = self._facts.get(job_id) or await self._read_facts(job_id)
        if facts is None:
            return None
        self._facts[job_id] = facts
        standing = await self._standing(job_id, facts)
        return build_job(job_id, facts, standing, now)

    async def _read_facts(self, job_id: int) -> Facts | None:
        """What never changes about a job; None where it has no creator."""
        creator = await self._creator(job_id)
        if creator == NOBODY:
            return None
        has_deadline = (await self.dialect()).has("deadline")
        return Facts(
            creator=creator,
            reward_fri=min(await self._number("reward", job_id), AMOUNT_MAX_FRI),
            asset_cid=await self._text("asset_cid", job_id),
            deadline=min(await self._number("deadline", job_id), TIME_MAX) if has_deadline else TIME_MAX,
        )

    async def _standing(self, job_id: int, facts: Facts) -> Standing:
        spoken = await self.dialect()
        worker = Address(await self._number("worker", job_id)) if spoken.has("worker") else NOBODY
        result_cid = await self._text("result_cid", job_id) if spoken.has("result_cid") else ""
        submitted_here = job_id in self._results and worker in (NOBODY, self.account)
        if submitted_here:
            worker, result_cid = self.account, result_cid or self._results[job_id]
        return Standing(
            worker=worker,
            result_cid=result_cid,
            account=self.account,
            claimed_at=self._claimed_at.get(job_id),
            has_claims=spoken.has("claim"),
            waits=spoken.has("finalize") and job_id not in self._ended,
        )

    async def _creator(self, job_id: int) -> Address:
        try:
            return Address(await self._number("creator", job_id))
        except (MoveRefused, ValueError):
            # Some registries panic for ids that were never given; and an id may be too big for its type.
            return NOBODY

    async def _is_eligible(self, job_id: int) -> bool:
        spoken = await self.dialect()
        if not spoken.has("eligible"):
            return True
        first, _ = spoken.functions["eligible"].inputs
        order = (self.account, job_id) if first.type != spoken.functions["creator"].inputs[0].type else None
        values = order or ((self.account, job_id) if "worker" in first.name else (job_id, self.account))
        return bool(await self._number("eligible", *values))

    async def _balance(self, account: Address) -> int:
        answer = await self._token.view("balance_of", account)
        return answer if isinstance(answer, int) else 0

    async def _number(self, word: str, *values: int) -> int:
        spoken = await self.dialect()
        return spoken.number(word, await self._ask(spoken, word, *values))

    async def _text(self, word: str, job_id: int) -> str:
        spoken = await self.dialect()
        return spoken.text(word, await self._ask(spoken, word, job_id))

    async def _ask(self, spoken: Dialect, word: str, *values: int) -> list[int]:
        return await self._contract.ask(spoken.name(word), spoken.calldata(word, *values))

    async def _move(self, word: str, job_id: int, *values: int | str) -> None:
        spoken = await self.dialect()
        try:
            calldata = spoken.calldata(word, job_id, *values)
        except ValueError as error:
            raise MoveRefused(Rule.BAD_CID.value, f"The registry cannot hold this value: {error}") from error
        call = self._contract.move_of(spoken.name(word), calldata)
        await make_move(self._sender, spoken.name(word), [call], job_id=job_id)
