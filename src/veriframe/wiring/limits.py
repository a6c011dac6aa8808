"""What the settings allow: limits of renders and scenes, what a worker takes, and what it may lose."""

from __future__ import annotations

from fractions import Fraction

from veriframe.model.attempt.policy import Policy
from veriframe.model.attempt.stakes import StakeLimits
from veriframe.model.registry.job import Address
from veriframe.model.rendering.frames import RenderLimits
from veriframe.model.rendering.scene import SceneLimits
from veriframe.settings import Settings, to_fri


def render_limits(settings: Settings) -> RenderLimits:
    """What one render may use."""
    return RenderLimits(
        frame_seconds=settings.frame_seconds,
        loading_seconds=settings.loading_seconds,
        memory_bytes=settings.memory_bytes,
        pids=settings.pids,
        output_bytes=settings.output_bytes,
    )


def scene_limits(settings: Settings) -> SceneLimits:
    """What a scene may ask for."""
    return SceneLimits(file_bytes=settings.scene_bytes, engines=settings.engines)


def policy(settings: Settings, account: Address) -> Policy:
    """What the worker takes."""
    return Policy(
        account=account,
        minimum_reward_fri=to_fri(settings.minimum_reward_strk),
        creators_allowed=frozenset(settings.creators_allowed),
        creators_denied=frozenset(settings.creators_denied),
        arbiters=frozenset(settings.arbiters),
        maximum_wait_seconds=settings.maximum_wait_seconds,
        limits=render_limits(settings),
        stakes=stake_limits(settings),
        fetch_seconds=settings.fetch_seconds,
        copies_seconds=settings.replica_seconds if _spreads(settings) else 0.0,
        release_fee_share=settings.release_fee_share,
    )


def stake_limits(settings: Settings) -> StakeLimits:
    """What a worker may lose."""
    return StakeLimits(
        reward_share=Fraction(settings.bond_reward_share),
        bond_days=Fraction(settings.bond_days),
        means_share=Fraction(settings.bond_means_share),
        free_share=Fraction(settings.free_means_share),
        loss_share=Fraction(settings.loss_budget_share),
        new_creator_jobs=settings.new_creator_jobs,
    )


def _spreads(settings: Settings) -> bool:
    """Whether others are asked for what is added."""
    others = (settings.ipfs_replica_api, settings.pinning_service, settings.ipfs_gateways)
    return settings.store == "kubo" and any(others)
