"""The registry's tables as values of the model: blocks, jobs, money, events.

Call the methods that write within a transaction.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from veriframe.model.registry.history import JobEvent, job_event
from veriframe.model.registry.job import Address, Head, Job, JobState, Order, Terms
from veriframe.model.registry.ledger import Event, EventKind, Posting, Pot, PotKind, post
from veriframe.model.registry.outcome import Outcome

LARGEST_ID = 2**63 - 1
_ORDER = (
    "orders.id, creator, asset_cid, first_job, jobs, created_at, reward_fri, bond_fri, deadline,"
    " lease_seconds, review_seconds, arbitration_seconds, arbiter, orders.worker"
)
_JOB = (
    "jobs.id, part, state, jobs.worker, claimed_at, lease_end, review_end, arbitration_end,"
    " submitted_block, disputed_block, result_cid"
)
_SELECT_JOBS = f"SELECT {_JOB}, {_ORDER} FROM jobs JOIN orders ON orders.id = order_id"  # noqa: S608 - our words
_SELECT_NEWEST_ORDER = f"SELECT {_ORDER} FROM orders ORDER BY id DESC LIMIT 1"  # noqa: S608 - our words
_UPDATE_JOB = """UPDATE jobs SET
    part = ?, state = ?, worker = ?, claimed_at = ?, lease_end = ?, review_end = ?,
    arbitration_end = ?, submitted_block = ?, disputed_block = ?, result_cid = ? WHERE id = ?"""


class Tables:
    """The tables of one file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def head(self) -> Head:
        """The newest block; number 0 and time 0 before the first."""
        select = "SELECT number, time FROM blocks ORDER BY number DESC LIMIT 1"
        row = self._connection.execute(select).fetchone()
        return Head(number=row[0], time=row[1]) if row else Head(number=0, time=0)

    def identity(self) -> str:
        """This file's identity among registries: 16 hexadecimal digits, drawn when it was created."""
        return str(self._connection.execute("SELECT id FROM identity").fetchone()[0])

    def clock_offset(self) -> float:
        """The seconds by which the registry's time was advanced."""
        return float(self._connection.execute("SELECT offset_seconds FROM clock").fetchone()[0])

    def advance_clock(self, seconds: float) -> None:
        """Advances the registry's time for all processes."""
        self._connection.execute("UPDATE clock SET offset_seconds = offset_seconds + ?", (seconds,))

    def mine(self, clock: float) -> Head:
        """Adds a block at this machine's `clock` plus the offset, never earlier than the block before."""
        before = self.head()
        head = Head(number=before.number + 1, time=max(before.time, int(clock + self.clock_offset())))
        row = (head.number, secrets.token_bytes(32), head.time)
        self._connection.execute("INSERT INTO blocks VALUES (?, ?, ?)", row)
        return head

    def block_hash(self, number: int) -> int | None:
        """The hash of a block: the 32 bytes that were drawn at random when it was added; None without it."""
        if not 0 <= number <= LARGEST_ID:
            return None
        row = self._connection.execute("SELECT digest FROM blocks WHERE number = ?", (number,)).fetchone()
        return int.from_bytes(row[0]) if row else None

    def job_counter(self) -> int:
        """The highest job id so far."""
        return int(self._connection.execute("SELECT coalesce(max(id), 0) FROM jobs").fetchone()[0])

    def jobs(self, first: int, last: int) -> list[Job]:
        """The jobs from one id to another, both included."""
        first, last = max(first, 1), min(last, LARGEST_ID)
        if first > last:
            return []
        select = f"{_SELECT_JOBS} WHERE jobs.id BETWEEN ? AND ? ORDER BY jobs.id"
        return [_job(row) for row in self._connection.execute(select, (first, last))]

    def all_jobs(self) -> Iterable[Job]:
        """All jobs by id, read lazily."""
        return map(_job, self._connection.execute(f"{_SELECT_JOBS} ORDER BY jobs.id"))

    def changed_since(self, event: int | None) -> tuple[int, set[int]]:
        """The newest event's number, and the jobs of the events after `event`; no jobs for None."""
        newest = int(self._connection.execute("SELECT coalesce(max(number), 0) FROM events").fetchone()[0])
        if event is None:
            return newest, set()
        # An order's event names the order, not its jobs.
        select = """SELECT jobs.id FROM events JOIN jobs ON jobs.id = subject
            WHERE number > ? AND number <= ? AND kind NOT IN ('OrderCreated', 'Deposited', 'Withdrawn')
            UNION SELECT jobs.id FROM events JOIN jobs ON jobs.order_id = subject
            WHERE number > ? AND number <= ? AND kind = 'OrderCreated'"""
        rows = self._connection.execute(select, (event, newest, event, newest))
        return newest, {row[0] for row in rows}

    def history(self, job_id: int) -> list[JobEvent]:
        """The events of a job, oldest first."""
        select = """SELECT time, kind, subject, party, amount_fri, note
            FROM events JOIN blocks ON blocks.number = block
            WHERE subject = ? AND kind NOT IN ('OrderCreated', 'Deposited', 'Withdrawn')
            ORDER BY events.number"""
        rows = self._connection.execute(select, (job_id,))
        return [job_event(_event(row[1:]), row[0]) for row in rows]

    def newest_order(self) -> Order | None:
        """The order with the highest id."""
        row = self._connection.execute(_SELECT_NEWEST_ORDER).fetchone()
        return _order(row) if row else None

    def add_order(self, order: Order, jobs: Iterable[Job]) -> None:
        """Stores a new order and its jobs."""
        self._connection.execute(f"INSERT INTO orders VALUES ({_marks(14)})", _order_row(order))  # noqa: S608
        rows = ((job.id, order.id, *_job_row(job)) for job in jobs)
        self._connection.executemany(f"INSERT INTO jobs VALUES ({_marks(12)})", rows)  # noqa: S608

    def is_barred(self, job_id: int, address: Address) -> bool:
        """Whether an account may not claim a job again."""
        select = "SELECT 1 FROM bars WHERE job_id = ? AND address = ?"
        return self._connection.execute(select, (job_id, str(address))).fetchone() is not None

    def balance(self, pot: Pot) -> int:
        """The balance of a pot, in fri."""
        select = "SELECT amount_fri FROM balances WHERE kind = ? AND owner = ?"
        row = self._connection.execute(select, (pot.kind.value, str(pot.owner))).fetchone()
        return int(row[0]) if row else 0

    def total(self, kind: PotKind) -> int:
        """The sum of all pots of a kind, in fri."""
        select = "SELECT amount_fri FROM totals WHERE kind = ?"
        row = self._connection.execute(select, (kind.value,)).fetchone()
        return int(row[0]) if row else 0

    def token(self) -> int:
        """The amount that the registry holds, in fri."""
        return sum(self.total(kind) for kind in PotKind if kind.is_inside)

    def knows(self, address: Address) -> bool:
        """Whether this file has the account."""
        select = "SELECT 1 FROM accounts WHERE address = ?"
        return self._connection.execute(select, (str(address),)).fetchone() is not None

    def accounts(self) -> list[tuple[str, Address]]:
        """The names and addresses of all accounts, by name."""
        rows = self._connection.execute("SELECT name, address FROM accounts ORDER BY name")
        return [(name, Address(int(address))) for name, address in rows]

    def add_account(self, address: Address, name: str) -> None:
        """Stores a new account."""
        self._connection.execute("INSERT INTO accounts VALUES (?, ?)", (str(address), name))

    def apply(self, outcome: Outcome, block: int) -> None:
        """Stores the outcome of a move on a job."""
        job = outcome.job
        self._connection.execute(_UPDATE_JOB, (*_job_row(job), job.id))
        bars = ((job.id, str(address)) for address in outcome.barred)
        self._connection.executemany("INSERT INTO bars VALUES (?, ?) ON CONFLICT DO NOTHING", bars)
        self.write(outcome.postings, outcome.events, block)

    def write(self, postings: Sequence[Posting], events: Iterable[Event], block: int) -> None:
        """Moves the money of one move and stores its events."""
        pots = {pot for posting in postings for pot in (posting.source, posting.target)}
        balances = {pot: self.balance(pot) for pot in pots}
        changes = dict.fromkeys((pot.kind for pot in pots), 0)
        post(balances, postings)
        for posting in postings:
            changes[posting.source.kind] -= posting.amount_fri
            changes[posting.target.kind] += posting.amount_fri
        totals = [(kind.value, str(self.total(kind) + change)) for kind, change in changes.items()]
        put_many = self._connection.executemany
        put_many("INSERT OR REPLACE INTO totals VALUES (?, ?)", totals)
        put_many(
            "INSERT OR REPLACE INTO balances VALUES (?, ?, ?)",
            ((pot.kind.value, str(pot.owner), str(fri)) for pot, fri in balances.items()),
        )
        insert = f"INSERT INTO postings VALUES (NULL, {_marks(7)})"  # noqa: S608 - our words
        put_many(insert, (_posting_row(posting, block) for posting in postings))
        insert = f"INSERT INTO events VALUES (NULL, {_marks(6)})"  # noqa: S608 - our words
        put_many(insert, (_event_row(event, block) for event in events))


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _job_row(job: Job) -> tuple[object, ...]:
    return (
        job.part,
        job.state.value,
        str(job.worker),
        job.claimed_at,
        job.lease_end,
        job.review_end,
        job.arbitration_end,
        job.submitted_block,
        job.disputed_block,
        job.result_cid,
    )


