"""Small real renders by Blender in a real sandbox."""

from __future__ import annotations

import itertools
import time

import pytest
from tests.integration import renderer_scenes
from tests.integration.renderer_studio import Studio, studio

from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.adapters.blender.sandbox.levels.unnamespaced import UnnamespacedSandbox
from veriframe.adapters.blender.sandbox.run import Level, Sandbox
from veriframe.errors import Code, JobRejected, ValidationFailed
from veriframe.model.rendering.frames import Progress, RenderTask

__all__ = ["studio"]


pytestmark = pytest.mark.slow

LONG = "scene.cycles.samples = 10**6; scene.cycles.use_adaptive_sampling = False"


async def test_progress_is_reported_every_second(studio: Studio) -> None:
    """From the first report on, with the frame's progress, and with increasing times."""
    received: list[tuple[float, Progress]] = []
    scene = studio.scene("scene.cycles.samples = 8_000; scene.cycles.use_adaptive_sampling = False")
    await studio.render(scene, RenderTask(), lambda p: received.append((time.monotonic(), p)))
    times = [at for at, _ in received]
    assert times[-1] - times[0] > 1.5, "too short to tell"
    assert max(b - a for a, b in itertools.pairwise(times)) <= 1.0
    fractions = [p.fraction for _, p in received if p.fraction is not None]
    assert sorted(fractions) == fractions
    assert fractions[0] < fractions[-1] <= 1
    assert [p.seconds for _, p in received] == sorted(p.seconds for _, p in received)
    assert all(p.memory_bytes > 2**24 for _, p in received)


async def test_a_scene_without_a_camera_fails(studio: Studio) -> None:
    """fault_21: with Blender's own error message."""
    failed = await studio.failure(
        studio.scene('bpy.data.objects.remove(bpy.data.objects["Camera"])'), RenderTask()
    )
    assert failed.code == Code.BLENDER_ERROR
    assert "no camera" in str(failed).lower()


async def test_time_is_limited(studio: Studio) -> None:
    """fault_29: for each frame."""
    failed = await studio.failure(studio.scene(LONG), RenderTask(), frame_seconds=1)
    assert failed.code == Code.TIMEOUT
    assert "1s (frame_seconds)" in str(failed)


async def test_loading_is_limited(studio: Studio) -> None:
    """fault_85: the start of Blender included."""
    async with studio.renderer(loading_seconds=0.1).open(studio.scene()) as session:
        with pytest.raises(JobRejected, match=r"0.1s \(loading_seconds\)") as refused:
            await session.inspect()
    assert refused.value.code == Code.TIMEOUT


async def test_memory_is_limited(studio: Studio) -> None:
    """fault_31: by the kernel, not by Blender's reports."""
    failed = await studio.failure(
        studio.scene("render.resolution_x = render.resolution_y = 8000"),
        RenderTask(),
        memory_bytes=600 * 2**20,
    )
    assert failed.code == Code.OOM


async def test_output_is_limited(studio: Studio) -> None:
    """fault_41: before the disk is full."""
    failed = await studio.failure(studio.scene(), RenderTask(), output_bytes=1000)
    assert failed.code == Code.OUTPUT_LIMIT


async def test_the_output_of_each_frame_is_limited(studio: Studio) -> None:
    """fault_41: its proof counts, and frames before it do not: a chunk may have any number."""
    scene, task = studio.scene(), RenderTask(frames=(1, 2, 3), has_proof=True)
    frames, out = await studio.render(scene, task)
    sizes = [
        sum((out / name).stat().st_size for name in task.rendered_files(frame.number)) for frame in frames
    ]
    assert len((await studio.render(scene, task, output_bytes=max(sizes)))[0]) == 3
    assert (await studio.failure(scene, task, output_bytes=max(sizes) - 1)).code == Code.OUTPUT_LIMIT


async def test_file_output_nodes_are_muted(studio: Studio) -> None:
    """fault_25: also inside a group; the frame is the only file and contains the compositor's picture."""
    frame, _ = await studio.frame(
        studio.scene(
            "scene.use_nodes = True; tree = scene.node_tree;"
            "node = tree.nodes.new('CompositorNodeOutputFile'); node.base_path = '/out';"
            "tree.links.new(tree.nodes['Render Layers'].outputs[0], node.inputs[0]);"
            "group = bpy.data.node_groups.new('g', 'CompositorNodeTree');"
            "inner = group.nodes.new('CompositorNodeOutputFile'); inner.base_path = '/out';"
            "source = group.nodes.new('CompositorNodeRGB');"
            "group.links.new(source.outputs[0], inner.inputs[0]);"
            "tree.nodes.new('CompositorNodeGroup').node_tree = group"
        )
    )
    plain, _ = await studio.frame(studio.scene())
    assert plain.pixel_digest == frame.pixel_digest


