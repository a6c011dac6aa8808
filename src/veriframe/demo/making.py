"""What the demo works with: a home of its own, the example scene, and a bundle of it."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

from veriframe.causes import cause_of
from veriframe.errors import HostUnavailable, SettingsError
from veriframe.model.bundle.job_file import FILE_NAME, Bundle, write_job_file
from veriframe.model.quantities import format_span
from veriframe.model.rendering.scene import SceneHeader

STILL = Path(__file__).resolve().parents[3] / "examples" / "still.py"
"""The script that makes the scene. It is part of the source tree, not of an installed package."""

MAKING_SECONDS = 180


async def make_scene(target: Path, script: Path, *options: str) -> Path:
    """Make a scene by running its script with this Python's `bpy`.

    Raises `SettingsError` if there is no script, and `HostUnavailable` if the script fails.
    """
    if not await asyncio.to_thread(script.exists):
        raise SettingsError(
            "The example scenes were not found. Run this in the source tree, or pass --scene."
        )
    # A separate process, because Blender's module may hang when its process exits.
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        script,
        target,
        *options,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), MAKING_SECONDS)
    except TimeoutError as error:
        process.kill()
        raise HostUnavailable(f"The scene was not made within {format_span(MAKING_SECONDS)}.") from error
    if process.returncode != 0:
        last = output.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise HostUnavailable(
            f"The scene could not be made: {' '.join(last)}. Run `make setup`, then `veriframe doctor`."
        )
    return target


def fresh_home(folder: Path) -> Path:
    """Make the demo's own home below `folder`. Deletes only what an earlier demo left there."""
    home = folder.absolute() / "home-of-the-demo"
    mark = home / ".made-by-veriframe-demo"
    try:
        if home.exists() and not mark.exists():
            raise SettingsError(
                f"{home} exists and was not made by the demo. Pass another folder with --output."
            )
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True, mode=0o700)
        mark.touch()
    except OSError as error:
        raise SettingsError(
            f"{home} cannot be created: {cause_of(error)}. Pass another folder with --output."
        ) from error
    return home


def make_bundle(scene: Path, header: SceneHeader, folder: Path) -> Bundle:
    """Make a bundle of a scene that has all its files in it: frame 1, with the scene's own settings."""
    bundle = Bundle(scene="still.blend", blender=str(header.version))
    folder.mkdir()
    shutil.copyfile(scene, folder / bundle.scene)
    (folder / FILE_NAME).write_bytes(write_job_file(bundle))
    return bundle
