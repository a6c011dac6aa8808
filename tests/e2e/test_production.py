"""A production on real nodes: three workers, one of them killed; a linked library and textures."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.deployed import REGISTRY, deploy
from tests.e2e.conftest import COMMAND, Home
from tests.nodes import STRK_ADDRESS, Devnet, Kubo, kubo

from veriframe.model.quantities import FRI_PER_STRK

pytestmark = pytest.mark.slow

CREATOR, WORKERS = 0, (1, 2, 3)
FRAMES, CHUNK = 24, 3
REWARD_STRK = 2
WAIT_SECONDS = 500.0

PRODUCTION = """
import os, sys
import bpy
folder = sys.argv[1]
os.makedirs(folder + "/assets/textures")
bpy.ops.wm.read_factory_settings(use_empty=False)
image = bpy.data.images.new("stripes", 16, 16)
image.pixels = [value for y in range(16) for x in range(16) for value in ((x // 4) % 2, y / 16, 0.2, 1.0)]
image.filepath_raw, image.file_format = folder + "/assets/textures/stripes.png", "PNG"
image.save()
cube = bpy.data.objects["Cube"]
material = bpy.data.materials.new("striped")
material.use_nodes = True
texture = material.node_tree.nodes.new("ShaderNodeTexImage")
texture.image = bpy.data.images.load(folder + "/assets/textures/stripes.png")
surface = next(n for n in material.node_tree.nodes if n.bl_idname == "ShaderNodeBsdfPrincipled")
material.node_tree.links.new(texture.outputs["Color"], surface.inputs["Base Color"])
cube.data.materials.clear()
cube.data.materials.append(material)
collection = bpy.data.collections.new("props")
collection.objects.link(cube)
bpy.data.libraries.write(folder + "/assets/props.blend", {collection}, path_remap="RELATIVE", fake_user=True)
bpy.ops.wm.read_factory_settings(use_empty=False)
bpy.data.objects.remove(bpy.data.objects["Cube"])
bpy.ops.wm.save_as_mainfile(filepath=folder + "/shot.blend")
with bpy.data.libraries.load(folder + "/assets/props.blend", link=True, relative=True) as (theirs, ours):
    ours.collections = ["props"]
scene = bpy.context.scene
instance = bpy.data.objects.new("props", None)
instance.instance_type, instance.instance_collection = "COLLECTION", ours.collections[0]
scene.collection.objects.link(instance)
for frame in (1, 24):
    instance.rotation_euler.z = frame / 8
    instance.keyframe_insert("rotation_euler", frame=frame)
scene.frame_start, scene.frame_end = 1, 24
scene.render.engine = "CYCLES"
# So many that a frame takes longer than a look at the log.
scene.cycles.device, scene.cycles.samples, scene.cycles.use_denoising = "CPU", 48, False
scene.render.resolution_x, scene.render.resolution_y = 192, 108
scene.render.dither_intensity = 0.0
bpy.ops.wm.save_as_mainfile(filepath=folder + "/shot.blend", compress=True)
scene.render.filepath = folder + "/right/"
bpy.ops.render.render(animation=True)
os._exit(0)
"""


@dataclass
class Worker:
    """One worker: a home, an account of the chain, and its runs."""

    home: Home
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """The log of all its runs."""
        return self.home.folder / "worker.log"

    def start(self) -> None:
        """Starts the worker."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [COMMAND, "worker"],
                env={**self.home.environment, **self.environment, "VERIFRAME_LOG_FORMAT": "json"},
                cwd=self.home.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def end(self, by: signal.Signals) -> None:
        """Ends it, and waits for that."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(by)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)

    def events(self, *names: str) -> list[dict[str, Any]]:
        """The events of these names in its log."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        found = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [event for event in found if event["event"] in names]


@dataclass
class Studio:
    """A creator and three workers, each with an account of its own, at one chain and one node."""

    creator: Home
    environment: dict[str, str]
    workers: list[Worker]

    def ask(self, *arguments: str | Path) -> dict[str, Any]:
        """A command of the creator's, and its answer."""
        ran = self.creator.run(*arguments, "--json", environment=self.environment)
        assert ran.returncode == 0, ran.stderr
        return dict(json.loads(ran.stdout))

    def until(self, happened: Callable[[], bool]) -> None:
        """Waits until something has happened, and all workers run."""
        end = time.monotonic() + WAIT_SECONDS
        while not happened():
            assert time.monotonic() < end, self.logs()
            time.sleep(0.05)

    def logs(self) -> str:
        """The ends of the workers' logs."""
        return "\n".join(worker.log.read_text()[-2000:] for worker in self.workers if worker.log.exists())


@pytest.fixture
def node() -> Iterator[Kubo]:
    """A node for everybody."""
    with kubo() as started:
        yield started


@pytest.fixture
def studio(tmp_path: Path, fresh_devnet: Devnet, node: Kubo) -> Iterator[Studio]:
    """All parts, with nothing posted."""
    registry = asyncio.run(deploy(fresh_devnet, REGISTRY, STRK_ADDRESS))

    def person(number: int) -> tuple[Home, dict[str, str]]:
        folder = tmp_path / f"home-{number}"
        folder.mkdir()
        return Home(folder), {
            "STARKNET_RPC": fresh_devnet.url,
            "JOB_REGISTRY_ADDRESS": hex(registry),
            "VERIFRAME_DEVNET_ACCOUNT": str(number),
            "IPFS_API": node.api_multiaddr,
        }

    workers = [Worker(*person(number)) for number in WORKERS]
    made = Studio(*person(CREATOR), workers)
    yield made
    for worker in workers:
        worker.end(signal.SIGTERM)


@pytest.fixture
def production(tmp_path: Path) -> Path:
    """The scene, its library and texture, and in `right/` its frames as Blender alone renders them."""
    folder = tmp_path / "production"
    folder.mkdir()
    subprocess.run([sys.executable, "-c", PRODUCTION, folder], check=True, timeout=200, capture_output=True)
    return folder


def money_fri(person: Home, environment: dict[str, str]) -> int:
    """The sum of an account's money."""
    answer = person.run("account", "show", "--json", environment=environment)
    assert answer.returncode == 0, answer.stderr
    held = json.loads(answer.stdout)
    return int(held["wallet_fri"]) + int(held["credit_fri"])


def test_a_production_by_three_workers(studio: Studio, production: Path) -> None:
    """fault_206: every frame is right and rendered once, though a worker is killed within a chunk."""
    before = [money_fri(worker.home, worker.environment) for worker in studio.workers]
    terms = ("--frames", f"1-{FRAMES}", "--chunk", str(CHUNK), "--reward", str(REWARD_STRK))
    posted = studio.ask("order", "create", production / "shot.blend", *terms, "--yes", "--no-check")
    assert (posted["chunks"], len(posted["asset_cids"])) == (FRAMES // CHUNK, 1)
    for worker in studio.workers:
        worker.start()
    victim = studio.workers[0]
    # In the middle of a chunk: the frame before is on the disk, and the next one is under way.
    studio.until(lambda: len(victim.events("frame_rendered")) % CHUNK == 1)
    victim.end(signal.SIGKILL)
    victim.start()
    number = str(posted["order"])
    studio.until(lambda: studio.ask("order", "show", number)["frames_there"] == FRAMES)
    check_frames(studio, number, production / "right")
    check_renders(studio)
    studio.ask("order", "accept", number)
    for worker in studio.workers:
        studio.until(lambda worker=worker: has_been_paid(worker))  # type: ignore[misc]
        worker.end(signal.SIGTERM)
    check_money(studio, before)


def check_frames(studio: Studio, number: str, right: Path) -> None:
    """Every frame has the pixels of Blender's own render."""
    fetched = studio.ask("order", "fetch", number, "-o", studio.creator.folder / "frames")
    assert sorted(fetched["written"]) == list(range(1, FRAMES + 1))
    for frame in range(1, FRAMES + 1):
        (ours,) = (studio.creator.folder / "frames").glob(f"*{frame:04d}.png")
        with Image.open(ours) as one, Image.open(right / f"{frame:04d}.png") as other:
            assert np.array_equal(np.asarray(one.convert("RGBA")), np.asarray(other.convert("RGBA"))), frame


def check_renders(studio: Studio) -> None:
    """No frame was finished twice, and no attempt failed."""
    frames = Counter(
        (event["job_id"], event["frame"])
        for worker in studio.workers
        for event in worker.events("frame_rendered")
    )
    assert (len(frames), set(frames.values())) == (FRAMES, {1})
    assert all(worker.events("frame_rendered") for worker in studio.workers)


def has_been_paid(worker: Worker) -> bool:
    """Whether each chunk that it submitted is paid."""
    stages = Counter(event["stage"] for event in worker.events("stage_reached", "attempt_finished"))
    return 0 < stages["SUBMITTED"] <= stages["PAID"]


def check_money(studio: Studio, before: list[int]) -> None:
    """Each worker has its chunks' rewards, less its fees."""
    done = 0
    for worker, had in zip(studio.workers, before, strict=True):
        chunks = len({event["job_id"] for event in worker.events("frame_rendered")})
        fees = sum(event.get("fee_fri", 0) for event in worker.events("registry_move"))
        assert money_fri(worker.home, worker.environment) == had + chunks * REWARD_STRK * FRI_PER_STRK - fees
        done += chunks
    assert done == FRAMES // CHUNK
