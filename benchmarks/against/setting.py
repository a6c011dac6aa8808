"""What the measurements share: how much is measured, scenes, homes with posted jobs, and private nodes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from itertools import count, cycle
from pathlib import Path
from typing import Any

from benchmarks.against.log import Event
from benchmarks.against.processes import CREATORS, Failed, Home
from benchmarks.against.revisions import Revision
from tools.private_nodes import Devnet, Kubo, devnet, kubo

CREATOR, WORKER, OWNER = 0, 1, 2
"""Their numbers among devnet's public accounts."""
SMALL_WIDTH, LARGE_WIDTH = 32, 640
"""Pixels of a frame that renders in milliseconds, and of one that renders for long."""


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """How much is measured."""

    rounds: int = 3
    idle_seconds: float = 20.0
    jobs: int = 30
    large_jobs: int = 10
    frame_seconds: float = 15.0
    watched_seconds: float = 60.0
    ghosts: int = 10
    most_seconds: float = 60.0
    """The longest wait for a claim beside jobs whose scenes nobody has; it then counts as that long."""


QUICK = Amounts(
    rounds=1,
    idle_seconds=5.0,
    jobs=4,
    large_jobs=2,
    frame_seconds=4.0,
    watched_seconds=15.0,
    ghosts=3,
    most_seconds=20.0,
)


@dataclass(frozen=True)
class Chain:
    """A devnet and two connected Kubo nodes, one for creators and one for workers."""

    devnet: Devnet
    creators_node: Kubo
    workers_node: Kubo


class Setting:
    """The surroundings of one run, in one temporary folder. Close it to end the nodes."""

    def __init__(self, folder: Path, amounts: Amounts) -> None:
        self.folder, self.amounts = folder, amounts
        self._numbers, self._ends = count(), ExitStack()
        self._templates: dict[Any, tuple[Path, Sequence[Event]]] = {}
        self._registries: dict[str, str] = {}
        self._scenes: Iterator[Path] | None = None

    def close(self) -> None:
        """End the nodes."""
        self._ends.close()

    @cached_property
    def small_scenes(self) -> Sequence[Path]:
        """Different scenes of a few milliseconds, enough for all jobs of one worker."""
        needed = max(self.amounts.jobs, self.amounts.ghosts + 1, 2 * self.amounts.rounds)
        return self._make_scenes("small", needed, SMALL_WIDTH, 0.0)

    @cached_property
    def large_scenes(self) -> Sequence[Path]:
        """Different scenes whose frames take about `frame_seconds` here."""
        return self._make_scenes("large", self.amounts.large_jobs, LARGE_WIDTH, self.amounts.frame_seconds)

    def next_scene(self) -> Path:
        """A small scene that no earlier call of this run returned: fresh for nodes that all jobs share."""
        if self._scenes is None:
            self._scenes = cycle(self.small_scenes)
        return next(self._scenes)

    def new_home(self, revision: Revision, variables: Mapping[str, str] | None = None) -> Home:
        """An empty home folder with embedded parts, unless `variables` say otherwise."""
        return Home(revision, self.folder / f"home-{next(self._numbers)}-{revision.name}", variables or {})

    def posted(
        self, revision: Revision, scenes: Sequence[Path], creators: str = CREATORS
    ) -> tuple[Home, Sequence[Event]]:
        """A home with a job for each scene, and the orders: posted once for each revision, then copied."""
        key = revision.name, tuple(scenes), creators
        if key not in self._templates:
            new = self.new_home(revision)
            self._templates[key] = new.folder, new.post(scenes, creators)
        folder, orders = self._templates[key]
        home = self.new_home(revision)
        shutil.copytree(folder, home.folder)
        return home, orders

    @cached_property
    def chain(self) -> Chain:
        """The nodes, started by the first call. Raises `NodeMissing`, `NodeFailed`."""
        start = self._ends.enter_context
        creators = start(kubo(self.folder / "ipfs-of-creators", offline=False))
        workers = start(kubo(self.folder / "ipfs-of-workers", offline=False))
        creators.swarm_connect(workers)
        return Chain(start(devnet()), creators, workers)

    def homes_on_chain(self, revision: Revision) -> tuple[Home, Home]:
        """New homes of a creator and of a worker, at a registry that this revision deployed."""
        creators = {"IPFS_API": self.chain.creators_node.api_multiaddr}
        workers = {"IPFS_API": self.chain.workers_node.api_multiaddr}
        registry = {"JOB_REGISTRY_ADDRESS": self._registry(revision)}
        return (
            self.new_home(revision, {**self._account(CREATOR), **registry, **creators}),
            self.new_home(revision, {**self._account(WORKER), **registry, **workers}),
        )

    def _registry(self, revision: Revision) -> str:
        if revision.name not in self._registries:
            salt = hex(1 + len(self._registries))
            deploy = ("registry", "deploy", "--salt", salt, "--max-fee", "20", "--yes", "--json")
            _, told = self.new_home(revision, self._account(OWNER)).run(deploy)
            self._registries[revision.name] = json.loads(told)["address"]
        return self._registries[revision.name]

    def _account(self, number: int) -> Mapping[str, str]:
        return {"STARKNET_RPC": self.chain.devnet.url, "VERIFRAME_DEVNET_ACCOUNT": str(number)}

    def _make_scenes(self, name: str, number: int, width: int, seconds: float) -> Sequence[Path]:
        folder = self.folder / f"scenes-{name}"
        folder.mkdir()
        script = Path(__file__).with_name("scenes.py")
        made = subprocess.run(
            [sys.executable, script, folder, str(number), str(width), str(seconds)],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise Failed(f"The scenes could not be made: {made.stdout[-500:]}{made.stderr[-500:]}")
        return sorted(folder.glob("*.blend"))
