"""The checks of the registry and of the content store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from veriframe.doctor.finding import Finding, Verdict
from veriframe.model.quantities import format_size
from veriframe.model.registry.job import Head
from veriframe.ports.registry import ChainFacts, JobRegistry, RegistryFacts
from veriframe.ports.store import ContentStore, StoreCheck


async def registry(reader: JobRegistry, tell: Callable[[Head], ChainFacts] | None = None) -> Finding:
    """Check that the job registry answers. On a chain, `tell` returns how far its nodes are trusted."""
    snapshot = await reader.snapshot(1, 0)
    detail = f"answers; block {snapshot.head.number}, {_jobs(snapshot.job_counter)}"
    if tell is None:
        return Finding(detail)
    facts = tell(snapshot.head)
    return Finding(
        "; ".join((detail, *_about_chain(facts))),
        Verdict.BAD if facts.time_fault else Verdict.GOOD,
        facts.time_fault,
    )


def registry_without_account(facts: RegistryFacts) -> Finding:
    """Show what a registry says to anybody, if there is no account to open it with."""
    jobs = "" if facts.jobs is None else f", {_jobs(facts.jobs)}"
    verdict = Verdict.BAD if facts.fault else Verdict.GOOD
    return Finding(f"answers; {facts.kind}, at {facts.place}{jobs}", verdict, facts.fault)


def _about_chain(facts: ChainFacts) -> Sequence[str]:
    day = datetime.fromtimestamp(facts.learned_at, UTC).date()
    learned = "learned now" if facts.is_new else f"as learned on {day}"
    time = "its time is not checked" if not facts.skew_seconds else "its time is off"
    alone = "one node, which is trusted for the terms of a claim: see docs/protocol.md"
    several = f"{len(facts.nodes)} nodes; two must show the same terms before a claim"
    return (
        f"chain {facts.chain}, {learned}",
        time if facts.time_fault or not facts.skew_seconds else "its time agrees with this machine's",
        several if len(facts.nodes) > 1 else alone,
    )


async def store(content: ContentStore, picture_bytes: int = 0) -> Finding:
    """Check that the content store answers and has room for the largest picture, of `picture_bytes`."""
    pins, room = await content.pins(), await content.room()
    held = "" if room.held_bytes is None else f", {format_size(room.held_bytes)} held"
    free = "" if room.free_bytes is None else f", room for {format_size(room.free_bytes)}"
    is_short = room.free_bytes is not None and room.free_bytes < picture_bytes
    return Finding(
        f"answers; {len(pins)} pins{held}{free}",
        Verdict.WARNING if is_short else Verdict.GOOD,
        f"Jobs with large pictures are not claimed for lack of room. {room.remedy}" if is_short else "",
    )


async def places(check: StoreCheck) -> Finding:
    """Check that the places of a part of the store answer, such as replicas or gateways."""
    faults = await check.tell()
    absent = {name: reason for name, reason in faults.items() if reason}
    present = [name for name in faults if name not in absent]
    bad = Verdict.BAD if check.is_required else Verdict.WARNING
    return Finding(
        f"{len(present)} of {len(faults)} answer{': ' if present else ''}{', '.join(present)}",
        bad if absent else Verdict.GOOD,
        "; ".join(f"{name}: {reason.rstrip('.')}" for name, reason in absent.items())
        + (". Fix them or remove them from the settings: see docs/ipfs.md." if absent else ""),
    )


def _jobs(count: int) -> str:
    return "1 job so far" if count == 1 else f"{count} jobs so far"
