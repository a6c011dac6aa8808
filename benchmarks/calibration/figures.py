"""Compares the rendered crops by the verifier's own code, and keeps the figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import OpenEXR
from benchmarks.calibration.cases import EARLY, KERNEL, OURS, Case, Machine, Way
from numpy.typing import NDArray
from pydantic import TypeAdapter

from veriframe.model.verification.rule import Differences
from veriframe.verifier import comparing

FILE = Path(__file__).with_name("figures.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One crop, rendered one way, against our own: what the rule sees, and what it says.

    `exact` is the share of pixels of equal bits, 0 … 1.
    """

    scene: str
    place: str
    pixels: int
    samples: int
    adaptive: bool
    way: str
    is_honest: bool
    exact: float
    quantiles: tuple[float, float, float]
    outliers: float
    honest: tuple[float, float, float]
    honest_outliers: float
    early: tuple[float, float, float]
    early_outliers: float
    gross: tuple[float, float]
    honest_gross: tuple[float, float]
    answer: str
    grain: float = 1.0
    honest_grain: float = 1.0
    brightness: float = 1.0
    honest_brightness: float = 1.0
    honest_brightness_error: float = 0.0

    @property
    def differences(self) -> tuple[Differences, Differences, Differences]:
        """What the rule sees: A−W, A−S, A−E."""
        return (
            Differences(self.quantiles, self.outliers, self.gross, self.pixels, self.grain, self.brightness),
            Differences(
                self.honest,
                self.honest_outliers,
                self.honest_gross,
                self.pixels,
                self.honest_grain,
                self.honest_brightness,
                self.honest_brightness_error,
            ),
            Differences(self.early, self.early_outliers, pixels=self.pixels),
        )


def size_of(scene: str) -> tuple[int, int]:
    """A scene's width and height in pixels, as examples/README.md says."""
    return {"still": (960, 540), "animation": (320, 180)}.get(scene, (480, 270))


def file_of(folder: Path, case: Case, way: Way) -> Path:
    """The picture of a crop."""
    name = way.name.replace("/", "-").replace(" ", "-")
    return folder / f"{case.name}-{name}.exr"


def measure(cases: Sequence[Case], folder: Path) -> list[Figure]:
    """Compare all crops that were rendered each necessary way."""
    found = []
    for case in cases:
        needed = [file_of(folder, case, way) for way in (OURS, KERNEL, EARLY)]
        if not all(file.is_file() for file in needed):
            continue
        ours, kernel, early = (_pixels(file) for file in needed)
        for way in case.ways(tuple(Machine)):
            file = file_of(folder, case, way)
            if way not in {OURS, KERNEL} and file.is_file():
                found.append(_figure(case, way, (ours, kernel, early, _pixels(file))))
    return found


def _figure(case: Case, way: Way, pictures: Sequence[NDArray[np.float32]]) -> Figure:
    ours, kernel, early, theirs = pictures
    answer, seen = comparing.judge(ours, kernel, early, theirs, is_light=True)
    worker, honest, stopped = seen
    return Figure(
        scene=case.crop.scene,
        place=case.crop.place,
        pixels=case.crop.side**2,
        samples=case.samples,
        adaptive=case.adaptive,
        way=way.name,
        is_honest=way.is_honest,
        exact=_short(float((ours == theirs).all(axis=2).mean())),
        quantiles=_all_short(worker.quantiles),
        outliers=_short(worker.outliers),
        honest=_all_short(honest.quantiles),
        honest_outliers=_short(honest.outliers),
        early=_all_short(stopped.quantiles),
        early_outliers=_short(stopped.outliers),
        gross=_both_short(worker.gross),
        honest_gross=_both_short(honest.gross),
        answer=answer.value,
        grain=_short(worker.grain),
        honest_grain=_short(honest.grain),
        brightness=float(f"{worker.brightness:.5g}"),
        honest_brightness=float(f"{honest.brightness:.5g}"),
        honest_brightness_error=_short(honest.brightness_error),
    )


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def _all_short(values: tuple[float, float, float]) -> tuple[float, float, float]:
    low, middle, high = map(_short, values)
    return low, middle, high


def _both_short(values: tuple[float, float]) -> tuple[float, float]:
    first, second = map(_short, values)
    return first, second


@cache
def _pixels(file: Path) -> NDArray[np.float32]:
    channels = OpenEXR.File(str(file)).channels()
    return np.asarray(channels["RGBA"].pixels, dtype=np.float32)


def with_earlier(found: Sequence[Figure], earlier: Sequence[Figure]) -> list[Figure]:
    """The figures that were found, and the earlier ones of crops and ways that are not among them."""
    by_crop = {(one.scene, one.place, one.samples, one.adaptive, one.way): one for one in (*earlier, *found)}
    return list(by_crop.values())


def write(found: Sequence[Figure]) -> None:
    """Keep the figures, one a line."""
    lines = ",\n".join(json.dumps(asdict(one), ensure_ascii=False) for one in found)
    FILE.write_text(f"[\n{lines}\n]\n", "utf-8")


def read() -> list[Figure]:
    """The figures that were kept."""
    return TypeAdapter(list[Figure]).validate_json(FILE.read_bytes())
