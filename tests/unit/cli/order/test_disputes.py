"""What `order show` and `order watch` say of chunks that are, or were, disputed."""

from __future__ import annotations

import pytest
from tests.fakes.registry import FakeRegistry
from tests.unit.cli.shell import Shell, plain
from tests.unit.creator.orders.studio import Studio
from tests.unit.creator.stage import ARBITER

from veriframe.cli import context
from veriframe.model.registry.job import Verdict, format_address
from veriframe.model.registry.offer import ARBITRATION_SECONDS


@pytest.fixture
def disputed(shell: Shell, studio: Studio) -> Studio:
    """Order 1, with a dispute about job 2 of three, whose bond is a tenth of 0.2 STRK; job 1 has come."""
    shell.run("create", str(studio.bundle()), "--price", "0.05", "--yes", "--arbiter", f"{ARBITER:#x}")

    async def dispute() -> None:
        for part in (0, 1):
            await studio.deliver((await studio.status(1)).chunks[part])
        await studio.creator.dispute(2)

    context.run(dispute())
    return studio


def decide(studio: Studio, verdict: Verdict) -> None:
    """Decide it as the arbiter."""
    context.run(FakeRegistry(ARBITER, studio.shared).resolve_dispute(2, verdict, "the reasons"))


def test_show_says_who_decides_and_what_is_at_stake(shell: Shell, disputed: Studio) -> None:
    """Until when, too; and the next step is not only about the others."""
    said = plain(shell.run("show", "1"))
    assert "job 2 is before the arbiter until" in said
    assert f"{format_address(ARBITER)} decides. The creator's bond of 0.02 STRK is at stake" in said
    assert "`veriframe order watch 1` waits for the arbiter" in said
    assert "order accept 1" in said


@pytest.mark.parametrize(
    ("verdict", "told", "is_lost"),
    [
        (Verdict.WORKER, "decided for the worker, who got the reward and the creator's bond", True),
        (Verdict.CREATOR, "decided for the creator; reward and the creator's bond", False),
        (Verdict.NEITHER, "decided for neither; the worker was paid, and the creator's bond", False),
    ],
)
def test_show_has_the_verdict_and_the_lost_bond(
    shell: Shell, disputed: Studio, verdict: Verdict, told: str, is_lost: bool
) -> None:
    """Also after the job is over."""
    decide(disputed, verdict)
    said = plain(shell.run("show", "1"))
    assert f"job 2: the arbiter {told} of 0.02 STRK" in said
    assert "`veriframe job fetch 2 --verdict` fetches the reasons" in said
    assert ("bonds lost 0.02 STRK" in said) == is_lost
    assert "before the arbiter" not in said


def test_show_tells_a_bond_that_was_burned(shell: Shell, disputed: Studio) -> None:
    """The arbiter did not decide in time."""
    disputed.shared.now += ARBITRATION_SECONDS
    context.run(disputed.worker.finalize(2))
    said = plain(shell.run("show", "1"))
    assert "job 2: no decision came in time" in said
    assert "bonds lost 0.02 STRK" in said


@pytest.mark.parametrize("as_json", [False, True])
def test_a_watch_that_ends_before_the_verdict_says_so(shell: Shell, disputed: Studio, as_json: bool) -> None:
    """Last of all; on stderr beside JSON."""

    async def deliver() -> None:
        await disputed.deliver((await disputed.status(1)).chunks[2])

    context.run(deliver())
    result = shell.run("watch", "1", "--result", *(["--json"] if as_json else []))
    last = (result.stderr if as_json else result.stdout).splitlines()[-1]
    assert last.startswith("job 2 is before the arbiter until")


def test_a_watch_without_a_dispute_says_nothing_of_an_arbiter(shell: Shell, studio: Studio) -> None:
    """Of an order that names one."""
    shell.run("create", str(studio.bundle()), "--price", "0.05", "--yes", "--arbiter", f"{ARBITER:#x}")

    async def deliver() -> None:
        for chunk in (await studio.status(1)).chunks:
            await studio.deliver(chunk)

    context.run(deliver())
    assert "arbiter" not in shell.run("watch", "1", "--result").output
