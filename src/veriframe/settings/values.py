"""Every setting, written once: its type, unit, meaning and default."""

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
    """All settings, checked. Sizes are bytes (`8GiB` is understood), spans are seconds, money is STRK."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    home: Path = Field(
        Path("~/.veriframe"), description="folder for the journal, the work, and embedded parts"
    )
    account: str | None = Field(
        None, pattern=r"^[a-z][a-z0-9-]{0,30}$", description="who acts; by default “worker” or “creator”"
    )

    registry: Literal["auto", "local", "starknet"] = Field(
        "auto",
        description="which job registry to use; “auto” is starknet where job_registry_address is set",
    )
    store: Literal["auto", "local", "kubo"] = Field(
        "auto", description="which content store to use; “auto” is kubo where ipfs_api is set, else local"
    )
    starknet_rpc: Names = Field(
        ("http://localhost:5050",), description="JSON-RPC addresses of StarkNet nodes, tried in this order"
    )
    chain_id: Annotated[str, BeforeValidator(_chain)] | None = Field(
        None,
        description="the chain that may be signed for, such as SN_MAIN, or in hex; by default the first start"
        " learns it and keeps it",
    )
    clock_skew_seconds: float | None = Field(
        None,
        ge=0,
        le=86400,
        description="how far the chain's time may be from this machine's, and how long it may stand still,"
        " before nothing is claimed; 0: never looked at; by default 600, and 0 with devnet_account",
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
        None, ge=0, lt=1000, description="for development: one of devnet's public accounts, by its number"
    )
    max_fee_strk: Strk = Field(Decimal(1), description="the most that one transaction may cost")
    ipfs_api: str = Field("/dns/ipfs-node/tcp/5001/http", description="API of an IPFS node: multiaddr or URL")
    ipfs_token_file: Path | None = Field(
        None, description="a file with the bearer token that the IPFS node asks for, mode 0600"
    )
    ipfs_gateways: Names = Field(
        (), description="trustless gateways that are asked for what the node has not, each block checked"
    )
    ipfs_replica_api: str | None = Field(
        None, description="API of a second IPFS node, which keeps a copy of all that is added"
    )
    ipfs_replica_token_file: Path | None = Field(
        None, description="a file with the bearer token that the second node asks for, mode 0600"
    )
    pinning_service: str | None = Field(
        None, description="an IPFS Pinning Service API that keeps a copy of all that is added"
    )
    pinning_token_file: Path | None = Field(
        None, description="a file with the pinning service's token, mode 0600"
    )
    replica_seconds: float = Field(
        30, gt=0, le=3600, description="how long copies may take, and reading back from gateways"
    )
    replica_required: bool = Field(
        False, description="whether nothing is handed in before all copies are there and read back"
    )
    blender_path: Path | None = Field(None, description="a Blender executable, in place of the bpy wheel")

    slots: int = Field(1, ge=1, le=64, description="jobs that are rendered at the same time")
    poll_seconds: float = Field(
        0.25, gt=0, le=3600, description="shortest wait between looks at the registry"
    )
    idle_seconds: float = Field(
        5, gt=0, le=3600, description="longest wait between looks, where nothing happens or no slot is free"
    )
    sandbox: Literal["strict", "landlock", "container", "none"] = Field(
        "strict", description="weakest walls to start with; “none” runs strangers' code unprotected"
    )
    fetch_seconds: float = Field(
        1800, gt=0, description="longest wait for a scene before its job is refused; no job is claimed before"
    )
    frame_seconds: float = Field(300, gt=0, description="wall-clock limit for a frame")
    loading_seconds: float = Field(60, gt=0, description="wall-clock limit for starting Blender and loading")
    memory_bytes: ByteSize = Field(
        ByteSize(8 * 2**30), ge=2**28, description="memory that one render may use"
    )
    pids: int = Field(256, ge=16, description="processes and threads that one render may have")
    output_bytes: ByteSize = Field(
        ByteSize(2 * 2**30), ge=2**20, description="size of all that one render may write"
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
        description="share of the store's room that one creator's undecided results may take",
    )
    new_creators_store_share: Decimal = Field(
        Decimal("0.5"),
        gt=0,
        le=1,
        description="share of that room for undecided results of all creators who have not paid as much",
    )
    scene_bytes: ByteSize = Field(ByteSize(4 * 2**30), ge=2**10, description="largest scene that is fetched")
    fetched_bytes: ByteSize = Field(
        ByteSize(20 * 2**30), ge=2**20, description="disk for fetched scenes and frames"
    )

    minimum_reward_strk: Strk = Field(Decimal(0), description="jobs that pay less are left")
    bond_reward_share: Decimal = Field(
        Decimal(1), ge=0, le=1000, description="jobs with a larger bond, as a share of their reward, are left"
    )
    bond_days: Decimal = Field(
        Decimal(1),
        ge=0,
        le=1000,
        description="largest bond × days that it may stay bound, as a share of the reward",
    )
    bond_means_share: Share = Field(
        Decimal("0.25"), description="largest bond, as a share of all that the account has"
    )
    free_means_share: Share = Field(
        Decimal("0.25"), description="share of all that the account has that is never bound"
    )
    loss_budget_share: Share = Field(
        Decimal("0.03"),
        description="share of it that may be lost in a day to creators who have not paid as much themselves",
    )
    new_creator_jobs: int = Field(
        1, ge=1, description="jobs at the same time of a creator who never paid this account"
    )
    engines: Names = Field(
        ("CYCLES", "BLENDER_EEVEE", "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH"),
        description="engines that are rendered",
    )
    creators_allowed: Addresses = Field((), description="only these creators are served; empty: all")
    creators_denied: Addresses = Field((), description="creators that are not served")
    arbiters: Addresses = Field(
        (), description="arbiters that are trusted; jobs without one are always accepted"
    )
    maximum_wait_seconds: int = Field(7 * 86400, ge=0, description="longest review plus arbitration")
    release_fee_share: float = Field(
        0.25,
        ge=0.1,
        le=1,
        description="most of a bond that giving a job back may cost; a render is stopped before",
    )
    withdraw_above_strk: Strk | None = Field(
        None, description="credit above which the rest is withdrawn by itself"
    )
    withdraw_to: Felt | None = Field(None, description="where withdrawals go; by default the own wallet")

    log_format: Literal["auto", "pretty", "json"] = Field(
        "auto", description="“auto” is pretty on a terminal"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least level that is logged"
    )


def to_fri(amount: Decimal) -> int:
    """STRK to fri, exact: the settings allow 18 decimal places."""
    return int(amount * FRI_PER_STRK)
