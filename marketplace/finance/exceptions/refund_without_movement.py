"""A refund in the books that Stripe does not show, or not as large."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind, InBook, WriteOff
from marketplace.ledger import chart

KIND: Final = ExceptionKind(
    code="refund_without_movement",
    sentence_fr="Remboursé dans les comptes ; Stripe ne l’a pas encore montré.",
    sentence_en="Refunded in the books; Stripe has not shown it yet.",
    advice_fr="Attendez les prochaines transactions de Stripe ; regardez ensuite la demande sur la page de la commande.",
    advice_en="Wait for Stripe’s next transactions; then look at the command on the order’s page.",
    in_book=InBook(
        when="id IS NOT NULL AND -refunded_minor < returned_minor",
        detail="''",
        movement="NULL",
        amount_minor="refunded_minor + returned_minor",
        at="returned_at",
    ),
    write_off=WriteOff(chart.PARTNERS),
)
