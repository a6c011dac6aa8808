"""Deploys an account's contract, paid with the money that is already at its address.

An account deploys itself: the transaction uses nonce 0 of that address, so it is executed at most once,
however often it is sent. Nothing needs to be stored between attempts.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import Any

from starknet_py.hash.selector import get_selector_from_name
from starknet_py.net.client_models import ResourceBounds, ResourceBoundsMapping
from starknet_py.net.models.transaction import DeployAccountV3

from veriframe.adapters.starknet.account.accounts import counterfactual_address
from veriframe.adapters.starknet.account.keystore import Key
from veriframe.adapters.starknet.rpc.endpoints import Endpoints, RpcError
from veriframe.adapters.starknet.transactions.fees import NONE, FeeBounds, parse_estimates, with_margin
from veriframe.adapters.starknet.transactions.receipt import Receipt, Reverted, parse_receipt
from veriframe.adapters.starknet.transactions.revert_reason import clean, reason_of
from veriframe.errors import MoveRefused, RegistryUnavailable
from veriframe.model.quantities import format_strk
from veriframe.model.registry.job import Address, format_address

STRK_ADDRESS = 0x04718F5A0FC34CC1AF16A1CDEE98FFB20C31F5CD61D6AB07201858F4287C938D
"""The token in which fees are paid, at the same address on every chain."""

WAIT_SECONDS = 180.0
"""How long one attempt waits for a block."""

_CONTRACT_NOT_FOUND = 20
_CLASS_NOT_FOUND = 28
_HASH_NOT_FOUND = 29
_POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A deployment without its signature."""

    chain_id: int
    public_key: int
    class_hash: int
    salt: int
    bounds: FeeBounds = NONE

    @property
    def address(self) -> Address:
        """The address that the account will have."""
        return counterfactual_address(self.public_key, self.class_hash, self.salt)

    def digest(self) -> int:
        """The transaction's hash, which is signed."""
        transaction = DeployAccountV3(
            version=3,
            signature=[],
            nonce=0,
            resource_bounds=ResourceBoundsMapping(*(ResourceBounds(*pair) for pair in self.bounds.pairs())),
            tip=self.bounds.tip_fri,
            class_hash=self.class_hash,
            contract_address_salt=self.salt,
            constructor_calldata=[self.public_key],
        )
        return int(transaction.calculate_hash(self.chain_id))

    def payload(self, signature: tuple[int, ...]) -> dict[str, Any]:
        """The JSON of JSON-RPC 0.10's `BROADCASTED_DEPLOY_ACCOUNT_TXN`."""
        return {
            "type": "DEPLOY_ACCOUNT",
            "version": "0x3",
            "signature": [hex(felt) for felt in signature],
            "nonce": "0x0",
            "class_hash": hex(self.class_hash),
            "contract_address_salt": hex(self.salt),
            "constructor_calldata": [hex(self.public_key)],
            "resource_bounds": self.bounds.payload(),
            "tip": hex(self.bounds.tip_fri),
            "paymaster_data": [],
            "nonce_data_availability_mode": "L1",
            "fee_data_availability_mode": "L1",
        }


async def deploy(
    endpoints: Endpoints, key: Key, class_hash: int, salt: int, *, max_fee_fri: int
) -> tuple[Address, Receipt | None]:
    """Deploys the key's account. Returns its address and the receipt, or None if it was deployed before.

    Raises `MoveRefused` if the money or the class is missing, or the chain refuses; `RegistryUnavailable` if
    the nodes do not answer or the outcome is unknown: then repeat the call.
    """
    chain_id = await endpoints.chain_id()
    draft = Deployment(chain_id=chain_id, public_key=key.public_key, class_hash=class_hash, salt=salt)
    if await _is_deployed(endpoints, draft.address, "latest"):
        return draft.address, None
    ready = replace(draft, bounds=with_margin(await _estimate(endpoints, draft), max_fee_fri))
    await _require_money(endpoints, ready)
    digest = ready.digest()
    signature = await asyncio.to_thread(key.sign, digest)
    await _send(endpoints, ready, signature)
    return draft.address, await _wait(endpoints, ready.address, digest)


