"""`veriframe registry`: one command deploys the contract on a real chain, once, despite interruptions."""

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
DEPLOY = ("registry", "deploy", "--yes")
LOW = {"VERIFRAME_MAX_DEPLOY_FEE_STRK": "1"}


def chain(node: Devnet, account: int = 0) -> dict[str, str]:
    """The settings for the chain and one of its public accounts."""
    return {"STARKNET_RPC": node.url, "VERIFRAME_DEVNET_ACCOUNT": str(account)}


def nonce(node: Devnet, account: int) -> int:
    """The number of an address's transactions."""
    return int(node.ask("starknet_getNonce", block_id="latest", contract_address=hex(account)), 16)


def class_at(node: Devnet, address: str) -> int:
    """The hash of the class of a contract."""
    return int(node.ask("starknet_getClassHashAt", block_id="latest", contract_address=address), 16)


def exported(ran: subprocess.CompletedProcess[str]) -> str:
    """The address in the last line, which is a shell command."""
    assert ran.returncode == 0, ran.stderr
    last = ran.stdout.splitlines()[-1]
    assert last.startswith("export JOB_REGISTRY_ADDRESS=0x")
    return last.partition("=")[2]


def test_it_is_deployed_once(home: Home, fresh_devnet: Devnet) -> None:
    """fault_124: with default settings, by two transactions; another run finds it and costs nothing."""
    node, owner = fresh_devnet, fresh_devnet.accounts[0].address
    before = asyncio.run(deployment.balance(deployment.signer(node, node.accounts[0]), owner))
    address = exported(home.run(*DEPLOY, environment=chain(node)))
    assert class_at(node, address) == CLASS_HASH
    assert nonce(node, owner) == 2
    after = asyncio.run(deployment.balance(deployment.signer(node, node.accounts[0]), owner))
    for account in (0, 1):
        again = home.run(*DEPLOY, "--json", environment=chain(node, account))
        answer = json.loads(again.stdout)
        assert (answer["address"], answer["deployed"], answer["fee_fri"]) == (address, "already", "0")
    assert (nonce(node, owner), nonce(node, node.accounts[1].address)) == (2, 0)
    answer = json.loads(home.run(*DEPLOY, "--salt", "0x5", "--json", environment=chain(node, 1)).stdout)
    assert (answer["declared"], answer["deployed"], answer["address"] != address) == ("already", "now", True)
    assert 0 < int(answer["fee_fri"]) < (before - after) / 100
    environment = {"STARKNET_RPC": node.url, "JOB_REGISTRY_ADDRESS": address}
    shown = json.loads(home.run("registry", "show", "--json", environment=environment).stdout)
    assert (shown["kind"], shown["class_hash"], shown["token"]) == (
        "ours",
        f"{CLASS_HASH:#x}",
        f"{STRK_ADDRESS:#x}",
    )
    assert (shown["jobs"], shown["escrow_fri"]) == (0, "0")


def test_the_reported_fee_is_exact(home: Home, devnet_node: Devnet) -> None:
    """The sum of both transactions, to the fri."""
    account = devnet_node.accounts[2]
    signer = deployment.signer(devnet_node, account)
    before = asyncio.run(deployment.balance(signer, account.address))
    answer = json.loads(
        home.run(*DEPLOY, "--salt", "0x77", "--json", environment=chain(devnet_node, 2)).stdout
    )
    fee_fri = int(answer["fee_fri"])
    assert fee_fri > 0
    assert asyncio.run(deployment.balance(signer, account.address)) == before - fee_fri


@contextmanager
def blocks_of(node: Devnet) -> Iterator[None]:
    """Keep making blocks."""
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
        answer = node.ask("starknet_getNonce", block_id="pre_confirmed", contract_address=hex(account))
        if int(answer, 16) == wanted:
            return
        time.sleep(0.05)
    pytest.fail(f"nonce {wanted} was never reached")


@pytest.mark.parametrize("sent", [1, 2])
def test_a_run_killed_after_sending_is_resumed(home: Home, sent: int) -> None:
    """fault_73: kill −9 while the declaration or the deployment waits for its block: each is made once."""
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
            answer = json.loads(home.run(*DEPLOY, "--json", environment=chain(node)).stdout)
        assert class_at(node, answer["address"]) == CLASS_HASH
        assert nonce(node, owner) == 2
        # This run reports the killed run's last transaction, with its fee.
        assert {1: "now", 2: "already"}[sent] == answer["declared"]
        assert (answer["deployed"], int(answer["fee_fri"]) > 0) == ("now", True)


def keystore_of(home: Home, node: Devnet, amount_fri: int, *, deployed: bool) -> tuple[dict[str, str], int]:
    """A keystore with some money. Returns its settings and its address."""
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
    """fault_68: the error has the cost, the balance and the address; with more money it succeeds."""
    settings, address = keystore_of(home, fresh_devnet, STRK, deployed=True)
    refused = home.run(*DEPLOY, environment=settings)
    assert refused.returncode == 4
    assert f"{address:#x}" in refused.stderr
    assert "Send STRK there first" in refused.stderr
    assert nonce(fresh_devnet, address) == 1
    fresh_devnet.mint(address, 10 * STRK)
    assert exported(home.run(*DEPLOY, environment=settings))


def test_each_error_is_one_sentence(home: Home, fresh_devnet: Devnet) -> None:
    """fault_78: no account, none on this chain, high fee, no node, no token, no consent; nothing is sent."""
    node = fresh_devnet
    settings, _ = keystore_of(home, node, STRK, deployed=False)
    cases = [
        (("registry", "deploy"), chain(node), 2, "Pass --yes"),
        (DEPLOY, {"STARKNET_RPC": node.url}, 2, "Set keystore"),
        (DEPLOY, settings, 3, "account deploy"),
        ((*DEPLOY, "--max-fee", "1"), chain(node), 3, "--max-fee"),
        (DEPLOY, {**chain(node), **LOW}, 3, "max_deploy_fee_strk"),
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


def test_a_foreign_registry_is_recognised(home: Home, devnet_node: Devnet) -> None:
    """With the functions that it offers and lacks for a worker; no account is needed."""
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
