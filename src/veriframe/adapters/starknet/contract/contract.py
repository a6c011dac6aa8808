"""One deployed contract: its class, its views, calls to it, and what its refusals mean."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from starknet_py.hash.selector import get_selector_from_name

from veriframe.adapters.starknet.cairo.abi import Abi, Field, Function, read_abi
from veriframe.adapters.starknet.cairo.codec import PRIME, Codec, Value, short_bytes
from veriframe.adapters.starknet.rpc.envelope import RpcError
from veriframe.adapters.starknet.transactions.transaction import Call
from veriframe.errors import MoveRefused, RegistryUnavailable
from veriframe.model.registry.job import Address, Head, format_address
from veriframe.model.registry.ledger import Rule
from veriframe.model.text import printable

CONTRACT_NOT_FOUND, NO_FUNCTION, CONTRACT_ERROR = 20, 21, 40
"""Codes of the JSON-RPC specification. The last: the call itself failed, as where a view panics."""
REVERTED = "REVERTED"
"""The rule of a refusal that names no rule of ours."""
BLOCK = "latest"
"""Views are asked of the newest block that is accepted, never of one that may still vanish at once."""

_FELT = re.compile(r"0x[0-9a-fA-F]{1,64}\b")
_WORD = re.compile(r"[A-Z][A-Z_]{3,30}")
_CHAIN = re.compile(r"[A-Z0-9_]{1,12}")
"""The names of chains that are used as they are: identities are short."""

_ACCOUNT = Field("account", "ContractAddress")
TOKEN_ABI = Abi(
    functions={
        "balance_of": Function("balance_of", (_ACCOUNT,), ("u256",)),
        "approve": Function("approve", (_ACCOUNT, Field("amount", "u256")), ("bool",), is_view=False),
    },
    structs={},
    enums={},
)
"""What we use of an ERC-20. Known by heart, since nodes do not tell the ABI of every token's class."""


Question = tuple[str, Mapping[str, Any] | None]
"""A method of a node, and its parameters by name."""


class Node(Protocol):
    """What is needed of the endpoints."""

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
        """The result of one method, as JSON. Raises `RpcError`, `RegistryUnavailable`."""

    async def batch(self, calls: Sequence[Question]) -> Sequence[Any]:
        """The results of several methods in one request; an `RpcError` in the place of each that fails."""


