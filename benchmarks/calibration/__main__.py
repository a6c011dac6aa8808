"""Renders what is missing, compares, and writes figures.json and the tables in docs/verification.md.

`make calibration` renders into build/calibration and takes hours on two cores; what is there is not rendered
again. With `--figures` nothing is rendered.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.calibration import figures, table
from benchmarks.calibration.cases import Case, Machine, Way, cases

ROOT = Path(__file__).parents[2]
RENDERED = ROOT / "build" / "calibration"
LIMIT_SECONDS = 6 * 3600


def main() -> None:
    """Reads the arguments; renders; compares; writes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__)
    parser.add_argument("--figures", action="store_true", help="only compare what was rendered before")
    parser.add_argument("--small", action="store_true", help="the crops for emulated processors instead")
    parser.add_argument(
        "--old-blender", type=Path, help="a folder into which bpy 4.5.0 was installed (--target)"
    )
    parser.add_argument("--qemu", type=Path, help="qemu-x86_64 of QEMU 10; emulates processors")
    parser.add_argument("--scenes", default="", help="only these, joined by commas")
    parser.add_argument("--samples", default="", help="only these numbers, joined by commas")
    parser.add_argument("--adaptive", action="store_true", help="only those with adaptive sampling")
    parser.add_argument(
        "--keep", action="store_true", help="keep earlier figures of what is not rendered here"
    )
    parser.add_argument("--second-place", action="store_true", help="a second crop of each scene")
    given = parser.parse_args()
    if not given.figures:
        for case_list, machines in _plan(given):
            _render(case_list, machines, given)
    everything = [*cases(small=True, second_place=False), *cases(small=False, second_place=True)]
    found = figures.measure(everything, RENDERED)
    if given.keep:
        found = figures.with_earlier(found, figures.read())
    figures.write(found)
    table.write(found)


def _plan(given: argparse.Namespace) -> Iterable[tuple[list[Case], tuple[Machine, ...]]]:
    """The cases of each scene, with few samples first, and the machines for them."""
    machines: tuple[Machine, ...] = (Machine.OWN, Machine.SSE)
    if given.small:
        machines += (Machine.OLD,) if given.old_blender else ()
        machines += (Machine.OTHER,) if given.qemu else ()
    scenes = set(filter(None, given.scenes.split(",")))
    samples = {int(one) for one in filter(None, given.samples.split(","))}
    wanted = [
        case
        for case in cases(small=given.small, second_place=given.second_place)
        if (not scenes or case.crop.scene in scenes) and (not samples or case.samples in samples)
        if case.adaptive or not given.adaptive
    ]
    # One Blender for all of a scene where it starts slowly, else one for each number of samples.
    groups = dict.fromkeys(sorted((0 if given.small else case.samples, case.crop.scene) for case in wanted))
    for count, scene in groups:
        yield [case for case in wanted if case.crop.scene == scene and count in {0, case.samples}], machines


def _render(wanted: Sequence[Case], machines: tuple[Machine, ...], given: argparse.Namespace) -> None:
    """Render what is missing of one scene: one Blender for each machine."""
    scene = ROOT / "build" / "scenes" / f"{wanted[0].crop.scene}.blend"
    if not scene.is_file():
        sys.exit(f"{scene} is not there. Run `make scenes`.")
    width, height = figures.size_of(wanted[0].crop.scene)
    for machine in machines:
        jobs = [
            _job(case, way, (width, height))
            for case in wanted
            for way in case.ways(machines)
            if way.machine is machine and not figures.file_of(RENDERED, case, way).is_file()
        ]
        if not jobs:
            continue
        RENDERED.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(jobs, file)
            file.flush()
            command, environment = _command(machine, given)
            subprocess.run(
                [*command, str(Path(__file__).with_name("render.py")), str(scene), file.name],
                env={**os.environ, **environment},
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=LIMIT_SECONDS,
            )
        seconds = time.monotonic() - started
        print(
            f"{wanted[0].crop.scene} {wanted[0].samples} {machine}: {len(jobs)} in {seconds:.0f} s",
            flush=True,
        )


def _job(case: Case, way: Way, size: tuple[int, int]) -> dict[str, object]:
    total, first = case.counts(way)
    side = case.crop.side
    left = round(case.crop.x * size[0] - side / 2)
    top = round(case.crop.y * size[1] - side / 2)
    return {
        "out": str(figures.file_of(RENDERED, case, way)),
        "region": [left, top, side, side],
        "samples": total,
        "first": None if first == total else first,
        "seed": way.seed,
        "adaptive": case.adaptive,
    }


def _command(machine: Machine, given: argparse.Namespace) -> tuple[list[str], dict[str, str]]:
    """How Python is started for a machine, and its environment."""
    if machine is Machine.SSE:
        return [sys.executable], {"CYCLES_CPU_NO_AVX2": "1"}
    if machine is Machine.OLD:
        return [sys.executable], {"PYTHONPATH": str(given.old_blender)}
    if machine in {Machine.OTHER, Machine.OTHER_WITHOUT_AVX2}:
        model = "Haswell" if machine is Machine.OTHER else "Nehalem"
        return [str(given.qemu), "-cpu", model, sys.executable], {}
    return [sys.executable], {}


if __name__ == "__main__":
    main()
