"""`veriframe order create`: what is shown and asked before anything is public, and what is posted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.renderer import INSPECTION
from tests.unit.cli.shell import Shell, plain
from tests.unit.creator.orders.studio import BUNDLE, Studio, picture
from tests.unit.creator.stage import ARBITER, STRK

from veriframe.cli.job import packing
from veriframe.creator.packing.values import Comparison, Packed
from veriframe.errors import SettingsError
from veriframe.model.bundle.estimate import Estimate
from veriframe.model.bundle.job_file import Bundle, parse_job_file
from veriframe.model.bundle.options import BundleOptions
from veriframe.model.rendering.frames import ImageFormat
from veriframe.model.rendering.scene import SceneInspection, SceneVerdict

ESTIMATE = Estimate(
    frames=10,
    frame_seconds=90.0,
    error_seconds=9.0,
    loading_seconds=10.0,
    chunk=5,
    lease_seconds=5400,
    price_fri=STRK,
)


def _scene(studio: Studio) -> str:
    return str(studio.bundle() / "shot.blend")


def _job_file(studio: Studio, job_id: int) -> Bundle:
    cid = studio.shared.jobs[job_id].order.asset_cid
    return parse_job_file(studio.store.folders[cid]["job.json"])


def test_a_folder_is_posted_by_one_command(shell: Shell, studio: Studio) -> None:
    """Costs first, then the number; a price for a frame is that of a chunk times its frames."""
    result = shell.run("create", str(studio.bundle()), "--price", "0.05", "--yes")
    assert result.exit_code == 0, result.output
    assert "Posted as order 1: 3 chunks, jobs 1 to 3." in plain(result)
    for fact in (
        "1-10 (10)",
        "3 of 4 frames, the last of 2",
        "0.2 STRK",
        "0.6 STRK for all 3",
        "become public",
    ):
        assert fact in result.stderr, fact
    assert studio.shared.jobs[1].terms.reward_fri == STRK // 5


def test_nothing_is_posted_without_a_yes(shell: Shell, studio: Studio) -> None:
    """Asked after the costs; without a terminal --yes is needed before anything is read."""
    result = shell.run("create", str(studio.bundle()), "--reward", "1", typed="n\n")
    assert (result.exit_code, studio.shared.moves, studio.store.folders) == (1, [], {})
    assert result.stderr.index("rewards") < result.stderr.index("Post it?")
    assert "--yes" in str(shell.refusal("create", str(studio.bundle()), "--reward", "1"))


def test_options_go_before_the_folders_own(shell: Shell, studio: Studio) -> None:
    """Only job.json is another one."""
    arguments = ("--frames", "3-6", "--chunk", "2", "--samples", "64", "--arbiter", hex(ARBITER))
    answer = shell.object("create", str(studio.bundle()), "--reward", "1", "--yes", *arguments)
    assert (answer["order"], answer["job_ids"], answer["frames"]) == (1, [1, 2], 4)
    assert answer["rewards_fri"] == str(2 * STRK)
    posted = _job_file(studio, 1)
    assert posted == replace(
        BUNDLE, frames=(3, 4, 5, 6), chunk=2, overrides=replace(BUNDLE.overrides, samples=64)
    )
    assert studio.shared.jobs[1].terms.arbiter == ARBITER


def test_frames_that_are_there_are_left_out(shell: Shell, studio: Studio, tmp_path: Path) -> None:
    """By their names; if all are there, nothing is posted."""
    for number in (1, 2, 9):
        (tmp_path / f"frame_{number:04d}.png").write_bytes(picture(number))
    folder = str(studio.bundle())
    arguments = ("create", folder, "--price", "0.1", "--yes", "--skip-existing", str(tmp_path))
    assert shell.run(*arguments).exit_code == 0
    assert _job_file(studio, 1) == replace(BUNDLE, frames=(3, 4, 5, 6, 7, 8, 10))
    refused = shell.refusal(*arguments, "--frames", "1-2")
    assert isinstance(refused, SettingsError)


def test_lost_frames_become_a_new_order(shell: Shell, studio: Studio) -> None:
    """fault_163: of refunded chunks, with the terms of before, paid by the frame; nothing else is stored."""
    shell.run("create", str(studio.bundle()), "--price", "0.05", "--lease", "2h", "--yes")
    assert shell.run("cancel", "1", "--frames", "9").exit_code == 0
    result = shell.run("create", "--again", "1", "--yes")
    assert result.exit_code == 0, result.output
    assert "not sent again" in result.stderr
    assert _job_file(studio, 4) == replace(BUNDLE, frames=(9, 10))
    terms = [studio.shared.jobs[number].terms for number in (1, 4)]
    assert terms[0].lease_seconds == terms[1].lease_seconds == 7200
    # Four frames in a chunk before, two now.
    assert terms[0].reward_fri == 2 * terms[1].reward_fri


def test_an_order_without_lost_frames_is_not_posted_again(shell: Shell, studio: Studio) -> None:
    """Frames may be named; what the order never had is refused."""
    shell.run("create", str(studio.bundle()), "--price", "0.05", "--yes")
    assert "--frames" in str(shell.refusal("create", "--again", "1", "--yes"))
    assert "frame 11" in str(shell.refusal("create", "--again", "1", "--frames", "10-11", "--yes"))
    named = ("create", "--again", "1", "--frames", "2-3", "--yes")
    assert "--anyway" in str(shell.refusal(*named))
    assert shell.run(*named, "--anyway").exit_code == 0
    assert _job_file(studio, 4) == replace(BUNDLE, frames=(2, 3))


def test_frames_of_a_live_order_are_not_paid_twice(shell: Shell, studio: Studio) -> None:
    """fault_213: a repeat is refused, or asked for at a terminal; other frames and settings are not one."""
    folder = str(studio.bundle())
    create = ("create", folder, "--price", "0.05")
    assert shell.run(*create, "--frames", "1-8", "--yes").exit_code == 0
    refused = str(shell.refusal(*create, "--frames", "5-10", "--yes"))
    assert "frames 5-8" in refused
    assert "--anyway" in refused
    asked = shell.run(*create, typed="n\n")
    assert "twice?" in asked.stderr
    assert (asked.exit_code, len(studio.shared.jobs)) == (1, 2)
    assert shell.run(*create, "--frames", "9-10", "--yes").exit_code == 0
    assert shell.run(*create, "--samples", "9", "--yes").exit_code == 0
    shell.run("cancel", "1")
    assert shell.run(*create, "--frames", "1-8", "--yes").exit_code == 0


def test_lost_frames_are_posted_again_once(shell: Shell, studio: Studio) -> None:
    """fault_214: those that a later order renders are not lost; once that one is cancelled, they are."""
    shell.run("create", str(studio.bundle()), "--price", "0.05", "--yes")
    shell.run("cancel", "1", "--frames", "1-8")
    assert shell.run("create", "--again", "1", "--frames", "1-4", "--yes").exit_code == 0
    assert shell.run("create", "--again", "1", "--yes").exit_code == 0
    assert _job_file(studio, 5) == replace(BUNDLE, frames=(5, 6, 7, 8))
    assert "no later order" in str(shell.refusal("create", "--again", "1", "--yes"))
    shell.run("cancel", "2")
    assert shell.run("create", "--again", "1", "--yes").exit_code == 0
    assert _job_file(studio, 6) == replace(BUNDLE, frames=(1, 2, 3, 4))


def test_a_chunk_that_workers_leave_is_warned_of(shell: Shell, studio: Studio) -> None:
    """fault_127: by the limits of its frames, whatever its lease is."""
    asked = ("create", str(studio.bundle()), "--price", "0.05", "--frames", "1-24", "--lease", "1d", "--yes")
    result = shell.run(*asked, "--chunk", "24", "--frame-seconds", "200")
    assert result.exit_code == 0, result.output
    assert "one may take 1h21m, and they allow 1h." in " ".join(result.stderr.split())
    result = shell.run(*asked, "--chunk", "12", "--frame-seconds", "200", "--anyway")
    assert result.exit_code == 0, result.output
    assert "they allow 1h" not in result.stderr


def test_a_lease_without_an_estimate_is_warned_of(
    shell: Shell, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_228: with the option that helps; not if an estimate, or a lease, leaves the time."""
    asked = ("create", str(studio.bundle()), "--price", "0.05", "--yes", "--frames")
    result = shell.run(*asked, "1-4")
    assert result.exit_code == 0, result.output
    words = " ".join(result.stderr.split())
    assert "If a chunk may take longer than 15m, pass --lease" in words
    assert "or a smaller --chunk: nothing was estimated" in words
    assert "of the lease of 1h." in words
    assert "smaller --chunk" not in shell.run(*asked, "5", "--chunk", "1", "--lease", "10m").stderr
    enough = ("--chunk", "4", "--frame-seconds", "20", "--lease", "4h")
    assert "nothing was estimated" not in shell.run(*asked, "6-9", *enough).stderr
    _packs(monkeypatch, studio)
    estimated = shell.run(
        "create",
        str(studio.bundle() / "shot.blend"),
        "--frames",
        "1-10",
        "--samples",
        "8",
        "--yes",
        "--anyway",
    )
    assert estimated.exit_code == 0, estimated.output
    assert "nothing was estimated" not in estimated.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--yes",),
        ("--yes", "--price", "1"),
        ("bundle", "--yes"),
        ("bundle", "--yes", "--price", "1", "--reward", "1"),
        ("bundle", "--yes", "--price", "1", "--again", "1"),
    ],
)
def test_what_is_not_clear_is_asked_for(shell: Shell, studio: Studio, arguments: tuple[str, ...]) -> None:
    """One source, and one price."""
    folder = str(studio.bundle())
    refused = shell.refusal("create", *(folder if one == "bundle" else one for one in arguments))
    assert isinstance(refused, SettingsError)
    assert studio.shared.moves == []


