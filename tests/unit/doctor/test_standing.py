"""The doctor's finding on a worker's standing at a registry that registers its workers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from veriframe.doctor.account import standing
from veriframe.doctor.finding import Verdict
from veriframe.model.registry.job import Address
from veriframe.model.registry.standing import WorkerStanding

STANDING = WorkerStanding(
    may_register=True, is_registered=True, is_verified=True, reputation=3, is_paused=False
)
_VERIFY = "the registry's owner must verify the account 0xb2 (verify_worker)"


@pytest.mark.parametrize(
    ("changes", "verdict", "detail", "remedy"),
    [
        ({}, Verdict.GOOD, "registered, verified, reputation 3", ""),
        (
            {"is_registered": None, "is_verified": None, "reputation": None},
            Verdict.GOOD,
            "this registry takes any worker",
            "",
        ),
        (
            {"is_registered": False, "is_verified": False},
            Verdict.BAD,
            "not registered, not verified, reputation 3",
            f"Run `veriframe account register`; then {_VERIFY}, if the registry requires it.",
        ),
        (
            {"is_registered": False, "may_register": False},
            Verdict.BAD,
            "not registered, verified, reputation 3",
            "The registry's owner must register the account 0xb2.",
        ),
        (
            {"is_verified": False},
            Verdict.BAD,
            "registered, not verified, reputation 3",
            "The registry's owner must verify the account 0xb2 (verify_worker).",
        ),
        (
            {"is_registered": None, "is_verified": False},
            Verdict.BAD,
            "not verified, reputation 3",
            f"Run `veriframe account register` if you have not; then {_VERIFY}.",
        ),
        (
            {"is_paused": True},
            Verdict.WARNING,
            "registered, verified, reputation 3, the registry is paused",
            "Wait until its owner resumes it.",
        ),
    ],
)
def test_a_workers_standing_says_who_must_do_what(
    changes: dict[str, bool | int | None], verdict: Verdict, detail: str, remedy: str
) -> None:
    """fault_71: one finding with everything that is missing."""
    finding = standing(replace(STANDING, **changes), Address(0xB2))  # type: ignore[arg-type]
    assert (verdict, detail, remedy) == (finding.verdict, finding.detail, finding.remedy)
