"""The sums of days computed again from the postings, for books that are loaded or cut without their triggers."""

FILL_DAY_SUMS = """
INSERT INTO day_sum (day, account, debit_minor, credit_minor)
SELECT day, side.account, sum(side.debit_minor), sum(side.credit_minor)
FROM (
    SELECT (at AT TIME ZONE 'Europe/Paris')::date AS day, debit, credit, sum(amount_minor) AS amount_minor
    FROM posting JOIN journal_entry ON journal_entry.id = posting.entry
    GROUP BY 1, 2, 3
) AS moved
CROSS JOIN LATERAL (VALUES (debit, amount_minor, 0), (credit, 0, amount_minor)) AS side (account, debit_minor, credit_minor)
GROUP BY day, side.account;
"""
