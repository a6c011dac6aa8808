"""A stage for the arbiter's tests: disputes in a registry in memory, and a judge who is told what to say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.registry import FakeRegistry, Shared
from tests.fakes.store import FakeStore

from veriframe.arbiter.arbiter import Arbiter, ArbiterOptions
from veriframe.arbiter.decisions import Decisions
from veriframe.arbiter.judge import Judge, Judgement
from veriframe.arbiter.outcome import Outcome, OutcomeKind
from veriframe.model.registry.job import Address, Job, JobState, Terms, Verdict
from veriframe.ports.registry import read_job

CREATOR, WORKER, ARBITER = Address(0xA1), Address(0xB2), Address(0xC3)
REWARD, BOND, MONEY = 1000, 95, 10**6
REPORT = b'{"version": 1}'


class FakeJudge(Judge):
    """Says what the test set for a job, WORKER by default, and notes whom it judged by which block."""

    def __init__(self) -> None:
        self.says: dict[int, Judgement | BaseException] = {}
        self.judged: list[tuple[int, int]] = []
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        self.verdict: Verdict | None = Verdict.WORKER
        self.report = REPORT

    async def judge(self, job: Job, seed_block: int) -> Judgement:
        """Notes it and says what is set."""
        self.judged.append((job.id, seed_block))
        if self.meanwhile is not None:
            await self.meanwhile()
        said = self.says.get(job.id) or Judgement(verdict=self.verdict, reason="Seen.", report=self.report)
        if isinstance(said, BaseException):
            raise said
        return said


@dataclass
class Bench:
    """A registry with disputes, an arbiter's home, and what it told."""

    folder: Path
    shared: Shared = field(default_factory=Shared)
    store: FakeStore = field(default_factory=FakeStore)
    told: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.judge = FakeJudge()
        self.creator, self.worker, self.arbiter = (
            FakeRegistry(account, self.shared, wallet_fri=MONEY) for account in (CREATOR, WORKER, ARBITER)
        )

    async def disputed(
        self, arbitration_seconds: int = 900, arbiter: Address = ARBITER, bond_fri: int = BOND
    ) -> int:
        """The id of a new disputed job. The block after the dispute exists."""
        terms = Terms(
            reward_fri=REWARD,
            bond_fri=bond_fri,
            deadline=self.shared.now + 10_000,
            lease_seconds=600,
            review_seconds=300,
            arbitration_seconds=arbitration_seconds,
            arbiter=arbiter,
        )
        (job_id,) = await self.creator.create_order(self.store.keep(b"scene"), terms, 1)
        await self.worker.claim(job_id)
        await self.worker.submit_result(job_id, self.store.keep(f"result {job_id}".encode()))
        await self.creator.dispute_result(job_id, self.store.keep(b"evidence"))
        self.shared.block += 1
        self.shared.moves.clear()
        return job_id

    def build(self, registry: Any = None, store: Any = None, judge: Any = None, **options: Any) -> Arbiter:
        """An arbiter, as after a start of the program."""
        return Arbiter(
            registry=registry or self.arbiter,
            store=store or self.store,
            judge=judge or self.judge,
            decisions=Decisions(self.folder / "decisions"),
            options=ArbiterOptions(
                **{"poll_seconds": 0.01, "idle_seconds": 0.01, "dispute_seconds": 3600.0, **options}
            ),
            tell=self.told.append,
        )

    async def run_once(self, **options: Any) -> None:
        """A run of the program with `--once`."""
        await self.build(**options).run(once=True)

    @property
    def kinds(self) -> list[tuple[int, OutcomeKind]]:
        """What became of which job, as told."""
        return [(one.status.job.id, one.kind) for one in self.told]

    async def state(self, job_id: int) -> JobState:
        """The state of a job."""
        return (await read_job(self.creator, job_id)).state

    @property
    def verdicts(self) -> list[str]:
        """The moves that resolved disputes."""
        return [move for move in self.shared.moves if move.startswith("resolve_dispute")]
