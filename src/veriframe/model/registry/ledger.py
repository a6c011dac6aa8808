"""The registry's book-keeping: where money lies, how it moves, and what is told about it.

Every amount is at most `AMOUNT_MAX_FRI`, as in the contract, whose integers are bounded: what would pass the
bound is refused and never grows in silence, as Python's integers would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass
from enum import StrEnum

from veriframe.errors import MoveRefused
from veriframe.model.registry.job import NOBODY, Address, Job, JobState, format_strk

AMOUNT_MAX_FRI = 2**104 - 1
"""The most that one amount, one balance or all of the registry may be."""
TIME_MAX = 2**40 - 1
"""The last chain second that the contract can keep."""
ADDRESS_MAX = 2**251 + 17 * 2**192
"""The largest felt."""
CID_MAX_BYTES = 128


class Rule(StrEnum):
    """Why a move is refused."""

    UNKNOWN_JOB = "UNKNOWN_JOB"
    NOT_OPEN = "NOT_OPEN"
    DEADLINE_OVER = "DEADLINE_OVER"
    OWN_JOB = "OWN_JOB"
    OTHER_WORKER = "OTHER_WORKER"
    BARRED = "BARRED"
    NOT_CLAIMANT = "NOT_CLAIMANT"
    NOT_CLAIMED = "NOT_CLAIMED"
    LEASE_OVER = "LEASE_OVER"
    NOT_CREATOR = "NOT_CREATOR"
    NOT_SUBMITTED = "NOT_SUBMITTED"
    LIVE_CLAIM = "LIVE_CLAIM"
    NO_ARBITER = "NO_ARBITER"
    REVIEW_OVER = "REVIEW_OVER"
    NOT_ARBITER = "NOT_ARBITER"
    NOT_DISPUTED = "NOT_DISPUTED"
    ARBITRATION_OVER = "ARBITRATION_OVER"
    NOT_DUE = "NOT_DUE"
    ALREADY_FINAL = "ALREADY_FINAL"
    BAD_CID = "BAD_CID"
    BAD_COUNT = "BAD_COUNT"
    BAD_REWARD = "BAD_REWARD"
    BAD_BOND = "BAD_BOND"
    BAD_DEADLINE = "BAD_DEADLINE"
    BAD_LEASE = "BAD_LEASE"
    BAD_REVIEW = "BAD_REVIEW"
    BAD_ARBITRATION = "BAD_ARBITRATION"
    BAD_ARBITER = "BAD_ARBITER"
    BAD_WORKER = "BAD_WORKER"
    BAD_AMOUNT = "BAD_AMOUNT"
    BAD_RECIPIENT = "BAD_RECIPIENT"
    INSUFFICIENT_CREDIT = "INSUFFICIENT_CREDIT"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    OVERFLOW = "OVERFLOW"


class PotKind(StrEnum):
    """Where money can lie. `ISSUED` is where the play money of an embedded registry comes from."""

    ISSUED = "issued"
    WALLET = "wallet"
    CREDIT = "credit"
    ESCROW = "escrow"
    BURNED = "burned"

    @property
    def is_inside(self) -> bool:
        """Whether the registry holds the tokens that lie there."""
        return self in (PotKind.CREDIT, PotKind.ESCROW, PotKind.BURNED)


@dataclass(frozen=True, slots=True)
class Pot:
    """One place for money. `owner` is an address, a job's id for escrow, 0 for what is nobody's."""

    kind: PotKind
    owner: int = 0


BURNED = Pot(PotKind.BURNED)
ISSUED = Pot(PotKind.ISSUED)


def wallet(address: Address) -> Pot:
    """An account's money outside the registry."""
    return Pot(PotKind.WALLET, address)


def credit(address: Address) -> Pot:
    """An account's money inside the registry, free to use."""
    return Pot(PotKind.CREDIT, address)


def escrow(job_id: int) -> Pot:
    """What is bound to one job."""
    return Pot(PotKind.ESCROW, job_id)


class Reason(StrEnum):
    """What a posting is for."""

    GRANT = "grant"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    REWARD = "reward"
    BOND = "bond"
    DISPUTE_BOND = "dispute bond"
    RELEASE_FEE = "release fee"
    FORFEIT = "forfeit"


@dataclass(frozen=True, slots=True)
class Posting:
    """One line of the books: `amount_fri` leaves one pot (its debit) and goes to another (its credit)."""

    source: Pot
    target: Pot
    amount_fri: int
    reason: Reason


class EventKind(StrEnum):
    """What the registry tells the world, in the past tense."""

    ORDER_CREATED = "OrderCreated"
    JOB_CLAIMED = "JobClaimed"
    JOB_RELEASED = "JobReleased"
    CLAIM_LAPSED = "ClaimLapsed"
    RESULT_SUBMITTED = "ResultSubmitted"
    RESULT_DISPUTED = "ResultDisputed"
    DISPUTE_RESOLVED = "DisputeResolved"
    JOB_PAID = "JobPaid"
    JOB_REFUNDED = "JobRefunded"
    DEPOSITED = "Deposited"
    WITHDRAWN = "Withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing told. `subject` is the job's id (the order's for OrderCreated, 0 for money in and out).

    `party` is whose doing or loss it is. `note` is the CID, the reason, the verdict; else empty.
    """

    kind: EventKind
    party: Address
    subject: int = 0
    amount_fri: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Who makes a move, in which block (`now` is its time), and how much free credit the caller has."""

    caller: Address
    now: int
    block: int
    credit_fri: int = 0


