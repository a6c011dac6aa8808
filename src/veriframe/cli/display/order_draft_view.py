"""Views of an order before it is posted, and of one that was."""

from __future__ import annotations

from typing import Any

from veriframe.cli.display import job_view
from veriframe.creator.orders.posting import OrderDraft, PostedOrder
from veriframe.model.bundle.estimate import Estimate
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.quantities import brief_strk, counted, format_size, format_span, format_strk, plural
from veriframe.model.rendering.frames import format_frames


def facts(draft: OrderDraft, size_bytes: int, estimate: Estimate | None) -> dict[str, str]:
    """What will be posted and what it costs, for people."""
    first = draft.bundles[0]
    frames = tuple(frame for bundle in draft.bundles for frame in bundle.frames)
    terms = job_view.terms_facts(draft.terms)
    pairs = {
        "scene": f"{draft.note.name}, {format_size(size_bytes)}"
        if size_bytes
        else f"{draft.note.name}, not sent again",
        "frames": f"{format_frames(frames)} ({len(frames)})",
        "chunks": _chunks(draft, first),
        **(_estimated(estimate) if estimate else {}),
        "a chunk": terms.pop("reward"),
        "rewards": f"{format_strk(draft.reward_fri)} for all {draft.chunks}",
        "bond": f"{terms.pop('bond')} from a worker for each chunk",
        # The offer's terms at time 0, so that the deadline is a span.
        "deadline": f"{format_span(draft.offer.terms(0).deadline)} after posting",
        **terms,
    }
    if draft.job_fees_fri:
        pairs["worker's fees"] = f"about {brief_strk(draft.job_fees_fri)} for each chunk"
    if len(draft.bundles) > 1:
        pairs["transactions"] = f"{len(draft.bundles)}, for at most 1000 chunks each"
    credit_fri = draft.reward_fri - draft.deposit_fri
    pairs |= {"from credit": format_strk(credit_fri)} if credit_fri > 0 else {}
    return pairs | {"from the wallet": format_strk(draft.deposit_fri)}


def _chunks(draft: OrderDraft, first: Bundle) -> str:
    if first.split is not None:
        grid = f"{first.split.columns}×{first.split.rows}"
        if first.split.only:
            tiles = format_frames(tuple(tile + 1 for tile in first.split.only))
            return f"{plural(draft.chunks, 'tile')} {tiles} of one picture, {grid}"
        return f"{counted(first.split.tiles, 'tile')} of one picture, {grid}"
    last = len(draft.bundles[-1].frames) % first.chunk
    rest = f", the last of {last}" if last and draft.chunks > 1 else ""
    size = min(first.chunk, len(first.frames))
    return f"{draft.chunks} of {counted(size, 'frame')}{rest}"


def _estimated(estimate: Estimate) -> dict[str, str]:
    pairs = {
        "a frame": f"{format_span(estimate.frame_seconds)} ± "
        f"{format_span(estimate.error_seconds)} on this machine",
        "all frames": f"{format_span(estimate.total_seconds)} on this machine",
    }
    if estimate.frame_price_fri is not None:
        pairs["suggested price"] = f"{brief_strk(estimate.frame_price_fri)} a frame"
    return pairs


def posted_object(posted: PostedOrder, draft: OrderDraft) -> dict[str, Any]:
    """A new order for scripts."""
    return {
        "order": posted.number,
        "job_ids": list(posted.jobs),
        "asset_cids": list(posted.asset_cids),
        "scene": draft.note.name,
        "frames": draft.frames,
        "chunks": draft.chunks,
        "rewards_fri": draft.reward_fri,
        "deposited_fri": posted.deposited_fri,
        **job_view.terms_object(posted.terms),
    }
