"""What a worker has made of a job, honestly or not, and the folder that it publishes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from veriframe.model.bundle.chunks import task_of
from veriframe.model.bundle.inspected import settings_of
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.bundle.manifest import (
    FILE_NAME,
    FRAMES_FOLDER,
    PREVIEW_NAME,
    PROOF_FOLDER,
    Manifest,
    ManifestFrame,
    Proof,
    root_of,
    write_manifest,
)
from veriframe.model.registry.job import Job, format_address
from veriframe.model.rendering.frames import Frame, RenderTask, ValidatedFrame, proof_file, tiles_file
from veriframe.ports.renderer import RendererFacts
from veriframe.verifier.scenes import OpenedAsset


def same(value: Any) -> Any:
    """Nothing is changed."""
    return value


@dataclass(frozen=True, slots=True)
class Scene:
    """A bundle and the Python that changes the scene of tests/integration/renderer_scenes.py."""

    bundle: Bundle
    change: str = ""
    file: Path | None = None
    """This scene instead."""
    folder: Path | None = None
    """This folder instead, in which the bundle's scene lies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Frames as a worker has them after their validation, in `folder`."""

    folder: Path
    task: RenderTask
    opened: OpenedAsset
    frames: Sequence[tuple[Frame, ValidatedFrame]]

    def joined(self, other: Work) -> Work:
        """These frames and those of another work, whose files are added to this folder."""
        for file in other.folder.iterdir():
            (self.folder / file.name).write_bytes(file.read_bytes())
        task = replace(self.task, frames=(*self.task.frames, *other.task.frames))
        return replace(self, task=task, frames=(*self.frames, *other.frames))


def first_task(opened: OpenedAsset, bundle: Bundle | None) -> RenderTask:
    """The task of an order's first job."""
    assert bundle is not None
    return replace(task_of(bundle, 0, opened.inspected.inspection), has_thumbnail=False)


def put_files(folder: Path, work: Work) -> None:
    """Put what a result has beside its manifest into an empty folder."""
    for name in (FRAMES_FOLDER, PROOF_FOLDER):
        (folder / name).mkdir()
    for _, one in work.frames:
        (folder / FRAMES_FOLDER / one.file).write_bytes((work.folder / one.file).read_bytes())
        if work.task.has_proof:
            for source, suffix in ((proof_file(one.number), "exr"), (tiles_file(one.number), "tiles")):
                target = folder / PROOF_FOLDER / f"frame_{one.number:04d}.{suffix}"
                target.write_bytes((work.folder / source).read_bytes())
    if not work.task.has_proof:
        (folder / PROOF_FOLDER).rmdir()
    (folder / PREVIEW_NAME).write_bytes(b"a picture that nobody checks")


def put_manifest(folder: Path, manifest: Manifest) -> None:
    """Put the manifest into the folder of a result."""
    (folder / FILE_NAME).write_bytes(write_manifest(manifest))


def manifest_of(facts: RendererFacts, job: Job, work: Work) -> Manifest:
    """What an honest worker says of its result, but for its class, which it does not tell."""
    asked = first_task(work.opened, work.opened.inspected.bundle)
    frames = tuple(_told(one, has_proof=work.task.has_proof) for _, one in work.frames)
    settings = dict(settings_of(work.opened.inspected.inspection, asked))
    settings["color_depth"] = frames[0].depth
    return Manifest(
        job=job.id,
        order=job.order.id,
        part=job.part,
        asset=job.order.asset_cid,
        worker=format_address(job.worker),
        blender=facts.version_text,
        build_hash=facts.build_hash,
        machine_class="",
        settings=settings,
        frames=frames,
        root=root_of(frames),
        seconds=1.0,
    )


def _told(one: ValidatedFrame, *, has_proof: bool) -> ManifestFrame:
    name = f"{PROOF_FOLDER}/frame_{one.number:04d}"
    return ManifestFrame(
        number=one.number,
        file=f"{FRAMES_FOLDER}/{one.file}",
        width=one.width,
        height=one.height,
        channels=one.channel_names,
        depth=one.bit_depth,
        size_bytes=one.size_bytes,
        digest=one.pixel_digest,
        proof=Proof(tiles=f"{name}.tiles", exr=f"{name}.exr", root=one.proof_root) if has_proof else None,
        seconds=1.0,
        peak_memory_bytes=1,
    )
