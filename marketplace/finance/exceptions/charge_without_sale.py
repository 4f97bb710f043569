"""Money that came in for an order whose sale is not entered."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind, InBook

KIND: Final = ExceptionKind(
    code="charge_without_sale",
    sentence_fr="Payé, et la commande n’est pas vendue : elle est « %(detail)s ».",
    sentence_en="Paid, and the order is not sold: it is %(detail)s.",
    advice_fr="La tâche l’accorde en quelques secondes. Si cela reste, un ingénieur doit regarder.",
    advice_en="The job grants it within seconds. If it stays, an engineer must look.",
    in_book=InBook(
        when="id IS NOT NULL AND sold_at IS NULL AND NOT is_under_way AND charged_minor <> 0",
        detail="state",
        movement="charge",
        amount_minor="charged_minor",
        at="first_at",
    ),
)
