"""The creator that acts in commands about jobs, and its notes."""

from __future__ import annotations

from veriframe.cli import context, opening
from veriframe.cli.display import job_view
from veriframe.creator.creator import Creator
from veriframe.creator.scene_names import SceneNames
from veriframe.wiring import creators


def creator() -> Creator:
    """Build the creator of the acting account. Raises `SettingsError`."""
    settings = context.current().settings
    registry = opening.open_creator_registry(job_view.DEFAULT_ACCOUNT)
    return creators.build_creator(settings, registry, context.open_store(settings))


def scene_names() -> SceneNames:
    """The names of the scenes that the acting account posted from this home."""
    return SceneNames(context.current().settings.home, context.account(job_view.DEFAULT_ACCOUNT))
