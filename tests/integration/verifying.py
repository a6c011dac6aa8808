"""A worker with a real Blender whose results are verified, for tests of the verifier."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from tests.fakes.bench import Bench
from tests.fakes.bundles import begun, post_files
from tests.integration import renderer_scenes

from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.model.attempt.attempt import Stage
from veriframe.model.bundle.job_file import Bundle, write_job_file
from veriframe.model.registry.job import Job
from veriframe.model.rendering.frames import RenderLimits
from veriframe.model.rendering.overrides import Overrides
from veriframe.model.verification.findings import Request
from veriframe.verifier.delivery.evidence import Retries
from veriframe.verifier.verifier import Verified, Verifier
from veriframe.worker import pipeline

BUNDLE = Bundle(
    scene="shot.blend",
    blender="4.5",
    frames=(1, 2),
    chunk=2,
    overrides=Overrides(resolution=(160, 100), samples=16, seed=3, denoise=False),
)
"""Two frames of six tiles."""


def bench_of(folder: Path) -> Bench:
    """A worker with a real Blender; registry, store and journal are fakes."""
    bench = Bench(folder / "work")
    limits = RenderLimits(frame_seconds=60, loading_seconds=60)
    renderer = BlenderRenderer(runtimes.BpyWheel(), BubblewrapSandbox(), limits=limits)
    bench.context = replace(bench.context, renderer=renderer, policy=replace(bench.policy, limits=limits))
    return bench


async def rendered(bench: Bench, bundle: Bundle = BUNDLE, change: str = "") -> Job:
    """Has the worker render the only chunk of a bundle. Returns its job, submitted."""
    files = {"job.json": write_job_file(bundle), bundle.scene: renderer_scenes.make(change)}
    (job,) = await post_files(bench, files, 1)
    assert (await pipeline.run(begun(bench, job), bench.context)).stage is Stage.SUBMITTED
    await bench.context.kept.close()
    bench.shared.block += 1  # the one whose hash is drawn by
    return bench.job(job.id)


@asynccontextmanager
async def verifying(bench: Bench) -> AsyncIterator[Verifier]:
    """A verifier of the bench's registry and store."""
    verifier = Verifier(
        registry=bench.context.registry,
        store=bench.context.store,
        renderer=bench.context.renderer,
        limits=bench.context.scene_limits,
        memory_bytes=2**33,
        folder=bench.folder / "verify",
        retries=Retries(tries=2, pause_seconds=0.01),
    )
    async with verifier:
        yield verifier


async def verified(bench: Bench, job: Job, request: Request | None = None) -> Verified:
    """Verify one job."""
    async with verifying(bench) as verifier:
        return await verifier.verify(job, request or Request())


def with_result(bench: Bench, job: Job, files: Mapping[str, bytes]) -> Job:
    """The job as if its worker had submitted this folder."""
    return replace(job, result_cid=bench.store.keep_files(files))


PLAIN = BUNDLE.overrides


def rewrite(result: dict[str, bytes], manifest: dict[str, object]) -> None:
    """Write a manifest whose root is that of its frames."""
    from veriframe.model.bundle.manifest import _Manifest, root_of, write_manifest  # noqa: PLC0415

    value = _Manifest.model_validate_json(json.dumps(manifest)).value()
    result["manifest.json"] = write_manifest(replace(value, root=root_of(value.frames)))


def posing_as(bench: Bench, job: Job, files: Mapping[str, bytes]) -> Job:
    """The job as if its worker had submitted another job's folder, whose manifest names this one."""
    posing, right = dict(files), json.loads(bench.store.folders[job.result_cid]["manifest.json"])
    manifest = json.loads(posing["manifest.json"])
    for name in ("settings", "job", "order", "part", "asset"):
        manifest[name] = right[name]
    rewrite(posing, manifest)
    return with_result(bench, job, posing)
