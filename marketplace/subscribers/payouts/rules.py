"""Rules of payouts: a bank's codes in plain words, when the clock drafts, which payouts a bank's report refuses."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.errors import Invalid
from marketplace.money.sepa import pain001, pain002

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_REASON: Final = "MS03"
"""ISO's reason for: the bank gives no reason."""
NAME_DIFFERS: Final = frozenset({"RVNM", "RVMC", "RVNC"})
"""Codes of payouts that were left out because of a name, before any bank paid."""
REFUSED_BY_STRIPE: Final = "STRIPE"
RECALLED: Final = "FOCR"
"""ISO's reason for: recalled."""
SENTENCES = {
    "AC01": "the bank does not know this account number",
    "AC03": "the bank does not know this account number",
    "AC04": "the account is closed",
    "AC06": "the account is blocked",
    "AC13": "this kind of account takes no such transfer",
    "AG01": "this kind of account takes no such transfer",
    "AM04": "our own account did not cover it",
    "AM05": "the bank had it twice",
    "BE01": "the holder's name does not fit the account",
    "CNOR": "the holder's bank cannot be reached",
    "DNOR": "our bank could not send it",
    "FOCR": "it was called back",
    "MD07": "the account's holder has died",
    "MS02": "the account's holder sent it back",
    "MS03": "the bank does not say why",
    "RC01": "the holder's bank cannot be reached",
    "RR04": "a bank's legal duties",
    "TM01": "it came after the bank's closing time",
    "RVMC": "the holder's name is nearly, but not quite, the account's",
    "RVNC": "the bank cannot say whose account it is",
    "RVNM": "the account is in another name",
    "STRIPE": "Stripe could not transfer it",
    "": "the bank gives its reason as a code",
}
"""A bank's code for why a payout failed → in plain words; the last is for every other code."""
PAYEES_A_PAGE: Final = 50_000
"""The most payees for which a page drafts a run or writes its files; for more, a job does it."""
STEPS: Final = (1, 2, 3, 5, 10, 20, 50)
"""Steps of the chart of a run's amounts, as multiples of its threshold."""
ENDED: Final = ("settled", "failed", "cancelled")
"""The states of a payout that is no longer open."""


def bounds_of(threshold_minor: int) -> list[int]:
    """Return the amounts, in cents, at which the chart of a run with this threshold has its steps."""
    return [threshold_minor * step for step in STEPS]


class PayoutInBatch(Struct, frozen=True):
    """A payout and its batch."""

    id: uuid.UUID
    state: str
    batch: uuid.UUID


def in_words(code: str | None) -> str:
    """Return a bank's code in plain words, to be translated."""
    return SENTENCES.get(code or "", SENTENCES[""])


def next_draft_after(now: dt.datetime, every: int) -> dt.datetime:
    """Return when the clock drafts next: slots are `every` seconds long, counted from the epoch."""
    return dt.datetime.fromtimestamp((now.timestamp() // every + 1) * every, dt.UTC)


def refused_payouts(payouts: Sequence[PayoutInBatch], report: pain002.StatusReport) -> dict[uuid.UUID, str]:
    """Return the open payouts of a run that a bank's report refuses, each with its reason.

    Refuse a report that names other payouts.
    """
    known_batches = {pain001.batch_of(payout.batch) for payout in payouts}
    known = {pain001.reference_of(payout.id) for payout in payouts}
    strangers = [*(set(report.batches) - known_batches), *(set(report.transfers) - known)]
    if strangers:
        raise Invalid("This report names a payment that is not in the run: {reference}.", reference=min(strangers))
    refused: dict[uuid.UUID, str] = {}
    for payout in payouts:
        judgements = (
            report.transfers.get(pain001.reference_of(payout.id)),
            report.batches.get(pain001.batch_of(payout.batch)),
            (report.group_status, report.group_reason),
        )
        reason = pain002.refusal(judgements)
        if reason and payout.state == "open":
            refused[payout.id] = reason
    return refused
