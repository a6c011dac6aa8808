"""A test program: the real `veriframe` command line, whose Blender stops each frame after half the samples.

It keeps the sequence that all samples have, and its manifest tells of all of them: the cheat that is hardest
to see.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from veriframe.adapters.blender.session import BlenderSession
from veriframe.cli.app import main
from veriframe.model.rendering.frames import Frame, RenderTask

_honest = BlenderSession.frames


def _cheap(session: BlenderSession, task: RenderTask, out: Path, **how: Any) -> AsyncIterator[Frame]:
    return _honest(session, replace(task, stop_early=(1, 2)), out, **how)


if __name__ == "__main__":
    BlenderSession.frames = _cheap  # type: ignore[assignment,method-assign]
    main(sys.argv[1:])
