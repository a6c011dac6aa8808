"""The demo: a creator and a worker on the embedded parts complete one job with a real render."""

from __future__ import annotations

import asyncio
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from veriframe.causes import cause_of
from veriframe.creator.creator import Creator
from veriframe.creator.values import Picture, Posted
from veriframe.errors import HostUnavailable, SettingsError
from veriframe.model.attempt.attempt import Attempt
from veriframe.model.quantities import FRI_PER_STRK, format_span
from veriframe.model.registry.job import Job, JobState
from veriframe.model.registry.offer import Offer
from veriframe.model.rendering.frames import Progress
from veriframe.ports.registry import Funds, Totals, WorkerRegistry, read_job
from veriframe.ports.renderer import RendererFacts
from veriframe.settings import Settings
from veriframe.wiring import creators, registries, renderers, stores, workers
from veriframe.worker.listener import Listener
from veriframe.worker.report import stage_seconds

STILL = Path(__file__).resolve().parents[2] / "examples" / "still.py"
"""The script that makes the scene. It is part of the source tree, not of an installed package."""

MAKING_SECONDS = 180
REWARD_FRI = 5 * FRI_PER_STRK
PICTURE = "picture.png"
POLL_SECONDS = 0.1


class Audience(Protocol):
    """Receives the demo's progress: one call for each thing that happens."""

    def begin(self, what: str) -> None:
        """A slow step starts."""

    def ready(self, facts: RendererFacts) -> None:
        """Blender and the sandbox are ready."""

    def posted(self, posted: Posted) -> None:
        """The creator's order was posted."""

    def stage(self, before: Attempt, after: Attempt) -> None:
        """The worker reached a stage."""

    def progress(self, progress: Progress) -> None:
        """Blender reports progress."""

    def submitted(self, job: Job) -> None:
        """The result was submitted. The creator now downloads and accepts it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balances:
    """All balances at one moment, in fri."""

    creator: Funds
    worker: Funds
    registry: Totals

    @property
    def all_fri(self) -> int:
        """The sum of all money in the demo. It must never change."""
        people = (self.creator, self.worker)
        return sum(funds.wallet_fri + funds.credit_fri for funds in people) + (
            self.registry.escrow_fri + self.registry.burned_fri
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The demo's result. `attempt` is the worker's finished attempt."""

    job: Job
    attempt: Attempt
    picture: Path
    width: int
    height: int
    facts: RendererFacts
    before: Balances
    after: Balances

    @property
    def stage_seconds(self) -> dict[str, float]:
        """The duration of each stage."""
        return stage_seconds(self.attempt)


@dataclass(slots=True)
class Demo(Listener):
    """One run of the demo. Its home holds its own registry, store and journal, and is emptied first."""

    settings: Settings
    folder: Path
    audience: Audience
    scene: Path | None = None
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def show(self) -> Outcome:
        """Run the demo. Raises `VeriFrameError` if a part fails or the job is not paid."""
        embedded = {"home": _fresh_home(self.folder), "registry": "local", "store": "local"}
        settings = self.settings.model_copy(update=embedded)
        self.audience.begin("Making the scene")
        scene = self.scene or await make_scene(settings.home / "still.blend", STILL)
        self.audience.begin("Testing the sandbox with attacks, starting Blender")
        renderer = await renderers.build_for_one(settings)
        self.audience.ready(facts := await renderer.facts())
        content = stores.open_store(settings)
        creator = creators.build_creator(settings, registries.embedded(settings, "creator"), content)
        context = workers.build_context(
            settings, "worker", registries.embedded(settings, "worker"), renderer, content
        )
        context.listener.add(self)
        before = await _balances(creator, context.registry)
        service = workers.build_service(settings, context)
        working = asyncio.create_task(service.run())
        try:
            posted = await creator.post(await creator.draft(scene, Offer(reward_fri=REWARD_FRI)))
            self.audience.posted(posted)
            picture = await self._follow(creator, posted.jobs[0], working)
            await asyncio.wait_for(self._ended.wait(), 30)
        finally:
            service.drain()
            await working
        (attempt,) = [one for one in await context.journal.history() if one.job_id == posted.jobs[0]]
        return Outcome(
            job=await read_job(creator.registry, posted.jobs[0]),
            attempt=attempt,
            picture=picture.path,
            width=picture.width,
            height=picture.height,
            facts=facts,
            before=before,
            after=await _balances(creator, context.registry),
        )

    async def _follow(self, creator: Creator, job_id: int, working: asyncio.Task[bool]) -> Picture:
        async for status in creator.statuses(job_id, POLL_SECONDS):
            if status.job.state is JobState.SUBMITTED:
                self.audience.submitted(status.job)
                picture = await creator.fetch(job_id, self.folder / PICTURE, replace=True)
                await creator.accept(job_id)
                return picture
            if self._ended.is_set() or working.done():
                break
        raise HostUnavailable("The worker did not submit a result. See its log above for the reason.")

    def on_stage(self, before: Attempt, after: Attempt) -> None:
        """Passes a stage on."""
        self.audience.stage(before, after)
        if after.stage.is_end:
            self._ended.set()

    def on_progress(self, job_id: int, progress: Progress) -> None:
        """Passes the progress on."""
        self.audience.progress(progress)


async def make_scene(target: Path, script: Path, *options: str) -> Path:
    """Make a scene by running its script with this Python's `bpy`.

    Raises `SettingsError` if there is no script, and `HostUnavailable` if the script fails.
    """
    if not await asyncio.to_thread(script.exists):
        raise SettingsError(
            "The example scenes were not found. Run this in the source tree, or pass --scene."
        )
    # A separate process, because Blender's module may hang when its process exits.
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        script,
        target,
        *options,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), MAKING_SECONDS)
    except TimeoutError as error:
        process.kill()
        raise HostUnavailable(f"The scene was not made within {format_span(MAKING_SECONDS)}.") from error
    if process.returncode != 0:
        last = output.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise HostUnavailable(
            f"The scene could not be made: {' '.join(last)}. Run `make setup`, then `veriframe doctor`."
        )
    return target


def _fresh_home(folder: Path) -> Path:
    """Make the demo's own home below `folder`. Deletes only what an earlier demo left there."""
    home = folder.absolute() / "home-of-the-demo"
    mark = home / ".made-by-veriframe-demo"
    try:
        if home.exists() and not mark.exists():
            raise SettingsError(
                f"{home} exists and was not made by the demo. Pass another folder with --output."
            )
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True, mode=0o700)
        mark.touch()
    except OSError as error:
        raise SettingsError(
            f"{home} cannot be created: {cause_of(error)}. Pass another folder with --output."
        ) from error
    return home


async def _balances(creator: Creator, worker: WorkerRegistry) -> Balances:
    # Each account asks for its own funds: the first query credits it with play money.
    return Balances(
        creator=await creator.registry.funds(creator.registry.account),
        worker=await worker.funds(worker.account),
        registry=await worker.totals(),
    )
