"""Endpoints that are queried independently of each other before a claim binds money."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from veriframe.adapters.starknet.contract.contract import Question
from veriframe.adapters.starknet.rpc.endpoints import EndpointAnswer


class Witnesses(Protocol):
    """Endpoints that can be queried independently of each other."""

    @property
    def names(self) -> Sequence[str]:
        """The endpoints' names."""

    async def ask(self, calls: Sequence[Question], *, but: Collection[str] = ()) -> EndpointAnswer:
        """The answers of one endpoint that is not in `but`. Raises `RegistryUnavailable`."""

    def distrust(self, name: str) -> None:
        """Stops querying this endpoint for an hour."""
