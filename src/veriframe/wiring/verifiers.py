"""Builds the verifier: Blender in a sandbox, as for a render, over a registry and a store."""

from __future__ import annotations

from veriframe.ports.registry import JobReader
from veriframe.ports.renderer import Renderer
from veriframe.ports.store import ContentStore
from veriframe.settings import Settings
from veriframe.verifier.verifier import Verifier, Watching
from veriframe.wiring.limits import render_limits, scene_limits


def build_verifier(
    settings: Settings,
    registry: JobReader,
    store: ContentStore,
    renderer: Renderer,
    watching: Watching | None = None,
) -> Verifier:
    """Build it. Its work lies below the home's folder `verify`, and is removed when it ends."""
    return Verifier(
        registry=registry,
        store=store,
        renderer=renderer,
        limits=scene_limits(settings),
        memory_bytes=render_limits(settings).memory_bytes,
        folder=settings.home / "verify",
        watching=watching or Watching(),
    )
