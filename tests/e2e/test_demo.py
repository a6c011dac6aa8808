"""`veriframe demo`, as in `make demo`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from tests.e2e.conftest import Home

from veriframe.model.quantities import FRI_PER_STRK

pytestmark = pytest.mark.slow

STAGES = ["FETCHED", "CHECKED", "CLAIMED", "RENDERED", "VALIDATED", "STORED", "SUBMITTED", "PAID"]


def all_money(balances: dict[str, dict[str, str]]) -> int:
    """The sum of all balances, including the registry's escrow and burned money."""
    people = sum(money_of(balances[who]) for who in ("creator", "worker", "cheat"))
    return people + int(balances["registry"]["escrow_fri"]) + int(balances["registry"]["burned_fri"])


def money_of(account: dict[str, str]) -> int:
    """One account's money, inside and outside the registry; amounts are decimal strings."""
    return int(account["wallet_fri"]) + int(account["credit_fri"])


def test_the_demo_ends_paid_with_a_picture(home: Home) -> None:
    """The still: one JSON object, a 960×540 PNG, stages with times, and balances that add up."""
    ran = home.run("demo", "--json", timeout=1500)
    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout)
    assert answer["state"] == "PAID"
    assert answer["sandbox_level"] == "STRICT"
    assert list(answer["stage_seconds"]) == STAGES
    with Image.open(answer["picture"]) as picture:
        assert (picture.format, picture.size) == ("PNG", (960, 540))
        assert picture.info.keys() <= {"gamma", "srgb"}
        assert len(picture.convert("RGB").resize((96, 54)).getcolors(10_000) or []) > 500
    before, after = answer["balances_before"], answer["balances_after"]
    assert all_money(before) == all_money(after) == 3000 * FRI_PER_STRK
    paid = money_of(after["worker"]) - money_of(before["worker"])
    assert paid == 5 * FRI_PER_STRK
    assert after["registry"]["escrow_fri"] == "0"
    assert answer["conclusion"] == "EXACT"
    cheat = answer["cheat"]
    assert (cheat["conclusion"], cheat["state"]) == ("WRONG", "REFUNDED")
    lost = money_of(before["cheat"]) - money_of(after["cheat"])
    assert lost == int(after["registry"]["burned_fri"]) > 0, "the cheat's bond is burned"
    assert money_of(before["creator"]) - money_of(after["creator"]) == paid, "only the honest one is paid"
    with Image.open(cheat["picture"]) as picture:
        assert picture.width > 3 * picture.height, "three pictures side by side"
    assert "data:image/png" in Path(cheat["report"]).read_text(encoding="utf-8")


def test_the_demo_can_be_repeated(home: Home, light_scene: Path) -> None:
    """A second run starts from an empty home; it prints stages, balances and the picture's path."""
    for _ in range(2):
        ran = home.run("demo", "--scene", light_scene)
        assert ran.returncode == 0, ran.stderr
        assert "Job 1 is PAID" in ran.stdout
        assert "total\t3000\t3000\t" in ran.stdout
        assert "sandbox STRICT" in ran.stderr
        assert "worker received 5 STRK" in ran.stderr
        assert "exact" in ran.stdout
        assert "cheated" not in ran.stdout, "only the demo's own scene is rendered by a cheat, too"
        assert (home.folder / "demo-output" / "picture.png").exists()


def test_a_demo_with_an_invalid_scene_reports_the_reason(home: Home) -> None:
    """One line, the exit code, no traceback, no money lost."""
    bad = home.folder / "text.blend"
    bad.write_text("no scene at all")
    ran = home.run("demo", "--scene", bad, "--json")
    assert ran.returncode == 5
    assert "NOT_BLEND" in ran.stderr
    assert "Traceback" not in ran.stderr
