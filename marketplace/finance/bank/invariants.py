"""Invariants of bank statements and their matches: a sentence, and the SQL that names the offenders.

The sweep checks them with all others.
"""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant
from marketplace.finance.bank.queries import SQL
from marketplace.money.ledger import chart
from pricing.money import EUR

BANK: Final = (
    Invariant(
        "a statement's lines make its closing balance",
        """SELECT bank_statement.id AS statement, opening_minor, closing_minor, line_count FROM bank_statement
           LEFT JOIN bank_line ON bank_line.statement = bank_statement.id GROUP BY bank_statement.id
           HAVING opening_minor + coalesce(sum(amount_minor), 0) <> closing_minor OR count(bank_line.id) <> line_count
               OR count(*) FILTER (WHERE bank_line.iban <> bank_statement.iban) > 0""",
    ),
    Invariant(
        "each bank line is entered for its amount, and nothing else moves the bank's account but its opening",
        """SELECT coalesce(line, source_id) AS line, kind, amount_minor, moved_minor FROM (
               SELECT id::text AS line, amount_minor FROM bank_line
           ) AS imported FULL JOIN (
               SELECT journal_entry.id, kind, source_id, sum(CASE $1::text WHEN debit THEN amount_minor ELSE -amount_minor END) AS moved_minor
               FROM journal_entry JOIN posting ON posting.entry = journal_entry.id
               WHERE $1 IN (debit, credit) GROUP BY journal_entry.id
           ) AS moved ON kind = 'bank_line' AND source_id = line
           WHERE amount_minor IS DISTINCT FROM moved_minor AND (kind IS NULL OR kind NOT IN ('bank_opening', 'reversal'))""",
        (chart.BANK,),
    ),
    Invariant(
        "what explains a bank line adds up to it",
        """SELECT bank_line.id AS line, bank_line.amount_minor FROM bank_line
           JOIN bank_match ON bank_match.line = bank_line.id AND undone_at IS NULL
           GROUP BY bank_line.id HAVING sum(bank_match.amount_minor) <> bank_line.amount_minor""",
    ),
    Invariant(
        "a match is entered for its amount, and reversed exactly when it is undone",
        """SELECT bank_match.id AS match, bank_match.amount_minor, entered.amount_minor AS entered_minor, undone_at, entered.back
           FROM bank_match LEFT JOIN LATERAL (
               SELECT CASE WHEN debit = $1::text AND credit = account THEN posting.amount_minor
                           WHEN credit = $1 AND debit = account THEN -posting.amount_minor END AS amount_minor,
                      (SELECT id FROM journal_entry AS back WHERE back.reverses = journal_entry.id) AS back
               FROM journal_entry JOIN posting ON posting.entry = journal_entry.id
               WHERE kind IN ('bank_match', 'vat_settled') AND source_id = bank_match.id::text
           ) AS entered ON true
           WHERE bank_match.amount_minor IS DISTINCT FROM entered.amount_minor OR (undone_at IS NULL) <> (entered.back IS NULL)""",
        (chart.SUSPENSE,),
    ),
    Invariant(
        "the suspense account holds the bank lines that nothing explains",
        """SELECT books.minor, open.minor AS open_minor FROM (
               SELECT coalesce(sum(CASE $1::text WHEN credit THEN amount_minor ELSE -amount_minor END), 0) AS minor
               FROM posting WHERE $1 IN (debit, credit)
           ) AS books, (
               SELECT coalesce(sum(amount_minor), 0) AS minor FROM bank_line
               WHERE NOT EXISTS (SELECT FROM bank_match WHERE line = bank_line.id AND undone_at IS NULL)
           ) AS open WHERE books.minor <> open.minor""",
        (chart.SUSPENSE,),
    ),
    Invariant(
        "a payout is settled by a bank line or a transfer of its own, or its batch's",
        """SELECT payout.id AS payout FROM payout
           JOIN payout_batch ON payout_batch.run = payout.run AND payout_batch.number = payout.batch
           WHERE payout.state = 'settled'
             AND NOT EXISTS (SELECT FROM stripe_command
                             WHERE stripe_command.id = payout.id AND verb = 'transfer' AND stripe_command.state = 'done')
             AND NOT EXISTS (SELECT FROM bank_match
                             WHERE target_kind = 'payout_line' AND undone_at IS NULL AND bank_match.amount_minor < 0
                               AND target_id IN ('PTP' || replace(payout.id::text, '-', ''),
                                                 'PTB' || replace(payout_batch.id::text, '-', '')))""",
    ),
    Invariant(
        "what is under way to subscribers is what was sent, less what came back, what bank and Stripe have paid and what was written off",
        SQL["under_way_differs"],
        (chart.SUBSCRIBERS_IN_TRANSIT, EUR),
    ),
)
