"""Money that a payer's bank took back and has not decided on; it has its own account and course."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind, InBook, WriteOff
from marketplace.ledger import chart

KIND: Final = ExceptionKind(
    code="dispute_open",
    sentence_fr="La banque du payeur a repris l’argent lors d’un litige.",
    sentence_en="The payer’s bank took the money back in a dispute.",
    advice_fr="Répondez à la contestation chez Stripe avant l’échéance ; la banque tranche, et les livres suivent.",
    advice_en="Answer the dispute at Stripe before its day; the bank decides, and the books follow.",
    in_book=InBook(
        when="disputed_minor + charged_back_minor < 0 AND coalesce(is_disputed, true)",
        detail="''",
        movement="other",
        amount_minor="disputed_minor + charged_back_minor",
        at="last_at",
    ),
    sql="""SELECT '' AS detail, source_id AS subject, coalesce(source_id, min(id)) AS reference,
                  '/finance/transactions/' || min(id) AS path, sum(amount_minor)::bigint AS amount_minor, min(created_at) AS at
           FROM balance_transaction WHERE payment_subject IS NULL AND category IN ('dispute', 'dispute_reversal')
           GROUP BY source_id HAVING sum(amount_minor) < 0""",
    write_off=WriteOff(chart.DISPUTES),
    blocks_close=False,
)
