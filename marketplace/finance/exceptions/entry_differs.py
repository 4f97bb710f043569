"""A movement of Stripe's balance whose entry in the books moves another amount."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind

KIND: Final = ExceptionKind(
    code="entry_differs",
    sentence_fr="Stripe a bougé un autre montant que son écriture, qui est de %(detail)s centimes.",
    sentence_en="Stripe moved another amount than its entry in the books, which moves %(detail)s cents.",
    advice_fr="Une écriture n’est jamais modifiée : un ingénieur doit en trouver la cause, et une extourne la corrige.",
    advice_en="An entry is never edited: an engineer must find the cause, and a reversal corrects it.",
    sql="""SELECT posted_minor::text AS detail, id AS subject, id AS reference, '/finance/transactions/' || id AS path,
                  net_minor - posted_minor AS amount_minor, created_at AS at
           FROM unequal WHERE currency = $1 AND category = ANY ($3::text[]) AND posted_minor IS NOT NULL""",
)
