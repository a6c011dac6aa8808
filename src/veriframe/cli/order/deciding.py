"""`veriframe order accept` and `cancel`: decisions on many chunks at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from veriframe.cli import context
from veriframe.cli.display import error as errors
from veriframe.cli.display import money, order_view, show
from veriframe.cli.order import acting, options
from veriframe.creator.orders.deciding import Decided, left_words
from veriframe.creator.orders.values import Chunk
from veriframe.errors import MoveRefused
from veriframe.model.bundle.options import frames_option
from veriframe.model.quantities import plural
from veriframe.model.rendering.frames import format_frames

Frames = Annotated[str | None, options.only("--frames", "Only chunks with one of these frames: 1-10,15.")]
Jobs = Annotated[str | None, options.only("--jobs", "Only the chunks of these jobs: 7,9-12.")]


def accept(
    number: options.Number,
    frames: Frames = None,
    jobs: Jobs = None,
    unchecked: Annotated[
        bool,
        typer.Option("--unchecked", help="Pay, too, for results that nobody has checked."),
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Accept all results that `order fetch` has checked, or that were verified: their workers are paid now.

    This cannot be undone.
    """
    wanted = _wanted(frames, jobs)
    decided = context.run(acting.decisions().accept(number, wanted, unchecked=unchecked))
    _tell(decided, money.order_accepted(decided), as_json=as_json)
    if decided.left:
        words = left_words(number, decided.left)
        show.err.print(show.clean(words), style="yellow", markup=False, soft_wrap=True)


def cancel(
    number: options.Number, frames: Frames = None, jobs: Jobs = None, as_json: options.AsJson = False
) -> None:
    """Cancel all chunks that no worker has claimed; their rewards become credit again."""
    wanted = _wanted(frames, jobs)
    decided = context.run(acting.decisions().cancel(number, wanted))
    _tell(decided, money.order_cancelled(decided), as_json=as_json)


def _wanted(frames: str | None, jobs: str | None) -> Callable[[Chunk], bool]:
    wanted_frames = None if frames is None else set(frames_option("--frames", frames))
    wanted_jobs = None if jobs is None else set(frames_option("--jobs", jobs))

    def is_wanted(chunk: Chunk) -> bool:
        has_frame = wanted_frames is None or not wanted_frames.isdisjoint(chunk.frames)
        return has_frame and (wanted_jobs is None or chunk.job.id in wanted_jobs)

    return is_wanted


def _tell(decided: Decided, sentence: str, *, as_json: bool) -> None:
    if as_json:
        made = {chunk.job.id for chunk in decided.chunks}
        changed = [chunk for chunk in decided.after.chunks if chunk.job.id in made]
        show.as_json(order_view.as_object(decided.after, changed))
    else:
        show.out.print(show.clean(sentence), markup=False)
    others = [(chunk, error) for chunk, error in decided.refused if not isinstance(error, MoveRefused)]
    left = [chunk.job.id for chunk, error in decided.refused if isinstance(error, MoveRefused)]
    if left:
        jobs = f"{plural(len(left), 'job')} {format_frames(tuple(sorted(left)))}"
        words = f"Meanwhile {jobs} changed and stayed as {'it is' if len(left) == 1 else 'they are'}."
        show.err.print(words, style="yellow", markup=False, soft_wrap=True)
    for chunk, error in others:
        errors.say(error, about=f"job {chunk.job.id}")
    if others:
        raise typer.Exit(errors.exit_code(others[0][1]))
