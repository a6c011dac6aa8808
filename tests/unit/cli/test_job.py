"""`veriframe job create`, `list` and `show` on fakes: questions, output and exit codes."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.fakes.registry import FakeRegistry
from tests.unit.cli.shell import Shell, claim, plain
from tests.unit.creator.stage import ARBITER, PNG, STRK, WORKER

from veriframe.cli import context
from veriframe.cli.display import show
from veriframe.cli.job import following
from veriframe.errors import JobRejected, MoveRefused, SettingsError
from veriframe.model.registry.job import format_address
from veriframe.model.registry.offer import LEASE_SECONDS, Offer


def test_create_posts_and_says_the_number(shell: Shell) -> None:
    """The result is on stdout, the warning on stderr; the account is the creator's by default."""
    result = shell.create()
    assert "`veriframe job watch 1 --result`" in result.stdout
    assert len(result.stdout.splitlines()) == 1
    assert "become public" in result.stderr
    assert "5 STRK" in result.stderr
    assert (result.exit_code, shell.accounts) == (0, ["creator"])
    assert shell.stage.pin_names() == ["order-asset-fake-0xa1-1"]


def test_create_as_json_has_all_a_script_needs(shell: Shell) -> None:
    """Ids, CID, exact amounts in fri, the given spans, and null for nobody."""
    posted = json.loads(
        shell.create("--json", "--bond", "0.25", "--lease", "2h", "--arbiter", hex(ARBITER)).stdout
    )
    assert posted["job_ids"] == [1]
    assert (posted["reward_fri"], posted["bond_fri"], posted["lease_seconds"]) == (
        str(5 * STRK),
        str(STRK // 4),
        7200,
    )
    assert (hex(ARBITER), None) == (posted["arbiter"], posted["named_worker"])
    assert (posted["deposited_fri"], posted["asset_cid"] in shell.stage.store.files) == (str(5 * STRK), True)


def test_create_tells_terms_out_of_proportion_before_it_asks(shell: Shell) -> None:
    """fault_123: each with its option; the answer decides."""
    offer = ("--reward", "0.000001", "--bond", "500", "--lease", "2m")
    result = shell.run("create", str(shell.stage.scene), *offer, typed="n\n")
    question = result.stderr.index("Post it?")
    assert ["Lower --bond" in result.stderr[:question], "Raise --lease" in result.stderr[:question]] == [
        True
    ] * 2
    assert shell.stage.shared.moves == []
    fair = shell.run("create", str(shell.stage.scene), "--reward", "5", typed="n\n")
    assert "Warning" not in fair.stderr


def test_create_without_a_terminal_needs_yes(shell: Shell) -> None:
    """The refusal comes before the scene is read: nothing is posted without consent."""
    error = shell.refusal("create", "no-such-file.blend", "--reward", "5")
    assert (SettingsError, True) == (type(error), "--yes" in str(error))
    assert shell.stage.shared.moves == []


def test_create_asks_on_a_terminal_after_the_warning(shell: Shell) -> None:
    """The answer yes posts."""
    result = shell.run("create", str(shell.stage.scene), "--reward", "5", typed="y\n")
    assert (
        result.exit_code,
        shell.stage.shared.moves,
    ) == (0, ["deposit 5000000000000000000", "create_order"])
    assert result.stderr.index("become public") < result.stderr.index("Post it?")


@pytest.mark.parametrize(("typed", "code"), [("n\n", 1), ("\n", 1), ("", 130)])
def test_create_publishes_nothing_without_a_yes(shell: Shell, typed: str, code: int) -> None:
    """An empty answer means no; the end of the input is like Ctrl-C."""
    result = shell.run("create", str(shell.stage.scene), "--reward", "5", typed=typed)
    assert code == result.exit_code
    assert (shell.stage.store.files, shell.stage.shared.moves) == ({}, [])


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        (("--reward", "a lot"), "“a lot”"),
        (("--reward", "1", "--lease", "60"), "“60”"),
        (("--reward", "1", "--arbiter", "Alice"), "“Alice”"),
    ],
)
def test_arguments_that_cannot_be_read_are_settings_errors(
    shell: Shell, arguments: tuple[str, ...], quoted: str
) -> None:
    """fault_78: `main` gets our sentence, not a usage text."""
    assert quoted in str(shell.refusal("create", str(shell.stage.scene), "--yes", *arguments))


