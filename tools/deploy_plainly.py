"""The job registry declared and deployed on a devnet by starknet_py alone."""

from __future__ import annotations

import gzip
import json

from starknet_py.contract import Contract
from starknet_py.net.account.account import Account
from starknet_py.net.full_node_client import FullNodeClient
from starknet_py.net.models.chains import StarknetChainId
from starknet_py.net.signer.key_pair import KeyPair
from tools.private_nodes import ROOT, STRK_ADDRESS, Devnet

DEPLOYER = 5
ARTIFACT = ROOT / "contracts" / "artifacts" / "job_registry"


async def deploy(chain: Devnet) -> int:
    """The address of a new registry that pays in STRK."""
    test_account = chain.accounts[DEPLOYER]
    owner = Account(
        address=test_account.address,
        client=FullNodeClient(node_url=chain.url),
        key_pair=KeyPair.from_private_key(test_account.private_key),
        chain=StarknetChainId.SEPOLIA,
    )
    hashes = json.loads(ARTIFACT.with_suffix(".hashes.json").read_text())
    declared = await Contract.declare_v3(
        account=owner,
        compiled_contract=gzip.decompress(ARTIFACT.with_suffix(".sierra.json.gz").read_bytes()).decode(),
        compiled_class_hash=int(hashes["compiled_class_hash"], 16),
        auto_estimate=True,
    )
    await declared.wait_for_acceptance(check_interval=0.1)
    deployed = await declared.deploy_v3(constructor_args=[STRK_ADDRESS], auto_estimate=True)
    await deployed.wait_for_acceptance(check_interval=0.1)
    return int(deployed.deployed_contract.address)
