"""Bundles for tests of the worker: small, whole, or broken in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tests.fakes.bench import BOND, SCENE, Bench

from veriframe.model.attempt.attempt import Attempt
from veriframe.model.bundle.chunks import parts
from veriframe.model.bundle.job_file import Bundle, write_job_file
from veriframe.model.registry.job import Job

BUNDLE = Bundle(scene="shots/shot.blend", blender="4.5", frames=tuple(range(1, 11)), chunk=5)
"""Ten frames in two chunks."""


def files_of(bundle: Bundle = BUNDLE) -> dict[str, bytes]:
    """The files of a bundle."""
    return {
        "job.json": write_job_file(bundle),
        bundle.scene: SCENE,
        "textures/wood.png": b"wood",
    }


async def post_files(bench: Bench, files: Mapping[str, bytes], jobs: int) -> list[Job]:
    """Posts an order for a folder. Returns its jobs."""
    return await bench.post_cid(bench.store.keep_files(files), jobs)


async def post_bundle(bench: Bench, bundle: Bundle = BUNDLE, **changes: object) -> list[Job]:
    """Posts the order of a bundle. Returns its jobs."""
    bundle = replace(bundle, **changes)  # type: ignore[arg-type]
    return await post_files(bench, files_of(bundle), parts(bundle))


def begun(bench: Bench, job: Job) -> Attempt:
    """A new attempt at a job of a bundle."""
    return bench.begin(job, part=job.part, order_id=job.order.id, bond_fri=BOND)