def _job(row: Sequence[Any]) -> Job:
    return Job(
        id=row[0],
        order=_order(row[11:]),
        part=row[1],
        state=JobState(row[2]),
        worker=Address(int(row[3])),
        claimed_at=row[4],
        lease_end=row[5],
        review_end=row[6],
        arbitration_end=row[7],
        submitted_block=row[8],
        disputed_block=row[9],
        result_cid=row[10],
    )


def _order_row(order: Order) -> tuple[object, ...]:
    terms = order.terms
    return (
        order.id,
        str(order.creator),
        order.asset_cid,
        order.first_job,
        order.jobs,
        order.created_at,
        str(terms.reward_fri),
        str(terms.bond_fri),
        terms.deadline,
        terms.lease_seconds,
        terms.review_seconds,
        terms.arbitration_seconds,
        str(terms.arbiter),
        str(terms.worker),
    )


def _order(row: Sequence[Any]) -> Order:
    terms = Terms(
        reward_fri=int(row[6]),
        bond_fri=int(row[7]),
        deadline=row[8],
        lease_seconds=row[9],
        review_seconds=row[10],
        arbitration_seconds=row[11],
        arbiter=Address(int(row[12])),
        worker=Address(int(row[13])),
    )
    return Order(
        id=row[0],
        creator=Address(int(row[1])),
        asset_cid=row[2],
        terms=terms,
        first_job=row[3],
        jobs=row[4],
        created_at=row[5],
    )


def _posting_row(posting: Posting, block: int) -> tuple[object, ...]:
    source, target = posting.source, posting.target
    return (
        block,
        source.kind.value,
        str(source.owner),
        target.kind.value,
        str(target.owner),
        str(posting.amount_fri),
        posting.reason.value,
    )


def _event_row(event: Event, block: int) -> tuple[object, ...]:
    return (
        block,
        event.kind.value,
        event.subject,
        str(event.party),
        str(event.amount_fri),
        event.note,
    )


def _event(row: Sequence[Any]) -> Event:
    return Event(
        kind=EventKind(row[0]),
        subject=row[1],
        party=Address(int(row[2])),
        amount_fri=int(row[3]),
        note=row[4],
    )
