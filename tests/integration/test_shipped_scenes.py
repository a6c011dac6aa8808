"""The scenes that Blender ships, saved by several releases, pass the scene check's parts without errors."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path

import pytest
import zstandard

from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.errors import Code, JobRejected
from veriframe.model.rendering.checks import judge, read_header
from veriframe.model.rendering.scene import SceneLimits, Wrapping
from veriframe.ports.renderer import Renderer


def shipped_scenes() -> list[Path]:
    """Returns every `.blend` in the `bpy` wheel: brushes, hair nodes, application templates."""
    found = importlib.util.find_spec("bpy")
    assert found is not None
    return sorted(
        path for root in found.submodule_search_locations or () for path in Path(root).rglob("*.blend")
    )


SHIPPED = shipped_scenes()


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    """A real renderer in a STRICT sandbox."""
    return BlenderRenderer(runtimes.select(None), BubblewrapSandbox())


def test_the_wheel_ships_scenes_in_both_usual_compressions() -> None:
    """Fifteen in bpy 4.5.15: eleven in zstd with a seek table, four plain, saved by 2.80 to 4.5."""
    wrappings: Counter[Wrapping] = Counter()
    versions = set()
    for path in SHIPPED:
        with path.open("rb") as stream:
            header = read_header(stream, SceneLimits())
        wrappings[header.wrapping] += 1
        versions.add(str(header.version))
    assert wrappings == {Wrapping.ZSTD: 11, Wrapping.PLAIN: 4}
    assert versions == {"2.80", "4.2", "4.3", "4.4", "4.5"}


@pytest.mark.slow
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
async def test_a_shipped_scene_is_inspected_without_harm(renderer: Renderer, path: Path) -> None:
    """Blender opens it in the sandbox, and the scene check gives a verdict or a reason."""
    async with renderer.open(path) as session:
        inspection = await session.inspect()
    assert inspection.blender.startswith(str((await renderer.facts()).version))
    with path.open("rb") as stream:
        header = read_header(stream, SceneLimits())
    try:
        assert judge(header, inspection, SceneLimits()).inspection == inspection
    except JobRejected as error:
        # Libraries of brushes and nodes have no camera; the templates can be rendered.
        assert error.code in {Code.NO_CAMERA, Code.ENGINE, Code.NOT_STILL}  # noqa: PT017 - either may be


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_shipped_scene_passes_the_header_check(path: Path) -> None:
    """It is read from the first block to the last, in either compression."""
    with path.open("rb") as stream:
        header = read_header(stream, SceneLimits())
        stream.seek(0)
        if header.wrapping is Wrapping.ZSTD:
            unpacker = zstandard.ZstdDecompressor()
            unpacked = unpacker.stream_reader(stream, read_across_frames=True, closefd=False).readall()
        else:
            unpacked = stream.read()
    assert header.blocks > 100
    assert len(unpacked) == header.unpacked_bytes
