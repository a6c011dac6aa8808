"""Wires the store at a Kubo node, with its gateways and replicas. Import it only if a node is used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from veriframe.adapters.kubo.gateways.gateway import Gateways
from veriframe.adapters.kubo.node.address import parse_address
from veriframe.adapters.kubo.node.api import KuboApi
from veriframe.adapters.kubo.node.swarm import Swarm
from veriframe.adapters.kubo.replicas.pinning_service import PinningService
from veriframe.adapters.kubo.replicas.replica import Replica, second_node
from veriframe.adapters.kubo.replicas.replicated_store import ReplicatedStore, ReplicationPolicy
from veriframe.adapters.kubo.store import KuboStore
from veriframe.errors import SettingsError
from veriframe.ports.store import ContentStore
from veriframe.settings import Settings

TOKEN_BYTES = 4096
"""Longest bearer token."""


def open_kubo(settings: Settings) -> ContentStore:
    """Open the store at the node of `ipfs_api`. Raises `SettingsError` if its settings cannot be used."""
    sources = (Gateways(settings.ipfs_gateways),) if settings.ipfs_gateways else ()
    token = _token(settings.ipfs_token_file, "ipfs_token_file")
    node = KuboStore(settings.ipfs_api, token=token, sources=sources)
    replicas = _replicas(settings, token)
    if not replicas and not sources:
        return node
    spread = ReplicationPolicy(seconds=settings.replica_seconds, required=settings.replica_required)
    return ReplicatedStore(node, replicas, sources, spread)


def _replicas(settings: Settings, token: str | None) -> Sequence[Replica]:
    """The configured replicas. `token` is the node's own."""
    replicas = list[Replica]()
    if settings.ipfs_replica_api is not None:
        second_token = _token(settings.ipfs_replica_token_file, "ipfs_replica_token_file")
        replicas.append(second_node(settings.ipfs_replica_api, second_token))
    if settings.pinning_service is not None:
        service_token = _token(settings.pinning_token_file, "pinning_token_file")
        if service_token is None:
            raise SettingsError("pinning_service needs a token. Set pinning_token_file to a file with it.")
        api = KuboApi(parse_address(settings.ipfs_api), token)
        replicas.append(PinningService(settings.pinning_service, service_token, Swarm(api)))
    return replicas


def _token(file: Path | None, setting: str) -> str | None:
    """Read the one line of a file that only its owner may read. Raises `SettingsError`."""
    if file is None:
        return None
    # Imported here because it takes half a second, and most commands do not need it.
    from veriframe.adapters.starknet.account.keystore import read_private  # noqa: PLC0415

    try:
        return read_private(file.expanduser(), setting, TOKEN_BYTES).decode("ascii").strip()
    except UnicodeDecodeError:
        # Without the cause: it would show the token.
        raise SettingsError(
            f"The {setting} {file} does not contain a token. A token is one line of ASCII."
        ) from None
