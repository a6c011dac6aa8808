"""The grid of chunks on terminals of any width, in colour and without, with few chunks and with thousands."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console
from tests.unit.creator.orders.studio import BUNDLE

from veriframe.cli.display import order_view
from veriframe.creator.orders.notes import OrderNote
from veriframe.creator.orders.values import ChunkState, OrderStatus
from veriframe.model.registry.job import Address, Job, JobState, Order, Terms

TERMS = Terms(
    reward_fri=10**17,
    bond_fri=10**16,
    deadline=100_000,
    lease_seconds=3600,
    review_seconds=600,
    arbitration_seconds=600,
)
RESULT = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
NOTE = OrderNote(name="shot.blend", frame_seconds=30.0, loading_seconds=10.0)


def status(chunks: int, states: list[JobState] | None = None, now: int = 1000) -> OrderStatus:
    """An order with this many chunks of four frames, the first ones in these states."""
    order = Order(
        id=7, creator=Address(1), asset_cid="bafy", terms=TERMS, first_job=1, jobs=chunks, created_at=400
    )
    jobs = [Job(id=1 + part, order=order, part=part) for part in range(chunks)]
    for part, state in enumerate(states or []):
        result = RESULT if state in (JobState.SUBMITTED, JobState.PAID, JobState.DISPUTED) else ""
        jobs[part] = replace(jobs[part], state=state, lease_end=5000, result_cid=result, review_end=1500)
    bundle = replace(BUNDLE, frames=tuple(range(1, 4 * chunks + 1)))
    return OrderStatus(orders=(order,), jobs=tuple(jobs), bundles={7: bundle}, notes={"bafy": NOTE}, now=now)


def drawn(shown: OrderStatus, columns: int, *, has_colour: bool = False) -> list[str]:
    """The lines of the whole drawing."""
    console = Console(file=io.StringIO(), width=columns, color_system=None)
    console.print(order_view.draw(shown, columns, has_colour=has_colour))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


ALL = [
    JobState.PAID,
    JobState.SUBMITTED,
    JobState.CLAIMED,
    JobState.DISPUTED,
    JobState.REFUNDED,
    JobState.OPEN,
]


def test_each_state_has_a_letter_or_a_colour() -> None:
    """Letters without colour; with colour, cells of one shape; the legend counts both ways."""
    plain = "\n".join(drawn(status(6, ALL), 80))
    assert "1  p t w d r o" in plain
    assert "p 1 paid" in plain
    coloured = "\n".join(drawn(status(6, ALL), 80, has_colour=True))
    assert "1  ■ ■ ■ ■ ■ ■" in coloured
    styles = {
        str(span.style)
        for line in order_view.grid(status(6, ALL), 80, has_colour=True)
        for span in line.spans
    }
    assert len(styles) == 6
    assert "x 6 expired" in "\n".join(drawn(status(6, now=200_000), 80))
    assert set(order_view.STYLES) == set(ChunkState)


@pytest.mark.parametrize("columns", [40, 60, 110, 200])
@pytest.mark.parametrize("chunks", [1, 25, 199, 1000, 5000])
def test_no_line_is_wider_than_the_terminal(columns: int, chunks: int) -> None:
    """And no drawing is longer than a screen can show."""
    lines = drawn(status(chunks, ALL[: min(chunks, 6)]), columns)
    assert max(map(len, lines)) <= columns
    assert len(lines) <= order_view.MOST_ROWS + 14


def test_rows_begin_with_their_first_frame() -> None:
    """Ten or a multiple of ten cells a row."""
    lines = [line for line in drawn(status(25), 60) if " o o" in line]
    assert [line.split()[0] for line in lines] == ["1", "81"]


def test_money_and_time_are_told() -> None:
    """What was paid, what is bound, and what the estimate says while nothing has come."""
    text = "\n".join(drawn(status(6), 80))
    assert "0.6 STRK" in text
    assert "13m" in text


def test_objects_have_all_counts_and_exact_money() -> None:
    """For scripts: each state, and chunks as lists of frames."""
    told = order_view.as_object(status(6, ALL))
    assert told["counts"]["under way"] == 1
    assert (told["paid_fri"], told["returned_fri"]) == (10**17, 10**17)
    assert told["chunks"][1]["frames"] == "5-8"
