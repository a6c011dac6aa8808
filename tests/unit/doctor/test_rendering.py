"""The doctor's checks of Blender, the sandbox and the engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from tests.fakes.renderer import FACTS, FakeRenderer

from veriframe.doctor import rendering
from veriframe.doctor.finding import Verdict, examine
from veriframe.errors import HostUnavailable
from veriframe.ports.renderer import RendererFacts


class FactsRenderer(FakeRenderer):
    """A renderer with given facts, or an error."""

    given: RendererFacts | Exception = FACTS

    async def facts(self) -> RendererFacts:
        """Return or raise what the test gave."""
        if isinstance(self.given, Exception):
            raise self.given
        return self.given


def renderer(given: RendererFacts | Exception) -> FactsRenderer:
    """A renderer with these facts, or this error."""
    made = FactsRenderer()
    made.given = given
    return made


# Blender, sandbox, engines


async def test_a_blender_that_starts_is_good() -> None:
    """With the release line whose scenes it renders."""
    finding = await rendering.blender(renderer(FACTS))
    assert finding.verdict is Verdict.GOOD
    assert all(words in finding.detail for words in (FACTS.version_text, FACTS.program, "4.5"))


async def test_without_blender_both_blender_and_sandbox_are_bad() -> None:
    """fault_37: both parts need it."""
    broken = renderer(HostUnavailable("Blender does not start. Install it."))
    parts = [("Blender", lambda: rendering.blender(broken)), ("sandbox", lambda: rendering.sandbox(broken))]
    found = await examine(parts, lambda _: None)
    assert [finding.verdict for finding in found] == [Verdict.BAD, Verdict.BAD]


@pytest.mark.parametrize(
    ("level", "verdict"),
    [("STRICT", Verdict.GOOD), ("LANDLOCK", Verdict.WARNING), ("NONE", Verdict.WARNING)],
)
async def test_a_sandbox_below_strict_is_a_warning(level: str, verdict: Verdict) -> None:
    """fault_44, fault_45: the finding also says what limits the memory."""
    finding = await rendering.sandbox(renderer(replace(FACTS, sandbox_level=level)))
    assert verdict is finding.verdict
    assert all(words in finding.detail for words in (level, FACTS.memory_held_by))
    assert bool(finding.remedy) is (verdict is Verdict.WARNING)


@pytest.mark.parametrize(
    ("results", "verdict", "remedy"),
    [
        ({"CYCLES": "renders in 1.2 s", "BLENDER_WORKBENCH": "renders in 0.3 s"}, Verdict.GOOD, ""),
        (
            {"CYCLES": "renders in 1.2 s", "BLENDER_EEVEE_NEXT": "renders black"},
            Verdict.WARNING,
            "Set engines to what this machine renders: CYCLES.",
        ),
    ],
)
def test_engines_that_do_not_render_are_listed(
    results: Mapping[str, str], verdict: Verdict, remedy: str
) -> None:
    """fault_37: a warning if another engine renders."""
    finding = rendering.engines(results)
    assert (verdict, remedy) == (finding.verdict, finding.remedy)


def test_no_working_engine_is_bad() -> None:
    """fault_37: such a machine must not claim jobs."""
    finding = rendering.engines({"CYCLES": "renders black"})
    assert finding.verdict is Verdict.BAD
    assert finding.remedy


async def test_the_class_of_the_machine_is_shown() -> None:
    """Creators name it in job.json. If it cannot be measured, that is a warning; other rows say why."""
    able = FakeRenderer()
    assert able.known_class in (await rendering.blender(able)).detail

    class Unfit(FakeRenderer):
        async def machine_class(self) -> str:
            raise HostUnavailable("The reference scene cannot be rendered.")

    finding = await rendering.blender(Unfit())
    assert (finding.verdict, finding.remedy) == (Verdict.WARNING, "The reference scene cannot be rendered.")
