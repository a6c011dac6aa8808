"""`veriframe job show` and `watch` tell what happened to a job; reading needs no key, at any registry."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest
from tests.fakes.registry import FakeRegistry
from tests.unit.cli.shell import Shell, claim_first, lines, plain, submit
from tests.unit.creator.stage import ARTIST, OUTSIDER, PNG

from veriframe.cli import context, opening
from veriframe.cli.job import reading
from veriframe.errors import Code, SettingsError
from veriframe.model.registry.job import NOBODY, Address
from veriframe.model.registry.offer import LEASE_SECONDS
from veriframe.ports.registry import OpenedReader
from veriframe.wiring import chain


async def fail(shell: Shell, code: Code = Code.MISSING_FILES) -> None:
    """The worker claims job 1 and gives it back."""
    await claim_first(shell)
    await shell.stage.worker.release(1, code)


def test_show_tells_a_failed_attempt_with_its_remedy(shell: Shell) -> None:
    """fault_135: the job is open as before, and its artist would wait for ever."""
    shell.create()
    context.run(fail(shell))
    said = plain(shell.run("show", "1"))
    assert "state OPEN" in said
    assert "given back by 0xb2" in said
    assert "[MISSING_FILES]" in said
    assert "File > External Data > Pack Resources" in said


def test_show_as_json_has_the_history(shell: Shell) -> None:
    """fault_135: who, what, when and why, oldest first; amounts are exact."""
    shell.create()
    context.run(fail(shell))
    shown = shell.object("show", "1")
    told = [(one["event"], one["who"], one["reason"]) for one in shown["history"]]
    assert told == [
        ("OrderCreated", "0xa1", None),
        ("JobClaimed", "0xb2", None),
        ("JobReleased", "0xb2", "MISSING_FILES"),
    ]
    assert shown["history"][0]["at"] == shown["created_at"]
    assert shown["history"][0]["amount_fri"] == shown["reward_fri"]
    assert shown["history_gap"] is None


def test_show_says_where_a_registry_has_no_events(shell: Shell) -> None:
    """fault_139: the posting is known from the order."""
    shell.create()
    shell.stage.shared.has_no_events = True
    shown = shell.object("show", "1")
    assert [one["event"] for one in shown["history"]] == ["OrderCreated"]
    assert shown["history_gap"] in plain(shell.run("show", "1"))


def follow(shell: Shell, *acts: Callable[[], Awaitable[object]]) -> None:
    """Let others act before each of the next polls; then the job is cancelled."""
    cancel = FakeRegistry(ARTIST, shell.stage.shared).cancel_job
    shell.creator_registry.acts = [shell.stage.funds, *acts, lambda: cancel(1)]


def test_watch_tells_an_attempt_that_failed_between_two_polls(shell: Shell) -> None:
    """fault_135: with its remedy, before the line about the state."""
    shell.create()
    follow(shell, lambda: fail(shell))
    said = shell.run("watch", "1").stdout.splitlines()
    assert [line for line in said if "OPEN" in line] == [said[0], said[3]]
    assert "given back by 0xb2" in said[1]
    assert "Pack Resources" in said[2]
    assert "REFUNDED" in said[4]


def test_watch_tells_earlier_failures_first_and_each_once(terminal: Shell) -> None:
    """fault_136: also a lapse, which no move has settled, on a terminal too."""
    terminal.create()
    context.run(claim_first(terminal))
    terminal.stage.shared.now += LEASE_SECONDS
    follow(terminal)
    said = plain(terminal.run("watch", "1"))
    assert said.count("lapsed: no result came") == 1
    assert said.index("lapsed: no result came") < said.index("(lapsed)")


def test_watch_as_json_has_the_history_in_each_line(shell: Shell) -> None:
    """A script need not keep earlier lines."""
    shell.create()
    follow(shell, lambda: fail(shell))
    told = [[one["event"] for one in line["history"]] for line in lines(shell.run("watch", "1", "--json"))]
    failed = ["OrderCreated", "JobClaimed", "JobReleased"]
    assert told == [failed[:1], failed, [*failed, "JobRefunded"]]


def read_as(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, account: Address, *, is_foreign: bool = False
) -> None:
    """Read the registry as this account, without being able to make a move."""
    reader = FakeRegistry(OUTSIDER, shell.stage.shared)
    opened = OpenedReader(jobs=reader, account=account, is_foreign=is_foreign)
    monkeypatch.setattr(opening, "open_reader", lambda _account: opened)

    def refuse(*_: object) -> None:
        raise AssertionError("reading needs no key")

    monkeypatch.setattr(opening, "open_registry", refuse)


def test_reading_needs_no_key(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_140: neither list nor show, watch and fetch unlock a keystore."""
    shell.create()
    submit(shell, 1)
    read_as(shell, monkeypatch, ARTIST)
    assert [job["job_id"] for job in shell.object("list")["jobs"]] == [1]
    assert shell.object("show", "1")["state"] == "SUBMITTED"
    assert lines(shell.run("watch", "1", "--result", "--json"))[-1]["state"] == "SUBMITTED"
    assert shell.object("fetch", "1", "-o", "it.png")["size_bytes"] == len(PNG)


def test_list_has_everyones_jobs_if_the_own_account_is_not_known(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_140: and says so, on stderr."""
    shell.create()
    read_as(shell, monkeypatch, NOBODY)
    listed = shell.run("list", "--json")
    assert [job["job_id"] for job in json.loads(listed.stdout)["jobs"]] == [1]
    assert "account_address" in listed.stderr
    assert reading.UNKNOWN_ACCOUNT not in shell.run("list", "--all").stderr
    read_as(shell, monkeypatch, OUTSIDER)
    assert shell.object("list")["jobs"] == []


def test_a_registry_of_another_maker_is_shown_without_terms_that_it_does_not_have(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_139: no bond or lease is invented, and no command is suggested that does not work there."""
    shell.create()
    submit(shell, 1)
    read_as(shell, monkeypatch, NOBODY, is_foreign=True)
    said = plain(shell.run("show", "1"))
    assert "job fetch 1" in said
    for word in ("bond", "lease", "job accept", "job dispute", "order"):
        assert word not in said
    shown = shell.object("show", "1")
    unknown = [name for name in shown if shown[name] is None]
    assert {"bond_fri", "lease_seconds", "review_seconds", "arbitration_seconds"} <= set(unknown)
    assert shown["reward_fri"]
    assert "picture ready" in shell.run("list").stdout


@pytest.mark.parametrize(
    ("arguments", "function"),
    [
        (("create", "none.blend", "--reward", "1", "--yes"), "create_job(asset: felt252)"),
        (("accept", "1"), None),
        (("cancel", "1"), "cancel_job(id: felt252)"),
        (("dispute", "1"), None),
    ],
)
def test_moves_at_a_registry_of_another_maker_name_its_function(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], function: str | None
) -> None:
    """fault_140: before a scene is read, or a key is asked for."""

    async def functions(_settings: object) -> dict[str, str]:
        return {"create": "create_job(asset: felt252)", "cancel": "cancel_job(id: felt252)"}

    monkeypatch.setattr(chain, "creator_functions", functions)
    context.read_settings(None, ["job_registry_address=0x1"], {})
    error = shell.refusal(*arguments)
    assert isinstance(error, SettingsError)
    assert function is None or function in str(error)
    assert f"job {arguments[0]}" in str(error)
