"""Fetching a picture: completely or not at all, and never over an existing file."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.registry import FakeRegistry
from tests.fakes.store import FakeStore
from tests.unit.creator.stage import OUTSIDER, PNG, Stage

from veriframe.errors import (
    Code,
    JobRejected,
    MoveRefused,
    SettingsError,
    StoreUnavailable,
    ValidationFailed,
)
from veriframe.model.registry.offer import LEASE_SECONDS
from veriframe.ports.store import Fetched, FetchLimits, OnTransfer, ignore_transfer


async def test_a_picture_is_fetched_whole_with_its_size(stage: Stage) -> None:
    """The file equals the result, and nothing else is left in the folder."""
    job_id = await stage.submitted()
    target = stage.folder / "picture.png"
    picture = await stage.creator.fetch(job_id, target, replace=False)
    assert target.read_bytes() == PNG
    assert (640, 360, len(PNG)) == (picture.width, picture.height, picture.size_bytes)
    assert {"picture.png", "scene.blend"} == {path.name for path in stage.folder.iterdir()}


async def test_a_job_without_a_result_says_how_to_wait(stage: Stage) -> None:
    """A refunded job says that it will have none."""
    job_id = await stage.claimed()
    with pytest.raises(MoveRefused, match=r"CLAIMED.*`veriframe job watch 1 --result`"):
        await stage.creator.fetch(job_id, stage.folder / "picture.png", replace=False)
    stage.shared.now += LEASE_SECONDS
    await stage.creator.cancel(job_id)
    with pytest.raises(MoveRefused, match="REFUNDED"):
        await stage.creator.fetch(job_id, stage.folder / "picture.png", replace=False)


async def test_an_existing_file_is_kept(stage: Stage) -> None:
    """Unless it may be replaced; then it is replaced completely."""
    job_id = await stage.submitted()
    target = stage.folder / "picture.png"
    target.write_bytes(
        b"my own drawing, longer than the picture that comes instead of it, much longer indeed"
    )
    with pytest.raises(SettingsError, match="--force"):
        await stage.creator.fetch(job_id, target, replace=False)
    assert target.read_bytes().startswith(b"my own")
    await stage.creator.fetch(job_id, target, replace=True)
    assert target.read_bytes() == PNG


class _Slow(FakeStore):
    """Another process takes the target's name during the download."""

    async def fetch(
        self,
        cid: str,
        target: Path,
        limits: FetchLimits,
        on_progress: OnTransfer = ignore_transfer,
        path: str = "",
    ) -> Fetched:
        (target.parent / "picture.png").write_bytes(b"mine")
        return await super().fetch(cid, target, limits, on_progress, path)


async def test_a_file_that_appears_while_fetching_is_kept(tmp_path: Path) -> None:
    """The name is checked again at the end of the download."""
    stage = Stage(tmp_path, store=_Slow())
    job_id = await stage.submitted()
    with pytest.raises(SettingsError):
        await stage.creator.fetch(job_id, tmp_path / "picture.png", replace=False)
    assert (tmp_path / "picture.png").read_bytes() == b"mine"


async def test_a_link_is_never_written_through(stage: Stage) -> None:
    """fault_42: it is refused, even if it is broken; and replaced, not followed, if that is allowed."""
    job_id = await stage.submitted()
    target, elsewhere = stage.folder / "picture.png", stage.folder / "elsewhere"
    target.symlink_to(elsewhere)
    stage.store.fault = StoreUnavailable("It must not be asked for what cannot be put anywhere.")
    with pytest.raises(SettingsError):
        await stage.creator.fetch(job_id, target, replace=False)
    assert not elsewhere.exists()
    stage.store.fault = None
    elsewhere.write_bytes(b"precious")
    await stage.creator.fetch(job_id, target, replace=True)
    assert (elsewhere.read_bytes(), target.is_symlink(), target.read_bytes()) == (b"precious", False, PNG)


