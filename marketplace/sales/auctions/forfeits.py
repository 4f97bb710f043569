"""Income from unpaid awards in the books: captured deposits, further penalties, and what is refunded or reversed.

It is an indemnity, without VAT. A deposit is what its payer authorised before bidding; a penalty is charged afterwards,
if deposits did not cover the debt. Each is income on its own account on the day it is received, not earlier, because it
is not certain that a defaulter pays. Amounts that its bank reverses, or that we refund, are debited from that account
again.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_rows
from marketplace.money.ledger import chart
from marketplace.money.ledger.actions import Entry, record_all

BATCH_SIZE: Final = 200
INCOME: Final = {"deposit": chart.FORFEITED_DEPOSITS, "penalty": chart.PENALTIES}
"""What it is → its income account."""
TEXTS: Final = {
    "deposit_forfeited": "Deposit of a winner who did not pay in time",
    "penalty_received": "Penalty of a winner who did not pay",
    "deposit_charged_back": "Deposit reversed by its bank",
    "penalty_charged_back": "Penalty reversed by its bank",
    "deposit_given_back": "Deposit given back",
    "penalty_given_back": "Penalty given back",
}
"""Kind of entry → its text."""
RECEIVED: Final = """
    SELECT CASE capture WHEN 'manual' THEN 'deposit' ELSE 'penalty' END AS what, deposit.id::text AS source,
           payment.received_minor AS amount_minor, payment.paid_at AS at, payment.currency
    FROM auction_deposit AS deposit JOIN payment ON payment.subject = deposit.id
    WHERE ending = 'forfeited' AND payment.state IN ('paid', 'refunded') AND payment.received_minor > 0
      AND NOT EXISTS (SELECT FROM journal_entry
                      WHERE kind IN ('deposit_forfeited', 'penalty_received') AND source_id = deposit.id::text)
    ORDER BY payment.paid_at LIMIT $1"""
REVERSED: Final = """
    SELECT CASE entry.kind WHEN 'deposit_forfeited' THEN 'deposit' ELSE 'penalty' END AS what, dispute.id AS source,
           least(dispute.amount_minor, payment.received_minor) AS amount_minor,
           coalesce(dispute.closed_at, dispute.opened_at) AS at, dispute.currency
    FROM dispute JOIN payment ON payment.subject = dispute.payment_subject
    JOIN journal_entry AS entry ON entry.source_id = payment.subject::text
                               AND entry.kind IN ('deposit_forfeited', 'penalty_received')
    WHERE dispute.state = 'lost' AND NOT EXISTS (
        SELECT FROM journal_entry
        WHERE kind IN ('deposit_charged_back', 'penalty_charged_back') AND source_id = dispute.id)
    ORDER BY dispute.opened_at LIMIT $1"""
GIVEN_BACK: Final = """
    SELECT CASE entry.kind WHEN 'deposit_forfeited' THEN 'deposit' ELSE 'penalty' END AS what, movement.id AS source,
           -movement.amount_minor AS amount_minor, movement.created_at AS at, movement.currency
    FROM balance_transaction AS movement
    JOIN auction_deposit AS deposit ON deposit.id = movement.payment_subject
    JOIN journal_entry AS entry ON entry.source_id = deposit.id::text
                               AND entry.kind IN ('deposit_forfeited', 'penalty_received')
    WHERE movement.category IN ('refund', 'refund_failure') AND movement.amount_minor <> 0 AND NOT EXISTS (
        SELECT FROM journal_entry
        WHERE kind IN ('deposit_given_back', 'penalty_given_back') AND source_id = movement.id)
    ORDER BY movement.created_at LIMIT $1"""


class ForfeitedAmount(Struct, frozen=True):
    """An amount to enter, in cents: `what` is deposit or penalty, `source` the id of the fact."""

    what: str
    source: str
    amount_minor: int
    at: dt.datetime
    currency: str


async def enter_forfeits() -> None:
    """Enter received deposits and penalties, and what banks reversed or we refunded of them, once each."""
    received = {"deposit": "deposit_forfeited", "penalty": "penalty_received"}
    for sql, kinds, counter in (
        (RECEIVED, received, chart.PARTNERS),
        (REVERSED, {what: f"{what}_charged_back" for what in INCOME}, chart.DISPUTES),
        (GIVEN_BACK, {what: f"{what}_given_back" for what in INCOME}, chart.PARTNERS),
    ):
        rows = await fetch_rows(ForfeitedAmount, sql, BATCH_SIZE)
        if rows:
            await record_all([_entry(kinds[row.what], row, counter, is_earned=sql is RECEIVED) for row in rows])


def _entry(kind: str, row: ForfeitedAmount, counter: str, *, is_earned: bool) -> Entry:
    """Return the entry of an amount received or returned; a failed refund is received again."""
    income = INCOME[row.what]
    accounts = (counter, income) if is_earned or row.amount_minor < 0 else (income, counter)
    return Entry(kind, row.source, row.at, TEXTS[kind], [(*accounts, abs(row.amount_minor))], row.currency, late=True)
