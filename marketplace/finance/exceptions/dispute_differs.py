"""A decided dispute that moved another amount at Stripe than in the books."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind, InBook, WriteOff
from marketplace.ledger import chart

KIND: Final = ExceptionKind(
    code="dispute_differs",
    sentence_fr="Une contestation a repris un autre montant que ce qui restait de la vente, dont les livres ont perdu %(detail)s centimes.",
    sentence_en="A dispute took another amount than was left of the sale, of which the books lost %(detail)s cents.",
    advice_fr="L’argent était déjà remboursé, et la banque l’a repris aussi. Répondez à la contestation, réclamez au partenaire, ou laissez deux personnes passer le reste en perte.",
    advice_en="The money was refunded already, and the bank took it too. Answer the dispute, ask the partner, or let two people write the rest off as a loss.",
    in_book=InBook(
        when="disputed_minor + charged_back_minor <> 0 AND NOT (disputed_minor + charged_back_minor < 0 AND is_disputed)",
        detail="charged_back_minor::text",
        movement="other",
        amount_minor="disputed_minor + charged_back_minor",
        at="last_at",
    ),
    write_off=WriteOff(chart.DISPUTES),
)