@pytest.mark.parametrize("replace", [False, True])
async def test_a_folder_is_not_a_target(stage: Stage, replace: bool) -> None:
    """Whether it may be replaced or not."""
    job_id = await stage.submitted()
    with pytest.raises(SettingsError):
        await stage.creator.fetch(job_id, stage.folder, replace=replace)


@pytest.mark.parametrize("name", ["no/such/folder.png", "scene.blend/picture.png", "x" * 300])
async def test_a_target_that_cannot_be_written_is_a_settings_error(stage: Stage, name: str) -> None:
    """With the name of the file and the reason."""
    job_id = await stage.submitted()
    with pytest.raises(SettingsError, match=Path(name).name):
        await stage.creator.fetch(job_id, stage.folder / name, replace=False)


@pytest.mark.parametrize(
    "result",
    [b"", b"\x89PNG\r\n\x1a\n", PNG[:20], b"GIF89a" + PNG, PNG[:16] + bytes(8) + PNG[24:], b"\x7fELF"],
    ids=["empty", "signature only", "cut", "another format", "no pixels", "program"],
)
async def test_a_result_that_is_not_a_picture_is_not_kept(stage: Stage, result: bytes) -> None:
    """fault_43: NOT_IMAGE, and no file, not even a partial one, at the target."""
    job_id = await stage.submitted(result)
    with pytest.raises(ValidationFailed) as raised:
        await stage.creator.fetch(job_id, stage.folder / "picture.png", replace=False)
    assert raised.value.code == Code.NOT_IMAGE
    assert [path.name for path in stage.folder.iterdir()] == ["scene.blend"]


async def test_a_result_that_is_not_a_picture_replaces_nothing(stage: Stage) -> None:
    """fault_43: even if replacing is allowed."""
    job_id = await stage.submitted(b"not a picture")
    target = stage.folder / "picture.png"
    target.write_bytes(b"yesterday's")
    with pytest.raises(ValidationFailed):
        await stage.creator.fetch(job_id, target, replace=True)
    assert target.read_bytes() == b"yesterday's"


async def test_an_unavailable_store_leaves_no_file(stage: Stage) -> None:
    """fault_50: its own error is raised, so that the caller can try again later."""
    job_id = await stage.submitted()
    stage.store.fault = StoreUnavailable("away")
    with pytest.raises(StoreUnavailable):
        await stage.creator.fetch(job_id, stage.folder / "picture.png", replace=False)
    assert [path.name for path in stage.folder.iterdir()] == ["scene.blend"]


@pytest.mark.parametrize("code", [Code.NOT_FOUND, Code.NOT_A_FILE, Code.BAD_CID])
async def test_a_result_that_cannot_be_fetched_is_the_workers_fault(stage: Stage, code: Code) -> None:
    """fault_6: the store's sentence would ask the creator for another CID; but an arbiter can help."""
    job_id = await stage.submitted()
    stage.store.fault = JobRejected(code, "Give the CID of the file itself.")
    with pytest.raises(ValidationFailed, match="Dispute") as raised:
        await stage.creator.fetch(job_id, stage.folder / "picture.png", replace=False)
    assert raised.value.code == code
    assert ("veriframe order fetch 1" in str(raised.value)) is (code is Code.NOT_A_FILE)
    fault, stage.store.fault = stage.store.fault, None
    await stage.creator.accept(job_id)
    stage.store.fault = fault
    with pytest.raises(ValidationFailed) as raised:
        await stage.creator.fetch(job_id, stage.folder / "picture.png", replace=False)
    assert "Dispute" not in str(raised.value)
    assert [path.name for path in stage.folder.iterdir()] == ["scene.blend"]


async def test_anyone_may_fetch_even_after_payment(stage: Stage) -> None:
    """Pictures are public and stay available after payment."""
    job_id = await stage.submitted()
    await stage.creator.accept(job_id)
    outsider = stage.creator_at(FakeRegistry(OUTSIDER, stage.shared))
    await outsider.fetch(job_id, stage.folder / "picture.png", replace=False)
    assert (stage.folder / "picture.png").read_bytes() == PNG
