"""The content store, its gateways and replicas, and the disk that it may use."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from pydantic import ByteSize, Field

from veriframe.settings.section import Names, Section, Size, Span


class Content(Section):
    """The content store, its gateways and replicas, and the disk that it may use."""

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
    replica_seconds: Span = Field(
        30, gt=0, le=3600, description="longest time for copies, and for reading them back from gateways"
    )
    replica_required: bool = Field(
        False, description="whether a result is submitted only after all copies exist and were read back"
    )
    store_bytes: Size = Field(
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
