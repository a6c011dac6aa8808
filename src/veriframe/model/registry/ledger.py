"""The registry's double-entry book-keeping: pots of money, postings between them, and events.

Every amount is at most `AMOUNT_MAX_FRI`, because the contract's integers are bounded. Larger amounts are
refused; Python's integers would grow silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass
from enum import StrEnum

from veriframe.errors import MoveRefused
from veriframe.model.quantities import format_strk
from veriframe.model.registry.job import NOBODY, Address, Job, JobState

AMOUNT_MAX_FRI = 2**104 - 1
"""The largest amount, balance or total of a registry."""
TIME_MAX = 2**40 - 1
"""The last chain second that the contract can store."""
ADDRESS_MAX = 2**251 + 17 * 2**192
"""The largest felt."""
CID_MAX_BYTES = 128
_SEND_MONEY = "Send the account more money first."


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
    """The kinds of pots. `ISSUED` is the source of an embedded registry's play money."""

    ISSUED = "issued"
    WALLET = "wallet"
    CREDIT = "credit"
    ESCROW = "escrow"
    BURNED = "burned"

    @property
    def is_inside(self) -> bool:
        """Whether the registry holds this pot's tokens."""
        return self in (PotKind.CREDIT, PotKind.ESCROW, PotKind.BURNED)


@dataclass(frozen=True, slots=True)
class Pot:
    """One place for money. `owner` is an address, a job's id for escrow, or 0 for no owner."""

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
    """The money bound to one job."""
    return Pot(PotKind.ESCROW, job_id)


class Reason(StrEnum):
    """The purpose of a posting."""

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
    """One line of the books: `amount_fri` moves from `source` (debit) to `target` (credit)."""

    source: Pot
    target: Pot
    amount_fri: int
    reason: Reason


class EventKind(StrEnum):
    """The registry's public events, in the past tense."""

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
    """One event. `subject` is the job's id (the order's for OrderCreated, 0 for deposits and withdrawals).

    `party` is the account that acted or lost. `note` is the CID, the reason or the verdict, else empty.
    """

    kind: EventKind
    party: Address
    subject: int = 0
    amount_fri: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The context of a move: the caller, its free credit, the block and its time (`now`)."""

    caller: Address
    now: int
    block: int
    credit_fri: int = 0


@dataclass(frozen=True, slots=True)
class Transfer:
    """The effects of a deposit or a withdrawal."""

    postings: tuple[Posting, ...]
    events: tuple[Event, ...]


def deposit(account: Address, amount_fri: int, *, wallet_fri: int, token_fri: int) -> Transfer:
    """Move money from the account's wallet into its credit. `token_fri` is the registry's total before.

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
    """Move money from the account's credit to any wallet.

    Raises `MoveRefused`: BAD_AMOUNT, OVERFLOW, BAD_RECIPIENT, INSUFFICIENT_CREDIT.
    """
    require_amount(amount_fri)
    require(
        is_account(recipient),
        Rule.BAD_RECIPIENT,
        lambda: f"{recipient:#x} is not an account's address. Name the wallet that receives the money.",
    )
    require_credit(credit_fri, amount_fri, "withdraw", "The wallet's money needs no withdrawal.")
    posting = Posting(credit(account), wallet(recipient), amount_fri, Reason.WITHDRAWAL)
    event = Event(kind=EventKind.WITHDRAWN, party=account, amount_fri=amount_fri, note=f"to {recipient:#x}")
    return Transfer((posting,), (event,))


def post(balances: MutableMapping[Pot, int], postings: Iterable[Posting]) -> None:
    """Apply the postings in order. `balances` holds every pot that they touch.

    Raises `MoveRefused` (OVERFLOW) if a pot would exceed the bound, and `RuntimeError` if one would be
    overdrawn, which the rules prevent, so it is a bug. After an error `balances` are partly changed.
    """
    for posting in postings:
        left = balances[posting.source] - posting.amount_fri
        if posting.amount_fri < 0 or (left < 0 and posting.source != ISSUED):
            raise RuntimeError(f"The books do not balance: {posting} leaves {left} fri.")
        balances[posting.source] = left
        balances[posting.target] += posting.amount_fri
        require_bounded(balances[posting.target])


def held_fri(job: Job) -> int:
    """The amount in a job's escrow according to its state: the reward and the bonds not yet returned."""
    bonds = {JobState.OPEN: 0, JobState.CLAIMED: 1, JobState.SUBMITTED: 1, JobState.DISPUTED: 2}
    if job.state.is_final:
        return 0
    return job.terms.reward_fri + bonds[job.state] * job.terms.bond_fri


def is_account(address: int) -> bool:
    """Whether an address can belong to an account: a felt, and not 0."""
    return NOBODY < address <= ADDRESS_MAX


def require(holds: bool, rule: Rule, sentence: Callable[[], str]) -> None:
    """Refuse the move by this rule unless the condition holds. The sentence is only made if needed."""
    if not holds:
        raise MoveRefused(rule.value, sentence())


def require_bounded(amount_fri: int) -> None:
    """Refuse an amount that the contract's integers cannot hold (OVERFLOW)."""
    require(
        amount_fri <= AMOUNT_MAX_FRI,
        Rule.OVERFLOW,
        lambda: (
            f"{format_strk(amount_fri)} are more than the registry can hold ({format_strk(AMOUNT_MAX_FRI)})."
            " Use a smaller amount."
        ),
    )


def require_amount(amount_fri: int) -> None:
    """Refuse an amount that is zero or negative (BAD_AMOUNT) or too large (OVERFLOW)."""
    require(
        amount_fri > 0,
        Rule.BAD_AMOUNT,
        lambda: f"{format_strk(amount_fri)} cannot be moved. Use an amount above 0.",
    )
    require_bounded(amount_fri)


def require_credit(credit_fri: int, needed_fri: int, what_for: str, remedy: str = _SEND_MONEY) -> None:
    """Refuse an amount that the caller's credit does not cover (INSUFFICIENT_CREDIT)."""
    require(
        needed_fri <= credit_fri,
        Rule.INSUFFICIENT_CREDIT,
        lambda: (
            f"The available credit of {format_strk(credit_fri)} is less than the {format_strk(needed_fri)} to"
            f" {what_for}. {remedy}"
        ),
    )


def require_cid(cid: str, what: str) -> None:
    """Refuse a text that is too short or too long (BAD_CID). The registry does not check CIDs further."""
    try:
        size_bytes = len(cid.encode())
    except UnicodeEncodeError:
        size_bytes = 0  # a lone surrogate is not valid text
    require(
        1 <= size_bytes <= CID_MAX_BYTES,
        Rule.BAD_CID,
        lambda: f"The CID of the {what} has {size_bytes} bytes, not 1 to {CID_MAX_BYTES}. Use a valid CID.",
    )


def unknown_job(job_id: int) -> MoveRefused:
    """The refusal of an id that was never assigned."""
    return MoveRefused(
        Rule.UNKNOWN_JOB.value, f"There is no job {job_id}. `veriframe job list --all` lists all jobs."
    )
