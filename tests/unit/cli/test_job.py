"""`veriframe job` through its own commands, over fakes: what is asked, said, and left as an exit code."""

from __future__ import annotations

import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.registry import FakeRegistry, Shared
from tests.scenes.blend_bytes import blend, block
from tests.unit.creator.stage import ARBITER, ARTIST, PNG, STRK, WORKER, Stage
from typer import testing
from typer.testing import Result

from veriframe import wiring
from veriframe.cli import context, job
from veriframe.errors import JobRejected, MoveRefused, SettingsError, VeriFrameError
from veriframe.model.job import Job, format_address
from veriframe.model.offer import LEASE_SECONDS, Offer

SCENE = blend(block(b"REND", b"x" * 72))


class Acting(FakeRegistry):
    """At each look at a job, the next of `acts` happens first: others go on while one watches."""

    def __init__(self, account: int, shared: Shared, wallet_fri: int = 0) -> None:
        super().__init__(account, shared, wallet_fri=wallet_fri)
        self.acts: list[Callable[[], Awaitable[object]]] = []

    async def get_job(self, job_id: int) -> Job:
        """One job, after the next act."""
        if self.acts:
            await self.acts.pop(0)()
        return await super().get_job(job_id)


class Keyboard(io.BytesIO):
    """What a person types at a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


class Shell:
    """Runs commands as the creator, and keeps what the wiring was asked for."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.desk = Acting(ARTIST, stage.shared)
        self.accounts: list[str] = []

    def registry(self, _settings: object, account: str) -> FakeRegistry:
        """In place of `wiring.registry`."""
        self.accounts.append(account)
        return self.desk

    def run(self, *arguments: str, typed: str | None = None) -> Result:
        """One command, without a terminal unless something is typed."""
        with pytest.MonkeyPatch.context() as patched:
            if typed is not None:
                keyboard = Keyboard(typed.encode())
                patched.setattr(testing, "make_input_stream", lambda _input, _charset: keyboard)
            return testing.CliRunner().invoke(job.app, arguments)

    def object(self, *arguments: str) -> dict[str, Any]:
        """A command that answers with one JSON object, and nothing else on stdout."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.exception
        answer = json.loads(result.stdout)
        assert isinstance(answer, dict)
        return answer

    def refusal(self, *arguments: str) -> VeriFrameError:
        """A command that ends with an error of ours, which `main` turns into a sentence and a code."""
        result = self.run(*arguments)
        assert isinstance(result.exception, VeriFrameError), result.output
        return result.exception

    def create(self, *arguments: str) -> Result:
        """Post the scene."""
        return self.run("create", str(self.stage.scene), "--reward", "5", "--yes", *arguments)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell in an empty folder, without a terminal."""
    for variable in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    stage = Stage(tmp_path)
    stage.scene.write_bytes(SCENE)
    shell = Shell(stage)
    monkeypatch.setattr(wiring, "registry", shell.registry)
    monkeypatch.setattr(wiring, "store", lambda _settings: stage.store)
    context.read_settings(None, ["poll_seconds=0.001"], {"home": str(tmp_path / "home")})
    return shell


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, shell: Shell) -> Shell:
    """The same shell where output goes to a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    return shell


def plain(result: Result) -> str:
    """What was said, as words with one space between: lines are broken where a terminal ends."""
    return " ".join(result.output.split())


# create


def test_create_posts_and_says_the_number(shell: Shell) -> None:
    """Stdout has the result, stderr what is about to happen; the account is the creator's by default."""
    result = shell.create()
    assert result.stdout == "Posted as job 1. `veriframe job watch 1` follows it.\n"
    assert "becomes public" in result.stderr
    assert "5 STRK" in result.stderr
    assert (result.exit_code, shell.accounts) == (0, ["creator"])
    assert shell.stage.pin_names() == ["order-asset-1"]


