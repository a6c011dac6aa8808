"""The doctor's findings: what is good, what to mend first, and a remedy wherever something is not good."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.registry import FakeRegistry
from tests.fakes.renderer import FACTS, FakeRenderer
from tests.fakes.store import FakeStore

from veriframe import doctor
from veriframe.doctor import Finding, Verdict
from veriframe.errors import HostUnavailable, RegistryUnavailable, SettingsError, StoreUnavailable
from veriframe.model.attempt.stakes import CreatorRecord, Stakes
from veriframe.model.registry.job import FRI_PER_STRK, Address
from veriframe.ports.renderer import RendererFacts
from veriframe.ports.store import Pin

GIB = 2**30
ALL_MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class Told(FakeRenderer):
    """A renderer that says what it is told to say of itself."""

    told: RendererFacts | Exception = FACTS

    async def facts(self) -> RendererFacts:
        """As told."""
        if isinstance(self.told, Exception):
            raise self.told
        return self.told


def renderer(told: RendererFacts | Exception) -> Told:
    """A renderer that was told so."""
    made = Told()
    made.told = told
    return made


async def one(finding: Finding) -> Finding:
    """An examination that is done."""
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
    """fault_37: the error's own sentence is the remedy; later parts are looked at all the same."""

    async def broken() -> Finding:
        raise error

    fine = Finding(part="disk", verdict=Verdict.GOOD, detail="much")
    heard: list[Finding] = []
    found = await doctor.examine([("Blender", broken), ("disk", lambda: one(fine))], heard.append)
    expected = [Finding(part="Blender", verdict=Verdict.BAD, detail="not usable", remedy=str(error)), fine]
    assert (expected, expected) == (found, heard)


async def test_each_finding_is_told_before_the_next_examination() -> None:
    """Blender takes seconds to start: a person sees the others meanwhile."""
    heard: list[str] = []

    async def second() -> Finding:
        assert heard == ["first"]
        return Finding(part="second", verdict=Verdict.GOOD, detail="")

    first = Finding(part="first", verdict=Verdict.GOOD, detail="")
    await doctor.examine(
        [("first", lambda: one(first)), ("second", second)], lambda found: heard.append(found.part)
    )
    assert heard == ["first", "second"]


def test_the_worst_verdict_is_the_greatest() -> None:
    """The command's exit code hangs on this order."""
    assert max(Verdict) is Verdict.BAD
    assert min(Verdict) is Verdict.GOOD


# home, disk, memory


async def test_a_home_is_made_for_its_owner_only(tmp_path: Path) -> None:
    """It will hold scenes of strangers and what is earned."""
    home = tmp_path / "deep" / "home"
    assert Finding(part="home", verdict=Verdict.GOOD, detail=str(home)) == await doctor.home(home)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["file", "file/home", "x" * 300])
async def test_a_home_that_cannot_be_made_is_bad(tmp_path: Path, name: str) -> None:
    """A file in the way, or a name that no disk takes; the remedy names the setting."""
    (tmp_path / "file").write_bytes(b"")
    finding = await doctor.home(tmp_path / name)
    assert finding.verdict is Verdict.BAD
    assert "VERIFRAME_HOME" in finding.remedy


async def test_enough_disk_is_good_and_too_little_bad(tmp_path: Path) -> None:
    """fault_41: measured where the work will be; the remedy says how much is needed."""
    assert (await doctor.disk(tmp_path, 1)).verdict is Verdict.GOOD
    finding = await doctor.disk(tmp_path, 10**21)
    assert finding.verdict is Verdict.BAD
    assert "1000000000000.0 GB" in finding.remedy


async def test_a_disk_that_cannot_be_measured_is_bad(tmp_path: Path) -> None:
    """Where the home could not be made, the doctor still goes on to the next part."""
    finding = await doctor.disk(tmp_path / "nothing", 1)
    assert finding.verdict is Verdict.BAD
    assert "No such file" in finding.detail
    assert finding.remedy


