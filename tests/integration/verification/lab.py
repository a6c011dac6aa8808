"""A laboratory of results: a worker, honest or not, renders and publishes; a verifier examines.

Everything goes through the ports: a real Blender in the sandbox, a store, and the registry of a chain.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.deployed import REGISTRY, Clients, deploy
from tests.integration import renderer_scenes
from tests.integration.verification.chains import Chain, Embedded, OnDevnet
from tests.integration.verification.works import (
    Scene,
    Work,
    first_task,
    manifest_of,
    put_files,
    put_manifest,
    same,
)
from tests.nodes import STRK_ADDRESS, Devnet

from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.adapters.local_store.store import LocalStore
from veriframe.model.bundle.chunks import parts
from veriframe.model.bundle.job_file import write_job_file
from veriframe.model.bundle.manifest import Manifest
from veriframe.model.quantities import FRI_PER_STRK
from veriframe.model.registry.job import Address, Job, Terms
from veriframe.model.rendering.frames import Frame, RenderLimits, RenderTask
from veriframe.model.rendering.scene import SceneLimits
from veriframe.model.verification.findings import Request
from veriframe.ports.registry import FullRegistry, read_job
from veriframe.ports.renderer import Kernel
from veriframe.ports.store import ContentStore
from veriframe.verifier.delivery.evidence import Retries
from veriframe.verifier.scenes import OpenedAsset, Scenes
from veriframe.verifier.verifier import Verified, Verifier

LIMITS = SceneLimits()
MEMORY_BYTES = 8 * 2**30
RETRIES = Retries(tries=3, pause_seconds=0.01)


class LabRenderer(BlenderRenderer):
    """Claims a class of machine that needs no measuring."""

    async def machine_class(self) -> str:
        """The same on every machine."""
        return "the lab's class"


@dataclass(slots=True, kw_only=True)
class Lab:
    """One chain and one store. Each job has a worker of its own. A context manager."""

    folder: Path
    chain: Chain
    store: ContentStore
    renderer: BlenderRenderer
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _assets: dict[Scene, str] = field(default_factory=dict)
    _known: dict[tuple[Scene, Kernel], Work] = field(default_factory=dict)
    _made: int = 0
    _theirs: Scenes = field(init=False)
    _ours: Verifier = field(init=False)
    _workers: dict[Address, FullRegistry] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        self._theirs = await self._stack.enter_async_context(self._scenes(self.renderer))
        self._ours = await self._stack.enter_async_context(self.verifier(self.store, self.renderer))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    def new_folder(self) -> Path:
        """An empty folder."""
        self._made += 1
        folder = self.folder / f"made-{self._made}"
        folder.mkdir(parents=True)
        return folder

    def _scenes(self, renderer: BlenderRenderer) -> Scenes:
        return Scenes(
            store=self.store,
            renderer=renderer,
            limits=LIMITS,
            memory_bytes=MEMORY_BYTES,
            folder=self.new_folder(),
        )

    def verifier(self, store: ContentStore, renderer: BlenderRenderer) -> Verifier:
        """A verifier of the lab's results, not open yet."""
        return Verifier(
            registry=self.chain.creator,
            store=store,
            renderer=renderer,
            limits=LIMITS,
            memory_bytes=MEMORY_BYTES,
            folder=self.new_folder(),
            retries=RETRIES,
        )

    async def asset(self, scene: Scene) -> str:
        """The CID of a bundle with this scene."""
        if scene not in self._assets:
            folder = self.new_folder()
            if scene.folder:
                shutil.copytree(scene.folder, folder, dirs_exist_ok=True)
            else:
                content = scene.file.read_bytes() if scene.file else renderer_scenes.make(scene.change)
                (folder / scene.bundle.scene).write_bytes(content)
            (folder / "job.json").write_bytes(write_job_file(scene.bundle))
            self._assets[scene] = await self.store.add(folder, f"asset-{self._made}")
        return self._assets[scene]

    async def claimed(self, scene: Scene) -> Job:
        """A new order of this scene, whose first job a new worker has claimed."""
        creator = self.chain.creator
        now = (await creator.snapshot(1, 0)).head.time
        terms = Terms(
            reward_fri=FRI_PER_STRK,
            bond_fri=FRI_PER_STRK // 10,
            deadline=now + 10_000,
            lease_seconds=3600,
            review_seconds=3600,
            arbitration_seconds=60,
        )
        (first, *_) = await creator.create_order(await self.asset(scene), terms, parts(scene.bundle))
        worker = self.chain.hire()
        self._workers[worker.account] = worker
        await worker.claim(first)
        return await read_job(worker, first)

    async def opened(self, scene: Scene) -> OpenedAsset:
        """A scene as its worker has it open. The next one closes it."""
        return await self._theirs.open(await self.asset(scene))

    async def honest(self, scene: Scene, kernel: Kernel = Kernel.BEST) -> Work:
        """What an honest worker makes. Rendered once."""
        if (scene, kernel) not in self._known:
            self._known[scene, kernel] = await self.render(scene, kernel=kernel)
        return self._known[scene, kernel]

    async def render(
        self,
        scene: Scene,
        task: Callable[[RenderTask], RenderTask] = same,
        *,
        kernel: Kernel = Kernel.BEST,
        renderer: BlenderRenderer | None = None,
        touch: Callable[[Path], None] = same,
        frames: Callable[[list[Frame]], list[Frame]] = same,
    ) -> Work:
        """Render the first part of a scene's order as a worker does; or otherwise.

        `task` changes what is rendered; `touch` what then lies in the folder, before its validation; `frames`
        which frames are validated. `renderer`: by another one, which ends then.
        """
        async with AsyncExitStack() as stack:
            scenes = self._theirs
            if renderer is not None:
                scenes = await stack.enter_async_context(self._scenes(renderer))
            opened = await scenes.open(await self.asset(scene))
            whole = first_task(opened, scene.bundle)
            session, out, clean = await opened.sessions.get(kernel), self.new_folder(), self.new_folder()
            rendered = [frame async for frame in session.frames(task(whole), out)]
        touch(out)
        rendered = frames(rendered)
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
        folder, worker = self.new_folder(), self._workers[job.worker]
        put_files(folder, work)
        put_manifest(folder, told(manifest_of(await self.renderer.facts(), job, work)))
        spoil(folder)
        await worker.submit_result(job.id, await self.store.add(folder, f"result-{job.id}"))
        await self.chain.add_blocks(1)
        return await read_job(worker, job.id)

    async def verify(
        self,
        job: Job,
        request: Request | None = None,
        *,
        store: ContentStore | None = None,
        renderer: BlenderRenderer | None = None,
    ) -> Verified:
        """What a verifier finds. Without a request, as many tiles as the bundle says."""
        request = request or Request()
        if store is None and renderer is None:
            return await self._ours.verify(job, request)
        async with self.verifier(store or self.store, renderer or self.renderer) as verifier:
            return await verifier.verify(job, request)


def embedded(folder: Path) -> Lab:
    """A lab on the embedded registry."""
    return _lab(folder, Embedded(folder))


@asynccontextmanager
async def on_devnet(node: Devnet, folder: Path) -> AsyncIterator[Lab]:
    """An open lab on the real contract, which it deploys."""
    clients = Clients(node, folder)
    try:
        address = await deploy(node, REGISTRY, STRK_ADDRESS)
        async with _lab(folder, OnDevnet(node, clients, address)) as lab:
            yield lab
    finally:
        await clients.close()


def _lab(folder: Path, chain: Chain) -> Lab:
    return Lab(folder=folder, chain=chain, store=LocalStore(folder / "store", 4 * 2**30), renderer=ours())


def ours(runtime: runtimes.Runtime | None = None) -> LabRenderer:
    """The renderer of a lab: Blender in the strongest sandbox."""
    return LabRenderer(runtime or runtimes.BpyWheel(), BubblewrapSandbox(), limits=RenderLimits())
