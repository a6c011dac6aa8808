"""Draws docs/rooms.svg: the floors and rooms of the source tree, in the order that import-linter enforces.

The layers come from pyproject.toml, so the picture shows what `make check` enforces.
`python tools/rooms_picture.py` writes it; a test compares the committed picture with a new one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "rooms.svg"
PACKAGE = "veriframe"

WIDTH, MARGIN, GAP, LINE, TITLE = 1180, 16, 8, 20, 24
"""All in pixels: of the picture, round it, between boxes, of a row of names, and of a box's title."""

Layers = Sequence[Sequence[str]]
"""From the highest layer to the lowest; modules of one layer never import one another."""


@dataclass(frozen=True)
class Box:
    """A module or a package: its name, and the layers inside it where the linter orders them."""

    name: str
    layers: Layers

    @property
    def height(self) -> int:
        """In pixels."""
        return TITLE + LINE * len(self.layers) + (GAP if self.layers else 0)

    @property
    def weight(self) -> int:
        """How wide it wants to be, against the others of its floor: characters of its longest row."""
        rows = [" | ".join(row) for row in self.layers]
        return max(len(row) for row in [self.name, *rows]) + 3


def read_layers() -> dict[str, Layers]:
    """The layers of each package that a contract orders, by its dotted name."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return {
        container: [[name.strip() for name in row.split("|")] for row in contract["layers"]]
        for contract in contracts
        if contract["type"] == "layers"
        for container in contract["containers"]
    }


def floors(layers: dict[str, Layers]) -> Iterator[list[Box]]:
    """The boxes of each floor, from the highest. `adapters` is shown by the packages in it."""
    for row in layers[PACKAGE]:
        names = [name for name in row if name != "adapters"]
        boxes = [Box(name, layers.get(f"{PACKAGE}.{name}", ())) for name in names]
        if "adapters" in row:
            if boxes:
                yield boxes
            inside = sorted((ROOT / "src" / PACKAGE / "adapters").iterdir())
            adapters = [
                path.stem for path in inside if path.suffix == ".py" or (path / "__init__.py").exists()
            ]
            yield [
                Box(f"adapters.{name}", layers.get(f"{PACKAGE}.adapters.{name}", ()))
                for name in adapters
                if name != "__init__"
            ]
        else:
            yield boxes


def rows_of(boxes: Sequence[Box]) -> Iterator[list[Box]]:
    """The boxes of one floor in rows that fit the width, the largest first."""
    row: list[Box] = []
    for box in sorted(boxes, key=lambda box: -box.height):
        if row and sum(one.weight for one in [*row, box]) * 7 + GAP * len(row) > WIDTH - 2 * MARGIN:
            yield row
            row = []
        row.append(box)
    yield row


def draw() -> str:
    """The whole picture."""
    layers = read_layers()
    shapes: list[str] = []
    top = MARGIN
    for floor in floors(layers):
        for row in rows_of(floor):
            height = max(box.height for box in row)
            left = float(MARGIN)
            unit = (WIDTH - 2 * MARGIN - GAP * (len(row) - 1)) / sum(box.weight for box in row)
            for box in row:
                shapes += _box(box, left, top, box.weight * unit, height)
                left += box.weight * unit + GAP
            top += height + GAP
        top += GAP
    style = (
        "text{font:13px system-ui,sans-serif;fill:#1f2328}.t{font-weight:600}"
        "rect{fill:#f6f8fa;stroke:#8c959f}.r{fill:#ddf4ff;stroke:#54aeff}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" viewBox="0 0 {WIDTH} {top}">'
        "<title>Floors and rooms: imports go down only; worker and adapters are one floor</title>"
        f"<style>{style}</style>"
        f'<rect width="{WIDTH}" height="{top}" style="fill:#fff;stroke:none"/>\n'
        + "\n".join(shapes)
        + "\n</svg>\n"
    )


def _box(box: Box, left: float, top: float, width: float, height: int) -> list[str]:
    shapes = [
        f'<rect x="{left:.0f}" y="{top}" width="{width:.0f}" height="{height}" rx="4"/>',
        f'<text class="t" x="{left + 8:.0f}" y="{top + 16}">{escape(box.name)}</text>',
    ]
    for number, row in enumerate(box.layers):
        y = top + TITLE + LINE * number
        each = (width - 16) / len(row)
        for place, name in enumerate(row):
            x = left + 8 + each * place
            shapes += [
                f'<rect class="r" x="{x:.0f}" y="{y}" width="{each:.0f}" height="{LINE}"/>',
                f'<text x="{x + 5:.0f}" y="{y + 14}">{escape(name)}</text>',
            ]
    return shapes


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
