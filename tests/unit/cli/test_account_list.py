"""`veriframe account list`, and the sentence about a new account of the embedded registry."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from veriframe.cli import context
from veriframe.cli.app import app
from veriframe.errors import SettingsError
from veriframe.model.registry.offer import Offer
from veriframe.settings import Settings
from veriframe.wiring import registries

STRK = 10**18
CID = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"


@pytest.fixture(autouse=True)
def _closed() -> object:
    yield
    context.finish()


def ran(home: Path, *arguments: str) -> Result:
    """A command with this home."""
    return CliRunner().invoke(app, ["--home", str(home), *arguments])


def test_a_misspelt_account_is_told(tmp_path: Path) -> None:
    """fault_155: a new account is named on stderr, once, with the command that lists the others."""
    first = ran(tmp_path, "--account", "creaotr", "account", "show", "--json")
    assert ("“creaotr”" in first.stderr, "account list" in first.stderr) == (True, True)
    json.loads(first.stdout)
    assert "“creaotr”" not in ran(tmp_path, "--account", "creaotr", "account", "show").stderr
    assert ran(tmp_path, "account", "show").stderr == "", "a default name is not misspelt"


def test_accounts_are_listed_with_their_money(tmp_path: Path) -> None:
    """Of all names in the home. The list itself, and what reads the registry alone, makes none."""
    assert ran(tmp_path, "account", "list").stdout == ""
    assert not (tmp_path / "registry.sqlite").exists()
    ran(tmp_path, "account", "show")
    ran(tmp_path, "--account", "creator", "account", "deposit", "1.5")
    ran(tmp_path, "registry", "show")
    rows = ran(tmp_path, "account", "list").stdout.splitlines()[1:]
    assert rows == ["creator\t998.5 STRK\t1.5 STRK\t0 STRK", "worker\t1000 STRK\t0 STRK\t0 STRK"]
    listed = json.loads(ran(tmp_path, "account", "list", "--json").stdout)["accounts"]
    assert [entry["account"] for entry in listed] == ["creator", "worker"]


def test_the_list_has_what_is_in_escrow(tmp_path: Path) -> None:
    """Rewards, and the bonds of both parties: with it, nothing is missing from what the accounts had."""
    settings = Settings(home=tmp_path)
    names = ("creator", "worker", "arbiter")
    creator, worker, arbiter = (registries.embedded(settings, name) for name in names)

    async def dispute() -> None:
        head = (await arbiter.snapshot(1, 0)).head
        terms = Offer(reward_fri=5 * STRK, arbiter=arbiter.account).terms(head.time)
        await creator.deposit(6 * STRK)
        await worker.deposit(STRK)
        first = await creator.create_order(CID, terms, 1)
        await worker.claim(first[0])
        await worker.submit_result(first[0], CID)
        await creator.dispute_result(first[0], CID)
        for one in (creator, worker, arbiter):
            one.close()

    asyncio.run(dispute())
    listed = json.loads(ran(tmp_path, "account", "list", "--json").stdout)["accounts"]
    held = {one["account"]: int(one["in_escrow_fri"]) for one in listed}
    assert held == {"arbiter": 0, "creator": 55 * STRK // 10, "worker": STRK // 2}
    for one in listed:
        assert sum(int(one[name]) for name in ("wallet_fri", "credit_fri", "in_escrow_fri")) == 1000 * STRK
    assert "creator\t994 STRK\t0.5 STRK\t5.5 STRK" in ran(tmp_path, "account", "list").stdout


@pytest.mark.parametrize(
    "command",
    [
        "verify 6",
        "order verify 1",
        "order watch 1 --verify",
        "order show 1",
        "order list",
        "job show 6",
        "job list",
        "job fetch 6",
        "registry show",
    ],
)
def test_reading_makes_no_home(tmp_path: Path, command: str) -> None:
    """fault_327: it may be misspelt. What reads a registry says that there is none, with exit code 2."""
    home = tmp_path / "new"
    result = CliRunner().invoke(app, ["--home", str(home), *command.split()])
    assert isinstance(result.exception, SettingsError), result.output
    assert f"no registry in {home}" in str(result.exception)
    assert not home.exists()


def test_on_a_chain_accounts_belong_to_keys(tmp_path: Path) -> None:
    """So there is no list."""
    result = ran(tmp_path, "--set", "job_registry_address=0x1", "account", "list")
    assert isinstance(result.exception, SettingsError)
    assert "keystore" in str(result.exception)
