"""Builds what creators do with orders: reading, posting, deciding, and films."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from veriframe.creator.creator import Creator
from veriframe.creator.jobs import Jobs
from veriframe.creator.orders.deciding import Decisions
from veriframe.creator.orders.notes import OrderNotes
from veriframe.creator.orders.orders import Orders
from veriframe.creator.orders.posting import OrderPosting


def build_orders(jobs: Jobs, notes: OrderNotes) -> Orders:
    """Build the reading of orders."""
    return Orders(jobs=jobs, notes=notes)


def build_posting(creator: Creator, notes: OrderNotes) -> OrderPosting:
    """Build the posting of orders."""
    return OrderPosting(creator=creator, notes=notes)


def build_decisions(creator: Creator, notes: OrderNotes) -> Decisions:
    """Build the decisions on orders."""
    return Decisions(creator=creator, orders=Orders(jobs=creator, notes=notes))


def write_film(
    frames: Sequence[Path], target: Path, frames_per_second: float, on_frame: Callable[[int], None]
) -> tuple[int, int]:
    """Write frames as a film. Raises as the adapter does."""
    # Imported here because FFmpeg takes a moment, and most commands make no film.
    from veriframe.adapters.films.film import write_film as write  # noqa: PLC0415

    return write(frames, target, frames_per_second, on_frame)