def _packs(
    monkeypatch: pytest.MonkeyPatch,
    studio: Studio,
    difference: str = "",
    lacking: str = "",
    inspection: SceneInspection = INSPECTION,
) -> list[BundleOptions]:
    """Replace packing: the folder is there, its estimate is `ESTIMATE`."""
    asked: list[BundleOptions] = []

    async def pack(
        scene: Path,
        target: Path,
        given: BundleOptions,
        *,
        is_checked: bool,
        on_packed: Callable[[Packed], None],
    ) -> tuple[Packed, Comparison | None, Estimate | None]:
        asked.append(given)
        assert target.parent.is_dir()
        packed = Packed(
            folder=studio.bundle(replace(BUNDLE, chunk=ESTIMATE.chunk)),
            bundle=replace(BUNDLE, chunk=ESTIMATE.chunk),
            chunk_is_given=False,
            verdict=SceneVerdict(header=None, inspection=inspection, warnings=("It glows.",)),  # type: ignore[arg-type]
            files=3,
            size_bytes=2048,
            left_out=(),
            traces=(),
        )
        on_packed(packed)
        seen = Comparison(frame=1, width=1, height=1, difference=difference, lacking=lacking)
        return packed, seen, ESTIMATE

    monkeypatch.setattr(packing, "pack_and_check", pack)
    monkeypatch.setattr(packing, "hour_fri", lambda: STRK)
    return asked


