"""A whole job on a real StarkNet node, with a real render: creator and worker as processes."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from PIL import Image
from tests.deployed import REGISTRY, ROOT, deploy
from tests.e2e.conftest import Home
from tests.e2e.foreign_chain import CREATOR, WORKER, open_classic, post_classic
from tests.nodes import STRK_ADDRESS, Devnet, kubo

from veriframe.model.quantities import format_strk

pytestmark = pytest.mark.slow


def chain(node: Devnet, registry: int, account: int) -> dict[str, str]:
    """The classic variables, and one of the development chain's public accounts."""
    return {
        "STARKNET_RPC": node.url,
        "JOB_REGISTRY_ADDRESS": hex(registry),
        "VERIFRAME_DEVNET_ACCOUNT": str(account),
        "VERIFRAME_STORE": "local",
    }


def money(home: Home, environment: dict[str, str]) -> int:
    """The sum of an account's money, in fri."""
    answer = home.run("account", "show", "--json", environment=environment)
    assert answer.returncode == 0, answer.stderr
    held = json.loads(answer.stdout)
    return int(held["wallet_fri"]) + int(held["credit_fri"])


def fees(stderr: str) -> int:
    """The fees of the moves in a log, in fri."""
    events = (json.loads(line) for line in stderr.splitlines() if line.startswith("{"))
    return sum(event.get("fee_fri", 0) for event in events if event["event"] == "registry_move")


def test_a_job_is_paid_on_chain(home: Home, light_scene: Path, fresh_devnet: Devnet) -> None:
    """Posted, rendered, fetched, accepted: the worker has the reward less its fees, to the fri."""
    registry = asyncio.run(deploy(fresh_devnet, REGISTRY, STRK_ADDRESS))
    creator, worker = (chain(fresh_devnet, registry, number) for number in (CREATOR, WORKER))
    before = money(home, worker)
    created = home.run("job", "create", light_scene, "--reward", "2", "--yes", environment=creator)
    assert created.returncode == 0, created.stderr
    served = home.run("worker", "--once", environment=worker)
    assert served.returncode == 0, served.stderr
    assert home.run("job", "fetch", "1", "-o", "picture.png", environment=creator).returncode == 0
    accepted = home.run("job", "accept", "1", "--json", environment=creator)
    assert json.loads(accepted.stdout)["state"] == "PAID"
    paid = home.run("worker", "--once", environment=worker)
    # fault_89: the second run still has the fees of the first one.
    assert f'"earned": "{format_strk(2 * 10**18 - fees(served.stderr))}"' in paid.stderr
    with Image.open(home.folder / "picture.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (96, 54))
    assert fees(served.stderr) > 0
    assert money(home, worker) == before + 2 * 10**18 - fees(served.stderr)


def test_a_classic_registry_is_served(home: Home, light_scene: Path, fresh_devnet: Devnet) -> None:
    """felt252 ids, CIDs as pairs of short strings, no claim, no counter: found, rendered, submitted, paid."""
    with kubo() as node:
        options = ("--cid-version=1", "--raw-leaves", "--chunker=size-262144", "--max-file-links=174")
        asset_cid = node.run("add", "-Q", *options, light_scene).decode().strip()
        registry = open_classic(fresh_devnet)
        post_classic(fresh_devnet, registry, asset_cid)
        classic = {
            "STARKNET_RPC": fresh_devnet.url,
            "JOB_REGISTRY_ADDRESS": hex(registry),
            "IPFS_API": node.api_multiaddr,
            "VERIFRAME_DEVNET_ACCOUNT": str(WORKER),
        }
        main: list[str | Path] = [sys.executable, ROOT / "src" / "main.py", "--once"]
        served = home.run_as(main, classic)
        assert served.returncode == 0, served.stderr
        assert "others may copy a result" in served.stderr
        # Such a registry pays with the submission; at the latest the next run notices.
        seen = home.run_as(main, classic)
        events = [json.loads(line) for line in (served.stderr + seen.stderr).splitlines() if line[:1] == "{"]
        (finished,) = [event for event in events if event["event"] == "attempt_finished"]
        assert finished["stage"] == "PAID"
        picture = home.folder / "picture.png"
        picture.write_bytes(node.run("cat", finished["result_cid"]))
        with Image.open(picture) as opened:
            assert (opened.format, opened.size) == ("PNG", (96, 54))


def test_the_chain_is_learned_once(home: Home, fresh_devnet: Devnet) -> None:
    """fault_98: `doctor` and `config show` show it, and another one is refused with the remedy."""
    registry = asyncio.run(deploy(fresh_devnet, REGISTRY, STRK_ADDRESS))
    worker = chain(fresh_devnet, registry, WORKER)
    details = []
    for _ in range(2):
        answer = home.run("doctor", "--json", "--no-engines", environment=worker)
        parts = {part["part"]: part for part in json.loads(answer.stdout)["parts"]}
        details.append(parts["registry"]["detail"])
    assert "chain SN_SEPOLIA, learned now; its time is not checked; one node" in details[0]
    assert "chain SN_SEPOLIA, as learned on 20" in details[1]
    other = home.run("--set", "chain_id=SN_MAIN", "account", "show", environment=worker)
    assert other.returncode == 2
    words = " ".join(other.stderr.split())
    assert "chain_id is SN_MAIN, but this registry was served on SN_SEPOLIA since 20" in words
    shown = home.run("--set", "chain_id=0x534e5f4d41494e", "config", "show", "--json", environment=worker)
    assert json.loads(shown.stdout)["settings"]["chain_id"] == {"value": "SN_MAIN", "from": "flag"}


def test_jobs_are_not_posted_to_another_kind(home: Home, light_scene: Path, fresh_devnet: Devnet) -> None:
    """One sentence with the reason; nothing is published, no money moves."""
    registry = open_classic(fresh_devnet)
    creator = chain(fresh_devnet, registry, CREATOR)
    ran = home.run("job", "create", light_scene, "--reward", "1", "--yes", environment=creator)
    assert ran.returncode == 2
    assert "of another maker" in ran.stderr
