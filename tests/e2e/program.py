"""The program as a process, as a person starts it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.unit.creator.stage import STRK

from veriframe.model.registry.offer import Offer
from veriframe.settings import load
from veriframe.wiring import registries

CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"


def start(folder: Path, *arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start `veriframe` in a folder, with its home there."""
    environment = {"PATH": os.environ["PATH"], "VERIFRAME_HOME": str(folder / "home")}
    return subprocess.Popen(
        [sys.executable, "-m", "veriframe", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        env=environment | options.pop("env", {}),
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


def run(folder: Path, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run it to its end. A stream that is not a pipe is empty in the result."""
    process = start(folder, *arguments, **options)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, out or b"", err or b"")


def post_job(folder: Path) -> None:
    """Post job 1 at the embedded registry of that home. Nobody works there."""
    settings = load({"home": str(folder / "home")}, {}).settings
    settings.home.mkdir()

    async def post() -> None:
        desk = registries.embedded(settings, "creator")
        await desk.deposit(STRK)
        terms = Offer(reward_fri=STRK).terms((await desk.snapshot(1, 0)).head.time)
        await desk.create_order(CID, terms, 1)

    asyncio.run(post())
