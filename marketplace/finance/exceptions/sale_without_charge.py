"""A sold order that neither Stripe nor the bank shows any money for."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind, InBook, WriteOff
from marketplace.ledger import chart

KIND: Final = ExceptionKind(
    code="sale_without_charge",
    sentence_fr="Vendu ; Stripe n’a pas encore montré l’argent.",
    sentence_en="Sold; Stripe has not shown the money yet.",
    advice_fr="Attendez les prochaines transactions de Stripe, ou rapprochez le virement qui l’a payée.",
    advice_en="Wait for Stripe’s next transactions, or match the bank transfer that paid it.",
    in_book=InBook(
        when="sold_at IS NOT NULL AND charged_minor = 0 AND due_minor = total_minor",
        detail="''",
        movement="NULL",
        amount_minor="total_minor",
        at="sold_at",
    ),
    write_off=WriteOff(chart.PARTNERS, credit_sign=-1),
    settled_by="order",
)
