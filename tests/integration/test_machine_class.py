"""The class of a machine: measured by a real render of the reference scene, and remembered in a file."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.renderer import FACTS
from tests.integration.renderer_studio import Studio, studio

from veriframe.adapters.blender import machine_class
from veriframe.ports.renderer import Kernel

__all__ = ["studio"]

pytestmark = pytest.mark.slow


async def test_a_class_tells_kernels_apart_and_nothing_else(studio: Studio) -> None:
    """Two processes have the same, also with other numbers of threads; another kernel has another."""
    found = await studio.renderer().machine_class()
    assert re.fullmatch(r"4\.5\.[0-9]+-[0-9a-f]+-CPU-[0-9a-f]{16}", found)
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(processors)})
    try:
        alone = await studio.renderer().measure_class()
    finally:
        os.sched_setaffinity(0, processors)
    assert len(processors) > 1, "or the test could not fail"
    assert found.endswith(alone)
    assert alone != await studio.renderer().measure_class(Kernel.SSE)


async def test_a_class_is_measured_once(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_246: for a Blender and a processor; a file that is broken or cannot be written is no error."""
    measured: list[str] = []

    async def known(version: str = "4.5.15 LTS", content: str | None = None, file: Path | None = None) -> str:
        own = machine_class.OwnClass()
        own.file = file or studio.folder / "new" / "machine-class.json"
        if content is not None:
            own.file.write_text(content)

        async def measure() -> str:
            measured.append(version)
            return f"{len(measured):016x}"

        return await own.known(replace(FACTS, version_text=version), measure)

    first = await known()
    assert first == "4.5.15-5afeabba6097-CPU-0000000000000001"
    assert await known() == first
    assert len(measured) == 1
    assert await known("4.5.16 LTS") == "4.5.16-5afeabba6097-CPU-0000000000000002"
    monkeypatch.setattr(machine_class, "conditions", lambda facts: {"processor": "another"})
    assert (await known()).endswith("3")
    for count, content in enumerate(
        ("", "{", "[]", '{"class": 5, "conditions": {"processor": "another"}}', "[" * 99_999), 4
    ):
        assert (await known(content=content)).endswith(str(count))
    unwritable = Path("/proc/nowhere/machine-class.json")
    assert (await known(file=unwritable)).endswith("9")
