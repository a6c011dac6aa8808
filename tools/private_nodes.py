"""Real nodes, private: on free loopback ports, quick to start, ended with their block or with our process.

`devnet()` is a StarkNet chain of its own, `kubo()` an IPFS node of its own. `tools/nodes` finds the programs.
Tests use them by way of `tests/nodes.py`, and `tools/demo_real.py` for people.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parents[1]
START_SECONDS = 60
STRK_ADDRESS = 0x04718F5A0FC34CC1AF16A1CDEE98FFB20C31F5CD61D6AB07201858F4287C938D
DEVNET_SEED = 42
"""The accounts below come from this seed, on every machine."""

_PR_SET_PDEATHSIG = 1

T = TypeVar("T")


class NodeMissing(Exception):
    """The program of a node is not on this machine."""


class NodeFailed(Exception):
    """A node did not start, or refuses what it was asked."""


def find(name: str) -> Path:
    """The pinned program of `kubo` or `starknet-devnet`. Raises `NodeMissing`."""
    found = subprocess.run(
        [ROOT / "tools" / "nodes", "--where", name], capture_output=True, text=True, check=False
    )
    if found.returncode:
        raise NodeMissing(f"{name} is not here: run `make nodes`. {found.stderr.strip()}".rstrip())
    return Path(found.stdout.strip())


@dataclass(frozen=True, slots=True)
class TestAccount:
    """A public test account, funded on every devnet of this seed. Never use it on a chain with money."""

    __test__ = False
    address: int
    private_key: int


class Devnet:
    """A running starknet-devnet: a chain whose clock stands still until a block is made."""

    strk_address = STRK_ADDRESS

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        self.url, self._process = url, process
        self.accounts = tuple(
            TestAccount(int(account["address"], 16), int(account["private_key"], 16))
            for account in self.ask("devnet_getPredeployedAccounts")
        )

    def ask(self, method: str, **parameters: Any) -> Any:  # noqa: ANN401 - JSON
        """The result of one JSON-RPC call. Raises `NodeFailed` for an error of the node's."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        answer = json.loads(_post(self.url, json.dumps(request).encode()))
        if "error" in answer:
            raise NodeFailed(f"{method}: {answer['error']}")
        return answer["result"]

    def create_block(self) -> str:
        """Close a block now, empty or with what is pending. Returns its hash, as hex."""
        return str(self.ask("devnet_createBlock")["block_hash"])

    def increase_time(self, seconds: int) -> None:
        """Close a block that many seconds after the last one: calls and the next transaction see its time."""
        self.ask("devnet_increaseTime", time=seconds)

    def set_time(self, chain_seconds: int) -> None:
        """Close a block at that time; the next transaction runs at exactly that time."""
        self.ask("devnet_setTime", time=chain_seconds, generate_block=True)

    def now(self) -> int:
        """The latest block's time, in chain seconds."""
        return int(self.ask("starknet_getBlockWithTxHashes", block_id="latest")["timestamp"])

    def mint(self, address: int, amount_fri: int) -> None:
        """Give an address STRK, in a block of its own."""
        self.ask("devnet_mint", address=hex(address), amount=amount_fri, unit="FRI")

    def abort_blocks(self, from_block: str) -> list[str]:
        """A reorg: take back this block (its hash) and all after it. Only with `full_archive`."""
        aborted = self.ask("devnet_abortBlocks", starting_block_id={"block_hash": from_block})
        return [str(block) for block in aborted["aborted"]]

    def stop(self) -> None:
        """End the node for good: the chain is gone. A second time changes nothing."""
        _end(self._process)


@contextmanager
def devnet(*, full_archive: bool = False, on_demand: bool = False) -> Iterator[Devnet]:
    """A new chain for the block. `full_archive`: allow reorgs. `on_demand`: blocks only by `create_block`."""
    program = find("starknet-devnet")
    command = [program, "--host", "127.0.0.1", "--port", "0", "--seed", str(DEVNET_SEED), "--accounts", "6"]
    command += ["--state-archive-capacity", "full"] if full_archive else []
    command += ["--block-generation-on", "demand"] if on_demand else []
    with tempfile.TemporaryDirectory(prefix="devnet-") as folder:
        log = Path(folder) / "devnet.log"
        process = _start(command, log, {"RUST_LOG": "info", "NO_COLOR": "1"})
        try:
            url = _wait_for(lambda: _listens(log), process, log)
            yield Devnet(url, process)
        finally:
            _end(process)


