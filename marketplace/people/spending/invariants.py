"""What must always be true of spending: a sentence, and the SQL that names the offenders; swept with all the others."""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant

SPENDING: Final = (
    Invariant(
        "what counts in a month is what was ordered and bid under its limit, and not given back",
        """SELECT counted.id, counted.spent_minor, coalesce(listed.amount_minor, 0) AS listed_minor
           FROM spending_month AS counted
           LEFT JOIN (
               SELECT spending_limit, month, sum(amount_minor) AS amount_minor
               FROM spending
               WHERE returned_at IS NULL AND bids IS NULL AND spending_limit IS NOT NULL
               GROUP BY spending_limit, month
           ) AS listed USING (spending_limit, month)
           WHERE counted.spent_minor <> coalesce(listed.amount_minor, 0)""",
    ),
)