def test_a_scene_is_packed_and_estimated_first(
    shell: Shell, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The estimate gives chunk, lease and, if nothing was offered, the price."""
    asked = _packs(monkeypatch, studio)
    result = shell.run("create", _scene(studio), "--frames", "1-10", "--samples", "8", "--yes")
    assert result.exit_code == 0, result.output
    assert asked[0].frames == tuple(range(1, 11))
    for fact in ("1m30s ± 9s", "0.1 STRK a frame", "2 of 5 frames", "It glows."):
        assert fact in result.stderr, fact
    terms = studio.shared.jobs[1].terms
    assert (terms.reward_fri, terms.lease_seconds) == (STRK // 2, 5400)
    status = json.loads(shell.run("show", "1", "--json").stdout)
    assert status["seconds_left"] == 10 * 90 + 2 * 10


def test_a_bundle_that_renders_another_picture_is_not_posted(
    shell: Shell, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_164: the difference is named, before anything is asked."""
    _packs(monkeypatch, studio, difference="it lacks smoke.vdb")
    refused = shell.refusal("create", _scene(studio), "--frames", "1-10", "--price", "1", "--yes")
    assert "smoke.vdb" in str(refused)
    assert (studio.shared.moves, studio.store.folders) == ([], {})


def test_a_bundle_that_lacks_a_used_file_is_not_posted(
    shell: Shell, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_130: equal pixels tell nothing, since neither picture had it."""
    _packs(monkeypatch, studio, lacking="mesh cache “a.pc2”")
    refused = shell.refusal("create", _scene(studio), "--frames", "1-10", "--price", "1", "--yes")
    assert "a.pc2" in str(refused)
    assert "another picture" not in str(refused)
    assert (studio.shared.moves, studio.store.folders) == ([], {})


def test_another_engine_or_format_drops_what_belonged_to_the_former(shell: Shell, studio: Studio) -> None:
    """A bundle names samples of Cycles and a depth of PNG (fault_131); EEVEE and EXR have others."""
    settled = replace(BUNDLE.overrides, engine="CYCLES", samples=64, color_depth=8, resolution=(64, 36))
    folder = studio.bundle(replace(BUNDLE, overrides=settled))
    asked = ("--engine", "eevee", "--format", "exr")
    shell.object("create", str(folder), "--reward", "1", "--yes", *asked)
    kept = replace(settled, engine="BLENDER_EEVEE_NEXT", samples=None, color_depth=None)
    assert _job_file(studio, 1) == replace(BUNDLE, overrides=kept, format=ImageFormat.EXR)
