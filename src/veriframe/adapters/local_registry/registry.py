"""The embedded registry's moves by the model's rules. Each move is one transaction and one block; no fees.

A move whose caller was cancelled may still be made, as on a chain.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import structlog

from veriframe.adapters.local_registry.reader import LocalReader
from veriframe.adapters.local_registry.tables import Tables
from veriframe.errors import Code, MoveRefused, VeriFrameError
from veriframe.model.registry import escrow, ledger, order
from veriframe.model.registry.job import Address, Job, Terms, Verdict
from veriframe.model.registry.ledger import Call
from veriframe.model.registry.outcome import Outcome
from veriframe.ports.registry import CreatorRegistry, JobRegistry, Treasury
from veriframe.sqlite_file import transaction

log = structlog.get_logger()

T = TypeVar("T")


class LocalRegistry(LocalReader, JobRegistry, CreatorRegistry, Treasury):
    """The registry in the file `path`, used by the account of this name; see `LocalReader`."""

    async def advance_clock(self, seconds: float) -> None:
        """Advances the registry's time for all its processes, permanently. For tests and the demo."""

        def advance(tables: Tables, call: Call) -> None:
            tables.advance_clock(seconds)
            tables.mine(self._clock())

        await self._move("advance_clock", advance, by_seconds=seconds)

    async def claim(self, job_id: int) -> int:
        """Claims a job. Returns the fee."""

        def claim(tables: Tables, job: Job, call: Call) -> Outcome:
            call = _topped_up(tables, call, job.terms.bond_fri)
            return escrow.claim(job, call, barred=tables.is_barred(job_id, call.caller))

        return await self._move_job("claim", job_id, claim)

    async def release(self, job_id: int, reason: Code) -> int:
        """Releases a claim. Returns the fee."""
        return await self._move_job("release", job_id, lambda _, job, call: escrow.release(job, call, reason))

    async def submit_result(self, job_id: int, result_cid: str) -> int:
        """Submits a result. Returns the fee."""
        return await self._move_job(
            "submit_result", job_id, lambda _, job, call: escrow.submit_result(job, call, result_cid)
        )

    async def finalize(self, job_id: int) -> int:
        """Finalizes a job that is due. Returns the fee."""
        return await self._move_job("finalize", job_id, lambda _, job, call: escrow.finalize(job, call))

    async def create_order(self, asset_cid: str, terms: Terms, jobs: int) -> Sequence[int]:
        """Posts an order. Returns the ids of its jobs."""

        def create(tables: Tables, call: Call) -> Sequence[int]:
            call = _topped_up(tables, call, terms.reward_fri * jobs)
            posted = order.create_order(call, asset_cid, terms, jobs, tables.newest_order())
            tables.add_order(posted.order, posted.jobs)
            tables.write(posted.postings, posted.events, call.block)
            return [job.id for job in posted.jobs]

        return await self._move("create_order", create, jobs=jobs)

    async def accept_result(self, job_id: int) -> None:
        """Accepts a result: pays the worker now."""
        await self._move_job("accept_result", job_id, lambda _, job, call: escrow.accept_result(job, call))

    async def cancel_job(self, job_id: int) -> None:
        """Cancels a job."""
        await self._move_job("cancel_job", job_id, lambda _, job, call: escrow.cancel_job(job, call))

    async def dispute_result(self, job_id: int, evidence_cid: str) -> None:
        """Disputes a result: asks the arbiter to decide."""

        def dispute(tables: Tables, job: Job, call: Call) -> Outcome:
            return escrow.dispute_result(job, _topped_up(tables, call, job.terms.bond_fri), evidence_cid)

        await self._move_job("dispute_result", job_id, dispute)

    async def resolve_dispute(self, job_id: int, verdict: Verdict, evidence_cid: str) -> None:
        """Resolves a dispute, as the arbiter."""
        await self._move_job(
            "resolve_dispute",
            job_id,
            lambda _, job, call: escrow.resolve_dispute(job, call, verdict, evidence_cid),
        )

    async def deposit(self, amount_fri: int) -> None:
        """Deposits money from the account's wallet into its credit."""

        def deposit(tables: Tables, call: Call) -> None:
            done = ledger.deposit(
                call.caller,
                amount_fri,
                wallet_fri=tables.balance(ledger.wallet(call.caller)),
                token_fri=tables.token(),
            )
            tables.write(done.postings, done.events, call.block)

        await self._move("deposit", deposit, amount_fri=amount_fri)

    async def withdraw(self, amount_fri: int, recipient: Address) -> None:
        """Withdraws money from the account's credit to any wallet."""

        def withdraw(tables: Tables, call: Call) -> None:
            done = ledger.withdraw(call.caller, amount_fri, recipient, credit_fri=call.credit_fri)
            tables.write(done.postings, done.events, call.block)

        await self._move("withdraw", withdraw, amount_fri=amount_fri)

    async def _move_job(self, name: str, job_id: int, rule: Callable[[Tables, Job, Call], Outcome]) -> int:
        """Makes a move on a job. Returns its fee."""

        def move(tables: Tables, call: Call) -> None:
            for job in tables.jobs(job_id, job_id):
                return tables.apply(rule(tables, job, call), call.block)
            raise ledger.unknown_job(job_id)

        await self._move(name, move, job_id=job_id)
        return 0

    async def _move(self, name: str, act: Callable[[Tables, Call], T], **facts: object) -> T:
        """Makes a move and its block in one transaction, and logs the result."""
        started = time.monotonic()
        try:
            done = await self._run(self._transaction(act))
        except VeriFrameError as error:
            rule = error.rule if isinstance(error, MoveRefused) else "UNAVAILABLE"
            log.info("registry_move", move=name, account=self._name, refused=rule, **facts)
            raise
        seconds = round(time.monotonic() - started, 4)
        log.info("registry_move", move=name, account=self._name, seconds=seconds, **facts)
        return done

    def _transaction(self, act: Callable[[Tables, Call], T]) -> Callable[[sqlite3.Connection], T]:

        def move(connection: sqlite3.Connection) -> T:
            with transaction(connection):
                tables = Tables(connection)
                head = tables.mine(self._clock())
                credit_fri = tables.balance(ledger.credit(self._account))
                call = Call(caller=self._account, now=head.time, block=head.number, credit_fri=credit_fri)
                return act(tables, call)

        return move


def _topped_up(tables: Tables, call: Call, needed_fri: int) -> Call:
    """The call after depositing what the credit lacks, if the wallet has it. A refusal undoes the deposit."""
    missing_fri = needed_fri - call.credit_fri
    wallet_fri = tables.balance(ledger.wallet(call.caller))
    if not 0 < missing_fri <= wallet_fri:
        return call
    done = ledger.deposit(call.caller, missing_fri, wallet_fri=wallet_fri, token_fri=tables.token())
    tables.write(done.postings, done.events, call.block)
    return replace(call, credit_fri=needed_fri)