@dataclass(frozen=True, slots=True)
class Transfer:
    """What a move of money alone does."""

    postings: tuple[Posting, ...]
    events: tuple[Event, ...]


def deposit(account: Address, amount_fri: int, *, wallet_fri: int, token_fri: int) -> Transfer:
    """From the own wallet into credit. `token_fri` is all that the registry holds before.

    Raises `MoveRefused`: BAD_AMOUNT, OVERFLOW, INSUFFICIENT_FUNDS.
    """
    require_amount(amount_fri)
    require_bounded(token_fri + amount_fri)
    require(
        amount_fri <= wallet_fri,
        Rule.INSUFFICIENT_FUNDS,
        lambda: (
            f"The wallet holds {format_strk(wallet_fri)}, less than the {format_strk(amount_fri)} to deposit."
            " Send money to it first, or deposit less."
        ),
    )
    posting = Posting(wallet(account), credit(account), amount_fri, Reason.DEPOSIT)
    return Transfer((posting,), (Event(kind=EventKind.DEPOSITED, party=account, amount_fri=amount_fri),))


def withdraw(account: Address, amount_fri: int, recipient: Address, *, credit_fri: int) -> Transfer:
    """From the own credit to anyone's wallet.

    Raises `MoveRefused`: BAD_AMOUNT, OVERFLOW, BAD_RECIPIENT, INSUFFICIENT_CREDIT.
    """
    require_amount(amount_fri)
    require(
        is_account(recipient),
        Rule.BAD_RECIPIENT,
        lambda: f"{recipient:#x} is no account's address. Name the wallet that shall receive the money.",
    )
    require_credit(credit_fri, amount_fri, "withdraw")
    posting = Posting(credit(account), wallet(recipient), amount_fri, Reason.WITHDRAWAL)
    event = Event(kind=EventKind.WITHDRAWN, party=account, amount_fri=amount_fri, note=f"to {recipient:#x}")
    return Transfer((posting,), (event,))


def post(balances: MutableMapping[Pot, int], postings: Iterable[Posting]) -> None:
    """Move the money, in order. `balances` holds every pot that is touched.

    Raises `MoveRefused` (OVERFLOW) where a pot would pass the bound, `RuntimeError` where one would be
    overdrawn: the rules let nothing come so far, so that it is a bug. Then `balances` are half moved.
    """
    for posting in postings:
        left = balances[posting.source] - posting.amount_fri
        if posting.amount_fri < 0 or (left < 0 and posting.source != ISSUED):
            raise RuntimeError(f"The books do not balance: {posting} leaves {left} fri.")
        balances[posting.source] = left
        balances[posting.target] += posting.amount_fri
        require_bounded(balances[posting.target])


def held_fri(job: Job) -> int:
    """What a job's escrow holds by its state: the reward and the bonds that no one has got back yet."""
    bonds = {JobState.OPEN: 0, JobState.CLAIMED: 1, JobState.SUBMITTED: 1, JobState.DISPUTED: 2}
    if job.state.is_final:
        return 0
    return job.terms.reward_fri + bonds[job.state] * job.terms.bond_fri


def is_account(address: int) -> bool:
    """Whether an address can be somebody's: a felt, and not 0."""
    return NOBODY < address <= ADDRESS_MAX


def require(holds: bool, rule: Rule, sentence: Callable[[], str]) -> None:
    """Refuse the move by this rule, unless the condition holds. The sentence is only made where needed."""
    if not holds:
        raise MoveRefused(rule.value, sentence())


def require_bounded(amount_fri: int) -> None:
    """Refuse what the contract's integers cannot hold (OVERFLOW)."""
    require(
        amount_fri <= AMOUNT_MAX_FRI,
        Rule.OVERFLOW,
        lambda: (
            f"{amount_fri} fri are more than the registry can hold at all ({AMOUNT_MAX_FRI} fri)."
            " Use a smaller amount."
        ),
    )


def require_amount(amount_fri: int) -> None:
    """Refuse nothing, less than nothing (BAD_AMOUNT) and too much (OVERFLOW)."""
    require(
        amount_fri > 0, Rule.BAD_AMOUNT, lambda: f"{amount_fri} fri are no amount to move. Give more than 0."
    )
    require_bounded(amount_fri)


def require_credit(credit_fri: int, needed_fri: int, what_for: str) -> None:
    """Refuse what the caller's credit does not cover (INSUFFICIENT_CREDIT)."""
    require(
        needed_fri <= credit_fri,
        Rule.INSUFFICIENT_CREDIT,
        lambda: (
            f"The {format_strk(credit_fri)} at hand are less than the {format_strk(needed_fri)} to"
            f" {what_for}. Send the account more first."
        ),
    )


def require_cid(cid: str, what: str) -> None:
    """Refuse what is too short or too long for the registry (BAD_CID). It does not know more of CIDs."""
    try:
        size_bytes = len(cid.encode())
    except UnicodeEncodeError:
        size_bytes = 0  # half a surrogate pair is no text
    require(
        1 <= size_bytes <= CID_MAX_BYTES,
        Rule.BAD_CID,
        lambda: f"The CID of the {what} has {size_bytes} bytes, not 1 to {CID_MAX_BYTES}. Give a real one.",
    )


def unknown_job(job_id: int) -> MoveRefused:
    """The refusal of an id that was never given."""
    return MoveRefused(
        Rule.UNKNOWN_JOB.value, f"There is no job {job_id}. See `veriframe job list` for those there are."
    )
