"""The chunks of one order by one worker: one Blender after another chunk, restarts in the middle of one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.bench import Bench, GatedRenderer, GatedSession, stages
from tests.fakes.bundles import BUNDLE, begun, files_of, post_bundle, post_files
from tests.fakes.renderer import FakeSession
from tests.unit.worker.pipelines import EARNING_MOVES, run

from veriframe.errors import Code, RenderFailed
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.bundle.manifest import parse_manifest, write_manifest
from veriframe.model.rendering.frames import Frame, Progress, RenderTask
from veriframe.worker import pipeline
from veriframe.worker.listener import Listener, Listeners
from veriframe.worker.settlement.repinning import check_pins


class Killed(Exception):
    """Not one of our errors, so that nothing handles it."""


class CountedRenderer(GatedRenderer):
    """Notes which session rendered what."""

    def __init__(self) -> None:
        super().__init__()
        self.rendered: list[tuple[int, Path, tuple[int, ...]]] = []

    def session(self, scene: Path) -> FakeSession:
        """A session that notes its renders."""
        return CountedSession(self, scene)


class CountedSession(GatedSession):
    """Notes each render with its own number."""

    def __init__(self, renderer: CountedRenderer, scene: Path) -> None:
        super().__init__(renderer, scene)
        self._counted = renderer

    async def frames(self, task: RenderTask, out: Path, **how: Any) -> AsyncIterator[Frame]:
        """Renders as the fake does."""
        self._counted.rendered.append((id(self), self._scene, task.frames))
        async for frame in super().frames(task, out, **how):
            yield frame


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A worker whose sessions are told apart."""
    return Bench(tmp_path / "work", renderer=CountedRenderer())


def rendered(bench: Bench) -> list[tuple[int, Path, tuple[int, ...]]]:
    """The session, the scene and the frames of each render."""
    assert isinstance(bench.renderer, CountedRenderer)
    return bench.renderer.rendered


@pytest.mark.parametrize("slots", [1, 2])
async def test_chunks_are_rendered_by_the_same_blender(bench: Bench, slots: int) -> None:
    """The scene is loaded once for each renderer; at the end nothing is open."""
    await post_bundle(bench, chunk=1)
    assert await bench.service(slots=slots).run(once=True)
    assert stages(bench) == [Stage.SUBMITTED] * 10
    assert sorted(frames for _, _, frames in rendered(bench)) == [(n,) for n in range(1, 11)]
    assert len({session for session, _, _ in rendered(bench)}) <= slots
    assert bench.renderer.sessions == 0


async def test_a_session_never_passes_from_one_asset_to_another(bench: Bench) -> None:
    """fault_118: two bundles and a bare scene between them."""
    first = await post_bundle(bench, chunk=2)
    second = await post_bundle(bench, chunk=2, proof_tiles=0)
    await bench.post(2)
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.SUBMITTED] * 12
    by_session: dict[int, set[Path]] = {}
    for session, scene, _ in rendered(bench):
        by_session.setdefault(session, set()).add(scene)
    assert all(len(scenes) == 1 for scenes in by_session.values())
    assert first[0].order.asset_cid != second[0].order.asset_cid
    assert bench.renderer.sessions == 0


async def test_jobs_of_an_open_scene_come_first(bench: Bench) -> None:
    """An order is rendered to its end, but for every third job, which is that of a drawn creator."""
    for _ in range(2):
        await post_bundle(bench, chunk=1, frames=tuple(range(1, 7)), proof_tiles=1 + _)
    bench.context.policy = bench.policy
    await bench.service().run(once=True)
    scenes = [scene for _, scene, _ in rendered(bench)]
    changes = sum(before != after for before, after in pairwise(scenes))
    assert changes <= 6, "of eleven, and one at least"


class Dying(Listener):
    """A worker that is killed in a frame."""

    def __init__(self, at: int) -> None:
        self._at = at

    def on_progress(self, job_id: int, progress: Progress) -> None:
        """Dies."""
        if progress.frame == self._at:
            raise Killed


async def test_a_kill_in_frame_7_of_10_goes_on_with_frame_7(bench: Bench) -> None:
    """fault_119: the rest is rendered, the chunk is not begun again, and the claim is made once."""
    (job,) = await post_bundle(bench, chunk=10)
    dying = replace(bench.context, listener=Listeners([Dying(at=7)]))
    with pytest.raises(Killed):
        await pipeline.run(begun(bench, job), dying)
    assert bench.attempt().stage is Stage.CLAIMED
    bench.remember(bench.attempt())
    told = Told()
    bench.context.listener.add(told)
    assert (await run(bench, bench.attempt())).stage is Stage.SUBMITTED
    assert [frames for _, _, frames in rendered(bench)] == [BUNDLE.frames, (7, 8, 9, 10)]
    assert bench.shared.moves == EARNING_MOVES
    files = bench.store.folders[bench.job().result_cid]
    assert [one.number for one in parse_manifest(files["manifest.json"]).frames] == list(BUNDLE.frames)
    assert (told.progress[0].done, told.progress[0].total) == (6, 10), "of the chunk, not of what was left"


class Told(Listener):
    """Notes progress."""

    def __init__(self) -> None:
        self.progress: list[Progress] = []

    def on_progress(self, job_id: int, progress: Progress) -> None:
        """Notes it."""
        self.progress.append(progress)


