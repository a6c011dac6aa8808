"""Compares this store with the `ipfs` command: a large file and many small files on a private Kubo node.

Also measures a large file that was added with other options: its hash cannot be checked as a stream, so it is
checked twice.

`python benchmarks/ipfs.py [--mebibytes 2048] [--files 10000] [--rounds 2] [--json]`. Every figure is measured
in this run; the best of several rounds counts for each side. The two sides alternate, each with its own
content, so that neither finds the other's blocks. Each measurement first waits for pending writes to the
disk.

Both use the same running daemon, as `ipfs` does if there is one, with the same import options. This store
runs in a separate process, whose peak memory the kernel reports. Its seconds are those of the call alone, as
in a running worker; those of the command include its start. A fetch of this store ends when the bytes are
checked and synced to the disk, `ipfs get` when they are written.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.nodes import Kubo, find, kubo

from veriframe.adapters.kubo.store import KuboStore
from veriframe.model.content.folder import FolderLimits
from veriframe.ports.store import FetchLimits

PIECE_BYTES = 2**22
OPTIONS = (
    "--cid-version=1",
    "--raw-leaves",
    "--chunker=size-262144",
    "--max-file-links=174",
    "--hash=sha2-256",
)
OTHER_OPTIONS = ("--cid-version=1", "--raw-leaves", "--chunker=size-1048576", "--max-file-links=1024")
SMALL_BYTES = 1024
MEMORY_MB = 200

Figures = dict[str, float]


def make_file(path: Path, size_bytes: int) -> Path:
    """Make a file of random bytes."""
    with path.open("wb") as file:
        for start in range(0, size_bytes, PIECE_BYTES):
            file.write(os.urandom(min(PIECE_BYTES, size_bytes - start)))
    return path


def make_folder(folder: Path, files: int) -> Path:
    """Make a folder of small files, all different."""
    folder.mkdir()
    for number in range(files):
        (folder / f"frame_{number:05}.png").write_bytes(os.urandom(SMALL_BYTES))
    return folder


async def serve(verb: str, api: str, *arguments: str) -> dict[str, object]:
    """Make one call of the store in this process. Returns its seconds and this process's peak memory."""
    cid = arguments[0]
    async with KuboStore(api) as store:
        started = time.monotonic()
        match verb:
            case "add":
                cid = await store.add(Path(arguments[0]), "benchmark")
            case "fetch":
                folder = FolderLimits(size_bytes=2**42, entries=10**6)
                await store.fetch(cid, Path(arguments[1]), FetchLimits(file_bytes=2**42, folder=folder))
        seconds = time.monotonic() - started
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"cid": cid, "seconds": seconds, "peak_bytes": peak_bytes}


