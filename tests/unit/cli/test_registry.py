"""`veriframe registry`: pays nothing without consent, and shows the contract at an address."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from typer import testing
from typer.testing import Result

from veriframe.adapters.starknet.transactions.receipt import Receipt
from veriframe.cli import context, registry
from veriframe.errors import SettingsError
from veriframe.model.registry.job import Address
from veriframe.ports.registry import RegistryFacts, Totals
from veriframe.settings import to_fri
from veriframe.wiring import chain, registries
from veriframe.wiring.chain import Deployed, DeploymentPlan

STRK = 10**18
SEPOLIA = int.from_bytes(b"SN_SEPOLIA", "big")


class Keyboard(io.BytesIO):
    """The input of a person at a terminal."""

    def isatty(self) -> bool:
        """Always true."""
        return True


class FakeDeployer:
    """A deployer that only counts its calls."""

    def __init__(self, *, is_deployed: bool = False) -> None:
        self.is_deployed, self.done, self.closed = is_deployed, 0, 0
        self.limit_fri = 0

    async def plan(self) -> DeploymentPlan:
        """Everything is missing, or everything is deployed."""
        return DeploymentPlan(
            chain_id=SEPOLIA,
            account=Address(0xACC),
            address=Address(0xADD),
            class_hash=0xC1A55,
            token=Address(0x70),
            is_declared=self.is_deployed,
            is_deployed=self.is_deployed,
            cost_fri=0 if self.is_deployed else 3 * STRK,
        )

    async def carry_out(self, plan: DeploymentPlan) -> Deployed:
        """Count the call."""
        self.done += 1
        receipt = Receipt(hash=0x1, label="", block_number=1, fee_fri=STRK, events=())
        sent = None if plan.is_deployed else receipt
        return Deployed(
            address=plan.address, class_hash=plan.class_hash, token=plan.token, declared=sent, deployed=sent
        )

    async def close(self) -> None:
        """Count the call."""
        self.closed += 1


@pytest.fixture
def deployer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployer:
    """The deployer behind the command."""
    made = FakeDeployer()

    async def opened(_settings: object, _key: object, *, salt: int | None, max_fee_fri: int) -> object:
        assert salt is None
        made.limit_fri = max_fee_fri
        return made, made.close

    monkeypatch.setattr(chain, "open_deployer", opened)
    context.read_settings(None, ["devnet_account=0"], {"home": str(tmp_path)})
    return made


def run(*arguments: str, typed: str | None = None) -> Result:
    """Run a command, with a person at the keyboard if `typed` is given."""
    with pytest.MonkeyPatch.context() as patched:
        if typed is not None:
            keyboard = Keyboard(typed.encode())
            patched.setattr(testing, "make_input_stream", lambda _input, _charset: keyboard)
        return testing.CliRunner().invoke(registry.app, arguments)


@pytest.mark.parametrize(
    ("typed", "code", "done"), [("y\n", 0, 1), ("n\n", 1, 0), ("\n", 1, 0), ("", 130, 0)]
)
def test_a_person_is_asked_before_anything_is_spent(
    deployer: FakeDeployer, typed: str, code: int, done: int
) -> None:
    """With the network, the account and the fee; only yes deploys; connections are closed."""
    result = run("deploy", typed=typed)
    assert (code, done, 1) == (result.exit_code, deployer.done, deployer.closed)
    for shown in ("SN_SEPOLIA", "0xacc", "at most 3 STRK", "limit of 10 STRK"):
        assert shown in result.stderr


def test_without_a_terminal_yes_must_be_passed(deployer: FakeDeployer) -> None:
    """A script passes --yes; without it, no node is contacted."""
    assert isinstance(run("deploy").exception, SettingsError)
    assert deployer.closed == 0
    result = run("deploy", "--yes", "--max-fee", "2.5")
    assert (result.exit_code, deployer.done, deployer.limit_fri) == (0, 1, 25 * STRK // 10)
    assert result.stdout.splitlines()[-1] == "export JOB_REGISTRY_ADDRESS=0xadd"
    assert "2 STRK" in result.stdout


def test_the_limit_of_a_deployment_is_its_own(deployer: FakeDeployer) -> None:
    """fault_124: not that of a move, which is far too low for a declaration."""
    assert run("deploy", "--yes").exit_code == 0
    settings = context.current().settings
    assert deployer.limit_fri == to_fri(settings.max_deploy_fee_strk) > to_fri(settings.max_fee_strk)


def test_nobody_is_asked_if_nothing_is_spent(deployer: FakeDeployer) -> None:
    """An existing contract is only shown."""
    deployer.is_deployed = True
    result = run("deploy", typed="")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "0 STRK" in result.stdout


@pytest.mark.parametrize(
    ("facts", "telling"),
    [
        (
            RegistryFacts(
                kind="ours",
                place="0xadd",
                class_hash=1,
                token=Address(0x70),
                jobs=7,
                held_fri=6 * STRK,
                totals=Totals(token_fri=6 * STRK, escrow_fri=STRK, credit_fri=2 * STRK, burned_fri=3 * STRK),
            ),
            ["VeriFrame's own", "0x70 (starknet_token names another)", "7", "6 STRK", "3 STRK"],
        ),
        (
            RegistryFacts(kind="foreign", place="0xadd", class_hash=2, held_fri=0, offers=["submit_result"]),
            ["another contract", "unknown", "submit_result", "a worker can serve it"],
        ),
    ],
)
def test_the_contract_is_shown(
    deployer: FakeDeployer, monkeypatch: pytest.MonkeyPatch, facts: RegistryFacts, telling: list[str]
) -> None:
    """Ours with its balances, another with the functions that it offers."""

    async def read(_settings: object) -> RegistryFacts:
        return facts

    assert deployer.done == 0
    monkeypatch.setattr(registries, "registry_facts", read)
    result = run("show")
    assert [word for word in telling if word not in result.stdout] == []
