"""One deployed contract: its class, its views, calls to it, and the meaning of its refusals."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from starknet_py.hash.selector import get_selector_from_name

from veriframe.adapters.starknet.cairo.abi import Abi, Field, Function, read_abi
from veriframe.adapters.starknet.cairo.codec import PRIME, Codec, Value, short_bytes
from veriframe.adapters.starknet.rpc.envelope import RpcError
from veriframe.adapters.starknet.transactions.revert_reason import innermost, reason_of
from veriframe.adapters.starknet.transactions.transaction import Call
from veriframe.errors import MoveRefused, RegistryUnavailable
from veriframe.model.registry.job import Address, format_address
from veriframe.model.registry.ledger import Rule
from veriframe.model.text import printable

CONTRACT_NOT_FOUND, NO_FUNCTION, CONTRACT_ERROR = 20, 21, 40
"""Codes of the JSON-RPC specification. The last: the call itself failed, for example a view panicked."""
REVERTED = "REVERTED"
"""The rule of a refusal that names none of our rules."""
BLOCK = "latest"
"""Views read the newest accepted block, never a pre-confirmed one."""

_FELT = re.compile(r"0x[0-9a-fA-F]{1,64}\b")
_WORD = re.compile(r"[A-Z][A-Z_]{3,30}")
_CHAIN = re.compile(r"[A-Z0-9_]{1,12}")
"""Chain names that appear unchanged in identities, which are short."""

_ACCOUNT = Field("account", "ContractAddress")
TOKEN_ABI = Abi(
    functions={
        "balance_of": Function("balance_of", (_ACCOUNT,), ("u256",)),
        "approve": Function("approve", (_ACCOUNT, Field("amount", "u256")), ("bool",), is_view=False),
    },
    structs={},
    enums={},
)
"""The ERC-20 functions that are used. Built in, since nodes do not return the ABI of every token."""


class WrongContract(RegistryUnavailable):
    """There is no contract at the address, or one that cannot be used as a registry."""


Question = tuple[str, Mapping[str, Any] | None]
"""A node's method, and its parameters by name."""


class Node(Protocol):
    """What a contract needs from the endpoints."""

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
        """The result of one method, as JSON. Raises `RpcError`, `RegistryUnavailable`."""

    async def batch(self, calls: Sequence[Question]) -> Sequence[Any]:
        """The results of several methods in one request, with an `RpcError` for each that fails."""


Batch = Callable[[Sequence[Question]], Awaitable[Sequence[Any]]]
"""Sends several questions in one request, and returns their results."""


