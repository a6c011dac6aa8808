"""Chooses the adapter for an address: by class hash for our contract, by ABI for every other registry."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from veriframe.adapters.starknet.contract.contract import Contract, Node, WrongContract
from veriframe.adapters.starknet.contract.sending import Sender
from veriframe.adapters.starknet.foreign.move_records import MoveRecords
from veriframe.adapters.starknet.foreign.registry import ForeignRegistry
from veriframe.adapters.starknet.job_registry.registry import StarknetRegistry
from veriframe.adapters.starknet.trust.trust import Trust
from veriframe.errors import SettingsError
from veriframe.model.registry.job import Address, format_address

log = structlog.get_logger()


async def open_registry(  # noqa: PLR0913 - the parts of a registry
    node: Node,
    sender: Sender,
    address: int,
    *,
    token: int,
    class_hashes: Collection[int],
    folder: Path,
    max_fee_fri: int = 10**18,
    trust: Trust | None = None,
    gather_seconds: float = 0,
) -> StarknetRegistry | ForeignRegistry:
    """Opens the registry at `address`. `class_hashes` are those of our contract's builds.

    The account's moves at a foreign registry are recorded in `folder`. Raises `SettingsError` if this record
    is damaged, if there is no contract at the address, or if its ABI lacks something, which the error names;
    `RegistryUnavailable`.
    """
    with _wrong_address():
        found = await Contract(node, address).class_hash()
    if found in class_hashes:
        return StarknetRegistry(
            node,
            sender,
            address,
            token=token,
            class_hashes=class_hashes,
            max_fee_fri=max_fee_fri,
            trust=trust,
            gather_seconds=gather_seconds,
        )
    notes = MoveRecords(folder, address, sender.account)
    foreign = ForeignRegistry(
        node, sender, address, token=token, notes=notes, max_fee_fri=max_fee_fri, trust=trust
    )
    with _wrong_address():
        dialect = await foreign.dialect()
    log.info(
        "foreign_registry",
        registry=format_address(Address(address)),
        class_hash=f"{found:#x}",
        functions=sorted(function.name for function in dialect.functions.values()),
    )
    return foreign


@contextmanager
def _wrong_address() -> Iterator[None]:
    """At an opening, a contract that does not fit is a wrong setting: waiting would not help."""
    try:
        yield
    except WrongContract as error:
        raise SettingsError(str(error)) from error


def read_class_hashes(folder: Path) -> frozenset[int]:
    """The class hashes in the `*.hashes.json` of a folder of artefacts. Raises `SettingsError`."""
    try:
        hashes = [json.loads(path.read_text()) for path in sorted(folder.glob("*.hashes.json"))]
        return frozenset(int(one["class_hash"], 16) for one in hashes)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"The class hashes in {folder} cannot be read. Install VeriFrame again."
        ) from error
