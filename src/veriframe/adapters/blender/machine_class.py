"""The class of this machine, which says which others render the same bits: measured, and remembered.

A small reference scene is rendered, and what was rendered is digested. Nothing about makers, drivers or
instruction sets has to be known. A file keeps the class for the same Blender and processor.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

import structlog

from veriframe.errors import HostUnavailable, JobError
from veriframe.model.bundle.chunks import whole_region
from veriframe.model.rendering.frames import RenderTask, proof_file
from veriframe.ports.renderer import Cut, CutKind, Kernel, Renderer, RendererFacts
from veriframe.threads import run_uninterrupted

log = structlog.get_logger()

SIZE = (96, 64)
"""Of the reference scene, as `make_reference_scene.py` has it."""

DEVICE = "CPU"

_FORM = re.compile(r"[0-9A-Za-z.]{1,40}-[0-9A-Za-z]{1,40}-[A-Z]{1,10}-[0-9a-f]{16}")
_INSTRUCTIONS = re.compile(r"(sse|ssse|avx|fma|f16c|pni|bmi|abm|popcnt)\w*")
_PROCESSOR = ("vendor_id", "cpu family", "model", "model name", "stepping")
_MOST_BYTES = 10_000


class OwnClass:
    """The class of this machine, once it is known. `file` is where it is remembered; None: nowhere."""

    def __init__(self) -> None:
        self.file: Path | None = None
        self._found, self._measuring = "", asyncio.Lock()

    async def known(self, facts: RendererFacts, measure: Callable[[], Awaitable[str]]) -> str:
        """Returns it; measures it if it is not remembered for this Blender and processor."""
        async with self._measuring:
            if not self._found:
                under = await run_uninterrupted(conditions, facts)
                kept = await run_uninterrupted(remembered, self.file, under)
                self._found = kept or await self._measured(facts, measure)
                if not kept:
                    await run_uninterrupted(remember, self.file, under, self._found)
        return self._found

    async def _measured(self, facts: RendererFacts, measure: Callable[[], Awaitable[str]]) -> str:
        started = time.monotonic()
        found = named(facts, await measure())
        seconds = round(time.monotonic() - started, 3)
        log.info("machine_class_measured", machine_class=found, seconds=seconds)
        return found


async def measured(renderer: Renderer, scene: Path, out: Path, kernel: Kernel) -> str:
    """The first 16 hex digits of the pixel digest of the noisy image of the reference scene.

    Raises `JobError`, `HostUnavailable`.
    """
    whole = whole_region(SIZE)
    async with renderer.open(scene, kernel=kernel) as session:
        async for _ in session.frames(RenderTask(size=SIZE, has_proof=True), out):
            pass
    cut = Cut(file=out / proof_file(1), kind=CutKind.RAW_PROOF, shown=whole, wanted=whole, size=SIZE)
    (found,) = await renderer.cut([cut])
    return found.leaf[:16]


@contextlib.contextmanager
def unfit() -> Iterator[None]:
    """Any failure of the reference scene is one of this machine. Raises `HostUnavailable`."""
    try:
        yield
    except JobError as error:
        raise HostUnavailable(
            f"The reference scene, which tells this machine's class, cannot be rendered: {error} "
            "Run: veriframe doctor."
        ) from error


def named(facts: RendererFacts, digits: str) -> str:
    """The class, such as `4.5.15-5afeabba6097-CPU-0123456789abcdef`."""
    version, build = (
        re.sub(r"[^0-9A-Za-z.]", "", text) or "0"
        for text in ((facts.version_text.split() or [""])[0], facts.build_hash.replace(".", ""))
    )
    return f"{version[:40]}-{build[:40]}-{DEVICE}-{digits}"


CPU_INFO = Path("/proc/cpuinfo")


def has_two_kernels(cpu_info: Path = CPU_INFO) -> bool:
    """Whether Cycles has a kernel for this processor besides the one for SSE4.2: that with AVX2."""
    return "avx2" in _processor(cpu_info).get("flags", "").split()


def _processor(cpu_info: Path) -> Mapping[str, str]:
    """The fields of the first processor; none if they cannot be read."""
    fields: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in cpu_info.read_text(errors="replace").partition("\n\n")[0].splitlines():
            name, _, value = line.partition(":")
            fields[name.strip()] = value.strip()
    return fields


def conditions(facts: RendererFacts, cpu_info: Path = CPU_INFO) -> Mapping[str, object]:
    """What the class is remembered for: Blender's build, processor, mathematical library, device."""
    fields = _processor(cpu_info)
    flags = [flag for flag in fields.get("flags", "").split() if _INSTRUCTIONS.fullmatch(flag)]
    return {
        "blender": [facts.program, facts.version_text, facts.build_hash],
        "processor": [fields.get(name, "") for name in _PROCESSOR],
        "instructions": sorted(flags),
        "library": list(platform.libc_ver()),
        "device": DEVICE,
    }


def remembered(file: Path | None, under: Mapping[str, object]) -> str | None:
    """The class that was measured under these conditions, None if none was; no file is at fault."""
    if file is None:
        return None
    try:
        with file.open("rb") as stream:
            kept = json.loads(stream.read(_MOST_BYTES))
        found = kept["class"] if kept["conditions"] == under else ""
        return found if isinstance(found, str) and _FORM.fullmatch(found) else None
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def remember(file: Path | None, under: Mapping[str, object], found: str) -> None:
    """Keeps the class in a file. One that cannot be written is no error: it is measured again."""
    if file is None:
        return
    new = file.with_name(f"{file.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(json.dumps({"conditions": under, "class": found}, indent=1), encoding="ascii")
        new.replace(file)
    with contextlib.suppress(OSError):
        new.unlink(missing_ok=True)
