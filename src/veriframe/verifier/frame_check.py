"""The check of one frame: its drawn tiles are rendered again and compared, and so is what was delivered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from veriframe.errors import Code, ValidationFailed
from veriframe.model.bundle.chunks import whole_region
from veriframe.model.rendering.frames import Region
from veriframe.model.verification.draw import draw_tiles
from veriframe.model.verification.findings import Conclusion, FrameFinding, Subject
from veriframe.model.verification.tiles import moved
from veriframe.ports.renderer import Cut, CutKind, Renderer
from veriframe.verifier import channels, comparing
from veriframe.verifier.crops import Crop
from veriframe.verifier.judging import Judging
from veriframe.verifier.samples import Samples, part_of, samples_of
from veriframe.verifier.values import Delivered, Part, Plan, Traits
from veriframe.verifier.whole_frame import denoise_again, render_whole

ENOUGH_WRONG = 4
"""After so many wrong tiles of a frame, the others are not compared: nothing they show changes what it is."""

WIDE_BORDER_PIXELS = 64
"""Of a tile that looked unlike, denoised with the usual border.

Measured at four samples a pixel: of the six tiles in eight scenes that did, five look alike with this one.
"""

MOST_TILES = 16
"""As many tiles of a frame are drawn before the rule leaves it undecided."""


@dataclass(slots=True, kw_only=True)
class FrameCheck:
    """Checks one frame. Read `check` first. `overview` is a small JPEG of what was delivered.

    Methods raise `ValidationFailed` for what is withheld or not what it must be, `RenderFailed` and
    `Unavailable` for what stops this machine.
    """

    traits: Traits
    judging: Judging
    renderer: Renderer
    on_tile: Callable[[], None] = lambda: None
    overview: bytes = b""
    _is_unlike: bool = False
    _rendered: list[tuple[int, Region, Crop]] = field(default_factory=list)

    async def check(self, delivered: Delivered, plan: Plan) -> FrameFinding:
        """Compare the drawn tiles, and more of them while the rule is between; or the whole frame."""
        if not self.traits.is_whole or (delivered.leaves is not None and self.traits.tiles_show_noisy):
            suspects = self._suspects(delivered, plan)
            drawn = self._drawn(delivered, suspects, plan, await asyncio.to_thread(flat_tiles, delivered))
            first = len(suspects) + plan.tiles
            await self._tiles(drawn[:first], delivered)
            for tile in drawn[first:]:
                if not self.judging.is_between:
                    break
                await self._tiles([tile], delivered)
            self.judging.settle()
        if self.traits.is_whole:
            await render_whole(self.judging, delivered, self.traits)
            self.on_tile()
        elif self.traits.denoises and (self._is_unlike or plan.request.thorough):
            await denoise_again(self.judging, delivered)
            for tile, region, ours in self._rendered:
                await self._guides(tile, region, ours, delivered)
        if not self.judging.findings:
            return FrameFinding(
                number=self.judging.frame,
                conclusion_of_its_own=Conclusion.UNDECIDED,
                reason="nothing of it could be compared",
            )
        return FrameFinding(
            number=self.judging.frame,
            tiles=tuple(self.judging.findings),
            is_whole=self.traits.is_whole,
        )

    def _drawn(
        self, delivered: Delivered, suspects: Sequence[int], plan: Plan, flat: Sequence[int]
    ) -> Sequence[int]:
        """The tiles in the order in which they are checked: the suspects, those that are drawn, and more."""
        most = max(plan.tiles, MOST_TILES)
        drawn = draw_tiles(plan.seed, self.judging.frame, delivered.grid.count, flat, most)
        return tuple(dict.fromkeys((*suspects, *drawn)))

    def _suspects(self, delivered: Delivered, plan: Plan) -> Sequence[int]:
        suspects = plan.request.suspects.get(self.judging.frame, ())
        return [tile for tile in dict.fromkeys(suspects) if 0 <= tile < delivered.grid.count]

    async def _tiles(self, tiles: Sequence[int], delivered: Delivered) -> None:
        """Render tiles again; compare what was rendered with the proof, and then what was delivered."""
        regions = [moved(delivered.grid.region(tile), delivered.region) for tile in tiles]
        crops = await self.judging.crops.render_all(self.judging.frame, regions, on_part=self.on_tile)
        await self._prepare(tiles, regions, crops, delivered)
        for tile, region, ours in zip(tiles, regions, crops, strict=True):
            if self.judging.wrong_tiles >= ENOUGH_WRONG:
                return
            if delivered.leaves is not None:
                await self._noisy(tile, region, ours, delivered)
            if not (self.traits.is_whole or self.judging.is_wrong(tile)):
                await self._delivered(tile, region, ours, delivered)
                self._rendered.append((tile, region, ours))

    async def _prepare(
        self, tiles: Sequence[int], regions: Sequence[Region], crops: Sequence[Crop], delivered: Delivered
    ) -> None:
        """Render at once what judging the first tiles with other leaves will ask for one by one."""
        leaves = delivered.leaves
        if leaves is None:
            return
        differing = [
            region
            for tile, region, ours in zip(tiles, regions, crops, strict=True)
            if ours.leaf != leaves[tile]
        ][:ENOUGH_WRONG]
        if len(differing) > 1:
            await self.judging.prepare(differing)

    async def _noisy(self, tile: int, region: Region, ours: Crop, delivered: Delivered) -> None:
        """The noisy image: the same leaf, or else the pixels that the worker's leaf stands for."""
        part = Part(tile, region, Subject.NOISY)
        assert delivered.leaves is not None
        assert delivered.proof_tiles is not None
        assert ours.noisy is not None
        if ours.leaf == delivered.leaves[tile]:
            self.judging.exact(part)
            return
        file, size = await delivered.proof_tiles([tile]), self.judging.size
        whole = whole_region(size)
        cut = Cut(file=file, kind=CutKind.PROOF, shown=whole, wanted=region, size=size)
        (theirs,) = await self.renderer.cut([cut])
        if theirs.leaf != delivered.leaves[tile]:
            raise ValidationFailed(
                Code.TAMPER, f"tile {tile} of its proof has other pixels than its list of tiles commits to"
            )
        if len(theirs.channels) != ours.noisy.shape[2]:
            raise ValidationFailed(Code.TAMPER, "its proof has other view layers than the scene")
        await self.judging.by_rule(part, ours, samples_of(theirs))

    async def _delivered(self, tile: int, region: Region, ours: Crop, delivered: Delivered) -> None:
        """What was delivered: what Blender makes of the same tile or, denoised, alike to the eye."""
        theirs = part_of(delivered.picture, region, delivered.region)
        if ours.picture.shape != theirs.shape or ours.channels != delivered.channels:
            raise ValidationFailed(Code.TAMPER, "its file has other channels than were ordered")
        part, names = Part(tile, region, Subject.DELIVERED), ours.channels
        # No denoiser changes data.
        places = channels.data(names) if self.traits.denoises else list(range(len(names)))
        if comparing.most_apart(ours.picture[..., places], theirs[..., places]) > self.traits.step:

            def take(crop: Crop) -> Samples:
                return crop.picture[..., places]

            await self.judging.by_rule(part, ours, theirs[..., places], self.traits.step, take)
        elif not self.traits.denoises:
            self.judging.exact(part)
        if not self.traits.denoises or self.judging.is_wrong(tile):
            return
        if self._is_alike(ours, theirs, delivered) or await self._is_alike_denoised(part, theirs, delivered):
            self.judging.exact(part)
        else:
            # Denoising a tile by itself may differ; denoising the whole proof again may not.
            self._is_unlike = True

    def _is_alike(self, ours: Crop, theirs: Samples, delivered: Delivered) -> bool:
        places = channels.seen(ours.channels)
        pictures = ours.picture[..., places], theirs[..., places]
        return comparing.looks(*pictures, is_radiance=delivered.is_radiance).are_alike

    async def _is_alike_denoised(self, part: Part, theirs: Samples, delivered: Delivered) -> bool:
        """Whether a tile looks alike if the denoiser sees more around it: cheaper than the whole proof."""
        ours = await self.judging.crops.render(self.judging.frame, part.region, border=WIDE_BORDER_PIXELS)
        return self._is_alike(ours, theirs, delivered)

    async def _guides(self, tile: int, region: Region, ours: Crop, delivered: Delivered) -> None:
        """What the denoiser got besides the noisy image: the list of tiles does not commit to it."""
        if delivered.proof_tiles is None or ours.guides is None:
            return
        file, size = await delivered.proof_tiles([tile]), self.judging.size
        cut = Cut(file=file, kind=CutKind.GUIDES, shown=whole_region(size), wanted=region, size=size)
        (theirs,) = await self.renderer.cut([cut])
        if theirs.channels != ours.guide_channels:
            raise ValidationFailed(Code.TAMPER, "its proof has not what its scene's denoiser gets")
        if comparing.most_apart(ours.guides, samples_of(theirs)):
            part = Part(tile, region, Subject.NOISY)
            await self.judging.by_rule(part, ours, samples_of(theirs), take=_guides_of)


def _guides_of(crop: Crop) -> Samples:
    assert crop.guides is not None, "all crops of a frame have them, or none"
    return crop.guides


def flat_tiles(delivered: Delivered) -> list[int]:
    """The tiles in which the delivered picture shows nothing."""
    picture, grid = delivered.picture, delivered.grid
    here = whole_region((grid.width, grid.height))
    return [
        tile for tile in range(grid.count) if comparing.is_flat(part_of(picture, grid.region(tile), here))
    ]
