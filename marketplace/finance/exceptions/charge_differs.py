"""Money that came in for a sold order, of another amount than it owes."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind, InBook, WriteOff
from marketplace.ledger import chart

KIND: Final = ExceptionKind(
    code="charge_differs",
    sentence_fr="Ce qui est arrivé n’est pas ce que doit la commande, soit %(detail)s centimes.",
    sentence_en="What came in is not what the order owes, which is %(detail)s cents.",
    advice_fr="Demandez au partenaire ce qui manque, ou remboursez le trop-perçu ; deux personnes peuvent abandonner un petit écart.",
    advice_en="Ask the partner for what is missing, or refund what is too much; two people may write off a small difference.",
    in_book=InBook(
        when="sold_at IS NOT NULL AND (charged_minor <> 0 OR due_minor < total_minor) AND charged_minor <> due_minor",
        detail="due_minor::text",
        movement="charge",
        amount_minor="charged_minor - due_minor",
        at="first_at",
    ),
    write_off=WriteOff(chart.PARTNERS),
)
