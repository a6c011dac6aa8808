"""Checks of a whole frame: where its tiles cannot tell, and the denoising of its whole proof."""

from __future__ import annotations

import asyncio

from veriframe.model.verification.findings import WHOLE, Conclusion, Subject
from veriframe.verifier import channels, comparing
from veriframe.verifier.crops import Crop
from veriframe.verifier.judging import Judging
from veriframe.verifier.values import Delivered, Part, Traits


async def render_whole(judging: Judging, delivered: Delivered, traits: Traits) -> None:
    """Render the whole frame again, because its tiles do not show what was delivered.

    Raises `RenderFailed`, `Unavailable`.
    """
    part, theirs = Part(WHOLE, delivered.region, Subject.DELIVERED), delivered.picture
    ours = await judging.crops.render(judging.frame, part.region)
    both = ours.picture, theirs
    if ours.picture_leaf == delivered.picture_leaf:
        judging.exact(part)
    elif ours.picture.shape != theirs.shape or ours.channels != delivered.channels:
        judging.found(part, Conclusion.WRONG, "the delivered picture has other channels")
    elif traits.denoises and await asyncio.to_thread(_are_same, ours, delivered):
        judging.found(part, Conclusion.EQUAL, "", both)
    elif traits.by_eye:
        judging.found(part, Conclusion.UNDECIDED, f"{traits.by_eye}; look at the two pictures", both)
    else:
        await judging.by_rule(part, ours, theirs, traits.step)


def _are_same(ours: Crop, delivered: Delivered) -> bool:
    """Whether denoising again makes no more of a difference, and all other passes have the same bits."""
    seen, data = channels.seen(ours.channels), channels.data(ours.channels)
    a, b = ours.picture, delivered.picture
    looks = comparing.looks(a[..., seen], b[..., seen], is_radiance=delivered.is_radiance)
    return looks.are_same and not comparing.most_apart(a[..., data], b[..., data])


async def denoise_again(judging: Judging, delivered: Delivered) -> None:
    """Denoise the worker's whole proof again, once, and compare it with what was delivered.

    Raises `ValidationFailed` for a proof that is withheld or no proof, `RenderFailed`, `Unavailable`.
    """
    if delivered.denoised is None or any(one.is_whole for one in judging.findings):
        return
    ours = await delivered.denoised()
    pictures = [delivered.colours]
    if (composited := channels.composited(delivered.channels)) != channels.colours(delivered.channels):
        # What the compositor shows, which leaves the picture as it was.
        pictures.append(delivered.picture[..., composited])
    looks = [
        await asyncio.to_thread(comparing.looks, ours, picture, is_radiance=delivered.is_radiance)
        for picture in pictures
    ]
    is_same = all(one.are_same for one in looks)
    judging.found(
        Part(WHOLE, delivered.region, Subject.DELIVERED),
        Conclusion.EXACT if is_same else Conclusion.WRONG,
        "" if is_same else "the delivered picture is not what denoising its proof makes",
        (ours, delivered.colours) if ours.shape == delivered.colours.shape else None,
    )
