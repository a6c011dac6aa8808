"""What `order show` says of an order, and what its creator can do."""

from __future__ import annotations

from veriframe.cli.display import order_view, show
from veriframe.creator.orders.values import Chunk, ChunkState, OrderStatus
from veriframe.model.quantities import format_strk, plural
from veriframe.model.registry.job import format_address
from veriframe.model.rendering.frames import format_frames

MOST_FAULTS = 5
"""The most results at fault that are told with their reasons."""


def facts(status: OrderStatus) -> dict[str, str]:
    """The details of an order, for people."""
    order, terms = status.order, status.order.terms
    frames = sorted({frame for chunk in status.chunks for frame in chunk.frames})
    return {
        "scene": status.name or show.short(order.asset_cid),
        **({"frames": format_frames(tuple(frames))} if frames else {}),
        "there": order_view.frames_words(status),
        **({"class": ", ".join(status.bundle.classes)} if status.bundle and status.bundle.classes else {}),
        "chunks": f"{len(status.jobs)}, {order_view.jobs_words([job.id for job in status.jobs])}",
        "creator": format_address(order.creator),
        "posted": show.moment(order.created_at, status.now),
        "deadline": show.moment(terms.deadline, status.now),
        "a chunk": format_strk(terms.reward_fri),
        **order_view.money_facts(status),
        "time left": order_view.time_left(status),
        **faults(status),
        **order_view.unclaimed(status),
        **conclusions(status),
        "next": next_step(status),
    }


def faults(status: OrderStatus) -> dict[str, str]:
    """The first results that are at fault, with the reasons."""
    bad = [chunk for chunk in status.chunks if chunk.state is ChunkState.FAULTY]
    told = [f"job {chunk.job.id}: {chunk.fault}" for chunk in bad[:MOST_FAULTS]]
    told += [f"and {len(bad) - MOST_FAULTS} more"] if len(bad) > MOST_FAULTS else []
    return {"at fault": "; ".join(told)} if told else {}


def conclusions(status: OrderStatus) -> dict[str, str]:
    """What verifications said: the jobs of each conclusion, with the reasons where it is not right."""
    told = dict[str, str]()
    for conclusion in order_view.CONCLUDED:
        those = [one for one in status.chunks if one.verified and one.verified.conclusion is conclusion]
        if those and all(one.verified and one.verified.why for one in those):
            told[conclusion.value] = "; ".join(f"job {one.job.id}: {why_of(one)}" for one in those)
        elif those:
            numbers = tuple(sorted(one.job.id for one in those))
            told[conclusion.value] = f"{plural(len(those), 'job')} {format_frames(numbers)}"
    return told


def why_of(chunk: Chunk) -> str:
    """The sentence that explains a chunk's conclusion, or an empty text."""
    return chunk.verified.why if chunk.verified else ""


def next_step(status: OrderStatus) -> str:
    """What the creator can do."""
    number = status.number
    steps = []
    if status.count(ChunkState.THERE):
        steps.append(f"`veriframe order fetch {number}`, then `veriframe order accept {number}`")
    if status.count(ChunkState.EXPIRED):
        steps.append(f"`veriframe order cancel {number}` returns the rewards of expired chunks")
    if status.count(ChunkState.EXPIRED, ChunkState.REFUNDED):
        steps.append(f"`veriframe order create --again {number}` posts lost frames again")
    if steps:
        return ". ".join(steps) + "."
    if status.is_over:
        return f"Done. `veriframe order fetch {number}` and `veriframe order film {number}` get the frames."
    return f"`veriframe order watch {number}` follows it."