@pytest.mark.parametrize(
    ("limit_bytes", "slots", "verdict"),
    [
        (ALL_MEMORY, 1, Verdict.GOOD),
        (ALL_MEMORY + 1, 1, Verdict.WARNING),
        (ALL_MEMORY // 2, 2, Verdict.GOOD),
        (ALL_MEMORY // 2, 3, Verdict.WARNING),
    ],
)
async def test_all_slots_together_must_fit_the_memory(limit_bytes: int, slots: int, verdict: Verdict) -> None:
    """fault_31: more than there is works for small scenes, so that it is a warning."""
    finding = await doctor.memory(limit_bytes, slots)
    assert verdict is finding.verdict
    assert bool(finding.remedy) is (verdict is Verdict.WARNING)


@pytest.mark.parametrize("text", ["max\n", "9223372036854771712\n", None])
async def test_a_container_without_a_limit_has_all_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None
) -> None:
    """As both versions of control groups say it; or there is no file at all."""
    if text is not None:
        (tmp_path / "limit").write_text(text)
    monkeypatch.setattr(doctor, "CONTAINER_LIMITS", (tmp_path / "limit",))
    assert (await doctor.memory(1, 1)).verdict is Verdict.GOOD


async def test_a_containers_limit_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One GiB for the container, two for a render."""
    (tmp_path / "limit").write_text(f"{2**30}\n")
    monkeypatch.setattr(doctor, "CONTAINER_LIMITS", (tmp_path / "nothing", tmp_path / "limit"))
    finding = await doctor.memory(2**31, 1)
    assert (finding.verdict, finding.detail) == (Verdict.WARNING, "1.0 GiB in all; 1 x 2.0 GiB for renders")


# registry, store, account


async def test_a_registry_that_answers_is_good() -> None:
    """With its newest block and how many jobs there are."""
    finding = await doctor.registry(FakeRegistry(1))
    assert (finding.verdict, finding.detail) == (Verdict.GOOD, "answers; block 1, 0 jobs so far")


async def test_a_registry_that_is_away_is_bad() -> None:
    """fault_58: by its own sentence."""
    registry = FakeRegistry(1)
    registry.shared.faults.append(RegistryUnavailable("The registry does not answer. Start it."))
    [finding] = await doctor.examine([("registry", lambda: doctor.registry(registry))], lambda _: None)
    assert (finding.verdict, finding.remedy) == (Verdict.BAD, "The registry does not answer. Start it.")


async def test_a_store_that_answers_is_good(tmp_path: Path) -> None:
    """With the number of its pins."""
    store = FakeStore()
    await store.pin(Pin(cid=store.keep(b"a scene"), name="order-asset-1"))
    finding = await doctor.store(store)
    assert (finding.verdict, finding.detail) == (Verdict.GOOD, "answers; 1 pins")


async def test_a_store_tells_its_room() -> None:
    """fault_87: what is held, what is free; too little for the largest picture is a warning with a remedy."""
    store = FakeStore()
    store.limit_bytes = 2 * 10**9
    store.keep(b"")
    await store.pin(Pin(cid=store.keep(bytes(10**8)), name="a scene"))
    finding = await doctor.store(store, 10**9)
    assert (finding.verdict, finding.detail) == (
        Verdict.GOOD,
        "answers; 1 pins, 0.1 GB held, room for 1.9 GB",
    )
    store.limit_bytes = 10**9
    finding = await doctor.store(store, 10**9)
    assert (finding.verdict, finding.detail) == (
        Verdict.WARNING,
        "answers; 1 pins, 0.1 GB held, room for 0.9 GB",
    )
    assert finding.remedy.endswith("is not claimed. Raise the limit.")


class _AwayStore(FakeStore):
    async def pins(self) -> tuple[Pin, ...]:
        raise StoreUnavailable("The content store does not answer. Start it.")


async def test_a_store_that_is_away_is_bad() -> None:
    """fault_58: by its own sentence."""
    [finding] = await doctor.examine([("store", lambda: doctor.store(_AwayStore()))], lambda _: None)
    assert (finding.verdict, finding.remedy) == (Verdict.BAD, "The content store does not answer. Start it.")


@pytest.mark.parametrize(
    ("told", "required", "verdict"),
    [
        ({"a": "", "b": ""}, True, Verdict.GOOD),
        ({"a": "", "b": "It refuses the token."}, False, Verdict.WARNING),
        ({"a": "", "b": "It refuses the token."}, True, Verdict.BAD),
        ({"a": "It is away.", "b": "It is far."}, False, Verdict.WARNING),
    ],
)
async def test_whoever_keeps_copies_is_asked(
    told: Mapping[str, str], required: bool, verdict: Verdict
) -> None:
    """fault_54: who answers, and of the others why not; bad only where nothing is handed in without them."""

    async def tell() -> Mapping[str, str]:
        return told

    finding = await doctor.copies(tell, required)
    assert finding.verdict == verdict
    assert finding.detail.startswith(f"{sum(not reason for reason in told.values())} of 2 answer")
    for name, reason in told.items():
        assert (f"{name}: {reason[:-1]}" in finding.remedy) == bool(reason)
        assert (name in finding.detail.partition(":")[2]) != bool(reason)


@pytest.mark.parametrize(
    ("wallet_fri", "credit_fri", "verdict"),
    [(0, 0, Verdict.WARNING), (1, 0, Verdict.GOOD), (0, 1, Verdict.GOOD)],
)
async def test_an_account_without_money_is_a_warning(
    wallet_fri: int, credit_fri: int, verdict: Verdict
) -> None:
    """fault_68: without money there is no bond. Credit counts as well as the wallet."""
    registry = FakeRegistry(0xB2, wallet_fri=wallet_fri + credit_fri)
    if credit_fri:
        await registry.deposit(credit_fri)
    assert verdict is (await doctor.account(registry, "worker", Address(0xB2))).verdict


async def test_an_account_is_named_with_what_it_holds() -> None:
    """Name, address, wallet, credit."""
    registry = FakeRegistry(0xB2, wallet_fri=3 * FRI_PER_STRK)
    await registry.deposit(FRI_PER_STRK // 2)
    finding = await doctor.account(registry, "worker", Address(0xB2))
    assert finding.detail == "worker 0xb2: wallet 2.5 STRK, credit 0.5 STRK"


# Blender, walls, engines


async def test_a_blender_that_starts_is_named() -> None:
    """With the release line whose scenes it takes."""
    finding = await doctor.blender(renderer(FACTS))
    assert finding.verdict is Verdict.GOOD
    assert all(words in finding.detail for words in (FACTS.version_text, FACTS.program, "scenes of 4.5"))


async def test_a_blender_that_does_not_start_is_bad_for_itself_and_its_walls() -> None:
    """fault_37: both parts stand on it."""
    broken = renderer(HostUnavailable("Blender does not start. Install it."))
    parts = [("Blender", lambda: doctor.blender(broken)), ("sandbox", lambda: doctor.sandbox(broken))]
    found = await doctor.examine(parts, lambda _: None)
    assert [finding.verdict for finding in found] == [Verdict.BAD, Verdict.BAD]


@pytest.mark.parametrize(
    ("level", "verdict"),
    [("STRICT", Verdict.GOOD), ("LANDLOCK", Verdict.WARNING), ("NONE", Verdict.WARNING)],
)
async def test_walls_below_strict_are_a_warning(level: str, verdict: Verdict) -> None:
    """fault_44, fault_45: what holds memory is said beside the level."""
    finding = await doctor.sandbox(renderer(replace(FACTS, sandbox_level=level)))
    assert verdict is finding.verdict
    assert finding.detail == f"{level}, proved; memory held by {FACTS.memory_held_by}"
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
def test_engines_that_do_not_render_are_named(
    results: Mapping[str, str], verdict: Verdict, remedy: str
) -> None:
    """fault_37: a warning while there is one that does."""
    finding = doctor.engines(results)
    assert (verdict, remedy) == (finding.verdict, finding.remedy)


def test_no_engine_at_all_is_bad() -> None:
    """fault_37: such a machine must not take jobs."""
    finding = doctor.engines({"CYCLES": "renders black"})
    assert finding.verdict is Verdict.BAD
    assert finding.remedy


# stakes


def test_what_may_be_lost_is_told_in_figures() -> None:
    """fault_81: means, the largest bond, and the loss budget with what of it is used."""
    found = doctor.stakes(Stakes(free_fri=90 * FRI_PER_STRK, bound_fri=10 * FRI_PER_STRK))
    assert found.verdict is Verdict.GOOD
    assert found.detail == (
        "10 STRK of 100 STRK bound; largest bond 25 STRK; loss budget 3 STRK a day, 0 STRK used; "
        "fees of a job about 0 STRK"
    )


def test_a_used_loss_budget_is_a_warning_with_the_remedy() -> None:
    """fault_81: whoever wonders why no stranger's job is taken reads it here."""
    lost = CreatorRecord(lost_fri=5 * FRI_PER_STRK, lost_today_fri=5 * FRI_PER_STRK)
    found = doctor.stakes(Stakes(free_fri=100 * FRI_PER_STRK, creators={Address(7): lost}))
    assert found.verdict is Verdict.WARNING
    assert "loss_budget_share" in found.remedy
