"""What must always be true of the books: a sentence, and the SQL that names the offenders; swept with all the others."""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant
from marketplace.money.ledger import chart
from marketplace.money.ledger.entry_kinds import ENTRY_KINDS

BOOKS: Final = (
    Invariant(
        "a journal entry moves something",
        """SELECT id AS entry, kind, source_id FROM journal_entry
           WHERE NOT EXISTS (SELECT FROM posting WHERE posting.entry = journal_entry.id)""",
    ),
    Invariant(
        "what the last closed month ended with is what its postings and those before add up to",
        """SELECT month, account FROM period_balance AS kept JOIN period USING (month) CROSS JOIN LATERAL (
               SELECT coalesce(sum(amount_minor) FILTER (WHERE debit = account), 0) AS debit_minor,
                      coalesce(sum(amount_minor) FILTER (WHERE credit = account), 0) AS credit_minor
               FROM posting JOIN journal_entry ON journal_entry.id = posting.entry
               WHERE account IN (debit, credit) AND at < ends_at) AS books
           WHERE month = (SELECT max(month) FROM period_balance)
             AND (books.debit_minor, books.credit_minor) <> (kept.debit_minor, kept.credit_minor)""",
    ),
    Invariant(
        "the sums of a day that is not in a closed month are what its postings add up to",
        """SELECT day, account, sum(debit_minor) AS debit_minor, sum(credit_minor) AS credit_minor FROM (
               SELECT day, account, debit_minor, credit_minor FROM day_sum
               UNION ALL
               SELECT (at AT TIME ZONE 'Europe/Paris')::date, side.account, -side.debit_minor, -side.credit_minor
               FROM journal_entry JOIN posting ON posting.entry = journal_entry.id
               CROSS JOIN LATERAL (VALUES (debit, amount_minor, 0), (credit, 0, amount_minor)) AS side (account, debit_minor, credit_minor)
               WHERE at >= coalesce((SELECT max(ends_at) FROM period), '-infinity')) AS kept
           WHERE day >= coalesce((SELECT (max(ends_at) AT TIME ZONE 'Europe/Paris')::date FROM period), '-infinity')
           GROUP BY day, account HAVING (sum(debit_minor), sum(credit_minor)) <> (0, 0)""",
    ),
    Invariant(
        "nothing moves Stripe's account but its balance transactions",
        """SELECT journal_entry.id AS entry, kind, source_id FROM posting
           JOIN journal_entry ON journal_entry.id = posting.entry
           WHERE $1::text IN (debit, credit) AND NOT starts_with(kind, 'stripe_')""",
        (chart.STRIPE,),
    ),
    Invariant(
        "a category outside the chart is posted to an account that two people gave it",
        """SELECT journal_entry.id AS entry, kind, source_id FROM journal_entry JOIN posting ON posting.entry = journal_entry.id
           WHERE starts_with(kind, 'stripe_') AND kind <> ALL ($1::text[]) AND $2::text NOT IN (debit, credit) AND NOT EXISTS (
               SELECT FROM proposal
               WHERE proposal.kind = 'category' AND approved AND journal_entry.kind = 'stripe_' || (document ->> 'category')
                 AND document ->> 'account' IN (debit, credit))""",
        lambda: (list(ENTRY_KINDS), chart.STRIPE_FEES),
    ),
    Invariant(
        "a reversal moves exactly what it reverses, the other way",
        """SELECT back.id AS entry, back.reverses FROM journal_entry AS back
           WHERE (kind = 'reversal') <> (reverses IS NOT NULL) OR EXISTS (
               (SELECT debit, credit, amount_minor, count(*) FROM posting WHERE entry = back.reverses GROUP BY 1, 2, 3
                EXCEPT SELECT credit, debit, amount_minor, count(*) FROM posting WHERE entry = back.id GROUP BY 1, 2, 3)
               UNION ALL
               (SELECT credit, debit, amount_minor, count(*) FROM posting WHERE entry = back.id AND back.reverses IS NOT NULL
                GROUP BY 1, 2, 3
                EXCEPT SELECT debit, credit, amount_minor, count(*) FROM posting WHERE entry = back.reverses GROUP BY 1, 2, 3))""",
    ),
    Invariant(
        "nothing was entered in a month after it closed, and months closed one after the other",
        """SELECT journal_entry.id::text AS entry, period.month FROM period JOIN journal_entry
               ON journal_entry.at >= period.starts_at AND journal_entry.at < period.ends_at AND recorded_at > closed_at
           UNION ALL
           SELECT NULL, month FROM (SELECT month, starts_at, lag(ends_at) OVER (ORDER BY month) AS before FROM period) AS in_order
           WHERE before <> starts_at""",
    ),
)
