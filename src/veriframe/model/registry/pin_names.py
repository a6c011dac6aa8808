"""The names of pins, which say why content is kept, for which account and at which registry.

Several registries may share a store, with the same account and the same job numbers. Without the registry in
the name, work at one would release content that is owed at another. Only this module makes and parses names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from veriframe.model.registry.job import Address, format_address

MAX_NAME_BYTES = 185
"""Longest name of a pin: Kubo's limit of 255, less the content's CID."""

OLD_ASSETS = "order-asset-"
"""What the names that earlier versions gave to scenes started with."""


@dataclass(frozen=True, slots=True)
class PinNames:
    """The pin names of one account at one registry. `registry` is its `JobReader.identity`."""

    registry: str
    account: Address

    def result(self, job_id: int) -> str:
        """The name of a job's result, in its worker's store."""
        return f"{self.results}{job_id}"

    @property
    def results(self) -> str:
        """What the names of all results of this account at this registry start with."""
        return f"job-result-{self._owner}-"

    def is_result(self, name: str) -> bool:
        """Whether the name is that of a result of this account at this registry."""
        return _is_numbered(name, self.results)

    def asset(self, first_job: int) -> str:
        """The name of an order's scene, in its creator's store. `first_job` is the order's first job."""
        return f"order-asset-{self._owner}-{first_job}"

    def unposted(self, token: str) -> str:
        """The name of a scene whose order is not posted yet. `token` has at most 16 characters."""
        return f"order-asset-unposted-{self._owner}-{token}"

    def evidence(self, job_id: int) -> str:
        """The name of a dispute's evidence, in its creator's store."""
        return f"job-evidence-{self._owner}-{job_id}"

    @property
    def _owner(self) -> str:
        return f"{self.registry}-{format_address(self.account)}"


def old_results(account: Address) -> str:
    """What the names that earlier versions gave to results started with, whatever the registry."""
    return f"job-result-{format_address(account)}-"


def old_result(account: Address, job_id: int) -> str:
    """The name that earlier versions gave to a result."""
    return f"{old_results(account)}{job_id}"


def old_asset(first_job: int) -> str:
    """The name that earlier versions gave to an order's scene, whatever the creator and the registry."""
    return f"{OLD_ASSETS}{first_job}"


def old_asset_job(name: str) -> int | None:
    """Parse the order's first job from such a name. None for any other name."""
    return int(name.removeprefix(OLD_ASSETS)) if _is_numbered(name, OLD_ASSETS) else None


def _is_numbered(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and re.fullmatch(r"[0-9]{1,20}", name.removeprefix(prefix)) is not None
