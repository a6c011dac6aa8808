"""Fetching an order's frames: only what is missing, each checked against what its manifest says."""

from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.store import FakeStore
from tests.unit.creator.orders.studio import BUNDLE, RATE, Studio, picture

from veriframe.creator.orders.fetching import WORK
from veriframe.creator.orders.kept_frames import RECORD
from veriframe.errors import HostUnavailable, SettingsError, StoreUnavailable
from veriframe.model.bundle.misfit import misfit
from veriframe.model.rendering.overrides import Overrides
from veriframe.ports.store import Fetched, FetchLimits, OnTransfer, ignore_transfer

NAMES = [f"frame_{number:04d}.png" for number in range(1, 11)]


async def _delivered(studio: Studio, *parts: int) -> int:
    """An order of which these parts have come."""
    number = (await studio.ordered()).number
    for chunk in (await studio.status(number)).chunks:
        if chunk.job.part in parts:
            await studio.deliver(chunk)
    return number


async def test_frames_come_under_their_names_and_the_rest_is_told(studio: Studio) -> None:
    """Two chunks of three have come; the third is open."""
    number = await _delivered(studio, 0, 2)
    found = await studio.fetch(number)
    assert studio.frames() == [*NAMES[:4], *NAMES[8:]]
    assert (studio.folder / "out" / NAMES[9]).read_bytes() == picture(10)
    assert (found.written, found.frames_per_second) == ([1, 2, 3, 4, 9, 10], RATE)
    assert [(one.frames, one.job_id, one.is_bad) for one in found.missing] == [((5, 6, 7, 8), 2, False)]


async def test_only_manifests_and_missing_frames_are_fetched(studio: Studio) -> None:
    """Neither proofs nor previews; and again only what has come meanwhile."""
    number = await _delivered(studio, 0)
    await studio.fetch(number)
    assert {path for _, path in studio.store.fetched} == {
        "manifest.json",
        *(f"frames/{name}" for name in NAMES[:4]),
    }
    await studio.deliver((await studio.status(number)).chunks[1])
    studio.store.fetched.clear()
    found = await studio.fetch(number)
    assert (found.kept, found.written) == ([1, 2, 3, 4], [5, 6, 7, 8])
    assert sorted(path for _, path in studio.store.fetched) == [
        *(f"frames/{name}" for name in NAMES[4:8]),
        "manifest.json",
        "manifest.json",
    ]


class _Cut(FakeStore):
    """Becomes unavailable after some frames."""

    left = 2

    async def fetch(
        self,
        cid: str,
        target: Path,
        limits: FetchLimits,
        on_progress: OnTransfer = ignore_transfer,
        path: str = "",
    ) -> Fetched:
        """Fetches, as long as it may."""
        if path.startswith("frames/"):
            if self.left == 0:
                raise StoreUnavailable("The connection is gone.")
            self.left -= 1
        return await super().fetch(cid, target, limits, on_progress, path)


async def test_a_cut_is_resumed(tmp_path: Path) -> None:
    """fault_176: nothing half is under a frame's name, and what had arrived is not fetched again."""
    store = _Cut()
    studio = Studio(tmp_path, store=store)
    number = await _delivered(studio, 0)
    with pytest.raises(StoreUnavailable):
        await studio.fetch(number)
    assert studio.frames() == []
    store.left = 2
    assert (await studio.fetch(number)).written == [1, 2, 3, 4]
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name[0] == "."] == [RECORD]


async def test_a_manifest_of_something_else_is_at_fault(studio: Studio) -> None:
    """fault_177: another job, order, part, asset, worker or list of frames; the other chunks go on."""
    number = (await studio.ordered()).number
    chunks = (await studio.status(number)).chunks
    await studio.deliver(chunks[1])
    await studio.claim(1)
    other = await studio.fetch(number)
    assert other.written == [5, 6, 7, 8]
    pictures = [picture(n) for n in chunks[0].frames]
    right = studio.manifest(chunks[0], pictures)
    claimed = (await studio.status(number)).chunks[0]
    assert misfit(right, claimed.job, claimed.frames, BUNDLE) == ""
    for changes in (
        {"job": 2},
        {"order": 2},
        {"part": 1},
        {"asset": "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"},
        {"worker": "0xbad"},
        {"frames": right.frames[::-1]},
        {"frames": right.frames[:-1]},
        {"frames": (replace(right.frames[0], file="frames/frame_0007.png"), *right.frames[1:])},
    ):
        assert misfit(replace(right, **changes), claimed.job, claimed.frames, BUNDLE) != "", changes


