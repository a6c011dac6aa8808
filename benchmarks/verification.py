"""Measures what a verification costs, against the render that it verifies.

Run `python -m benchmarks.verification`: the still at 1920×1080, one frame at its own samples, which renders
for minutes; and a chunk of 24 frames of the animation at 960×540, of which as many are checked as are drawn
of 250: costs are told as shares of 250 such frames. With `--quick` the still is a quarter of that size, and
the chunk has four frames, drawn of four.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from veriframe.creator.orders.notes import OrderNote, OrderNotes
from veriframe.creator.orders.posting import OrderPosting
from veriframe.demo.making import make_scene
from veriframe.model.bundle.job_file import FILE_NAME as JOB_FILE
from veriframe.model.bundle.job_file import Bundle, write_job_file
from veriframe.model.bundle.manifest import FILE_NAME, MOST_BYTES, Manifest, parse_manifest
from veriframe.model.content.folder import FolderLimits
from veriframe.model.quantities import FRI_PER_STRK
from veriframe.model.registry.job import Job, JobState
from veriframe.model.registry.offer import Offer
from veriframe.model.verification.draw import draw_frames
from veriframe.model.verification.findings import Request
from veriframe.ports.registry import read_job
from veriframe.ports.renderer import Renderer
from veriframe.ports.store import ContentStore, FetchLimits
from veriframe.settings import Settings, load
from veriframe.wiring import creators, registries, renderers, stores, workers
from veriframe.wiring.verifiers import build_verifier

HERE = Path(__file__).parent
FRAME_SECONDS, LEASE_SECONDS = 2400, 2 * 86_400
"""A worker gives a creator who has paid nothing a quarter of the lease for a frame, and keeps time for the
decoding of all frames."""

CHUNK_FRAME_SECONDS = 60
"""The limit of a frame of several, so that all of them fit into `chunk_seconds`."""


@dataclass(frozen=True, slots=True)
class Case:
    """A scene of examples/, made with these options, and its frames, all in one job.

    `of`: as many are checked as are drawn of so many, and costs are shares of so many.
    """

    script: str
    options: tuple[str, ...]
    frames: int = 1
    of: int = 1

    def request(self) -> Request:
        """The frames that are checked: the first ones. Which ones are drawn changes nothing of the cost."""
        return Request(frames=tuple(range(1, len(draw_frames(b"", range(self.of))) + 1)))


CASES = (Case("still", ("--scale", "200")), Case("animation", ("--scale", "300"), 24, of=250))
QUICK = (Case("still", ("--scale", "50")), Case("animation", ("--scale", "300"), 4, of=4))


async def measure(case: Case, folder: Path) -> dict[str, float | str]:
    """Has a worker render the case on embedded parts, and verifies its result, in the same run."""
    settings = load(
        {
            "home": f"{folder}/home",
            "registry": "local",
            "store": "local",
            "frame_seconds": str(FRAME_SECONDS),
            "new_creator_chunk_seconds": "6h",
        },
        {},
    ).settings
    settings.home.mkdir()
    script = HERE.parent / "examples" / f"{case.script}.py"
    scene = await make_scene(folder / "scene.blend", script, *case.options)
    renderer, store = await renderers.build_for_one(settings), stores.open_store(settings)
    job = await _rendered(settings, renderer, store, scene, case)
    manifest = await _manifest(store, job, folder)
    await renderer.machine_class()  # measured once for a machine, not for each verification
    loading = await _loading_seconds(renderer, scene)
    registry = registries.embedded(settings, "creator")
    async with build_verifier(settings, registry, store, renderer) as verifier:
        started = time.monotonic()
        verified = await verifier.verify(job, case.request())
        seconds = time.monotonic() - started
    finding = verified.finding
    checked = {frame.number for frame in finding.frames}
    frame_bytes = sum(frame.size_bytes for frame in manifest.frames if frame.number in checked)
    times = case.of / case.frames
    rendering = times * sum(frame.seconds for frame in manifest.frames)
    result_bytes = times * await _size(store, job, folder)
    return {
        "case": case.script,
        "conclusion": finding.conclusion,
        "frames": case.of,
        "frames_checked": len(checked),
        "tiles_checked": finding.tiles,
        "render_seconds": round(rendering, 2),
        "verify_seconds": round(seconds, 2),
        "loading_seconds": round(loading, 2),
        "cost_without_loading": round((seconds - loading) / rendering, 4),
        "fetched_beside_frames_bytes": finding.fetched_bytes - frame_bytes,
        "frame_bytes": frame_bytes,
        "fetched_share_of_result": round(finding.fetched_bytes / result_bytes, 4),
    }


async def _rendered(
    settings: Settings, renderer: Renderer, store: ContentStore, scene: Path, case: Case
) -> Job:
    """The case's only job, submitted by a worker."""
    version = (await renderer.facts()).version
    bundle = Bundle(
        scene="scene.blend",
        blender=str(version),
        frames=tuple(range(1, case.frames + 1)),
        chunk=case.frames,
        frame_seconds=CHUNK_FRAME_SECONDS if case.frames > 1 else None,
    )
    source = settings.home / "bundle"
    source.mkdir()
    shutil.copyfile(scene, source / bundle.scene)
    (source / JOB_FILE).write_bytes(write_job_file(bundle))
    creator = creators.build_creator(settings, registries.embedded(settings, "creator"), store)
    posting = OrderPosting(creator=creator, notes=OrderNotes(settings.home, "creator"))
    offer = Offer(reward_fri=5 * FRI_PER_STRK, lease_seconds=LEASE_SECONDS)
    posted = await posting.post(await posting.draft(source, bundle, offer, OrderNote(name="bench")))
    worker = registries.embedded(settings, "worker")
    service = workers.build_service(
        settings, workers.build_context(settings, "worker", worker, renderer, store)
    )
    working = asyncio.create_task(service.run())
    try:
        while True:
            job = await read_job(creator.registry, posted.jobs[0])
            if job.state is JobState.SUBMITTED:
                return job
            if working.done():
                raise SystemExit("The worker gave up.")
            await asyncio.sleep(0.5)
    finally:
        service.drain()
        await working


async def _manifest(store: ContentStore, job: Job, folder: Path) -> Manifest:
    target = folder / FILE_NAME
    await store.fetch(job.result_cid, target, FetchLimits(file_bytes=MOST_BYTES), path=FILE_NAME)
    return parse_manifest(target.read_bytes())


async def _size(store: ContentStore, job: Job, folder: Path) -> int:
    """All bytes of the result."""
    limits = FetchLimits(folder=FolderLimits(size_bytes=2**32))
    return (await store.fetch(job.result_cid, folder / "result", limits)).size_bytes


async def _loading_seconds(renderer: Renderer, scene: Path) -> float:
    """How long Blender takes to start and to open the scene."""
    started = time.monotonic()
    async with renderer.open(scene) as session:
        await session.inspect()
    return time.monotonic() - started


async def _all(cases: tuple[Case, ...]) -> None:
    for case in cases:
        with tempfile.TemporaryDirectory(prefix="veriframe-bench-") as name:
            print(json.dumps(await measure(case, Path(name)), indent=1), flush=True)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    asyncio.run(_all(QUICK if "--quick" in sys.argv else CASES))