def test_create_as_json_has_all_a_script_needs(shell: Shell) -> None:
    """Ids, CID, exact amounts in fri; the spans that were asked for, and nobody as null."""
    posted = json.loads(
        shell.create("--json", "--bond", "0.25", "--lease", "2h", "--arbiter", hex(ARBITER)).stdout
    )
    assert posted["job_ids"] == [1]
    assert (posted["reward_fri"], posted["bond_fri"], posted["lease_seconds"]) == (5 * STRK, STRK // 4, 7200)
    assert (hex(ARBITER), None) == (posted["arbiter"], posted["named_worker"])
    assert (posted["deposited_fri"], posted["asset_cid"] in shell.stage.store.files) == (5 * STRK, True)


def test_create_without_a_terminal_needs_yes(shell: Shell) -> None:
    """Before the scene is even read: nothing is posted that nobody agreed to."""
    error = shell.refusal("create", "no-such-file.blend", "--reward", "5")
    assert (SettingsError, True) == (type(error), "Say --yes" in str(error))
    assert shell.stage.shared.moves == []


def test_create_asks_on_a_terminal_after_the_warning(shell: Shell) -> None:
    """A yes posts."""
    result = shell.run("create", str(shell.stage.scene), "--reward", "5", typed="y\n")
    assert (
        result.exit_code,
        shell.stage.shared.moves,
    ) == (0, ["deposit 5000000000000000000", "create_order"])
    assert result.stderr.index("becomes public") < result.stderr.index("Post it?")


@pytest.mark.parametrize(("typed", "code"), [("n\n", 1), ("\n", 1), ("", 130)])
def test_create_publishes_nothing_without_a_yes(shell: Shell, typed: str, code: int) -> None:
    """No is the answer where nothing was typed; the end of the input is as Ctrl-C."""
    result = shell.run("create", str(shell.stage.scene), "--reward", "5", typed=typed)
    assert code == result.exit_code
    assert (shell.stage.store.files, shell.stage.shared.moves) == ({}, [])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--reward", "a lot"), "“a lot” is not an amount of STRK"),
        (("--reward", "1", "--lease", "60"), "“60” is not a span of time"),
        (("--reward", "1", "--arbiter", "Alice"), "“Alice” is not an address"),
    ],
)
def test_arguments_that_cannot_be_read_are_settings_errors(
    shell: Shell, arguments: tuple[str, ...], sentence: str
) -> None:
    """fault_78: our sentence reaches `main`, not a usage text."""
    assert sentence in str(shell.refusal("create", str(shell.stage.scene), "--yes", *arguments))


def test_create_refuses_what_is_no_scene(shell: Shell) -> None:
    """fault_16: by the gate itself, before the store is asked."""
    shell.stage.scene.write_bytes(PNG)
    error = shell.refusal("create", str(shell.stage.scene), "--reward", "5", "--yes")
    assert (JobRejected, {}) == (type(error), shell.stage.store.files)


