"""Private nodes on free loopback ports. They end with their `with` block or with this process.

`devnet()` starts a StarkNet chain, `kubo()` an IPFS node. `tools/nodes` finds the programs. Tests use them
through `tests/nodes.py`, the demo through `tools/demo_real.py`.
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
"""The seed of the test accounts, the same on every machine."""

_PR_SET_PDEATHSIG = 1

T = TypeVar("T")


class NodeMissing(Exception):
    """A node's program is not installed."""


class NodeFailed(Exception):
    """A node did not start, or refused a request."""


def find(name: str) -> Path:
    """Returns the path of the pinned program `kubo` or `starknet-devnet`. Raises `NodeMissing`."""
    found = subprocess.run(
        [ROOT / "tools" / "nodes", "--where", name], capture_output=True, text=True, check=False
    )
    if found.returncode:
        raise NodeMissing(f"{name} is not installed: run `make nodes`. {found.stderr.strip()}".rstrip())
    return Path(found.stdout.strip())


@dataclass(frozen=True, slots=True)
class TestAccount:
    """A public test account, funded on every devnet of this seed. Never use it on a chain with money."""

    __test__ = False
    address: int
    private_key: int


class Devnet:
    """A running starknet-devnet: a chain whose clock stands still between blocks."""

    strk_address = STRK_ADDRESS

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        self.url, self._process = url, process
        self.accounts = tuple(
            TestAccount(int(account["address"], 16), int(account["private_key"], 16))
            for account in self.ask("devnet_getPredeployedAccounts")
        )

    def ask(self, method: str, **parameters: Any) -> Any:  # noqa: ANN401 - JSON
        """Returns the result of one JSON-RPC call. Raises `NodeFailed` if the node answers with an error."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        answer = json.loads(_post(self.url, json.dumps(request).encode()))
        if "error" in answer:
            raise NodeFailed(f"{method}: {answer['error']}")
        return answer["result"]

    def create_block(self) -> str:
        """Creates a block now, empty or with pending transactions. Returns its hash in hex."""
        return str(self.ask("devnet_createBlock")["block_hash"])

    def increase_time(self, seconds: int) -> None:
        """Creates a block this many seconds after the last one; later calls and transactions see its time."""
        self.ask("devnet_increaseTime", time=seconds)

    def set_time(self, chain_seconds: int) -> None:
        """Creates a block at that time; the next transaction runs at exactly that time."""
        self.ask("devnet_setTime", time=chain_seconds, generate_block=True)

    def now(self) -> int:
        """Returns the latest block's time, in chain seconds."""
        return int(self.ask("starknet_getBlockWithTxHashes", block_id="latest")["timestamp"])

    def mint(self, address: int, amount_fri: int) -> None:
        """Mints STRK for an address, in a separate block."""
        self.ask("devnet_mint", address=hex(address), amount=amount_fri, unit="FRI")

    def abort_blocks(self, from_block: str) -> list[str]:
        """Reorganises: reverts the block with this hash and all later ones. Needs `full_archive`."""
        aborted = self.ask("devnet_abortBlocks", starting_block_id={"block_hash": from_block})
        return [str(block) for block in aborted["aborted"]]

    def stop(self) -> None:
        """Ends the node; its chain is lost. A second call has no effect."""
        _end(self._process)