async def test_scripts_in_the_scene_do_not_run(studio: Studio) -> None:
    """fault_26: neither a text that runs on load nor a driver that calls Python."""
    hostile = (
        "text = bpy.data.texts.new('evil.py'); text.use_module = True;"
        'text.write(\'open("/out/evil", "w")\');'
        "driver = cube.driver_add('location', 2).driver; driver.type = 'SCRIPTED';"
        'driver.expression = \'open("/out/driven", "w").fileno()\''
    )
    frame, _ = await studio.frame(studio.scene(hostile))
    assert frame.number == 1


async def test_a_stamp_is_not_burned_in(studio: Studio) -> None:
    """It would contain this machine's name, the time and the memory."""
    stamped, _ = await studio.frame(
        studio.scene("render.use_stamp = True; render.use_stamp_hostname = True; render.stamp_font_size = 8")
    )
    plain, _ = await studio.frame(studio.scene())
    assert plain.pixel_digest == stamped.pixel_digest


@pytest.mark.parametrize("part", [0.3, 0.7, 0.99])
async def test_a_truncated_scene_is_refused(studio: Studio, part: float) -> None:
    """fault_17: before any money moves."""
    content = renderer_scenes.make()
    scene = studio.new_folder() / "scene.blend"
    scene.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(JobRejected) as refused:
        await studio.inspect(scene)
    assert refused.value.code == Code.CORRUPT


async def test_a_scene_that_only_its_owner_may_read_is_rendered(studio: Studio) -> None:
    """A root worker's renders run as another user, who gets a copy."""
    scene = studio.scene()
    scene.chmod(0o600)
    assert (await studio.inspect(scene)).camera == "Camera"
    assert (await studio.frame(scene))[0].width == 64
    assert scene.stat().st_mode & 0o777 == 0o600


async def test_the_resolution_percentage_is_applied(studio: Studio) -> None:
    """The frame has the size that the inspection reported."""
    scene = studio.scene("render.resolution_percentage = 50")
    inspection = await studio.inspect(scene)
    frame, _ = await studio.frame(scene)
    assert (32, 18) == (inspection.width, inspection.height) == (frame.width, frame.height)


async def test_each_engine_is_tested(studio: Studio) -> None:
    """fault_37: by a real render; EEVEE on software GL is slow."""
    found = await studio.renderer().check_engines()
    assert list(found) == ["CYCLES", "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH"]
    assert all(sentence.startswith("renders in ") for sentence in found.values()), found


@pytest.mark.parametrize(
    "sandbox",
    [
        UnnamespacedSandbox(Level.LANDLOCK),
        UnnamespacedSandbox(Level.NONE),
        BubblewrapSandbox(nested=False),
        BubblewrapSandbox(use_cgroup=False),
    ],
    ids=["landlock", "none", "strict-single", "strict-watcher"],
)
async def test_blender_runs_at_every_level(sandbox: Sandbox) -> None:
    """fault_44, fault_45: weaker levels show it the same files at other paths."""
    renderer = BlenderRenderer(runtimes.BpyWheel(), sandbox)
    assert (await renderer.facts()).sandbox_level == sandbox.level.name
    found = await renderer.check_engines(["CYCLES"])
    assert found["CYCLES"].startswith("renders in "), found


async def test_a_missing_engine_is_reported(studio: Studio) -> None:
    """fault_37: its failure is reported in a sentence, and the others are still tested."""
    found = await studio.renderer().check_engines(["NO_SUCH_ENGINE", "CYCLES"])
    assert "NO_SUCH_ENGINE" in found["NO_SUCH_ENGINE"]
    assert found["CYCLES"].startswith("renders in ")


async def test_a_still_is_rendered_even_if_the_scene_names_a_movie(studio: Studio) -> None:
    """fault_33: the scene check refuses it, but the renderer would still write a still."""
    frame, _ = await studio.frame(studio.scene("render.image_settings.file_format = 'FFMPEG'"))
    assert (frame.file, frame.bit_depth) == ("frame_0001.png", 8)


async def test_limits_apply_to_validation_too(studio: Studio) -> None:
    """A picture that needs more memory than the limit is not decoded."""
    frames, out = await studio.render(studio.scene(), RenderTask())
    poor = studio.renderer(memory_bytes=8 * 2**20)
    with pytest.raises(ValidationFailed) as failed:
        await poor.validate(RenderTask(), frames, out, studio.new_folder())
    assert failed.value.code == Code.NOT_IMAGE
