"""Journals of other versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.adapters.sqlite_journal.journals import (
    CID,
    FAILURE,
    NEW,
    SEEN,
    ask,
    change,
    opened,
)

from veriframe.adapters.sqlite_journal import SqliteJournal
from veriframe.adapters.sqlite_journal import journal as module
from veriframe.adapters.sqlite_journal.schema import KIND, MIGRATIONS
from veriframe.errors import Code, HostUnavailable, SettingsError
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.registry.job import NOBODY, Address
from veriframe.model.rendering.frames import RenderTask
from veriframe.sqlite_file import open_file

FORMER = {"job_id": "1", "asset_cid": CID, "reward_fri": str(2**200), "result_cid": "bafkresult"}
FORMER_AMOUNTS = {
    "creator": str(2**251),
    "order_id": str(2**64 - 1),
    "bond_fri": "5",
    "fees_fri": "6",
    "lost_fri": "7",
    "width": 640,
    "height": 360,
    "result_bytes": 2**40,
}


def former(path: Path, version: int, *rows: Mapping[str, object]) -> None:
    """Creates a journal of an earlier version with these attempts."""
    with closing(open_file(path, replace(KIND, migrations=MIGRATIONS[:version]))) as connection:
        for row in rows:
            insert = f"INSERT INTO attempts ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
            connection.execute(insert, tuple(row.values()))


def row(version: int, job_id: int, stage: str, **more: object) -> dict[str, object]:
    """An attempt of an earlier version at its second stage; with creator, amounts and size if it has them."""
    amounts = FORMER_AMOUNTS if version > 1 else {}
    reached = json.dumps({"SEEN": 0.1 + 0.2, stage: 2.0})
    return {
        **FORMER,
        "stage": stage,
        "detail": "",
        "reached": reached,
        **amounts,
        "job_id": str(job_id),
        **more,
    }


def test_a_newer_journal_is_refused(path: Path) -> None:
    """fault_80: tables of a newer version are not changed."""
    change(path, f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(SettingsError, match=f"version {len(MIGRATIONS) + 1}"):
        SqliteJournal(path)


async def test_an_older_journal_is_migrated(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_80: a journal of the previous version gets the new tables and keeps its content."""
    step = ("CREATE TABLE visits (seconds REAL)", "INSERT INTO visits VALUES (1.5)")
    monkeypatch.setattr(module, "KIND", replace(KIND, migrations=(*MIGRATIONS, step)))
    for _ in range(2):
        async with opened(path) as journal:
            assert await journal.history() == [SEEN]
    assert ask(path, "PRAGMA user_version") == len(MIGRATIONS) + 1
    assert ask(path, "SELECT count(*) FROM visits") == 1


@pytest.mark.parametrize("version", range(1, 4))
async def test_a_journal_of_each_earlier_version_is_migrated(tmp_path: Path, version: int) -> None:
    """fault_80: live and ended attempts keep their numbers and fields. Failures of the first are not kept."""
    path = tmp_path / "journal.sqlite"
    detail = "“PROVED”\n\0 \\ 雪"
    former(
        path,
        version,
        row(version, 2**64 - 1, "LOST", code="CRASH", detail=detail),
        row(version, 3, "CLAIMED"),
        row(version, 4, "PROVED" if version < 3 else "VALIDATED"),
    )
    async with opened(path) as journal:
        lost, claimed, validated = await journal.history()
        assert await journal.live() == [claimed, validated]
        assert (await journal.start(NEW)).number == 4
    attempt = Attempt(
        number=1,
        job_id=2**64 - 1,
        asset_cid=CID,
        reward_fri=2**200,
        result_cid="bafkresult",
        stage=Stage.LOST,
        code=Code.CRASH,
        detail=detail,
        reached={Stage.SEEN: 0.1 + 0.2, Stage.LOST: 2.0},
    )
    if version > 1:
        attempt = replace(
            attempt,
            creator=Address(2**251),
            order_id=2**64 - 1,
            bond_fri=5,
            fees_fri=6,
            lost_fri=7,
            result_bytes=2**40,
            task=RenderTask(frames=(1,), size=(640, 360)),
        )
    assert lost == attempt
    assert (claimed.job_id, claimed.creator) == (3, attempt.creator)
    assert (validated.stage, validated.detail) == (Stage.VALIDATED, "")
    assert validated.reached == {Stage.SEEN: 0.1 + 0.2, Stage.VALIDATED: 2.0}


