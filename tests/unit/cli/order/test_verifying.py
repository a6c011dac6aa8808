"""`veriframe verify` and `order verify`: what is refused before anything is rendered, and what is noted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fakes.registry import FakeRegistry
from tests.unit.cli.order.verifying import WHY, FakeVerifier, verifier
from tests.unit.cli.shell import Shell, plain
from tests.unit.creator.orders.studio import Studio
from typer import Typer

from veriframe.cli import context, order
from veriframe.cli.display.error import exit_code
from veriframe.cli.verification import running, verify
from veriframe.errors import MoveRefused, RegistryUnavailable, SettingsError, StoreUnavailable
from veriframe.model.registry.job import JobState
from veriframe.model.verification.findings import Conclusion
from veriframe.model.verification.report import parse_report
from veriframe.model.verification.words import NAMED
from veriframe.wiring import registries

__all__ = ["verifier"]  # a fixture


@pytest.fixture
def delivered(
    shell: Shell, studio: Studio, verifier: FakeVerifier, monkeypatch: pytest.MonkeyPatch
) -> FakeVerifier:
    """Order 1: frames 1-4 and 5-8 have come as jobs 1 and 2, frames 9 and 10 of job 3 have not."""
    monkeypatch.setattr(running, "build_verifier", verifier.build)
    shell.run("create", str(studio.bundle()), "--price", "0.05", "--yes")

    async def deliver() -> None:
        for part in (0, 1):
            await studio.deliver((await studio.status(1)).chunks[part])
        studio.shared.block += 1

    context.run(deliver())
    return verifier


@pytest.fixture
def single(shell: Shell) -> Callable[[], None]:
    """Makes the shell's command `veriframe verify`."""

    def choose() -> None:
        shell.app = Typer()
        shell.app.command("verify")(verify.verify)
        shell.app.command("other")(lambda: None)

    return choose


def test_frames_that_the_order_does_not_have(shell: Shell, studio: Studio) -> None:
    """They never come: it is no reason to wait, as for those that have not come yet."""
    shell.run("create", str(studio.bundle()), "--price", "0.05", "--yes")
    refused = shell.refusal("verify", "1", "--frames", "2,99")
    assert isinstance(refused, SettingsError)
    assert "no frame 99" in str(refused)
    assert "frames 1-4" in str(refused)
    waits = shell.refusal("verify", "1", "--frames", "2")
    assert isinstance(waits, MoveRefused)
    assert "order watch 1" in str(waits)


def test_frames_that_have_not_come_do_not_stop_the_others(shell: Shell, delivered: FakeVerifier) -> None:
    """Of an order whose chunks come one by one."""
    assert shell.run("verify", "1", "--frames", "3-9").exit_code == 0
    assert [(job, asked.frames) for job, asked in delivered.asked] == [
        (1, (3, 4, 5, 6, 7, 8)),
        (2, (3, 4, 5, 6, 7, 8)),
    ]


def test_one_bad_number_does_not_stop_the_others(
    shell: Shell, delivered: FakeVerifier, single: Callable[[], None]
) -> None:
    """fault_325: each is told, and the exit code is that of the worst conclusion, or of the first error."""
    single()
    result = shell.run("verify", "999", "1", "3", "2")
    assert [job for job, _ in delivered.asked] == [1, 2]
    assert result.exit_code == exit_code(shell.refusal("verify", "999")) == 4
    for told in ("999", "Job 3 has no result yet", "job 1: exact", "job 2: exact"):
        assert told in plain(result)
    delivered.of = {1: Conclusion.UNDECIDED, 2: Conclusion.WRONG}
    assert shell.run("verify", "1", "999", "2").exit_code == 10
    reported = shell.run("verify", "1", "999", "--json")
    assert reported.exit_code == 12
    assert [job["job"] for job in json.loads(reported.stdout)["jobs"]] == [1]


def test_one_result_that_fails_does_not_stop_the_others(
    shell: Shell, delivered: FakeVerifier, single: Callable[[], None]
) -> None:
    """fault_325: also one whose verification ends with an error."""

    async def fail(job: object) -> None:
        if len(delivered.asked) == 1:
            raise StoreUnavailable(f"The store does not have {type(job).__name__}.")

    delivered.act = fail
    single()
    result = shell.run("verify", "1", "2")
    assert (result.exit_code, len(delivered.asked)) == (3, 2)
    assert "job 2: exact" in plain(result)


