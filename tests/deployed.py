"""Contracts declared and deployed on a devnet, and senders for its test accounts."""

from __future__ import annotations

from pathlib import Path

from starknet_py.hash.selector import get_selector_from_name
from starknet_py.net.client_models import Call
from tests.contracts import deployment
from tests.nodes import Devnet

from veriframe.adapters.starknet.account.keystore import Key
from veriframe.adapters.starknet.rpc.endpoints import Endpoints
from veriframe.adapters.starknet.transactions.outbox import Outbox
from veriframe.adapters.starknet.transactions.sender import Sender, SendTimeouts

ROOT = Path(__file__).parents[1]
REGISTRY = ROOT / "contracts" / "artifacts" / "job_registry"
MAX_FEE_FRI = 10 * 10**18
PACE = SendTimeouts(wait_seconds=30.0, poll_seconds=0.02, poll_max_seconds=0.2)


def class_hash(artifact: Path) -> int:
    """Returns the class hash in an artefact's `….hashes.json`."""
    return deployment.load(artifact.name, artifact.parent).class_hash


def sierra_of(artifact: Path) -> str:
    """Returns the class in an artefact's `….sierra.json.gz`, as JSON text."""
    return deployment.load(artifact.name, artifact.parent).sierra


async def declare(node: Devnet, artifact: Path, account: int = 5) -> int:
    """Declares an artefact's class and returns its hash."""
    owner = deployment.signer(node, node.accounts[account])
    kept = deployment.load(artifact.name, artifact.parent)
    await deployment.declare(owner, kept)
    return kept.class_hash


async def deploy(node: Devnet, artifact: Path, *arguments: int, account: int = 5) -> int:
    """Deploys a contract of this class and returns its address. `arguments` are the constructor's felts."""
    owner = deployment.signer(node, node.accounts[account])
    kept = deployment.load(artifact.name, artifact.parent)
    return await deployment.deploy_bare(owner, kept, *arguments)


async def invoke(node: Devnet, account: int, *calls: tuple[int, str, list[int]]) -> None:
    """Sends calls (address, function, calldata in felts) in one transaction, with starknet_py only."""
    owner = deployment.signer(node, node.accounts[account])
    made = [Call(to, get_selector_from_name(name), calldata) for to, name, calldata in calls]
    sent = await owner.execute_v3(calls=made, auto_estimate=True)
    await owner.client.wait_for_tx(sent.transaction_hash, check_interval=0.1)


class Clients:
    """Senders for a chain's test accounts, by number, each with an outbox in `folder`."""

    def __init__(self, node: Devnet, folder: Path) -> None:
        self.node, self.folder = node, folder
        self.endpoints = Endpoints([node.url])
        self._outboxes: list[Outbox] = []

    def sender(self, number: int) -> Sender:
        """Creates a sender for the account, with a separate outbox."""
        owner = self.node.accounts[number]
        outbox = Outbox(self.folder / f"outbox-{number}-{len(self._outboxes)}.sqlite")
        self._outboxes.append(outbox)
        key = Key(owner.private_key)
        return Sender(self.endpoints, outbox, owner.address, key, max_fee_fri=MAX_FEE_FRI, timeouts=PACE)

    async def close(self) -> None:
        """Closes connections and files."""
        await self.endpoints.close()
        for outbox in self._outboxes:
            outbox.close()
