"""A difference between Stripe's balance and the books at the last comparison: the sum of other exceptions."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind

KIND: Final = ExceptionKind(
    code="balance_differs",
    sentence_fr="Le solde de Stripe et les comptes diffèrent : %(detail)s centimes dans les comptes.",
    sentence_en="Stripe’s balance and the books differ: %(detail)s cents in the books.",
    advice_fr="Les autres écarts disent de quoi il se compose ; comparez à nouveau une fois ceux-ci réglés.",
    advice_en="The other exceptions say what it is made of; compare again once they are settled.",
    sql="""SELECT ledger_minor::text AS detail, $4::text AS subject, $4::text AS reference, '/finance/accounts/' || $4 AS path,
                  stripe_minor - ledger_minor AS amount_minor, at
           FROM (SELECT * FROM reconciliation ORDER BY id DESC LIMIT 1) AS last WHERE stripe_minor <> ledger_minor""",
    counts=False,
    after_write_offs=True,
)
