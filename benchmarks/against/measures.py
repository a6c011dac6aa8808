"""What is measured of one revision in one round. Each measurement returns figures of `table.FIGURES`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.against import log
from benchmarks.against.processes import FIRST_CREATOR, Home, family, memory_bytes, processor_seconds, working
from benchmarks.against.revisions import Revision
from benchmarks.against.setting import Setting

Figures = Mapping[str, float]
Measurement = Callable[[Setting, Revision], Figures]

JOB_SECONDS = 120.0
"""The longest wait for one job, beside what it renders."""
SETTLE_SECONDS = 5.0
FETCH_DELAY_SECONDS = 2.0


def idle_job(setting: Setting, revision: Revision) -> Figures:
    """One job for a worker that has been idle, on the embedded parts."""
    home = setting.new_home(revision)

    def post() -> tuple[int, float]:
        (order,) = home.post([setting.next_scene()])
        return order["jobs"][0], float(order["at"])

    return _idle_job(setting, home, post, "")


def idle_job_on_chain(setting: Setting, revision: Revision) -> Figures:
    """The same on a devnet and two IPFS nodes. The job is posted when its block is there.

    The creator notices that later, and not equally late in both revisions.
    """
    creator, worker = setting.homes_on_chain(revision)
    node = setting.chain.devnet

    def post() -> tuple[int, float]:
        before = node.ask("starknet_blockNumber")
        with ThreadPoolExecutor(1) as pool:
            posting = pool.submit(creator.post, [setting.next_scene()])
            while node.ask("starknet_blockNumber") == before and not posting.done():
                time.sleep(0.02)
            at = time.time()
            return posting.result()[0]["jobs"][0], at

    return _idle_job(setting, worker, post, "_chain")


def _idle_job(setting: Setting, worker: Home, post: Callable[[], tuple[int, float]], suffix: str) -> Figures:
    with working(worker) as running:
        time.sleep(setting.amounts.idle_seconds)
        job_id, posted_at = post()
        running.wait_for("SUBMITTED", [job_id], JOB_SECONDS)
        events = running.events
    return {
        f"claim{suffix}": log.reached(events, "CLAIMED")[job_id] - posted_at,
        f"sample{suffix}": log.claimed_to_sampling(events, job_id),
    }


def many_jobs(setting: Setting, revision: Revision) -> Figures:
    """Many small jobs, which are posted before the worker starts."""
    return {"jobs": _many_jobs(setting, revision)}


def many_delayed_jobs(setting: Setting, revision: Revision) -> Figures:
    """The same with a store that answers late."""
    return {"delayed_jobs": _many_jobs(setting, revision, fetch_delay_seconds=FETCH_DELAY_SECONDS)}


def _many_jobs(setting: Setting, revision: Revision, **options: object) -> float:
    scenes = setting.small_scenes[: setting.amounts.jobs]
    home, orders = setting.posted(revision, scenes)
    with working(home, **options) as running:
        submitted = running.wait_for("SUBMITTED", _jobs(orders), JOB_SECONDS * len(scenes))
        return max(submitted.values()) - running.started_at


def saturated(setting: Setting, revision: Revision) -> Figures:
    """Jobs that render for long, one after the other."""
    scenes = setting.large_scenes
    home, orders = setting.posted(revision, scenes)
    seconds = len(scenes) * (JOB_SECONDS + 10 * setting.amounts.frame_seconds)
    with working(home) as running:
        running.wait_for("RENDERED", _jobs(orders), seconds)
        return {"rendering": 100 * log.rendering_share(running.events)}


def _jobs(orders: Sequence[log.Event]) -> list[int]:
    return [job_id for order in orders for job_id in order["jobs"]]


def idle(setting: Setting, revision: Revision) -> Figures:
    """A worker without jobs, and its children."""
    with working(setting.new_home(revision)) as running:
        time.sleep(setting.amounts.idle_seconds)
        used, started = processor_seconds(running.pid), time.monotonic()
        time.sleep(setting.amounts.watched_seconds)
        share = (processor_seconds(running.pid) - used) / (time.monotonic() - started)
        children = family(running.pid)[1:]
        return {
            "idle_processor": 100 * share,
            "idle_children": len(children),
            "idle_children_mb": memory_bytes(children) / 1e6,
        }


def registry_reads(setting: Setting, revision: Revision) -> Figures:
    """One job whose creator accepts at once."""
    home = setting.new_home(revision)
    with working(home, count_reads=True) as running:
        (order,) = home.post([setting.next_scene()])
        (job_id,) = order["jobs"]
        running.wait_for("SUBMITTED", order["jobs"], JOB_SECONDS)
        home.run(("--account", FIRST_CREATOR, "job", "accept", str(job_id)))
        running.wait_for("PAID", order["jobs"], JOB_SECONDS)
        own, polls = log.reads(running.events, job_id)
    return {"reads": own, "poll_reads": polls}


def ghosts(setting: Setting, revision: Revision) -> Figures:
    """A good job beside older ones of other creators, whose scenes nobody has; and the same job alone."""
    *lost, good = setting.small_scenes[: setting.amounts.ghosts + 1]
    home, orders = setting.posted(revision, lost, "ghost")
    alone = _claim_seconds(setting, setting.new_home(revision), good, [])
    beside = _claim_seconds(setting, home, good, [order["asset_cid"] for order in orders])
    return {"claim_alone": alone, "claim_beside": beside, "claim_later": beside - alone}


def _claim_seconds(setting: Setting, home: Home, scene: Path, absent: Sequence[str]) -> float:
    with working(home, absent=absent) as running:
        time.sleep(SETTLE_SECONDS)
        (order,) = home.post([scene])
        most = setting.amounts.most_seconds
        try:
            claimed = running.wait_for("CLAIMED", order["jobs"], most)
        except TimeoutError:
            return most
        return max(claimed[job_id] for job_id in order["jobs"]) - float(order["at"])


MEASUREMENTS: Mapping[str, Sequence[Measurement]] = {
    "a": (idle_job, idle_job_on_chain),
    "b": (idle_job, idle_job_on_chain),
    "c": (many_jobs,),
    "d": (many_delayed_jobs,),
    "e": (saturated,),
    "f": (idle,),
    "g": (registry_reads,),
    "h": (ghosts,),
}
"""The measurements of each letter; one may serve several."""
