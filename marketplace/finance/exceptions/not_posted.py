"""A movement of Stripe's balance that has no entry in the books yet."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind

KIND: Final = ExceptionKind(
    code="not_posted",
    sentence_fr="Un mouvement du solde Stripe (%(detail)s) n’est pas encore dans les comptes.",
    sentence_en="A movement of Stripe’s balance (%(detail)s) is not in the books yet.",
    advice_fr="La prochaine comparaison avec Stripe le passera. Si cela reste, un ingénieur doit regarder.",
    advice_en="The next comparison with Stripe posts it. If it stays, an engineer must look.",
    sql="""SELECT category AS detail, id AS subject, id AS reference, '/finance/transactions/' || id AS path,
                  net_minor AS amount_minor, created_at AS at
           FROM unequal WHERE currency = $1 AND category = ANY ($3::text[]) AND posted_minor IS NULL""",
)