class DyingAt(Listener):
    """A worker that is killed at a stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def on_stage(self, before: Attempt, after: Attempt) -> None:
        """Dies."""
        if after.stage is self._stage:
            raise Killed


@pytest.mark.parametrize("stage", [Stage.RENDERED, Stage.VALIDATED, Stage.STORED])
async def test_a_restart_stores_the_same_result(bench: Bench, stage: Stage) -> None:
    """fault_119: whatever was made before is used, or made again with the same bytes."""
    first, second = await post_bundle(bench)
    with pytest.raises(Killed):
        await pipeline.run(begun(bench, first), replace(bench.context, listener=Listeners([DyingAt(stage)])))
    before = dict(bench.store.folders)
    bench.remember(bench.attempt())
    after = await run(bench, bench.attempt())
    assert after.stage is Stage.SUBMITTED
    assert len(rendered(bench)) == 1
    if stage is Stage.STORED:
        assert after.result_cid in before
    assert (await run(bench, begun(bench, second))).stage is Stage.SUBMITTED


async def test_the_result_is_the_same_after_a_second_validation(bench: Bench) -> None:
    """fault_119: killed between the folder and its note."""
    (job,) = await post_bundle(bench, chunk=10)
    with pytest.raises(Killed):
        await pipeline.run(
            begun(bench, job), replace(bench.context, listener=Listeners([DyingAt(Stage.VALIDATED)]))
        )
    folder = bench.context.workspace.result(1)
    before = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    bench.remember(bench.amend(replace(bench.attempt(), stage=Stage.RENDERED)))
    await run(bench, bench.attempt())
    assert {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


async def test_a_lost_folder_is_added_again(bench: Bench) -> None:
    """As a lost picture is: from the job's folder, while its job is not over."""
    (job,) = await post_bundle(bench, chunk=10)
    after = await run(bench, begun(bench, job))
    bench.store.folders.pop(after.result_cid)
    bench.store.pinned.clear()
    await check_pins(bench.context)
    assert after.result_cid in bench.store.folders
    assert [pin.cid for pin in bench.store.pinned] == [after.result_cid]


def add_file(folder: Path) -> None:
    """One that no manifest names."""
    (folder / "frames" / "secret.txt").write_text("key")


def link_frame(folder: Path) -> None:
    """A link in place of a frame."""
    secret = folder.parent / "secret.png"
    secret.write_text("key")
    (folder / "frames" / "frame_0001.png").unlink()
    (folder / "frames" / "frame_0001.png").symlink_to(secret)


def link_folder(folder: Path) -> None:
    """A folder more, behind a link."""
    (folder / "more").symlink_to(folder.parent)


def rename_job(folder: Path) -> None:
    """The manifest of another job."""
    manifest = parse_manifest((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_bytes(write_manifest(replace(manifest, job=7)))


def cut_manifest(folder: Path) -> None:
    """Half a manifest."""
    (folder / "manifest.json").write_bytes((folder / "manifest.json").read_bytes()[:100])


def remove_frame(folder: Path) -> None:
    """A frame less."""
    (folder / "frames" / "frame_0002.png").unlink()


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (add_file, Code.TAMPER),
        (link_frame, Code.TAMPER),
        (link_folder, Code.TAMPER),
        (rename_job, Code.TAMPER),
        (cut_manifest, Code.TAMPER),
        (remove_frame, Code.NO_OUTPUT),
    ],
)
async def test_nothing_but_the_result_is_published(bench: Bench, spoil: Any, code: Code) -> None:
    """fault_125: the folder holds exactly what this job's manifest names."""
    first, _ = await post_bundle(bench)
    with pytest.raises(Killed):
        await pipeline.run(
            begun(bench, first), replace(bench.context, listener=Listeners([DyingAt(Stage.VALIDATED)]))
        )
    spoil(bench.context.workspace.result(1))
    bench.remember(bench.attempt())
    after = await run(bench, bench.attempt())
    assert (after.stage, after.code) == (Stage.RELEASED, code)
    assert not any(b"key" in content for files in bench.store.folders.values() for content in files.values())


async def test_a_slow_asset_is_left_once_that_is_known(bench: Bench) -> None:
    """fault_126: after a frame that exceeded its limit, its other chunks are not claimed."""
    bench.script.render_failures.append(RenderFailed(Code.TIMEOUT, "It took too long."))
    first, second = await post_bundle(bench)
    assert (await run(bench, begun(bench, first))).code is Code.TIMEOUT
    after = await run(bench, begun(bench, second))
    assert after.stage is Stage.LOST
    assert "longer here than its limit" in after.detail


async def test_bundles_in_the_budget_of_the_disk(bench: Bench) -> None:
    """A bundle counts with all its files, and is removed as a whole."""
    bench.context.workspace = replace(bench.context.workspace, limit_bytes=3000)
    big = {**files_of(), "textures/big.exr": bytes(5000)}
    job, _ = await post_files(bench, big, 2)
    await run(bench, begun(bench, job))
    folder = bench.context.workspace.bundle(job.order.asset_cid)
    assert folder.is_dir()
    (bare,) = await bench.post()
    await run(bench, bench.begin(bare))
    assert not folder.exists()
    assert sorted(path.suffix for path in folder.parent.iterdir()) == [".blend"]
