"""The result of a job: its manifest must be the job's, and each frame what the manifest commits to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from veriframe.errors import Code, ValidationFailed
from veriframe.model.bundle.chunks import tile_region, whole_region
from veriframe.model.bundle.manifest import Manifest, ManifestFrame
from veriframe.model.bundle.misfit import misfit, settings_misfit
from veriframe.model.registry.job import Job
from veriframe.model.rendering.frames import ImageFormat, Region, RenderTask
from veriframe.model.rendering.scene import SceneInspection
from veriframe.model.rendering.sizes import PROOF_CHANNELS
from veriframe.model.text import some_names
from veriframe.model.verification.tiles import TileGrid
from veriframe.ports.renderer import Cut, CutKind, CutSamples, Renderer
from veriframe.verifier import channels
from veriframe.verifier.crops import KINDS, Crops
from veriframe.verifier.delivery.evidence import Evidence
from veriframe.verifier.delivery.pictures import Pictures
from veriframe.verifier.samples import Samples, samples_of
from veriframe.verifier.scenes import OpenedAsset
from veriframe.verifier.values import Delivered, Traits

DEFAULT_TILES = 4
"""Tiles of a frame that are checked where no bundle says how many."""

DITHERING_LEVELS = 2
"""By so many levels of 8 bits Blender's dithering of a part may differ from that of the whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A result whose manifest is that of its job; `manifest` and `pictures` are None for a bare job's."""

    task: RenderTask
    opened: OpenedAsset
    renderer: Renderer
    evidence: Evidence
    region: Region
    manifest: Manifest | None = None
    pictures: Pictures | None = None

    @property
    def numbers(self) -> tuple[int, ...]:
        """The frames of the job."""
        return self.task.frames

    @property
    def tiles(self) -> int:
        """How many tiles of a frame are checked, as its creator says."""
        bundle = self.opened.inspected.bundle
        return (bundle.proof_tiles if bundle else 0) or DEFAULT_TILES

    @property
    def tiles_of_frame(self) -> int:
        """How many tiles a frame has."""
        return TileGrid(self.region.width, self.region.height).count

    @property
    def worker_class(self) -> str:
        """The class of machine that the worker claims; empty if it claims none."""
        return self.manifest.machine_class if self.manifest else ""

    def notes(self, drawn: Sequence[int]) -> tuple[str, ...]:
        """Remarks about these frames that decide nothing."""
        notes = []
        if self.manifest is not None and not self.task.has_proof and self.task.region is None:
            notes.append("The bundle asks for no proof, so that only the delivered picture was compared.")
        whole_because = dict.fromkeys(map(self._whole_because, drawn))
        notes += [f"Whole frames were rendered again, since {why}." for why in whole_because if why]
        if seen := self.opened.inspected.inspection.sees_region:
            notes.append(
                f"Tiles were cut from whole frames, since {some_names(seen)} may see which part is rendered."
            )
        return tuple(notes)

    def steps(self, tiles: int) -> int:
        """How many parts of each frame are rendered, unless more are needed."""
        traits = self.traits(self.numbers[0])
        if traits.is_whole and not (self.task.has_proof and traits.tiles_show_noisy):
            return 1
        return min(tiles, self.tiles_of_frame) + traits.is_whole

    def traits(self, number: int) -> Traits:
        """How a frame can be checked."""
        inspection = self.opened.inspected.inspection
        denoises = inspection.denoises and not self.task.is_denoised_later
        has_lines = "Freestyle" in inspection.changed_later
        return Traits(
            denoises=denoises,
            step=_step(self.task.format, self._depth(number)),
            tiles_show_noisy=not inspection.path_guiding and (denoises or not has_lines),
            whole_because=self._whole_because(number),
            by_eye=_by_eye(inspection),
        )

    def _whole_because(self, number: int) -> str:
        inspection = self.opened.inspected.inspection
        if inspection.changed_later:
            return f"{' and '.join(inspection.changed_later)} works on the whole picture"
        if inspection.denoises and not self.task.is_denoised_later:
            if not self.task.has_proof:
                return "the picture is denoised, and the result has no proof"
            if len(inspection.view_layers) > 1:
                # Denoising the proof again shows one layer, and the picture is made of all.
                return "the picture is denoised from several view layers"
            if self._has_layers and channels.has_shadow_catcher(self._told(number).channels.split(",")):
                return "its Shadow Catcher pass is denoised, too"
        return _by_eye(inspection)

    def crops(self, number: int) -> Crops:
        """What renders parts of a frame again."""
        traits = self.traits(number)
        return Crops(
            sessions=self.opened.sessions,
            task=self.task,
            size=self.opened.size,
            folder=self.evidence.folder,
            has_guides=traits.denoises and self.task.has_proof and not traits.whole_because,
            are_of_whole=bool(self.opened.inspected.inspection.sees_region),
        )

    @property
    def _has_layers(self) -> bool:
        return self.task.format is ImageFormat.MULTILAYER

    def _depth(self, number: int) -> int:
        """The bits of a channel. A bare job's file does not say; 8 allows for dithering."""
        return 8 if self.manifest is None else self._told(number).depth

    def expect(self, numbers: Sequence[int]) -> None:
        """Say which frames will be asked for, in this order."""
        if self.pictures is not None:
            self.pictures.wanted = [self._told(number) for number in numbers]

    def _told(self, number: int) -> ManifestFrame:
        assert self.manifest is not None
        return next(frame for frame in self.manifest.frames if frame.number == number)

    async def delivered(self, number: int, crops: Crops) -> Delivered:
        """A frame, fetched, decoded, and compared with what the manifest commits to.

        `crops` renders the scene. Raises `ValidationFailed`, `RenderFailed`, `StoreUnavailable`,
        `HostUnavailable`.
        """
        shown = self.task.region or self.region
        if self.manifest is None:
            file = await self.evidence.picture(self.task)
            cut = Cut(
                file=file, kind=KINDS[self.task.format], shown=shown, wanted=shown, size=self.opened.size
            )
            return self._delivered((await self.renderer.cut([cut]))[0])
        told = self._told(number)
        if (told.width, told.height) != (shown.width, shown.height):
            raise ValidationFailed(
                Code.WRONG_SIZE,
                f"it has {told.width}×{told.height} pixels, and {shown.width}×{shown.height} were ordered",
            )
        # Before it is decoded, which takes memory for each channel.
        if self._has_layers and sorted(told.channels.split(",")) != sorted(await crops.channels(number)):
            raise ValidationFailed(Code.BAD_MANIFEST, "its manifest has other channels than were ordered")
        assert self.pictures is not None
        cuts = await self.pictures.of(told)
        if cuts[0].leaf != told.digest:
            raise ValidationFailed(Code.TAMPER, "its pixels are not those that its manifest names")
        if not self.task.has_proof:
            return self._delivered(cuts[-1])
        if told.proof is None:
            raise ValidationFailed(Code.BAD_MANIFEST, "its manifest has no proof, and one was ordered")
        grid = TileGrid(told.width, told.height)
        return replace(
            self._delivered(cuts[-1]),
            leaves=await self.evidence.leaves(told, grid),
            proof_tiles=partial(self.evidence.proof_tiles, told, grid),
            denoised=partial(self._denoised, told) if self.traits(number).denoises else None,
        )

    def _delivered(self, cut: CutSamples) -> Delivered:
        return Delivered(
            picture=samples_of(cut),
            picture_leaf=cut.leaf,
            channels=cut.channels,
            region=self.region,
            is_radiance=self.task.format is not ImageFormat.PNG,
        )

    async def _denoised(self, told: ManifestFrame) -> Samples:
        """What denoising the worker's whole proof makes of it, if the proof is what the list commits to."""
        proof = await self.evidence.proof(told, self.task)
        size = self.opened.size
        whole = whole_region(size)
        cut = Cut(
            file=proof,
            kind=CutKind.PROOF,
            shown=whole,
            wanted=whole,
            size=size,
            most_channels=PROOF_CHANNELS,
        )
        (noisy,) = await self.renderer.cut([cut])
        assert told.proof is not None
        if noisy.leaf != told.proof.root:
            raise ValidationFailed(Code.TAMPER, "its proof has other pixels than its manifest commits to")
        out = self.evidence.folder / f"denoised-{told.number}"
        await asyncio.to_thread(out.mkdir)
        task = replace(self.task, frames=(told.number,), has_proof=False, has_thumbnail=False)
        asset = self.opened.asset
        frame = await self.renderer.denoise(asset.scene, asset.folder, proof, task, out)
        cut = Cut(file=out / frame.file, kind=KINDS[task.format], shown=whole, wanted=whole, size=size)
        (found,) = await self.renderer.cut([cut])
        # Blender's compositor denoises it.
        return samples_of(found)[..., channels.composited(found.channels)]


