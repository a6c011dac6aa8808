"""What `order show` and `order watch` say of results that a verification found, or did not find, right."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from tests.unit.cli.shell import Shell, plain, submit
from tests.unit.creator.orders.studio import Studio
from tests.unit.creator.stage import ARBITER

from veriframe.cli import context, job
from veriframe.cli.order import acting
from veriframe.creator.orders.notes import ConclusionNote
from veriframe.model.verification.findings import Conclusion

Come = Callable[..., None]


@pytest.fixture
def come(shell: Shell, studio: Studio) -> Come:
    """Posts order 1 and delivers its three results; the arguments are options of `order create`."""

    def deliver(*options: str) -> None:
        shell.run("create", str(studio.bundle()), "--price", "0.05", "--yes", *options)

        async def work() -> None:
            for chunk in (await studio.status(1)).chunks:
                await studio.deliver(chunk)

        context.run(work())

    return deliver


def found(studio: Studio, *conclusions: Conclusion) -> None:
    """Note what was found of the first jobs."""
    for number, conclusion in enumerate(conclusions, 1):
        note = ConclusionNote(conclusion=conclusion, why="A reason.", how="")
        acting.notes().note_conclusion(number, studio.shared.jobs[number].result_cid, note)


def pay(studio: Studio, *numbers: int) -> None:
    """The review is over, and the worker is paid."""

    async def work() -> None:
        studio.shared.now = max(one.review_end for one in studio.shared.jobs.values())
        for number in numbers:
            await studio.worker.finalize(number)

    context.run(work())


def following(shell: Shell) -> str:
    """What `order show` names as the next step."""
    return plain(shell.run("show", "1")).partition(" next ")[2]


def test_results_are_verified_before_they_are_paid_for(shell: Shell, studio: Studio, come: Come) -> None:
    """As long as one was not."""
    come()
    assert following(shell).startswith(
        "`veriframe order verify 1` says whether the results are right. `veriframe order fetch 1`, then"
        " `veriframe order accept 1`."
    )
    found(studio, *[Conclusion.EXACT] * 3)
    assert following(shell).startswith("`veriframe order fetch 1`, then `veriframe order accept 1`.")


@pytest.mark.parametrize("conclusion", [Conclusion.WRONG, Conclusion.WITHHELD])
def test_what_is_at_fault_is_disputed_first(
    shell: Shell, studio: Studio, come: Come, conclusion: Conclusion
) -> None:
    """With both commands, and the time that is left; the others are paid for."""
    come("--arbiter", f"{ARBITER:#x}")
    found(studio, Conclusion.EXACT, conclusion, Conclusion.EQUAL)
    said = following(shell)
    assert said.startswith(
        f"Job 2 is {conclusion}: `veriframe order watch 1 --verify --dispute` disputes it, or"
        " `veriframe job dispute 2`, until "
    )
    assert re.search(r"\(in \w+\); then it is paid for. `veriframe order fetch 1`, then", said)


def test_an_order_of_faults_alone_is_not_accepted(shell: Shell, studio: Studio, come: Come) -> None:
    """Neither fetched: nothing is left that is worth it."""
    come("--arbiter", f"{ARBITER:#x}")
    found(studio, *[Conclusion.WRONG] * 3)
    said = following(shell)
    assert said.startswith("Jobs 1-3 are WRONG: ")
    assert "order accept" not in said


def test_without_an_arbiter_nothing_can_be_disputed(shell: Shell, studio: Studio, come: Come) -> None:
    """That, and until when it is not paid for, is all that is left to say."""
    come()
    found(studio, Conclusion.WITHHELD, Conclusion.UNDECIDED, Conclusion.EXACT)
    said = following(shell)
    assert "names no arbiter, so that it cannot be disputed, and is paid for after" in said
    assert "dispute 1" not in said
    assert "Job 2 could not be decided here: look at what `veriframe verify 2 -o DIR` shows" in said


def test_after_the_review_no_dispute_is_named(shell: Shell, studio: Studio, come: Come) -> None:
    """It would be refused."""
    come("--arbiter", f"{ARBITER:#x}")
    found(studio, Conclusion.WRONG)
    pay(studio)
    said = following(shell)
    assert said.startswith("Job 1 is WRONG, and the review is over: anyone may trigger the payment now.")
    assert "--dispute" not in said


def test_what_was_paid_for_in_spite_of_its_fault_is_said(shell: Shell, studio: Studio, come: Come) -> None:
    """By `show`, and last of all by `watch`."""
    come()
    found(studio, Conclusion.WITHHELD, Conclusion.EXACT, Conclusion.WRONG)
    pay(studio, 1, 2, 3)
    said = following(shell)
    told = "Job 3 was paid for, although found WRONG.", "Job 1 was paid for, although found WITHHELD."
    assert said.startswith(f"Done. {' '.join(told)} `veriframe order fetch 1` and")
    assert "get the frames that are there." in said
    assert shell.run("watch", "1").stdout.splitlines()[-2:] == [*told]


def test_a_chunk_is_fetched_by_its_order(shell: Shell, studio: Studio, come: Come) -> None:
    """`job fetch` refuses frames, and `job show` does not name it."""
    come()
    shell.app = job.app
    said = following(shell)
    assert said.startswith("`veriframe order fetch 1`, then `veriframe job accept 1`")
    pay(studio, 1)
    assert following(shell).startswith("Done. To download it: `veriframe order fetch 1`. ")


def test_a_job_alone_has_both_commands(shell: Shell) -> None:
    """It may be a scene or frames: only its asset tells."""
    shell.create()
    submit(shell, 1)
    both = "`veriframe job fetch 1` (of frames: `veriframe order fetch 1`)"
    assert following(shell).startswith(f"{both}, then `veriframe job accept 1`")
    shell.run("accept", "1")
    assert following(shell).startswith(f"Done. To download it: {both}.")
