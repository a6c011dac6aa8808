"""Bugs to plant in the verifier's source: replacements, and the result by which each is found.

Each text must occur in its module exactly once.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

from tests.integration.verification.cheats import CHEATS, HONEST

from veriframe.ports.renderer import Kernel


@dataclass(frozen=True, slots=True)
class Mutant:
    """One bug: `old` becomes `new` in a module of veriframe. `found_by` names a cheat, or “honest”."""

    name: str
    module: str
    old: str
    new: str
    found_by: str
    kernel: Kernel = Kernel.BEST


VERIFIER = "verifier.verifier"
FRAME_CHECK, RESULTS, EVIDENCE = "verifier.frame_check", "verifier.results", "verifier.delivery.evidence"

MUTANTS = (
    Mutant(
        "leaves are not compared",
        FRAME_CHECK,
        "if ours.leaf == delivered.leaves[tile]:",
        "if ours.leaf:",
        "right picture, another proof",
    ),
    Mutant(
        "a list need not make its root",
        EVIDENCE,
        "if merkle.root(leaves).hex() != frame.proof.root:",
        "if not leaves:",
        "a list of tiles that does not make its root",
    ),
    Mutant(
        "a frame need not have its digest",
        RESULTS,
        "if cuts[0].leaf != told.digest:",
        "if not cuts[0].leaf:",
        "right pixels, another digest in the manifest",
    ),
    Mutant(
        "settings are ignored",
        "model.bundle.misfit",
        "for name in dict.fromkeys((*expected, *manifest.settings)):",
        "for name in ():",
        "right pixels, other settings in the manifest",
    ),
    Mutant(
        "the job is ignored",
        RESULTS,
        "why = misfit(manifest, job, task.frames, bundle, known_size)",
        "why = misfit and ''",
        "right pixels, the manifest of another job",
    ),
    Mutant(
        "a proof need not have the pixels of its list",
        FRAME_CHECK,
        "if theirs.leaf != delivered.leaves[tile]:",
        "if not theirs.leaf:",
        "the pixels of another proof",
        Kernel.SSE,
    ),
    Mutant(
        "the delivered picture is not compared",
        FRAME_CHECK,
        "theirs[..., places]) > self.traits.step:",
        "theirs[..., places]) is None:",
        "right proof, another picture",
    ),
    Mutant(
        "a denoised picture is not compared",
        "verifier.whole_frame",
        "comparing.looks, ours, picture, is_radiance",
        "comparing.looks, ours, ours, is_radiance",
        "right proof, another picture, denoised",
    ),
    Mutant(
        "what is withheld is wrong",
        VERIFIER,
        "if error.code is WITHHELD else Conclusion.WRONG\n            reason",
        "if not error.code else Conclusion.WRONG\n            reason",
        "a withheld list of tiles",
    ),
    Mutant(
        "what is withheld is asked for once",
        EVIDENCE,
        "if number == self.retries.tries or",
        "if number == 1 or",
        "a withheld list of tiles",
    ),
    Mutant(
        "the rule accepts what it should reject",
        "model.verification.rule",
        "return Answer.REJECTED",
        "return Answer.ACCEPTED",
        "half the samples",
        Kernel.SSE,
    ),
    Mutant(
        "the border is compared, too",
        "verifier.crops",
        "wanted=part.wanted,",
        "wanted=part.shown,",
        "honest",
    ),
    Mutant(
        "rows and columns are swapped",
        "verifier.samples",
        "samples[top : top + region.height, left : left + region.width]",
        "samples[left : left + region.width, top : top + region.height]",
        "honest",
    ),
    Mutant(
        "the rows of a tile are counted from the lowest",
        "model.verification.tiles",
        "row, column = divmod(tile, self.columns)",
        "row, column = divmod(self.count - 1 - tile, self.columns)",
        "honest",
    ),
    Mutant(
        "tiles that a report names are not checked",
        FRAME_CHECK,
        "if 0 <= tile < delivered.grid.count]",
        "if 0 > tile > delivered.grid.count]",
        "one tile of 64 is 2 % brighter",
    ),
    Mutant(
        "the draw is by the block of the submission",
        VERIFIER,
        "else after_block) + 1",
        "else after_block) + 0",
        "honest",
    ),
)

IN_EVERY_RUN = frozenset(
    ("leaves are not compared", "a frame need not have its digest", "the border is compared, too")
)
"""`make thorough` tries the others."""

RESULTS_BY_NAME = {one.name: one for one in (HONEST, *CHEATS)}


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Give the functions of the module the code that its changed source makes; and their own back."""
    module = importlib.import_module(f"veriframe.{mutant.module}")
    source = inspect.getsource(module)
    assert source.count(mutant.old) == 1, f"{mutant.name}: its text stands {source.count(mutant.old)} times"
    changed: dict[str, Any] = {"__name__": module.__name__}
    code = compile(source.replace(mutant.old, mutant.new), str(module.__file__), "exec", dont_inherit=True)
    exec(code, changed)
    bugs = _functions(changed)
    own: list[tuple[FunctionType, CodeType]] = []
    for name, function in _functions(vars(module)).items():
        if function.__code__ != bugs[name].__code__:
            own.append((function, function.__code__))
            function.__code__ = bugs[name].__code__
    assert own, f"{mutant.name}: no function differs"
    try:
        yield
    finally:
        for function, before in own:
            function.__code__ = before


def _functions(space: dict[str, Any]) -> dict[str, FunctionType]:
    """All functions and methods that a module defines, by their qualified names."""
    owners = [one for one in space.values() if isinstance(one, type) and one.__module__ == space["__name__"]]
    found = [*space.values(), *(member for owner in owners for member in vars(owner).values())]
    found = [one.fget if isinstance(one, property) else one for one in found]
    return {
        one.__qualname__: one
        for one in found
        if isinstance(one, FunctionType) and one.__module__ == space["__name__"]
    }
