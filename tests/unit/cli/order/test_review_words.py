"""The sentences of `order watch --verify`: what became of the money, and until when there is time."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.cli.order.verifying import FakeVerifier, verifier
from tests.unit.cli.shell import Shell, plain
from tests.unit.creator.orders.studio import Studio
from tests.unit.creator.stage import ARBITER

from veriframe.cli import context
from veriframe.cli.order.review_words import sentence
from veriframe.creator.orders.values import Chunk
from veriframe.creator.review.values import Happened, Told
from veriframe.model.quantities import FRI_PER_STRK
from veriframe.model.registry.job import NOBODY, Address, Job, JobState, Order, Terms

__all__ = ["verifier"]  # a fixture


def said(
    what: Happened,
    state: JobState = JobState.SUBMITTED,
    *,
    now: int = 3600,
    arbiter: Address = ARBITER,
    options: str = " --verify",
) -> str:
    """The sentence about a result whose review lasts from 3600 to 7200."""
    terms = Terms(
        reward_fri=FRI_PER_STRK,
        bond_fri=1,
        deadline=9000,
        lease_seconds=60,
        review_seconds=3600,
        arbitration_seconds=600,
        arbiter=arbiter,
    )
    order = Order(id=1, creator=Address(1), asset_cid="a", terms=terms, first_job=7, jobs=1, created_at=0)
    job = Job(id=7, order=order, part=0, state=state, review_end=7200, arbitration_end=now + 600)
    return sentence(Told(what=what, chunk=Chunk(job=job, frames=(1,), now=now), reason="Why."), options)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (JobState.PAID, "1 STRK went to its worker"),
        (
            JobState.SUBMITTED,
            "it can no longer be disputed, and anyone may now trigger the payment of 1 STRK",
        ),
        (JobState.DISPUTED, "it is disputed, and its worker is not paid yet"),
        (JobState.REFUNDED, "1 STRK is its creator's credit again"),
        (JobState.OPEN, "its worker is not paid"),
    ],
)
def test_what_came_too_late_is_told_with_its_money(state: JobState, words: str) -> None:
    """Whatever became of it."""
    assert f"was not verified: {words}" in said(Happened.LATE, state, now=7200)


def test_what_is_put_off_has_the_time_that_is_left() -> None:
    """Not of a chunk that lost its dispute, which has no end."""
    assert "tried again later, and there is time until" in said(Happened.PUT_OFF)
    assert said(Happened.PUT_OFF).endswith("(in 1h): Why.")
    assert said(Happened.PUT_OFF, JobState.REFUNDED).endswith("tried again later: Why.")


def test_what_is_asked_for_again_has_its_end() -> None:
    """Half of the review, and what comes then."""
    assert "until half of its review is over, " in said(Happened.ASKED_AGAIN)
    assert "(in 30m). If it is still withheld then, --dispute would dispute it" in said(Happened.ASKED_AGAIN)
    assert said(Happened.ASKED_AGAIN, options=" --verify --dispute").endswith("then, it is disputed")
    assert "names no arbiter" in said(Happened.ASKED_AGAIN, arbiter=NOBODY)


def test_a_watch_that_was_too_late_says_who_was_paid(
    shell: Shell, studio: Studio, verifier: FakeVerifier
) -> None:
    """As the registry shows it now, not as it was when the review began."""
    shell.run("create", str(studio.bundle()), "--price", "0.05", "--yes")

    async def deliver() -> None:
        await studio.deliver((await studio.status(1)).chunks[0])
        studio.shared.block += 1

    async def outlast(job: Job) -> None:
        studio.shared.now = job.review_end
        await studio.worker.finalize(job.id)
        await asyncio.sleep(60)

    context.run(deliver())
    shell.run("cancel", "1")
    verifier.act = outlast
    told = plain(shell.run("watch", "1", "--verify"))
    assert "job 1: it is not under review any more, and was not verified: 0.2 STRK went to its worker" in told
