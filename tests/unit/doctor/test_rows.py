"""All rows of the doctor always appear, whatever is missing; what depends on another part says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pytest
from tests.fakes.registry import FakeRegistry
from tests.fakes.renderer import FACTS, FakeRenderer
from tests.fakes.store import FakeStore

from veriframe.adapters.blender import runtimes
from veriframe.doctor.finding import Finding, Verdict, examine
from veriframe.errors import AccountNotDeployed, RegistryUnavailable, SettingsError
from veriframe.model.registry.standing import WorkerStanding
from veriframe.ports.registry import Membership, OpenedRegistry, RegistryFacts, Snapshot
from veriframe.settings import Settings, load
from veriframe.wiring.doctor import EngineTests, Examinations

AWAY = RegistryUnavailable("No StarkNet node answers now. Start one.")
NO_KEY = SettingsError("StarkNet needs an account. Set keystore.")
NOT_DEPLOYED = AccountNotDeployed("The account 0x1 is not on this chain yet. Run `veriframe account deploy`.")
NO_BLENDER = SettingsError("There is no Blender here. Set BLENDER_PATH.")
NO_SANDBOX = SettingsError("bubblewrap is missing. Install it.")
ROWS = [
    *("home", "disk", "processors", "memory", "GPUs", "registry", "content store", "account", "standing"),
    *("stakes", "jobs", "Blender", "sandbox", "engines"),
]
T = TypeVar("T")
USUAL = EngineTests()
OF_THE_ACCOUNT = {"standing", "stakes", "jobs"}


class EngineRenderer(FakeRenderer):
    """Renders with every engine, and notes with which it was asked to."""

    tested: Sequence[str] | None = ()

    async def check_engines(self, engines: Sequence[str] | None = None) -> Mapping[str, str]:
        """Renders."""
        self.tested = engines
        return dict.fromkeys(engines or (), "renders in 0.1 s")


class Doctor:
    """The checks of one machine. Errors may be put in place of its parts."""

    def __init__(self, folder: Path, patched: pytest.MonkeyPatch) -> None:
        self.flags = {"home": str(folder), "job_registry_address": "0x1", "disk_free_bytes": "1MB"}
        self.opened: OpenedRegistry | Exception = OpenedRegistry(worker=FakeRegistry(1, wallet_fri=10**18))
        self.facts: RegistryFacts | Exception = RegistryFacts(kind="ours", place="0x1", jobs=7, held_fri=0)
        self.store: FakeStore | SettingsError = FakeStore()
        self.blender: Exception | None = None
        self.sandbox: Exception | None = None
        self.renderer = EngineRenderer()
        patched.setattr("veriframe.wiring.doctor.registry_facts", self._read_facts)
        patched.setattr("veriframe.wiring.doctor.build_for_one", self._build)
        patched.setattr(runtimes, "select", self._select)

    async def examine(
        self, account_fault: SettingsError | None = None, engines: EngineTests = USUAL
    ) -> dict[str, Finding]:
        """All findings by part, in order."""
        made = Examinations(
            load(self.flags, {}).settings,
            "worker",
            open_registry=self._open,
            store=self.store,
            account_fault=account_fault,
            engines=engines,
        )
        return {found.part: found for found in await examine(made.all(), lambda _: None)}

    async def _open(self) -> OpenedRegistry:
        return _given(self.opened)

    async def _read_facts(self, _settings: Settings) -> RegistryFacts:
        return _given(self.facts)

    async def _build(self, _settings: Settings) -> FakeRenderer:
        if self.sandbox is not None:
            raise self.sandbox
        return self.renderer

    def _select(self, _path: Path | None) -> None:
        if self.blender is not None:
            raise self.blender


def _given(value: T | Exception) -> T:
    if isinstance(value, Exception):
        raise value
    return value


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """A machine on which everything works."""
    return Doctor(tmp_path, monkeypatch)


def worst(found: Mapping[str, Finding], verdict: Verdict) -> set[str]:
    """The parts with this verdict."""
    return {part for part, finding in found.items() if finding.verdict is verdict}


async def test_every_row_appears_where_all_is_well(doctor: Doctor) -> None:
    """fault_165: in one order, none of them bad."""
    found = await doctor.examine()
    assert list(found) == ROWS
    assert worst(found, Verdict.BAD) == set()


async def test_every_row_appears_without_a_chain(doctor: Doctor) -> None:
    """fault_165: the registry's row says why, those that need it refer to it, and the others are examined."""
    doctor.opened = AWAY
    found = await doctor.examine()
    assert list(found) == ROWS
    assert worst(found, Verdict.BAD) == {"registry"}
    assert found["registry"].remedy == str(AWAY)
    assert all("registry" in found[part].remedy for part in {*OF_THE_ACCOUNT, "account"})
    assert found["sandbox"].verdict is Verdict.GOOD


