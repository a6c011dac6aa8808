"""The embedded registry as one account sees it: the model's rules, each move one transaction and one block.

SQLite waits for disks and for other processes, so that everything runs in threads. A move whose caller was
cancelled may still be made, as one that was sent to a chain may be.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import structlog

from veriframe.adapters.local_registry import audit, schema
from veriframe.adapters.local_registry.books import Books
from veriframe.errors import Code, MoveRefused, RegistryUnavailable, VeriFrameError
from veriframe.model import escrow, ledger, order
from veriframe.model.job import Address, Head, Job, Terms, Verdict
from veriframe.model.ledger import BURNED, ISSUED, Call, Posting, PotKind, Reason
from veriframe.model.outcome import Outcome
from veriframe.ports import Funds, JobRegistry, OrderDesk, Totals, Treasury

log = structlog.get_logger()

T = TypeVar("T")

WALLET_FRI = 1000 * 10**18
"""The play money that an account finds in its wallet at first sight: 1000 STRK."""
JOBS_AT_ONCE = 200


def local_address(name: str) -> Address:
    """The address of an account of this name: the first 251 bits of its SHA-256, and never `NOBODY`."""
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).digest()
    return Address(int.from_bytes(digest, "big") >> 5 or 1)


class LocalRegistry(JobRegistry, OrderDesk, Treasury):
    """The registry in the file `path`, as the account of this name sees it. Opened at the first call.

    Beyond what the ports say, every method raises `SettingsError` where the file is foreign or damaged.
    """

    def __init__(self, path: Path, account: str, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._name = account
        self._account = local_address(account)
        self._clock = clock
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    @property
    def account(self) -> Address:
        """Who makes the moves."""
        return self._account

    def close(self) -> None:
        """Let go of the file. Afterwards every method raises `RegistryUnavailable`."""
        with self._lock, schema.translated(self._path):
            self._closed = True
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    async def advance_clock(self, seconds: float) -> None:
        """Move the registry's time on, for all its processes and for good: for tests and for the demo."""

        def advance(books: Books, call: Call) -> None:
            books.advance_clock(seconds)
            books.mine(self._clock())

        await self._move("advance_clock", advance, by_seconds=seconds)

    async def audit(self) -> audit.Audit:
        """Reckon all balances anew from the ledger's rows (I1, I2), and list what disagrees."""

        def examine(connection: sqlite3.Connection) -> audit.Audit:
            with schema.snapshot(connection):
                return audit.examine(connection)

        return await self._run(examine)

    async def head(self) -> Head:
        """The newest block. An empty one is added where it is a second old, so that time goes on."""

        def look(connection: sqlite3.Connection) -> Head:
            books = Books(connection)
            if not self._is_due(books):
                return books.head()
            with schema.transaction(connection):
                # Asked again: another process may have been faster.
                return books.mine(self._clock()) if self._is_due(books) else books.head()

        return await self._run(look)

    async def job_counter(self) -> int:
        """The highest job id so far."""
        return await self._run(lambda connection: Books(connection).job_counter())

    async def get_job(self, job_id: int) -> Job:
        """One job. Raises `MoveRefused` (UNKNOWN_JOB)."""
        return await self._run(lambda connection: _job(Books(connection), job_id))

    async def get_jobs(self, first: int, count: int) -> Sequence[Job]:
        """The jobs `first … first + count - 1` that exist, by id; more than 200 are cut to 200."""
        last = first + min(count, JOBS_AT_ONCE) - 1
        return await self._run(lambda connection: Books(connection).jobs(first, last))

    async def claim(self, job_id: int) -> None:
        """Take a job."""

        def claim(books: Books, job: Job, call: Call) -> Outcome:
            return escrow.claim(job, call, barred=books.is_barred(job_id, call.caller))

        await self._move_job("claim", job_id, claim)

    async def release(self, job_id: int, reason: Code) -> None:
        """Give a claim back."""
        await self._move_job("release", job_id, lambda _, job, call: escrow.release(job, call, reason))

    async def submit_result(self, job_id: int, result_cid: str) -> None:
        """Hand in a result."""
        await self._move_job(
            "submit_result", job_id, lambda _, job, call: escrow.submit_result(job, call, result_cid)
        )

    async def finalize(self, job_id: int) -> None:
        """End a job whose time has come."""
        await self._move_job("finalize", job_id, lambda _, job, call: escrow.finalize(job, call))

    async def create_order(self, asset_cid: str, terms: Terms, jobs: int) -> Sequence[int]:
        """Post an order."""

        def create(books: Books, call: Call) -> Sequence[int]:
            posted = order.create_order(call, asset_cid, terms, jobs, books.newest_order())
            books.add_order(posted.order, posted.jobs)
            books.write(posted.postings, posted.events, call.block)
            return [job.id for job in posted.jobs]

        return await self._move("create_order", create, jobs=jobs)

    async def accept_result(self, job_id: int) -> None:
        """Pay the worker now."""
        await self._move_job("accept_result", job_id, lambda _, job, call: escrow.accept_result(job, call))

    async def cancel_job(self, job_id: int) -> None:
        """Take a job back."""
        await self._move_job("cancel_job", job_id, lambda _, job, call: escrow.cancel_job(job, call))

    async def dispute_result(self, job_id: int, evidence_cid: str) -> None:
        """Ask the arbiter."""
        await self._move_job(
            "dispute_result", job_id, lambda _, job, call: escrow.dispute_result(job, call, evidence_cid)
        )

    async def resolve_dispute(self, job_id: int, verdict: Verdict, evidence_cid: str) -> None:
        """Decide as the arbiter."""
        await self._move_job(
            "resolve_dispute",
            job_id,
            lambda _, job, call: escrow.resolve_dispute(job, call, verdict, evidence_cid),
        )

    async def funds(self, account: Address) -> Funds:
        """What an account holds."""

        def look(connection: sqlite3.Connection) -> Funds:
            books = Books(connection)
            with schema.snapshot(connection):
                return Funds(
                    wallet_fri=books.balance(ledger.wallet(account)),
                    credit_fri=books.balance(ledger.credit(account)),
                )

        return await self._run(look)

    async def totals(self) -> Totals:
        """What the registry holds."""

        def look(connection: sqlite3.Connection) -> Totals:
            books = Books(connection)
            with schema.snapshot(connection):
                return Totals(
                    token_fri=books.token(),
                    escrow_fri=books.total(PotKind.ESCROW),
                    credit_fri=books.total(PotKind.CREDIT),
                    burned_fri=books.balance(BURNED),
                )

        return await self._run(look)

    async def deposit(self, amount_fri: int) -> None:
        """From the own wallet into credit."""

        def deposit(books: Books, call: Call) -> None:
            done = ledger.deposit(
                call.caller,
                amount_fri,
                wallet_fri=books.balance(ledger.wallet(call.caller)),
                token_fri=books.token(),
            )
            books.write(done.postings, done.events, call.block)

        await self._move("deposit", deposit, amount_fri=amount_fri)

    async def withdraw(self, amount_fri: int, recipient: Address) -> None:
        """From the own credit to anyone's wallet."""

        def withdraw(books: Books, call: Call) -> None:
            done = ledger.withdraw(call.caller, amount_fri, recipient, credit_fri=call.credit_fri)
            books.write(done.postings, done.events, call.block)

        await self._move("withdraw", withdraw, amount_fri=amount_fri)

    async def _move_job(self, name: str, job_id: int, rule: Callable[[Books, Job, Call], Outcome]) -> None:
        def move(books: Books, call: Call) -> None:
            books.apply(rule(books, _job(books, job_id), call), call.block)

        await self._move(name, move, job_id=job_id)

    async def _move(self, name: str, act: Callable[[Books, Call], T], **facts: object) -> T:
        """One move: its block and all that it does, or nothing. Logged with its result."""
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

    def _transaction(self, act: Callable[[Books, Call], T]) -> Callable[[sqlite3.Connection], T]:

        def move(connection: sqlite3.Connection) -> T:
            with schema.transaction(connection):
                books = Books(connection)
                head = books.mine(self._clock())
                credit_fri = books.balance(ledger.credit(self._account))
                call = Call(caller=self._account, now=head.time, block=head.number, credit_fri=credit_fri)
                return act(books, call)

        return move

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.to_thread(self._work, work)

    def _work(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock, schema.translated(self._path):
            if self._closed:
                raise RegistryUnavailable(f"The registry {self._path} was closed. Open it anew.")
            if self._connection is None:
                connection = schema.connect(self._path)
                try:
                    self._introduce(connection)
                except BaseException:
                    connection.close()
                    raise
                self._connection = connection
            return work(self._connection)

    def _introduce(self, connection: sqlite3.Connection) -> None:
        """An account that this file has never seen gets its play money."""
        books = Books(connection)
        if books.knows(self._account):
            return
        with schema.transaction(connection):
            if books.knows(self._account):
                return
            books.add_account(self._account, self._name)
            grant = Posting(ISSUED, ledger.wallet(self._account), WALLET_FRI, Reason.GRANT)
            books.write((grant,), (), books.mine(self._clock()).number)

    def _is_due(self, books: Books) -> bool:
        return self._clock() + books.clock_offset() - books.head().time >= 1


def _job(books: Books, job_id: int) -> Job:
    for job in books.jobs(job_id, job_id):
        return job
    raise ledger.unknown_job(job_id)
