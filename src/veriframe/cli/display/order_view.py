"""Views of an order: its facts, its grid of chunks, rows and sentences for people, objects for scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from veriframe.cli.display import job_view, show
from veriframe.creator.orders.values import Chunk, ChunkState, OrderStatus
from veriframe.model.quantities import counted, format_span, format_strk, plural
from veriframe.model.registry.job import format_address
from veriframe.model.rendering.frames import format_frames
from veriframe.model.verification.findings import Conclusion

COLUMNS = ("order", "scene", "age", "frames", "chunks", "paid", "in escrow")

NARROW_COLUMNS = ("order", "scene", "frames", "chunks", "in escrow")
"""Those of a terminal that is narrower than 80 characters."""

STYLES = {
    ChunkState.OPEN: ("o", "bright_black"),
    ChunkState.UNDER_WAY: ("w", "yellow"),
    ChunkState.THERE: ("t", "cyan"),
    ChunkState.FAULTY: ("f", "red"),
    ChunkState.PAID: ("p", "green"),
    ChunkState.REFUNDED: ("r", "magenta"),
    ChunkState.DISPUTED: ("d", "red"),
    ChunkState.EXPIRED: ("x", "red"),
}
"""The letter and the colour of each state."""

CONCLUDED = {
    Conclusion.EXACT: ("=", "bright_green", "exact"),
    Conclusion.EQUAL: ("~", "bright_green", "equal"),
    Conclusion.UNDECIDED: ("?", "bright_magenta", "undecided"),
    Conclusion.WITHHELD: ("-", "bright_red", "withheld"),
    Conclusion.WRONG: ("!", "bright_red", "wrong"),
}
"""The letter, the colour and the word of a result that waits and was verified."""

MOST_ROWS = 24
"""The most rows of a grid; what is beyond them is only counted."""
UNCLAIMED_SECONDS = 300
"""How long a chunk may be open before a reason is looked for: a worker polls every few seconds."""
SPACED = 200
"""Up to this many chunks stand apart."""
ASIDE = "bright_black"


def draw(status: OrderStatus, columns: int, *, has_colour: bool) -> Group:
    """The whole order, at most `columns` wide."""
    title = Text.assemble((f" Order {status.number}", "bold"), (f"  {show.clean(status.name)}", ""))
    return Group(
        title,
        _bar(status, columns),
        *grid(status, columns, has_colour=has_colour),
        legend(status, has_colour=has_colour),
        _pairs(money_facts(status) | {"time left": time_left(status)} | unclaimed(status)),
    )


def grid(status: OrderStatus, columns: int, *, has_colour: bool) -> Iterator[Text]:
    """A cell for each chunk, in rows that begin with their first frame or part."""
    chunks = status.chunks
    gap = " " if len(chunks) <= SPACED else ""
    labels = [_label(chunk) for chunk in chunks]
    margin = max(map(len, labels)) + 5
    cells = max(1, (columns - margin - 2) // (1 + len(gap)))
    if cells > 10:
        cells -= cells % 10
    for row, at in enumerate(range(0, len(chunks), cells)):
        if row == MOST_ROWS:
            yield Text(f"   and {len(chunks) - at} more {plural(len(chunks) - at, 'chunk')}", ASIDE)
            return
        line = Text(f"{labels[at]:>{margin - 2}}  ", ASIDE, no_wrap=True)
        for chunk in chunks[at : at + cells]:
            letter, style, _ = _mark(chunk)
            line.append(("■" if has_colour else letter) + gap, style)
        yield line


def legend(status: OrderStatus, *, has_colour: bool) -> Text:
    """How many chunks are in which state; only states that occur."""
    text = Text("   ")
    found = Counter(map(_mark, status.chunks))
    for mark in [*((*STYLES[state], state.value) for state in STYLES), *CONCLUDED.values()]:
        letter, style, word = mark
        if count := found[mark]:
            text.append("■ " if has_colour else f"{letter} ", style)
            text.append(f"{count} {word}   ")
    return text


def _mark(chunk: Chunk) -> tuple[str, str, str]:
    """The letter, the colour and the word of a chunk."""
    if chunk.verified is not None and chunk.state in (ChunkState.THERE, ChunkState.FAULTY):
        return CONCLUDED[chunk.verified.conclusion]
    return (*STYLES[chunk.state], chunk.state.value)


def _label(chunk: Chunk) -> str:
    if chunk.tile is not None:
        return str(chunk.tile + 1)
    return str(chunk.frames[0]) if chunk.frames else str(chunk.job.part + 1)


def _bar(status: OrderStatus, columns: int) -> RenderableType:
    line = Table.grid(padding=(0, 2))
    share = status.frames_there / max(1, status.frames)
    bar = ProgressBar(total=1.0, completed=share, width=max(10, min(50, columns - 34)), complete_style="cyan")
    line.add_row("  ", bar, frames_words(status))
    return line


def frames_words(status: OrderStatus) -> str:
    """Such as `120 of 250 frames`."""
    return f"{status.frames_there} of {counted(status.frames, 'frame')}"


def jobs_words(numbers: Sequence[int]) -> str:
    """Such as `job 7`, or `jobs 7 to 12`."""
    return f"job {numbers[0]}" if len(numbers) == 1 else f"jobs {numbers[0]} to {numbers[-1]}"


def money_facts(status: OrderStatus) -> dict[str, str]:
    """What was spent, is bound and came back."""
    pairs = {"paid": format_strk(status.spent_fri), "in escrow": format_strk(status.bound_fri)}
    return pairs | ({"returned": format_strk(status.returned_fri)} if status.returned_fri else {})


def time_left(status: OrderStatus) -> str:
    """When the last chunk may come."""
    if status.has_come:
        return "all has come" if status.frames_there == status.frames else "nothing more will come"
    seconds = status.seconds_left
    return "not known before the first chunk has come" if seconds is None else f"about {_rough(seconds)}"


def _rough(seconds: float) -> str:
    return show.rough_span(max(60, round(seconds / 60) * 60)) if seconds > 90 else format_span(int(seconds))


def unclaimed(status: OrderStatus) -> dict[str, str]:
    """What may be the reason if nobody has claimed a chunk for minutes, and how to find out."""
    if not status.count(ChunkState.OPEN) or status.count(ChunkState.UNDER_WAY):
        return {}
    last = max(
        status.order.created_at, *(max(chunk.came_at, chunk.job.claimed_at) for chunk in status.chunks)
    )
    if status.now - last < UNCLAIMED_SECONDS:
        return {}
    return {
        "unclaimed": f"Nobody has claimed a chunk for {show.rough_span(status.now - last)}. Perhaps workers "
        "refuse the scene: `veriframe scene check` tells, of its file or of a folder of `job pack`. Or they "
        "want more than you pay (their minimum_reward_strk and minimum_frame_reward_strk) or a longer lease, "
        "or none has this Blender."
    }


def row(status: OrderStatus) -> tuple[str, ...]:
    """An order under `COLUMNS`."""
    return (
        str(status.number),
        status.name or show.short(status.order.asset_cid),
        show.rough_span(status.now - status.order.created_at),
        f"{status.frames_there}/{status.frames}" if status.bundles else "–",
        _brief_counts(status),
        format_strk(status.spent_fri),
        format_strk(status.bound_fri),
    )


def _brief_counts(status: OrderStatus) -> str:
    counts = [f"{count} {state.value}" for state in ChunkState if (count := status.count(state))]
    return ", ".join(counts)


def sentence(status: OrderStatus, chunk: Chunk) -> str:
    """What became of a chunk, in one line for a log of changes."""
    verified = chunk.verified
    said = "" if verified is None else f", {verified.conclusion}"
    why = f". {verified.why}" if verified is not None and verified.why else ""
    return (
        f"order {status.number}: {piece_words(chunk)} {chunk.state.value}{said} (job {chunk.job.id}); "
        f"{frames_words(status)} there{why}"
    )


def piece_words(chunk: Chunk) -> str:
    """What a chunk renders, such as `frames 5-8`."""
    if not chunk.frames:
        return f"part {chunk.job.part + 1}"
    frames = f"{plural(len(chunk.frames), 'frame')} {format_frames(chunk.frames)}"
    return frames if chunk.tile is None else f"tile {chunk.tile + 1} of {frames}"


def chunk_object(chunk: Chunk) -> dict[str, Any]:
    """A chunk for scripts."""
    job = chunk.job
    return {
        "job_id": job.id,
        "part": job.part,
        "frames": format_frames(chunk.frames) if chunk.frames else None,
        "tile": chunk.tile,
        "state": chunk.state.value,
        "worker": format_address(job.worker) if job.worker else None,
        "result_cid": job.result_cid or None,
        "finding": chunk.fault or chunk.finding,
        "conclusion": chunk.verified.conclusion.value if chunk.verified else None,
        "why": chunk.verified.why or None if chunk.verified else None,
    }


def as_object(status: OrderStatus, changed: Sequence[Chunk] | None = None) -> dict[str, Any]:
    """An order for scripts: with all chunks, or with those that have `changed`."""
    order = status.order
    left = status.seconds_left
    return {
        "order": status.number,
        "orders": [one.id for one in status.orders],
        "scene": status.name or None,
        "creator": format_address(order.creator),
        "asset_cids": [one.asset_cid for one in status.orders],
        "frames": status.frames,
        "frames_there": status.frames_there,
        "counts": {state.value: status.count(state) for state in ChunkState},
        "paid_fri": status.spent_fri,
        "in_escrow_fri": status.bound_fri,
        "returned_fri": status.returned_fri,
        "seconds_left": None if left is None else round(left),
        **job_view.terms_object(order.terms),
        "created_at": order.created_at,
        "now": status.now,
        "chunks": [chunk_object(chunk) for chunk in (status.chunks if changed is None else changed)],
    }


def _pairs(pairs: dict[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style=ASIDE, no_wrap=True, min_width=9)
    table.add_column(overflow="fold")
    for name, value in pairs.items():
        table.add_row(f"   {name}", show.clean(value))
    return table