async def open_result(evidence: Evidence, renderer: Renderer, job: Job, opened: OpenedAsset) -> Result:
    """Fetch the manifest and compare it with the job and with what the inspection says.

    Raises `JobRejected` (PARTS), `ValidationFailed` for a result that is withheld or wrong as a whole.
    """
    task = opened.inspected.task(job)
    size, bundle = opened.size, opened.inspected.bundle
    region = whole_region(size)
    if bundle is None:
        return Result(task=task, opened=opened, renderer=renderer, evidence=evidence, region=region)
    if bundle.split is not None:
        region = tile_region(bundle.split, job.part, size)
    has_layers = task.format is ImageFormat.MULTILAYER
    manifest = await evidence.manifest(len(task.frames), has_layers=has_layers)
    known_size = size if bundle.split is None else None
    why = misfit(manifest, job, task.frames, bundle, known_size)
    if not why:
        why = settings_misfit(manifest, opened.inspected.inspection, task)
    if why:
        raise ValidationFailed(Code.BAD_MANIFEST, f"the manifest {why}")
    pictures = Pictures(
        evidence=evidence,
        renderer=renderer,
        format=task.format,
        size=size,
        shown=task.region or region,
        kept=region,
    )
    return Result(
        task=task,
        opened=opened,
        renderer=renderer,
        evidence=evidence,
        region=region,
        manifest=manifest,
        pictures=pictures,
    )


def _step(image_format: ImageFormat, depth: int) -> float:
    if image_format is not ImageFormat.PNG:
        return 0.0
    # Half a level more, because the levels are fractions that were rounded.
    return 1.5 / 65_535 if depth == 16 else (DITHERING_LEVELS + 0.5) / 255


def _by_eye(inspection: SceneInspection) -> str:
    """Why another machine need not render the same, as one clause; empty if it must."""
    if inspection.engine != "CYCLES":
        return f"{inspection.engine} need not draw the same on another machine"
    if inspection.path_guiding:
        return "path guiding learns in another order on another machine"
    return ""
