"""`veriframe order list`, `show`, `watch`, `fetch`, `film`, `accept` and `cancel` on fakes."""

from __future__ import annotations

import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from tests.unit.cli.shell import Shell, lines, plain
from tests.unit.creator.orders.studio import BUNDLE, Studio
from tests.unit.creator.stage import STRK

from veriframe.cli import context
from veriframe.cli.display import show
from veriframe.errors import SettingsError
from veriframe.model.bundle.job_file import Split


def _post(shell: Shell, studio: Studio, *options: str) -> None:
    shell.run("create", str(studio.bundle()), "--price", "0.05", "--yes", *options)


def _deliver(studio: Studio, *parts: int) -> None:
    async def work() -> None:
        status = await studio.status(1)
        for part in parts:
            await studio.deliver(status.chunks[part])

    context.run(work())


def test_a_list_has_a_row_for_each_order(shell: Shell, studio: Studio) -> None:
    """Name, age, progress and money; newest first."""
    _post(shell, studio)
    _deliver(studio, 0)
    _post(shell, studio, "--anyway")
    rows = [row.split("\t") for row in shell.run("list").stdout.splitlines()]
    assert rows[0] == ["order", "scene", "age", "frames", "chunks", "paid", "in escrow"]
    assert [row[0] for row in rows[1:]] == ["2", "1"]
    assert rows[2][1] == "shot.blend"
    assert rows[2][3:] == ["4/10", "2 open, 1 there", "0 STRK", "0.6 STRK"]
    listed = shell.object("list")["orders"]
    assert [one["order"] for one in listed] == [2, 1]
    assert listed[1]["in_escrow_fri"] == str(6 * STRK // 10)


def test_show_draws_a_letter_for_each_chunk(shell: Shell, studio: Studio) -> None:
    """Without colour: letters, with a legend; and what to do next."""
    _post(shell, studio)
    _deliver(studio, 0)
    shown = shell.run("show", "1").stdout
    assert "   1  t o o" in shown
    assert "t 1 there" in shown
    assert "order accept 1" in shown
    assert "4 of 10 frames" in shown


def test_watch_tells_changes_as_lines_and_as_json(shell: Shell, studio: Studio) -> None:
    """What has come so far at first, then each change; the end is the last chunk's."""
    _post(shell, studio)
    _deliver(studio, 0)
    shell.run("accept", "1", "--unchecked")
    shell.run("cancel", "1")
    result = shell.run("watch", "1")
    assert result.exit_code == 6
    assert result.stdout.splitlines()[0].startswith("order 1: frames 1-4 paid (job 1)")
    (told,) = lines(shell.run("watch", "1", "--json"))
    assert told["counts"] == {
        "open": 0,
        "under way": 0,
        "there": 0,
        "at fault": 0,
        "paid": 1,
        "refunded": 2,
        "disputed": 0,
        "expired": 0,
    }
    assert [chunk["state"] for chunk in told["chunks"]] == ["paid", "refunded", "refunded"]


def test_watch_follows_to_the_last_result(shell: Shell, studio: Studio) -> None:
    """With --result it ends when no more frames can come; previews are fetched as files."""
    _post(shell, studio)

    async def deliver(part: int) -> None:
        await studio.deliver((await studio.orders.find(1)).chunks[part])

    shell.creator_registry.acts = [
        _nothing,
        _nothing,
        lambda: deliver(0),
        lambda: deliver(1),
        lambda: deliver(2),
    ]
    Path("previews").mkdir()
    result = shell.run("watch", "1", "--result", "--previews", "previews")
    assert result.exit_code == 0, result.exception
    changes = [line for line in result.stdout.splitlines() if line.startswith("order")]
    assert [line.split(" there (")[0] for line in changes] == [
        "order 1: frames 1-4",
        "order 1: frames 5-8",
        "order 1: frames 9-10",
    ]
    assert sorted(path.name for path in Path("previews").iterdir()) == ["job-1.jpg", "job-2.jpg", "job-3.jpg"]
    assert "job 3: previews/job-3.jpg" in result.stdout


async def _nothing() -> None:
    pass


def test_a_terminal_is_drawn_with_the_grid(terminal: Shell, studio: Studio) -> None:
    """Cells, money, and what may still come."""
    _post(terminal, studio)
    _deliver(studio, 0, 1, 2)
    drawn = terminal.run("watch", "1", "--result").stdout
    for text in ("Order 1", "shot.blend", "t t t", "3 there", "10 of 10 frames", "in escrow"):
        assert text in drawn, text


def test_a_film_of_nothing_says_what_to_do(shell: Shell, studio: Studio) -> None:
    """Before anything is fetched, or a folder made: wait, or post the lost frames again."""
    _post(shell, studio)
    refused = shell.refusal("film", "1", "-o", "film.mp4")
    assert isinstance(refused, SettingsError)
    assert "order watch 1 --result" in str(refused)
    shell.run("cancel", "1")
    assert "order create --again 1" in str(shell.refusal("film", "1", "-o", "film.mp4"))
    assert not Path("order-1").exists()


def test_a_film_of_a_still_in_tiles_is_none(shell: Shell, studio: Studio) -> None:
    """Its picture is what `order fetch` merges."""
    folder = str(studio.bundle(replace(BUNDLE, frames=(1,), chunk=1, split=Split(columns=2, rows=2))))
    shell.run("create", folder, "--price", "0.05", "--yes")
    assert "order fetch 1" in str(shell.refusal("film", "1", "-o", "film.mp4"))


def test_frames_are_fetched_and_filmed(shell: Shell, studio: Studio) -> None:
    """Into order-1 by default; the film has the scene's rate, and missing frames are named."""
    _post(shell, studio)
    _deliver(studio, 0, 2)
    fetched = plain(shell.run("fetch", "1"))
    assert "order-1: 6 of 10 frames (6 fetched)." in fetched
    assert "missing 5-8 (job 2): no worker has claimed it yet" in fetched
    result = shell.run("film", "1", "-o", "film.mp4", "--json")
    assert "6 frames were there already, in order-1." in result.stderr
    film = json.loads(result.stdout)
    assert (film["frames"], film["missing"], film["frames_per_second"]) == (10, [5, 6, 7, 8], 25.0)
    assert Path("film.mp4").stat().st_size > 500
    assert "already exists" in str(shell.refusal("film", "order-1", "-o", "film.mp4"))
    skipped = shell.object("film", "order-1", "-o", "film.mp4", "--force", "--skip-missing")
    assert (skipped["frames"], skipped["missing"]) == (6, [5, 6, 7, 8])


def test_a_bad_result_is_an_exit_code(shell: Shell, studio: Studio) -> None:
    """fault_177: 6, and the reason with its code."""
    _post(shell, studio)

    async def work() -> None:
        await studio.deliver((await studio.status(1)).chunks[0], {"manifest.json": b"{}"})

    context.run(work())
    result = shell.run("fetch", "1", "--json")
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["written"]) == (6, [])
    assert [one["at_fault"] for one in answer["missing"]] == [True, False, False]
    assert "BAD_MANIFEST" in answer["missing"][0]["why"]
    shown = shell.run("show", "1").stdout
    assert "f 1 at fault" in shown
    assert "BAD_MANIFEST" in shown
    assert "BAD_MANIFEST" in str(shell.refusal("accept", "1", "--unchecked"))


