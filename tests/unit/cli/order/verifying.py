"""A verifier for the tests of `order watch --verify`: it says of each job what the test wants."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

import pytest

from veriframe.cli.order import reviewing
from veriframe.model.registry.job import Job
from veriframe.model.rendering.frames import Region
from veriframe.model.verification.findings import (
    Conclusion,
    FrameFinding,
    JobFinding,
    Request,
    Subject,
    TileFinding,
)
from veriframe.verifier.verifier import Verified

WHY = "Frame 1, tile 3: its pixels differ by more than an early stop."
TILE = TileFinding(
    tile=0,
    region=Region(left=0, top=0, width=64, height=64),
    subject=Subject.NOISY,
    conclusion=Conclusion.EXACT,
)


@dataclass
class FakeVerifier:
    """Says a conclusion of each job, EXACT unless told otherwise. `act` happens first."""

    of: dict[int, Conclusion] = field(default_factory=dict)
    asked: list[tuple[int, Request]] = field(default_factory=list)
    act: Callable[[Job], Awaitable[object]] | None = None
    opened: int = 0
    checks: bool = True
    """Whether it checks any tile."""

    def build(self, *_parts: Any) -> Self:
        """In place of `build_verifier`."""
        return self

    async def __aenter__(self) -> Self:
        self.opened += 1
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.opened -= 1

    async def verify(self, job: Job, request: Request, late: Callable[[], float] = lambda: 600.0) -> Verified:
        """The conclusion, and the reason unless it is right. It waits as long as it may."""
        assert self.opened == 1
        self.asked.append((job.id, request))
        if self.act is not None:
            await self.act(job)
        conclusion = self.of.get(job.id, Conclusion.EXACT)
        finding = JobFinding(
            job=job.id,
            order=job.order.id,
            asset_cid=job.order.asset_cid,
            result_cid=job.result_cid,
            seed_block=job.submitted_block + 1,
            seed="00" * 32,
            blender="4.5.15",
            build_hash="0123456789ab",
            machine_class="",
            are_named=bool(request.frames),
            conclusion_of_its_own=conclusion,
            reason="" if conclusion is Conclusion.EXACT else WHY,
            frames=(FrameFinding(number=1, tiles=(TILE,)),) if self.checks else (),
        )
        return Verified(finding=finding, late_seconds=late())


@pytest.fixture
def verifier(monkeypatch: pytest.MonkeyPatch) -> FakeVerifier:
    """The verifier of the shell's commands."""
    fake = FakeVerifier()
    monkeypatch.setattr(reviewing, "build_verifier", fake.build)
    return fake