class Contract:
    """The contract at `address`. Its ABI is fetched on first use, unless it is given."""

    def __init__(self, node: Node, address: int, abi: Abi | None = None) -> None:
        self._node, self.address = node, Address(address)
        self._abi = abi
        self._identity: str | None = None

    async def abi(self) -> Abi:
        """The ABI of its class. Raises `RegistryUnavailable`."""
        if self._abi is None:
            found = await self._ask("starknet_getClassAt", contract_address=hex(self.address))
            self._abi = read_abi(found.get("abi") if isinstance(found, dict) else None)
        return self._abi

    async def identity(self) -> str:
        """Its chain and its address, such as `SN_MAIN-0x1a2b`. Raises `RegistryUnavailable`."""
        if self._identity is None:
            try:
                chain_id = _felt(await self._node.call("starknet_chainId"))
            except RpcError as error:
                raise self._translate(error, "starknet_chainId") from error
            self._identity = f"{_chain_name(chain_id)}-{format_address(self.address)}"
        return self._identity

    async def class_hash(self) -> int:
        """The current hash of its class. Raises `RegistryUnavailable`."""
        return _felt(await self._ask("starknet_getClassHashAt", contract_address=hex(self.address)))

    async def view(self, name: str, *values: Value) -> Value:
        """Calls a view and decodes its answer; several outputs form a list.

        Raises `RegistryUnavailable`, and `MoveRefused` if the contract refuses.
        """
        params = _call_params(self.address, name, await self._felts(name, values))
        answer = await self._ask("starknet_call", request=params["request"])
        return self._decoded(await self.abi(), name, felts_of(answer, name))

    async def views(self, *asked: View, batch: Batch | None = None) -> list[Value]:
        """Calls several views, of this contract or others, in one request, by `batch` or to any node.

        Raises as `view` does.
        """
        calls = [
            one.contract.question(one.name, await one.contract._felts(one.name, one.values), BLOCK)
            for one in asked
        ]
        answers = await (batch or self._node.batch)(calls)
        return [await one.contract._read(one, answer) for one, answer in zip(asked, answers, strict=True)]

    def question(self, name: str, calldata: Sequence[int], block: object) -> Question:
        """The question for a view with its arguments in felts, at a block id of JSON-RPC."""
        return "starknet_call", {**_call_params(self.address, name, calldata), "block_id": block}

    async def move(self, name: str, *values: Value) -> Call:
        """A call in a transaction. Raises `RegistryUnavailable`, `ValueError` for values that do not fit."""
        return Call.named(self.address, name, await self._felts(name, values))

    async def gas_price_fri(self) -> int:
        """The price of one unit of L2 gas in the newest accepted block. Raises `RegistryUnavailable`."""
        block = await self._ask("starknet_getBlockWithTxHashes")
        try:
            return max(0, int(block["l2_gas_price"]["price_in_fri"], 16))
        except (KeyError, TypeError, ValueError) as error:
            raise RegistryUnavailable(
                "The node's newest block has no gas price. Use a node with JSON-RPC 0.8 or later."
            ) from error

    async def newest_block(self) -> object:
        """The newest accepted block as JSON, not validated. Raises `RegistryUnavailable`."""
        return await self._ask("starknet_getBlockWithTxHashes")

    async def _read(self, view: View, answer: object) -> Value:
        if isinstance(answer, RpcError):
            raise self._translate(answer, "starknet_call") from answer
        return self._decoded(await self.abi(), view.name, felts_of(answer, view.name))

    async def _felts(self, name: str, values: Sequence[Value]) -> list[int]:
        abi = await self.abi()
        return self._calldata(abi, self._function(abi, name), values)

    def _decoded(self, abi: Abi, name: str, felts: Sequence[int]) -> Value:
        outputs = self._function(abi, name).outputs
        return Codec(abi).decode(outputs[0] if len(outputs) == 1 else f"({','.join(outputs)})", felts)

    def _function(self, abi: Abi, name: str) -> Function:
        if (function := abi.functions.get(name)) is None:
            raise RegistryUnavailable(
                f"The contract {format_address(self.address)} has no {name}. Check the address."
            )
        return function

    def _calldata(self, abi: Abi, function: Function, values: Sequence[Value]) -> list[int]:
        if len(values) != len(function.inputs):
            raise RegistryUnavailable(
                f"{function.name} of {format_address(self.address)} takes {len(function.inputs)} values,"
                f" not {len(values)}: it is not our registry. Check the address."
            )
        codec = Codec(abi)
        pairs = zip(function.inputs, values, strict=True)
        return [felt for field, value in pairs for felt in codec.encode(field.type, value)]

    async def _ask(self, method: str, **params: object) -> Any:  # noqa: ANN401 - JSON
        try:
            return await self._node.call(method, {**params, "block_id": BLOCK})
        except RpcError as error:
            raise self._translate(error, method) from error

    def _translate(self, error: RpcError, method: str) -> MoveRefused | RegistryUnavailable:
        if error.code == CONTRACT_ERROR:
            return refusal(reason_of(error.data) or error.message)
        if error.code == CONTRACT_NOT_FOUND:
            return WrongContract(
                f"There is no contract at {format_address(self.address)} on this network."
                " Check the address and the network."
            )
        return RegistryUnavailable(f"The node answers {method} with an error: {printable(str(error), 200)}.")


@dataclass(frozen=True, slots=True)
class View:
    """A call of a contract's view, by name, with its values."""

    contract: Contract
    name: str
    values: tuple[Value, ...] = ()


def refusal(reason: str) -> MoveRefused:
    """Translates a revert's reason to our rule that it names, as text or as a hex felt; else `REVERTED`."""
    for word in _words(reason):
        if word in Rule.__members__:
            return MoveRefused(word, f"The registry refuses the move under its rule {word}.")
    if "insufficient" in reason.lower() and "balance" in reason.lower():
        return MoveRefused(
            Rule.INSUFFICIENT_FUNDS.value, "The wallet holds less than that. Send money to it first."
        )
    return MoveRefused(REVERTED, f"The contract refuses: {printable(innermost(reason), 200)}.")


def _chain_name(chain_id: int) -> str:
    """The chain's own name if it is short and plain, else a digest."""
    name = short_bytes(chain_id).decode("ascii", "replace")
    if _CHAIN.fullmatch(name):
        return name
    return f"chain{hashlib.sha256(hex(chain_id).encode()).hexdigest()[:7]}"


def _words(reason: str) -> list[str]:
    felts = [short_bytes(int(felt, 16)).decode("ascii", "replace") for felt in _FELT.findall(reason)]
    return [*_WORD.findall(reason), *felts]


def _call_params(address: int, name: str, calldata: Sequence[int]) -> dict[str, Any]:
    request = {
        "contract_address": hex(address),
        "entry_point_selector": hex(get_selector_from_name(name)),
        "calldata": [hex(felt) for felt in calldata],
    }
    return {"request": request, "block_id": BLOCK}


def felts_of(answer: object, name: str) -> list[int]:
    """The felts in the answer to a question. Raises `RegistryUnavailable` if there are none."""
    if not isinstance(answer, list):
        raise RegistryUnavailable(f"The node's answer to {name} is not a list. Use another node.")
    return [_felt(felt) for felt in answer]


def _felt(answer: object) -> int:
    try:
        felt = int(answer, 16) if isinstance(answer, str) else -1
    except ValueError:
        felt = -1
    if not 0 <= felt < PRIME:
        raise RegistryUnavailable(f"The node answers {printable(repr(answer), 40)}, which is not a felt.")
    return felt
