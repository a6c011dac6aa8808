"""`veriframe order verify`: the same as `veriframe verify`, for all results of an order."""

from __future__ import annotations

from dataclasses import replace

from veriframe.cli import context
from veriframe.cli.display.activity import activity
from veriframe.cli.order import acting, options
from veriframe.cli.verification import options as verification
from veriframe.cli.verification.choosing import require_frames
from veriframe.cli.verification.running import Output, verify_jobs
from veriframe.errors import MoveRefused


def verify(
    number: options.Number,
    tiles: verification.Tiles = None,
    frames: verification.Frames = None,
    every: verification.Every = False,
    thorough: verification.Thorough = False,
    report: verification.Report = None,
    publish: verification.Publish = False,
    as_json: options.AsJson = False,
) -> None:
    """Render drawn tiles of all results again, and say whether they are right.

    Exits with 0 if they are, 10 if one is wrong, 11 if one is withheld, 12 if it cannot be decided here: the
    first of these that occurs.
    """
    request = verification.request(tiles, frames, every=every, thorough=thorough)
    with activity("asking the registry for the order"):
        orders = acting.orders()
        status = context.run(orders.find(number))
    wanted = set(request.frames)
    if wanted and all(chunk.frames for chunk in status.chunks):
        require_frames(request.frames, {chunk.job.id: chunk.frames for chunk in status.chunks})
    chunks = [
        chunk
        for chunk in status.chunks
        if chunk.has_result and (not wanted or not wanted.isdisjoint(chunk.frames))
    ]
    if not chunks:
        raise MoveRefused(
            "NO_RESULT",
            f"Order {number} has no such result yet. Wait with: veriframe order watch {number} --result.",
        )
    # The frames of chunks that have not come yet are not looked for.
    there = wanted.intersection(frame for chunk in chunks for frame in chunk.frames)
    request = replace(request, frames=tuple(frame for frame in request.frames if frame in there))
    output = Output(folder=report, publish=publish, as_json=as_json)
    verify_jobs(orders, [chunk.job.id for chunk in chunks], request, output)
