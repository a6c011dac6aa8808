"""Hostile accounts that attack at random in all known ways, and artists who only want their pictures."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.market.scenes import Plan
from tests.market.world import World

from veriframe.errors import MoveRefused
from veriframe.model.attempt.stakes import DAY
from veriframe.model.quantities import FRI_PER_STRK
from veriframe.model.registry.job import JobState

ENDLESS = 10**9
HUGE = 2**104 - 1

FEES_FRI = {"create_order": 3_490_000, "cancel_job": 1_470_000, "accept_result": 1_550_000}
"""Fees on the development chain, in 10⁹ fri (contracts/FEES.md). The embedded registry is free."""


@dataclass
class Attacker:
    """One hostile account. `played` counts its attacks, `moves` the moves that it would pay gas for."""

    world: World
    name: str
    dice: random.Random
    public_cids: list[str]
    played: Counter[str] = field(default_factory=Counter)
    moves: Counter[str] = field(default_factory=Counter)

    async def act(self, until: float, pause_seconds: float) -> None:
        """Attacks at random until this time on the market's clock."""
        attacks: Sequence[Callable[[], Awaitable[None]]] = (
            self.bond_bomb,
            self.flood,
            self.endless,
            self.refused_late,
            self.broken_machine,
            self.poison,
            self.ghost,
            self.vanishing,
            self.lock,
            self.unpaying,
            self.wash,
        )
        while self.world.market_clock.monotonic() < until:
            attack = self.dice.choice(attacks)
            self.played[attack.__name__] += 1
            with suppress(MoveRefused):  # the account has no more money for it
                await attack()
            await self.world.market_clock.sleep(self.dice.expovariate(1 / pause_seconds))

    async def bond_bomb(self) -> None:
        """fault_81: a bond of all means of a worker, for 1 fri."""
        await self._post(self._plan(render_seconds=ENDLESS), 1e-18, bond_fri=900 * FRI_PER_STRK)

    async def flood(self) -> None:
        """fault_82: a thousand jobs that nobody can claim."""
        await self._post(self._plan(), 1e-18, jobs=1000, bond_fri=HUGE, deadline=365 * DAY)

    async def endless(self) -> None:
        """fault_81: the largest bond that is accepted, the shortest lease, an endless render."""
        reward = self.dice.uniform(1, 40)
        plan = self._plan(render_seconds=ENDLESS)
        lease = self.dice.choice((420, 800, 1200))
        await self._post(plan, reward, bond_fri=int(reward * FRI_PER_STRK), lease_seconds=lease)

    async def refused_late(self) -> None:
        """fault_83: many jobs of a scene that is refused after an inspection of 48 s."""
        await self._post(self._plan(inspect_seconds=48, refused="RESOLUTION"), 0.02, jobs=500)

    async def broken_machine(self) -> None:
        """fault_84: a frame that looks like a broken machine."""
        code = self.dice.choice(("BLACK", "CRASH", "NOT_FINITE"))
        await self._post(self._plan(failed=code, render_seconds=5), self.dice.uniform(1, 20))

    async def poison(self) -> None:
        """fault_85: another creator's public scene under terms that leave no time."""
        if self.public_cids:
            deadline, lease = self.dice.choice(((15, 3600), (600, 60), (40, 380)))
            cid = self.dice.choice(self.public_cids)
            await self._post(cid, 1, deadline=deadline, lease_seconds=lease)

    async def ghost(self) -> None:
        """fault_88: a scene that nobody has."""
        await self._post("bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4", 30, jobs=50)

    async def vanishing(self) -> None:
        """fault_100: inspected, then cancelled right before the claim."""
        ids = await self._post(self._plan(inspect_seconds=30), self.dice.uniform(5, 40))
        await self.world.market_clock.sleep(self.dice.uniform(5, 60))
        for job_id in ids:
            with suppress(MoveRefused):
                await self.world.account(self.name).cancel_job(job_id)
                self.moves["cancel_job"] += 1

    async def lock(self) -> None:
        """fault_81: a bond that stays bound for a week."""
        reward = self.dice.uniform(1, 20)
        await self._post(
            self._plan(), reward, bond_fri=int(reward * FRI_PER_STRK), review_seconds=7 * DAY - 4000
        )

    async def unpaying(self) -> None:
        """fault_89: work for 1 fri."""
        await self._post(self._plan(), 1e-18)

    async def wash(self) -> None:
        """fault_81: pays a little first, to be trusted with more."""
        (job_id,) = await self._post(self._plan(render_seconds=5), 1)
        for _ in range(20):
            await self.world.market_clock.sleep(20)
            if (await self.world.job(job_id)).state is JobState.SUBMITTED:
                with suppress(MoveRefused):
                    await self.world.account(self.name).accept_result(job_id)
                    self.moves["accept_result"] += 1
                break
        await self.endless()

    async def _post(self, scene: Plan | str, reward_strk: float, jobs: int = 1, **terms: int) -> list[int]:
        ids = await self.world.post(self.name, scene, reward_strk, jobs, **terms)
        self.moves["create_order"] += 1
        return ids

    def _plan(self, **planned: object) -> Plan:
        return Plan(name=f"{self.name} {self.dice.random()}", **planned)  # type: ignore[arg-type]

    @property
    def fees_fri(self) -> int:
        """What the moves would have cost on a chain."""
        return sum(FEES_FRI[move] * 10**9 * count for move, count in self.moves.items())


@dataclass
class Artist:
    """One honest account. `jobs` are its jobs by id, with their rewards in STRK."""

    world: World
    name: str
    dice: random.Random
    public_cids: list[str]
    jobs: dict[int, float] = field(default_factory=dict)

    async def act(self, until: float, pause_seconds: float) -> None:
        """Posts a scene now and then, and accepts results."""
        while self.world.market_clock.monotonic() < until:
            seconds = self.dice.uniform(10, 90)
            plan = Plan(name=f"{self.name} {len(self.jobs)}", render_seconds=seconds)
            reward = round(self.dice.uniform(0.5, 10), 2)
            cid = await self.world.keep(plan)
            self.public_cids.append(cid)
            (job_id,) = await self.world.post(self.name, cid, reward)
            self.jobs[job_id] = reward
            await self.world.market_clock.sleep(self.dice.expovariate(1 / pause_seconds))
            await self.accept()

    async def accept(self) -> int:
        """Accepts all submitted results. Returns how many jobs are not delivered yet."""
        waiting = 0
        for job_id in self.jobs:
            state = (await self.world.job(job_id)).state
            if state is JobState.SUBMITTED:
                with suppress(MoveRefused):
                    await self.world.account(self.name).accept_result(job_id)
            waiting += state in (JobState.OPEN, JobState.CLAIMED)
        return waiting

    async def wait_for_all(self, market_seconds: float) -> int:
        """Waits until all jobs are delivered, with a limit. Returns how many are not."""
        end = self.world.market_clock.monotonic() + market_seconds
        while (waiting := await self.accept()) and self.world.market_clock.monotonic() < end:
            await self.world.market_clock.sleep(2)
        return waiting
