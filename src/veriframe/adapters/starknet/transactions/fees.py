"""A transaction's fee bounds: a node's estimate plus a margin, within the configured limit.

Estimates need no signature (`SKIP_VALIDATE`), so a transaction is signed only once. All prices are in fri.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from veriframe.errors import RegistryUnavailable
from veriframe.model.quantities import brief_strk

AMOUNT_PERCENT = 130
"""For gas: the state may change before the block, and the estimate does not include validation."""
PRICE_PERCENT = 150
"""For prices, which rise by at most an eighth each block: enough for some minutes."""
PRICE_MIN_PERCENT = 110
"""The smallest margin on prices with which a transaction is sent."""
BUMP_PERCENT = 115
"""For replacements, which need at least 10 % more tip and price."""

VALIDATION_L2_GAS = 2_000_000
"""Gas for checking the signature, which `SKIP_VALIDATE` leaves out of the estimate."""

_RESOURCES = ("l1_gas", "l1_data_gas", "l2_gas")
_AMOUNT_LIMIT = 2**64
_PRICE_LIMIT = 2**128


class FeeTooHigh(RegistryUnavailable):
    """A transaction costs more than the limit allows. Nothing is sent; it is tried again once fees fall.

    `cost_fri` is the smallest bound that it needs; 0 if it is not known.
    """

    def __init__(self, sentence: str, cost_fri: int = 0) -> None:
        super().__init__(sentence)
        self.cost_fri = cost_fri


@dataclass(frozen=True, slots=True)
class Resource:
    """The maximum amount of a resource and its maximum price per unit."""

    amount: int
    price_fri: int

    @property
    def cost_fri(self) -> int:
        """The cost of the whole amount."""
        return self.amount * self.price_fri


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeBounds:
    """A transaction's limits. `tip_fri` is paid for each unit of L2 gas."""

    l1_gas: Resource
    l1_data_gas: Resource
    l2_gas: Resource
    tip_fri: int = 0

    @classmethod
    def parse(cls, payload: Mapping[str, Mapping[str, str]], tip_fri: int) -> Self:
        """Parses the bounds in a transaction's JSON."""
        parsed = {
            name: Resource(int(payload[name]["max_amount"], 16), int(payload[name]["max_price_per_unit"], 16))
            for name in _RESOURCES
        }
        return cls(**parsed, tip_fri=tip_fri)

    @property
    def cost_fri(self) -> int:
        """The most that the transaction can cost."""
        resources = self.l1_gas.cost_fri + self.l1_data_gas.cost_fri + self.l2_gas.cost_fri
        return resources + self.l2_gas.amount * self.tip_fri

    def pairs(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        """Amount and price of L1 gas, L1 data gas and L2 gas."""
        ordered = (self.l1_gas, self.l1_data_gas, self.l2_gas)
        first, second, third = ((one.amount, one.price_fri) for one in ordered)
        return first, second, third

    def payload(self) -> dict[str, dict[str, str]]:
        """The JSON of `RESOURCE_BOUNDS_MAPPING`."""
        return {
            name: {"max_amount": hex(amount), "max_price_per_unit": hex(price)}
            for name, (amount, price) in zip(_RESOURCES, self.pairs(), strict=True)
        }

    def scaled(self, amount_percent: int, price_percent: int) -> FeeBounds:
        """These bounds with margins, rounded up."""

        def scale(one: Resource) -> Resource:
            return Resource(_percent(one.amount, amount_percent), _percent(one.price_fri, price_percent))

        return FeeBounds(
            l1_gas=scale(self.l1_gas),
            l1_data_gas=scale(self.l1_data_gas),
            l2_gas=scale(self.l2_gas),
            tip_fri=self.tip_fri,
        )

    def over(self, older: FeeBounds) -> FeeBounds:
        """These bounds, raised to what a replacement of `older` needs, including the tip."""
        bumped = older.scaled(100, BUMP_PERCENT)

        def larger(one: Resource, other: Resource) -> Resource:
            return Resource(max(one.amount, other.amount), max(one.price_fri, other.price_fri))

        return FeeBounds(
            l1_gas=larger(self.l1_gas, bumped.l1_gas),
            l1_data_gas=larger(self.l1_data_gas, bumped.l1_data_gas),
            l2_gas=larger(self.l2_gas, bumped.l2_gas),
            tip_fri=max(self.tip_fri, _percent(older.tip_fri, BUMP_PERCENT), older.tip_fri + 1),
        )


NONE = FeeBounds(l1_gas=Resource(0, 0), l1_data_gas=Resource(0, 0), l2_gas=Resource(0, 0))
"""The bounds of a transaction that is only estimated."""


def parse_estimates(answer: object, count: int) -> Sequence[FeeBounds]:
    """Parses a node's estimates for `count` transactions, without margins.

    Raises `RegistryUnavailable` if the answer does not fit.
    """
    try:
        if not isinstance(answer, list) or len(answer) != count:
            raise ValueError("wrong number of estimates")
        return [_parse_estimate(one) for one in answer]
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise RegistryUnavailable(
            "The StarkNet node's estimate of a fee cannot be read. Try another node in STARKNET_RPC."
        ) from error


def _parse_estimate(estimate: Mapping[str, Any]) -> FeeBounds:
    if estimate.get("unit", "FRI") != "FRI":
        raise ValueError("not in fri")
    l1_gas, l1_data_gas, l2_gas = (_resource(estimate, name) for name in _RESOURCES)
    return FeeBounds(l1_gas=l1_gas, l1_data_gas=l1_data_gas, l2_gas=l2_gas)


def with_margin(estimate: FeeBounds, max_fee_fri: int) -> FeeBounds:
    """The bounds to sign: with a margin on gas, and on prices as far as the limit allows.

    Raises `FeeTooHigh` if not even the smallest margin fits `max_fee_fri`.
    """
    wider = estimate.scaled(AMOUNT_PERCENT, 100)
    roomy = FeeBounds(
        l1_gas=wider.l1_gas,
        l1_data_gas=wider.l1_data_gas,
        l2_gas=Resource(wider.l2_gas.amount + VALIDATION_L2_GAS, wider.l2_gas.price_fri),
    )
    for price_percent in range(PRICE_PERCENT, PRICE_MIN_PERCENT - 1, -5):
        bounds = roomy.scaled(100, price_percent)
        if bounds.cost_fri <= max_fee_fri:
            return bounds
    raise fee_too_high(bounds.cost_fri, max_fee_fri)


SUBMIT_L2_GAS = 2_500_000
"""The L2 gas of submitting one result, rounded up (contracts/FEES.md)."""
RESERVED_SUBMISSIONS = 2
"""This many must be affordable at any time, or a claim could not be served (fault 68)."""
JOB_L2_GAS = 9_200_000
"""The L2 gas of one job: deposit and claim, submission, finalizing, withdrawal (contracts/FEES.md)."""


def reserve_fri(price_fri: int, max_fee_fri: int) -> int:
    """The fri that an account must keep at this price of L2 gas, to send the reserved submissions.

    A node accepts a transaction only if the account holds the most that it may cost.
    """
    amount = _percent(SUBMIT_L2_GAS, AMOUNT_PERCENT) + VALIDATION_L2_GAS
    return RESERVED_SUBMISSIONS * min(_percent(amount * price_fri, PRICE_PERCENT), max_fee_fri)


def fee_too_high(cost_fri: int, max_fee_fri: int) -> FeeTooHigh:
    """The error for a fee over the limit."""
    return FeeTooHigh(
        f"A transaction may cost {brief_strk(cost_fri)} now, over the limit of {brief_strk(max_fee_fri)}."
        " It waits until fees fall; to send it now, raise max_fee_strk.",
        cost_fri,
    )


def _resource(estimate: Mapping[str, Any], name: str) -> Resource:
    amount, price = int(estimate[f"{name}_consumed"], 16), int(estimate[f"{name}_price"], 16)
    if not (0 <= amount < _AMOUNT_LIMIT and 0 <= price < _PRICE_LIMIT):
        raise ValueError("out of range")
    return Resource(amount, price)


def _percent(value: int, percent: int) -> int:
    return -(-value * percent // 100)
