"""Tiles of a split still that are ordered again."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.cli.shell import Shell
from tests.unit.creator.orders.studio import BUNDLE, Studio
from tests.unit.creator.stage import STRK

from veriframe.model.bundle.job_file import Bundle, Split, parse_job_file


def _job_file(studio: Studio, job_id: int) -> Bundle:
    cid = studio.shared.jobs[job_id].order.asset_cid
    return parse_job_file(studio.store.folders[cid]["job.json"])


def test_a_lost_tile_is_ordered_again_alone(shell: Shell, studio: Studio) -> None:
    """fault_226: at the reward of a tile; once it is ordered, it is not lost; all of it with --tiles."""
    folder = studio.bundle(replace(BUNDLE, frames=(7,), chunk=1, split=Split(columns=2, rows=2)))
    shell.run("create", str(folder), "--price", "0.4", "--yes")
    assert shell.run("cancel", "1", "--jobs", "3").exit_code == 0
    result = shell.run("create", "--again", "1", "--yes")
    assert result.exit_code == 0, result.output
    assert "tile 3 of one picture, 2×2" in result.stderr
    posted = _job_file(studio, 5)
    assert posted == replace(BUNDLE, frames=(7,), chunk=1, split=Split(columns=2, rows=2, only=(2,)))
    assert studio.shared.jobs[5].terms.reward_fri == STRK // 10
    assert "no later order" in str(shell.refusal("create", "--again", "1", "--yes"))
    shell.run("cancel", "1")
    shell.run("cancel", "2")
    assert shell.run("create", "--again", "1", "--tiles", "2x2", "--yes").exit_code == 0
    assert _job_file(studio, 6).split == Split(columns=2, rows=2)
