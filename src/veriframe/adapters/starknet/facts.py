"""Facts about the contract at a registry's address: our totals, or another contract's functions."""

from __future__ import annotations

from collections.abc import Collection

from veriframe.adapters.starknet.contract.contract import TOKEN_ABI, Contract, Node
from veriframe.adapters.starknet.foreign.dialect import NAMES, Dialect, choose_dialect
from veriframe.adapters.starknet.foreign.shapes import flattened
from veriframe.adapters.starknet.job_registry.decoding import number
from veriframe.adapters.starknet.job_registry.reader import StarknetReader
from veriframe.errors import MoveRefused
from veriframe.model.registry.job import Address, format_address
from veriframe.ports.registry import RegistryFacts


async def read_facts(node: Node, address: int, *, token: int, class_hashes: Collection[int]) -> RegistryFacts:
    """Reads the facts about a contract. `class_hashes` are ours; a foreign contract's balance is in `token`.

    Raises `RegistryUnavailable`, also if there is no contract.
    """
    contract = Contract(node, address)
    found = await contract.class_hash()
    if found in class_hashes:
        return await _ours(node, contract, found)
    return await _foreign(node, contract, found, token)


async def _ours(node: Node, contract: Contract, class_hash: int) -> RegistryFacts:
    token = Address(number(await contract.view("get_token")))
    reader = StarknetReader(node, contract.address, token=token)
    totals = await reader.totals()
    return RegistryFacts(
        kind="ours",
        place=format_address(contract.address),
        class_hash=class_hash,
        token=token,
        jobs=(await reader.snapshot(1, 0)).job_counter,
        held_fri=totals.token_fri,
        totals=totals,
    )


async def _foreign(node: Node, contract: Contract, class_hash: int, token: int) -> RegistryFacts:
    dialect = choose_dialect(await contract.abi())
    return RegistryFacts(
        kind="foreign",
        place=format_address(contract.address),
        class_hash=class_hash,
        jobs=await _counter(contract, dialect),
        held_fri=number(await Contract(node, token, TOKEN_ABI).view("balance_of", contract.address)),
        offers=tuple(sorted(function.name for function in dialect.functions.values())),
        lacks=tuple(sorted(names[0] for word, names in NAMES.items() if not dialect.has(word))),
        fault=dialect.missing,
    )


async def _counter(contract: Contract, dialect: Dialect) -> int | None:
    if not dialect.has("counter"):
        return None
    try:
        return next(iter(flattened(await contract.view(dialect.name("counter")))), 0)
    except MoveRefused:
        return None  # It panics. Report the rest.
