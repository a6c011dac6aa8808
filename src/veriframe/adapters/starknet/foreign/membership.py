"""Whether a foreign registry takes an account: what it says of the worker, and for which jobs."""

from __future__ import annotations

from veriframe.adapters.starknet.foreign.queries import Asking
from veriframe.model.registry.job import Address
from veriframe.model.registry.standing import WorkerStanding

_OF_THE_ACCOUNT = ("registered", "verified", "status")


def put_account(asking: Asking, account: Address) -> None:
    """Ask about the worker, and about the whole registry."""
    asking.put("paused")
    for word in _OF_THE_ACCOUNT:
        asking.put(word, account)


def put_eligibility(asking: Asking, account: Address, their_id: int) -> None:
    """Ask whether the worker may have this job."""
    if asking.spoken.has("eligible"):
        asking.put("eligible", *asking.spoken.eligible_of(account, their_id))
    else:
        asking.put("minimum_reputation", their_id)


def read_standing(asking: Asking, account: Address) -> WorkerStanding:
    """What `put_account` has asked. A status is (verified, reputation, …); for strangers it may panic."""
    status = asking.numbers("status", account)
    registered, verified = asking.truth("registered", account), asking.truth("verified", account)
    if verified is None and status is not None:
        verified = bool(status[0])
    if registered is None and asking.spoken.has("status"):
        registered = None if status is not None and not verified else status is not None
    return WorkerStanding(
        may_register=asking.spoken.lets_register,
        is_registered=registered,
        is_verified=verified,
        reputation=status[1] if status is not None and len(status) > 1 else None,
        is_paused=asking.truth("paused") is True,
    )


def objection(asking: Asking, account: Address, their_id: int) -> str:
    """Why the worker may not have the job, as one clause; empty where it may."""
    standing = read_standing(asking, account)
    if standing.is_paused:
        return "its registry is paused"
    if asking.spoken.has("eligible"):
        eligible = asking.truth("eligible", *asking.spoken.eligible_of(account, their_id))
        return "" if eligible else f"its registry does not take this account for it{_SEE}"
    if standing.is_registered is False or standing.is_verified is False:
        return f"its registry has not taken in this account{_SEE}"
    wanted = asking.number("minimum_reputation", their_id) or 0
    if standing.reputation is not None and standing.reputation < wanted:
        return f"it wants a reputation of {wanted}, and this account's is {standing.reputation}"
    return ""


_SEE = " (see `veriframe doctor`)"
