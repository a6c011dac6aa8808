"""The creator's side of one account."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from veriframe.creator.creator import Creator
from veriframe.model.rendering.checks import read_header
from veriframe.settings import Settings
from veriframe.wiring.limits import scene_limits
from veriframe.wiring.stores import Store

if TYPE_CHECKING:
    pass


from veriframe.wiring.registries import FullRegistry


def build_creator(settings: Settings, registry: FullRegistry, content: Store) -> Creator:
    """The creator's side of one account."""
    return Creator(
        account=registry.account,
        registry=registry,
        treasury=registry,
        store=content,
        gate=partial(read_header, limits=scene_limits(settings)),
    )
