"""How the time of a claim is divided: what a render may take, and what is kept for all that follows it.

After a render come decoding, the upload and the submission. Each step keeps back what follows *it*, and no
more: nothing is taken off twice. A release costs the part of the bond that was held of the lease, so that a
render also ends early enough for its release to cost at most a share of the bond.
"""

from __future__ import annotations

from dataclasses import dataclass

from veriframe.model.registry.job import Job

SEND_SECONDS = 10.0
"""For one transaction to be in a block: a submission, or a release."""

DECODE_START_SECONDS = 2.0
DECODE_PIXEL_SECONDS = 1.5e-6
DECODE_EDGE_SECONDS = 60e-6
"""Three times what the worst picture took (16 bits RGBA, noise, Paeth's filter in each row): 0.55 µs a pixel,
and 20 µs for each row and column, of which PNG's filters make steps. Measured by `benchmarks/decoding.py`."""

PICTURE_PIXEL_BYTES = 8
"""Of the largest picture: RGBA with 16 bits each, which noise leaves as large as it is."""
UPLOAD_BYTES_A_SECOND = 2_000_000
"""A slow line to the store. A store on the same machine takes a hundred times as much."""

NOMINAL_SIZE = (1920, 1080)
"""What a picture is taken for before its scene was inspected: pixels."""


def decoding_seconds(width: int, height: int) -> float:
    """How long the slowest picture of this size may take to be decoded and written again."""
    pixels, edges = width * height, width + height
    return DECODE_START_SECONDS + pixels * DECODE_PIXEL_SECONDS + edges * DECODE_EDGE_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """What follows a render, in seconds: decoding its frame, the picture's upload, the submission."""

    decoding: float
    upload: float
    sending: float

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.decoding + self.upload + self.sending


def reserve(
    width: int, height: int, *, sending_seconds: float = SEND_SECONDS, copies_seconds: float = 0.0
) -> Reserve:
    """What to keep for one picture of this size. `copies_seconds` is how long others may take to copy it."""
    upload = width * height * PICTURE_PIXEL_BYTES / UPLOAD_BYTES_A_SECOND + copies_seconds
    return Reserve(decoding=decoding_seconds(width, height), upload=upload, sending=sending_seconds)


def shortest_lease(wall_seconds: float, loading_seconds: float, kept: Reserve, fee_share: float) -> float:
    """The seconds of lease with which a job may be claimed.

    A render that takes all its time is handed in, and one that is cut for its release fee has been loaded.
    """
    return max(wall_seconds + kept.seconds, (loading_seconds + kept.decoding + kept.sending) / fee_share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Our claim at `now`. Points in time are chain seconds; `fee_share` is the most that a release may cost.

    What a step may take can be negative: then there is no time for it.
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
        """When a render must be through. What is found under a late lease has all that is left of it."""
        bounded = self.give_up_at - self.kept.decoding
        last = self.end - self.kept.seconds
        return min(bounded, last) if self.now < bounded else last

    @property
    def decoding_seconds(self) -> float:
        """What decoding may take: all until the release gets too dear, and at least what it needs."""
        last = self.end - self.kept.upload - self.kept.sending
        return min(last, max(self.give_up_at, self.now + self.kept.decoding)) - self.now

    @property
    def upload_seconds(self) -> float:
        """What the upload may take, likewise."""
        last = self.end - self.kept.sending
        return min(last, max(self.give_up_at, self.now + self.kept.upload)) - self.now

    @property
    def waiting_seconds(self) -> float:
        """How long something that is away may be waited for, before the claim goes back."""
        last = self.end - self.kept.sending
        return (min(self.give_up_at, last) if self.now < self.give_up_at else last) - self.now


def lease_of(job: Job, now: int, kept: Reserve, fee_share: float) -> Lease:
    """The lease of a claimed job. Without a bond a release costs nothing, and so is not made early."""
    return Lease(
        claimed_at=job.claimed_at,
        end=job.lease_end,
        now=now,
        kept=kept,
        fee_share=fee_share if job.terms.bond_fri else 1.0,
    )