def test_without_a_sandbox_frames_are_not_decoded(shell: Shell, studio: Studio) -> None:
    """fault_178: refused with both ways out; what --no-check takes makes no film."""
    _post(shell, studio)
    _deliver(studio, 0)
    shell.no_blender = SettingsError("Blender is missing. Install it.")
    refused = str(shell.refusal("fetch", "1"))
    assert "--no-check" in refused
    assert "Blender is missing" in refused
    assert shell.run("fetch", "1", "--no-check").exit_code == 0
    assert "--no-check" in str(shell.refusal("film", "order-1", "-o", "film.mp4"))


def test_decisions_tell_the_money_in_one_sentence(shell: Shell, studio: Studio) -> None:
    """Accepted for the worker, cancelled for the creator; only chosen chunks if frames or jobs are named."""
    _post(shell, studio)
    _deliver(studio, 0, 1)
    assert "--unchecked" in str(shell.refusal("accept", "1"))
    shell.run("fetch", "1")
    first = plain(shell.run("accept", "1", "--jobs", "2"))
    assert first.startswith("1 chunk of order 1 was accepted: 0.2 STRK went to one worker")
    second = plain(shell.run("accept", "1"))
    assert second.startswith("1 chunk of order 1 was accepted: 0.2 STRK")
    third = plain(shell.run("cancel", "1"))
    assert third.startswith("1 chunk of order 1 was cancelled: 0.2 STRK is your credit again.")
    assert shell.object("show", "1")["counts"]["refunded"] == 1


