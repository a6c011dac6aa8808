"""The embedded registry as one account reads it: blocks, jobs and money in one SQLite file.

SQLite waits for disks and for other processes, so every query runs in the file's own thread.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from veriframe.adapters.local_registry import audit, schema
from veriframe.adapters.local_registry.tables import Tables
from veriframe.errors import RegistryUnavailable
from veriframe.model.registry import ledger
from veriframe.model.registry.escrow import shares
from veriframe.model.registry.history import JobHistory
from veriframe.model.registry.job import Address, Head, Job
from veriframe.model.registry.ledger import BURNED, ISSUED, Posting, PotKind, Reason
from veriframe.ports.registry import Funds, JobReader, Snapshot, Totals
from veriframe.sqlite_file import SqliteExecutor, open_file, transaction

T = TypeVar("T")

WALLET_FRI = 1000 * 10**18
"""The play money that a new account finds in its wallet: 1000 STRK."""
JOBS_AT_ONCE = 200
"""The contract's own limit, so that both registries are used in the same way."""


def local_address(name: str) -> Address:
    """The address of the account of this name: the first 251 bits of its SHA-256, but never `NOBODY`."""
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).digest()
    return Address(int.from_bytes(digest, "big") >> 5 or 1)


class LocalReader(JobReader):
    """The registry in the file `path`, as the account of this name sees it. The first call opens the file.

    Beyond what the ports say, every method raises `SettingsError` if the file is foreign or damaged.
    """

    def __init__(
        self,
        path: Path,
        account: str,
        *,
        clock: Callable[[], float] = time.time,
        registers: bool = True,
        on_new_account: Callable[[str], None] = lambda name: None,
    ) -> None:
        """`registers`: an account that is new to the file is registered, and `on_new_account` hears of it.

        It is called in the file's own thread.
        """
        self._path = path
        self._registers, self._on_new_account = registers, on_new_account
        self._name = account
        self._account = local_address(account)
        self._clock = clock
        self._thread = SqliteExecutor()
        self._connection: sqlite3.Connection | None = None
        self._event: int | None = None
        self._identity: str | None = None

    @property
    def account(self) -> Address:
        """The account that makes the moves."""
        return self._account

    def close(self) -> None:
        """Closes the file. Afterwards every method raises `RegistryUnavailable`."""
        self._thread.close(self._close)

    @property
    def jobs_at_once(self) -> int:
        """The most jobs in one snapshot, as the contract limits them."""
        return JOBS_AT_ONCE

    async def identity(self) -> str:
        """The registry's identity, from the random number that was drawn when the file was created."""
        if self._identity is None:
            number = await self._run(lambda connection: Tables(connection).identity())
            self._identity = f"local-{number}"
        return self._identity

    async def snapshot(self, first: int, count: int) -> Snapshot:
        """The block, the counter and the jobs, all at one moment."""
        last = first + min(count, JOBS_AT_ONCE) - 1

        def read(connection: sqlite3.Connection) -> Snapshot:
            tables = Tables(connection)
            head = self._newest(connection)
            with schema.snapshot(connection):
                return Snapshot(head=head, job_counter=tables.job_counter(), jobs=tables.jobs(first, last))

        return await self._run(read)

    async def changed(self) -> Collection[int]:
        """The jobs in the events that were written since the last call; none at the first."""

        def read(connection: sqlite3.Connection) -> Collection[int]:
            self._event, ids = Tables(connection).changed_since(self._event)
            return ids

        return await self._run(read)

    async def history(self, job: Job) -> JobHistory:
        """All events of the job."""
        return JobHistory(events=tuple(await self._read(lambda tables: tables.history(job.id))))

    async def block_hash(self, number: int) -> int | None:
        """The hash of a block. Adds a block first if the newest is a second old, as a snapshot does."""

        def read(connection: sqlite3.Connection) -> int | None:
            tables = Tables(connection)
            if number > tables.head().number:
                self._newest(connection)
            return tables.block_hash(number)

        return await self._run(read)

    def _newest(self, connection: sqlite3.Connection) -> Head:
        """The newest block. If it is a second old, an empty block is added, so that time advances."""
        tables = Tables(connection)
        if not self._is_due(tables):
            return tables.head()
        with transaction(connection):
            # Check again: another process may have been faster.
            return tables.mine(self._clock()) if self._is_due(tables) else tables.head()

    async def funds(self, account: Address) -> Funds:
        """The money that an account holds."""
        return await self._read(lambda tables: _funds(tables, account))

    async def accounts(self) -> Sequence[tuple[str, Funds]]:
        """All accounts of the file by name, with their money."""
        return await self._read(
            lambda tables: [(name, _funds(tables, address)) for name, address in tables.accounts()]
        )

    async def in_escrow(self) -> Mapping[str, int]:
        """What is in the escrow of jobs of each account, in fri, by its name."""

        def read(tables: Tables) -> Mapping[str, int]:
            held = shares(tables.all_jobs())
            return {name: held.get(address, 0) for name, address in tables.accounts()}

        return await self._read(read)

    async def totals(self) -> Totals:
        """The money that the registry holds."""
        return await self._read(
            lambda tables: Totals(
                token_fri=tables.token(),
                escrow_fri=tables.total(PotKind.ESCROW),
                credit_fri=tables.total(PotKind.CREDIT),
                burned_fri=tables.balance(BURNED),
            )
        )

    async def audit(self) -> audit.Audit:
        """Recomputes all balances from the ledger's rows (I1, I2) and lists what disagrees."""

        def examine(connection: sqlite3.Connection) -> audit.Audit:
            with schema.snapshot(connection):
                return audit.examine(connection)

        return await self._run(examine)

    async def _read(self, work: Callable[[Tables], T]) -> T:
        """Reads at one moment."""

        def read(connection: sqlite3.Connection) -> T:
            with schema.snapshot(connection):
                return work(Tables(connection))

        return await self._run(read)

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._thread.is_closed:
            raise RegistryUnavailable(f"The registry {self._path} was closed. Open it again.")
        return await self._thread.run(lambda: self._work(work))

    def _close(self) -> None:
        with schema.translated(self._path):
            if self._connection is not None:
                self._connection.close()

    def _work(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with schema.translated(self._path):
            if self._connection is None:
                connection = open_file(self._path, schema.KIND)
                try:
                    if self._registers:
                        self._register_account(connection)
                except BaseException:
                    connection.close()
                    raise
                self._connection = connection
            return work(self._connection)

    def _register_account(self, connection: sqlite3.Connection) -> None:
        """Registers an account that is new to this file and grants its play money."""
        tables = Tables(connection)
        if tables.knows(self._account):
            return
        with transaction(connection):
            if tables.knows(self._account):
                return
            tables.add_account(self._account, self._name)
            grant = Posting(ISSUED, ledger.wallet(self._account), WALLET_FRI, Reason.GRANT)
            tables.write((grant,), (), tables.mine(self._clock()).number)
        self._on_new_account(self._name)

    def _is_due(self, tables: Tables) -> bool:
        return self._clock() + tables.clock_offset() - tables.head().time >= 1


def _funds(tables: Tables, account: Address) -> Funds:
    wallet_fri, credit_fri = tables.balance(ledger.wallet(account)), tables.balance(ledger.credit(account))
    return Funds(wallet_fri=wallet_fri, credit_fri=credit_fri)