def test_frames_that_a_job_lacks_are_refused_before_the_sandbox_starts(
    shell: Shell, delivered: FakeVerifier, single: Callable[[], None]
) -> None:
    """fault_326: with the frames that it has; exit code 2."""
    single()
    shell.no_blender = SettingsError("The sandbox was started.")
    for numbers in (["1"], ["1", "2"]):
        refused = shell.refusal("verify", *numbers, "--frames", "4,9")
        assert isinstance(refused, SettingsError)
        assert "no frame 9" in str(refused)
        assert "job 1 has frames 1-4" in str(refused)
    shell.no_blender = None
    result = shell.run("verify", "1", "2", "--frames", "6")
    assert result.exit_code == 2
    assert [job for job, _ in delivered.asked] == [2]
    assert "Job 1 has none of these frames, but frames 1-4" in plain(result)


def test_what_was_verified_is_accepted(shell: Shell, studio: Studio, delivered: FakeVerifier) -> None:
    """fault_329: nothing has to be fetched, or verified again."""
    assert "order verify 1" in str(shell.refusal("accept", "1"))
    assert shell.run("verify", "1").exit_code == 0
    assert shell.run("accept", "1").exit_code == 0
    states = [studio.shared.jobs[number].state for number in (1, 2, 3)]
    assert states == [JobState.PAID, JobState.PAID, JobState.OPEN]
    assert len(delivered.asked) == 2


def test_what_was_found_wrong_is_not_accepted(shell: Shell, studio: Studio, delivered: FakeVerifier) -> None:
    """fault_329: also not with --unchecked, and the reason is told."""
    delivered.of = {1: Conclusion.WRONG, 2: Conclusion.UNDECIDED}
    assert shell.run("verify", "1").exit_code == 10
    assert isinstance(shell.refusal("accept", "1"), MoveRefused)
    result = shell.run("accept", "1", "--unchecked")
    assert [studio.shared.jobs[number].state for number in (1, 2)] == [JobState.SUBMITTED, JobState.PAID]
    assert WHY.rstrip(".") in plain(result)
    assert "job accept 1" in plain(result)


def test_frames_that_a_person_chose_prove_nothing(shell: Shell, delivered: FakeVerifier) -> None:
    """fault_329: they were not drawn, so that its worker may have known them; it is said."""
    result = shell.run("verify", "1", "--frames", "1-8", "-o", "report")
    (told, _) = parse_report(Path("report/verification.json").read_bytes())
    assert told.are_named
    page = Path("report/verification.html").read_text(encoding="utf-8")
    assert "of frames that were named, not drawn" in result.stdout
    assert NAMED in result.stderr
    assert ("were named, not drawn" in page, "nobody knew" in page) == (True, False)
    assert isinstance(shell.refusal("accept", "1"), MoveRefused)
    assert len(delivered.asked) == 2


def test_drawn_frames_are_not_called_named(shell: Shell, delivered: FakeVerifier) -> None:
    """Nobody knew them, and the page says so."""
    result = shell.run("verify", "1", "-o", "report")
    page = Path("report/verification.html").read_text(encoding="utf-8")
    assert ("named, not drawn" in result.output + page, "nobody knew" in page) == (False, True)
    assert len(delivered.asked) == 2


def test_where_the_report_is_is_told(shell: Shell, delivered: FakeVerifier) -> None:
    """With `--json` on stderr, because stdout is for programs."""
    told = "The report: report/verification.html"
    result = shell.run("verify", "1", "-o", "report")
    assert (told in result.stdout, told in result.stderr) == (True, False)
    reported = shell.run("verify", "1", "-o", "report", "--json")
    assert told in reported.stderr
    assert reported.stdout.encode() == Path("report/verification.json").read_bytes()
    assert told not in shell.run("verify", "1", "--json").stderr
    assert delivered.asked


def test_a_watch_goes_on_with_what_was_verified(
    shell: Shell, studio: Studio, delivered: FakeVerifier, single: Callable[[], None]
) -> None:
    """fault_329: a result that `veriframe verify` found right is not verified again in its order's review."""
    single()
    assert shell.run("verify", "1", "2").exit_code == 0

    async def deliver_the_last() -> None:
        await studio.deliver((await studio.status(1)).chunks[2])
        studio.shared.block += 1

    context.run(deliver_the_last())
    shell.app = order.app
    assert shell.run("watch", "1", "--verify", "--result").exit_code == 0
    assert [job for job, _ in delivered.asked] == [1, 2, 3]


def test_what_it_waits_for_is_said_before_it_waits(
    shell: Shell, delivered: FakeVerifier, single: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry that is away is asked several times, which takes seconds."""

    def away(*_arguments: object) -> FakeRegistry:
        raise RegistryUnavailable("No node answers.")

    monkeypatch.setattr(registries, "reader", away)
    assert "the registry" in shell.run("verify", "1").stderr
    single()
    assert "the registry" in shell.run("verify", "1").stderr
    assert delivered.asked == []