@pytest.mark.parametrize("command", ["show", "watch", "fetch", "accept", "cancel"])
def test_an_unknown_order_is_refused(shell: Shell, studio: Studio, command: str) -> None:
    """With the command that lists orders."""
    assert "order list" in str(shell.refusal(command, "7"))


def test_a_bare_scene_stays_one_picture(shell: Shell, studio: Studio) -> None:
    """As `job fetch` writes it."""

    async def work() -> None:
        await shell.stage.submitted()

    context.run(work())
    assert shell.run("fetch", "1", "-o", "picture.png").exit_code == 0
    assert Path("picture.png").is_file()
    assert "no film" in str(shell.refusal("film", "1", "-o", "film.mp4"))


def test_a_single_chunk_is_no_plural(shell: Shell, studio: Studio) -> None:
    """fault_232: in what is posted, shown and cancelled."""
    folder = str(studio.bundle(replace(BUNDLE, frames=(7,), chunk=1)))
    told = plain(shell.run("create", folder, "--price", "0.1", "--yes"))
    told += plain(shell.run("show", "1")) + plain(shell.run("cancel", "1"))
    assert "Posted as order 1: job 1." in told
    assert "1, job 1 " in told
    assert "0 of 1 frame " in told
    assert not re.search(r"\b1 (?:frames|jobs|chunks)\b", told)


def test_previews_leave_room_on_the_disk(
    shell: Shell, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_286: a sheet that is too large, or a disk without room, is told, and the order is followed."""
    _post(shell, studio)

    async def deliver(part: int, size_bytes: int) -> None:
        chunk = (await studio.orders.find(1)).chunks[part]
        await studio.deliver(chunk, {"preview.jpg": bytes(size_bytes)})

    async def fill() -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
        await deliver(2, 1000)

    shell.creator_registry.acts = [
        _nothing,
        _nothing,
        lambda: deliver(0, 2**20),
        lambda: deliver(1, 1000),
        fill,
    ]
    result = shell.run("watch", "1", "--result", "--previews", "previews")
    assert result.exit_code == 0, result.exception
    assert [path.name for path in Path("previews").iterdir()] == ["job-2.jpg"]
    lines = [line for line in result.stdout.splitlines() if "no preview" in line]
    assert ["size" in lines[0], "disk_free_bytes" in lines[1], len(lines)] == [True, True, 2]


def test_previews_make_their_folder(shell: Shell, studio: Studio) -> None:
    """fault_236: also one within another; a file in its place is refused with the option."""
    _post(shell, studio)
    _deliver(studio, 0)
    folder = studio.folder / "some" / "previews"
    shell.run("cancel", "1")
    shell.run("watch", "1", "--result", "--previews", str(folder))
    assert [file.name for file in folder.iterdir()] == ["job-1.jpg"]
    (studio.folder / "file").touch()
    assert "--previews" in str(shell.refusal("watch", "1", "--previews", str(studio.folder / "file")))


def test_plain_lines_come_in_the_order_of_what_happened(shell: Shell, studio: Studio) -> None:
    """fault_236: the third chunk came first, whatever its number."""
    _post(shell, studio)
    _deliver(studio, 2)
    studio.shared.now += 60
    _deliver(studio, 0)
    shell.run("cancel", "1", "--jobs", "2")
    told = shell.run("watch", "1", "--result").stdout.splitlines()
    came = [line.split("(")[1].split(")")[0] for line in told if " there (" in line]
    assert came == ["job 3", "job 1"]


def test_a_narrow_terminal_has_fewer_columns(
    shell: Shell, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_236: at 60 characters every cell is whole."""
    _post(shell, studio)
    console = Console(width=60, force_terminal=True, color_system=None, file=(drawn := io.StringIO()))
    monkeypatch.setattr(show, "out", console)
    assert shell.run("list").exit_code == 0
    text = drawn.getvalue()
    assert max(map(len, text.splitlines())) <= 60
    for word in ("order", "shot.blend", "0/10", "3 open", "0.6 STRK"):
        assert word in text, text