@pytest.mark.parametrize(
    ("files", "left", "code"),
    [
        ({"manifest.json": b"{}"}, [], "BAD_MANIFEST"),
        ({"manifest.json": b"gone"}, [], "CORRUPT"),
        ({"frames/frame_0002.png": b"gone"}, [], "CORRUPT"),
        ({"frames/frame_0002.png": b"no picture"}, [1, 3, 4], "NOT_IMAGE"),
        ({"frames/frame_0002.png": picture(77)}, [1, 3, 4], "TAMPER"),
    ],
)
async def test_a_result_at_fault_is_told_and_what_is_right_is_kept(
    studio: Studio, files: dict[str, bytes], left: list[int], code: str
) -> None:
    """fault_177: no frame whose pixels are not those of the manifest gets its name."""
    number = (await studio.ordered()).number
    await studio.deliver((await studio.status(number)).chunks[0], files)
    found = await studio.fetch(number)
    assert found.written == left
    assert studio.frames() == [f"frame_{frame:04d}.png" for frame in left]
    bad = [one for one in found.missing if one.is_bad]
    assert sorted(frame for one in bad for frame in one.frames) == [n for n in (1, 2, 3, 4) if n not in left]
    assert code in bad[0].why


@pytest.mark.parametrize("has_record", [True, False])
async def test_a_result_without_frames_is_not_right(studio: Studio, *, has_record: bool) -> None:
    """fault_284: although the folder has the pixels that it names, of an earlier order or of a copy."""
    first = await _delivered(studio, 0)
    assert (await studio.fetch(first)).written == [1, 2, 3, 4]
    if not has_record:
        (studio.folder / "out" / RECORD).unlink()
    second = (await studio.ordered(replace(BUNDLE, overrides=Overrides(samples=2048)))).number
    chunk = (await studio.status(second)).chunks[0]
    await studio.deliver(chunk, {f"frames/{name}": b"gone" for name in NAMES[:4]})
    found = await studio.fetch(second)
    assert (found.written, found.kept) == ([], [])
    assert [(one.frames, one.is_bad) for one in found.missing[:1]] == [((1, 2, 3, 4), True)]
    assert not (await studio.status(second)).chunks[0].is_right
    assert studio.frames() == NAMES[:4]


async def test_a_frame_of_the_artists_own_is_not_replaced(studio: Studio) -> None:
    """fault_178: another picture under a frame's name stays, unless --force is given; an equal one counts."""
    number = await _delivered(studio, 0)
    (studio.folder / "out").mkdir()
    (studio.folder / "out" / NAMES[0]).write_bytes(picture(99))
    (studio.folder / "out" / NAMES[1]).write_bytes(picture(2))
    found = await studio.fetch(number)
    assert (found.kept, found.written) == ([], [3, 4, 2])
    assert "--force" in found.missing[0].why
    assert (studio.folder / "out" / NAMES[0]).read_bytes() == picture(99)
    assert (await studio.fetch(number, replace=True)).written == [1]
    assert (studio.folder / "out" / NAMES[0]).read_bytes() == picture(1)


async def test_a_changed_frame_is_noticed(studio: Studio) -> None:
    """What was written is remembered with its size and time: a file that was changed is decoded again."""
    number = await _delivered(studio, 0)
    await studio.fetch(number)
    before = len(studio.renderer.validations)
    assert (await studio.fetch(number)).kept == [1, 2, 3, 4]
    assert len(studio.renderer.validations) == before
    (studio.folder / "out" / NAMES[0]).write_bytes(picture(50))
    found = await studio.fetch(number)
    assert (found.kept, [one.frames for one in found.missing if "--force" in one.why]) == ([2, 3, 4], [(1,)])


async def test_without_a_check_nothing_is_decoded_and_that_is_remembered(studio: Studio) -> None:
    """A later fetch with a sandbox checks what was taken as it was."""
    number = (await studio.ordered()).number
    files = {"frames/frame_0002.png": picture(77)}
    await studio.deliver((await studio.status(number)).chunks[0], files)
    assert (await studio.fetch(number, checked=False)).written == [1, 2, 3, 4]
    assert studio.renderer.validations == []
    assert (await studio.fetch(number, checked=False)).kept == [1, 2, 3, 4]
    found = await studio.fetch(number)
    assert found.kept == [1, 3, 4]
    assert [one.frames for one in found.missing if one.is_bad] == [(2,)]


async def test_a_folder_that_cannot_be_written_is_refused(studio: Studio) -> None:
    """A file in its place."""
    number = await _delivered(studio, 0)
    (studio.folder / "out").write_bytes(b"a file")
    with pytest.raises(SettingsError):
        await studio.fetch(number)


@pytest.mark.parametrize("full", ["room", "write"])
async def test_a_full_disk_leaves_no_work_behind(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    """fault_236: with the remedy; what is right stays, and after an outage what has arrived."""
    number = (await studio.ordered()).number
    for chunk in (await studio.status(number)).chunks:
        await studio.deliver(chunk)

    def put(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if full == "room":
        usage = shutil.disk_usage(studio.folder)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))
        work = studio.folder / "out" / WORK / "1"
        work.mkdir(parents=True)
        (work / "frame_0001.png").write_bytes(b"half")
    else:
        monkeypatch.setattr("veriframe.creator.orders.fetching._copy", put)
        (studio.folder / "out").mkdir()
        (studio.folder / "out" / "frame_0001.png").write_bytes(picture(1))
    with pytest.raises(HostUnavailable, match="-o"):
        await studio.fetch(number)
    assert not (studio.folder / "out" / WORK).exists()