def test_create_and_watch_is_one_stream_of_json_lines(shell: Shell) -> None:
    """The order first, then each change of the job."""

    async def cancel() -> None:
        await shell.desk.cancel_job(1)

    shell.desk.acts = [shell.stage.funds, cancel]
    result = shell.create("--watch", "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert lines[0]["job_ids"] == [1]
    assert [line["state"] for line in lines[1:]] == ["OPEN", "REFUNDED"]
    assert result.exit_code == job.REFUNDED


# list, show


def test_list_is_tab_separated_without_a_terminal(shell: Shell) -> None:
    """One line a job under the column names, with CIDs whole."""
    shell.create()
    cid = shell.object("show", "1")["asset_cid"]
    expected = [
        "job\tstate\treward\tworker\twaits for\tasset",
        f"1\tOPEN\t5 STRK\tnobody\tdeadline ends in 1d\t{cid}",
    ]
    assert expected == shell.run("list").stdout.splitlines()


def test_list_fits_a_terminal(terminal: Shell) -> None:
    """A table, with long names shortened to their ends; no line is wider than the screen."""
    terminal.create()
    cid = terminal.object("show", "1")["asset_cid"]
    lines = terminal.run("list").output.splitlines()
    assert any(cid[-6:] in line and "OPEN" in line for line in lines)
    assert all(cid not in line for line in lines)


def test_list_as_json_chooses_by_state(shell: Shell) -> None:
    """States are understood in small letters too."""
    shell.create()
    shell.create()
    shell.run("cancel", "1")
    ids = [entry["job_id"] for entry in shell.object("list", "--state", "refunded")["jobs"]]
    assert ids == [1]
    assert [entry["job_id"] for entry in shell.object("list")["jobs"]] == [2, 1]
    assert [entry["job_id"] for entry in shell.object("list", "--limit", "1")["jobs"]] == [2]


def test_list_all_has_other_creators_jobs_too(shell: Shell) -> None:
    """They are public; one's own are the default."""
    stranger = FakeRegistry(WORKER, shell.stage.shared)

    async def post() -> None:
        await stranger.deposit(STRK)
        terms = Offer(reward_fri=STRK).terms(shell.stage.shared.now)
        await stranger.create_order("a scene", terms, 1)

    context.run(post())
    assert shell.object("list")["jobs"] == []
    assert [entry["creator"] for entry in shell.object("list", "--all")["jobs"]] == [format_address(WORKER)]


def test_show_says_what_may_be_done_next(shell: Shell) -> None:
    """Facts for people, with the command that fits the state."""
    shell.create()
    said = plain(shell.run("show", "1"))
    assert "state OPEN" in said
    assert "veriframe job cancel 1" in said


def test_a_job_that_was_never_given_is_the_registrys_no(shell: Shell) -> None:
    """Exit code 4 in `main`."""
    assert isinstance(shell.refusal("show", "7"), MoveRefused)


def test_control_characters_of_strangers_never_reach_the_terminal(shell: Shell) -> None:
    """fault_15, fault_36: anyone may post a CID that drives terminals; it is shown escaped."""
    evil = "\x1b]0;owned\x07\u202e[bold]"

    async def post() -> None:
        draft = await shell.stage.creator.draft(shell.stage.scene, Offer(reward_fri=STRK))
        await shell.desk.deposit(STRK)
        await shell.desk.create_order(evil, draft.terms, 1)

    shell.stage.scene.write_bytes(b"BLENDER")
    context.run(post())
    for arguments in (("list",), ("show", "1"), ("list", "--json"), ("show", "1", "--json")):
        output = shell.run(*arguments).output
        assert not {"\x1b", "\x07", "\u202e"} & set(output)
        assert "[bold]" in output


# watch


async def _claim(shell: Shell) -> None:
    await shell.stage.worker.deposit(STRK)
    await shell.stage.worker.claim(1)


def _story(shell: Shell) -> list[Callable[[], Awaitable[object]]]:
    stage = shell.stage

    async def claim() -> None:
        await _claim(shell)

    async def submit() -> None:
        await stage.worker.submit_result(1, stage.store.keep(PNG))

    async def pay() -> None:
        await shell.desk.accept_result(1)

    return [stage.funds, claim, stage.funds, submit, pay]


def test_watch_tells_each_change_on_a_line(shell: Shell) -> None:
    """Until the job is paid: exit code 0."""
    shell.create()
    shell.desk.acts = _story(shell)
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
    """For scripts that fetch and accept: `--result` ends at SUBMITTED, with exit code 0."""
    shell.create()
    shell.desk.acts = _story(shell)
    result = shell.run("watch", "1", "--result", "--json")
    states = [json.loads(line)["state"] for line in result.stdout.splitlines()]
    assert (states, result.exit_code) == (["OPEN", "CLAIMED", "SUBMITTED"], 0)


def test_watch_draws_on_a_terminal_and_says_what_to_do(terminal: Shell) -> None:
    """The same changes, a bar under them, and the next step."""
    terminal.create()
    terminal.desk.acts = _story(terminal)
    result = terminal.run("watch", "1")
    said = plain(result)
    assert result.exit_code == 0
    for words in ("job 1 OPEN", "job 1 CLAIMED", "job 1 SUBMITTED", "job 1 PAID", "veriframe job accept 1"):
        assert words in said


def test_watch_of_a_job_that_brought_nothing_ends_with_6(shell: Shell) -> None:
    """So that a script knows it has no picture."""
    shell.create()
    shell.run("cancel", "1")
    assert shell.run("watch", "1").exit_code == 6


@pytest.mark.parametrize("on_terminal", [False, True])
def test_ctrl_c_ends_a_watch_quietly(
    shell: Shell, on_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 130, no traceback, no complaint."""
    if on_terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")

    async def interrupt() -> None:
        raise KeyboardInterrupt

    shell.create()
    shell.desk.acts = [shell.stage.funds, interrupt]
    result = shell.run("watch", "1")
    assert result.exit_code == 130
    assert "Traceback" not in result.output
    assert "Abort" not in result.output


# fetch, accept, cancel, dispute


def _submitted(shell: Shell, *options: str) -> None:
    async def submit() -> None:
        await _claim(shell)
        await shell.stage.worker.submit_result(1, shell.stage.store.keep(PNG))

    shell.create(*options)
    context.run(submit())


def test_fetch_writes_the_picture_and_says_its_size(shell: Shell) -> None:
    """By default here, under the job's number."""
    _submitted(shell)
    result = shell.run("fetch", "1")
    assert f"job-1.png: 640×360 pixels, {len(PNG)} B\n" == result.stdout
    assert Path("job-1.png").read_bytes() == PNG


def test_fetch_replaces_only_with_force(shell: Shell) -> None:
    """A file that is there is somebody's."""
    _submitted(shell)
    Path("mine.png").write_bytes(b"mine")
    assert "--force" in str(shell.refusal("fetch", "1", "-o", "mine.png"))
    answer = shell.object("fetch", "1", "--output", "mine.png", "--force")
    assert (1, "mine.png", 640, 360, len(PNG)) == tuple(
        answer[key] for key in ("job_id", "path", "width", "height", "size_bytes")
    )


def test_accept_shows_the_job_paid(shell: Shell) -> None:
    """And a script reads it."""
    _submitted(shell)
    assert "state PAID" in plain(shell.run("accept", "1"))
    assert shell.object("show", "1")["state"] == "PAID"


def test_cancel_after_a_worker_vanished(shell: Shell) -> None:
    """The claim has lapsed: the job says so, and can be taken back."""
    shell.create()
    context.run(_claim(shell))
    assert isinstance(shell.refusal("cancel", "1"), MoveRefused)
    shell.stage.shared.now += LEASE_SECONDS
    assert "CLAIMED (lapsed)" in plain(shell.run("show", "1"))
    answer = shell.object("cancel", "1")
    assert (answer["state"], answer["lapsed"]) == ("REFUNDED", False)


def test_dispute_without_evidence_asks_nothing(shell: Shell) -> None:
    """Nothing new becomes public."""
    _submitted(shell, "--arbiter", hex(ARBITER))
    result = shell.run("dispute", "1")
    assert "state DISPUTED" in plain(result)
    assert "becomes public" not in result.stderr


def test_dispute_with_evidence_needs_consent(shell: Shell) -> None:
    """Without a terminal by --yes; the file is then the evidence."""
    _submitted(shell, "--arbiter", hex(ARBITER))
    Path("why.txt").write_text("look at the sky", encoding="utf-8")
    error = shell.refusal("dispute", "1", "--evidence", "why.txt")
    assert (SettingsError, True) == (type(error), "Say --yes" in str(error))
    result = shell.run("dispute", "1", "--evidence", "why.txt", "--yes")
    assert "The evidence becomes public" in result.stderr
    assert b"look at the sky" in shell.stage.store.files.values()
