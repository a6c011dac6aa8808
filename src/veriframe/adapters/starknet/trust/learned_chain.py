"""The chain of a registry: learned once, stored in the home folder, and required from then on.

A node names the chain for which transactions are signed. The same address may be a registry on several
chains, so a node that names another chain would get signatures that are valid there.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from veriframe.adapters.starknet.account import keystore
from veriframe.causes import cause_of
from veriframe.disk import write_new
from veriframe.errors import SettingsError
from veriframe.model.registry.chain import format_chain_id, parse_chain_id

FOLDER = "chains"
FILE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class LearnedChain:
    """The chain of a registry, and when it was learned (Unix seconds). `is_new`: learned by this run."""

    chain_id: int
    learned_at: int
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Expected:
    """The required chain, if any, and the reason as part of a sentence."""

    chain_id: int | None = None
    reason: str = ""


NO_CHAIN = Expected()
"""Any chain: the one that the nodes name is accepted and learned."""


def expect(home: Path, registry: int | None, named: int | None) -> Expected:
    """The chain from the setting, or the one learned for this registry.

    Raises `SettingsError` if the two differ, or if the stored file cannot be trusted.
    """
    kept = read(home, registry) if registry else None
    if kept is None:
        return Expected(named, f"chain_id is {format_chain_id(named)}" if named else "")
    place = _place(home, registry or 0)
    day = datetime.fromtimestamp(kept.learned_at, UTC).date()
    learned = f"this registry was served on {format_chain_id(kept.chain_id)} since {day} ({place})"
    if named is not None and named != kept.chain_id:
        raise SettingsError(
            f"chain_id is {format_chain_id(named)}, but {learned}. For another chain set another home; if"
            " the learned chain is wrong, delete that file."
        )
    return Expected(kept.chain_id, learned)


def mismatch(found: int, expected: Expected) -> SettingsError:
    """The error if all nodes serve another chain."""
    return SettingsError(
        f"STARKNET_RPC serves the chain {format_chain_id(found)}, but {expected.reason}. Use a node of"
        f" {format_chain_id(expected.chain_id or 0)}. For another chain set another home, or delete the"
        " learned chain and set chain_id."
    )


def read(home: Path, registry: int) -> LearnedChain | None:
    """Reads the learned chain. Raises `SettingsError` if the file is damaged, open or another user's."""
    place = _place(home, registry)
    if not os.path.lexists(place):
        return None
    content = keystore.parse_json(keystore.read_private(place, "chain's id", FILE_BYTES))
    try:
        chain_id, learned_at = content["chain_id"], content["learned_at"]  # type: ignore[index]
        if type(learned_at) is not int or not 0 <= learned_at < 2**40:
            raise ValueError("learned_at")
        return LearnedChain(parse_chain_id(chain_id), learned_at)
    except (TypeError, ValueError, KeyError, AttributeError):
        raise SettingsError(
            f"The chain's id in {place} cannot be read. Set chain_id to the intended chain, and delete"
            " that file."
        ) from None


def learn(home: Path, registry: int, chain_id: int) -> LearnedChain:
    """Stores the chain, all of it or nothing. An existing file is never overwritten.

    Raises `SettingsError` if another chain is already stored.
    """
    place = _place(home, registry)
    learned = {"chain_id": format_chain_id(chain_id), "learned_at": int(time.time())}
    try:
        write_new(place, f"{json.dumps(learned)}\n".encode())
    except FileExistsError:
        pass
    except OSError as error:
        raise SettingsError(f"The chain's id cannot be stored in {place}: {cause_of(error)}.") from error
    kept = read(home, registry)
    if kept is None or kept.chain_id != chain_id:
        raise SettingsError(f"Another process learned another chain at the same time: see {place}.")
    return LearnedChain(kept.chain_id, kept.learned_at, is_new=True)


def _place(home: Path, registry: int) -> Path:
    return home / FOLDER / f"{registry:x}.json"
