"""A large file and many small ones to and from a private Kubo node: this store against the `ipfs` command.

`python benchmarks/ipfs.py [--mebibytes 2048] [--files 10000] [--json]`. Every figure is measured in this run.
Each side has content of its own, so that nobody finds the other's blocks. This store runs in a process of
its own, whose peak memory is the kernel's count; the command's throughput has its start in it.
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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.nodes import Kubo, find, kubo

from veriframe.adapters.kubo.store import KuboStore

PIECE_BYTES = 2**22
OPTIONS = (
    "--cid-version=1",
    "--raw-leaves",
    "--chunker=size-262144",
    "--max-file-links=174",
    "--hash=sha2-256",
)

Figures = dict[str, float]


def make_file(path: Path, size_bytes: int) -> Path:
    """A file of random bytes."""
    with path.open("wb") as file:
        for start in range(0, size_bytes, PIECE_BYTES):
            file.write(os.urandom(min(PIECE_BYTES, size_bytes - start)))
    return path


def make_folder(folder: Path, files: int) -> Path:
    """A folder of small files, no two the same."""
    folder.mkdir()
    for number in range(files):
        (folder / f"frame_{number:05}.png").write_bytes(os.urandom(1024))
    return folder


async def serve(verb: str, api: str, *arguments: str) -> dict[str, object]:
    """One call of the store, in this process alone: its seconds, and this process's peak memory."""
    async with KuboStore(api) as store:
        started = time.monotonic()
        if verb == "add":
            cid = await store.add(Path(arguments[0]), "benchmark")
        else:
            cid = arguments[0]
            await store.fetch(cid, Path(arguments[1]), 2**42)
        seconds = time.monotonic() - started
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"cid": cid, "seconds": seconds, "peak_bytes": peak_bytes}


def ours(*arguments: str) -> dict[str, object]:
    """`serve`, in a process of its own."""
    command = [sys.executable, __file__, "--serve", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return answer


def plainly(node: Kubo, *arguments: str | Path) -> tuple[str, float]:
    """What the `ipfs` command prints, and its seconds."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(node.folder), "IPFS_PATH": str(node.repo)}
    started = time.monotonic()
    done = subprocess.run(
        [find("kubo"), *arguments], check=True, capture_output=True, text=True, env=environment
    )
    return done.stdout.strip(), time.monotonic() - started


def large_file(node: Kubo, folder: Path, size_bytes: int) -> Figures:
    """One file in and out: megabytes a second, and the peak memory of this store's process."""
    figures: Figures = {}
    source = make_file(folder / "source", size_bytes)
    added = ours("add", node.api_url, str(source))
    source.unlink()
    fetched = ours("fetch", node.api_url, str(added["cid"]), str(folder / "fetched"))
    (folder / "fetched").unlink()
    for name, answer in (("add", added), ("fetch", fetched)):
        figures[f"{name}_mb_per_second"] = size_bytes / 1e6 / float(str(answer["seconds"]))
        figures[f"{name}_peak_mb"] = float(str(answer["peak_bytes"])) / 1e6
    source = make_file(folder / "source", size_bytes)
    cid, seconds = plainly(node, "add", "--quieter", "--progress=false", *OPTIONS, source)
    figures["ipfs_add_mb_per_second"] = size_bytes / 1e6 / seconds
    _, seconds = plainly(node, "get", "--progress=false", f"--output={folder / 'fetched'}", cid)
    figures["ipfs_get_mb_per_second"] = size_bytes / 1e6 / seconds
    return figures


def small_files(node: Kubo, folder: Path, files: int) -> Figures:
    """A folder of small files in: files a second, and the peak memory of this store's process."""
    added = ours("add", node.api_url, str(make_folder(folder / "ours", files)))
    shutil.rmtree(folder / "ours")
    _, seconds = plainly(
        node,
        "add",
        "--quieter",
        "--progress=false",
        "--recursive",
        *OPTIONS,
        make_folder(folder / "plain", files),
    )
    return {
        "small_files_per_second": files / float(str(added["seconds"])),
        "small_files_peak_mb": float(str(added["peak_bytes"])) / 1e6,
        "ipfs_small_files_per_second": files / seconds,
    }


def main() -> None:
    """Measure, and print a table or one object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=2048, help="size of the large file")
    parser.add_argument("--files", type=int, default=10_000, help="how many small files")
    parser.add_argument("--json", action="store_true", help="print one object")
    parser.add_argument("--serve", nargs="+", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        print(json.dumps(asyncio.run(serve(*chosen.serve))))
        return
    with tempfile.TemporaryDirectory(prefix="bench-ipfs-") as folder, kubo() as node:
        figures = large_file(node, Path(folder), chosen.mebibytes * 2**20)
        figures |= small_files(node, Path(folder), chosen.files)
    if chosen.json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        print(f"{name:32} {figure:10.1f}")


if __name__ == "__main__":
    main()
