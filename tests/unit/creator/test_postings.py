"""What a killed posting leaves pinned is released by a later one; that of one under way is not."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest
from tests.fakes.registry import FakeRegistry
from tests.unit.creator.stage import ARTIST, OFFER, STRK, Stage

from veriframe.creator.postings import SETTLED_SECONDS
from veriframe.errors import MoveRefused, StoreUnavailable
from veriframe.model.registry.job import Terms
from veriframe.ports.store import Pin

SCENE = b"BLENDER-v405 another scene"


class Killed(BaseException):
    """Not one of our errors, so that nothing handles it."""


class KilledLate(FakeRegistry):
    """The process ends as soon as the order is posted, or before it is."""

    is_posted = True

    async def create_order(self, asset_cid: str, terms: Terms, jobs: int) -> Sequence[int]:
        """Posts it, if it is."""
        if self.is_posted:
            await super().create_order(asset_cid, terms, jobs)
        raise Killed


async def _post(stage: Stage) -> None:
    other = stage.folder / "other.blend"
    other.write_bytes(SCENE)
    await stage.creator.post(await stage.creator.draft(other, OFFER))


async def _killed_at_the_upload(stage: Stage) -> str:
    """The pin of a posting whose process was killed before its first move, with its file."""
    name = (await stage.creator.pin_names()).unposted("ab" * 8)
    await stage.store.add(stage.scene, name)
    stage.creator.postings.folder.mkdir()
    (stage.creator.postings.folder / name).touch()
    return name


async def _killed_at_the_move(stage: Stage, *, is_posted: bool) -> None:
    registry = KilledLate(ARTIST, stage.shared, wallet_fri=100 * STRK)
    registry.is_posted = is_posted
    creator = stage.creator_at(registry)
    with pytest.raises(Killed):
        await creator.post(await creator.draft(stage.scene, OFFER))


def _age(stage: Stage, seconds: float) -> None:
    for file in stage.creator.postings.folder.iterdir():
        then = file.stat().st_mtime - seconds
        os.utime(file, (then, then))


async def test_what_a_killed_upload_left_is_released(stage: Stage) -> None:
    """fault_229: at once, since no order can name it; the next posting's own file is gone, too."""
    await _killed_at_the_upload(stage)
    await _post(stage)
    assert stage.pin_names() == ["order-asset-fake-0xa1-1"]
    assert list(stage.creator.postings.folder.iterdir()) == []


async def test_what_a_posting_under_way_pins_stays(stage: Stage) -> None:
    """fault_229: its process holds its file."""
    names = await stage.creator.pin_names()
    with stage.creator.postings.begun(names) as posting:
        await stage.store.add(stage.scene, posting.pin_name)
        await _post(stage)
        assert posting.pin_name in stage.pin_names()
        assert (stage.creator.postings.folder / posting.pin_name).exists()
    assert list(stage.creator.postings.folder.iterdir()) == []


async def test_what_another_machine_pins_stays(stage: Stage) -> None:
    """fault_229: it has no file here, and may be under way there."""
    name = (await stage.creator.pin_names()).unposted("cd" * 8)
    await stage.store.add(stage.scene, name)
    await _post(stage)
    assert name in stage.pin_names()


@pytest.mark.parametrize("is_posted", [True, False])
async def test_an_order_that_was_posted_keeps_its_scene(stage: Stage, *, is_posted: bool) -> None:
    """fault_229: under the order's name; of one that was not, nothing is kept. Nobody knows for an hour."""
    await _killed_at_the_move(stage, is_posted=is_posted)
    (name,) = stage.pin_names()
    _age(stage, SETTLED_SECONDS - 60)
    await _post(stage)
    assert name in stage.pin_names()
    _age(stage, 120)
    await _post(stage)
    posted = [f"order-asset-fake-0xa1-{n}" for n in range(1, 4 if is_posted else 3)]
    assert stage.pin_names() == posted
    kept = {pin.cid for pin in stage.store.pinned if pin.name == posted[0]}
    assert kept == {stage.shared.jobs[1].order.asset_cid}


async def test_an_order_that_is_over_keeps_nothing(stage: Stage) -> None:
    """fault_229: it was cancelled elsewhere meanwhile."""
    await _killed_at_the_move(stage, is_posted=True)
    await stage.registry.cancel_job(1)
    _age(stage, SETTLED_SECONDS + 60)
    await _post(stage)
    assert stage.pin_names() == ["order-asset-fake-0xa1-2"]


async def test_a_store_that_is_away_is_asked_again(stage: Stage) -> None:
    """fault_229: a refused order whose pin could not be released is released by the next one."""

    class Refuses(FakeRegistry):
        async def create_order(self, asset_cid: str, terms: Terms, jobs: int) -> Sequence[int]:
            stage.store.fault = StoreUnavailable("The content store does not answer.")
            raise MoveRefused("BAD_TERMS", "The registry does not take these terms.")

    creator = stage.creator_at(Refuses(ARTIST, stage.shared, wallet_fri=100 * STRK))
    draft = await creator.draft(stage.scene, OFFER)
    with pytest.raises(MoveRefused):
        await creator.post(draft)
    stage.store.fault = None
    (left,) = list(stage.store.pinned)
    assert isinstance(left, Pin)
    _age(stage, SETTLED_SECONDS + 60)
    await _post(stage)
    assert stage.pin_names() == ["order-asset-fake-0xa1-1"]
