"""What `veriframe job accept` and `dispute` refuse, with what to do instead, and what a dispute asks."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.cli.shell import Shell, claim_first, plain, submit
from tests.unit.creator.stage import ARBITER

from veriframe.cli import context
from veriframe.errors import MoveRefused

JUDGED = ("--arbiter", hex(ARBITER))


@pytest.mark.parametrize("move", ["accept", "dispute"])
def test_without_a_result_the_command_that_waits_is_named(shell: Shell, move: str) -> None:
    """While a worker renders it."""
    shell.create(*JUDGED)
    context.run(claim_first(shell))
    refused = shell.refusal(move, "1")
    assert isinstance(refused, MoveRefused)
    assert "Job 1 is CLAIMED." in str(refused)
    assert "veriframe job watch 1" in str(refused)


@pytest.mark.parametrize("move", ["accept", "dispute"])
def test_a_disputed_job_is_the_arbiters(shell: Shell, move: str) -> None:
    """With the time that it has; after that, and after the end, something else is said."""
    shell.create(*JUDGED)
    submit(shell, 1)
    shell.run("dispute", "1")
    assert "Its arbiter decides, for at most another 3d" in str(shell.refusal(move, "1"))
    shell.stage.shared.now = shell.stage.shared.jobs[1].arbitration_end
    assert "did not decide in time" in str(shell.refusal(move, "1"))
    context.run(shell.stage.worker.finalize(1))
    assert "nothing left" in str(shell.refusal(move, "1"))


@pytest.mark.parametrize("evidence", [(), ("--evidence", "why.txt")])
def test_without_an_arbiter_nothing_is_asked(shell: Shell, evidence: tuple[str, ...]) -> None:
    """The option that names one is named, before a question about the file, or a demand for --yes."""
    Path("why.txt").write_text("look at the sky", encoding="utf-8")
    shell.create()
    submit(shell, 1)
    refused = shell.refusal("dispute", "1", *evidence)
    assert isinstance(refused, MoveRefused)
    assert ("no arbiter" in str(refused), "--arbiter ADDRESS" in str(refused)) == (True, True)
    asked = shell.run("dispute", "1", *evidence, typed="y\n")
    assert isinstance(asked.exception, MoveRefused)
    assert "public" not in asked.output


def test_the_question_about_evidence_names_the_bond(shell: Shell) -> None:
    """A no binds nothing, and publishes nothing."""
    Path("why.txt").write_text("look at the sky", encoding="utf-8")
    shell.create(*JUDGED)
    submit(shell, 1)
    result = shell.run("dispute", "1", "--evidence", "why.txt", typed="n\n")
    assert "for a bond of 0.5 STRK that may be lost?" in plain(result)
    assert (result.exit_code, shell.object("show", "1")["state"]) == (1, "SUBMITTED")


def test_the_help_says_what_is_not_asked(shell: Shell) -> None:
    """The bond is bound at once, like the money of other decisions."""
    said = " ".join(plain(shell.run("dispute", "--help")).replace("│", " ").split())
    assert "at once" in said
    assert "not even the bond" in said
