"""Finds how many jobs a foreign registry has, and whether its ids start at 0 or at 1.

Such registries' counters give the last id or the next one, count only open jobs, or do not exist. So the walk
only starts at the counter: it continues upward for as long as ids have creators.
"""

from __future__ import annotations

import structlog

from veriframe.adapters.starknet.foreign.queries import Queries

log = structlog.get_logger()

ID_MAX = 2**64 - 1
AHEAD, AHEAD_OF_COUNTER, AHEAD_QUICKLY = 20, 4, 100
"""How many ids one step queries. This many ids in a row without a creator end the walk; deleted jobs may
leave smaller gaps."""


class JobRange:
    """The highest id so far. `first_id` is the id of the registry's first job; None while it is not known.

    Our ids start at 1. If the registry's ids start at 0, its job 0 is our job 1.
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
        """The registry's id for our job id."""
        return job_id if self.first_id is None else job_id - 1 + self.first_id

    def put(self, queries: Queries) -> None:
        """Queries the counter and the creators of the next ids."""
        size = AHEAD_OF_COUNTER if queries.dialect.has("counter") else AHEAD
        size = AHEAD_QUICKLY if self._quickly else size
        self._ahead = range(self._top + 1, min(self._top + 1 + size, ID_MAX + 1))
        queries.put("counter")
        for their_id in self._ahead:
            queries.put("creator", their_id)

    def take(self, queries: Queries) -> bool:
        """Reads the answers to `put`. Returns whether another step is needed, since there may be more ids."""
        ahead, before = self._ahead, self._top
        found = [their_id for their_id in ahead if queries.number("creator", their_id)]
        if self.first_id is None and found:
            self.first_id = 0 if 0 in found else 1
            if self.first_id == 0:
                log.warning(
                    "registry_counts_from_zero",
                    reason="Job ids here are one higher: the registry's job 0 is job 1.",
                )
        counter = queries.number("counter") or 0
        counter = counter if counter <= ID_MAX else 0
        self._top = max([self._top, *found, *([counter - 2] if counter - 2 not in ahead else [])])
        self._quickly = bool(found) and found[-1] >= ahead[0] + max(2, len(ahead) // 2)
        return self._quickly or (self._top > before and self._top not in ahead)

    def step_back(self) -> None:
        """Steps back after a reorganisation: the newest ids may be gone."""
        self._top = max((self.first_id or 0) - 1, self._top - AHEAD)
