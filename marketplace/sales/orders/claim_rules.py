"""What may be claimed, until when, and how a claim is decided; pure."""

from __future__ import annotations

import datetime as dt
from typing import Final

from marketplace.core.errors import Conflict, Invalid

CLAIM_DAYS: Final = 30
"""The days after payment in which a purchase may be claimed to be wrong."""
REASONS: Final = ("not_as_described", "incomplete", "wrong_figures", "unreadable")
SHORTEST, LONGEST_EVIDENCE, LONGEST_ANSWER = 3, 4000, 2000


def claim_until(paid_at: dt.datetime) -> dt.datetime:
    """Return when the time to claim ends, excluded."""
    return paid_at + dt.timedelta(days=CLAIM_DAYS)


def check_claim(
    reason: str, evidence: str, *, state: str, paid_at: dt.datetime | None, is_over: bool, now: dt.datetime
) -> str:
    """Return the evidence without surrounding space; refuse an empty, a late one, and one of no paid licence."""
    given = evidence.strip()
    if reason not in REASONS:
        raise Invalid("Choose what is wrong.", field="reason")
    if not SHORTEST <= len(given) <= LONGEST_EVIDENCE:
        raise Invalid("Say what you found, in {most} letters at most.", most=LONGEST_EVIDENCE, field="evidence")
    if state != "paid" or paid_at is None or is_over:
        raise Conflict("Only a paid order whose licence has not ended can be claimed about.")
    if claim_until(paid_at) <= now:
        raise Conflict("A claim comes within {days} days of the payment; write to us instead.", days=CLAIM_DAYS)
    return given


def check_proposal(proposal: str, answer: str, refund_minor: int | None, left_minor: int) -> str:
    """Return the answer without surrounding space; refuse an empty one, and an amount that does not remain.

    refund_minor: of a refund, VAT included, in cents; left_minor: what remains of the payment.
    """
    given = answer.strip()
    if proposal not in {"refund", "dismissed"}:
        raise Invalid("Choose a decision.", field="proposal")
    if not SHORTEST <= len(given) <= LONGEST_ANSWER:
        raise Invalid("Write what the partner reads, in {most} letters at most.", most=LONGEST_ANSWER, field="answer")
    if proposal == "refund" and not 0 < (refund_minor or 0) <= left_minor:
        raise Invalid("That is not between one cent and what is left of this payment.", field="amount")
    return given