async def _is_deployed(endpoints: Endpoints, address: Address, block: str) -> bool:
    params = {"block_id": block, "contract_address": hex(address)}
    try:
        await endpoints.call("starknet_getClassHashAt", params)
    except RpcError as error:
        if error.code == _CONTRACT_NOT_FOUND:
            return False
        raise RegistryUnavailable(
            f"The StarkNet node does not answer whether the account is deployed: {error}"
        ) from error
    return True


async def _estimate(endpoints: Endpoints, draft: Deployment) -> FeeBounds:
    params = {
        "request": [draft.payload(())],
        "simulation_flags": ["SKIP_VALIDATE"],
        "block_id": "pre_confirmed",
    }
    try:
        return parse_estimates(await endpoints.call("starknet_estimateFee", params), 1)[0]
    except RpcError as error:
        raise _refusal(error, draft) from error


async def _require_money(endpoints: Endpoints, ready: Deployment) -> None:
    params = {
        "block_id": "pre_confirmed",
        "request": {
            "contract_address": hex(STRK_ADDRESS),
            "entry_point_selector": hex(get_selector_from_name("balance_of")),
            "calldata": [hex(ready.address)],
        },
    }
    try:
        low, high = (int(felt, 16) for felt in await endpoints.call("starknet_call", params))
    except (RpcError, TypeError, ValueError, AttributeError) as error:
        raise RegistryUnavailable(
            f"The StarkNet node does not answer with the account's balance: {error}"
        ) from error
    held_fri, needed_fri = low + (high << 128), ready.bounds.cost_fri
    if held_fri < needed_fri:
        raise MoveRefused(
            "BALANCE",
            f"Deploying may cost up to {format_strk(needed_fri)}, but {format_address(ready.address)} holds "
            f"{format_strk(held_fri)}. Send STRK there first.",
        )


async def _send(endpoints: Endpoints, ready: Deployment, signature: tuple[int, int]) -> None:
    params = {"deploy_account_transaction": ready.payload(signature)}
    try:
        await endpoints.call("starknet_addDeployAccountTransaction", params)
    except RpcError as error:
        # An earlier attempt may have deployed it, under another digest or with a lost answer.
        if not await _is_deployed(endpoints, ready.address, "pre_confirmed"):
            raise _refusal(error, ready) from error


async def _wait(endpoints: Endpoints, address: Address, digest: int) -> Receipt | None:
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        # Checked before the receipt: if the account exists without this receipt, an earlier attempt made it.
        exists = await _is_deployed(endpoints, address, "latest")
        if receipt := await _receipt(endpoints, digest):
            if receipt.revert_reason:
                raise Reverted(receipt.revert_reason, transaction_hash=digest, fee_fri=receipt.fee_fri)
            return receipt
        if exists:
            return None
        await asyncio.sleep(_POLL_SECONDS)
    raise RegistryUnavailable(
        f"The deployment {digest:#x} was sent, but is in no accepted block yet. Run the command again later: "
        "it deploys at most once."
    )


async def _receipt(endpoints: Endpoints, digest: int) -> Receipt | None:
    try:
        answer = await endpoints.call("starknet_getTransactionReceipt", {"transaction_hash": hex(digest)})
    except RpcError as error:
        if error.code == _HASH_NOT_FOUND:
            return None
        raise RegistryUnavailable(f"The StarkNet node does not answer with a receipt: {error}") from error
    return parse_receipt(answer, digest, "deploy")


def _refusal(error: RpcError, draft: Deployment) -> MoveRefused:
    reason = clean(f"{error.message} {reason_of(error.data)}")
    if error.code == _CLASS_NOT_FOUND or "is not declared" in reason:
        return MoveRefused(
            "CLASS", f"The class {draft.class_hash:#x} is not declared on this chain. Choose another."
        )
    return MoveRefused("DEPLOY", f"The chain does not accept the deployment: {reason}")
