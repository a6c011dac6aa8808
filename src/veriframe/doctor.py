"""The checks of `veriframe doctor`: each examines one part and gives the remedy for what is missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path

from veriframe.causes import cause_of
from veriframe.errors import VeriFrameError
from veriframe.model.attempt.stakes import Stakes
from veriframe.model.quantities import brief_strk, format_size
from veriframe.model.registry.job import Address, Head, format_address, format_strk
from veriframe.model.registry.standing import WorkerStanding
from veriframe.ports.registry import ChainFacts, JobRegistry, Treasury
from veriframe.ports.renderer import Renderer
from veriframe.ports.store import ContentStore, StoreCheck


class Verdict(IntEnum):
    """The state of a part. The exit code is 1 if any part is BAD, else 0."""

    GOOD = 0
    WARNING = 1
    BAD = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, with the remedy if it is not good. `examine` adds the name of the part."""

    detail: str
    verdict: Verdict = Verdict.GOOD
    remedy: str = ""
    part: str = ""


Examination = Callable[[], Awaitable[Finding]]


async def examine(
    parts: Sequence[tuple[str, Examination]], on_finding: Callable[[Finding], None]
) -> Sequence[Finding]:
    """Examine each part, in order. A part that raises `VeriFrameError` is BAD, with the error as remedy."""
    findings: list[Finding] = []
    for name, examination in parts:
        try:
            finding = await examination()
        except VeriFrameError as error:
            finding = Finding("not usable", Verdict.BAD, str(error))
        findings.append(replace(finding, part=name))
        on_finding(findings[-1])
    return findings


async def home(folder: Path) -> Finding:
    """Check that the home folder exists or can be created, and is writable."""
    if _make_writable(folder):
        return Finding(str(folder))
    return Finding(
        f"{folder} cannot be written", Verdict.BAD, "Set VERIFRAME_HOME to a folder that this user can write."
    )


def _make_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


async def disk(folder: Path, needed_bytes: int) -> Finding:
    """Check that there is room for a scene, its frames and the store."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(
            f"{folder} cannot be measured: {cause_of(error)}", Verdict.BAD, "Fix the home folder first."
        )
    detail = f"{format_size(free)} free at {folder}"
    if free < needed_bytes:
        return Finding(
            detail, Verdict.BAD, f"Free at least {format_size(needed_bytes)}, or set disk_free_bytes lower."
        )
    return Finding(detail)


async def memory(limit_bytes: int, processes: int, waiting_bytes: int = 0) -> Finding:
    """Check that all renders and inspections can use their limit at once, beside what waits."""
    available = _memory_bytes(CONTAINER_LIMITS)
    detail = (
        f"{format_size(available)} in all; {processes} × {format_size(limit_bytes)} for renders and"
        f" inspections, {format_size(waiting_bytes)} for what waits"
    )
    if processes * limit_bytes + waiting_bytes > available:
        return Finding(
            detail,
            Verdict.WARNING,
            "Set memory_bytes or slots lower, or large scenes may exhaust this machine's memory.",
        )
    return Finding(detail)


CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),  # v2
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),  # v1
)


def _memory_bytes(limits: Sequence[Path]) -> int:
    """The memory of this machine, or the container's limit if that is lower."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in limits:
        # Outside a container the file is missing, says "max", or holds a number above all memory.
        with suppress(OSError, ValueError):
            sizes.append(int(file.read_text()))
    return min(sizes)


async def registry(reader: JobRegistry, tell: Callable[[Head], ChainFacts] | None = None) -> Finding:
    """Check that the job registry answers. On a chain, `tell` returns how far its nodes are trusted."""
    snapshot = await reader.snapshot(1, 0)
    detail = f"answers; block {snapshot.head.number}, {snapshot.job_counter} jobs so far"
    if tell is None:
        return Finding(detail)
    facts = tell(snapshot.head)
    return Finding(
        "; ".join((detail, *_about_chain(facts))),
        Verdict.BAD if facts.time_fault else Verdict.GOOD,
        facts.time_fault,
    )


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


