"""What the verifier finds of a disputed result becomes a verdict or none; evidence says where to look."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from tests.unit.arbiter.bench import Bench

from veriframe.errors import StoreUnavailable
from veriframe.model.registry.job import Job, Verdict
from veriframe.model.rendering.frames import Region
from veriframe.model.verification.findings import (
    Conclusion,
    FrameFinding,
    JobFinding,
    Request,
    Subject,
    TileFinding,
)
from veriframe.model.verification.report import parse_report, write_report
from veriframe.ports.registry import read_job
from veriframe.wiring.judges import VerifierJudge, judgement_of


def finding(conclusion: Conclusion, job_id: int = 1, frame: int = 3, tile: int = 5) -> JobFinding:
    """A finding with one tile."""
    seen = TileFinding(
        tile=tile,
        region=Region(left=0, top=0, width=64, height=64),
        subject=Subject.NOISY,
        conclusion=conclusion,
        reason="it differs" if conclusion is Conclusion.WRONG else "",
    )
    return JobFinding(
        job=job_id,
        order=1,
        asset_cid="bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4",
        result_cid="bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4",
        seed_block=9,
        seed="00" * 32,
        blender="4.5.15",
        build_hash="abc",
        machine_class="",
        frames=(FrameFinding(number=frame, tiles=(seen,)),),
        frames_of_job=4,
        tiles_of_frame=6,
    )


class FakeVerifier:
    """Notes what it is asked, and finds what is set."""

    def __init__(self) -> None:
        self.found = finding(Conclusion.EXACT)
        self.lacks_asset = False
        self.asked: list[tuple[int, Request, int | None]] = []

    async def verify(self, job: Job, request: Request, after_block: int | None = None) -> Any:
        """The set finding."""
        self.asked.append((job.id, request, after_block))
        return SimpleNamespace(finding=self.found, lacks_asset=self.lacks_asset)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A registry without disputes yet."""
    return Bench(tmp_path)


def judge(bench: Bench, verifier: FakeVerifier) -> VerifierJudge:
    """The judge of the bench's registry and store."""
    return VerifierJudge(verifier=verifier, registry=bench.arbiter, store=bench.store)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("conclusion", "verdict"),
    [
        (Conclusion.EXACT, Verdict.WORKER),
        (Conclusion.EQUAL, Verdict.WORKER),
        (Conclusion.WRONG, Verdict.CREATOR),
        (Conclusion.WITHHELD, Verdict.CREATOR),
        (Conclusion.UNDECIDED, None),
    ],
)
def test_a_conclusion_is_a_verdict(conclusion: Conclusion, verdict: Verdict | None) -> None:
    """With its reason as sentences, and the report that anyone can read."""
    found = finding(conclusion)
    judged = judgement_of(found)
    assert judged.verdict is verdict
    assert parse_report(judged.report) == (found,)
    assert judged.reason.endswith(".")
    assert ("Frame 3, tile 5, at pixel 0, 0: it differs." in judged.reason) is (
        conclusion is Conclusion.WRONG
    )


def test_a_result_of_which_nothing_was_checked_is_not_right() -> None:
    """The best conclusion of no tiles at all proves nothing: no verdict for the worker."""
    assert judgement_of(replace(finding(Conclusion.EXACT), frames=())).verdict is None


async def dispute(bench: Bench, evidence: bytes) -> Job:
    """A disputed job with this evidence."""
    job = await read_job(bench.creator, await bench.disputed())
    at = next(n for n, event in enumerate(bench.shared.events) if event.kind == "ResultDisputed")
    bench.shared.events[at] = replace(bench.shared.events[at], note=bench.store.keep(evidence))
    return job


async def test_the_tiles_that_the_creator_calls_wrong_are_checked(bench: Bench) -> None:
    """Beside those that the block after the dispute draws."""
    evidence = write_report([finding(Conclusion.WRONG), finding(Conclusion.WRONG, job_id=2, tile=1)])
    job, verifier = await dispute(bench, evidence), FakeVerifier()
    judged = await judge(bench, verifier).judge(job, job.disputed_block + 1)
    assert judged.verdict is Verdict.WORKER
    assert verifier.asked == [(job.id, Request(tiles=16, suspects={3: (5,)}), job.disputed_block)]


@pytest.mark.parametrize("evidence", [b"", b"It looks bad to me.", b"\xff\x00", b"[" * 10_000])
async def test_other_evidence_is_no_reason(bench: Bench, evidence: bytes) -> None:
    """A letter, garbage: only what is drawn is checked, and the log says so."""
    job, verifier = await dispute(bench, evidence), FakeVerifier()
    with structlog.testing.capture_logs() as lines:
        await judge(bench, verifier).judge(job, job.disputed_block + 1)
    assert verifier.asked[0][1] == Request(tiles=16)
    assert [line["event"] for line in lines] == ["evidence_not_used"]


@pytest.mark.parametrize("is_slow", [True, False])
async def test_evidence_that_nobody_provides_is_left_at_half(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, is_slow: bool
) -> None:
    """fault_352: it may name what the draw misses, but must not keep the result from being judged.

    A store of our own that is away is another matter.
    """
    job, verifier = await dispute(bench, b"evidence"), FakeVerifier()
    bench.store.files.clear()

    async def stall(*_place: object) -> bytes:
        raise StoreUnavailable("The provider does not answer.")

    with monkeypatch.context() as patch:
        if is_slow:
            patch.setattr(bench.store, "read", stall)
        with pytest.raises(StoreUnavailable, match="half of the arbitration"):
            await judge(bench, verifier).judge(job, job.disputed_block + 1)
        assert not verifier.asked
        bench.shared.now = job.arbitration_end - job.terms.arbitration_seconds // 2
        await judge(bench, verifier).judge(job, job.disputed_block + 1)
    assert verifier.asked[0][1] == Request(tiles=16)
    bench.store.fault = StoreUnavailable("The store is away.")
    with pytest.raises(StoreUnavailable, match="The store is away"):
        await judge(bench, verifier).judge(job, job.disputed_block + 1)


async def test_a_worker_may_be_away_for_half_of_the_arbitration(bench: Bench) -> None:
    """fault_292: an honest worker's node was kept offline for minutes; then its bond was lost."""
    job, verifier = await dispute(bench, b"evidence"), FakeVerifier()
    verifier.found = finding(Conclusion.WITHHELD)
    with pytest.raises(StoreUnavailable, match="half of the arbitration"):
        await judge(bench, verifier).judge(job, job.disputed_block + 1)
    bench.shared.now = job.arbitration_end - job.terms.arbitration_seconds // 2
    judged = await judge(bench, verifier).judge(job, job.disputed_block + 1)
    assert judged.verdict is Verdict.CREATOR


async def test_a_scene_that_nobody_provides_is_asked_for_again(bench: Bench) -> None:
    """fault_353: the creator's node was away for a minute; then the dispute was left undecided for good."""
    job, verifier = await dispute(bench, write_report([finding(Conclusion.WRONG)])), FakeVerifier()
    verifier.found, verifier.lacks_asset = finding(Conclusion.UNDECIDED), True
    with pytest.raises(StoreUnavailable, match="half of the arbitration"):
        await judge(bench, verifier).judge(job, job.disputed_block + 1)
    bench.shared.now = job.arbitration_end - job.terms.arbitration_seconds // 2
    assert (await judge(bench, verifier).judge(job, job.disputed_block + 1)).verdict is None
