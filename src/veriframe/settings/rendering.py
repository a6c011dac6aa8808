"""Blender, its sandbox, and the limits of one render."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ByteSize, Field

from veriframe.settings.section import Names, Section, Size, Span


class Rendering(Section):
    """Blender, its sandbox, and the limits of one render."""

    blender_path: Path | None = Field(
        None, description="a Blender executable to use instead of the bpy wheel"
    )
    sandbox: Literal["strict", "landlock", "container", "none"] = Field(
        "strict", description="weakest sandbox to accept; “none” runs untrusted code unprotected"
    )
    engines: Names = Field(
        ("CYCLES", "BLENDER_EEVEE", "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH"),
        description="engines to render",
    )
    frame_seconds: Span = Field(300, gt=0, description="wall-clock limit for a frame")
    loading_seconds: Span = Field(60, gt=0, description="wall-clock limit for starting Blender and loading")
    memory_bytes: Size = Field(ByteSize(8 * 2**30), ge=2**28, description="memory of one render")
    spares: int = Field(
        1, ge=0, le=16, description="Blenders that are started ahead, each for one scene; 0: none"
    )
    spare_bytes: Size = Field(
        ByteSize(2**30), ge=2**27, description="memory that a Blender that was started ahead may hold"
    )
    pids: int = Field(256, ge=16, description="processes and threads of one render")
    output_bytes: Size = Field(
        ByteSize(2 * 2**30),
        ge=2**20,
        description="size of all files that a render writes for one frame",
    )
