"""Money that came in for a payment without an order, which is no auction's deposit either."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind, InBook, WriteOff
from marketplace.ledger import chart

KIND: Final = ExceptionKind(
    code="charge_without_order",
    sentence_fr="Un paiement sans commande.",
    sentence_en="A payment without an order.",
    advice_fr="Cherchez qui a payé. Remboursez-le chez Stripe, ou laissez deux personnes le conserver.",
    advice_en="Find out who paid. Refund it at Stripe, or let two people keep it.",
    in_book=InBook(
        when="id IS NULL AND NOT is_deposit AND charge IS NOT NULL AND NOT is_under_way AND kept_minor <> 0",
        detail="''",
        movement="charge",
        amount_minor="kept_minor",
        at="first_at",
    ),
    write_off=WriteOff(chart.PARTNERS),
)
