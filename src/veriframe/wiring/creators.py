"""Builds the creator's side of one account, and the reading of jobs."""

from __future__ import annotations

from typing import BinaryIO

from veriframe.creator.creator import Creator
from veriframe.creator.jobs import Jobs
from veriframe.creator.postings import Postings
from veriframe.model.rendering.scene import SceneHeader
from veriframe.ports.registry import FullRegistry, OpenedReader
from veriframe.ports.store import ContentStore
from veriframe.settings import Settings
from veriframe.wiring.limits import scene_limits


def build_creator(settings: Settings, registry: FullRegistry, content: ContentStore) -> Creator:
    """Build the creator's side of one account."""

    def check(scene: BinaryIO) -> SceneHeader:
        # Imported here because only posting a scene needs it.
        from veriframe.model.rendering.checks import read_header  # noqa: PLC0415

        return read_header(scene, limits=scene_limits(settings))

    return Creator(
        registry=registry,
        account=registry.account,
        store=content,
        check=check,
        postings=Postings(settings.home / "postings"),
    )


def build_jobs(opened: OpenedReader, content: ContentStore) -> Jobs:
    """Build the reading of a registry's jobs."""
    return Jobs(registry=opened.jobs, account=opened.account, store=content, is_foreign=opened.is_foreign)
