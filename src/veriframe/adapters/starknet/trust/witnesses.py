"""Endpoints that are asked independently of one another before a claim binds money."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from veriframe.adapters.starknet.contract.contract import Question
from veriframe.adapters.starknet.rpc.endpoints import Answered


class Witnesses(Protocol):
    """Endpoints that can be asked apart from one another."""

    @property
    def names(self) -> Sequence[str]:
        """Their names."""

    async def ask(self, calls: Sequence[Question], *, but: Collection[str] = ()) -> Answered:
        """The answers of an endpoint that `but` does not name. Raises `RegistryUnavailable`."""

    def distrust(self, name: str) -> None:
        """Ask this one nothing for long."""
