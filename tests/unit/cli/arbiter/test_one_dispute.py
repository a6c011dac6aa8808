"""What `veriframe arbiter` says where it decides one dispute, or none: on the embedded registry."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from veriframe.arbiter.arbiter import ArbiterOptions
from veriframe.cli import context
from veriframe.cli.app import app
from veriframe.errors import SettingsError
from veriframe.model.content.cid import Cid, Codec
from veriframe.model.registry.offer import Offer
from veriframe.wiring import arbiters, registries

CID = str(Cid(Codec.DAG_PB, bytes(32)))


class Refusing:
    """An arbiter that refuses, as one whose only job is no dispute."""

    async def run(self, *, once: bool) -> None:
        """Say so."""
        raise SettingsError(f"Nothing is to be decided ({once=}).")


@pytest.fixture(autouse=True)
def _no_blender(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is verified; a service would log, and so does this."""

    @asynccontextmanager
    async def opened(*arguments: object) -> AsyncIterator[Refusing]:
        assert any(isinstance(one, ArbiterOptions) for one in arguments)
        structlog.get_logger().warning("dispute_put_off")
        yield Refusing()

    monkeypatch.setattr(arbiters, "opened_arbiter", opened)
    yield
    context.finish()


def run(home: Path, *arguments: str) -> Result:
    """Run `veriframe arbiter`."""
    return CliRunner().invoke(app, ["--home", str(home), "arbiter", *arguments])


@pytest.fixture
def disputed(tmp_path: Path) -> Path:
    """A home whose registry has a dispute about job 1, to be decided by the account `arbiter`."""
    context.read_settings(None, [], {"home": str(tmp_path)}, quiet=True)
    settings = context.current().settings
    creator, worker, arbiter = (
        registries.embedded(settings, name) for name in ("creator", "worker", "arbiter")
    )

    async def work() -> None:
        # An account is made by its first call.
        now = (await arbiter.snapshot(1, 0)).head.time
        terms = Offer(reward_fri=1000, bond_fri=1000, arbiter=arbiter.account).terms(now)
        await creator.create_order(CID, terms, 1)
        await worker.claim(1)
        await worker.submit_result(1, CID)
        await creator.dispute_result(1, CID)

    context.run(work())
    context.finish()
    return tmp_path


def test_with_a_job_nothing_is_said_of_others(disputed: Path) -> None:
    """Whether there are any, or none."""
    assert "Job 1 is disputed" in run(disputed, "--once").stdout
    assert "Job 1 is disputed" in run(disputed, "--job", "1").stdout
    refused = run(disputed, "--job", "999")
    assert refused.stdout == ""
    assert isinstance(refused.exception, SettingsError)


@pytest.mark.parametrize("home", ["", "elsewhere"])
def test_a_dry_run_makes_no_account(disputed: Path, home: str) -> None:
    """It is refused with the remedy, and so is one in a home without a registry, which gets none."""
    refused = run(disputed / home, "--account", "abriter", "--dry-run")
    assert isinstance(refused.exception, SettingsError)
    named = "`veriframe account list`" if not home else "There is no registry in"
    assert named in str(refused.exception)
    context.read_settings(None, [], {"home": str(disputed)}, quiet=True)
    names = [name for name, _ in context.run(registries.accounts(context.current().settings))]
    assert sorted(names) == ["arbiter", "creator", "worker"]
    assert not (disputed / "elsewhere").exists()
    assert "Job 1 is disputed" in run(disputed, "--dry-run").stdout


@pytest.mark.parametrize(("options", "logs"), [((), True), (("--once",), False), (("--job", "1"), False)])
def test_only_a_service_logs_what_it_does(disputed: Path, options: tuple[str, ...], logs: bool) -> None:
    """Where nobody sees a terminal, stderr of a command that ends has sentences alone."""
    assert ("arbiter_started" in (told := run(disputed, *options).stderr)) == logs
    assert ("dispute_put_off" in told) == logs
