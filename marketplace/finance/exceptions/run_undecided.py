"""A payout run that has waited five days for a person's decision; it moves nothing meanwhile."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind

LATE_AFTER: Final = "5 days"

KIND: Final = ExceptionKind(
    code="run_undecided",
    sentence_fr="Une campagne de versements attend la décision de quelqu’un.",
    sentence_en="A payout run waits for somebody’s decision.",
    advice_fr="Une personne la relit, une seconde l’approuve, ou l’une des deux l’annule.",
    advice_en="One person looks through it, a second approves it, or either cancels it.",
    sql=f"""SELECT '' AS detail, id::text AS subject, 'PTR' || left(replace(id::text, '-', ''), 8) AS reference,
                  '/finance/payout-runs/' || id AS path, amount_minor, drafted_at AS at
           FROM payout_run WHERE state IN ('draft', 'approved') AND drafted_at < $2::timestamptz - interval '{LATE_AFTER}'""",
    blocks_close=False,
)
