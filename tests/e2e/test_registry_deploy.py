"""`veriframe registry`: the contract comes onto a real chain by one command, once, whatever cuts it off."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.contracts import deployment
from tests.e2e.conftest import COMMAND, Home
from tests.nodes import STRK_ADDRESS, Devnet, devnet

from veriframe.adapters.starknet.account import keystore
from veriframe.adapters.starknet.account.accounts import counterfactual_address
from veriframe.adapters.starknet.account.keystore import Key

pytestmark = pytest.mark.slow

STRK = 10**18
CLASS_HASH = deployment.load("job_registry", deployment.MAIN_ARTIFACTS).class_hash
DEPLOY = ("registry", "deploy", "--yes", "--max-fee", "10")


def chain(node: Devnet, account: int = 0) -> dict[str, str]:
    """The chain, and a public account of it."""
    return {"STARKNET_RPC": node.url, "VERIFRAME_DEVNET_ACCOUNT": str(account)}


def nonce(node: Devnet, account: int) -> int:
    """How many transactions an address has sent."""
    return int(node.ask("starknet_getNonce", block_id="latest", contract_address=hex(account)), 16)


def class_at(node: Devnet, address: str) -> int:
    """The hash of the class of a contract."""
    return int(node.ask("starknet_getClassHashAt", block_id="latest", contract_address=address), 16)


def exported(ran: subprocess.CompletedProcess[str]) -> str:
    """The address in the last line, which a shell can run."""
    assert ran.returncode == 0, ran.stderr
    last = ran.stdout.splitlines()[-1]
    assert last.startswith("export JOB_REGISTRY_ADDRESS=0x")
    return last.partition("=")[2]


def test_it_is_deployed_once(home: Home, fresh_devnet: Devnet) -> None:
    """Declared and deployed by two transactions; again, and by another account, it is found and free."""
    node, owner = fresh_devnet, fresh_devnet.accounts[0].address
    before = asyncio.run(deployment.balance(deployment.signer(node, node.accounts[0]), owner))
    address = exported(home.run(*DEPLOY, environment=chain(node)))
    assert class_at(node, address) == CLASS_HASH
    assert nonce(node, owner) == 2
    after = asyncio.run(deployment.balance(deployment.signer(node, node.accounts[0]), owner))
    for account in (0, 1):
        again = home.run(*DEPLOY, "--json", environment=chain(node, account))
        told = json.loads(again.stdout)
        assert (told["address"], told["deployed"], told["fee_fri"]) == (address, "already", 0)
    assert (nonce(node, owner), nonce(node, node.accounts[1].address)) == (2, 0)
    told = json.loads(home.run(*DEPLOY, "--salt", "0x5", "--json", environment=chain(node, 1)).stdout)
    assert (told["declared"], told["deployed"], told["address"] != address) == ("already", "now", True)
    assert 0 < told["fee_fri"] < (before - after) / 100
    environment = {"STARKNET_RPC": node.url, "JOB_REGISTRY_ADDRESS": address}
    shown = json.loads(home.run("registry", "show", "--json", environment=environment).stdout)
    assert (shown["kind"], shown["class_hash"], shown["token"]) == (
        "ours",
        f"{CLASS_HASH:#x}",
        f"{STRK_ADDRESS:#x}",
    )
    assert (shown["jobs"], shown["escrow_fri"]) == (0, 0)


def test_what_was_paid_is_what_it_tells(home: Home, devnet_node: Devnet) -> None:
    """The fee of both transactions, to the last fri."""
    account = devnet_node.accounts[2]
    signer = deployment.signer(devnet_node, account)
    before = asyncio.run(deployment.balance(signer, account.address))
    told = json.loads(home.run(*DEPLOY, "--salt", "0x77", "--json", environment=chain(devnet_node, 2)).stdout)
    assert told["fee_fri"] > 0
    assert asyncio.run(deployment.balance(signer, account.address)) == before - told["fee_fri"]


@contextmanager
def blocks_of(node: Devnet) -> Iterator[None]:
    """Blocks made on and on."""
    done = threading.Event()

    def make() -> None:
        while not done.wait(0.2):
            node.create_block()

    thread = threading.Thread(target=make)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _until_nonce(node: Devnet, account: int, wanted: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        told = node.ask("starknet_getNonce", block_id="pre_confirmed", contract_address=hex(account))
        if int(told, 16) == wanted:
            return
        time.sleep(0.05)
    pytest.fail(f"nonce {wanted} was never reached")


@pytest.mark.parametrize("sent", [1, 2])
def test_killed_after_sending_it_goes_on(home: Home, sent: int) -> None:
    """fault_73: kill −9 while the declaration, or the deployment, waits for its block: each is made once."""
    with devnet(on_demand=True) as node:
        owner = node.accounts[0].address
        environment = {**home.environment, **chain(node)}
        for wanted in range(1, sent + 1):
            with subprocess.Popen(
                [COMMAND, *DEPLOY], env=environment, cwd=home.folder, stdout=subprocess.DEVNULL
            ) as running:
                _until_nonce(node, owner, wanted)
                running.send_signal(signal.SIGKILL)
            node.create_block()
        assert nonce(node, owner) == sent
        with blocks_of(node):
            told = json.loads(home.run(*DEPLOY, "--json", environment=chain(node)).stdout)
        assert class_at(node, told["address"]) == CLASS_HASH
        assert nonce(node, owner) == 2
        # What the killed run had sent last is told by this one, with its fee.
        assert {1: "now", 2: "already"}[sent] == told["declared"]
        assert (told["deployed"], told["fee_fri"] > 0) == ("now", True)


def keystore_of(home: Home, node: Devnet, amount_fri: int, *, deployed: bool) -> tuple[dict[str, str], int]:
    """A key of one's own with some money: the settings for it, and its address."""
    key, path, word = Key.random(), home.folder / "key.json", home.folder / "word"
    keystore.write(path, key, b"correct horse", scrypt_n=4)
    word.touch(0o600)
    word.write_text("correct horse", encoding="utf-8")
    address = counterfactual_address(key.public_key)
    node.mint(address, amount_fri)
    settings = {
        "STARKNET_RPC": node.url,
        "VERIFRAME_KEYSTORE": str(path),
        "VERIFRAME_PASSWORD_FILE": str(word),
    }
    if deployed:
        assert home.run("account", "deploy", environment=settings).returncode == 0
    return settings, address