async def account(treasury: Treasury, name: str, address: Address) -> Finding:
    """Check that the account has money for a bond."""
    funds = await treasury.funds(address)
    detail = (
        f"{name} {format_address(address)}: wallet {format_strk(funds.wallet_fri)}, "
        f"credit {format_strk(funds.credit_fri)}"
    )
    if funds.wallet_fri + funds.credit_fri == 0:
        return Finding(detail, Verdict.WARNING, "A claim needs a bond. Send this account some STRK.")
    return Finding(detail)


def stakes(held: Stakes) -> Finding:
    """Show what the account may lose: see `model/attempt/stakes.py`."""
    used_fri, budget_fri = held.charged_fri, held.loss_budget_fri
    detail = (
        f"{format_strk(held.bound_fri)} of {format_strk(held.means_fri)} bound; largest bond "
        f"{format_strk(held.largest_bond_fri)}; loss budget {format_strk(budget_fri)} a day, "
        f"{format_strk(used_fri)} used; fees of a job about {brief_strk(held.job_fees_fri)}"
    )
    if used_fri >= budget_fri and budget_fri:
        return Finding(
            detail,
            Verdict.WARNING,
            "Jobs of creators who have never paid this account wait until the losses are a day old. "
            "Raise loss_budget_share to take more of them.",
        )
    return Finding(detail)


async def standing(tell: Callable[[], Awaitable[WorkerStanding]], address: Address) -> Finding:
    """Check that the registry admits this account as a worker, as far as it says."""
    found = await tell()
    facts = {"registered": found.is_registered, "verified": found.is_verified}
    words = [name if known else f"not {name}" for name, known in facts.items() if known is not None]
    words += [] if found.reputation is None else [f"reputation {found.reputation}"]
    words += ["the registry is paused"] if found.is_paused else []
    remedy = _missing(found, address)
    verdict = Verdict.BAD if remedy else Verdict.WARNING if found.is_paused else Verdict.GOOD
    return Finding(
        ", ".join(words) or "this registry takes any worker",
        verdict,
        remedy or ("Wait until its owner resumes it." if found.is_paused else ""),
    )


def _missing(found: WorkerStanding, address: Address) -> str:
    """What must be done, and by whom, before the account may work there. Empty if nothing is missing."""
    verify = f"the registry's owner must verify the account {format_address(address)} (verify_worker)"
    if found.is_registered is False and found.may_register:
        return f"Run `veriframe account register`; then {verify}, if the registry requires it."
    if found.is_registered is False:
        return f"The registry's owner must register the account {format_address(address)}."
    if found.is_verified is False:
        first = (
            "Run `veriframe account register` if you have not; then " if found.is_registered is None else ""
        )
        sentence = f"{first}{verify}."
        return sentence[0].upper() + sentence[1:]
    return ""


async def blender(renderer: Renderer) -> Finding:
    """Check that Blender starts."""
    facts = await renderer.facts()
    return Finding(
        f"{facts.version_text} ({facts.program}, build {facts.build_hash}); scenes of {facts.version}"
    )


def engines(results: Mapping[str, str]) -> Finding:
    """Show how each engine rendered a small scene: `renders in 1.2 s`, or why it failed."""
    able = [name for name, result in results.items() if result.startswith("renders in ")]
    detail = "; ".join(f"{name} {result}" for name, result in results.items())
    if len(able) == len(results):
        return Finding(detail)
    return Finding(
        detail,
        Verdict.WARNING if able else Verdict.BAD,
        f"Set engines to what this machine renders: {', '.join(able)}."
        if able
        else "Blender renders nothing here. Reinstall it with `make setup`, or set BLENDER_PATH.",
    )


async def sandbox(renderer: Renderer) -> Finding:
    """Show the sandbox's level. Its self-test has just passed."""
    facts = await renderer.facts()
    strict = facts.sandbox_level == "STRICT"
    return Finding(
        f"{facts.sandbox_level}, self-test passed; memory limited by {facts.memory_held_by}",
        Verdict.GOOD if strict else Verdict.WARNING,
        "" if strict else "See docs/security.md for what this level does not prevent.",
    )
