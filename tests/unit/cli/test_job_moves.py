"""`veriframe job watch`, `fetch`, `accept`, `cancel`, `dispute`: output, files, moves and exit codes."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.cli.shell import Acting, Shell, claim_first, plain, submit
from tests.unit.creator.stage import ARBITER, ARTIST, PNG, WORKER
from tests.unit.model.verification.test_report import EXACT, JOB

from veriframe.cli import context
from veriframe.errors import MoveRefused, SettingsError, ValidationFailed
from veriframe.model.registry.job import format_address
from veriframe.model.registry.offer import LEASE_SECONDS
from veriframe.model.verification.findings import FrameFinding
from veriframe.model.verification.report import write_report


def _story(shell: Shell) -> list[Callable[[], Awaitable[object]]]:
    stage = shell.stage

    async def claim() -> None:
        await claim_first(shell)

    async def submit() -> None:
        await stage.worker.submit_result(1, stage.store.keep(PNG))

    async def pay() -> None:
        await shell.creator_registry.accept_result(1)

    return [stage.funds, claim, stage.funds, submit, pay]


def test_watch_prints_a_line_for_each_change(shell: Shell) -> None:
    """Until the job is paid: exit code 0."""
    shell.create()
    shell.creator_registry.acts = _story(shell)
    result = shell.run("watch", "1")
    worker = format_address(WORKER)
    assert [
        "job 1 OPEN, deadline ends in 1d",
        f"job 1 CLAIMED by {worker}, lease ends in 1h",
        f"job 1 SUBMITTED by {worker}, review ends in 10m",
        f"job 1 PAID by {worker}",
    ] == [line.partition(", result")[0] for line in result.stdout.splitlines()]
    assert (result.exit_code, result.stderr) == (0, "")


def test_watch_until_there_is_a_result(shell: Shell) -> None:
    """For scripts that fetch and accept: `--result` stops at SUBMITTED with exit code 0."""
    shell.create()
    shell.creator_registry.acts = _story(shell)
    result = shell.run("watch", "1", "--result", "--json")
    states = [json.loads(line)["state"] for line in result.stdout.splitlines()]
    assert (states, result.exit_code) == (["OPEN", "CLAIMED", "SUBMITTED"], 0)


def test_watch_on_a_terminal_suggests_the_next_step(terminal: Shell) -> None:
    """The same changes, a bar below them, and the next step."""
    terminal.create()
    terminal.creator_registry.acts = _story(terminal)
    result = terminal.run("watch", "1")
    said = plain(result)
    assert result.exit_code == 0
    for words in ("job 1 OPEN", "job 1 CLAIMED", "job 1 SUBMITTED", "job 1 PAID", "veriframe job accept 1"):
        assert words in said


def test_watch_of_a_refunded_job_exits_with_6(shell: Shell) -> None:
    """So that a script knows that there is no picture."""
    shell.create()
    shell.run("cancel", "1")
    assert shell.run("watch", "1").exit_code == 6


@pytest.mark.parametrize("on_terminal", [False, True])
def test_ctrl_c_ends_a_watch_quietly(
    shell: Shell, on_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 130, no traceback, no error message."""
    if on_terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")

    async def interrupt() -> None:
        raise KeyboardInterrupt

    shell.create()
    shell.creator_registry.acts = [shell.stage.funds, interrupt]
    result = shell.run("watch", "1")
    assert result.exit_code == 130
    assert "Traceback" not in result.output
    assert "Abort" not in result.output


def _submitted(shell: Shell, *options: str) -> None:
    async def submit() -> None:
        await claim_first(shell)
        await shell.stage.worker.submit_result(1, shell.stage.store.keep(PNG))

    shell.create(*options)
    context.run(submit())


def test_fetch_writes_the_picture_and_prints_its_size(shell: Shell) -> None:
    """By default in the working folder, named by the job's number."""
    _submitted(shell)
    result = shell.run("fetch", "1")
    assert f"job-1.png: 640×360 pixels, {len(PNG)} B\n" == result.stdout
    assert Path("job-1.png").read_bytes() == PNG


def test_fetch_replaces_only_with_force(shell: Shell) -> None:
    """An existing file is kept otherwise."""
    _submitted(shell)
    Path("mine.png").write_bytes(b"mine")
    assert "--force" in str(shell.refusal("fetch", "1", "-o", "mine.png"))
    answer = shell.object("fetch", "1", "--output", "mine.png", "--force")
    assert (1, "mine.png", 640, 360, len(PNG)) == tuple(
        answer[key] for key in ("job_id", "path", "width", "height", "size_bytes")
    )


