"""Divides the time of a lease between the render and the steps that follow it.

A render is followed by decoding, the upload and the submission. Each step reserves the time of the steps
after it, so nothing is subtracted twice. A release costs the part of the bond that corresponds to the used
part of the lease, so a render also ends early enough for its release to cost at most a share of the bond.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from veriframe.model.registry.job import Job
from veriframe.model.rendering.frames import RenderTask
from veriframe.model.rendering.sizes import most_bytes

SEND_SECONDS = 10.0
"""The time until a transaction, such as a submission or a release, is in a block."""

DECODE_START_SECONDS = 2.0
DECODE_PIXEL_SECONDS = 1.5e-6
DECODE_EDGE_SECONDS = 60e-6
"""Three times the cost of the slowest picture (16-bit RGBA noise, Paeth's filter in each row), which took
0.55 µs a pixel and 20 µs a row and column. Measured by `benchmarks/decoding.py`."""

PICTURE_PIXEL_BYTES = 8
"""The largest pixel: RGBA with 16 bits each. Noise does not compress."""
UPLOAD_BYTES_A_SECOND = 2_000_000
"""A slow connection to the store. A store on the same machine is a hundred times as fast."""

FOLDER_BYTES_A_SECOND = 20_000_000
"""A bundle's result goes to a store nearby: frames are chosen so that they are many, and proofs are large."""

FRAMES_AT_ONCE = 8
"""The most frames that are decoded in one sandbox, and the most that wait for it while others render."""

NOMINAL_SIZE = (1920, 1080)
"""The assumed size of a picture, in pixels, before its scene is inspected."""


def decoding_seconds(width: int, height: int) -> float:
    """The time to decode and rewrite the slowest picture of this size."""
    pixels, edges = width * height, width + height
    return DECODE_START_SECONDS + pixels * DECODE_PIXEL_SECONDS + edges * DECODE_EDGE_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """The time reserved after a render, in seconds: decoding, upload and submission."""

    decoding: float
    upload: float
    sending: float

    @property
    def seconds(self) -> float:
        """The sum of all parts."""
        return self.decoding + self.upload + self.sending


def reserve(
    width: int, height: int, *, sending_seconds: float = SEND_SECONDS, copies_seconds: float = 0.0
) -> Reserve:
    """The reserve for one picture of this size. `copies_seconds` is the time that replicas may take."""
    upload = width * height * PICTURE_PIXEL_BYTES / UPLOAD_BYTES_A_SECOND + copies_seconds
    return Reserve(decoding=decoding_seconds(width, height), upload=upload, sending=sending_seconds)


def for_folder(kept: Reserve, task: RenderTask) -> Reserve:
    """The reserve for a bundle's task: some frames to decode and a whole folder to store."""
    pixels = task.pixels
    decoding = kept.decoding * min(len(task.frames), FRAMES_AT_ONCE) * (3 if task.has_proof else 1)
    first = pixels * PICTURE_PIXEL_BYTES / UPLOAD_BYTES_A_SECOND
    folder = most_bytes(task) / FOLDER_BYTES_A_SECOND
    return replace(kept, decoding=decoding, upload=kept.upload - first + folder)


def shortest_lease(wall_seconds: float, loading_seconds: float, kept: Reserve, fee_share: float) -> float:
    """The shortest lease, in seconds, with which a job may be claimed.

    It is long enough to submit a render that takes all its time. A render that is stopped because of the
    release fee has at least been loaded.
    """
    return max(wall_seconds + kept.seconds, (loading_seconds + kept.decoding + kept.sending) / fee_share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The lease of our claim at `now`, in chain seconds. `fee_share` is the most that a release may cost.

    The time of a step can be negative: then there is no time left for it.
    """

    claimed_at: int
    end: int
    now: int
    kept: Reserve
    fee_share: float = 1.0

    @property
    def give_up_at(self) -> float:
        """The last moment for a release that costs at most the share."""
        return self.claimed_at + self.fee_share * (self.end - self.claimed_at) - self.kept.sending

    @property
    def render_until(self) -> float:
        """The time by which a render must end. A late lease that is resumed gives all its remaining time."""
        bounded = self.give_up_at - self.kept.decoding
        last = self.end - self.kept.seconds
        return min(bounded, last) if self.now < bounded else last

    @property
    def decoding_seconds(self) -> float:
        """The time for decoding: until a release becomes too expensive, but at least what decoding needs."""
        last = self.end - self.kept.upload - self.kept.sending
        return min(last, max(self.give_up_at, self.now + self.kept.decoding)) - self.now

    @property
    def upload_seconds(self) -> float:
        """The time for the upload: until a release becomes too expensive, but at least what it needs."""
        last = self.end - self.kept.sending
        return min(last, max(self.give_up_at, self.now + self.kept.upload)) - self.now

    @property
    def waiting_seconds(self) -> float:
        """The time to wait for an unavailable part before the claim is released."""
        last = self.end - self.kept.sending
        return (min(self.give_up_at, last) if self.now < self.give_up_at else last) - self.now


def lease_of(job: Job, now: int, kept: Reserve, fee_share: float) -> Lease:
    """The lease of a claimed job. Without a bond a release is free, so it need not be made early."""
    return Lease(
        claimed_at=job.claimed_at,
        end=job.lease_end,
        now=now,
        kept=kept,
        fee_share=fee_share if job.terms.bond_fri else 1.0,
    )
