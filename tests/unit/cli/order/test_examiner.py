"""The verifier of a watch: opened when a result comes, closed when nothing is to be verified."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from tests.waiting import until

from veriframe.cli import context
from veriframe.cli.order import reviewing
from veriframe.errors import StoreUnavailable
from veriframe.model.verification.findings import Request


class Slow:
    """A verifier that takes its time to close. `is_open` says whether it may be used."""

    def __init__(self) -> None:
        self.is_open, self.may_close = False, asyncio.Event()

    async def __aenter__(self) -> Slow:
        self.is_open = True
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.may_close.wait()
        self.is_open = False

    async def verify(self, *_arguments: object, **_options: object) -> Any:
        """Fail, as in an outage; what is closed may not be asked."""
        assert self.is_open
        await asyncio.sleep(0)
        assert self.is_open
        raise StoreUnavailable("The content store does not answer.")


async def test_a_verifier_that_is_being_closed_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """An examination that begins while the last one's verifier closes opens another one."""
    made = list[Slow]()

    def build(*_parts: object) -> Slow:
        made.append(Slow())
        return made[-1]

    monkeypatch.setattr(reviewing, "build_verifier", build)
    monkeypatch.setattr(context, "current", lambda: SimpleNamespace(settings=None))
    orders: Any = SimpleNamespace(jobs=SimpleNamespace(registry=None, store=None))
    nothing: Any = None
    examiner = reviewing.Verifying(orders, nothing, Request())
    first = asyncio.create_task(examiner.examine(nothing, lambda: 1.0))
    await until(lambda: made)
    await asyncio.sleep(0.01)
    second = asyncio.create_task(examiner.examine(nothing, lambda: 1.0))
    await asyncio.sleep(0.01)
    assert len(made) == 1
    made[0].may_close.set()
    await until(lambda: len(made) > 1)
    made[1].may_close.set()
    for one in (first, second):
        with pytest.raises(StoreUnavailable):
            await one
    assert [one.is_open for one in made] == [False, False]
