"""Runs commands of the revision that `PYTHONPATH` names, with probes in its registry and its store.

Run as `python -P driven.py OPTIONS`, a JSON object:

- `commands`: the command lines, run one after the other; the first one that fails ends it
- `fetch_delay_seconds`: added to each fetch
- `absent`: CIDs whose fetch never ends, as if nobody had them
- `chain`: whether the registry is on StarkNet
- `count_reads`: whether calls of the embedded registry are logged

The probes write JSON lines to stderr, like the worker's log. They use only names that all revisions share.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

CHAIN_MODULES = ("veriframe.adapters.starknet.job_registry.registry", "veriframe.adapters.starknet.registry")
"""Where revisions keep `StarknetRegistry`, the newest first."""
NOT_READS = frozenset(
    (
        *("claim", "release", "submit_result", "finalize", "deposit", "withdraw"),
        *("create_order", "accept_result", "cancel_job", "dispute_result", "resolve_dispute"),
        *("identity", "audit", "close"),
    )
)
"""Moves of the registry, and what is not asked for a job."""

Work = Callable[..., Awaitable[Any]]
_is_inside: ContextVar[bool] = ContextVar("is_inside", default=False)


def note(event: str, **facts: object) -> None:
    """Write one line, past the buffers of the program."""
    line = json.dumps({"event": event, "at": time.time(), **facts})
    os.write(2, f"{line}\n".encode())


def note_orders(registry: type) -> None:
    """Log each order when the registry has it."""
    create_order: Work = registry.create_order  # type: ignore[attr-defined]

    @functools.wraps(create_order)
    async def noted(self: object, asset_cid: str, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        jobs = await create_order(self, asset_cid, *arguments, **named)
        note("order_created", asset_cid=asset_cid, jobs=list(jobs))
        return jobs

    registry.create_order = noted  # type: ignore[attr-defined]


def note_reads(registry: type) -> None:
    """Log each read of the registry, with the task that made it; a read within a read counts once."""
    for name, method in inspect.getmembers(registry, inspect.iscoroutinefunction):
        if not name.startswith("_") and name not in NOT_READS:
            setattr(registry, name, _noted(name, method))


def _noted(name: str, read: Work) -> Work:
    @functools.wraps(read)
    async def noted(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        if _is_inside.get():
            return await read(*arguments, **named)
        note("registry_read", name=name, task=id(asyncio.current_task()))
        token = _is_inside.set(True)
        try:
            return await read(*arguments, **named)
        finally:
            _is_inside.reset(token)

    return noted


def slow_fetches(store: type, delay_seconds: float, absent: frozenset[str]) -> None:
    """Delay fetches; those of absent CIDs never end."""
    fetch: Work = store.fetch  # type: ignore[attr-defined]

    @functools.wraps(fetch)
    async def slowed(self: object, cid: str, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        if cid in absent:
            await asyncio.Event().wait()
        await asyncio.sleep(delay_seconds)
        return await fetch(self, cid, *arguments, **named)

    store.fetch = slowed  # type: ignore[attr-defined]


def chain_registry() -> type:
    """The class of the registry on StarkNet."""
    for name in CHAIN_MODULES:
        try:
            return importlib.import_module(name).StarknetRegistry  # type: ignore[no-any-return]
        except ModuleNotFoundError:
            continue
    raise SystemExit(f"This revision has none of {', '.join(CHAIN_MODULES)}.")


def main() -> None:
    """Set the probes and run the commands."""
    options = json.loads(sys.argv[1])
    local = importlib.import_module("veriframe.adapters.local_registry").LocalRegistry
    note_orders(chain_registry() if options.get("chain") else local)
    if options.get("count_reads"):
        note_reads(local)
    delay_seconds, absent = options.get("fetch_delay_seconds", 0), frozenset(options.get("absent", ()))
    if delay_seconds or absent:
        store = importlib.import_module("veriframe.adapters.local_store").LocalStore
        slow_fetches(store, delay_seconds, absent)
    run = importlib.import_module("veriframe.cli").main
    for command in options["commands"]:
        try:
            run(command)
        except SystemExit as ended:
            if ended.code:
                raise


if __name__ == "__main__":
    main()