@contextmanager
def devnet(*, full_archive: bool = False, on_demand: bool = False, accounts: int = 6) -> Iterator[Devnet]:
    """Starts a new chain. `full_archive`: allow reorgs. `on_demand`: only `create_block` adds blocks.

    `accounts`: how many test accounts there are.
    """
    program = find("starknet-devnet")
    command = [program, "--host", "127.0.0.1", "--port", "0"]
    command += ["--seed", str(DEVNET_SEED), "--accounts", str(accounts)]
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
    """An IPFS node with its repository in `folder`. It can be killed and restarted at the same ports."""

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
        """The node's repository: blocks and settings."""
        return self.folder / "repo"

    @property
    def api_multiaddr(self) -> str:
        """The API's address in the form of `IPFS_API`, such as `/ip4/127.0.0.1/tcp/5001`."""
        return f"/ip4/127.0.0.1/tcp/{self.api_url.rsplit(':', 1)[1]}"

    def run(self, *arguments: str | Path, stdin: bytes | None = None) -> bytes:
        """Runs the node's own command line and returns its output. Raises `NodeFailed`."""
        command = [self._program, *arguments]
        done = subprocess.run(
            command, env=self._environment, input=stdin, capture_output=True, check=False, timeout=60
        )
        if done.returncode:
            raise NodeFailed(done.stderr.decode())
        return done.stdout

    def add(self, content: bytes) -> str:
        """Adds a file to the node. Returns its CID, version 1."""
        return self.run("add", "--quieter", "--cid-version=1", stdin=content).decode().strip()

    def start(self, *, offline: bool = True) -> None:
        """Starts the daemon and waits for it. Unless `offline`, it talks to manually connected nodes."""
        (self.repo / "api").unlink(missing_ok=True)
        (self.repo / "gateway").unlink(missing_ok=True)
        log = self.folder / "daemon.log"
        command = [self._program, "daemon", *(["--offline"] if offline else [])]
        self._process = _start(command, log, self._environment)
        self._settle(_wait_for(self._identity, self._process, log))

    def stop(self) -> None:
        """Stops the daemon with a signal; its repository stays."""
        if self._process is not None:
            _end(self._process)

    def kill(self) -> None:
        """Kills the daemon; its repository stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self, *, offline: bool = True) -> None:
        """Kills the daemon and starts it again at the same ports."""
        self.kill()
        self.start(offline=offline)

    def swarm_connect(self, other: Kubo) -> None:
        """Connects two nodes that were started with `offline=False`."""
        self.run("swarm", "connect", other.peer_address)

    def _identity(self) -> dict[str, Any] | None:
        """Returns the node's answer to `id`; None until it answers."""
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
        """Stores the ports of the first start, so that later starts use the same."""
        addresses = [str(address) for address in identity["Addresses"] or () if "/tcp/" in address]
        self.peer_address = addresses[0] if addresses else ""
        swarm = [self.peer_address.split("/p2p/")[0]] if addresses else ["/ip4/127.0.0.1/tcp/0"]
        gateway = f"/ip4/127.0.0.1/tcp/{self.gateway_url.rsplit(':', 1)[1]}"
        self._configure({"Addresses": {"API": self.api_multiaddr, "Gateway": gateway, "Swarm": swarm}})

    def _configure(self, changes: dict[str, Any]) -> None:
        """Changes values, or keys of a section, in the repository's settings."""
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
    """Starts an IPFS node, in `folder` or in a temporary one."""
    with tempfile.TemporaryDirectory(prefix="kubo-") as own:
        node = Kubo(folder or Path(own))
        try:
            node.start(offline=offline)
            yield node
        finally:
            node.kill()


def _start(command: list[Any], log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Starts a process that ends with this one, even if this one is killed."""
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
    """Terminates a process, and kills it after ten seconds."""
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_for(probe: Callable[[], T | None], process: subprocess.Popen[bytes], log: Path) -> T:
    """Calls `probe` until it returns a value. Raises `NodeFailed`."""
    end = time.monotonic() + START_SECONDS
    while (found := probe()) is None:
        if process.poll() is not None or time.monotonic() > end:
            raise NodeFailed(f"The node did not start: {log.read_text()[-2000:]}")
        time.sleep(0.02)
    return found


def _listens(log: Path) -> str | None:
    """Returns the address in devnet's log, once it listens."""
    found = re.search(r"listening on (127\.0\.0\.1:\d+)", log.read_text())
    return f"http://{found[1]}" if found else None


def _post(url: str, body: bytes) -> bytes:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return bytes(answer.read())
