"""Contact sheets: thumbnails in one JPEG, drawn in a clean sandbox."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from veriframe.adapters.blender import outcome, scripts
from veriframe.adapters.blender.runtimes import WorkerPython
from veriframe.adapters.blender.sandbox import visible
from veriframe.adapters.blender.sandbox.limits import host_errors
from veriframe.adapters.blender.sandbox.run import OUT, Ending, Sandbox
from veriframe.causes import cause_of
from veriframe.errors import Code, HostUnavailable, ValidationFailed
from veriframe.model.rendering.frames import RenderLimits
from veriframe.threads import run_uninterrupted

_THUMBNAILS = PurePosixPath("/job/thumbnails")
_LISTING = PurePosixPath("/job/thumbnails.json")
_SHEET = "sheet.jpg"
_SECONDS_EACH = 1.0
"""Far more than drawing one thumbnail takes on a busy machine."""


async def draw(sandbox: Sandbox, thumbnails: Sequence[Path], target: Path, limits: RenderLimits) -> None:
    """Draws the sheet and puts it in place of `target`. Raises `ValidationFailed`, `HostUnavailable`."""
    async with scripts.scratch() as folder:
        shown, out = folder / "thumbnails", folder / "out"
        with host_errors.as_unavailable():
            names = await run_uninterrupted(_gather, thumbnails, shown, out, folder / "thumbnails.json")
        script = scripts.Script(
            name="decoding/contact_sheet.py",
            arguments=(_THUMBNAILS, OUT, _LISTING),
            shown={_THUMBNAILS: shown, _LISTING: folder / "thumbnails.json"},
            out=out,
            expected=(_SHEET,),
            wall_seconds=limits.loading_seconds + _SECONDS_EACH * len(names),
            limits=limits,
        )
        end, report = await scripts.run_script(sandbox, WorkerPython(), script)
        if end.ending is Ending.SANDBOX_FAILED:
            raise outcome.sandbox_failed(end)
        if not report.finished or end.fault:
            why = report.error or (end.fault.sentence if end.fault else end.ending.value)
            raise ValidationFailed(Code.NOT_IMAGE, f"The contact sheet cannot be drawn: {why}.")
        try:
            await run_uninterrupted(shutil.copyfile, out / _SHEET, target)
        except OSError as error:
            raise HostUnavailable(
                f"The contact sheet cannot be written to {target}: {cause_of(error)}. Free some disk space."
            ) from error


def _gather(thumbnails: Sequence[Path], shown: Path, out: Path, listing: Path) -> list[str]:
    """Copies the thumbnails, a few kilobytes each, into one folder. Returns their names there."""
    shown.mkdir()
    out.mkdir()
    names = []
    for place, file in enumerate(thumbnails):
        copy = shown / f"{place:05d}.jpg"
        copy.write_bytes(file.read_bytes())
        visible.grant_access(copy)
        names.append(copy.name)
    listing.write_text(json.dumps(names), encoding="ascii")
    for path in (shown, listing):
        visible.grant_access(path)
    return names
