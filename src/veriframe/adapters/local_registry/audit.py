"""The audit: every balance reckoned anew from the rows of the ledger, and compared with all that is kept."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from veriframe.adapters.local_registry.tables import Tables
from veriframe.model.registry.ledger import AMOUNT_MAX_FRI, ISSUED, Pot, PotKind, escrow, held_fri


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What an audit found: how much was looked at, and one sentence for each discrepancy."""

    postings: int
    jobs: int
    discrepancies: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether the books agree."""
        return not self.discrepancies


def examine(connection: sqlite3.Connection) -> Audit:
    """Audit a registry; within one snapshot of its file."""
    tables, reckoned, crossed_fri, postings = Tables(connection), Counter[Pot](), 0, 0
    for source, target, amount_fri in _postings(connection):
        postings += 1
        reckoned[source] -= amount_fri
        reckoned[target] += amount_fri
        crossed_fri += amount_fri * (target.kind.is_inside - source.kind.is_inside)
    jobs = {job.id: held_fri(job) for job in tables.all_jobs()}
    findings = (
        *_balances(connection, reckoned),
        *_totals(tables, reckoned, crossed_fri),
        *_escrows(jobs, reckoned),
        *_blocks(connection),
    )
    return Audit(postings=postings, jobs=len(jobs), discrepancies=findings)


def _postings(connection: sqlite3.Connection) -> Iterator[tuple[Pot, Pot, int]]:
    columns = "source_kind, source_owner, target_kind, target_owner, amount_fri"
    for row in connection.execute(f"SELECT {columns} FROM postings"):  # noqa: S608 - our words
        yield Pot(PotKind(row[0]), int(row[1])), Pot(PotKind(row[2]), int(row[3])), int(row[4])


def _balances(connection: sqlite3.Connection, reckoned: Counter[Pot]) -> Iterator[str]:
    rows = connection.execute("SELECT kind, owner, amount_fri FROM balances")
    kept = Counter({Pot(PotKind(kind), int(owner)): int(amount_fri) for kind, owner, amount_fri in rows})
    for pot in reckoned.keys() | kept.keys():
        if reckoned[pot] != kept[pot]:
            yield f"{_name(pot)} is kept as {kept[pot]} fri, and its postings make {reckoned[pot]}."
        if reckoned[pot] < 0 and pot != ISSUED:
            yield f"{_name(pot)} is overdrawn: {reckoned[pot]} fri."


def _totals(tables: Tables, reckoned: Counter[Pot], crossed_fri: int) -> Iterator[str]:
    for kind in PotKind:
        total_fri = sum(amount_fri for pot, amount_fri in reckoned.items() if pot.kind is kind)
        if tables.total(kind) != total_fri:
            yield f"All {kind} is kept as {tables.total(kind)} fri, and its postings make {total_fri}."
    # I1: what came in and has not gone out is all there.
    if tables.token() != crossed_fri:
        yield f"{crossed_fri} fri were paid in and not out, and the registry holds {tables.token()}."
    if tables.token() > AMOUNT_MAX_FRI:
        yield f"The registry holds {tables.token()} fri, more than it can."


def _escrows(jobs: dict[int, int], reckoned: Counter[Pot]) -> Iterator[str]:
    # I2, and more: each state holds its reward and its bonds, no less and no more.
    held = {pot.owner for pot in reckoned if pot.kind is PotKind.ESCROW}
    for job_id in held | jobs.keys():
        due_fri = jobs.get(job_id, 0)
        if reckoned[escrow(job_id)] != due_fri:
            yield f"Job {job_id} holds {reckoned[escrow(job_id)]} fri, and by its state {due_fri}."


def _blocks(connection: sqlite3.Connection) -> Iterable[str]:
    select = """SELECT after.number FROM blocks before JOIN blocks after ON after.number = before.number + 1
        WHERE after.time < before.time"""
    for (number,) in connection.execute(select):
        yield f"Block {number} is older than the block before it."
    count, newest = connection.execute("SELECT count(*), coalesce(max(number), 0) FROM blocks").fetchone()
    if count != newest:
        yield f"There are {count} blocks, and the newest has the number {newest}."


def _name(pot: Pot) -> str:
    owner = f"job {pot.owner}" if pot.kind is PotKind.ESCROW else f"{pot.owner:#x}"
    return f"The {pot.kind} of {owner}" if pot.owner else f"What is {pot.kind}"
