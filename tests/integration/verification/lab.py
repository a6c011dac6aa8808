"""A laboratory of results: a worker, honest or not, renders and publishes; a verifier examines.

Everything goes through the ports: a real Blender in the sandbox, the embedded store and registry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from tests.integration import renderer_scenes

from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.adapters.local_registry import LocalRegistry
from veriframe.adapters.local_store.store import LocalStore
from veriframe.model.bundle.chunks import parts, task_of
from veriframe.model.bundle.inspected import settings_of
from veriframe.model.bundle.job_file import Bundle, write_job_file
from veriframe.model.bundle.manifest import (
    FILE_NAME,
    FRAMES_FOLDER,
    PREVIEW_NAME,
    PROOF_FOLDER,
    Manifest,
    ManifestFrame,
    Proof,
    root_of,
    write_manifest,
)
from veriframe.model.registry.job import Job, Terms, format_address
from veriframe.model.rendering.frames import (
    Frame,
    RenderLimits,
    RenderTask,
    ValidatedFrame,
    proof_file,
    tiles_file,
)
from veriframe.model.rendering.scene import SceneLimits
from veriframe.model.verification.findings import Request
from veriframe.ports.registry import FullRegistry, read_job
from veriframe.ports.renderer import Kernel
from veriframe.ports.store import ContentStore
from veriframe.verifier.evidence import Retries
from veriframe.verifier.scenes import OpenedAsset, Scenes
from veriframe.verifier.verifier import Verified, Verifier

LIMITS = SceneLimits()
MEMORY_BYTES = 8 * 2**30
RETRIES = Retries(tries=3, pause_seconds=0.01)


def same(value: Any) -> Any:
    """Nothing is changed."""
    return value


class LabRenderer(BlenderRenderer):
    """Claims a class of machine that needs no measuring."""

    async def machine_class(self) -> str:
        """The same on every machine."""
        return "the lab's class"


@dataclass(frozen=True, slots=True)
class Scene:
    """A bundle and the Python that changes the scene of tests/integration/renderer_scenes.py."""

    bundle: Bundle
    change: str = ""
    file: Path | None = None
    """This scene instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Frames as a worker has them after their validation, in `folder`."""

    folder: Path
    task: RenderTask
    opened: OpenedAsset
    frames: Sequence[tuple[Frame, ValidatedFrame]]


@dataclass(slots=True, kw_only=True)
class Lab:
    """One registry and one store; `creator` and `worker` are accounts. A context manager."""

    folder: Path
    creator: FullRegistry
    worker: FullRegistry
    store: ContentStore
    renderer: BlenderRenderer
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _assets: dict[Scene, str] = field(default_factory=dict)
    _known: dict[tuple[Scene, Kernel, tuple[int, int] | None], Work] = field(default_factory=dict)
    _made: int = 0
    _theirs: Scenes = field(init=False)
    _verifiers: dict[int, Verifier] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        self._theirs = await self._stack.enter_async_context(self._scenes(self.renderer, "worker"))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    def new_folder(self) -> Path:
        """An empty folder."""
        self._made += 1
        folder = self.folder / f"made-{self._made}"
        folder.mkdir(parents=True)
        return folder

    def _scenes(self, renderer: BlenderRenderer, name: str) -> Scenes:
        folder = self.folder / name
        return Scenes(
            store=self.store, renderer=renderer, limits=LIMITS, memory_bytes=MEMORY_BYTES, folder=folder
        )

    async def asset(self, scene: Scene) -> str:
        """The CID of a bundle with this scene."""
        if scene not in self._assets:
            folder = self.new_folder()
            (folder / "job.json").write_bytes(write_job_file(scene.bundle))
            content = scene.file.read_bytes() if scene.file else renderer_scenes.make(scene.change)
            (folder / scene.bundle.scene).write_bytes(content)
            self._assets[scene] = await self.store.add(folder, f"asset-{self._made}")
        return self._assets[scene]

    async def claimed(self, scene: Scene) -> Job:
        """A new order of this scene, whose first job is claimed."""
        now = (await self.creator.snapshot(1, 0)).head.time
        terms = Terms(
            reward_fri=100,
            bond_fri=10,
            deadline=now + 10_000,
            lease_seconds=3600,
            review_seconds=3600,
            arbitration_seconds=60,
        )
        (first, *_) = await self.creator.create_order(await self.asset(scene), terms, parts(scene.bundle))
        await self.worker.claim(first)
        return await read_job(self.worker, first)

    async def honest(
        self, scene: Scene, kernel: Kernel = Kernel.BEST, stop_early: tuple[int, int] | None = None
    ) -> Work:
        """What an honest worker makes; or one that stops early. Rendered once."""
        key = scene, kernel, stop_early
        if key not in self._known:
            self._known[key] = await self.render(
                scene, lambda task: replace(task, stop_early=stop_early), kernel=kernel
            )
        return self._known[key]

    async def render(
        self,
        scene: Scene,
        task: Callable[[RenderTask], RenderTask] = same,
        *,
        kernel: Kernel = Kernel.BEST,
        renderer: BlenderRenderer | None = None,
        touch: Callable[[Path], None] = same,
        frames: Callable[[list[Frame]], list[Frame]] = same,
        kept: Callable[[RenderTask], RenderTask] = same,
    ) -> Work:
        """Render the first part of a scene's order as a worker does; or otherwise.

        `task` changes what is rendered; `touch` what then lies in the folder, before its validation; `frames`
        and `kept` what is validated: the frames and their task.
        """
        scenes = self._theirs
        if renderer is not None:
            scenes = await self._stack.enter_async_context(self._scenes(renderer, f"worker-{self._made}"))
        opened = await scenes.open(await self.asset(scene))
        whole = _task(opened, scene.bundle)
        session, out, clean = await opened.sessions.get(kernel), self.new_folder(), self.new_folder()
        rendered = [frame async for frame in session.frames(task(whole), out)]
        touch(out)
        rendered, whole = frames(rendered), kept(whole)
        validated = await self.renderer.validate(whole, rendered, out, clean)
        return Work(
            folder=clean, task=whole, opened=opened, frames=list(zip(rendered, validated, strict=True))
        )

    async def submit(
        self,
        job: Job,
        work: Work,
        told: Callable[[Manifest], Manifest] = same,
        spoil: Callable[[Path], None] = same,
    ) -> Job:
        """Publish work as the result of a job. `told` changes its manifest, `spoil` the folder."""
        folder = self.new_folder()
        for name in (FRAMES_FOLDER, PROOF_FOLDER):
            (folder / name).mkdir()
        for _, one in work.frames:
            (folder / FRAMES_FOLDER / one.file).write_bytes((work.folder / one.file).read_bytes())
            if work.task.has_proof:
                for source, suffix in ((proof_file(one.number), "exr"), (tiles_file(one.number), "tiles")):
                    target = folder / PROOF_FOLDER / f"frame_{one.number:04d}.{suffix}"
                    target.write_bytes((work.folder / source).read_bytes())
        if not work.task.has_proof:
            (folder / PROOF_FOLDER).rmdir()
        (folder / PREVIEW_NAME).write_bytes(b"a picture that nobody checks")
        manifest = await self._manifest(job, work)
        (folder / FILE_NAME).write_bytes(write_manifest(told(manifest)))
        spoil(folder)
        await self.worker.submit_result(job.id, await self.store.add(folder, f"result-{job.id}"))
        return await read_job(self.worker, job.id)

    async def _manifest(self, job: Job, work: Work) -> Manifest:
        facts = await self.renderer.facts()
        asked = _task(work.opened, work.opened.inspected.bundle)
        frames = tuple(_told(one, has_proof=work.task.has_proof) for _, one in work.frames)
        settings = dict(settings_of(work.opened.inspected.inspection, asked))
        settings["color_depth"] = frames[0].depth
        return Manifest(
            job=job.id,
            order=job.order.id,
            part=job.part,
            asset=job.order.asset_cid,
            worker=format_address(job.worker),
            blender=facts.version_text,
            build_hash=facts.build_hash,
            machine_class="",
            settings=settings,
            frames=frames,
            root=root_of(frames),
            seconds=1.0,
        )

    async def verify(
        self, job: Job, request: Request | None = None, *, store: ContentStore | None = None
    ) -> Verified:
        """What a verifier finds. Without a request, as many tiles as the bundle says."""
        store = store or self.store
        if id(store) not in self._verifiers:
            verifier = Verifier(
                registry=self.creator,
                store=store,
                renderer=self.renderer,
                limits=LIMITS,
                memory_bytes=MEMORY_BYTES,
                folder=self.folder / f"verifier-{len(self._verifiers)}",
                retries=RETRIES,
            )
            self._verifiers[id(store)] = await self._stack.enter_async_context(verifier)
        return await self._verifiers[id(store)].verify(job, request or Request())


def _task(opened: OpenedAsset, bundle: Bundle | None) -> RenderTask:
    assert bundle is not None
    return replace(task_of(bundle, 0, opened.inspected.inspection), has_thumbnail=False)


def _told(one: ValidatedFrame, *, has_proof: bool) -> ManifestFrame:
    name = f"{PROOF_FOLDER}/frame_{one.number:04d}"
    return ManifestFrame(
        number=one.number,
        file=f"{FRAMES_FOLDER}/{one.file}",
        width=one.width,
        height=one.height,
        channels=one.channel_names,
        depth=one.bit_depth,
        size_bytes=one.size_bytes,
        digest=one.pixel_digest,
        proof=Proof(tiles=f"{name}.tiles", exr=f"{name}.exr", root=one.proof_root) if has_proof else None,
        seconds=1.0,
        peak_memory_bytes=1,
    )


def embedded(folder: Path, runtime: runtimes.Runtime | None = None) -> Lab:
    """A lab on the embedded registry."""
    renderer = ours(runtime)
    folder.mkdir(parents=True, exist_ok=True)
    return Lab(
        folder=folder,
        creator=LocalRegistry(folder / "registry.sqlite", "creator"),
        worker=LocalRegistry(folder / "registry.sqlite", "worker"),
        store=LocalStore(folder / "store", 4 * 2**30),
        renderer=renderer,
    )


def ours(runtime: runtimes.Runtime | None = None) -> BlenderRenderer:
    """The renderer of a lab: Blender in the strongest sandbox."""
    return LabRenderer(runtime or runtimes.BpyWheel(), BubblewrapSandbox(), limits=RenderLimits())
