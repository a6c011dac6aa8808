"""Which jobs are claimed, and what a worker may lose."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from veriframe.settings.section import Addresses, Section, Share, Span, Strk, WholeSpan


class Claims(Section):
    """Which jobs are claimed, and what a worker may lose."""

    minimum_reward_strk: Strk = Field(Decimal(0), description="jobs that pay less are not claimed")
    minimum_frame_reward_strk: Strk = Field(
        Decimal(0),
        description="jobs that pay less for each of their frames are not claimed",
    )
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
    chunk_seconds: Span = Field(
        6 * 3600, gt=0, description="longest that all frames of a chunk may take by their limits"
    )
    new_creator_chunk_seconds: Span = Field(
        3600,
        gt=0,
        description="the same for a creator who has not paid this account as much as it may cost",
    )
    creators_allowed: Addresses = Field((), description="serve only these creators; empty: all")
    creators_denied: Addresses = Field((), description="creators not to serve")
    arbiters: Addresses = Field(
        (), description="trusted arbiters; jobs without an arbiter are always accepted"
    )
    dispute_seconds: Span = Field(
        3600, gt=0, description="longest examination of one dispute by `veriframe arbiter`"
    )
    maximum_wait_seconds: WholeSpan = Field(7 * 86400, ge=0, description="longest review plus arbitration")
    release_fee_share: float = Field(
        0.25,
        ge=0.1,
        le=1,
        description="largest share of a bond that a release may cost; a render is stopped in time",
    )
