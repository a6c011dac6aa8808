"""The demo: an honest worker is paid for a proved picture, and one who cheats loses its bond."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from veriframe.creator.creator import Creator
from veriframe.creator.orders.notes import OrderNote, OrderNotes
from veriframe.creator.orders.posting import OrderPosting
from veriframe.demo.cheat import cheating
from veriframe.demo.making import STILL, fresh_home, make_bundle, make_scene
from veriframe.demo.proving import Proving
from veriframe.demo.values import Audience, Balances, Outcome
from veriframe.errors import HostUnavailable
from veriframe.model.attempt.attempt import Attempt
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.bundle.manifest import FRAMES_FOLDER
from veriframe.model.quantities import FRI_PER_STRK
from veriframe.model.registry.job import Job, JobState
from veriframe.model.registry.offer import Offer
from veriframe.model.rendering.frames import Progress, frame_file
from veriframe.ports.registry import WorkerRegistry
from veriframe.ports.renderer import Renderer
from veriframe.ports.store import ContentStore, FetchLimits
from veriframe.settings import Settings
from veriframe.wiring import creators, registries, renderers, stores, workers
from veriframe.wiring.verifiers import build_verifier
from veriframe.worker.context import WorkerContext
from veriframe.worker.listener import Listener

REWARD_FRI = 5 * FRI_PER_STRK
PICTURE, PICTURE_BYTES = "picture.png", 2**28
POLL_SECONDS = 0.1
FRAME_SECONDS = 1800.0
"""The least limit for the demo's frame: it takes minutes, and many times as long beside other programs."""
LEASE_SECONDS = 3 * 3600
"""A worker stops at a quarter of it, since this creator has paid nothing yet."""
OFFER = Offer(reward_fri=REWARD_FRI, lease_seconds=LEASE_SECONDS)
ENDING_SECONDS = 30


def demo_settings(settings: Settings, home: Path) -> Settings:
    """The settings with embedded parts in this home, and more time for a frame on a busy machine."""
    frame_seconds = max(settings.frame_seconds, FRAME_SECONDS)
    embedded = {"home": home, "registry": "local", "store": "local", "frame_seconds": frame_seconds}
    return settings.model_copy(update=embedded)


