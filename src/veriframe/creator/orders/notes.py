"""What a home remembers of an account's orders: names, `job.json`, estimates. The chain has the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from veriframe.creator.scene_names import SceneNames
from veriframe.model.verification.findings import Conclusion


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNote:
    """One asset that was posted: its scene's name, and its `job.json`, empty for a bare scene.

    `frame_seconds` and `loading_seconds` are those of the estimate, 0 without one. `size` in pixels and
    `frames_per_second` are what the creator's own Blender found in the scene, None and 0 if it did not look.
    `scene_key` is the same for orders of the same files.
    """

    name: str
    job_file: str = ""
    frame_seconds: float = 0.0
    loading_seconds: float = 0.0
    size: tuple[int, int] | None = None
    frames_per_second: float = 0.0
    scene_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftNote:
    """An order as it was about to be posted: its parts' assets, and the registry's last job before."""

    assets: tuple[str, ...]
    after_job: int


Checks = Mapping[tuple[int, str], str]
"""What `order fetch` found of results, by job and result CID: the fault, or an empty text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConclusionNote:
    """What a verification said of a result, and why. `how` is how it was asked for, as one text."""

    conclusion: Conclusion
    why: str = ""
    how: str = ""


Conclusions = Mapping[tuple[int, str], ConclusionNote]
"""What verifications said of results, by job and result CID."""


class OrderNotes(SceneNames):
    """The notes of one account on one machine: elsewhere the asset itself is asked."""

    def note_order(self, asset_cid: str, note: OrderNote) -> None:
        """Note an asset. A disk that is full costs only the note."""
        self.write(
            {
                "asset_cid": asset_cid,
                "scene": note.name,
                "job_file": note.job_file,
                "frame_seconds": note.frame_seconds,
                "loading_seconds": note.loading_seconds,
                "size": note.size,
                "frames_per_second": note.frames_per_second,
                "scene_key": note.scene_key,
            }
        )

    def read_orders(self) -> Mapping[str, OrderNote]:
        """The newest note of each CID. Lines that cannot be read are left out."""
        notes: dict[str, OrderNote] = {}
        for line in self.lines():
            with suppress(ValueError, KeyError, TypeError):
                noted = json.loads(line)
                notes[str(noted["asset_cid"])] = OrderNote(
                    name=str(noted["scene"]),
                    job_file=str(noted.get("job_file", "")),
                    frame_seconds=float(noted.get("frame_seconds", 0)),
                    loading_seconds=float(noted.get("loading_seconds", 0)),
                    size=_size(noted.get("size")),
                    frames_per_second=float(noted.get("frames_per_second", 0)),
                    scene_key=str(noted.get("scene_key", "")),
                )
        return notes

    def note_draft(self, draft: DraftNote) -> None:
        """Note an order before its first move, so that an interrupted one is found again."""
        self.write({"draft": list(draft.assets), "after_job": draft.after_job})

    def read_drafts(self) -> Sequence[DraftNote]:
        """All drafts, oldest first. Lines that cannot be read are left out."""
        drafts = list[DraftNote]()
        for line in self.lines():
            with suppress(ValueError, KeyError, TypeError):
                noted = json.loads(line)
                assets = tuple(str(cid) for cid in noted["draft"])
                drafts.append(DraftNote(assets=assets, after_job=int(noted["after_job"])))
        return drafts

    def note_check(self, job_id: int, result_cid: str, fault: str) -> None:
        """Note that every frame of a job's result was checked, or its `fault`."""
        self.write({"checked_job": job_id, "result_cid": result_cid, "fault": fault})

    def read_checks(self) -> Checks:
        """The newest finding of each result. Lines that cannot be read are left out."""
        checks: dict[tuple[int, str], str] = {}
        for line in self.lines():
            with suppress(ValueError, KeyError, TypeError):
                noted = json.loads(line)
                checks[int(noted["checked_job"]), str(noted["result_cid"])] = str(noted["fault"])
        return checks

    def note_conclusion(self, job_id: int, result_cid: str, note: ConclusionNote) -> None:
        """Note what a verification said of a job's result."""
        self.write(
            {
                "verified_job": job_id,
                "result_cid": result_cid,
                "conclusion": note.conclusion.value,
                "why": note.why,
                "how": note.how,
            }
        )

    def read_conclusions(self) -> Conclusions:
        """The newest conclusion of each result. Lines that cannot be read are left out."""
        found: dict[tuple[int, str], ConclusionNote] = {}
        for line in self.lines():
            with suppress(ValueError, KeyError, TypeError):
                noted = json.loads(line)
                found[int(noted["verified_job"]), str(noted["result_cid"])] = ConclusionNote(
                    conclusion=Conclusion(noted["conclusion"]), why=str(noted["why"]), how=str(noted["how"])
                )
        return found


def _size(noted: object) -> tuple[int, int] | None:
    return (int(noted[0]), int(noted[1])) if isinstance(noted, list) and len(noted) == 2 else None
