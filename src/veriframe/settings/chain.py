"""The chain, the account on it, and the fees."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from pydantic import Field

from veriframe.settings.section import ChainId, Felt, Names, Section, Span, Strk


class Chain(Section):
    """The chain, the account on it, and the fees."""

    starknet_rpc: Names = Field(
        ("http://localhost:5050",), description="JSON-RPC addresses of StarkNet nodes, tried in this order"
    )
    chain_id: ChainId | None = Field(
        None,
        description="the only chain to sign for, such as SN_MAIN, or in hex; by default the chain of the"
        " first start",
    )
    clock_skew_seconds: Span | None = Field(
        None,
        ge=0,
        le=86400,
        description="no job is claimed if the chain's time differs from this machine's by more, or stands"
        " still for longer; 0: not checked; by default 10m, and 0 with devnet_account",
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
    max_deploy_fee_strk: Strk = Field(
        Decimal(10),
        description="the most that one transaction of `registry deploy` may cost; declaring the class costs"
        " a thousand times a move",
    )
    gather_seconds: Span = Field(
        0.2,
        ge=0,
        le=1,
        description="how long a submission or finalization waits for others, to share a transaction; 0: not",
    )
