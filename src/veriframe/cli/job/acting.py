"""Who acts in commands about jobs: a creator, or anyone who reads them."""

from __future__ import annotations

from veriframe.cli import context, opening
from veriframe.cli.display import job_view
from veriframe.creator.creator import Creator
from veriframe.creator.jobs import Jobs
from veriframe.creator.scene_names import SceneNames
from veriframe.wiring import creators


def creator() -> Creator:
    """Build the creator of the acting account. Raises `SettingsError`.

    The registry is of our own class: call `opening.refuse_other_makers` first.
    """
    settings = context.current().settings
    registry = opening.open_creator_registry(job_view.DEFAULT_ACCOUNT)
    return creators.build_creator(settings, registry, context.open_store(settings))


def creator_for(command: str) -> Creator:
    """Build the creator for `job COMMAND`. Raises `SettingsError`, also at a registry of another maker."""
    opening.refuse_other_makers(command)
    return creator()


def jobs() -> Jobs:
    """Build the reading of jobs, which needs no key. Raises `SettingsError`, `RegistryUnavailable`."""
    opened = opening.open_reader(job_view.DEFAULT_ACCOUNT)
    return creators.build_jobs(opened, context.open_store(context.current().settings))


def scene_names() -> SceneNames:
    """The names of the scenes that the acting account posted from this home."""
    return SceneNames(context.current().settings.home, context.account(job_view.DEFAULT_ACCOUNT))
