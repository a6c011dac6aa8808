"""What a foreign registry's views tell of one job."""

from __future__ import annotations

from veriframe.adapters.starknet.foreign.job import Facts, Shown, cut
from veriframe.adapters.starknet.foreign.queries import Asking
from veriframe.errors import RegistryUnavailable
from veriframe.model.registry.job import NOBODY, Address
from veriframe.model.registry.ledger import AMOUNT_MAX_FRI, TIME_MAX

_FACTS = ("creator", "reward", "asset_cid", "deadline")
_SHOWN = ("worker", "result_cid", "completed")


def put_job(asking: Asking, their_id: int, *, with_facts: bool) -> None:
    """Ask what may have changed about a job; `with_facts`, what never does as well."""
    for word in (*_FACTS, *_SHOWN) if with_facts else _SHOWN:
        asking.put(word, their_id)


def read_facts(asking: Asking, their_id: int) -> Facts | None:
    """What never changes about a job; None where it has no creator. Raises `RegistryUnavailable`."""
    if not (creator := asking.number("creator", their_id)):
        return None
    reward, asset_cid = asking.number("reward", their_id), asking.text("asset_cid", their_id)
    deadline = asking.number("deadline", their_id) if asking.spoken.has("deadline") else TIME_MAX
    if reward is None or asset_cid is None or deadline is None:
        raise RegistryUnavailable("The registry does not tell its reward, its asset or its deadline.")
    return Facts(
        creator=Address(creator),
        reward_fri=min(reward, AMOUNT_MAX_FRI),
        asset_cid=cut(asset_cid),
        deadline=min(deadline, TIME_MAX) or TIME_MAX,
    )


def read_shown(asking: Asking, their_id: int) -> Shown:
    """How the job stands; a view that panics does not tell. Raises `RegistryUnavailable`."""
    return Shown(
        worker=Address(asking.number("worker", their_id) or NOBODY),
        result_cid=asking.text("result_cid", their_id),
        is_completed=asking.truth("completed", their_id),
    )
