"""A movement of Stripe's balance whose category has no account: what an update of Stripe's may bring."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind

KIND: Final = ExceptionKind(
    code="unknown_category",
    sentence_fr="La catégorie Stripe « %(detail)s » n’a pas de compte au plan : rien n’a été comptabilisé.",
    sentence_en="Stripe’s category “%(detail)s” has no account in the chart: nothing was posted.",
    advice_fr="Proposez un compte pour cette catégorie sur la page « Catégories de Stripe » : dès qu’une autre personne l’approuve, le mouvement est comptabilisé.",
    advice_en="Propose an account for it on the page “Stripe’s categories”: once another person approves, it is posted.",
    sql="""SELECT CASE WHEN posted_minor IS NULL THEN category ELSE posted_minor::text END AS detail, id AS subject, id AS reference, '/finance/transactions/' || id AS path,
                  coalesce(net_minor - posted_minor, net_minor) AS amount_minor, created_at AS at
           FROM unequal WHERE currency = $1 AND category <> ALL ($3::text[])""",
)
