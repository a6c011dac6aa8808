"""How many jobs a foreign registry has, and whether its ids begin at 0 or at 1.

Counters of such registries are the last id or the next one, count only what is open, or are not there. So a
counter is only where the walk begins: from there on, ids are walked upward for as long as they have creators.
"""

from __future__ import annotations

import structlog

from veriframe.adapters.starknet.foreign.queries import Asking

log = structlog.get_logger()

ID_MAX = 2**64 - 1
AHEAD, AHEAD_OF_COUNTER, AHEAD_QUICKLY = 20, 4, 100
"""How many ids one step looks at. As many in a row without a creator end the walk: a gap may follow jobs
that were taken out."""


class Walk:
    """The highest id so far. `first_id` is that of the registry's first job; None while that is not known.

    A registry whose ids begin at 0 has its job 0 as our job 1, since ours begin at 1.
    """

    def __init__(self, first_id: int | None) -> None:
        self.first_id = first_id
        self._top = (first_id or 0) - 1
        self._ahead = range(0)
        self._quickly = False

    @property
    def job_counter(self) -> int:
        """The highest of our ids."""
        return 0 if self.first_id is None else self._top + 1 - self.first_id

    def their_id(self, job_id: int) -> int:
        """The registry's id of our job."""
        return job_id if self.first_id is None else job_id - 1 + self.first_id

    def put(self, asking: Asking) -> None:
        """Ask for the counter, and for the creators of the next ids."""
        size = AHEAD_OF_COUNTER if asking.spoken.has("counter") else AHEAD
        size = AHEAD_QUICKLY if self._quickly else size
        self._ahead = range(self._top + 1, min(self._top + 1 + size, ID_MAX + 1))
        asking.put("counter")
        for their_id in self._ahead:
            asking.put("creator", their_id)

    def take(self, asking: Asking) -> bool:
        """Learn from the answers to `put`. Whether there may be more, so that it is to be asked again."""
        ahead, before = self._ahead, self._top
        found = [their_id for their_id in ahead if asking.number("creator", their_id)]
        if self.first_id is None and found:
            self.first_id = 0 if 0 in found else 1
            if self.first_id == 0:
                log.warning("registry_counts_from_zero", reason="Its job 0 is called job 1 here, and so on.")
        counter = asking.number("counter") or 0
        counter = counter if counter <= ID_MAX else 0
        self._top = max([self._top, *found, *([counter - 2] if counter - 2 not in ahead else [])])
        self._quickly = bool(found) and found[-1] >= ahead[0] + max(2, len(ahead) // 2)
        return self._quickly or (self._top > before and self._top not in ahead)

    def step_back(self) -> None:
        """The chain went back: the newest ids may be gone."""
        self._top = max((self.first_id or 0) - 1, self._top - AHEAD)