def test_a_poor_account_sends_nothing(home: Home, fresh_devnet: Devnet) -> None:
    """fault_68: how much it may cost, what is there, where to send it; with more money it goes through."""
    settings, address = keystore_of(home, fresh_devnet, STRK, deployed=True)
    refused = home.run(*DEPLOY, environment=settings)
    assert refused.returncode == 4
    assert f"{address:#x}" in refused.stderr
    assert "Send STRK there first" in refused.stderr
    assert nonce(fresh_devnet, address) == 1
    fresh_devnet.mint(address, 10 * STRK)
    assert exported(home.run(*DEPLOY, environment=settings))


def test_one_sentence_for_each_way_it_cannot_go(home: Home, fresh_devnet: Devnet) -> None:
    """fault_78: no account, none on this chain, too dear, no node, no token, no consent; nothing is sent."""
    node = fresh_devnet
    settings, _ = keystore_of(home, node, STRK, deployed=False)
    cases = [
        (("registry", "deploy"), chain(node), 2, "Say --yes"),
        (DEPLOY, {"STARKNET_RPC": node.url}, 2, "Set keystore"),
        (DEPLOY, settings, 3, "See that this account is deployed on this chain"),
        (DEPLOY[:3], chain(node), 3, "over the limit of 1 STRK. Allow more with --max-fee"),
        (DEPLOY, {**chain(node), "STARKNET_RPC": "http://127.0.0.1:9"}, 3, "No StarkNet node answers"),
        (DEPLOY, {**settings, "STARKNET_RPC": "http://127.0.0.1:9"}, 3, "No StarkNet node answers"),
        (DEPLOY, {**chain(node), "VERIFRAME_STARKNET_TOKEN": "0x77"}, 4, "no token at 0x77"),
        ((*DEPLOY, "--salt", "salt"), chain(node), 2, "is not a salt"),
    ]
    for arguments, environment, code, sentence in cases:
        ran = home.run(*arguments, environment=environment)
        assert (code, True) == (ran.returncode, sentence in ran.stderr), ran.stderr
        assert "Traceback" not in ran.stderr
    assert nonce(node, node.accounts[0].address) == 0


def test_another_makers_registry_is_told_apart(home: Home, devnet_node: Devnet) -> None:
    """What it offers of what a worker would use, and what it lacks; no account is needed to see it."""
    owner = devnet_node.accounts[4]
    made = asyncio.run(
        deployment.deploy(
            deployment.signer(devnet_node, owner),
            deployment.load("classic_registry"),
            owner.address,
            STRK_ADDRESS,
        )
    )
    environment = {"STARKNET_RPC": devnet_node.url, "JOB_REGISTRY_ADDRESS": hex(made.address)}
    shown = json.loads(home.run("registry", "show", "--json", environment=environment).stdout)
    assert (shown["kind"], shown["fault"], shown["jobs"]) == ("foreign", "", None)
    assert {"submit_result", "register_worker"} <= set(shown["offers"])
    assert {"claim_job", "get_job_counter"} <= set(shown["lacks"])
    account = {**environment, "JOB_REGISTRY_ADDRESS": hex(owner.address)}
    assert (
        "no job registry that VeriFrame can serve" in home.run("registry", "show", environment=account).stdout
    )
    nothing = home.run("registry", "show", environment={**environment, "JOB_REGISTRY_ADDRESS": "0x123"})
    assert (nothing.returncode, "There is no contract at 0x123" in nothing.stderr) == (3, True)
