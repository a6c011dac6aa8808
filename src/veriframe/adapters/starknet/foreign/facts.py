"""Reads one job's facts from a foreign registry's views."""

from __future__ import annotations

from veriframe.adapters.starknet.foreign.job import CurrentView, FixedFacts, cut
from veriframe.adapters.starknet.foreign.queries import Queries
from veriframe.errors import RegistryUnavailable
from veriframe.model.registry.job import NOBODY, Address
from veriframe.model.registry.ledger import AMOUNT_MAX_FRI, TIME_MAX

_FACTS = ("creator", "reward", "asset_cid", "deadline")
_SHOWN = ("worker", "result_cid", "completed")


def put_job(queries: Queries, their_id: int, *, with_facts: bool) -> None:
    """Queries what may have changed about a job; with `with_facts`, also what never changes."""
    for word in (*_FACTS, *_SHOWN) if with_facts else _SHOWN:
        queries.put(word, their_id)


def read_facts(queries: Queries, their_id: int) -> FixedFacts | None:
    """Returns what never changes about a job; None if it has no creator. Raises `RegistryUnavailable`."""
    if not (creator := queries.number("creator", their_id)):
        return None
    reward, asset_cid = queries.number("reward", their_id), queries.text("asset_cid", their_id)
    has_deadlines = queries.dialect.has("deadline")
    deadline = queries.number("deadline", their_id) if has_deadlines else 0
    if reward is None or asset_cid is None or deadline is None:
        raise RegistryUnavailable("The registry does not return the job's reward, asset or deadline.")
    return FixedFacts(
        creator=Address(creator),
        reward_fri=min(reward, AMOUNT_MAX_FRI),
        asset_cid=cut(asset_cid),
        # `TIME_MAX` means none; one that is further away is a deadline all the same.
        deadline=min(deadline, TIME_MAX - 1) or TIME_MAX,
    )


def read_shown(queries: Queries, their_id: int) -> CurrentView:
    """Returns the job's current state; None for views that panic. Raises `RegistryUnavailable`."""
    return CurrentView(
        worker=Address(queries.number("worker", their_id) or NOBODY),
        result_cid=queries.text("result_cid", their_id),
        is_completed=queries.boolean("completed", their_id),
    )
