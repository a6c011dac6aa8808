"""Builds the creator's side of one account."""

from __future__ import annotations

from functools import partial

from veriframe.creator.creator import Creator
from veriframe.model.rendering.checks import read_header
from veriframe.ports.registry import FullRegistry
from veriframe.ports.store import ContentStore
from veriframe.settings import Settings
from veriframe.wiring.limits import scene_limits


def build_creator(settings: Settings, registry: FullRegistry, content: ContentStore) -> Creator:
    """Build the creator's side of one account."""
    check = partial(read_header, limits=scene_limits(settings))
    return Creator(registry=registry, store=content, check=check)
