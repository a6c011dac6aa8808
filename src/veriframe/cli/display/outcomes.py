"""What became of each of several jobs or scenes: an error of one is told, and the others go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import typer

from veriframe.cli.display import error as errors
from veriframe.cli.display import show
from veriframe.errors import JobError, MoveRefused, OutputGone, VeriFrameError


class Outcomes:
    """The outcomes of one command for `count` items. A single item's error ends the command as usual."""

    def __init__(self, count: int, *, as_json: bool) -> None:
        self.is_single = count == 1
        self._as_json = as_json
        self._codes: list[int] = []

    @contextmanager
    def of(self, **item: object) -> Iterator[None]:
        """Do something with one item, such as `job_id=3`. With several, its error is told here."""
        try:
            yield
        except VeriFrameError as error:
            if self.is_single or isinstance(error, OutputGone):
                raise
            self.add_error(error, **item)

    def add_error(self, error: VeriFrameError, **item: object) -> None:
        """Tell one item's error."""
        self.add_code(errors.exit_code(error))
        # A scene is known by its path alone.
        about = [f"job {value}" if name == "job_id" else str(value) for name, value in item.items()]
        errors.say(error, about=" ".join(about))
        if self._as_json:
            show.json_line({**item, "error": str(error), "code": _code(error)})

    def add_code(self, code: int) -> None:
        """Note the exit code that one item's outcome means."""
        self._codes.append(code)

    def end(self) -> None:
        """Exit with the code of the first item that did not go well, if any."""
        for code in self._codes:
            if code:
                raise typer.Exit(code)

    def print_json(self, value: Mapping[str, object]) -> None:
        """Print one item's object: on several lines if it is the only one, else on one."""
        (show.as_json if self.is_single else show.json_line)(value)


def _code(error: VeriFrameError) -> str | None:
    if isinstance(error, JobError):
        return error.code.value
    return error.rule if isinstance(error, MoveRefused) else None
