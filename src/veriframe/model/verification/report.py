"""`verification.json`: a report of what was found. It is public, and read as hostile: others wrote it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field, Strict, ValidationError

from veriframe.errors import Code, ValidationFailed
from veriframe.model.others_json import first_fault, read_json
from veriframe.model.rendering.frames import LAST_FRAME, MAX_FRAMES, Region
from veriframe.model.text import printable
from veriframe.model.verification.findings import (
    Conclusion,
    FrameFinding,
    JobFinding,
    Subject,
    TileFinding,
)
from veriframe.model.verification.places import without_places
from veriframe.model.verification.rule import Differences
from veriframe.model.verification.words import MEANING

MOST_BYTES = 16 * 2**20
"""The longest report."""

MOST_SUSPECTS = 16
"""As many tiles and frames of a report are looked at before the drawn ones."""

_TEXT, _REASON, _CID, _NOTES, _JOBS, _TILES = 300, 1000, 128, 16, 1000, 2**16


def write_report(findings: Sequence[JobFinding]) -> bytes:
    """The content of `verification.json`: the same bytes for equal findings, and no paths, hosts or users.

    Raises `ValidationFailed` (BAD_REPORT) if it would be longer than a report may be.
    """
    told = {"veriframe": 1, "kind": "verification", "jobs": [_told(finding) for finding in findings]}
    content = json.dumps(told, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"
    if len(content) > MOST_BYTES or len(findings) > _JOBS:
        raise ValidationFailed(
            Code.BAD_REPORT,
            f"A report of so many tiles would be longer than {MOST_BYTES} bytes or {_JOBS} jobs. "
            "Verify fewer jobs or frames at once.",
        )
    return content


def parse_report(content: bytes) -> tuple[JobFinding, ...]:
    """Parse `verification.json`.

    Raises `ValidationFailed` (BAD_REPORT): it is not one, or its conclusions do not follow from its tiles.
    """
    if len(content) > MOST_BYTES:
        raise _bad(f"it is longer than {MOST_BYTES} bytes")
    try:
        found = _Report.model_validate(read_json(content))
    except ValidationError as error:
        raise _bad(printable(first_fault(error), _TEXT)) from None
    except (ValueError, RecursionError) as error:
        raise _bad(f"it is not JSON: {printable(str(error), _TEXT)}") from None
    findings = tuple(job.value() for job in found.jobs)
    if len({finding.job for finding in findings}) != len(findings):
        raise _bad("a job is named twice")
    for told, finding in zip(found.jobs, findings, strict=True):
        if len({frame.number for frame in finding.frames}) != len(finding.frames):
            raise _bad(f"a frame of job {finding.job} is named twice")
        frames = zip(told.frames, finding.frames, strict=True)
        if told.conclusion is not finding.conclusion or any(
            one.conclusion is not frame.conclusion for one, frame in frames
        ):
            raise _bad(f"a conclusion of job {finding.job} does not follow from what it found")
    return findings


def suspects_of(findings: Sequence[JobFinding], job_id: int) -> dict[int, tuple[int, ...]]:
    """The tiles of a job that a report calls WRONG, by frame: what an arbiter must look at.

    A frame that is called WRONG without a tile is named with none, so that it is looked at as well. Tiles and
    such frames are at most `MOST_SUSPECTS` in all. Whether the picture has these tiles is not known here.
    """
    suspects = dict[int, tuple[int, ...]]()
    left = MOST_SUSPECTS
    wrong = (
        frame
        for finding in findings
        if finding.job == job_id
        for frame in finding.frames
        if frame.conclusion is Conclusion.WRONG and frame.number >= 0
    )
    for frame in wrong:
        if left <= 0:
            break
        bad = (tile.tile for tile in frame.tiles if tile.conclusion is Conclusion.WRONG and not tile.is_whole)
        tiles = tuple(dict.fromkeys(bad))[:left]
        left -= max(1, len(tiles))
        suspects[frame.number] = tiles
    return suspects


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of `verification.json`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_Report.model_json_schema()}


def public(finding: JobFinding) -> JobFinding:
    """The finding as a report tells it: texts of bounded lengths, without paths, hosts, users."""
    return replace(
        finding,
        asset_cid=public_cid(finding.asset_cid),
        result_cid=public_cid(finding.result_cid),
        blender=printable(finding.blender, _TEXT),
        build_hash=printable(finding.build_hash, _TEXT),
        machine_class=printable(finding.machine_class, _TEXT),
        worker_class=printable(finding.worker_class, _TEXT),
        reason=without_places(finding.reason, _REASON),
        notes=tuple(without_places(note, _REASON) for note in finding.notes[:_NOTES]),
        frames=tuple(
            replace(
                frame,
                reason=without_places(frame.reason, _REASON),
                tiles=tuple(
                    replace(tile, reason=without_places(tile.reason, _REASON)) for tile in frame.tiles
                ),
            )
            for frame in finding.frames
        ),
    )


def public_cid(cid: str) -> str:
    """A CID as a report tells it: what was submitted as one may be any text."""
    return printable(cid, _CID)


def _told(finding: JobFinding) -> dict[str, Any]:
    clean = public(finding)
    why = f" {clean.why}" if clean.why else ""
    return {
        **asdict(clean),
        "conclusion": clean.conclusion,
        "sentence": MEANING[clean.conclusion] + why,
        "frames": [
            {
                **asdict(frame),
                "conclusion": frame.conclusion,
                # Most tiles are exact: what is not there need not be read.
                "tiles": [
                    {key: value for key, value in asdict(tile).items() if value not in (None, "")}
                    for tile in frame.tiles
                ],
            }
            for frame in clean.frames
        ],
    }


def _bad(why: str) -> ValidationFailed:
    return ValidationFailed(
        Code.BAD_REPORT,
        f"The report cannot be used: {why}. Verify the result again, or ask for another report.",
    )


def _plain(text: str) -> str:
    if printable(text, len(text)) != text:
        raise ValueError("it has hidden characters")
    return text


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


_FROM_JSON = (Strict(False), FailFast())
"""A list of JSON is taken as a tuple; one fault is enough, of millions that a hostile list may have."""
_Subject = Annotated[Subject, Strict(False)]
_Conclusion = Annotated[Conclusion, Strict(False)]
_Text = Annotated[str, Field(max_length=_TEXT), AfterValidator(_plain)]
_Reason = Annotated[str, Field(max_length=_REASON), AfterValidator(_plain)]
_Cid = Annotated[str, Field(max_length=_CID), AfterValidator(_plain)]
_Count = Annotated[int, Field(ge=0, lt=2**64)]
_Offset = Annotated[int, Field(ge=0, le=65_536)]
_Pixels = Annotated[int, Field(ge=1, le=65_536)]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Quantile = Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)]


class _Region(_Strict):
    left: _Offset
    top: _Offset
    width: _Pixels
    height: _Pixels


class _Differences(_Strict):
    quantiles: Annotated[tuple[_Quantile, _Quantile, _Quantile], *_FROM_JSON]
    outliers: _Share
    gross: Annotated[tuple[_Share, _Share], *_FROM_JSON]
    pixels: Annotated[int, Field(ge=1, lt=2**40)]
    grain: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] = 1.0
    brightness: Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)] = 1.0
    brightness_error: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] = 0.0

    def value(self) -> Differences:
        return Differences(
            self.quantiles,
            self.outliers,
            self.gross,
            self.pixels,
            self.grain,
            self.brightness,
            self.brightness_error,
        )


class _Tile(_Strict):
    tile: Annotated[int, Field(ge=-1, lt=2**20)]
    region: _Region
    subject: _Subject
    conclusion: _Conclusion
    reason: _Reason = ""
    worker: _Differences | None = None
    honest: _Differences | None = None
    early: _Differences | None = None

    def value(self) -> TileFinding:
        return TileFinding(
            tile=self.tile,
            region=Region(**self.region.model_dump()),
            subject=self.subject,
            conclusion=self.conclusion,
            reason=self.reason,
            worker=self.worker.value() if self.worker else None,
            honest=self.honest.value() if self.honest else None,
            early=self.early.value() if self.early else None,
        )


class _Frame(_Strict):
    number: Annotated[int, Field(ge=0, le=LAST_FRAME)]
    conclusion: _Conclusion
    conclusion_of_its_own: _Conclusion
    reason: _Reason
    is_whole: bool
    tiles: Annotated[tuple[_Tile, ...], Field(max_length=_TILES), *_FROM_JSON]

    def value(self) -> FrameFinding:
        return FrameFinding(
            number=self.number,
            conclusion_of_its_own=self.conclusion_of_its_own,
            reason=self.reason,
            is_whole=self.is_whole,
            tiles=tuple(tile.value() for tile in self.tiles),
        )


class _Job(_Strict):
    job: _Count
    order: _Count
    asset_cid: _Cid
    result_cid: _Cid
    seed_block: _Count
    seed: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    blender: _Text
    build_hash: _Text
    machine_class: _Text
    worker_class: _Text
    conclusion: _Conclusion
    sentence: Annotated[str, Field(max_length=2 * _REASON), AfterValidator(_plain)]
    conclusion_of_its_own: _Conclusion
    reason: _Reason
    notes: Annotated[tuple[_Reason, ...], Field(max_length=_NOTES), *_FROM_JSON]
    frames: Annotated[tuple[_Frame, ...], Field(max_length=MAX_FRAMES), *_FROM_JSON]
    seconds: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
    fetched_bytes: _Count
    tiles_of_frame: Annotated[int, Field(ge=0, le=2**20)]
    frames_of_job: Annotated[int, Field(ge=0, le=MAX_FRAMES)]
    are_named: bool = False

    def value(self) -> JobFinding:
        return JobFinding(
            **{
                **self.model_dump(exclude={"conclusion", "sentence", "frames"}),
                "frames": tuple(frame.value() for frame in self.frames),
            }
        )


class _Report(_Strict):
    """What was found of the results of jobs."""

    model_config = ConfigDict(title="VeriFrame verification report")

    veriframe: Literal[1]
    kind: Literal["verification"]
    jobs: Annotated[tuple[_Job, ...], Field(max_length=_JOBS), *_FROM_JSON]
