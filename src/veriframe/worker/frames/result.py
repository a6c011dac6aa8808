"""The result of a job: one picture or, of a bundle, a folder with its frames, proofs and manifest."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from stat import S_ISREG

from veriframe.errors import Code, JobError, RenderFailed, ValidationFailed
from veriframe.model.attempt.attempt import Attempt
from veriframe.model.bundle.manifest import (
    FILE_NAME,
    FRAMES_FOLDER,
    MOST_BYTES,
    PREVIEW_NAME,
    PROOF_FOLDER,
    Manifest,
    ManifestFrame,
    Proof,
    named_layers,
    parse_manifest,
    root_of,
    write_manifest,
)
from veriframe.model.registry.job import format_address
from veriframe.model.rendering.frames import SpooledFrame, proof_file, thumbnail_file, tiles_file
from veriframe.threads import run_uninterrupted
from veriframe.worker.context import WorkerContext


async def gather_result(attempt: Attempt, context: WorkerContext) -> None:
    """Makes the folder of a bundle's result from its validated frames, all of it or nothing.

    Only what the journal holds goes into it, so that a repeat makes the same bytes. Raises `RenderFailed`
    (NO_OUTPUT), `ValidationFailed`, `HostUnavailable`.
    """
    assert attempt.task is not None
    workspace = context.workspace
    noted = {one.number: one for one in await context.journal.frames(attempt)}
    frames = [noted[number] for number in attempt.task.frames if number in noted]
    if len(frames) < len(attempt.task.frames) or any(one.validated is None for one in frames):
        raise RenderFailed(Code.NO_OUTPUT, "A validated frame is missing from this worker's disk.")
    manifest = await _manifest(attempt, frames, context)
    validated = workspace.validated(attempt.job_id)
    new = workspace.result(attempt.job_id).with_name("result-new")
    await run_uninterrupted(workspace.link_all, _names(attempt, frames), validated, new)
    thumbnails = [validated / thumbnail_file(number) for number in attempt.task.frames]
    await context.renderer.contact_sheet(thumbnails, new / PREVIEW_NAME)
    await run_uninterrupted(workspace.complete, new, {FILE_NAME: write_manifest(manifest)}, attempt.job_id)


def _names(attempt: Attempt, frames: list[SpooledFrame]) -> Mapping[str, str]:
    """The files of a result within its folder, and what each is called among the validated ones."""
    assert attempt.task is not None
    names = {}
    for one in frames:
        assert one.validated is not None
        names[f"{FRAMES_FOLDER}/{one.validated.file}"] = one.validated.file
        if attempt.task.has_proof:
            proof = _proof(one.number, "")
            names[proof.tiles], names[proof.exr] = tiles_file(one.number), proof_file(one.number)
    return names


async def _manifest(attempt: Attempt, frames: list[SpooledFrame], context: WorkerContext) -> Manifest:
    facts, task = await context.renderer.facts(), attempt.task
    assert task is not None
    found = tuple(_frame(one, has_proof=task.has_proof) for one in frames)
    settings = dict(attempt.settings)
    settings["color_depth"] = found[0].depth
    if isinstance(layers := settings.get("view_layers"), list):
        settings["view_layers"] = named_layers(layers)
    return Manifest(
        job=attempt.job_id,
        order=attempt.order_id,
        part=attempt.part,
        asset=attempt.asset_cid,
        worker=format_address(context.registry.account),
        blender=facts.version_text,
        build_hash=facts.build_hash,
        machine_class=await context.renderer.machine_class(),
        settings=settings,
        frames=found,
        root=root_of(found),
        seconds=round(sum(frame.seconds for frame in found), 4),
    )


def _frame(one: SpooledFrame, *, has_proof: bool) -> ManifestFrame:
    found = one.validated
    assert found is not None
    return ManifestFrame(
        number=one.number,
        file=f"{FRAMES_FOLDER}/{found.file}",
        width=found.width,
        height=found.height,
        channels=found.channel_names,
        depth=found.bit_depth,
        size_bytes=found.size_bytes,
        digest=found.pixel_digest,
        proof=_proof(one.number, found.proof_root) if has_proof else None,
        seconds=one.frame.seconds,
        peak_memory_bytes=one.frame.peak_memory_bytes,
    )


def _proof(number: int, root: str) -> Proof:
    name = f"{PROOF_FOLDER}/frame_{number:04d}"
    return Proof(tiles=f"{name}.tiles", exr=f"{name}.exr", root=root)


async def keep_result(attempt: Attempt, context: WorkerContext) -> tuple[str, int]:
    """Adds the result, pinned for its job. Returns its CID and the bytes of its files.

    Raises `ValidationFailed` if it is not complete, or is more than it should be; `StoreUnavailable`.
    """
    source, size_bytes = await asyncio.to_thread(_source, attempt, context)
    pin_name = (await context.pin_names()).result(attempt.job_id)
    on_transfer = partial(context.listener.on_transfer, attempt.job_id, "picture")
    return await context.store.add(source, pin_name, on_transfer), size_bytes


def _source(attempt: Attempt, context: WorkerContext) -> tuple[Path, int]:
    workspace = context.workspace
    folder = workspace.result(attempt.job_id)
    if os.path.lexists(folder):
        return folder, sum(map(_plain_bytes, _checked_files(folder, attempt)))
    picture = _only_file(workspace.validated(attempt.job_id))
    return picture, _plain_bytes(picture)


def _only_file(folder: Path) -> Path:
    files = list(folder.iterdir()) if folder.is_dir() else []
    if len(files) != 1:
        raise ValidationFailed(Code.NO_OUTPUT, "The validated frame is missing from this worker's disk.")
    return files[0]


def _checked_files(folder: Path, attempt: Attempt) -> list[Path]:
    """The files of a result: exactly those that its manifest names. Raises `ValidationFailed`."""
    manifest = _own_manifest(folder, attempt)
    named = {FILE_NAME, PREVIEW_NAME, *(frame.file for frame in manifest.frames)}
    proofs = [frame.proof for frame in manifest.frames if frame.proof is not None]
    named |= {name for proof in proofs for name in (proof.tiles, proof.exr)}
    there, has_links = set[str](), False
    for top, folders, names in os.walk(folder):
        there |= {str(Path(top, name).relative_to(folder)) for name in names}
        has_links = has_links or any(Path(top, name).is_symlink() for name in folders)
    if gone := named - there:
        raise ValidationFailed(Code.NO_OUTPUT, f"{min(gone)} is missing from this worker's disk.")
    if there - named or has_links:
        raise ValidationFailed(Code.TAMPER, "The result's folder holds more than the result.")
    return [folder / name for name in sorted(named)]


def _own_manifest(folder: Path, attempt: Attempt) -> Manifest:
    """The manifest of this job. Raises `ValidationFailed`."""
    file = folder / FILE_NAME
    if not os.path.lexists(file):
        raise ValidationFailed(Code.NO_OUTPUT, f"{FILE_NAME} is missing from this worker's disk.")
    if _plain_bytes(file) > MOST_BYTES:
        raise ValidationFailed(Code.TAMPER, f"{FILE_NAME} is not what this worker wrote.")
    try:
        manifest = parse_manifest(file.read_bytes())
    except JobError as error:
        raise ValidationFailed(Code.TAMPER, f"{FILE_NAME} is not what this worker wrote.") from error
    if (manifest.job, manifest.asset) != (attempt.job_id, attempt.asset_cid):
        raise ValidationFailed(Code.TAMPER, f"{FILE_NAME} is that of another job.")
    return manifest


def _plain_bytes(file: Path) -> int:
    """The size of a plain file. Raises `ValidationFailed` for anything else."""
    # What is added becomes public: nothing but the result itself, wherever a link might lead.
    status = file.lstat()
    if not S_ISREG(status.st_mode):
        raise ValidationFailed(Code.TAMPER, f"{file.name} is not a plain file.")
    return status.st_size
