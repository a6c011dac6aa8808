"""The arbiter's judge: a verifier, which renders what is drawn and what the dispute's evidence names."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from veriframe.arbiter.judge import Judge, Judgement
from veriframe.errors import Code, JobRejected, StoreUnavailable, ValidationFailed, VeriFrameError
from veriframe.model.registry.job import Job, Verdict
from veriframe.model.registry.ledger import EventKind
from veriframe.model.verification.findings import Conclusion, JobFinding, Request
from veriframe.model.verification.report import MOST_BYTES, parse_report, suspects_of, write_report
from veriframe.model.verification.words import MEANING
from veriframe.ports.registry import JobReader
from veriframe.ports.store import MOST_READ_BYTES, ContentStore
from veriframe.verifier.verifier import Verifier

log = structlog.get_logger()

TILES = 16
"""Tiles of each drawn frame: more than a creator draws, by another block."""

VERDICTS = {
    Conclusion.EXACT: Verdict.WORKER,
    Conclusion.EQUAL: Verdict.WORKER,
    Conclusion.WRONG: Verdict.CREATOR,
    Conclusion.WITHHELD: Verdict.CREATOR,
}
"""What a conclusion means for a dispute. What is UNDECIDED is left to a person, and so is NEITHER: that the
bundle itself is at fault for everyone cannot be known from one machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierJudge(Judge):
    """Judges by the verifier, whose registry and store are these."""

    verifier: Verifier
    registry: JobReader
    store: ContentStore

    async def judge(self, job: Job, seed_block: int) -> Judgement:
        """Verify the result by what the block draws, and by what the creator's report calls wrong."""
        request = Request(tiles=TILES, suspects=await self._suspects(job))
        verified = await self.verifier.verify(job, request, after_block=seed_block - 1)
        if verified.lacks_asset or verified.finding.conclusion is Conclusion.WITHHELD:
            await self._wait_for_others(job, verified.finding.why)
        return judgement_of(verified.finding)

    async def _wait_for_others(self, job: Job, why: str) -> None:
        """Raise `StoreUnavailable` in the first half of the arbitration: a node may be away for hours."""
        now = (await self.registry.snapshot(job.id, 1)).head.time
        if now < job.arbitration_end - job.terms.arbitration_seconds / 2:
            raise StoreUnavailable(
                f"Job {job.id}: {why.rstrip('.')}. It is asked for again until half of the arbitration is"
                " over."
            )

    async def _suspects(self, job: Job) -> dict[int, tuple[int, ...]]:
        """The tiles that the creator's report calls wrong: none, if the evidence is no such report.

        It only says where to look: what is found there is rendered here.
        """
        events = (await self.registry.history(job)).events
        cids = [event.cid for event in events if event.kind is EventKind.RESULT_DISPUTED]
        if not cids or cids[-1] == job.result_cid:
            return {}
        try:
            return suspects_of(parse_report(await self._read(cids[-1])), job.id)
        except StoreUnavailable as error:
            # If our own store answers, the evidence's provider does not.
            await self.store.ready()
            reason: VeriFrameError = error
            await self._wait_for_others(job, f"its evidence cannot be fetched: {error}")
        except JobRejected as error:
            reason = error
            if error.code is Code.NOT_FOUND:
                await self._wait_for_others(job, f"nobody provides its evidence: {error}")
        except ValidationFailed as error:
            reason = error
        log.info("evidence_not_used", job_id=job.id, reason=str(reason))
        return {}

    async def _read(self, cid: str) -> bytes:
        content = b""
        while len(content) <= MOST_BYTES:
            piece = await self.store.read(cid, "", len(content), MOST_READ_BYTES)
            content += piece
            if len(piece) < MOST_READ_BYTES:
                break
        return content


def judgement_of(finding: JobFinding) -> Judgement:
    """What a finding means for the dispute."""
    reason = " ".join(filter(None, (MEANING[finding.conclusion], _sentence(finding.why))))
    return Judgement(verdict=VERDICTS.get(finding.conclusion), reason=reason, report=write_report([finding]))


def _sentence(words: str) -> str:
    """A reason as a sentence: findings begin with a small letter and have no full stop."""
    return f"{words[:1].upper()}{words[1:].rstrip('.')}." if words else ""
