"""A whole production on embedded parts: three workers, 24 frames, and the film. For `make demo-film`.

    python -m tools.demo_film [--output FOLDER] [--scene FILE.blend] [--frames 1-24] [--chunk 3]

A script makes a production: a scene with a linked library, textures, a volume and baked caches beside it. The
creator packs it and posts it as one order. Three workers, each a separate process with an account of its own,
render the chunks. The creator fetches the frames, each checked, makes the film and a contact sheet, and
accepts. Every step uses the `veriframe` command, as users would. Exit code 1: a step failed; the message says
which.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from tools.demo_folder import emptied

ROOT = Path(__file__).parents[1]
COMMAND = Path(sys.executable).with_name("veriframe")
FRI_PER_STRK = 10**18
PRICE_STRK = "0.05"
WORKERS = 3
MOST_SECONDS = 1500.0
POLL_SECONDS = 2.0
INTERRUPTED = 130
SHEET_COLUMNS, SHEET_PIXELS = 6, 320
"""Pictures in a row of the contact sheet, and the width of each."""

_THERE = ("there", "paid")


class DemoFailed(Exception):
    """A step failed; the message says which."""


@dataclass(frozen=True)
class House:
    """One home folder: the registry, the store, and the accounts of everybody."""

    folder: Path
    started: float = field(default_factory=time.monotonic)

    @property
    def environment(self) -> dict[str, str]:
        """The command's environment, without the settings of the calling shell."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return kept | {"VERIFRAME_HOME": str(self.folder / "home"), "VERIFRAME_LOG_FORMAT": "json"}

    def ask(self, *arguments: str | Path) -> dict[str, Any]:
        """Runs a command and returns its JSON output. Raises `DemoFailed`."""
        ran = subprocess.run(
            [COMMAND, *arguments, "--json"],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            raise DemoFailed(
                f"`veriframe {' '.join(map(str, arguments[:2]))} …` failed: {ran.stderr.strip()}"
            )
        return dict(json.loads(ran.stdout))

    def say(self, line: str) -> None:
        """Prints a line with the time since the start."""
        minutes, seconds = divmod(int(time.monotonic() - self.started), 60)
        print(f"{minutes:2d}:{seconds:02d}  {line}", flush=True)


def main() -> int:
    """Runs the demo. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="make demo-film", description="A film by three workers.")
    parser.add_argument("--output", type=Path, default=ROOT / "demo-output" / "film", help="folder for all")
    parser.add_argument("--scene", type=Path, help="a scene instead of examples/production.py")
    parser.add_argument("--frames", default="1-24")
    parser.add_argument("--chunk", default="3")
    given = parser.parse_args()
    # Ctrl-C and a supervisor's SIGTERM have the same effect.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        show(House(emptied(given.output.absolute(), "demo-film")), given.scene, given.frames, given.chunk)
    except KeyboardInterrupt:
        print("Stopped. Every worker has ended.")
        return INTERRUPTED
    except DemoFailed as error:
        print(f"demo-film: {error}", file=sys.stderr)
        return 1
    return 0


def show(house: House, scene: Path | None, frames: str, chunk: str) -> None:
    """Runs the whole production. Raises `DemoFailed`."""
    scene = scene.absolute() if scene else make_production(house)
    house.say("Creator: packs the scene, proves the bundle portable, and estimates what it takes")
    asked = ("--frames", frames, "--chunk", chunk, "--price", PRICE_STRK)
    posted = house.ask("order", "create", scene, *asked, "--yes")
    number = str(posted["order"])
    house.say(f"Creator: order {number} is posted: {posted['frames']} frames in {posted['chunks']} chunks")
    with working(house):
        follow(house, number, posted["frames"])
    fetched = house.ask("order", "fetch", number, "-o", house.folder / "frames")
    house.say(f"Creator: {len(fetched['written'])} frames fetched, each decoded and compared with its digest")
    film = house.ask("order", "film", str(house.folder / "frames"), "-o", house.folder / "film.mp4")
    house.say(f"Creator: {film['frames']} frames make {film['seconds']:g} s of film")
    house.ask("order", "accept", number)
    show_money(house, number, int(posted["rewards_fri"]))
    sheet = draw_contact_sheet(sorted((house.folder / "frames").glob("*.png")), house.folder / "frames.png")
    print(f"\nThe film:          {house.folder / 'film.mp4'}\nThe contact sheet: {sheet}")


def make_production(house: House) -> Path:
    """Creates the example production with its script. Raises `DemoFailed`."""
    house.say("A script makes the production")
    folder = house.folder / "production"
    made = subprocess.run(
        [sys.executable, ROOT / "examples" / "production.py", folder],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    scene = folder / "shots" / "cinema" / "cinema.blend"
    if made.returncode or not scene.is_file():
        raise DemoFailed(f"The scene could not be created: {made.stdout[-500:]}{made.stderr[-500:]}")
    return scene


@contextmanager
def working(house: House) -> Iterator[None]:
    """Runs the workers, each in a process with an account of its own."""
    with ExitStack() as stack:
        for number in range(1, WORKERS + 1):
            log = stack.enter_context((house.folder / f"worker-{number}.log").open("w"))
            process = subprocess.Popen(
                [COMMAND, "--account", f"worker-{number}", "worker"],
                env=house.environment,
                cwd=house.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            stack.callback(_end, process)
        house.say(f"{WORKERS} workers start, each in a sandbox that tests itself first")
        yield


def _end(process: subprocess.Popen[bytes]) -> None:
    """The first signal lets claimed jobs finish, the second ends it at once."""
    for wait_seconds in (20, 10):
        process.terminate()
        try:
            process.wait(wait_seconds)
        except subprocess.TimeoutExpired:
            continue
        return
    process.kill()
    process.wait()


def follow(house: House, number: str, frames: int) -> None:
    """Prints what comes, until all frames are there. Raises `DemoFailed`."""
    end, told = time.monotonic() + MOST_SECONDS, dict[int, str]()
    while time.monotonic() < end:
        status = house.ask("order", "show", number)
        for chunk in status["chunks"]:
            if chunk["state"] in _THERE and told.get(chunk["job_id"]) != "there":
                told[chunk["job_id"]] = "there"
                house.say(f"  frames {chunk['frames']} came from {_short(chunk['worker'])}")
        if status["frames_there"] == frames:
            return
        time.sleep(POLL_SECONDS)
    raise DemoFailed(f"Not all frames came. See the workers' logs in {house.folder}.")


def draw_contact_sheet(frames: Sequence[Path], target: Path) -> Path:
    """Draws all frames, small, into one picture."""
    rows = -(-len(frames) // SHEET_COLUMNS)
    with Image.open(frames[0]) as first:
        height = round(SHEET_PIXELS * first.height / first.width)
    sheet = Image.new("RGB", (SHEET_COLUMNS * SHEET_PIXELS, rows * height))
    for place, frame in enumerate(frames):
        with Image.open(frame) as picture:
            small = picture.convert("RGB").resize((SHEET_PIXELS, height))
        row, column = divmod(place, SHEET_COLUMNS)
        sheet.paste(small, (column * SHEET_PIXELS, row * height))
    sheet.save(target)
    return target


def show_money(house: House, number: str, rewards_fri: int) -> None:
    """Prints what each worker was paid. Raises `DemoFailed` if that is not what the order offered."""
    chunks: Sequence[dict[str, Any]] = house.ask("order", "show", number)["chunks"]
    each = rewards_fri // len(chunks)
    paid: dict[str, int] = {}
    for chunk in chunks:
        if chunk["state"] == "paid":
            paid[chunk["worker"]] = paid.get(chunk["worker"], 0) + each
    for worker, amount_fri in sorted(paid.items()):
        house.say(f"  {_short(worker)} was paid {amount_fri / FRI_PER_STRK:.2f} STRK")
    if sum(paid.values()) != rewards_fri:
        raise DemoFailed("The workers were not paid what the order offered.")


def _short(address: str) -> str:
    return f"{address[:8]}…"


if __name__ == "__main__":
    sys.exit(main())