async def test_failures_of_the_second_version_stay(tmp_path: Path) -> None:
    """fault_80: they are read as they were written."""
    path = tmp_path / "journal.sqlite"
    former(path, 2)
    insert = (
        "INSERT INTO failures (asset_cid, creator, code, detail, conditions, at) VALUES (?, ?, ?, ?, ?, ?)"
    )
    change(path, insert, CID, "3", "CRASH", "It crashed.", "c", 2.0)
    async with opened(path) as journal:
        assert await journal.failures() == [FAILURE]


async def test_an_unknown_size_is_no_task(tmp_path: Path) -> None:
    """An attempt that was not checked has none."""
    former(tmp_path / "journal.sqlite", 3, row(3, 1, "FETCHED", width=0, height=0, creator="0"))
    async with opened(tmp_path / "journal.sqlite") as journal:
        (attempt,) = await journal.live()
    assert (attempt.task, attempt.width, attempt.creator) == (None, 0, NOBODY)


async def test_rows_that_no_worker_wrote_do_not_prevent_a_migration(tmp_path: Path) -> None:
    """fault_76: they are set aside when they are read; the claim beside them is not delayed."""
    path = tmp_path / "journal.sqlite"
    former(
        path,
        3,
        row(3, 1, "CLAIMED", reached="{"),
        row(3, 2, "CLAIMED", asset_cid=b"\xff\0", reward_fri=b"x"),
        row(3, 3, "CLAIMED"),
        row(3, 4, "PAID", code="NO SUCH"),
    )
    async with opened(path) as journal:
        assert [attempt.job_id for attempt in await journal.live()] == [3]
        assert [attempt.job_id for attempt in await journal.history()] == [3]


async def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_80: a failed migration is rolled back; the older program can still read the journal."""
    step = ("CREATE TABLE visits (seconds REAL)", "INSERT INTO nowhere VALUES (1)")
    with monkeypatch.context() as patched:
        patched.setattr(module, "KIND", replace(KIND, migrations=(*MIGRATIONS, step)))
        with pytest.raises(HostUnavailable, match="SQLITE_ERROR"):
            SqliteJournal(path)
    assert ask(path, "SELECT count(*) FROM sqlite_master WHERE name = 'visits'") == 0
    async with opened(path) as journal:
        assert await journal.history() == [SEEN]


async def test_frames_of_the_fourth_version_keep_their_digest_under_its_new_name(tmp_path: Path) -> None:
    """fault_80: with the channels that their number means; a frame that was not validated stays so."""
    path = tmp_path / "journal.sqlite"
    former(path, 4)
    attempt = json.dumps({"asset_cid": CID, "reward_fri": 1, "reached": {"SEEN": 1.0}})
    change(path, "INSERT INTO attempts VALUES (1, '1', 'CLAIMED', ?)", attempt)
    frame = {"number": 1, "file": "f", "width": 4, "height": 3, "seconds": 1.0, "peak_memory_bytes": 5}
    for number, channels in ((1, 1), (2, 2), (3, 3), (4, 4), (5, 0)):
        size = {"number": number, "file": "f", "width": 4, "height": 3}
        more = {"channels": channels, "bit_depth": 8, "pixel_sha256": "ab", "size_bytes": 9}
        validated = {**size, **more, "is_black": False} if channels else None
        content = json.dumps({"number": number, "frame": frame, "validated": validated})
        change(path, "INSERT INTO frames VALUES (1, ?, ?)", number, content)
    async with opened(path) as journal:
        (one,) = await journal.live()
        found = [spooled.validated for spooled in await journal.frames(one)]
    assert found[4] is None
    names = [(each.pixel_digest, each.channel_names, each.proof_root) for each in found[:4] if each]
    assert names == [("ab", names, "") for names in ("Y", "Y,A", "R,G,B", "R,G,B,A")]