def test_create_refuses_a_file_that_is_not_a_scene(shell: Shell) -> None:
    """fault_16: by the header check, before the store is used."""
    shell.stage.scene.write_bytes(PNG)
    error = shell.refusal("create", str(shell.stage.scene), "--reward", "5", "--yes")
    assert (JobRejected, {}) == (type(error), shell.stage.store.files)


def test_create_and_watch_is_one_stream_of_json_lines(shell: Shell) -> None:
    """First the order, then each change of the job."""

    async def cancel() -> None:
        await shell.creator_registry.cancel_job(1)

    shell.creator_registry.acts = [shell.stage.funds, cancel]
    result = shell.create("--watch", "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert lines[0]["job_ids"] == [1]
    assert [line["state"] for line in lines[1:]] == ["OPEN", "REFUNDED"]
    assert result.exit_code == following.REFUNDED


def test_list_is_tab_separated_without_a_terminal(shell: Shell) -> None:
    """One line per job below the column names, with full CIDs and the scene's name."""
    shell.create()
    cid = shell.object("show", "1")["asset_cid"]
    shell.stage.shared.now += 3
    titles, line = shell.run("list").stdout.splitlines()
    expected = ["1", "scene.blend", "OPEN", "5 STRK", "3s", "nobody", cid]
    assert titles.split("\t") == ["job", "scene", "state", "reward", "age", "progress", "worker", "asset"]
    assert [cell for cell in line.split("\t") if " for 3s" not in cell] == expected


def test_list_fits_a_terminal(terminal: Shell) -> None:
    """A table without addresses and CIDs; no line is wider than the screen."""
    terminal.create()
    cid = terminal.object("show", "1")["asset_cid"]
    drawn = terminal.run("list").output.splitlines()
    assert any("scene.blend" in line and "OPEN" in line for line in drawn)
    assert all(cid not in line for line in drawn)


def test_list_shows_what_a_job_waits_for_and_since_when(shell: Shell) -> None:
    """From the posting, the claim, the lapse of the claim, or the submission."""
    shell.create()
    context.run(claim(shell, 1))
    shell.stage.shared.now += 120
    assert "for 2m" in shell.run("list").stdout
    assert shell.object("show", "1")["waiting_since"] == shell.stage.shared.now - 120
    shell.stage.shared.now += LEASE_SECONDS
    assert "gone for 2m" in shell.run("list").stdout


def test_list_of_another_home_has_cids_for_names(shell: Shell, tmp_path: Path) -> None:
    """The names are a note of this home; the registry has only CIDs."""
    shell.create()
    context.read_settings(None, [], {"home": str(tmp_path / "elsewhere")})
    [job] = shell.object("list")["jobs"]
    assert job["scene"] is None


def test_an_empty_list_says_so(shell: Shell) -> None:
    """With the options that show more; stdout has the column names alone, for scripts."""
    result = shell.run("list")
    assert ("--all" in result.stderr, "“creator”" in result.stderr) == (True, True)
    assert len(result.stdout.splitlines()) == 1
    assert "--all" not in shell.run("list", "--all").stderr


def test_list_as_json_chooses_by_state(shell: Shell) -> None:
    """States may be in lower case."""
    shell.create()
    shell.create()
    shell.run("cancel", "1")
    ids = [entry["job_id"] for entry in shell.object("list", "--state", "refunded")["jobs"]]
    assert ids == [1]
    assert [entry["job_id"] for entry in shell.object("list")["jobs"]] == [2, 1]
    assert [entry["job_id"] for entry in shell.object("list", "--limit", "1")["jobs"]] == [2]


def test_list_all_has_other_creators_jobs_too(shell: Shell) -> None:
    """They are public; the default is the account's own."""
    outsider = FakeRegistry(WORKER, shell.stage.shared)

    async def post() -> None:
        await outsider.deposit(STRK)
        terms = Offer(reward_fri=STRK).terms(shell.stage.shared.now)
        await outsider.create_order("a scene", terms, 1)

    context.run(post())
    assert shell.object("list")["jobs"] == []
    assert [entry["creator"] for entry in shell.object("list", "--all")["jobs"]] == [format_address(WORKER)]


def test_show_suggests_the_next_step(shell: Shell) -> None:
    """Facts for people, and the command that fits the state."""
    shell.create()
    said = plain(shell.run("show", "1"))
    assert "state OPEN" in said
    assert "veriframe job cancel 1" in said
    assert "scene scene.blend" in said


def test_show_has_times_of_day_with_their_spans(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this machine's time zone."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        shell.create()
        posted = datetime.fromtimestamp(shell.stage.shared.now, ZoneInfo("Asia/Kolkata"))
        shell.stage.shared.now += 75
        said = plain(shell.run("show", "1"))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert f"{posted:%H:%M:%S} (1m15s ago) posted by" in said


def test_an_unknown_job_is_refused_by_the_registry(shell: Shell) -> None:
    """Exit code 4 in `main`."""
    assert isinstance(shell.refusal("show", "7"), MoveRefused)


def test_control_characters_of_others_never_reach_the_terminal(shell: Shell) -> None:
    """fault_15, fault_36: anyone may post a CID with control characters; it is shown escaped."""
    evil = "\x1b]0;owned\x07\u202e[bold]"

    async def post() -> None:
        draft = await shell.stage.creator.draft(shell.stage.scene, Offer(reward_fri=STRK))
        await shell.creator_registry.deposit(STRK)
        await shell.creator_registry.create_order(evil, draft.terms, 1)

    shell.stage.scene.write_bytes(b"BLENDER")
    context.run(post())
    for arguments in (("list",), ("show", "1"), ("list", "--json"), ("show", "1", "--json")):
        output = shell.run(*arguments).output
        assert not {"\x1b", "\x07", "\u202e"} & set(output)
        assert "[bold]" in output


def test_a_scene_named_twice_is_posted_once_which_is_said(shell: Shell) -> None:
    """fault_188: rather than posting one job without a word."""
    result = shell.create(str(shell.stage.scene))
    assert "posted once" in result.stderr
    assert shell.stage.shared.moves.count("create_order") == 1


def test_what_comes_from_credit_is_shown(shell: Shell) -> None:
    """“From the wallet 0 STRK” alone looks like a job for nothing."""
    context.run(shell.creator_registry.deposit(2 * STRK))
    said = plain(shell.create())
    assert ("from credit 2 STRK" in said, "from the wallet 3 STRK" in said) == (True, True)


def test_a_question_is_asked_again_after_another_answer(shell: Shell) -> None:
    """With the answers that count; the end of the input says what did not happen."""
    result = shell.run("create", str(shell.stage.scene), "--reward", "5", typed="perhaps\nn\n")
    assert (result.exit_code, "y or n" in result.stderr) == (1, True)
    ended = shell.run("create", str(shell.stage.scene), "--reward", "5", typed="")
    assert ended.stderr.endswith("\nNothing was published.\n")


@pytest.mark.parametrize("option", [("--deadline", "1000d"), ("--lease", "100d"), ("--bond", "0")])
def test_terms_that_no_registry_takes_are_wrong_arguments(shell: Shell, option: tuple[str, str]) -> None:
    """fault_189: exit code 2 in `main`, as for any other argument."""
    assert isinstance(
        shell.refusal("create", str(shell.stage.scene), "--reward", "5", "--yes", *option), SettingsError
    )


def test_a_narrow_list_leaves_the_progress_its_room(terminal: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The age is left out: the progress says for how long a job waits."""
    terminal.create()
    assert "age" in terminal.run("list").output
    monkeypatch.setattr(show.out, "_width", 60)
    drawn = terminal.run("list").output
    assert ("age" in drawn, "no worker" in drawn) == (False, True)
