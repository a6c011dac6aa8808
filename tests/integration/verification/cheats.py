"""The cheats: what hostile workers publish, each with what a verifier must say of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tests.integration.verification import stage, tricks
from tests.integration.verification.blenders import NEXT
from tests.integration.verification.cheat import BOTH, Cheat, Found, by_next_blender, made
from tests.integration.verification.stage import FRAMES, LARGER, MANY, MOVED, OTHER, SMOOTH, STILL

from veriframe.model.rendering.frames import ImageFormat, frame_file, proof_file
from veriframe.model.verification.findings import Conclusion, Request
from veriframe.ports.renderer import Kernel

TILE = np.s_[192:256, 64:128]
"""Tile 25 of the picture with 64 tiles: a part of the floor."""

ALL = Request(tiles=4)
"""For what changes some of the tiles only."""

HONEST = Cheat(name="honest", scene=STILL, make=made(STILL), why="^$", conclusion=Conclusion.EXACT)

CHEATS = (
    Cheat(name="half the samples", scene=STILL, make=made(STILL, task=tricks.with_samples(32)), kernels=BOTH),
    Cheat(name="60 of 64 samples", scene=STILL, make=made(STILL, task=tricks.with_samples(60)), kernels=BOTH),
    *(
        Cheat(
            name=f"the same sequence stopped at {part}/{whole}",
            scene=STILL,
            make=made(STILL, task=tricks.stopped(part, whole)),
            kernels=BOTH,
        )
        for part, whole in ((1, 2), (15, 16), (63, 64))
    ),
    Cheat(
        name="half the samples, then denoised",
        scene=SMOOTH,
        make=made(SMOOTH, task=tricks.with_samples(32)),
        kernels=BOTH,
    ),
    Cheat(
        name="half the width and height, enlarged",
        scene=STILL,
        make=made(STILL, task=tricks.small, touch=lambda out: stage.repaint_both(out, stage.doubled)),
    ),
    Cheat(name="another seed", scene=STILL, make=made(STILL, task=tricks.other_seed), kernels=BOTH),
    Cheat(
        name="another frame",
        scene=STILL,
        make=made(
            STILL, task=tricks.second, touch=lambda out: stage.renamed(out, 2, 1), frames=stage.as_first
        ),
        kernels=BOTH,
    ),
    Cheat(name="another scene", scene=STILL, make=made(STILL, of=OTHER), kernels=BOTH),
    Cheat(
        name="the cube a little larger",
        scene=STILL,
        make=made(STILL, of=LARGER),
        request=ALL,
        kernels=BOTH,
    ),
    Cheat(name="the camera moved by a centimetre", scene=STILL, make=made(STILL, of=MOVED), kernels=BOTH),
    Cheat(
        name="the previous frame repeated",
        scene=FRAMES,
        make=made(FRAMES, touch=lambda out: stage.copied(out, 1, 2)),
    ),
    Cheat(
        name="one tile of 64 is 2 % brighter",
        scene=MANY,
        make=made(MANY, touch=lambda out: stage.repaint_both(out, stage.brighter(TILE))),
        request=Request(tiles=1, suspects={1: (25,)}),
    ),
    Cheat(
        name="right picture, another proof",
        scene=STILL,
        make=made(STILL, touch=lambda out: stage.repaint(out / proof_file(1), stage.brighter())),
    ),
    Cheat(
        name="right pixels, the manifest of another job",
        scene=STILL,
        make=made(STILL, told=tricks.of_another_job),
        why="is of another job",
        found=Found.MANIFEST,
    ),
    Cheat(
        name="right pixels, other settings in the manifest",
        scene=STILL,
        make=made(STILL, told=tricks.other_settings),
        why="names another camera",
        found=Found.MANIFEST,
    ),
    Cheat(
        name="right pixels, another digest in the manifest",
        scene=STILL,
        make=made(STILL, told=tricks.rehashed),
        why="pixels are not those that its manifest names",
        found=Found.MANIFEST,
    ),
    Cheat(
        name="right proof, another picture",
        scene=STILL,
        make=made(
            STILL,
            touch=lambda out: stage.repaint(out / frame_file(1, ImageFormat.EXR), stage.brighter(by=1.05)),
        ),
    ),
    Cheat(
        name="a list of tiles that does not make its root",
        scene=STILL,
        make=made(STILL, spoil=tricks.flip_tiles),
        why="does not make the root",
        found=Found.LIST,
    ),
    Cheat(
        name="right proof, another picture, denoised",
        scene=SMOOTH,
        make=made(SMOOTH, touch=stage.darken_png),
        why="is not what denoising its proof makes",
    ),
    Cheat(
        name="the pixels of another proof",
        scene=FRAMES,
        make=made(FRAMES, spoil=tricks.other_proof),
        why="has other pixels than its list of tiles commits to",
        kernels=(Kernel.SSE,),
        found=Found.PROOF,
    ),
    Cheat(
        name="half the samples, and a false class",
        scene=STILL,
        make=made(STILL, told=tricks.our_class, task=tricks.with_samples(32)),
        kernels=(Kernel.SSE,),
    ),
    Cheat(
        name="honest pixels, and a false class",
        scene=STILL,
        make=made(STILL, told=tricks.our_class),
        why="",
        conclusion=Conclusion.EQUAL,
        kernels=(Kernel.SSE,),
    ),
    Cheat(
        name="rendered by Blender 5.0, as the manifest says",
        scene=STILL,
        make=by_next_blender(STILL, told=lambda manifest: replace(manifest, blender=NEXT)),
        why="names another release of Blender",
        found=Found.MANIFEST,
        downloads=True,
    ),
    Cheat(
        name="rendered by Blender 5.0, which the manifest denies",
        scene=STILL,
        make=by_next_blender(STILL),
        kernels=BOTH,
        downloads=True,
    ),
    Cheat(
        name="a withheld list of tiles",
        scene=STILL,
        make=made(STILL),
        why="nobody provides proof/frame_0001.tiles",
        conclusion=Conclusion.WITHHELD,
        withholds=".tiles",
        found=Found.WITHHELD,
    ),
    Cheat(
        name="a withheld proof",
        scene=STILL,
        make=made(STILL),
        why="nobody provides proof/frame_0001.exr",
        conclusion=Conclusion.WITHHELD,
        withholds="proof/frame_0001.exr",
        kernels=(Kernel.SSE,),
        found=Found.WITHHELD,
    ),
)
