"""The whole loop on real components: a StarkNet devnet, two IPFS nodes, Blender. For `make demo-real`.

    python -m tools.demo_real [--output FOLDER] [--scene FILE.blend]

The creator adds a scene to one IPFS node and deposits a reward in the contract. The worker, a separate
process at the other node, renders it and submits the picture. The creator downloads and accepts it. Every
step uses the `veriframe` command, as users would. All nodes are private and end with this process. Exit
code 1: a step failed; the message says which.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tools.demo_folder import emptied
from tools.private_nodes import ROOT, Devnet, NodeFailed, NodeMissing, devnet, kubo

CREATOR, WORKER, OWNER = 0, 1, 2
"""Their numbers among devnet's public accounts."""

REWARD_STRK = 2
FRI_PER_STRK = 10**18
PAID_SECONDS = 120.0
COMMAND = Path(sys.executable).with_name("veriframe")
INTERRUPTED = 130


class DemoFailed(Exception):
    """A step failed; the message names its log."""


@dataclass(frozen=True)
class Person:
    """A user of the `veriframe` command, with a home folder, an account and an IPFS node."""

    name: str
    home: Path
    variables: Mapping[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """The command's environment, without the settings of the calling shell."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return kept | {"VERIFRAME_HOME": str(self.home)} | dict(self.variables)

    def ask(self, *arguments: str | Path) -> dict[str, Any]:
        """Runs a command and returns its JSON output. Raises `DemoFailed`."""
        ran = subprocess.run(
            [COMMAND, *arguments, "--json"],
            env=self.environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            raise DemoFailed(f"The {self.name}'s `veriframe {arguments[0]} …` failed: {ran.stderr.strip()}")
        return dict(json.loads(ran.stdout))

    def money_fri(self) -> int:
        """The account's money, inside and outside the registry."""
        held = self.ask("account", "show")
        return int(held["wallet_fri"]) + int(held["credit_fri"])


def main() -> int:
    """Runs the demo. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="make demo-real", description="The whole loop on real components.")
    parser.add_argument(
        "--output", type=Path, default=ROOT / "demo-output" / "real", help="folder for all files"
    )
    parser.add_argument("--scene", type=Path, help="a scene instead of examples/still.py")
    given = parser.parse_args()
    # Ctrl-C and a supervisor's SIGTERM have the same effect.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        show(emptied(given.output.absolute(), "demo-real"), given.scene)
    except KeyboardInterrupt:
        say("Stopped. Every node has ended.")
        return INTERRUPTED
    except (DemoFailed, NodeFailed, NodeMissing) as error:
        print(f"demo-real: {error}", file=sys.stderr)
        return 1
    return 0


def show(folder: Path, scene: Path | None) -> None:
    """Runs the loop in `folder`. Raises `DemoFailed`, `NodeFailed`, `NodeMissing`."""
    scene = scene.absolute() if scene else make_scene(folder / "still.blend")
    say("Starting a StarkNet devnet and two IPFS nodes, all private")
    with (
        devnet() as chain,
        kubo(folder / "ipfs-of-the-creator", offline=False) as one,
        kubo(folder / "ipfs-of-the-worker", offline=False) as two,
    ):
        one.swarm_connect(two)
        say(f"  StarkNet {chain.url} · IPFS {one.api_multiaddr} and {two.api_multiaddr}, connected")
        owner = _person("owner", folder, chain, OWNER)
        registry = owner.ask("registry", "deploy", "--max-fee", "20", "--yes")["address"]
        say(f"Job registry deployed at {registry}")
        of_job = {"JOB_REGISTRY_ADDRESS": registry}
        creator = _person("creator", folder, chain, CREATOR, of_job | {"IPFS_API": one.api_multiaddr})
        worker = _person("worker", folder, chain, WORKER, of_job | {"IPFS_API": two.api_multiaddr})
        before = creator.money_fri(), worker.money_fri()
        posted = creator.ask("job", "create", scene, "--reward", str(REWARD_STRK), "--yes")
        say(f"Creator: {scene.name} is on the first node as {posted['asset_cid']}, posted as job 1")
        with working(worker) as log:
            follow(log)
            picture = collect(creator, folder / "picture.png")
            say("Creator: accepts the picture; the worker is paid")
            state = creator.ask("job", "accept", "1")["state"]
            _wait_until_paid(log)
        show_money(before, (creator.money_fri(), worker.money_fri()))
        say(f"Job 1 is {state}: {picture}")


def collect(creator: Person, target: Path) -> Path:
    """Downloads the picture as the creator, through the first node."""
    fetched = creator.ask("job", "fetch", "1", "-o", target)
    size = f"{fetched['width']}×{fetched['height']} pixels, {fetched['size_bytes']} bytes"
    say(f"Creator: downloaded {fetched['result_cid']} through the first node: {size}")
    return target


def make_scene(target: Path) -> Path:
    """Creates the example scene with its script. Raises `DemoFailed`."""
    say("Creating the scene")
    made = subprocess.run(
        [sys.executable, ROOT / "examples" / "still.py", target, "--scale", "50"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if made.returncode:
        raise DemoFailed(f"The scene could not be created: {made.stdout[-500:]}{made.stderr[-500:]}")
    return target


@contextmanager
def working(worker: Person) -> Iterator[Path]:
    """Runs a worker in a separate process. Yields its log of JSON lines."""
    log = worker.home / "worker.log"
    say("Worker: started at the second node; running the sandbox self-test")
    with log.open("w") as stream:
        process = subprocess.Popen(
            [COMMAND, "worker"],
            env=worker.environment,
            cwd=worker.home,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
    try:
        yield log
    finally:
        # The first signal lets claimed jobs finish and stops new claims. The second ends it at once.
        for wait_seconds in (20, 10):
            process.terminate()
            try:
                process.wait(wait_seconds)
                break
            except subprocess.TimeoutExpired:
                continue
        else:
            process.kill()
            process.wait()


def follow(log: Path) -> None:
    """Prints each stage that the worker reaches, up to its submission. Raises `DemoFailed`."""
    for event in _events(log, 900):
        if event["event"] == "worker_started":
            say(f"  {event['blender']} in a {event['sandbox']} sandbox")
        if event["event"] == "stage_reached":
            say(f"  {event['stage'].lower():<10} {event['seconds']:7.2f} s")
            if event["stage"] == "SUBMITTED":
                return
            if event.get("code"):
                raise DemoFailed(f"The worker gave up: {event['reason']} ({event['code']}) See {log}.")
    raise DemoFailed(f"The worker did not submit a result. See {log}.")


def _wait_until_paid(log: Path) -> None:
    """Waits until the worker has noticed the payment. Raises `DemoFailed`."""
    for event in _events(log, PAID_SECONDS):
        if event["event"] == "attempt_finished":
            say(f"Worker: {event['stage']}, earned {event['earned']} after fees")
            return
    raise DemoFailed(f"The worker did not notice that it was paid. See {log}.")


def _events(log: Path, seconds: float) -> Iterator[dict[str, Any]]:
    """Yields the events of a log from its start, as they are written, until the time is over."""
    end, rest = time.monotonic() + seconds, ""
    with log.open(encoding="utf-8") as stream:
        while time.monotonic() < end:
            rest += stream.readline()
            if not rest.endswith("\n"):
                time.sleep(0.1)
                continue
            if rest.startswith("{"):
                yield json.loads(rest)
            elif rest.startswith("veriframe:"):
                raise DemoFailed(rest.strip())
            rest = ""


def show_money(before: tuple[int, int], after: tuple[int, int]) -> None:
    """Prints both balances in STRK. Raises `DemoFailed` if the reward was not paid."""
    say("Balances in STRK            before        after         change")
    for name, had, has in zip(("creator", "worker"), before, after, strict=True):
        say(f"  {name:<20}{_strk(had):>14}{_strk(has):>14}{_strk(has - had):>14}")
    fees = sum(before) - sum(after)
    say(f"  {'fees to the chain':<48}{_strk(fees):>14}")
    reward = REWARD_STRK * FRI_PER_STRK
    spent, earned = before[0] - after[0] - reward, reward - (after[1] - before[1])
    if not (spent >= 0 <= earned and fees < FRI_PER_STRK):
        raise DemoFailed("The creator's reward, minus fees, did not reach the worker.")


def say(line: str) -> None:
    """Prints a line and flushes it."""
    print(line, flush=True)


def _strk(amount_fri: int) -> str:
    return f"{amount_fri / FRI_PER_STRK:.6f}"


def _person(
    name: str, folder: Path, chain: Devnet, account: int, others: Mapping[str, str] = MappingProxyType({})
) -> Person:
    """Creates a user with a home folder and a public account of the development chain."""
    home = folder / f"home-of-the-{name}"
    home.mkdir(mode=0o700)
    variables = {
        "STARKNET_RPC": chain.url,
        "VERIFRAME_DEVNET_ACCOUNT": str(account),
        "VERIFRAME_LOG_FORMAT": "json",
        "VERIFRAME_FRAME_SECONDS": "1200",  # for slow machines; the lease is an hour
    }
    return Person(name, home, variables | dict(others))


if __name__ == "__main__":
    sys.exit(main())
