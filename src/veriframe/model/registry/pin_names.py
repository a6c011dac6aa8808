"""The names of pins: why something is kept, for which account, at which registry. Made and read only here.

Registries may share a store, and an account may have the same address, and jobs of the same numbers, at
several of them: without the registry in its name, work at one would release what is owed at another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from veriframe.model.registry.job import Address, format_address

MAX_NAME_BYTES = 185
"""Of a pin's name: what Kubo's limit of 255 leaves beside the content's CID."""


@dataclass(frozen=True, slots=True)
class PinNames:
    """The names of one account at one registry. `registry` is what `JobReader.identity` tells."""

    registry: str
    account: Address

    def result(self, job_id: int) -> str:
        """Of a job's result, at its worker's."""
        return f"job-result-{self._owner}-{job_id}"

    def is_result(self, name: str) -> bool:
        """Whether this account keeps a result for this registry under that name."""
        return _is_numbered(name, f"job-result-{self._owner}-")

    def asset(self, first_job: int) -> str:
        """Of an order's scene, at its creator's; the order begins with this job."""
        return f"order-asset-{self._owner}-{first_job}"

    def unposted(self, token: str) -> str:
        """Of a scene whose order does not stand yet. `token` has at most 16 characters."""
        return f"order-asset-unposted-{self._owner}-{token}"

    def evidence(self, job_id: int) -> str:
        """Of a dispute's evidence, at its creator's."""
        return f"job-evidence-{self._owner}-{job_id}"

    @property
    def _owner(self) -> str:
        return f"{self.registry}-{format_address(self.account)}"


def old_result(account: Address, job_id: int) -> str:
    """The name that earlier versions gave to a result: at any registry."""
    return f"job-result-{format_address(account)}-{job_id}"


def old_asset(first_job: int) -> str:
    """The name that earlier versions gave to an order's scene: of any creator, at any registry."""
    return f"order-asset-{first_job}"


def old_asset_job(name: str) -> int | None:
    """The order's first job in such a name; None for every other name."""
    prefix = "order-asset-"
    return int(name.removeprefix(prefix)) if _is_numbered(name, prefix) else None


def _is_numbered(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and re.fullmatch(r"[0-9]{1,20}", name.removeprefix(prefix)) is not None
