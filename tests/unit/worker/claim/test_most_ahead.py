"""However jobs come, render, fail and are cancelled: at most one claim is ahead for each renderer."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

import stamina
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes.bench import Bench, crash, stages, until
from tests.fakes.bundles import post_bundle
from tests.unit.worker.stepped import ClaimCounter, SteppedRenderer
from tests.waiting import turns

from veriframe.errors import RegistryUnavailable, StoreUnavailable
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.worker.shared.lanes import Lane, Lanes, Place

ORDERS = 2


class Jobs:
    """Jobs of some orders on their way through the renderers of one worker."""

    def __init__(self, slots: int) -> None:
        self.lanes = Lanes(slots, lambda: 0.0)
        self.places: dict[int, Place] = {}
        self.orders: dict[int, int] = {}
        self.steps: dict[int, asyncio.Semaphore] = {}
        self.tasks: dict[int, asyncio.Task[None]] = {}

    def start(self, order_id: int) -> None:
        """Starts one more."""
        job_id = len(self.tasks) + 1
        self.orders[job_id], self.steps[job_id] = order_id, asyncio.Semaphore(0)
        self.tasks[job_id] = asyncio.create_task(self._work(job_id, order_id))

    async def _work(self, job_id: int, order_id: int) -> None:
        """Waits for a renderer, is claimed with the first step, renders with the others."""
        attempt = Attempt(job_id=job_id, asset_cid="a", reward_fri=1, order_id=order_id)
        async with self.lanes.place(job_id, lambda job_id, what: None) as place:
            self.places[job_id] = place
            await place.change(Lane.INSPECT)
            await place.change(Lane.RENDER, follows=lambda render: render.attempt.order_id == order_id)
            await self.steps[job_id].acquire()
            await place.change(Lane.RENDER, in_a_hurry=True)
            for left in (2, 1, 0):
                place.note_render(attempt, left)
                await self.steps[job_id].acquire()

    async def do(self, what: str, number: int) -> None:
        """Starts a job, lets one go on, or cancels one."""
        if what == "start":
            self.start(number % ORDERS)
        elif self.tasks:
            job_id = 1 + number % len(self.tasks)
            if what == "step":
                self.steps[job_id].release()
            else:
                self.tasks[job_id].cancel()
        await turns()

    def check(self, slots: int) -> None:
        """One ahead for each renderer at most, of the same order; nobody is at both."""
        rendering, following = set(self.lanes.rendering), set(self.lanes.following)
        assert len(rendering) <= slots
        assert not rendering & following
        pairs = [(p, p.next) for p in self.places.values() if p.next is not None]
        assert {after.job_id for _, after in pairs} == following
        assert len(pairs) == len(following) <= len(rendering)
        for before, after in pairs:
            assert self.orders[before.job_id] == self.orders[after.job_id]


@settings(max_examples=150, deadline=None)
@given(
    slots=st.integers(1, 3),
    moves=st.lists(
        st.tuples(st.sampled_from(["start", "start", "step", "step", "step", "cancel"]), st.integers(0, 11)),
        max_size=60,
    ),
)
def test_places_are_never_lost_and_followers_are_few(slots: int, moves: Sequence[tuple[str, int]]) -> None:
    """At the end every place is free."""

    async def play() -> None:
        jobs = Jobs(slots)
        for what, number in moves:
            await jobs.do(what, number)
            jobs.check(slots)
        for _ in range(5 * len(jobs.tasks)):
            for steps in jobs.steps.values():
                steps.release()
            await turns()
        ended = await asyncio.gather(*jobs.tasks.values(), return_exceptions=True)
        assert all(one is None or isinstance(one, asyncio.CancelledError) for one in ended)
        assert set(jobs.lanes.rendering) == set(jobs.lanes.following) == set()
        for lane, size in ((Lane.RENDER, slots), (Lane.INSPECT, 1)):
            for _ in range(size):
                assert not jobs.lanes.is_full(lane)
                await jobs.lanes.enter(lane)
            assert jobs.lanes.is_full(lane)

    asyncio.run(play())


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    slots=st.integers(1, 3),
    chunk=st.integers(1, 3),
    moves=st.lists(st.sampled_from(["frame", "frame", "frame", "crash", "store", "registry"]), max_size=12),
)
def test_a_whole_worker_claims_at_most_one_ahead_for_each_renderer(
    slots: int, chunk: int, moves: Sequence[str]
) -> None:
    """fault_320: with crashes, and with a registry and a store that are away now and then. All jobs end."""

    async def play(folder: Path) -> None:
        renderer = SteppedRenderer()
        bench = Bench(folder, renderer=renderer)
        service, counter = bench.service(slots=slots, idle_seconds=0.01), ClaimCounter(bench)
        bench.context.listener.add(counter)
        jobs = await post_bundle(bench, chunk=chunk)
        working = asyncio.create_task(service.run())
        await until(lambda: len(renderer.jobs) >= min(slots, len(jobs)))
        for move in moves:
            if move == "frame":
                renderer.let(1)
            elif move == "crash":
                bench.script.render_failures.append(crash())
            elif move == "store":
                bench.store.fault = None if bench.store.fault else StoreUnavailable("away")
            else:
                bench.shared.faults += [RegistryUnavailable("away")] * 3
            await asyncio.sleep(0.01)
        bench.store.fault = None
        renderer.let(1000)
        await until(lambda: len(stages(bench)) == len(jobs) and Stage.CLAIMED not in stages(bench))
        await until(lambda: all(stage in (Stage.SUBMITTED, Stage.RELEASED) for stage in stages(bench)))
        service.drain()
        await asyncio.wait_for(working, 30)
        assert counter.most <= 2 * slots, "those that render, and as many ahead"
        assert len(counter.claimed) == len(set(counter.claimed))

    with stamina.set_testing(True, attempts=10**9), tempfile.TemporaryDirectory() as name:
        asyncio.run(play(Path(name)))
