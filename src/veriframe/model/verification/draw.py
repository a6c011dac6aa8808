"""The draw: which frames and tiles of a result are checked. Nobody knew it before, anyone can repeat it.

docs/verification.md specifies it to the byte.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

FEW_FRAMES = 4
"""Of so many frames, each one is drawn."""

FROM_ALL = 2
"""The first tile and each second one after it is drawn from all, the others from those that are not flat.

A worker decides what is flat in its picture, so flat tiles must be drawn, too, however few tiles are.
"""

_ROUNDING, _NEVER = 1e-9, 1e-18


def seed_of(block_hash: int, job_id: int, result_cid: str) -> bytes:
    """The seed of a job's draw: 32 bytes. `block_hash` is of the block after the submission."""
    return hashlib.sha256(f"veriframe-draw 1 {block_hash:#x} {job_id} {result_cid}\n".encode()).digest()


class Draw:
    """Numbers from a seed, one after the other: SHA-256 of the seed, a purpose and a counter."""

    def __init__(self, seed: bytes, purpose: str) -> None:
        """Draws for different purposes are independent of one another."""
        self._start, self._count = seed + purpose.encode("ascii") + b" ", 0

    def below(self, bound: int) -> int:
        """The next number from 0 to `bound - 1`, all equally likely. `bound` is at most 2^64."""
        limit = 2**64 - 2**64 % bound
        while True:
            digest = hashlib.sha256(self._start + b"%d" % self._count).digest()
            self._count += 1
            # A number from the incomplete last stretch would favour small ones.
            if (number := int.from_bytes(digest[:8], "big")) < limit:
                return number % bound

    def take(self, left: list[int]) -> int:
        """Draw one of these, and remove it from them."""
        return left.pop(self.below(len(left)))


def draw_frames(seed: bytes, frames: Sequence[int]) -> tuple[int, ...]:
    """The frames that are checked, in their order: each of a few, at least the square root of many."""
    wanted = max(FEW_FRAMES, math.isqrt(max(0, len(frames) - 1)) + 1)
    if len(frames) <= wanted:
        return tuple(frames)
    draw, left = Draw(seed, "frames"), list(range(len(frames)))
    return tuple(frames[at] for at in sorted(draw.take(left) for _ in range(wanted)))


def draw_tiles(seed: bytes, frame: int, tiles: int, flat: Sequence[int], wanted: int) -> tuple[int, ...]:
    """The tiles of a frame that are checked, in the order in which they are drawn, none twice.

    A frame has `tiles` tiles, numbered from 0 by rows; `flat` are those in which the delivered picture shows
    nothing. More tiles begin with the same ones, so that a longer check continues a shorter one.
    """
    draw, left = Draw(seed, f"frame {frame}"), list(range(tiles))
    is_flat = set(flat)
    detailed = [tile for tile in left if tile not in is_flat]
    drawn: list[int] = []
    while len(drawn) < min(wanted, tiles):
        is_from_all = len(drawn) % FROM_ALL == 0 or not detailed
        tile = draw.take(left if is_from_all else detailed)
        others = detailed if is_from_all else left
        if tile in others:
            others.remove(tile)
        drawn.append(tile)
    return tuple(drawn)


def odds(share: float, drawn: int, of: int) -> float:
    """How likely `drawn` things `of` so many show a cheat on this share (0 … 1) of them all.

    None is drawn twice. A cheat is on whole things: the share is rounded down, but to one at least. 1 is
    certain; what is nearly certain is less.
    """
    bad = max(1, math.floor(share * of + _ROUNDING)) if share else 0
    if bad > of - drawn:
        return 1.0
    missed = 1.0
    # Whether bad ones are placed among drawn ones or drawn ones among bad ones: the shorter product is taken.
    for at in range(min(bad, drawn)):
        missed *= 1 - max(bad, drawn) / (of - at)
        if missed < _NEVER:
            break
    return min(1 - missed, math.nextafter(1, 0))
