"""The demo's verifications: the honest picture is proved, and the cheat is convicted."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from veriframe.creator.creator import Creator
from veriframe.demo.side_by_side import write_side_by_side
from veriframe.demo.values import Audience, Conviction
from veriframe.errors import HostUnavailable
from veriframe.model.registry.job import Job, Verdict
from veriframe.model.verification.findings import Conclusion, JobFinding, Request
from veriframe.model.verification.report import suspects_of, write_report
from veriframe.verifier.page import section_of, write_page
from veriframe.verifier.verifier import Verifier

PAGE, HEAT_MAP, REPORT = "cheat.html", "cheat-heat-map.png", "verification.json"
ARBITER_TILES = 2
"""Besides those that the report names."""


@dataclass(frozen=True, slots=True)
class Proving:
    """Verifies as the creator and as the arbiter, by one open verifier. Reports go to `folder`."""

    creator: Creator
    arbiter: Creator
    verifier: Verifier
    folder: Path
    audience: Audience

    async def prove(self, job: Job) -> JobFinding:
        """Prove the honest result. Raises `HostUnavailable` if it is wrong."""
        self.audience.begin("Rendering drawn tiles of the picture again")
        finding = (await self.verifier.verify(job, Request())).finding
        self.audience.verified(finding)
        if finding.conclusion is Conclusion.WRONG:
            raise HostUnavailable(f"The demo's own picture is {finding.conclusion}: {finding.why}")
        return finding

    async def convict(self, job: Job) -> Conviction:
        """Catch the cheat, dispute its result, and have the arbiter decide.

        Raises `HostUnavailable` if it is not caught.
        """
        self.audience.begin("Rendering drawn tiles of the second picture again")
        verified = await self.verifier.verify(job, Request())
        finding = verified.finding
        self.audience.verified(finding)
        is_caught = finding.conclusion is Conclusion.WRONG
        if not (is_caught and verified.pictures and verified.size):
            raise HostUnavailable(f"The demo's cheat was not caught: it is {finding.conclusion}.")
        report, page, picture = (self.folder / name for name in (REPORT, PAGE, HEAT_MAP))
        await asyncio.to_thread(report.write_bytes, write_report([finding]))
        section = await asyncio.to_thread(section_of, verified)
        await asyncio.to_thread(page.write_text, write_page([section]), "utf-8")
        shown = max(verified.pictures, key=lambda one: one.ours.size)
        frame = verified.overviews[shown.frame]
        await asyncio.to_thread(write_side_by_side, shown, frame, verified.size, picture)
        disputed = (await self.creator.dispute(job.id, report)).job
        self.audience.say("creator disputes the result before the arbiter, with the report as evidence")
        self.audience.begin("The arbiter renders other tiles again")
        request = Request(tiles=ARBITER_TILES, suspects=suspects_of([finding], job.id))
        judged = (await self.verifier.verify(disputed, request, disputed.disputed_block)).finding
        self.audience.verified(judged)
        verdict = Verdict.CREATOR if judged.conclusion is Conclusion.WRONG else Verdict.WORKER
        ended = (await self.arbiter.resolve(job.id, verdict, report)).job
        self.audience.say(f"arbiter decides for the {verdict.lower()}")
        return Conviction(job=ended, finding=finding, page=page, picture=picture)