class Kubo:
    """An IPFS node with a repository in `folder`, so that it can be killed and started again, at its port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.api_url, self.gateway_url, self.peer_address = "", "", ""
        self._program = find("kubo")
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.run("init", "--profile=test", "--empty-repo")
        self._configure({"Routing": {"Type": "none"}, "AutoConf": {"Enabled": False}, "Bootstrap": []})

    @property
    def repo(self) -> Path:
        """The node's repository: its blocks and its settings."""
        return self.folder / "repo"

    @property
    def api_multiaddr(self) -> str:
        """The API as `IPFS_API` takes it, as in `/ip4/127.0.0.1/tcp/5001`."""
        return f"/ip4/127.0.0.1/tcp/{self.api_url.rsplit(':', 1)[1]}"

    def run(self, *arguments: str | Path, stdin: bytes | None = None) -> bytes:
        """What the node's own command line printed. Raises `NodeFailed`."""
        command = [self._program, *arguments]
        done = subprocess.run(
            command, env=self._environment, input=stdin, capture_output=True, check=False, timeout=60
        )
        if done.returncode:
            raise NodeFailed(done.stderr.decode())
        return done.stdout

    def add(self, content: bytes) -> str:
        """The CID, version 1, of a file that the node now keeps."""
        return self.run("add", "--quieter", "--cid-version=1", stdin=content).decode().strip()

    def start(self, *, offline: bool = True) -> None:
        """Start the daemon and wait for it. Not offline, it talks to those that are connected by hand."""
        (self.repo / "api").unlink(missing_ok=True)
        (self.repo / "gateway").unlink(missing_ok=True)
        log = self.folder / "daemon.log"
        command = [self._program, "daemon", *(["--offline"] if offline else [])]
        self._process = _start(command, log, self._environment)
        self._settle(_wait_for(self._identity, self._process, log))

    def stop(self) -> None:
        """End the daemon as an operator does; its repository stays."""
        if self._process is not None:
            _end(self._process)

    def kill(self) -> None:
        """End the daemon as a power cut does; its repository stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self, *, offline: bool = True) -> None:
        """Kill it, and start it again at the same ports."""
        self.kill()
        self.start(offline=offline)

    def swarm_connect(self, other: Kubo) -> None:
        """Let the two exchange blocks. Both must have been started with `offline=False`."""
        self.run("swarm", "connect", other.peer_address)

    def _identity(self) -> dict[str, Any] | None:
        """What the node says of itself, once it answers."""
        if not (self.repo / "api").exists() or not (self.repo / "gateway").exists():
            return None
        self.gateway_url = (self.repo / "gateway").read_text().strip()
        port = (self.repo / "api").read_text().strip().rsplit("/", 1)[1]
        self.api_url = f"http://127.0.0.1:{port}"
        try:
            return dict(json.loads(_post(f"{self.api_url}/api/v0/id", b"")))
        except urllib.error.URLError:
            return None

    def _settle(self, identity: dict[str, Any]) -> None:
        """Keep the ports that the first start got, so that a second one has the same."""
        addresses = [str(address) for address in identity["Addresses"] or () if "/tcp/" in address]
        self.peer_address = addresses[0] if addresses else ""
        swarm = [self.peer_address.split("/p2p/")[0]] if addresses else ["/ip4/127.0.0.1/tcp/0"]
        gateway = f"/ip4/127.0.0.1/tcp/{self.gateway_url.rsplit(':', 1)[1]}"
        self._configure({"Addresses": {"API": self.api_multiaddr, "Gateway": gateway, "Swarm": swarm}})

    def _configure(self, changes: dict[str, Any]) -> None:
        """Change whole values, or keys of a section, in the repository's settings."""
        path = self.repo / "config"
        settings = json.loads(path.read_text())
        for name, value in changes.items():
            settings[name] = {**(settings.get(name) or {}), **value} if isinstance(value, dict) else value
        path.chmod(0o600)
        path.write_text(json.dumps(settings))

    @property
    def _environment(self) -> dict[str, str]:
        return {"HOME": str(self.folder), "IPFS_PATH": str(self.repo)}


@contextmanager
def kubo(folder: Path | None = None, *, offline: bool = True) -> Iterator[Kubo]:
    """A running IPFS node for the block, in `folder` or in one of its own."""
    with tempfile.TemporaryDirectory(prefix="kubo-") as own:
        node = Kubo(folder or Path(own))
        try:
            node.start(offline=offline)
            yield node
        finally:
            node.kill()


def _start(command: list[Any], log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """A process that ends with us, even where we are killed."""
    libc = ctypes.CDLL(None)
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            env={"PATH": os.environ["PATH"], **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509 - one call only
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask, wait, and then insist."""
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_for(look: Callable[[], T | None], process: subprocess.Popen[bytes], log: Path) -> T:
    """What `snapshot` finds, as soon as it finds it. Raises `NodeFailed`."""
    end = time.monotonic() + START_SECONDS
    while (found := look()) is None:
        if process.poll() is not None or time.monotonic() > end:
            raise NodeFailed(f"It did not start: {log.read_text()[-2000:]}")
        time.sleep(0.02)
    return found


def _listens(log: Path) -> str | None:
    """The address that devnet says it listens at."""
    found = re.search(r"listening on (127\.0\.0\.1:\d+)", log.read_text())
    return f"http://{found[1]}" if found else None


def _post(url: str, body: bytes) -> bytes:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return bytes(answer.read())
