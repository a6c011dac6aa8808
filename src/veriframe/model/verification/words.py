"""What a verification found, in words for people: each conclusion, a whole job, and the odds of a cheat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from veriframe.model.verification.draw import odds
from veriframe.model.verification.findings import AT_FAULT, WHOLE, Conclusion, FrameFinding, JobFinding, worst

MEANING = {
    Conclusion.EXACT: "Every drawn tile has the same bits here.",
    Conclusion.EQUAL: "Drawn tiles differ, but by no more than honest processors do.",
    Conclusion.UNDECIDED: "It cannot be decided here whether the result is what was ordered.",
    Conclusion.WITHHELD: "What proves the result cannot be fetched in the time that a result is given.",
    Conclusion.WRONG: "The result is not what was ordered.",
}
"""One sentence for each conclusion."""

SHARES = (0.01, 0.1, 0.5)
"""Of a job's tiles: cheats whose odds are told."""

_SETTLED = {Conclusion.EXACT, Conclusion.EQUAL, Conclusion.WRONG}

_VERDICTS = {
    Conclusion.EXACT: "{the} {is_} the same here in every part that was checked.",
    Conclusion.EQUAL: "{the} differ{s} in parts that were checked, but by no more than honest processors do.",
    Conclusion.UNDECIDED: "it cannot be decided here whether {the} {is_} what was ordered.",
    Conclusion.WITHHELD: "what proves {the} cannot be fetched in the time that it is given.",
    Conclusion.WRONG: "{the} {is_} not what was ordered.",
}
_MOST_JOBS = 8


@dataclass(frozen=True, slots=True)
class Odds:
    """How likely the tiles that were checked show a cheat on a share of all tiles, all numbers 0 … 1.

    `spread` if the cheat is spread over all frames, `in_frames` if it fills some and leaves the others.
    """

    share: float
    spread: float
    in_frames: float


NAMED = (
    "These frames were named, not drawn: their worker may have known them, and the check is not noted for "
    "`order accept`."
)
"""What a verification of frames that a person named is worth."""


def summary(finding: JobFinding) -> str:
    """A job in one line: `job 12: exact: 16 tiles of 4 of 10 frames rendered again`."""
    how = ", of frames that were named, not drawn" if finding.are_named else ""
    return f"job {finding.job}: {finding.conclusion.lower()}: {work(finding)}{how}"


def work(finding: JobFinding) -> str:
    """What was rendered again: `16 tiles of 4 of 10 frames rendered again`; and what was denoised again."""
    tiles = sum(len(_tiles(frame)) for frame in finding.frames)
    parts = []
    if tiles:
        checked = sum(bool(_tiles(frame)) for frame in finding.frames)
        parts.append(f"{_count(tiles, 'tile')} of {_of_frames(checked, finding.frames_of_job)}")
    if wholes := sum(_is_rendered_whole(frame) for frame in finding.frames):
        one = finding.frames_of_job == 1
        parts.append(
            "the whole frame" if one else f"{wholes} of {_count(finding.frames_of_job, 'whole frame')}"
        )
    return f"{' and '.join(parts) or 'nothing was'} rendered again{_denoised(finding)}"


def _denoised(finding: JobFinding) -> str:
    """What a thorough check did besides; empty where nothing is denoised."""
    proofs = sum(_is_denoised_again(frame) for frame in finding.frames)
    if not proofs:
        return ""
    whole = "its whole proof" if finding.frames_of_job == 1 else _count(proofs, "whole proof")
    return f", {whole} denoised again and every pixel compared"


def verdict(findings: Sequence[JobFinding]) -> str:
    """The verdict of all jobs, in one sentence: of the worst, with the jobs that have it."""
    if not findings:
        return "No result was verified."
    conclusion = worst(finding.conclusion for finding in findings)
    jobs = [finding.job for finding in findings if finding.conclusion is conclusion]
    named = ", ".join(map(str, jobs[:_MOST_JOBS]))
    if len(jobs) > _MOST_JOBS:
        named += f" and {len(jobs) - _MOST_JOBS} more"
    is_part = len(jobs) < len(findings)
    what = ("that", "those") if is_part else ("the result", "the results")
    the = f"{what[0]} of job {named}" if len(jobs) == 1 else f"{what[1]} of jobs {named}"
    forms = {"is_": "is", "s": "s"} if len(jobs) == 1 else {"is_": "are", "s": ""}
    sentence = _VERDICTS[conclusion].format(the=the, **forms)
    return f"Of {len(findings)} results, {sentence}" if is_part else sentence[0].upper() + sentence[1:]


def odds_of(finding: JobFinding) -> tuple[Odds, ...]:
    """How likely cheats on `SHARES` of the job's tiles would have been seen, as far as it was settled.

    Empty if nothing was, for frames that were not drawn, and for a result that is at fault: it has been seen.
    """
    if finding.are_named or finding.conclusion in AT_FAULT:
        return ()
    tiles = frames = 0
    for frame in finding.frames:
        settled = {tile.tile for tile in frame.tiles if tile.conclusion in _SETTLED}
        is_whole = _is_rendered_whole(frame) and WHOLE in settled
        tiles += finding.tiles_of_frame if is_whole else len(settled - {WHOLE})
        frames += bool(settled)
    if not tiles:
        return ()
    # What was settled is there, whatever a report says of the job's size.
    of_frames = max(frames, finding.frames_of_job)
    of_tiles = max(tiles, of_frames * finding.tiles_of_frame)
    return tuple(
        Odds(share, odds(share, tiles, of_tiles), odds(share, frames, of_frames)) for share in SHARES
    )


def percent(share: float) -> str:
    """A probability as people read it: `14.9 %`; never rounded to certainty: `over 99.9 %`."""
    if 0.999 < share < 1:
        return "over 99.9 %"
    return f"{100 * share:.3g} %"


def _tiles(frame: FrameFinding) -> set[int]:
    return {tile.tile for tile in frame.tiles if not tile.is_whole}


def _is_rendered_whole(frame: FrameFinding) -> bool:
    return frame.is_whole and any(tile.is_whole for tile in frame.tiles)


def _is_denoised_again(frame: FrameFinding) -> bool:
    # Without `is_whole`, a whole frame was denoised again, not rendered.
    return not frame.is_whole and any(tile.is_whole for tile in frame.tiles)


def _of_frames(checked: int, frames: int) -> str:
    if frames == 1:
        return "its frame"
    return f"all {frames} frames" if checked == frames else f"{checked} of {frames} frames"


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
