"""The checks of Blender, its engines and its sandbox."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from veriframe.doctor.finding import Finding, Verdict
from veriframe.errors import HostUnavailable
from veriframe.ports.renderer import Renderer

_SLOW = ("BLENDER_EEVEE", "BLENDER_EEVEE_NEXT")
"""EEVEE takes twenty seconds to start without a graphics processor."""


async def blender(renderer: Renderer) -> Finding:
    """Check that Blender starts, and show the class of this machine."""
    facts = await renderer.facts()
    found = f"{facts.version_text} ({facts.program}, build {facts.build_hash}); scenes of {facts.version}"
    try:
        return Finding(f"{found}; class {await renderer.machine_class()}")
    except HostUnavailable as error:
        return Finding(found, Verdict.WARNING, str(error))


async def sandbox(renderer: Renderer) -> Finding:
    """Show the sandbox's level. Its self-test has just passed."""
    facts = await renderer.facts()
    strict = facts.sandbox_level == "STRICT"
    return Finding(
        f"{facts.sandbox_level}, self-test passed; memory limited by {facts.memory_held_by}",
        Verdict.GOOD if strict else Verdict.WARNING,
        "" if strict else "See docs/security.md for what this level does not prevent.",
    )


def to_test(own: Collection[str], wanted: Collection[str], *, every: bool, is_chosen: bool) -> list[str]:
    """The engines to test, of those that this Blender has as its `own`.

    `every`: all of them, as asked for. Else those of the setting `engines` (`wanted`); EEVEE, which is slow,
    only if the owner has set that (`is_chosen`).
    """
    if every:
        return list(own)
    return [engine for engine in own if engine in wanted and (is_chosen or engine not in _SLOW)]


def engines(results: Mapping[str, str], untested: Collection[str] = ()) -> Finding:
    """Show how each engine rendered a small scene: `renders in 1.2 s`, or why it failed.

    `untested` are engines that the worker would render with, too.
    """
    able = [name for name, result in results.items() if result.startswith("renders in ")]
    later = "; ".join(f"{name} not tested: `veriframe doctor --engines` does" for name in untested)
    detail = "; ".join([*(f"{name} {result}" for name, result in results.items()), *filter(None, (later,))])
    if len(able) == len(results):
        return Finding(detail)
    return Finding(
        detail,
        Verdict.WARNING if able else Verdict.BAD,
        f"Set engines to what this machine renders: {', '.join(able)}."
        if able
        else "Blender renders nothing here. Reinstall it with `make setup`, or set BLENDER_PATH.",
    )
