"""Builds limits from the settings: of renders and scenes, the claim policy, and the limits of stakes."""

from __future__ import annotations

import os
from dataclasses import replace
from fractions import Fraction

from veriframe.model.attempt.policy import Policy
from veriframe.model.attempt.stakes import StakeLimits
from veriframe.model.registry.job import Address
from veriframe.model.rendering.effort import most_samples
from veriframe.model.rendering.frames import RenderLimits
from veriframe.model.rendering.scene import SceneLimits
from veriframe.settings import Settings, to_fri


def render_limits(settings: Settings) -> RenderLimits:
    """The limits of one render."""
    return RenderLimits(
        frame_seconds=settings.frame_seconds,
        loading_seconds=settings.loading_seconds,
        memory_bytes=settings.memory_bytes,
        pids=settings.pids,
        output_bytes=settings.output_bytes,
    )


def scene_limits(settings: Settings) -> SceneLimits:
    """The limits of a scene."""
    return SceneLimits(
        file_bytes=settings.scene_bytes, bundle_bytes=settings.bundle_bytes, engines=settings.engines
    )


def worker_scene_limits(settings: Settings) -> SceneLimits:
    """The limits of a scene on this machine: those for creators do not depend on their processors."""
    samples = most_samples(settings.frame_seconds, os.cpu_count() or 1)
    return replace(scene_limits(settings), frame_samples=samples)


def policy(settings: Settings, account: Address) -> Policy:
    """The claim policy of the worker."""
    return Policy(
        account=account,
        minimum_reward_fri=to_fri(settings.minimum_reward_strk),
        minimum_frame_reward_fri=to_fri(settings.minimum_frame_reward_strk),
        creators_allowed=frozenset(settings.creators_allowed),
        creators_denied=frozenset(settings.creators_denied),
        arbiters=frozenset(settings.arbiters),
        maximum_wait_seconds=settings.maximum_wait_seconds,
        limits=render_limits(settings),
        stakes=stake_limits(settings),
        fetch_seconds=settings.fetch_seconds,
        copies_seconds=settings.replica_seconds if _makes_copies(settings) else 0.0,
        chunk_seconds=settings.chunk_seconds,
        new_creator_chunk_seconds=settings.new_creator_chunk_seconds,
        release_fee_share=settings.release_fee_share,
    )


def stake_limits(settings: Settings) -> StakeLimits:
    """The limits of a worker's stakes."""
    return StakeLimits(
        reward_share=Fraction(settings.bond_reward_share),
        bond_days=Fraction(settings.bond_days),
        means_share=Fraction(settings.bond_means_share),
        free_share=Fraction(settings.free_means_share),
        loss_share=Fraction(settings.loss_budget_share),
        new_creator_jobs=settings.new_creator_jobs,
    )


def _makes_copies(settings: Settings) -> bool:
    """Whether added content is copied to others, or read back from gateways."""
    others = (settings.ipfs_replica_api, settings.pinning_service, settings.ipfs_gateways)
    return settings.store == "kubo" and any(others)
