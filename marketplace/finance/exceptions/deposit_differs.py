"""A deposit or penalty of an auction that brought another amount than the books say, or that they do not hold yet.

What a bank took back and has not decided on is no part of it: that has a kind of its own.
"""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind, InBook, WriteOff
from marketplace.ledger import chart

KIND: Final = ExceptionKind(
    code="deposit_differs",
    sentence_fr="Le dépôt ou la pénalité d’une enchère n’est pas dans les livres pour ce que Stripe a encaissé.",
    sentence_en="An auction’s deposit or penalty is not in the books for what Stripe received.",
    advice_fr="La tâche « settle-auctions » l’enregistre. Si l’écart demeure, cherchez l’encaissement chez Stripe.",
    advice_en="The job “settle-auctions” enters it. Where the difference stays, look for the charge at Stripe.",
    in_book=InBook(
        when="id IS NULL AND is_deposit AND NOT is_under_way AND kept_minor - disputed_minor <> forfeit_minor",
        detail="''",
        movement="coalesce(charge, other)",
        amount_minor="kept_minor - disputed_minor - forfeit_minor",
        at="first_at",
    ),
    write_off=WriteOff(chart.PARTNERS),
)