def test_fetch_writes_to_stdout(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only the picture, and no file; fault_154: nothing of what is no picture."""
    _submitted(shell)
    before = sorted(tmp_path.iterdir())
    result = shell.run("fetch", "1", "-o", "-")
    assert (result.exit_code, result.stdout_bytes) == (0, PNG)
    assert sorted(tmp_path.iterdir()) == before
    shell.stage.store.files = dict.fromkeys(shell.stage.store.files, b"no picture")
    result = shell.run("fetch", "1", "-o", "-")
    assert (isinstance(result.exception, ValidationFailed), result.stdout_bytes) == (True, b"")
    assert "--json" in str(shell.refusal("fetch", "1", "-o", "-", "--json"))


def test_accept_says_who_got_the_money(shell: Shell) -> None:
    """The reward and the bond, in one sentence."""
    _submitted(shell)
    said = shell.run("accept", "1").stdout
    assert said.count("\n") == 1
    for words in ("PAID", "5 STRK", "0.5 STRK", format_address(WORKER)):
        assert words in said
    assert shell.object("show", "1")["state"] == "PAID"


def test_cancel_after_a_worker_disappeared(shell: Shell) -> None:
    """The claim has lapsed: the job shows it and can be cancelled."""
    shell.create()
    context.run(claim_first(shell))
    assert isinstance(shell.refusal("cancel", "1"), MoveRefused)
    shell.stage.shared.now += LEASE_SECONDS
    assert "CLAIMED (lapsed)" in plain(shell.run("show", "1"))
    said = shell.run("cancel", "1").stdout
    for words in ("REFUNDED", "5 STRK", "0.5 STRK", "burned", "account withdraw 5"):
        assert words in said
    answer = shell.object("show", "1")
    assert (answer["state"], answer["lapsed"]) == ("REFUNDED", False)


def test_cancel_says_where_the_reward_is(shell: Shell) -> None:
    """It is credit, and the acting account may withdraw it; no bond is mentioned."""
    shell.create()
    said = shell.run("cancel", "1").stdout
    assert "veriframe --account creator account withdraw 5" in said
    assert "burned" not in said


def test_dispute_without_evidence_asks_nothing(shell: Shell) -> None:
    """Nothing new becomes public."""
    _submitted(shell, "--arbiter", hex(ARBITER))
    result = shell.run("dispute", "1")
    assert "DISPUTED" in result.stdout
    assert "0.5 STRK" in result.stdout
    assert "becomes public" not in result.stderr


def test_dispute_with_evidence_needs_consent(shell: Shell) -> None:
    """Without a terminal by --yes; then the file is the evidence."""
    _submitted(shell, "--arbiter", hex(ARBITER))
    Path("why.txt").write_text("look at the sky", encoding="utf-8")
    error = shell.refusal("dispute", "1", "--evidence", "why.txt")
    assert (SettingsError, True) == (type(error), "--yes" in str(error))
    result = shell.run("dispute", "1", "--evidence", "why.txt", "--yes")
    assert "The evidence becomes public" in result.stderr
    assert b"look at the sky" in shell.stage.store.files.values()


def test_a_folder_is_no_evidence(shell: Shell) -> None:
    """Told before anything is asked, with the file that `veriframe verify` writes to such a folder."""
    _submitted(shell, "--arbiter", hex(ARBITER))
    Path("report").mkdir()
    for command in (("dispute", "1"), ("resolve", "1", "--verdict", "worker")):
        error = shell.refusal(*command, "--evidence", "report")
        assert isinstance(error, SettingsError)
        assert "verification.json" in str(error)
        assert "scene" not in str(error)


def test_the_evidence_of_a_dispute_is_named_and_fetched(shell: Shell) -> None:
    """By its CID, for people and in JSON; where none was given, the result itself is named."""
    _submitted(shell, "--arbiter", hex(ARBITER))
    assert shell.object("show", "1")["evidence_cid"] is None
    assert isinstance(shell.refusal("fetch", "1", "--evidence"), MoveRefused)
    Path("why.txt").write_text("look at the sky", encoding="utf-8")
    shell.run("dispute", "1", "--evidence", "why.txt", "--yes")
    shown = shell.object("show", "1")
    assert shell.stage.store.files[shown["evidence_cid"]] == b"look at the sky"
    assert shown["verdict_cid"] is None
    said = plain(shell.run("show", "1"))
    assert f"evidence {shown['evidence_cid']}, `veriframe job fetch 1 --evidence` fetches it" in said
    fetched = shell.object("fetch", "1", "--evidence")
    assert (fetched["cid"], Path(fetched["path"]).read_text()) == (shown["evidence_cid"], "look at the sky")
    assert shell.run("fetch", "1", "--evidence", "-o", "-").stdout == "look at the sky"
    assert isinstance(shell.refusal("fetch", "1", "--evidence"), SettingsError)
    assert isinstance(shell.refusal("fetch", "1", "--evidence", "--verdict"), SettingsError)
    shell.creator_registry = Acting(ARBITER, shell.stage.shared)
    shell.run("resolve", "1", "--verdict", "worker")
    resolved = shell.object("show", "1")
    assert resolved["verdict_cid"] == resolved["result_cid"]
    assert "the result itself" in plain(shell.run("show", "1"))
    assert isinstance(shell.refusal("fetch", "1", "--verdict"), MoveRefused)


def test_a_report_that_proves_the_result_right_is_no_evidence(shell: Shell) -> None:
    """fault_277: the creator would lose the bond to the worker. Nor is one about other jobs or results."""
    _submitted(shell, "--arbiter", hex(ARBITER))
    result = shell.object("show", "1")["result_cid"]
    right = replace(JOB, job=1, result_cid=result, frames=(FrameFinding(number=1, tiles=(EXACT,)),))
    Path("report.json").write_bytes(write_report([right]))
    error = shell.refusal("dispute", "1", "--evidence", "report.json", "--yes")
    assert "is right" in str(error)
    Path("report.json").write_bytes(write_report([replace(JOB, job=2), replace(JOB, job=3)]))
    other = shell.refusal("dispute", "1", "--evidence", "report.json", "--yes")
    assert isinstance(other, SettingsError)
    assert "is about jobs 2-3, not about job 1" in str(other)
    Path("report.json").write_bytes(write_report([replace(JOB, job=1)]))
    earlier = shell.refusal("dispute", "1", "--evidence", "report.json", "--yes")
    assert "about another result of job 1" in str(earlier)
    for refused in (error, other, earlier):
        assert "`veriframe verify 1 -o DIR`" in str(refused)
    assert shell.object("show", "1")["state"] == "SUBMITTED"
    Path("report.json").write_bytes(
        write_report([replace(JOB, job=1, result_cid=result), replace(right, job=2)])
    )
    assert "DISPUTED" in shell.run("dispute", "1", "--evidence", "report.json", "--yes").stdout


@pytest.mark.parametrize(
    ("verdict", "state", "said"),
    [
        ("worker", "PAID", "went to the worker"),
        ("creator", "REFUNDED", "is burned"),
        ("Neither", "PAID", "both"),
    ],
)
def test_the_arbiter_resolves_a_dispute(shell: Shell, verdict: str, state: str, said: str) -> None:
    """fault_196: with what became of the money; nobody else can."""
    shell.create("--arbiter", hex(ARBITER))
    submit(shell, 1)
    shell.run("dispute", "1")
    refused = shell.refusal("resolve", "1", "--verdict", verdict)
    assert (type(refused), getattr(refused, "rule", "")) == (MoveRefused, "NOT_ARBITER")
    shell.creator_registry = Acting(ARBITER, shell.stage.shared)
    result = shell.run("resolve", "1", "--verdict", verdict)
    assert (result.exit_code, said in plain(result)) == (0, True)
    assert shell.stage.shared.jobs[1].state == state


def test_the_arbiters_evidence_is_published(shell: Shell, tmp_path: Path) -> None:
    """fault_196: with consent, and only for a verdict that the registry takes."""
    shell.create("--arbiter", hex(ARBITER))
    submit(shell, 1)
    reasons = tmp_path / "reasons.txt"
    reasons.write_text("The picture is black.")
    shell.creator_registry = Acting(ARBITER, shell.stage.shared)
    arguments = ("resolve", "1", "--verdict", "creator", "--evidence", str(reasons), "--yes")
    kept = len(shell.stage.store.files)
    assert isinstance(shell.refusal(*arguments), MoveRefused)
    assert len(shell.stage.store.files) == kept
    shell.creator_registry = Acting(ARTIST, shell.stage.shared)
    shell.run("dispute", "1")
    shell.creator_registry = Acting(ARBITER, shell.stage.shared)
    assert shell.run(*arguments).exit_code == 0
    assert len(shell.stage.store.files) == kept + 1