@pytest.mark.parametrize("is_key", [True, False])
async def test_every_row_appears_without_an_account(doctor: Doctor, is_key: bool) -> None:
    """fault_165: no keystore, or not on the chain yet. What the registry says to anybody is shown."""
    fault = NO_KEY if is_key else NOT_DEPLOYED
    doctor.opened = fault
    found = await doctor.examine(account_fault=NO_KEY if is_key else None)
    assert list(found) == ROWS
    assert worst(found, Verdict.BAD) == {"account"}
    assert found["account"].remedy == str(fault)
    assert "7 jobs" in found["registry"].detail
    assert all("account" in found[part].remedy for part in OF_THE_ACCOUNT)


async def test_every_row_appears_without_chain_and_keystore(doctor: Doctor) -> None:
    """fault_165: both faults are told at once."""
    doctor.opened = doctor.facts = AWAY
    found = await doctor.examine(account_fault=NO_KEY)
    assert list(found) == ROWS
    assert worst(found, Verdict.BAD) == {"registry", "account"}


async def test_every_row_appears_with_a_store_that_cannot_be_opened(doctor: Doctor) -> None:
    """fault_165: as with an unknown kind of store."""
    doctor.store = SettingsError("The store is not known. Set store to local or kubo.")
    found = await doctor.examine()
    assert list(found) == ROWS
    assert worst(found, Verdict.BAD) == {"content store"}


@pytest.mark.parametrize(("is_blender", "bad"), [(True, "Blender"), (False, "sandbox")])
async def test_every_row_appears_without_blender_or_its_sandbox(
    doctor: Doctor, is_blender: bool, bad: str
) -> None:
    """fault_37: only the part at fault is bad; the other one, and the engines, refer to it."""
    doctor.blender, doctor.sandbox = (NO_BLENDER, None) if is_blender else (None, NO_SANDBOX)
    found = await doctor.examine()
    assert list(found) == ROWS
    assert worst(found, Verdict.BAD) == {bad}
    others = {"Blender", "sandbox", "engines"} - {bad}
    assert all(bad in found[part].remedy for part in others)


async def test_a_standing_is_shown_where_workers_may_have_to_register(doctor: Doctor) -> None:
    """On a chain; the embedded registry serves any worker."""
    del doctor.flags["job_registry_address"]
    assert "standing" not in await doctor.examine()
    doctor.flags["job_registry_address"] = "0x1"
    worker = FakeRegistry(1)
    doctor.opened = OpenedRegistry(worker=worker, membership=_Member())
    assert (await doctor.examine())["standing"].verdict is Verdict.BAD


class _Member(Membership):
    async def standing(self) -> WorkerStanding:
        return WorkerStanding(
            may_register=True, is_registered=False, is_verified=None, reputation=None, is_paused=False
        )

    async def register(self, info: str) -> None:
        raise AssertionError


@pytest.mark.parametrize(
    ("setting", "tests", "tested"),
    [
        (None, EngineTests(), ["CYCLES", "BLENDER_WORKBENCH"]),
        (None, EngineTests(all=True), ["CYCLES", "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH"]),
        ("CYCLES", EngineTests(are_chosen=True), ["CYCLES"]),
        ("BLENDER_EEVEE_NEXT", EngineTests(are_chosen=True), ["BLENDER_EEVEE_NEXT"]),
        ("BLENDER_EEVEE", EngineTests(are_chosen=True), ()),
    ],
)
async def test_only_engines_that_are_wanted_are_tested(
    doctor: Doctor, setting: str | None, tests: EngineTests, tested: Sequence[str]
) -> None:
    """fault_166: EEVEE takes twenty seconds, so only if it is in the settings or asked for."""
    if setting is not None:
        doctor.flags["engines"] = setting
    found = await doctor.examine(engines=tests)
    assert doctor.renderer.tested == tested
    is_left = setting is None and not tests.all
    assert ("BLENDER_EEVEE_NEXT not tested" in found["engines"].detail) == is_left
    assert found["engines"].verdict is Verdict.GOOD


async def test_no_engine_is_tested_if_none_is_to_be(doctor: Doctor) -> None:
    """There is no row for them."""
    assert "engines" not in await doctor.examine(engines=EngineTests(any=False))
    assert FACTS.version_text in (await doctor.examine())["Blender"].detail


class Unusable(FakeRegistry):
    """Its file cannot be opened."""

    async def snapshot(self, first: int, count: int) -> Snapshot:
        """Fails."""
        raise AWAY


async def test_a_registry_that_cannot_be_used_is_told_once(doctor: Doctor) -> None:
    """fault_165: also if it fails only when it is used: the other rows refer to its own."""
    doctor.opened = OpenedRegistry(worker=Unusable(1))
    found = await doctor.examine()
    assert [part for part, finding in found.items() if str(AWAY) in finding.remedy] == ["registry"]
    assert OF_THE_ACCOUNT | {"account"} <= worst(found, Verdict.WARNING)
