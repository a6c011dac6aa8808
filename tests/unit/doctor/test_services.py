"""The doctor's checks of registry, store, copies, account and stakes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.fakes.registry import FakeRegistry
from tests.fakes.store import FakeStore

from veriframe.doctor import account, services
from veriframe.doctor.finding import Verdict, examine
from veriframe.errors import RegistryUnavailable, StoreUnavailable
from veriframe.model.attempt.stakes import CreatorRecord, Stakes
from veriframe.model.quantities import FRI_PER_STRK
from veriframe.model.registry.job import Address
from veriframe.ports.store import Pin, StoreCheck

# registry, store, account


async def test_a_registry_that_answers_is_good() -> None:
    """With its newest block and the number of jobs."""
    finding = await services.registry(FakeRegistry(1))
    assert (finding.verdict, finding.detail) == (Verdict.GOOD, "answers; block 1, 0 jobs so far")


async def test_an_unavailable_registry_is_bad() -> None:
    """fault_58: with its own sentence."""
    registry = FakeRegistry(1)
    registry.shared.faults.append(RegistryUnavailable("The registry does not answer. Start it."))
    [finding] = await examine([("registry", lambda: services.registry(registry))], lambda _: None)
    assert (finding.verdict, finding.remedy) == (Verdict.BAD, "The registry does not answer. Start it.")


async def test_a_store_that_answers_is_good(tmp_path: Path) -> None:
    """With the number of its pins."""
    store = FakeStore()
    await store.pin(Pin(cid=store.keep(b"a scene"), name="order-asset-1"))
    finding = await services.store(store)
    assert (finding.verdict, finding.detail) == (Verdict.GOOD, "answers; 1 pins")


async def test_a_store_reports_its_room() -> None:
    """fault_87: held and free bytes; too little for the largest picture is a warning with a remedy."""
    store = FakeStore()
    store.limit_bytes = 2 * 10**9
    store.keep(b"")
    await store.pin(Pin(cid=store.keep(bytes(10**8)), name="a scene"))
    finding = await services.store(store, 10**9)
    assert (finding.verdict, finding.detail) == (
        Verdict.GOOD,
        "answers; 1 pins, 95.4 MiB held, room for 1.8 GiB",
    )
    store.limit_bytes = 10**9
    finding = await services.store(store, 10**9)
    assert (finding.verdict, finding.detail) == (
        Verdict.WARNING,
        "answers; 1 pins, 95.4 MiB held, room for 858.3 MiB",
    )
    assert finding.remedy.endswith("Raise the limit.")


class _AwayStore(FakeStore):
    async def pins(self, prefix: str = "") -> tuple[Pin, ...]:
        raise StoreUnavailable("The content store does not answer. Start it.")


async def test_an_unavailable_store_is_bad() -> None:
    """fault_58: with its own sentence."""
    [finding] = await examine([("store", lambda: services.store(_AwayStore()))], lambda _: None)
    assert (finding.verdict, finding.remedy) == (Verdict.BAD, "The content store does not answer. Start it.")


@pytest.mark.parametrize(
    ("faults", "required", "verdict"),
    [
        ({"a": "", "b": ""}, True, Verdict.GOOD),
        ({"a": "", "b": "It refuses the token."}, False, Verdict.WARNING),
        ({"a": "", "b": "It refuses the token."}, True, Verdict.BAD),
        ({"a": "It is away.", "b": "It is far."}, False, Verdict.WARNING),
    ],
)
async def test_replicas_and_gateways_are_asked(
    faults: Mapping[str, str], required: bool, verdict: Verdict
) -> None:
    """fault_54: which of them answer, and why the others do not; bad only if copies are required."""

    async def reach() -> Mapping[str, str]:
        return faults

    finding = await services.places(StoreCheck(name="copies", tell=reach, is_required=required))
    assert finding.verdict == verdict
    assert finding.detail.startswith(f"{sum(not reason for reason in faults.values())} of 2")
    for name, reason in faults.items():
        assert (f"{name}: {reason[:-1]}" in finding.remedy) == bool(reason)
        assert (name in finding.detail.partition(":")[2]) != bool(reason)


@pytest.mark.parametrize(
    ("wallet_fri", "credit_fri", "verdict"),
    [(0, 0, Verdict.WARNING), (1, 0, Verdict.GOOD), (0, 1, Verdict.GOOD)],
)
async def test_an_account_without_money_is_a_warning(
    wallet_fri: int, credit_fri: int, verdict: Verdict
) -> None:
    """fault_68: without money there is no bond. Both credit and the wallet count."""
    registry = FakeRegistry(0xB2, wallet_fri=wallet_fri + credit_fri)
    if credit_fri:
        await registry.deposit(credit_fri)
    assert verdict is (await account.money(registry, "worker", Address(0xB2))).verdict


async def test_an_account_is_shown_with_its_balances() -> None:
    """Name, address, wallet, credit."""
    registry = FakeRegistry(0xB2, wallet_fri=3 * FRI_PER_STRK)
    await registry.deposit(FRI_PER_STRK // 2)
    finding = await account.money(registry, "worker", Address(0xB2))
    assert finding.detail == "worker 0xb2: wallet 2.5 STRK, credit 0.5 STRK"


# stakes


def test_stakes_are_shown_as_amounts() -> None:
    """fault_81: means, the largest bond, and the loss budget with its used part."""
    found = account.stakes(Stakes(free_fri=90 * FRI_PER_STRK, bound_fri=10 * FRI_PER_STRK))
    assert found.verdict is Verdict.GOOD
    assert found.detail == (
        "10 STRK of 100 STRK bound; largest bond 25 STRK; loss budget 3 STRK a day, 0 STRK used; "
        "fees of a job about 0 STRK"
    )


def test_a_used_loss_budget_is_a_warning_with_the_remedy() -> None:
    """fault_81: it explains why no jobs of new creators are claimed."""
    lost = CreatorRecord(lost_fri=5 * FRI_PER_STRK, lost_today_fri=5 * FRI_PER_STRK)
    found = account.stakes(Stakes(free_fri=100 * FRI_PER_STRK, creators={Address(7): lost}))
    assert found.verdict is Verdict.WARNING
    assert "loss_budget_share" in found.remedy
