"""Runs inside Blender: reports its version, or why `bpy` cannot be loaded."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120  # Blender adds no script folder

from reporting import report, run  # type: ignore[import-not-found]


def main() -> None:
    """Report version and build."""
    import bpy  # noqa: PLC0415  # a missing shared library must be reported, not crash the script

    report(
        "about",
        major=bpy.app.version[0],
        minor=bpy.app.version[1],
        version_text=bpy.app.version_string,
        build_hash=bpy.app.build_hash.decode("ascii", "replace"),
    )


if __name__ == "__main__":
    run(main)
