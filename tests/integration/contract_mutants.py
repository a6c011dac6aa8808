"""Bugs to plant in the contract's source: replacements, and how each must be found.

Each text must occur in the source exactly once. Texts are as short as possible, so that the source around
them may change.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tools import cairo

SOURCE = Path(__file__).parents[2] / "contracts" / "src" / "job_registry.cairo"


@dataclass(frozen=True)
class Mutant:
    """One bug: `old` becomes `new`. `found` is a pattern for the first difference."""

    name: str
    old: str
    new: str
    found: str

    def source(self, whole: str) -> str:
        """The source with the bug."""
        assert whole.count(self.old) == 1, f"{self.name}: its text stands {whole.count(self.old)} times"
        return whole.replace(self.old, self.new)


def build(mutant: Mutant, folder: Path) -> Path:
    """Builds the artefact of a mutant; stored in `folder` until the source changes."""
    source = mutant.source(SOURCE.read_text())
    kept = folder / hashlib.sha256(source.encode()).hexdigest()
    kept.mkdir(parents=True, exist_ok=True)
    planted = kept / SOURCE.name
    planted.write_text(source)
    if not cairo.is_current(planted, kept):
        cairo.build(planted, kept)
    return kept / SOURCE.stem


IN_EVERY_RUN = frozenset(("a claim lapses a second late", "anyone submits", "paid twice"))
"""One of each kind: time, rights, money. Each compiles for a minute. `make thorough` tries the others."""

REFUND = "self.burn(ref books, order.bond);\n                    job.state = JobState::Refunded;"
ONCE = "if self.claim(*job_id, ref order, ref books, now).is_ok() {"
CANCEL_LAPSED = "let lapsed = is_lapsed(@job, @order, now);\n            enforce("

MUTANTS = (
    Mutant(
        "a claim lapses a second late",
        "now >= *job.claimed_at + *order.lease",
        "now > *job.claimed_at + *order.lease",
        r"who may after \w+ .*\(lapsed\)",
    ),
    Mutant(
        "a claim at the deadline",
        "require(now < order.deadline, Errors::DEADLINE_OVER)",
        "require(now <= order.deadline, Errors::DEADLINE_OVER)",
        r"after claim .*DEADLINE_OVER",
    ),
    Mutant(
        "a dispute at the end of the review",
        "require(now < review_end(@job, @order), Errors::REVIEW_OVER)",
        "require(now <= review_end(@job, @order), Errors::REVIEW_OVER)",
        r"after dispute .*REVIEW_OVER",
    ),
    Mutant(
        "a verdict at the end of the arbitration",
        "require(get_block_timestamp() < end, Errors::ARBITRATION_OVER)",
        "require(get_block_timestamp() <= end, Errors::ARBITRATION_OVER)",
        r"after resolve .*ARBITRATION_OVER",
    ),
    Mutant(
        "a verdict at any time",
        "require(get_block_timestamp() < end, Errors::ARBITRATION_OVER)",
        "require(end != 0, Errors::ARBITRATION_OVER)",
        r"after resolve .*ARBITRATION_OVER",
    ),
    Mutant(
        "finalized a second late",
        "require(now >= due(@job, @order), Errors::NOT_DUE)",
        "require(now > due(@job, @order), Errors::NOT_DUE)",
        r"after finalizes? .*NOT_DUE|after finalizes",
    ),
    Mutant(
        "anyone submits",
        "require(caller != 0 && *job.worker == caller, Errors::NOT_CLAIMANT)",
        "require(*job.worker != 0, Errors::NOT_CLAIMANT)",
        r"after (submit|release) .*NOT_CLAIMANT",
    ),
    Mutant(
        "paid twice",
        "self.keep(job_id, order, JobCell { state: JobState::Paid, ..job });",
        "free(ref books, amount); self.keep(job_id, order, JobCell { state: JobState::Paid, ..job });",
        r"(totals|credits and wallets|who may) after",
    ),
    Mutant(
        "paid, and refunded besides",
        "let ended = job.state == JobState::Paid || job.state == JobState::Refunded;",
        "let ended = job.state == JobState::Refunded;",
        r"after finalize .*ALREADY_FINAL",
    ),
    Mutant(
        "the worker's bond kept",
        "let amount = *order.reward + *order.bond + besides;",
        "let amount = *order.reward + besides;",
        r"(events|totals) after",
    ),
    Mutant(
        "cancelled under a live claim",
        CANCEL_LAPSED,
        "let lapsed = job.state == JobState::Claimed;\n            enforce(",
        r"who may after cancel .*LIVE_CLAIM",
    ),
    Mutant(
        "a forfeited bond to the creator",
        REFUND,
        "self.seat(ref books, order.creator); free(ref books, order.bond); job.state = JobState::Refunded;",
        r"(totals|credits and wallets) after resolve CREATOR",
    ),
    Mutant(
        "a dispute without an end",
        "JobState::Disputed => arbitration_end(job, order),",
        "JobState::Disputed => TIME_MAX,",
        r"after finalize .*NOT_DUE",
    ),
    Mutant(
        "a release for nothing",
        "let fee = release_fee(@job, @order, now);",
        "let fee: u128 = 0;",
        r"(events|totals) after release",
    ),
    Mutant(
        "no bar after a release",
        "self.bars.write(bar_key(job_id, caller), true);",
        "",
        r"after claim .*BARRED",
    ),
    Mutant(
        "no bar after a lapse",
        "self.bars.write(bar_key(job_id, worker), true);",
        "",
        r"after claim .*BARRED",
    ),
    Mutant(
        "money counted once for many claims",
        ONCE,
        f"let before = books;\n{ONCE}\nif done.len() != 0 {{ books = before; }}",
        r"(totals|credits and wallets) after claims",
    ),
    Mutant(
        "a deposit without a transfer",
        "assert(token.transfer_from(caller, here, amount.into()), Errors::TRANSFER_FAILED);",
        "",
        r"(credits and wallets|I1: token) after deposit",
    ),
    Mutant(
        "more than the registry can hold",
        "amount <= AMOUNT_MAX && held + amount <= AMOUNT_MAX",
        "amount <= AMOUNT_MAX",
        r"refusal after deposit .*OVERFLOW",
    ),
    Mutant(
        "spans of one bit less",
        "const BITS_22: u128 = 0x400000;",
        "const BITS_22: u128 = 0x200000;",
        r"(jobs|refusal|who may) after|no answer: ",
    ),
    Mutant(
        "amounts of one bit less",
        "const BITS_104: u128 = 0x100000000000000000000000000;",
        "const BITS_104: u128 = 0x80000000000000000000000000;",
        r"(jobs|refusal|who may) after|no answer: ",
    ),
    Mutant(
        "the wrong field in an event",
        "JobClaimed { job_id, worker: books.owner, amount: order.bond, lease_end }",
        "JobClaimed { job_id, worker: books.owner, amount: order.bond, lease_end: order.deadline }",
        r"events after claims? .*lease_end",
    ),
)
