"""Real nodes for tests: private, on free loopback ports, ended with their test."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
START_SECONDS = 60


def find(name: str) -> Path:
    """The pinned node's program. Skips the test, with what to run, where it is not here."""
    found = subprocess.run(
        [ROOT / "tools" / "nodes", "--where", name], capture_output=True, text=True, check=False
    )
    if found.returncode:
        pytest.skip(f"{name} is not here: run `make nodes`")
    return Path(found.stdout.strip())


def free_port() -> int:
    """A port that nobody listens on now."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Kubo:
    """A private Kubo node. Its repository lives in `folder`, so that it can be killed and started again."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.program, self.folder = program, folder
        self.api_port, self.gateway_port, self.swarm_port = free_port(), free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.run("init", "--profile=test")
        self.run("config", "Addresses.API", f"/ip4/127.0.0.1/tcp/{self.api_port}")
        self.run("config", "Addresses.Gateway", f"/ip4/127.0.0.1/tcp/{self.gateway_port}")
        self.run("config", "--json", "Addresses.Swarm", f'["/ip4/127.0.0.1/tcp/{self.swarm_port}"]')
        self.run("config", "Routing.Type", "none")
        self.run("bootstrap", "rm", "--all")

    @property
    def api(self) -> str:
        """The API as a multiaddr, as `IPFS_API` takes it."""
        return f"/ip4/127.0.0.1/tcp/{self.api_port}/http"

    @property
    def gateway(self) -> str:
        """The gateway's address."""
        return f"http://127.0.0.1:{self.gateway_port}"

    def run(self, *arguments: str | Path, stdin: bytes | None = None) -> str:
        """The node's own command line on its repository. Returns what it printed."""
        done = subprocess.run(
            [self.program, *arguments], env=self._environment, input=stdin, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def start(self, *, offline: bool = True) -> None:
        """Start the daemon and wait until it answers."""
        mode = ["--offline"] if offline else []
        self._process = subprocess.Popen(
            [self.program, "daemon", *mode],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "daemon.log").open("ab"),
        )
        _wait_until(lambda: self._answers("id"), f"Kubo, see {self.folder / 'daemon.log'}")

    def kill(self) -> None:
        """As a power cut does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def connect(self, other: Kubo) -> None:
        """Let the two exchange blocks."""
        peer = json.loads(other._ask("id"))["ID"]
        self.run("swarm", "connect", f"/ip4/127.0.0.1/tcp/{other.swarm_port}/p2p/{peer}")

    def _answers(self, call: str) -> bool:
        try:
            return bool(self._ask(call))
        except (urllib.error.URLError, OSError):
            return False

    def _ask(self, call: str) -> str:
        request = urllib.request.Request(f"http://127.0.0.1:{self.api_port}/api/v0/{call}", method="POST")
        with urllib.request.urlopen(request, timeout=5) as answer:
            return str(answer.read().decode())

    @property
    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "IPFS_PATH": str(self.folder / "repo")}


@contextmanager
def kubo(folder: Path, *, offline: bool = True) -> Iterator[Kubo]:
    """A running Kubo for the block."""
    node = Kubo(find("kubo"), folder)
    node.start(offline=offline)
    try:
        yield node
    finally:
        node.kill()


def _wait_until(ready: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + START_SECONDS
    while not ready():
        assert time.monotonic() < end, f"{what} did not start"
        time.sleep(0.05)
