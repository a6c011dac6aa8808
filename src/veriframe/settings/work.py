"""How much a worker does at once, how often it looks, and where its pay goes."""

from __future__ import annotations

from pydantic import ByteSize, Field

from veriframe.settings.section import Felt, Hours, Section, Size, Span, Strk


class Work(Section):
    """How much a worker does at once, how often it looks, and where its pay goes."""

    slots: int = Field(1, ge=1, le=64, description="jobs rendered at the same time")
    poll_seconds: Span = Field(0.25, gt=0, le=3600, description="shortest wait between polls of the registry")
    idle_seconds: Span = Field(
        5, gt=0, le=3600, description="longest wait between polls, if nothing happens or no slot is free"
    )
    fetch_seconds: Span = Field(
        1800,
        gt=0,
        description="longest wait for a scene, before a claim; then its job is refused. "
        "Also for the files of a chunk in `order fetch`",
    )
    scene_bytes: Size = Field(ByteSize(4 * 2**30), ge=2**10, description="largest scene to fetch")
    bundle_bytes: Size = Field(
        ByteSize(16 * 2**30), ge=2**10, description="largest bundle to fetch, a scene with all its files"
    )
    fetched_bytes: Size = Field(
        ByteSize(20 * 2**30), ge=2**20, description="disk for fetched scenes and frames"
    )
    disk_free_bytes: Size = Field(ByteSize(2 * 2**30), description="free disk below which nothing is claimed")
    check_tile: bool = Field(
        True, description="whether one tile of each result with proofs is rendered again and compared"
    )
    work_hours: Hours | None = Field(
        None, description="when to work, such as 22:00-07:00, in this machine's time; by default always"
    )
    pause_when_busy: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="pause while other programs use more than this share of the processors, such as 0.3",
    )
    nice: int = Field(0, ge=0, le=19, description="how far renders give way to other programs; 19: most")
    withdraw_above_strk: Strk | None = Field(
        None, description="credit above this amount is withdrawn automatically"
    )
    withdraw_to: Felt | None = Field(
        None, description="recipient of withdrawals; by default the account's own wallet"
    )
    machine_hour_strk: Strk | None = Field(
        None, description="what an hour of a machine like this one is worth, for suggested prices"
    )
