"""Whether a foreign registry accepts an account as a worker, and for which jobs."""

from __future__ import annotations

from veriframe.adapters.starknet.foreign.queries import Queries
from veriframe.model.registry.job import Address
from veriframe.model.registry.standing import WorkerStanding

_OF_THE_ACCOUNT = ("registered", "verified", "status")


def put_account(queries: Queries, account: Address) -> None:
    """Queries the worker's standing and the state of the registry."""
    queries.put("paused")
    for word in _OF_THE_ACCOUNT:
        queries.put(word, account)


def put_eligibility(queries: Queries, account: Address, their_id: int) -> None:
    """Queries whether the worker may have this job, and the reputation that it requires."""
    if queries.dialect.has("eligible"):
        queries.put("eligible", *queries.dialect.eligible_of(account, their_id))
    queries.put("minimum_reputation", their_id)


def read_standing(queries: Queries, account: Address) -> WorkerStanding:
    """Returns the answers to `put_account`. A status is (verified, reputation, …).

    The status view may panic for accounts that the registry does not know.
    """
    status = queries.numbers("status", account)
    registered, verified = queries.boolean("registered", account), queries.boolean("verified", account)
    if verified is None and status is not None:
        verified = bool(status[0])
    if registered is None and queries.dialect.has("status"):
        registered = None if status is not None and not verified else status is not None
    return WorkerStanding(
        may_register=queries.dialect.lets_register,
        is_registered=registered,
        is_verified=verified,
        reputation=status[1] if status is not None and len(status) > 1 else None,
        is_paused=queries.boolean("paused") is True,
    )


def objection(queries: Queries, account: Address, their_id: int) -> str:
    """Returns why the worker may not have the job, as one clause; empty if it may."""
    standing = read_standing(queries, account)
    if standing.is_paused:
        return "its registry is paused"
    is_asked = queries.dialect.has("eligible")
    if is_asked and queries.boolean("eligible", *queries.dialect.eligible_of(account, their_id)):
        return ""
    wanted = queries.number("minimum_reputation", their_id) or 0
    reason = _lacks(standing, wanted)
    return reason or (f"its registry does not accept this account for it{_SEE}" if is_asked else "")


def _lacks(standing: WorkerStanding, wanted: int) -> str:
    """What the account lacks for a job that requires a reputation of `wanted`, as far as that is known."""
    if standing.is_registered is False:
        return f"its registry has not registered this account{_SEE}"
    if standing.is_verified is False:
        return f"its registry has not verified this account{_SEE}"
    if standing.reputation is not None and standing.reputation < wanted:
        return f"it requires a reputation of {wanted}, and this account's is {standing.reputation}"
    return ""


_SEE = " (see `veriframe doctor`)"
