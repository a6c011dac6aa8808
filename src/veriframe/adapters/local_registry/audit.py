"""The audit: recomputes every balance from the ledger's rows and compares it with the stored figures."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from veriframe.adapters.local_registry.tables import Tables
from veriframe.model.quantities import format_strk
from veriframe.model.registry.ledger import AMOUNT_MAX_FRI, ISSUED, Pot, PotKind, escrow, held_fri


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The result of an audit: how much was checked, and one sentence for each discrepancy."""

    postings: int
    jobs: int
    discrepancies: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether the audit found no discrepancy."""
        return not self.discrepancies


def examine(connection: sqlite3.Connection) -> Audit:
    """Audits a registry. Call it within one snapshot of its file."""
    tables, computed, crossed_fri, postings = Tables(connection), Counter[Pot](), 0, 0
    for source, target, amount_fri in _postings(connection):
        postings += 1
        computed[source] -= amount_fri
        computed[target] += amount_fri
        crossed_fri += amount_fri * (target.kind.is_inside - source.kind.is_inside)
    jobs = {job.id: held_fri(job) for job in tables.all_jobs()}
    findings = (
        *_balances(connection, computed),
        *_totals(tables, computed, crossed_fri),
        *_escrows(jobs, computed),
        *_blocks(connection),
    )
    return Audit(postings=postings, jobs=len(jobs), discrepancies=findings)


def _postings(connection: sqlite3.Connection) -> Iterator[tuple[Pot, Pot, int]]:
    columns = "source_kind, source_owner, target_kind, target_owner, amount_fri"
    for row in connection.execute(f"SELECT {columns} FROM postings"):  # noqa: S608 - our words
        yield Pot(PotKind(row[0]), int(row[1])), Pot(PotKind(row[2]), int(row[3])), int(row[4])


def _balances(connection: sqlite3.Connection, computed: Counter[Pot]) -> Iterator[str]:
    rows = connection.execute("SELECT kind, owner, amount_fri FROM balances")
    kept = Counter({Pot(PotKind(kind), int(owner)): int(amount_fri) for kind, owner, amount_fri in rows})
    for pot in computed.keys() | kept.keys():
        if computed[pot] != kept[pot]:
            yield f"{_name(pot)} is stored as {kept[pot]} fri, but its postings add up to {computed[pot]}."
        if computed[pot] < 0 and pot != ISSUED:
            yield f"{_name(pot)} is overdrawn: {computed[pot]} fri."


def _totals(tables: Tables, computed: Counter[Pot], crossed_fri: int) -> Iterator[str]:
    for kind in PotKind:
        total_fri = sum(amount_fri for pot, amount_fri in computed.items() if pot.kind is kind)
        if tables.total(kind) != total_fri:
            stored, sum_of_all = format_strk(tables.total(kind)), format_strk(total_fri)
            yield f"All {kind} is stored as {stored}, but its postings add up to {sum_of_all}."
    # I1: the registry holds all that was paid in and not paid out.
    held = format_strk(tables.token())
    if tables.token() != crossed_fri:
        yield f"{format_strk(crossed_fri)} were paid in and not out, but the registry holds {held}."
    if tables.token() > AMOUNT_MAX_FRI:
        yield f"The registry holds {held}, more than the largest amount it may hold."


def _escrows(jobs: dict[int, int], computed: Counter[Pot]) -> Iterator[str]:
    # I2, and more: in each state, escrow holds exactly the reward and the bonds.
    held = {pot.owner for pot in computed if pot.kind is PotKind.ESCROW}
    for job_id in held | jobs.keys():
        due_fri = jobs.get(job_id, 0)
        if computed[escrow(job_id)] != due_fri:
            found = format_strk(computed[escrow(job_id)])
            yield f"Job {job_id} holds {found}, but its state requires {format_strk(due_fri)}."


def _blocks(connection: sqlite3.Connection) -> Iterable[str]:
    select = """SELECT after.number FROM blocks before JOIN blocks after ON after.number = before.number + 1
        WHERE after.time < before.time"""
    for (number,) in connection.execute(select):
        yield f"Block {number} is older than the block before it."
    count, newest = connection.execute("SELECT count(*), coalesce(max(number), 0) FROM blocks").fetchone()
    if count != newest:
        yield f"There are {count} blocks, but the newest has the number {newest}."


def _name(pot: Pot) -> str:
    owner = f"job {pot.owner}" if pot.kind is PotKind.ESCROW else f"{pot.owner:#x}"
    return f"The {pot.kind} of {owner}" if pot.owner else f"The total of {pot.kind}"
