"""The classic loop on real parts at once: a StarkNet devnet, two IPFS nodes, Blender. For `make demo-real`.

    python -m tools.demo_real [--output FOLDER] [--scene FILE.blend]

The creator puts a scene on one IPFS node and a reward into the contract. The worker, a process of its own at
the other node, renders it and hands it in. The creator fetches the picture back and accepts. All is done by
the `veriframe` command, as people do it. Every node is private, and ends with this process. Exit code 1: some
part failed; the sentence says which.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
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

from tools.private_nodes import ROOT, Devnet, NodeFailed, NodeMissing, devnet, kubo

CREATOR, WORKER, OWNER = 0, 1, 2
"""Which of devnet's public accounts they are."""

REWARD_STRK = 2
FRI_PER_STRK = 10**18
PAID_SECONDS = 120.0
COMMAND = Path(sys.executable).with_name("veriframe")
INTERRUPTED = 130


class DemoFailed(Exception):
    """A part did not do what it should; the text names its log."""


@dataclass(frozen=True)
class Person:
    """Somebody who uses the `veriframe` command: a home, an account, an IPFS node."""

    name: str
    home: Path
    variables: Mapping[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """What the command is told, and no setting of the shell that this was started from."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return kept | {"VERIFRAME_HOME": str(self.home)} | dict(self.variables)

    def ask(self, *arguments: str | Path) -> dict[str, Any]:
        """What one command answers in JSON. Raises `DemoFailed`."""
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
        """All that the account holds, in and out of the registry."""
        held = self.ask("account", "show")
        return int(held["wallet_fri"]) + int(held["credit_fri"])


def main() -> int:
    """Run it all. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="make demo-real", description="The classic loop on real parts.")
    parser.add_argument(
        "--output", type=Path, default=ROOT / "demo-output" / "real", help="folder for it all"
    )
    parser.add_argument("--scene", type=Path, help="a scene in place of examples/still.py")
    given = parser.parse_args()
    # A terminal's Ctrl-C and a supervisor's SIGTERM end it in the same way.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        show(_emptied(given.output.absolute()), given.scene)
    except KeyboardInterrupt:
        say("Stopped. Every node has ended.")
        return INTERRUPTED
    except (DemoFailed, NodeFailed, NodeMissing) as error:
        print(f"demo-real: {error}", file=sys.stderr)
        return 1
    return 0


def show(folder: Path, scene: Path | None) -> None:
    """The loop, in `folder`. Raises `DemoFailed`, `NodeFailed`, `NodeMissing`."""
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
        tell_money(before, (creator.money_fri(), worker.money_fri()))
        say(f"Job 1 is {state}: {picture}")


def collect(creator: Person, target: Path) -> Path:
    """The creator fetches the picture back through the first node."""
    fetched = creator.ask("job", "fetch", "1", "-o", target)
    size = f"{fetched['width']}×{fetched['height']} pixels, {fetched['size_bytes']} bytes"
    say(f"Creator: fetched {fetched['result_cid']} back through the first node: {size}")
    return target


def make_scene(target: Path) -> Path:
    """The example scene, made by its script. Raises `DemoFailed`."""
    say("Making the scene")
    made = subprocess.run(
        [sys.executable, ROOT / "examples" / "still.py", target, "--scale", "50"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if made.returncode:
        raise DemoFailed(f"The scene could not be made: {made.stdout[-500:]}{made.stderr[-500:]}")
    return target


@contextmanager
def working(worker: Person) -> Iterator[Path]:
    """A worker as a process of its own, for the block. Yields its log, JSON lines."""
    log = worker.home / "worker.log"
    say("Worker: started at the second node; proving its sandbox by attacks")
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
        # Once: claimed jobs would be finished, and none is claimed any more. Twice: at once.
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
    """Say each stage of the worker's as it is reached, up to its submission. Raises `DemoFailed`."""
    for event in _events(log, 900):
        if event["event"] == "worker_started":
            say(f"  {event['blender']} in a {event['sandbox']} sandbox")
        if event["event"] == "stage_reached":
            say(f"  {event['stage'].lower():<10} {event['seconds']:7.2f} s")
            if event["stage"] == "SUBMITTED":
                return
            if event.get("code"):
                raise DemoFailed(f"The worker gave up: {event['reason']} ({event['code']}) See {log}.")
    raise DemoFailed(f"The worker did not hand the job in. See {log}.")


def _wait_until_paid(log: Path) -> None:
    """Until the worker has noticed. Raises `DemoFailed`."""
    for event in _events(log, PAID_SECONDS):
        if event["event"] == "attempt_finished":
            say(f"Worker: {event['stage']}, earned {event['earned']} after fees")
            return
    raise DemoFailed(f"The worker did not notice that it was paid. See {log}.")


def _events(log: Path, seconds: float) -> Iterator[dict[str, Any]]:
    """The events of a log from its beginning, as they come; ends when the time is over."""
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


def tell_money(before: tuple[int, int], after: tuple[int, int]) -> None:
    """Who holds what, in STRK. Raises `DemoFailed` where the reward did not go from one to the other."""
    say("Who holds what, in STRK     before        after         change")
    for name, had, has in zip(("creator", "worker"), before, after, strict=True):
        say(f"  {name:<20}{_strk(had):>14}{_strk(has):>14}{_strk(has - had):>14}")
    fees = sum(before) - sum(after)
    say(f"  {'fees to the chain':<48}{_strk(fees):>14}")
    reward = REWARD_STRK * FRI_PER_STRK
    spent, earned = before[0] - after[0] - reward, reward - (after[1] - before[1])
    if not (spent >= 0 <= earned and fees < FRI_PER_STRK):
        raise DemoFailed("The reward did not go from the creator to the worker, less fees.")


def say(line: str) -> None:
    """One line of what goes on, at once."""
    print(line, flush=True)


def _strk(amount_fri: int) -> str:
    return f"{amount_fri / FRI_PER_STRK:.6f}"


def _person(
    name: str, folder: Path, chain: Devnet, account: int, others: Mapping[str, str] = MappingProxyType({})
) -> Person:
    """Somebody with a home of their own, and a public account of the development chain."""
    home = folder / f"home-of-the-{name}"
    home.mkdir(mode=0o700)
    variables = {
        "STARKNET_RPC": chain.url,
        "VERIFRAME_DEVNET_ACCOUNT": str(account),
        "VERIFRAME_LOG_FORMAT": "json",
        "VERIFRAME_FRAME_SECONDS": "1200",  # for slow machines; the lease is an hour
    }
    return Person(name, home, variables | dict(others))


def _emptied(folder: Path) -> Path:
    """The folder, new. What an earlier run left there is removed, and nothing else."""
    mark = folder / ".made-by-demo-real"
    if folder.exists() and not mark.exists():
        raise SystemExit(f"demo-real: {folder} is there, and not this demo's. Name another with --output.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mark.touch()
    return folder


if __name__ == "__main__":
    sys.exit(main())
