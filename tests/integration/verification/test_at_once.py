"""Several results verified at once by one verifier: what waits for a delivery does not hold up others."""

from __future__ import annotations

import asyncio

import pytest
from tests.integration.verification.lab import Lab
from tests.integration.verification.stage import OTHER, STILL
from tests.integration.verification.tricks import flip_tiles
from tests.integration.verification.withholding import Withholding
from tests.waiting import until

from veriframe.model.verification.findings import Conclusion, Request
from veriframe.ports.store import ContentStore
from veriframe.retry import end

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

REQUEST = Request(tiles=2)


class Slow(Withholding):
    """Another store, in which the lists of tiles of one result wait for `arrived`."""

    def __init__(self, store: ContentStore, cid: str) -> None:
        super().__init__(store, ".tiles")
        self._cid, self.arrived, self.is_asked = cid, asyncio.Event(), False

    async def before(self, cid: str, path: str) -> None:
        """All others at once."""
        if cid == self._cid and path.endswith(self._end):
            self.is_asked = True
            await self.arrived.wait()


async def test_others_are_verified_while_one_delivery_waits(lab: Lab) -> None:
    """fault_343: right and wrong ones of the same asset; one of another asset waits until none is open."""
    work = await lab.honest(STILL)
    slow = await lab.submit(await lab.claimed(STILL), work)
    right = await lab.submit(await lab.claimed(STILL), work)
    wrong = await lab.submit(await lab.claimed(STILL), work, spoil=flip_tiles)
    other = await lab.submit(await lab.claimed(OTHER), await lab.honest(OTHER))
    store = Slow(lab.store, slow.result_cid)
    async with lab.verifier(store, lab.renderer) as verifier:
        first = asyncio.create_task(verifier.verify(slow, REQUEST))
        await until(lambda: store.is_asked)
        last = asyncio.create_task(verifier.verify(other, REQUEST))
        both = await asyncio.gather(verifier.verify(right, REQUEST), verifier.verify(wrong, REQUEST))
        assert [one.finding.conclusion for one in both] == [Conclusion.EXACT, Conclusion.WRONG]
        assert [first.done(), last.done()] == [False, False]
        store.arrived.set()
        found = [(await one).finding for one in (first, last)]
    assert [(one.job, one.conclusion) for one in found] == [
        (slow.id, Conclusion.EXACT),
        (other.id, Conclusion.EXACT),
    ]


async def test_one_that_is_stopped_leaves_the_machine_to_others(lab: Lab) -> None:
    """While it waits for a delivery, and while it renders."""
    work = await lab.honest(STILL)
    slow = await lab.submit(await lab.claimed(STILL), work)
    right = await lab.submit(await lab.claimed(STILL), work)
    store = Slow(lab.store, slow.result_cid)
    async with lab.verifier(store, lab.renderer) as verifier:
        first = asyncio.create_task(verifier.verify(slow, REQUEST))
        await until(lambda: store.is_asked)
        await end([first])
        store.arrived.set()
        rendering = asyncio.create_task(verifier.verify(right, REQUEST))
        await asyncio.sleep(0.5)
        await end([rendering])
        assert (await verifier.verify(slow, REQUEST)).finding.conclusion is Conclusion.EXACT
