"""Invariants of payments and Stripe's mirrored balance: a sentence, and the SQL that names the offenders.

The sweep checks them with all others.
"""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant
from marketplace.money.ledger import chart

PAYMENTS: Final = (
    Invariant(
        "Stripe's balance transactions and the entries that post them move the same",
        """SELECT posted.source_id AS transaction, movement.net_minor, posted.net_minor AS posted_minor
           FROM balance_transaction AS movement FULL JOIN (
               SELECT journal_entry.kind, journal_entry.source_id, coalesce(sum(
                   CASE $1::text WHEN debit THEN amount_minor WHEN credit THEN -amount_minor ELSE 0 END), 0) AS net_minor
               FROM journal_entry LEFT JOIN posting ON posting.entry = journal_entry.id
               WHERE starts_with(kind, 'stripe_') GROUP BY journal_entry.id
           ) AS posted ON posted.source_id = movement.id AND posted.kind = 'stripe_' || movement.category
           WHERE posted.source_id IS NOT NULL AND posted.net_minor IS DISTINCT FROM movement.net_minor""",
        (chart.STRIPE,),
    ),
    Invariant(
        "no more is refunded than was received",
        """SELECT subject, state, received_minor, refunded_minor FROM payment
           WHERE refunded_minor > received_minor AND received_minor > 0""",
    ),
)
