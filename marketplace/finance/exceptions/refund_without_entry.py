"""A refund at Stripe that the books do not have, or not as large, or that belongs to no payment of ours."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind, InBook, WriteOff
from marketplace.ledger import chart

KIND: Final = ExceptionKind(
    code="refund_without_entry",
    sentence_fr="Remboursé chez Stripe ; les comptes ne remboursent pas autant de la vente.",
    sentence_en="Refunded at Stripe; the books do not refund as much of the sale.",
    advice_fr="La tâche l’enregistre en quelques secondes, sauf si Stripe a remboursé plus qu’il ne restait : deux personnes passent alors le reste en pertes et profits.",
    advice_en="The job records it within seconds, unless more was refunded at Stripe than was left: then two people write the rest off.",
    in_book=InBook(
        when="id IS NOT NULL AND -refunded_minor > returned_minor",
        detail="''",
        movement="other",
        amount_minor="refunded_minor + returned_minor",
        at="last_at",
    ),
    sql="""SELECT '' AS detail, id AS subject, id AS reference, '/finance/transactions/' || id AS path, amount_minor, created_at AS at
           FROM balance_transaction WHERE payment_subject IS NULL AND category = 'refund'""",
    write_off=WriteOff(chart.PARTNERS),
)
