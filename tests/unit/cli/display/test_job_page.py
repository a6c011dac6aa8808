"""The creator's page names the options, keys and exit codes that exist."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from typer.main import get_command

from veriframe.cli import app, job
from veriframe.cli.context import INTERRUPTED
from veriframe.cli.display import history_view, job_view
from veriframe.cli.display.error import EXIT_CODES
from veriframe.cli.job import following, packing
from veriframe.cli.order.fetching import TAKEN
from veriframe.cli.verification import running as verification
from veriframe.creator.values import Evidence, Picture, Posted
from veriframe.model.quantities import format_span
from veriframe.model.registry.history import JobEvent, JobHistory
from veriframe.model.registry.job import Address, Job, Order
from veriframe.model.registry.job_status import JobStatus
from veriframe.model.registry.ledger import EventKind
from veriframe.model.registry.offer import Offer

PAGE = (Path(__file__).parents[4] / "docs" / "creator.md").read_text(encoding="utf-8")
COMMANDS = ["create", "list", "show", "watch", "fetch", "accept", "cancel", "dispute", "resolve", "pack"]
TERMS = Offer(reward_fri=1).terms(0)
ORDER = Order(id=1, creator=Address(1), asset_cid="a scene", terms=TERMS, first_job=1, jobs=1, created_at=0)


def row(start: str) -> list[str]:
    """The cells of the page's one row that starts like this."""
    [line] = [line for line in PAGE.splitlines() if line.startswith(f"| {start}")]
    return line.strip("| ").split(" | ")


def names(start: str) -> set[str]:
    """The names in the second cell of a row."""
    return set(re.findall(r"`([a-z_]+)`", row(start)[1]))


def test_the_keys_of_json_are_those_of_the_page() -> None:
    """For each object; the terms have a row of their own."""
    terms = set(job_view.terms_object(TERMS))
    status = JobStatus(Job(id=1, order=ORDER, part=0), 0)
    posted = Posted(jobs=(1,), asset_cid="a scene", terms=TERMS, deposited_fri=0)
    assert terms == names("the terms")
    assert set(job_view.as_object(status)) - terms == names("`show`")
    assert set(job_view.posted_object(posted, "a scene", None)) - terms == names("`create`")
    assert {"job_id"} | {field.name for field in fields(Picture)} == names("`fetch`")
    assert {"job_id"} | {field.name for field in fields(Evidence)} == names("`fetch --evidence`, `--verdict`")
    event = JobEvent(kind=EventKind.JOB_CLAIMED, at=0, party=Address(1))
    history = history_view.as_object(JobHistory(events=(event,)))
    assert set(history) == names("only `show` and lines of `watch`")
    assert set(history["history"][0]) == names("an event of `history`")


def test_every_option_on_the_page_exists() -> None:
    """In `veriframe job …`, in `veriframe` itself, or in `account`."""
    known = {"--help"}
    todo: list[object] = [get_command(app.app), *(app.load(name, app.Given()) for name in app.COMMANDS)]
    while todo:
        command = todo.pop()
        for parameter in getattr(command, "params", []):
            known |= set(parameter.opts)
        todo += getattr(command, "commands", {}).values()
    assert set(re.findall(r"(?<![\w-])--[a-z-]+\b", PAGE)) - known == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_json(command: str) -> None:
    """Scripts need not read tables."""
    commands = getattr(get_command(job.app), "commands", {})
    assert any("--json" in parameter.opts for parameter in commands[command].params)


def test_these_are_all_commands() -> None:
    """A new command must be added to the page."""
    assert set(getattr(get_command(job.app), "commands", {})) == set(COMMANDS)
    assert all(f"job {command}" in PAGE or f"`{command}`" in PAGE for command in COMMANDS)


def test_the_exit_codes_are_those_of_the_page() -> None:
    """0 and 1 are common to all programs; the others are ours."""
    ours = {code for _, code in EXIT_CODES} | {following.REFUNDED, packing.DIFFERENT, TAKEN, INTERRUPTED}
    ours |= set(verification.EXIT_CODES.values()) - {0}
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    assert documented - {0, 1} == ours
    for conclusion, code in verification.EXIT_CODES.items():
        assert code == 0 or conclusion in row(f"{code} |")[1]


def test_the_page_names_the_defaults() -> None:
    """The same as `--help`, from the same source."""
    assert row("`--deadline SPAN`")[2] == f"`{format_span(TERMS.deadline)}`"
    assert row("`--lease SPAN`")[2] == f"`{format_span(TERMS.lease_seconds)}`"
    assert row("`--arbitration SPAN`")[2] == f"`{format_span(TERMS.arbitration_seconds)}`"
    assert row("`--review SPAN`")[2].startswith(f"`{format_span(TERMS.review_seconds)}`")
