"""`veriframe order watch --verify` on fakes, and once on the embedded registry."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.fakes.registry import FakeRegistry
from tests.unit.cli.order.verifying import WHY, FakeVerifier, verifier
from tests.unit.cli.shell import Shell, lines, plain
from tests.unit.creator.orders.studio import Studio
from tests.unit.creator.stage import ARBITER, ARTIST, STRK
from typer.testing import CliRunner

from veriframe.cli import context, order
from veriframe.errors import SettingsError
from veriframe.model.content.cid import Cid, Codec
from veriframe.model.registry.job import Job, JobState, Verdict
from veriframe.model.registry.offer import Offer
from veriframe.model.verification.findings import Conclusion
from veriframe.ports.registry import read_job
from veriframe.settings import Settings
from veriframe.wiring import registries, renderers

__all__ = ["verifier"]  # a fixture

JUDGED = ("--arbiter", f"{ARBITER:#x}")


def _post(shell: Shell, studio: Studio, *options: str) -> None:
    shell.run("create", str(studio.bundle()), "--price", "0.05", "--yes", *options)


def _deliver(studio: Studio, *parts: int) -> None:
    async def work() -> None:
        for part in parts:
            await studio.deliver((await studio.status(1)).chunks[part])
        studio.shared.block += 1

    context.run(work())


def _then(shell: Shell, happens: Callable[[], bool], act: Callable[[], Awaitable[object]]) -> None:
    """Act once, at the first poll at which this has happened."""

    async def again() -> None:
        if happens():
            await act()
        else:
            shell.creator_registry.acts = [again]

    shell.creator_registry.acts = [again]


@pytest.mark.parametrize("option", ["--accept", "--dispute", "--reorder", "--tiles=9", "--thorough"])
def test_options_that_need_a_verification(shell: Shell, studio: Studio, option: str) -> None:
    """The option that is missing is named."""
    _post(shell, studio)
    assert "pass --verify" in str(shell.refusal("watch", "1", option))


def test_conclusions_stand_beside_the_chunks(shell: Shell, studio: Studio, verifier: FakeVerifier) -> None:
    """As lines with the reason and what can be done; `order show` has them, too, and nothing is moved."""
    _post(shell, studio, *JUDGED)
    _deliver(studio, 0, 1, 2)
    verifier.of = {2: Conclusion.WRONG, 3: Conclusion.UNDECIDED}
    moves = list(studio.shared.moves)
    told = plain(shell.run("watch", "1", "--verify", "--result", "--tiles", "9", "--thorough"))
    assert "frames 1-4 there, EXACT (job 1); 10 of 10 frames there job 1" in told
    assert f"frames 5-8 there, WRONG (job 2); 10 of 10 frames there. {WHY}" in told
    assert "job 1: `veriframe job accept 1` pays for it now" in told
    assert "job 2: `veriframe job dispute 2 --evidence " in told
    assert "for a bond of 0.02 STRK" in told
    assert "job 3: decide yourself: `veriframe verify 3" in told
    assert studio.shared.moves == moves
    assert [(job, request.tiles, request.thorough) for job, request in verifier.asked] == [
        (1, 9, True),
        (2, 9, True),
        (3, 9, True),
    ]
    assert verifier.opened == 0
    shown = shell.run("show", "1").stdout
    for text in ("= ! ?", "= 1 exact", "? 1 undecided", "! 1 wrong", "EXACT", "job 1", f"job 2: {WHY}"):
        assert text in shown, text


def test_a_restarted_watch_verifies_nothing_again(
    shell: Shell, studio: Studio, verifier: FakeVerifier
) -> None:
    """With --json: the conclusion and the reason are keys of a chunk."""
    _post(shell, studio)
    _deliver(studio, 0, 1, 2)
    verifier.of = {2: Conclusion.WRONG}
    first = lines(shell.run("watch", "1", "--verify", "--result", "--json"))
    (again,) = lines(shell.run("watch", "1", "--verify", "--result", "--json"))
    assert [chunk["conclusion"] for chunk in again["chunks"]] == ["EXACT", "WRONG", "EXACT"]
    assert [chunk["why"] for chunk in again["chunks"]] == [None, WHY, None]
    assert [chunk["conclusion"] for chunk in first[0]["chunks"]] == [None, None, None]
    assert [(one["chunks"][0]["job_id"], one["chunks"][0]["conclusion"]) for one in first[1:]] == [
        (1, "EXACT"),
        (2, "WRONG"),
        (3, "EXACT"),
    ]
    assert len(verifier.asked) == 3


def test_right_ones_are_paid_wrong_ones_disputed_and_ordered_again(
    shell: Shell, studio: Studio, verifier: FakeVerifier
) -> None:
    """To the end of the order: exit code 6, since a chunk was lost, and the new order is named."""
    _post(shell, studio, *JUDGED)
    _deliver(studio, 0, 1, 2)
    verifier.of = {2: Conclusion.WRONG}
    states = studio.shared.jobs

    async def decide() -> None:
        await FakeRegistry(ARBITER, studio.shared).resolve_dispute(2, Verdict.CREATOR, "bafkreport")

    _then(shell, lambda: states[2].state is JobState.DISPUTED, decide)
    result = shell.run("watch", "1", "--verify", "--accept", "--dispute", "--reorder")
    told = plain(result)
    assert result.exit_code == 6, result.exception
    assert [states[number].state for number in (1, 2, 3, 4)] == [
        JobState.PAID,
        JobState.REFUNDED,
        JobState.PAID,
        JobState.OPEN,
    ]
    assert "job 1: accepted: 0.2 STRK went to its worker" in told
    assert f"job 2: disputed, with the report as evidence; the arbiter {ARBITER:#x} has 3d" in told
    assert (
        "frames 5-8 ordered again as order 2: `veriframe order watch 2 --verify --accept --dispute"
        " --reorder`" in told
    )
    assert states[4].order.terms.reward_fri == states[2].order.terms.reward_fri


def test_a_chunk_that_lost_a_dispute_made_elsewhere_is_ordered_again(
    shell: Shell, studio: Studio, verifier: FakeVerifier
) -> None:
    """Without --dispute, and also if no more frames can come: then the watch waits for the arbiter."""
    _post(shell, studio, *JUDGED)
    _deliver(studio, 0, 1, 2)
    context.run(FakeRegistry(ARTIST, studio.shared).dispute_result(2, "bafkreport"))
    polls = list[int]()

    async def wait() -> None:
        if len(verifier.asked) == 2:
            polls.append(1)
        if len(polls) < 20:
            shell.creator_registry.acts = [wait]
        else:
            await FakeRegistry(ARBITER, studio.shared).resolve_dispute(2, Verdict.CREATOR, "bafkreport")

    shell.creator_registry.acts = [wait]
    told = plain(shell.run("watch", "1", "--verify", "--result", "--reorder"))
    assert studio.shared.jobs[4].state is JobState.OPEN
    assert "frames 5-8 ordered again as order 2" in told


def test_frames_of_a_refunded_result_are_not_there(shell: Shell, studio: Studio) -> None:
    """In the counts, and when they are fetched: the money was returned, and the arbiter found them wrong."""
    _post(shell, studio, *JUDGED)
    _deliver(studio, 0, 1, 2)
    context.run(FakeRegistry(ARTIST, studio.shared).dispute_result(2, "bafkreport"))
    assert shell.object("show", "1")["frames_there"] == 10
    context.run(FakeRegistry(ARBITER, studio.shared).resolve_dispute(2, Verdict.CREATOR, "bafkreport"))
    shown = shell.object("show", "1")
    assert (shown["frames"], shown["frames_there"], shown["counts"]["refunded"]) == (10, 6, 1)
    assert "6 of 10 frames" in plain(shell.run("show", "1"))
    fetched = shell.object("fetch", "1")
    assert fetched["written"] == [1, 2, 3, 4, 9, 10]
    assert [(one["frames"], one["at_fault"]) for one in fetched["missing"]] == [([5, 6, 7, 8], False)]
    assert "lost the dispute" in fetched["missing"][0]["why"]


def test_what_was_not_checked_is_not_paid_for(shell: Shell, studio: Studio, verifier: FakeVerifier) -> None:
    """fault_264: the best conclusion means nothing then."""
    _post(shell, studio)
    _deliver(studio, 0, 1, 2)
    verifier.checks = False
    told = plain(shell.run("watch", "1", "--verify", "--accept", "--result"))
    assert "frames 1-4 there, UNDECIDED" in told
    assert "nothing" in told.lower()
    assert {job.state for job in studio.shared.jobs.values()} == {JobState.SUBMITTED}


def test_a_missing_bond_is_said_at_the_start(shell: Shell, studio: Studio, verifier: FakeVerifier) -> None:
    """fault_315: with what is missing, and the remedy; the watch goes on."""
    _post(shell, studio, *JUDGED)
    _deliver(studio, 0, 1, 2)
    studio.shared.wallets[ARTIST] = STRK // 100
    told = plain(shell.run("watch", "1", "--verify", "--dispute", "--result"))
    assert "The account lacks 0.05 STRK for 3 dispute bonds of 0.06 STRK" in told
    assert "Send it more." in told
    assert len(verifier.asked) == 3


def test_a_grid_shows_conclusions(terminal: Shell, studio: Studio, verifier: FakeVerifier) -> None:
    """Each with its own letter, and the last lines below."""
    _post(terminal, studio)
    _deliver(studio, 0, 1, 2)
    verifier.of = {2: Conclusion.WITHHELD, 3: Conclusion.EQUAL}
    studio.shared.now += Offer(reward_fri=1).terms(0).review_seconds // 2
    drawn = terminal.run("watch", "1", "--verify", "--result").stdout
    for text in ("= - ~", "1 withheld", "1 equal", "names no arbiter"):
        assert text in drawn, text


def test_a_machine_that_cannot_render_verifies_nothing(shell: Shell, studio: Studio) -> None:
    """The remedy is named."""
    _post(shell, studio)
    shell.no_blender = SettingsError("Blender is missing. Install it.")
    assert "Blender is missing. Install it." in str(shell.refusal("watch", "1", "--verify"))


def test_only_its_creator_decides_on_an_order(shell: Shell, studio: Studio, verifier: FakeVerifier) -> None:
    """Anyone may verify."""
    _post(shell, studio)
    _deliver(studio, 0, 1, 2)
    shell.creator_registry._account = ARBITER
    assert "--verify alone" in str(shell.refusal("watch", "1", "--verify", "--accept"))
    assert shell.run("watch", "1", "--verify", "--result").exit_code == 0
    assert len(verifier.asked) == 3


def test_a_failure_of_the_review_ends_the_watch(shell: Shell, studio: Studio, verifier: FakeVerifier) -> None:
    """As of any command: with its sentence and its code."""
    _post(shell, studio)
    _deliver(studio, 0)

    async def fail(_job: Job) -> None:
        raise SettingsError("The sandbox is gone.")

    verifier.act = fail
    assert str(shell.refusal("watch", "1", "--verify")) == "The sandbox is gone."


def _cid(content: str) -> str:
    return str(Cid(Codec.DAG_PB, bytes.fromhex(content * 32)))


def test_on_the_embedded_registry(
    tmp_path: Path, shell: Shell, studio: Studio, verifier: FakeVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk is paid for; another is disputed, lost and ordered again. The cheat's bond is burned."""
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "embedded"
    context.read_settings(None, ["poll_seconds=0.01"], {"home": str(home)})
    settings: Settings = context.current().settings
    monkeypatch.setattr(renderers, "build_for_one", shell.build_renderer)
    monkeypatch.setattr("veriframe.cli.order.reviewing.build_verifier", verifier.build)
    worker, arbiter = (registries.embedded(settings, name) for name in ("worker", "arbiter"))
    bundle = studio.bundle()
    run = CliRunner().invoke
    what = ["--frames", "1-8", "--chunk", "4", "--reward", "1", "--bond", "0.5", "--yes", "--no-check"]
    posted = run(order.app, ["create", str(bundle), *what, "--arbiter", f"{arbiter.account:#x}"])
    assert posted.exit_code == 0, posted.output

    async def work() -> None:
        for job_id in (1, 2):
            await worker.claim(job_id)
            await worker.submit_result(job_id, _cid(f"0{job_id}"))

    async def decide(job: Job) -> None:
        # The second result is verified while the dispute about the first one is decided.
        if job.id == 2:
            await arbiter.resolve_dispute(1, Verdict.CREATOR, _cid("0a"))

    context.run(work())
    before_fri = context.run(worker.funds(worker.account)).means_fri
    verifier.of, verifier.act = {1: Conclusion.WRONG}, decide
    watch = ["watch", "1", "--verify", "--accept", "--dispute", "--reorder", "--json"]
    result = run(order.app, watch)
    assert result.exit_code == 6, result.output
    polls = [json.loads(line) for line in result.stdout.splitlines()]
    assert {chunk["state"] for chunk in polls[-1]["chunks"]} <= {"paid", "refunded"}
    states = [context.run(read_job(worker, number)).state for number in (1, 2, 3)]
    assert states == [JobState.REFUNDED, JobState.PAID, JobState.OPEN]
    assert context.run(worker.funds(worker.account)).means_fri - before_fri == STRK + STRK // 2
    assert context.run(worker.totals()).burned_fri == STRK // 2
    assert run(order.app, watch).exit_code == 6
    assert context.run(worker.snapshot(1, 0)).job_counter == 3
    evidence = next((home / "verifications").rglob("*.json")).read_bytes()
    assert json.loads(evidence)["jobs"][0]["job"] == 1
