"""The doctor's checks of this machine: findings, verdicts and remedies."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from veriframe.doctor import machine
from veriframe.doctor.finding import Finding, Verdict, examine
from veriframe.errors import HostUnavailable, RegistryUnavailable, SettingsError
from veriframe.model.quantities import format_size

GIB = 2**30
ALL_MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


async def one(finding: Finding) -> Finding:
    """An examination with a known finding."""
    return finding


# examine


@pytest.mark.parametrize(
    "error",
    [
        RegistryUnavailable("The registry does not answer. Start it."),
        HostUnavailable("Blender does not start. Install it."),
        SettingsError("There is no Blender here. Set BLENDER_PATH."),
    ],
)
async def test_a_part_that_cannot_be_examined_is_bad_and_the_rest_goes_on(error: Exception) -> None:
    """fault_37: the error's sentence is the remedy; later parts are still examined."""

    async def broken() -> Finding:
        raise error

    fine = Finding(part="disk", verdict=Verdict.GOOD, detail="much")
    reported: list[Finding] = []
    found = await examine([("Blender", broken), ("disk", lambda: one(fine))], reported.append)
    expected = [Finding(part="Blender", verdict=Verdict.BAD, detail="not usable", remedy=str(error)), fine]
    assert (expected, expected) == (found, reported)


async def test_each_finding_is_reported_before_the_next_examination() -> None:
    """Blender takes seconds to start: the user sees the others meanwhile."""
    reported: list[str] = []

    async def second() -> Finding:
        assert reported == ["first"]
        return Finding(part="second", verdict=Verdict.GOOD, detail="")

    first = Finding(part="first", verdict=Verdict.GOOD, detail="")
    await examine(
        [("first", lambda: one(first)), ("second", second)], lambda found: reported.append(found.part)
    )
    assert reported == ["first", "second"]


def test_the_worst_verdict_is_the_greatest() -> None:
    """The command's exit code depends on this order."""
    assert max(Verdict) is Verdict.BAD
    assert min(Verdict) is Verdict.GOOD


# home, disk, memory


async def test_a_home_is_made_for_its_owner_only(tmp_path: Path) -> None:
    """It will hold other people's scenes and the journal."""
    home = tmp_path / "deep" / "home"
    assert await machine.home(home) == Finding(str(home))
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["file", "file/home", "x" * 300])
async def test_a_home_that_cannot_be_made_is_bad(tmp_path: Path, name: str) -> None:
    """A file in the way, or a name that is too long; the remedy names the setting."""
    (tmp_path / "file").write_bytes(b"")
    finding = await machine.home(tmp_path / name)
    assert finding.verdict is Verdict.BAD
    assert "VERIFRAME_HOME" in finding.remedy


async def test_enough_disk_is_good_and_too_little_bad(tmp_path: Path) -> None:
    """fault_41: measured in the home folder; the remedy says how much is needed."""
    assert (await machine.disk(tmp_path, 1)).verdict is Verdict.GOOD
    finding = await machine.disk(tmp_path, 10**21)
    assert finding.verdict is Verdict.BAD
    assert format_size(10**21) in finding.remedy


async def test_a_disk_that_cannot_be_measured_is_bad(tmp_path: Path) -> None:
    """If the home folder cannot be created, the doctor still continues with the next part."""
    finding = await machine.disk(tmp_path / "nothing", 1)
    assert finding.verdict is Verdict.BAD
    assert (finding.detail != "", finding.remedy != "") == (True, True)


@pytest.mark.parametrize(
    ("limit_bytes", "processes", "verdict"),
    [
        (ALL_MEMORY, 1, Verdict.GOOD),
        (ALL_MEMORY + 1, 1, Verdict.WARNING),
        (ALL_MEMORY // 3, 3, Verdict.GOOD),
        (ALL_MEMORY // 3, 4, Verdict.WARNING),
    ],
)
async def test_all_renders_and_inspections_must_fit_the_memory(
    limit_bytes: int, processes: int, verdict: Verdict
) -> None:
    """fault_31: more than the memory works for small scenes, so it is only a warning."""
    finding = await machine.memory(limit_bytes, processes)
    assert verdict is finding.verdict
    assert bool(finding.remedy) is (verdict is Verdict.WARNING)


@pytest.mark.parametrize("text", ["max\n", "9223372036854771712\n", None])
async def test_a_container_without_a_limit_has_all_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None
) -> None:
    """As in both versions of control groups, or without a file."""
    if text is not None:
        (tmp_path / "limit").write_text(text)
    monkeypatch.setattr(machine, "CONTAINER_LIMITS", (tmp_path / "limit",))
    assert (await machine.memory(1, 1)).verdict is Verdict.GOOD


async def test_a_containers_limit_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One GiB for the container, two for a render."""
    (tmp_path / "limit").write_text(f"{2**30}\n")
    monkeypatch.setattr(machine, "CONTAINER_LIMITS", (tmp_path / "nothing", tmp_path / "limit"))
    finding = await machine.memory(2**31, 1)
    assert finding.verdict is Verdict.WARNING
    assert finding.detail.startswith("1 GiB in all; 1 × 2 GiB")


async def test_what_waits_needs_memory_too() -> None:
    """fault_31: Blenders that were started ahead, and inspected scenes."""
    half = ALL_MEMORY // 2
    assert (await machine.memory(half, 1, half)).verdict is Verdict.GOOD
    assert (await machine.memory(half, 1, half + 2)).verdict is Verdict.WARNING


# processors, GPUs


@pytest.mark.parametrize(("text", "usable"), [("max 100000\n", None), ("150000 100000\n", 2), (None, None)])
async def test_the_processors_of_a_container_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None, usable: int | None
) -> None:
    """fault_165: its limit, rounded up; more renders than processors are a warning."""
    if text is not None:
        (tmp_path / "limit").write_text(text)
    monkeypatch.setattr(machine, "CONTAINER_PROCESSORS", tmp_path / "limit")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    wanted = usable or 64
    finding = await machine.processors(wanted)
    assert (finding.verdict, finding.detail.split()[0]) == (Verdict.GOOD, str(wanted))
    finding = await machine.processors(wanted + 1)
    assert finding.verdict is Verdict.WARNING
    assert f"slots to {wanted}" in finding.remedy


def _device(folder: Path, name: str, kind: str, vendor: str) -> None:
    (folder / name).mkdir(parents=True)
    for fact, text in (("class", kind), ("vendor", vendor), ("device", "0x1234")):
        (folder / name / fact).write_text(f"{text}\n")


async def test_gpus_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """fault_165: on the bus, by their makers; a virtual screen is none. A driver knows the model."""
    monkeypatch.setattr(machine, "NVIDIA_FACTS", tmp_path / "driver")
    monkeypatch.setattr(machine, "PCI_DEVICES", tmp_path / "bus")
    assert (await machine.gpus()).detail.startswith("none found")
    _device(tmp_path / "bus", "0", "0x030000", "0x1234")
    assert (await machine.gpus()).detail.startswith("none found")
    _device(tmp_path / "bus", "1", "0x030200", "0x10de")
    _device(tmp_path / "bus", "2", "0x020000", "0x8086")
    assert (await machine.gpus()).detail.startswith("NVIDIA 0x1234; not used")
    (tmp_path / "driver" / "0").mkdir(parents=True)
    (tmp_path / "driver" / "0" / "information").write_text("Model: \t\t NVIDIA H200\nIRQ: 1\n")
    assert (await machine.gpus()).detail.startswith("NVIDIA H200; not used")