@dataclass(slots=True)
class Demo:
    """One run of the demo. Its home holds its own registry, store and journals, and is emptied first."""

    settings: Settings
    folder: Path
    audience: Audience
    scene: Path | None = None

    async def show(self) -> Outcome:
        """Run the demo. Raises `VeriFrameError` if a part fails, or a job does not end as it must."""
        settings = demo_settings(self.settings, fresh_home(self.folder))
        self.audience.begin("Making the scene")
        scene = self.scene or await make_scene(settings.home / "still.blend", STILL)
        self.audience.begin("Testing the sandbox with attacks, starting Blender")
        renderer = await renderers.build_for_one(settings)
        self.audience.ready(facts := await renderer.facts())
        store = stores.open_store(settings)
        creator = creators.build_creator(settings, registries.embedded(settings, "creator"), store)
        draft = await creator.draft(scene, OFFER)
        source = settings.home / "bundle"
        bundle = await asyncio.to_thread(make_bundle, scene, draft.header, source)
        worker = _worker(settings, "worker", renderer, store)
        arbiter = creators.build_creator(settings, registries.embedded(settings, "arbiter"), store)
        # Workers take jobs only of arbiters whom they know.
        trusting = settings.model_copy(update={"arbiters": (arbiter.account,)})
        cheat = _worker(trusting, "cheat", cheating(renderer), store)
        before = await _balances(creator, worker.registry, cheat.registry)
        async with build_verifier(settings, creator.registry, store, renderer) as verifier:
            proving = Proving(creator, arbiter, verifier, self.folder, self.audience)

            async with _working(settings, worker, self.audience, "worker") as told:
                job = await self._result(creator, source, bundle, OFFER, told)
                finding = await proving.prove(job)
                picture, (width, height) = await self._fetch(store, job, bundle)
                job = (await creator.accept(job.id)).job
                await asyncio.wait_for(told.ended.wait(), ENDING_SECONDS)
            (attempt,) = await worker.journal.history()
            conviction = None
            if self.scene is None:
                self.audience.begin(
                    "Another worker takes the same order, and stops after an eighth of the samples"
                )
                offer = replace(OFFER, arbiter=arbiter.account)
                async with _working(settings, cheat, self.audience, "cheat") as told:
                    cheated = await self._result(creator, source, bundle, offer, told)
                conviction = await proving.convict(cheated)
        return Outcome(
            job=job,
            attempt=attempt,
            picture=picture,
            width=width,
            height=height,
            facts=facts,
            before=before,
            after=await _balances(creator, worker.registry, cheat.registry),
            finding=finding,
            conviction=conviction,
        )

    async def _result(self, creator: Creator, source: Path, bundle: Bundle, offer: Offer, told: _Told) -> Job:
        """Post the bundle and wait for its result. Raises `HostUnavailable` if the worker gives up."""
        posting = OrderPosting(creator=creator, notes=OrderNotes(source.parent, "creator"))
        posted = await posting.post(await posting.draft(source, bundle, offer, OrderNote(name="still")))
        self.audience.posted(posted)
        async for status in creator.statuses(posted.jobs[0], POLL_SECONDS):
            if status.job.state is JobState.SUBMITTED:
                self.audience.submitted(status.job)
                return status.job
            if told.has_given_up:
                break
        raise HostUnavailable("The worker did not submit a result. See its log above for the reason.")

    async def _fetch(self, store: ContentStore, job: Job, bundle: Bundle) -> tuple[Path, tuple[int, int]]:
        """Download the frame that was proved right."""
        target = self.folder / PICTURE
        path = f"{FRAMES_FOLDER}/{frame_file(bundle.frames[0], bundle.format)}"
        limits = FetchLimits(file_bytes=PICTURE_BYTES)
        await store.fetch(job.result_cid, target, limits, path=path)
        with Image.open(target) as picture:
            return target, picture.size


class _Told(Listener):
    """Passes on what one worker does."""

    def __init__(self, audience: Audience, who: str) -> None:
        self.ended = asyncio.Event()
        self._audience, self._who = audience, who
        self.service: asyncio.Task[bool] | None = None

    @property
    def has_given_up(self) -> bool:
        """Whether nothing more will come of its job."""
        return self.ended.is_set() or (self.service is not None and self.service.done())

    def on_stage(self, before: Attempt, after: Attempt) -> None:
        """Passes a stage on."""
        self._audience.stage(before, after, self._who)
        if after.stage.is_end:
            self.ended.set()

    def on_progress(self, job_id: int, progress: Progress) -> None:
        """Passes the progress on."""
        self._audience.progress(progress)


def _worker(settings: Settings, account: str, renderer: Renderer, store: ContentStore) -> WorkerContext:
    registry = registries.embedded(settings, account)
    return workers.build_context(settings, account, registry, renderer, store)


@asynccontextmanager
async def _working(
    settings: Settings, context: WorkerContext, audience: Audience, who: str
) -> AsyncIterator[_Told]:
    """A worker at work; it stops at the end of the block."""
    told = _Told(audience, who)
    context.listener.add(told)
    service = workers.build_service(settings, context)
    told.service = asyncio.create_task(service.run())
    try:
        yield told
    finally:
        service.drain()
        await told.service


async def _balances(creator: Creator, worker: WorkerRegistry, cheat: WorkerRegistry) -> Balances:
    # Each account asks for its own funds: the first query credits it with play money.
    return Balances(
        creator=await creator.registry.funds(creator.registry.account),
        worker=await worker.funds(worker.account),
        cheat=await cheat.funds(cheat.account),
        registry=await worker.totals(),
    )
