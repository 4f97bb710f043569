"""A movement of Stripe's balance in another currency than the books'."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind

KIND: Final = ExceptionKind(
    code="other_currency",
    sentence_fr="Stripe a mouvementé des %(detail)s et les comptes sont en euros : rien n’a été comptabilisé.",
    sentence_en="Stripe moved %(detail)s and the books are in euros: nothing was posted.",
    advice_fr="Demandez à Stripe pourquoi il déplace une autre devise : rien n’en peut figurer dans ces livres.",
    advice_en="Ask Stripe why it moves another currency; nothing of it can be in these books.",
    sql="""SELECT currency AS detail, id AS subject, id AS reference, '/finance/transactions/' || id AS path,
                  coalesce(net_minor - posted_minor, net_minor) AS amount_minor, created_at AS at
           FROM unequal WHERE currency <> $1""",
)
