"""What is there or paid for is not ordered again by chance, and what cannot be used is told first."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.cli.order.test_following import _deliver, _post
from tests.unit.cli.shell import Shell, plain
from tests.unit.creator.orders.studio import Studio, picture

from veriframe.cli import context
from veriframe.cli.display.order_view import UNCLAIMED_SECONDS
from veriframe.cli.order import acting
from veriframe.errors import MoveRefused, SettingsError


def _paid(shell: Shell, studio: Studio) -> None:
    """The first chunk of order 1 is paid, the others are taken back."""
    _post(shell, studio)
    _deliver(studio, 0)
    assert shell.run("accept", "1", "--unchecked").exit_code == 0
    assert shell.run("cancel", "1").exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("--again", "1", "--skip-existing", "."),
        ("--again", "1", "--frames", "4-5"),
        ("studio/bundle",),
    ],
)
def test_frames_that_were_paid_are_not_sold_again(
    shell: Shell, studio: Studio, arguments: tuple[str, ...]
) -> None:
    """fault_300: the order that has them is named, with the command that gets them."""
    _paid(shell, studio)
    refused = str(shell.refusal("create", *arguments, "--price", "0.05", "--yes"))
    assert "veriframe order fetch 1" in refused
    assert "--anyway" in refused
    assert len(studio.shared.jobs) == 3
    asked = shell.run("create", *arguments, "--price", "0.05", typed="n\n")
    assert "twice?" in asked.stderr
    assert shell.run("create", *arguments, "--price", "0.05", "--yes", "--anyway").exit_code == 0


def test_a_paid_result_at_fault_may_be_ordered_again(shell: Shell, studio: Studio) -> None:
    """fault_300: only what `order fetch` can get counts."""
    _paid(shell, studio)
    job = studio.shared.jobs[1]
    acting.notes().note_check(1, job.result_cid, "its pixels differ")
    assert shell.run("create", "--again", "1", "--frames", "1-4", "--yes").exit_code == 0


def test_credit_that_pays_is_told(shell: Shell, studio: Studio) -> None:
    """fault_301: an order that costs the wallet nothing is not free."""
    _post(shell, studio)
    shell.run("cancel", "1")
    told = " ".join(shell.run("create", "--again", "1", "--yes").stderr.split())
    assert "from credit 0.6 STRK" in told
    assert "from the wallet 0 STRK" in told


def test_a_file_that_is_no_such_frame_does_not_count_as_one(shell: Shell, studio: Studio) -> None:
    """fault_302: `--skip-existing` looks at the size; `order fetch` has an exit code for foreign files."""
    Path("shots").mkdir()
    for number, size in ((1, (16, 8)), (2, (8, 8))):
        Path(f"shots/frame_{number:04d}.png").write_bytes(picture(number, size))
    posted = shell.object(
        *("create", str(studio.bundle()), "--price", "0.05", "--yes", "--skip-existing", "shots")
    )
    assert posted["frames"] == 9
    Path("order-1").mkdir()
    Path("order-1/frame_0003.png").write_bytes(b"my own")
    _deliver(studio, 0)
    assert shell.run("fetch", "1").exit_code == 8
    assert shell.run("fetch", "1", "--force").exit_code == 0


def test_what_cannot_be_written_is_told_before_anything_is_fetched(shell: Shell, studio: Studio) -> None:
    """fault_303: a folder that may not be written, for frames or a film; one that is not there."""
    _post(shell, studio)
    _deliver(studio, 0)
    # Nobody, not even root, makes files there.
    assert isinstance(shell.refusal("fetch", "1", "-o", "/proc"), SettingsError)
    assert isinstance(shell.refusal("film", "1", "-o", "/proc/x.mp4"), SettingsError)
    assert not Path("order-1").exists()
    refused = shell.refusal("create", str(studio.bundle()), "--price", "1", "--skip-existing", "absent")
    assert "--skip-existing absent" in str(refused)


@pytest.mark.parametrize("decision", ["accept", "cancel"])
def test_anothers_order_is_called_anothers(shell: Shell, studio: Studio, decision: str) -> None:
    """fault_304: whatever state its chunks are in."""

    async def post() -> None:
        first = studio.shared.jobs[1]
        await studio.worker.deposit(3 * first.terms.reward_fri)
        await studio.worker.create_order(first.order.asset_cid, first.terms, 3)

    _post(shell, studio)
    context.run(post())
    refused = shell.refusal(decision, "2")
    assert isinstance(refused, MoveRefused)
    assert refused.rule == "NOT_CREATOR"


def test_a_chunk_that_nobody_claims_has_a_hint(shell: Shell, studio: Studio) -> None:
    """fault_305: after some minutes, with the command that tells; not while workers take others."""
    _post(shell, studio)
    assert "scene check" not in plain(shell.run("show", "1"))
    studio.shared.now += UNCLAIMED_SECONDS
    assert "`veriframe scene check`" in plain(shell.run("show", "1"))
    context.run(studio.claim(1))
    assert "scene check" not in plain(shell.run("show", "1"))