class Contract:
    """The contract at `address`. Its ABI is read at the first use, unless it is given."""

    def __init__(self, node: Node, address: int, abi: Abi | None = None) -> None:
        self._node, self.address = node, Address(address)
        self._abi = abi
        self._identity: str | None = None

    async def abi(self) -> Abi:
        """What its class tells of itself. Raises `RegistryUnavailable`."""
        if self._abi is None:
            told = await self._ask("starknet_getClassAt", contract_address=hex(self.address))
            self._abi = read_abi(told.get("abi") if isinstance(told, dict) else None)
        return self._abi

    async def identity(self) -> str:
        """Its chain and its address, such as `SN_MAIN-0x1a2b`. Raises `RegistryUnavailable`."""
        if self._identity is None:
            try:
                chain_id = _felt(await self._node.call("starknet_chainId"))
            except RpcError as error:
                raise self._told(error, "starknet_chainId") from error
            self._identity = f"{_chain_name(chain_id)}-{format_address(self.address)}"
        return self._identity

    async def class_hash(self) -> int:
        """The hash of its class now. Raises `RegistryUnavailable`."""
        return _felt(await self._ask("starknet_getClassHashAt", contract_address=hex(self.address)))

    async def view(self, name: str, *values: Value) -> Value:
        """What a view answers; several outputs come as a list.

        Raises `RegistryUnavailable`, and `MoveRefused` where the contract refuses.
        """
        return self._decoded(await self.abi(), name, await self.ask(name, await self._felts(name, values)))

    async def views(self, *asked: View, node: Node | None = None) -> list[Value]:
        """What several views answer, of this contract or others, in one request to `node`, or to any.

        Raises as `view` does.
        """
        calls = [await view.contract.request(view) for view in asked]
        return [
            await view.contract.read(view, answer)
            for view, answer in zip(asked, await (node or self._node).batch(calls), strict=True)
        ]

    async def request(self, view: View) -> tuple[str, Mapping[str, Any]]:
        """A view as a method of the node and its parameters."""
        return "starknet_call", _asking(self.address, view.name, await self._felts(view.name, view.values))

    async def read(self, view: View, answer: object) -> Value:
        """What the node's answer to `request` means. Raises as `view` does."""
        if isinstance(answer, RpcError):
            raise self._told(answer, "starknet_call") from answer
        return self._decoded(await self.abi(), view.name, _felts_of(answer, view.name))

    async def ask(self, name: str, calldata: Sequence[int]) -> list[int]:
        """What a view answers, in felts. Raises as `view` does."""
        asking = _asking(self.address, name, calldata)
        return _felts_of(await self._ask("starknet_call", request=asking["request"]), name)

    def question(self, name: str, calldata: Sequence[int], block: object) -> Question:
        """What a node is asked for a view, in felts, at a block as nodes name it."""
        return "starknet_call", {**_asking(self.address, name, calldata), "block_id": block}

    def felts(self, name: str, answer: object) -> list[int]:
        """The felts in the answer to a question. Raises `RegistryUnavailable` where it has none."""
        return _felts_of(answer, name)

    async def move(self, name: str, *values: Value) -> Call:
        """A call for a transaction. Raises `RegistryUnavailable`, `ValueError` for values that do not fit."""
        return self.move_of(name, await self._felts(name, values))

    def move_of(self, name: str, calldata: Sequence[int]) -> Call:
        """A call for a transaction, of felts."""
        return Call.named(self.address, name, calldata)

    async def gas_price_fri(self) -> int:
        """What a unit of L2 gas costs in the newest accepted block. Raises `RegistryUnavailable`."""
        block = await self._ask("starknet_getBlockWithTxHashes")
        try:
            return max(0, int(block["l2_gas_price"]["price_in_fri"], 16))
        except (KeyError, TypeError, ValueError) as error:
            raise RegistryUnavailable(
                "The node's newest block names no price of gas. Use a node of JSON-RPC 0.8 or later."
            ) from error

    async def newest_block(self) -> object:
        """The newest accepted block as JSON, not looked at. Raises `RegistryUnavailable`."""
        return await self._ask("starknet_getBlockWithTxHashes")

    async def head(self) -> Head:
        """The newest accepted block. Raises `RegistryUnavailable`."""
        block = await self.newest_block()
        number, time = (
            block.get(key) if isinstance(block, dict) else None for key in ("block_number", "timestamp")
        )
        if not isinstance(number, int) or not isinstance(time, int):
            raise RegistryUnavailable("The node's newest block has no number or no time. Use another node.")
        return Head(number, time)

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
            raise self._told(error, method) from error

    def _told(self, error: RpcError, method: str) -> MoveRefused | RegistryUnavailable:
        if error.code == CONTRACT_ERROR:
            return refusal(f"{error.message} {error.data}")
        if error.code == CONTRACT_NOT_FOUND:
            return RegistryUnavailable(
                f"There is no contract at {format_address(self.address)} on this network."
                " Check the address and the network."
            )
        return RegistryUnavailable(f"The node answers {method} with an error: {printable(str(error), 200)}.")


@dataclass(frozen=True, slots=True)
class View:
    """A question to a contract: a view's name and its values."""

    contract: Contract
    name: str
    values: tuple[Value, ...] = ()


def refusal(reason: str) -> MoveRefused:
    """What a revert's reason means: our rule's name in it, plain or as a hex felt; else `REVERTED`."""
    for word in _words(reason):
        if word in Rule.__members__:
            return MoveRefused(word, f"The registry refuses the move by its rule {word}.")
    if "insufficient" in reason.lower() and "balance" in reason.lower():
        return MoveRefused(
            Rule.INSUFFICIENT_FUNDS.value, "The wallet holds less than that. Send money to it first."
        )
    # Texts of panics are felts; the node often adds their words.
    return MoveRefused(REVERTED, f"The contract refuses: {printable(reason, 200)}.")


def _chain_name(chain_id: int) -> str:
    """The chain's own short name; of one that is long or odd, whatever a node made of it, a digest."""
    name = short_bytes(chain_id).decode("ascii", "replace")
    if _CHAIN.fullmatch(name):
        return name
    return f"chain{hashlib.sha256(hex(chain_id).encode()).hexdigest()[:7]}"


def _words(reason: str) -> list[str]:
    felts = [short_bytes(int(felt, 16)).decode("ascii", "replace") for felt in _FELT.findall(reason)]
    return [*_WORD.findall(reason), *felts]


def _asking(address: int, name: str, calldata: Sequence[int]) -> dict[str, Any]:
    request = {
        "contract_address": hex(address),
        "entry_point_selector": hex(get_selector_from_name(name)),
        "calldata": [hex(felt) for felt in calldata],
    }
    return {"request": request, "block_id": BLOCK}


def _felts_of(answer: object, name: str) -> list[int]:
    if not isinstance(answer, list):
        raise RegistryUnavailable(f"The node's answer to {name} is no list. Use another node.")
    return [_felt(felt) for felt in answer]


def _felt(told: object) -> int:
    try:
        felt = int(told, 16) if isinstance(told, str) else -1
    except ValueError:
        felt = -1
    if not 0 <= felt < PRIME:
        raise RegistryUnavailable(f"The node answers {printable(repr(told), 40)}, which is no felt.")
    return felt
