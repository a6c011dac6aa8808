"""All settings: types, units, meanings and defaults."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ByteSize, ConfigDict, Field

from veriframe.model.registry.chain import format_chain_id, parse_chain_id
from veriframe.model.registry.job import FRI_PER_STRK


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _felt(value: object) -> object:
    if isinstance(value, str):
        return int(value, 16) if value.lower().startswith("0x") else int(value)
    return value


def _chain(value: object) -> object:
    return format_chain_id(parse_chain_id(value)) if isinstance(value, str) else value


Felt = Annotated[int, BeforeValidator(_felt), Field(ge=0, lt=2**252)]
Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
Addresses = Annotated[tuple[Felt, ...], BeforeValidator(_split)]
Share = Annotated[Decimal, Field(ge=0, le=1)]
Strk = Annotated[Decimal, Field(ge=0, max_digits=50, decimal_places=18)]


class Settings(BaseModel):
    """All settings, validated. Sizes are in bytes (`8GiB` works), spans in seconds, money in STRK."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    home: Path = Field(
        Path("~/.veriframe"), description="folder for the journal, work files and embedded parts"
    )
    account: str | None = Field(
        None,
        pattern=r"^[a-z][a-z0-9-]{0,30}$",
        description="name of the acting account; by default “worker” or “creator”",
    )

    registry: Literal["auto", "local", "starknet"] = Field(
        "auto",
        description="which job registry to use; “auto” is starknet if job_registry_address is set",
    )
    store: Literal["auto", "local", "kubo"] = Field(
        "auto", description="which content store to use; “auto” is kubo if ipfs_api is set, else local"
    )
    starknet_rpc: Names = Field(
        ("http://localhost:5050",), description="JSON-RPC addresses of StarkNet nodes, tried in this order"
    )
    chain_id: Annotated[str, BeforeValidator(_chain)] | None = Field(
        None,
        description="the only chain to sign for, such as SN_MAIN, or in hex; by default the chain of the"
        " first start",
    )
    clock_skew_seconds: float | None = Field(
        None,
        ge=0,
        le=86400,
        description="no job is claimed if the chain's time differs from this machine's by more, or stands"
        " still for longer; 0: not checked; by default 600, and 0 with devnet_account",
    )
    starknet_token: Felt = Field(
        0x04718F5A0FC34CC1AF16A1CDEE98FFB20C31F5CD61D6AB07201858F4287C938D,
        description="the token that jobs are paid in; by default STRK",
    )
    job_registry_address: Felt | None = Field(
        None, description="address of the job registry contract, in hex"
    )
    keystore: Path | None = Field(None, description="the encrypted key of the account; see docs/keys.md")
    password_file: Path | None = Field(None, description="a file with the keystore's password, mode 0600")
    account_address: Felt | None = Field(
        None, description="the account's address; by default the one that follows from its key"
    )
    devnet_account: int | None = Field(
        None, ge=0, lt=1000, description="for development: the number of one of devnet's public accounts"
    )
    max_fee_strk: Strk = Field(Decimal(1), description="the most that one transaction may cost")
    ipfs_api: str = Field("/dns/ipfs-node/tcp/5001/http", description="API of an IPFS node: multiaddr or URL")
    ipfs_token_file: Path | None = Field(
        None, description="a file with the bearer token of the IPFS node, mode 0600"
    )
    ipfs_gateways: Names = Field(
        (), description="trustless gateways for content that the node lacks; each block is checked"
    )
    ipfs_replica_api: str | None = Field(
        None, description="API of a second IPFS node that keeps a copy of all added content"
    )
    ipfs_replica_token_file: Path | None = Field(
        None, description="a file with the bearer token of the second node, mode 0600"
    )
    pinning_service: str | None = Field(
        None, description="an IPFS Pinning Service API that keeps a copy of all added content"
    )
    pinning_token_file: Path | None = Field(
        None, description="a file with the pinning service's token, mode 0600"
    )
    replica_seconds: float = Field(
        30, gt=0, le=3600, description="longest time for copies, and for reading them back from gateways"
    )
    replica_required: bool = Field(
        False, description="whether a result is submitted only after all copies exist and were read back"
    )
    blender_path: Path | None = Field(
        None, description="a Blender executable to use instead of the bpy wheel"
    )

    slots: int = Field(1, ge=1, le=64, description="jobs rendered at the same time")
    poll_seconds: float = Field(
        0.25, gt=0, le=3600, description="shortest wait between polls of the registry"
    )
    idle_seconds: float = Field(
        5, gt=0, le=3600, description="longest wait between polls, if nothing happens or no slot is free"
    )
    sandbox: Literal["strict", "landlock", "container", "none"] = Field(
        "strict", description="weakest sandbox to accept; “none” runs untrusted code unprotected"
    )
    fetch_seconds: float = Field(
        1800, gt=0, description="longest wait for a scene, before a claim; then its job is refused"
    )
    frame_seconds: float = Field(300, gt=0, description="wall-clock limit for a frame")
    loading_seconds: float = Field(60, gt=0, description="wall-clock limit for starting Blender and loading")
    memory_bytes: ByteSize = Field(ByteSize(8 * 2**30), ge=2**28, description="memory of one render")
    spares: int = Field(
        1, ge=0, le=16, description="Blenders that are started ahead, each for one scene; 0: none"
    )
    spare_bytes: ByteSize = Field(
        ByteSize(2**30), ge=2**27, description="memory that a Blender that was started ahead may hold"
    )
    pids: int = Field(256, ge=16, description="processes and threads of one render")
    output_bytes: ByteSize = Field(
        ByteSize(2 * 2**30), ge=2**20, description="total size of the files that one render writes"
    )
    disk_free_bytes: ByteSize = Field(
        ByteSize(2 * 2**30), description="free disk below which nothing is claimed"
    )
    store_bytes: ByteSize = Field(
        ByteSize(20 * 2**30), ge=2**20, description="size of the embedded content store"
    )
    creator_store_share: Decimal = Field(
        Decimal("0.25"),
        gt=0,
        le=1,
        description="share of the store's room for one creator's undecided results",
    )
    new_creators_store_share: Decimal = Field(
        Decimal("0.5"),
        gt=0,
        le=1,
        description="share of that room for undecided results of creators who have not paid as much",
    )
    scene_bytes: ByteSize = Field(ByteSize(4 * 2**30), ge=2**10, description="largest scene to fetch")
    fetched_bytes: ByteSize = Field(
        ByteSize(20 * 2**30), ge=2**20, description="disk for fetched scenes and frames"
    )

    minimum_reward_strk: Strk = Field(Decimal(0), description="jobs that pay less are not claimed")
    bond_reward_share: Decimal = Field(
        Decimal(1), ge=0, le=1000, description="largest bond, as a share of the reward"
    )
    bond_days: Decimal = Field(
        Decimal(1),
        ge=0,
        le=1000,
        description="largest product of bond and days that it may stay bound, as a share of the reward",
    )
    bond_means_share: Share = Field(
        Decimal("0.25"), description="largest bond, as a share of the account's money"
    )
    free_means_share: Share = Field(
        Decimal("0.25"), description="share of the account's money that is never bound"
    )
    loss_budget_share: Share = Field(
        Decimal("0.03"),
        description="share of it that may be lost in a day to creators who have not paid the account as much",
    )
    new_creator_jobs: int = Field(
        1, ge=1, description="jobs at the same time for a creator who has never paid this account"
    )
    engines: Names = Field(
        ("CYCLES", "BLENDER_EEVEE", "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH"),
        description="engines to render",
    )
    creators_allowed: Addresses = Field((), description="serve only these creators; empty: all")
    creators_denied: Addresses = Field((), description="creators not to serve")
    arbiters: Addresses = Field(
        (), description="trusted arbiters; jobs without an arbiter are always accepted"
    )
    maximum_wait_seconds: int = Field(7 * 86400, ge=0, description="longest review plus arbitration")
    release_fee_share: float = Field(
        0.25,
        ge=0.1,
        le=1,
        description="largest share of a bond that a release may cost; a render is stopped in time",
    )
    withdraw_above_strk: Strk | None = Field(
        None, description="credit above this amount is withdrawn automatically"
    )
    withdraw_to: Felt | None = Field(
        None, description="recipient of withdrawals; by default the account's own wallet"
    )

    log_format: Literal["auto", "pretty", "json"] = Field(
        "auto", description="“auto” is pretty on a terminal"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="lowest level to log")


def to_fri(amount: Decimal) -> int:
    """Convert STRK to fri, exactly: the settings allow 18 decimal places."""
    return int(amount * FRI_PER_STRK)