def ours(*arguments: str | Path) -> tuple[str, float, float]:
    """Run `serve` in a separate process. Returns the CID, the seconds, and the peak memory in MB."""
    os.sync()
    command = [sys.executable, __file__, "--serve", *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer = json.loads(done.stdout.splitlines()[-1])
    return str(answer["cid"]), float(answer["seconds"]), float(answer["peak_bytes"]) / 1e6


def plainly(node: Kubo, *arguments: str | Path) -> tuple[str, float]:
    """Run the `ipfs` command. Returns its output and its seconds."""
    os.sync()
    environment = {"PATH": os.environ["PATH"], "HOME": str(node.folder), "IPFS_PATH": str(node.repo)}
    started = time.monotonic()
    done = subprocess.run(
        [find("kubo"), *arguments], check=True, capture_output=True, text=True, env=environment
    )
    return done.stdout.strip(), time.monotonic() - started


def our_way(node: Kubo, source: Path, fetched: Path) -> Figures:
    """Measure adding and fetching with this store: seconds and peak memory. Removes the source."""
    verb = "fetch_folder" if source.is_dir() else "fetch"
    cid, add_seconds, add_mb = ours("add", node.api_url, source)
    remove(source)
    _, fetch_seconds, fetch_mb = ours(verb, node.api_url, cid, fetched)
    remove(fetched)
    return {"add": add_seconds, "fetch": fetch_seconds, "add_peak_mb": add_mb, "fetch_peak_mb": fetch_mb}


def plain_way(node: Kubo, source: Path, fetched: Path) -> Figures:
    """Measure adding and fetching with the command, in seconds. Removes the source."""
    cid, add_seconds = plainly(node, "add", "-r", "--quieter", "--progress=false", *OPTIONS, source)
    remove(source)
    _, fetch_seconds = plainly(node, "get", "--progress=false", f"--output={fetched}", cid)
    remove(fetched)
    return {"ipfs_add": add_seconds, "ipfs_fetch": fetch_seconds}


def foreign(node: Kubo, source: Path, fetched: Path, *, is_ours: bool) -> Figures:
    """Measure fetching a file that was added with other options, in seconds. Removes the source."""
    cid, _ = plainly(node, "add", "--quieter", "--progress=false", *OTHER_OPTIONS, source)
    remove(source)
    if is_ours:
        _, seconds, peak_mb = ours("fetch", node.api_url, cid, fetched)
        figures = {"fetch": seconds, "fetch_peak_mb": peak_mb}
    else:
        figures = {"ipfs_fetch": plainly(node, "get", "--progress=false", f"--output={fetched}", cid)[1]}
    remove(fetched)
    return figures


def remove(path: Path) -> None:
    """Remove a file or a folder."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def measure(size_bytes: int, files: int, rounds: int) -> Figures:
    """The best seconds and the highest memory of all rounds, by name."""
    figures: Figures = {}
    for turn in range(rounds):
        with tempfile.TemporaryDirectory(prefix="bench-ipfs-") as name, kubo() as node:
            source, fetched = Path(name) / "source", Path(name) / "fetched"
            for kind in ("file", "foreign", "folder"):
                # The second one finds a fuller disk, so the order alternates, too.
                for is_ours in (True, False) if turn % 2 == 0 else (False, True):
                    made = make_folder(source, files) if kind == "folder" else make_file(source, size_bytes)
                    way = our_way if is_ours else plain_way
                    if kind == "foreign":
                        way = partial(foreign, is_ours=is_ours)
                    for figure, value in way(node, made, fetched).items():
                        key = f"{kind}_{figure}"
                        best = max if figure.endswith("_mb") else min
                        figures[key] = best(value, figures.get(key, value))
    return figures


def rows(figures: Figures, size_bytes: int, files: int) -> list[tuple[str, str, str, str, str]]:
    """The rows of the table: name, this store, `ipfs`, their ratio, and the aim."""
    table = [("", "here", "ipfs", "ratio", "aim")]
    for kind, way in (("file", "add"), ("file", "fetch"), ("foreign", "fetch")):
        here, plain = figures[f"{kind}_{way}"], figures[f"{kind}_ipfs_{way}"]
        other = " in chunks of 1 MiB" if kind == "foreign" else ""
        name = f"{size_bytes / 2**20:.0f} MiB{other}, {way}: MB/s"
        rate, other_rate = size_bytes / here, size_bytes / plain
        table.append(
            (name, f"{rate / 1e6:.0f}", f"{other_rate / 1e6:.0f}", f"{rate / other_rate:.2f}", "≥ 0.8")
        )
    for way in ("add", "fetch"):
        here, plain = figures[f"folder_{way}"], figures[f"folder_ipfs_{way}"]
        name = f"{files} files of 1 KiB, {way}: seconds"
        table.append((name, f"{here:.1f}", f"{plain:.1f}", f"{here / plain:.2f}", "≤ 1.5"))
    for figure, value in figures.items():
        kind, way, *rest = figure.split("_")
        if rest == ["peak", "mb"]:
            table.append((f"{kind}, {way}: peak memory in MB", f"{value:.0f}", "", "", f"< {MEMORY_MB}"))
    return table


def main() -> None:
    """Measure, and print a table or one object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=2048, help="size of the large file")
    parser.add_argument("--files", type=int, default=10_000, help="number of small files")
    parser.add_argument("--rounds", type=int, default=2, help="number of rounds")
    parser.add_argument("--json", action="store_true", help="print one object, in seconds and MB")
    parser.add_argument("--serve", nargs="+", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        print(json.dumps(asyncio.run(serve(*chosen.serve))))
        return
    size_bytes = chosen.mebibytes * 2**20
    figures = measure(size_bytes, chosen.files, chosen.rounds)
    if chosen.json:
        print(json.dumps(figures))
        return
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end, best of {chosen.rounds}")
    for name, here, plain, ratio, aim in rows(figures, size_bytes, chosen.files):
        print(f"{name:36} {here:>8} {plain:>8} {ratio:>6}  {aim}")


if __name__ == "__main__":
    main()
