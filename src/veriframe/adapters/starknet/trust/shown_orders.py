"""Remembers orders as they were shown, so that a claim is only made under the terms that were checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TypeVar

import structlog

from veriframe.model.registry.job import Order

T = TypeVar("T")

log = structlog.get_logger()

KEPT = 50_000
"""How many orders are remembered; the oldest are dropped first."""


class ShownOrders:
    """Digests of orders as first shown. An order changes only if a node lies, or by a reorganisation."""

    def __init__(self) -> None:
        self._digests: dict[int, bytes] = {}
        self._changed: dict[int, None] = {}

    def note(self, orders: Iterable[Order]) -> None:
        """Records that these orders were shown."""
        for order in orders:
            if self.differs(order) and order.id not in self._changed:
                log.warning("order_changed", order_id=order.id)
                _keep(self._changed, order.id, None)
            if order.id not in self._digests:
                _keep(self._digests, order.id, _digest(order))

    def differs(self, order: Order) -> bool:
        """Whether another order was ever shown under its id."""
        kept = self._digests.get(order.id)
        return order.id in self._changed or (kept is not None and kept != _digest(order))


def _digest(order: Order) -> bytes:
    return hashlib.sha256(repr(order).encode()).digest()[:16]


def _keep(kept: dict[int, T], order_id: int, value: T) -> None:
    if len(kept) >= KEPT:
        del kept[next(iter(kept))]
    kept[order_id] = value
