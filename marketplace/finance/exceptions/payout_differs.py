"""A payout of Stripe's whose transactions do not add up to it."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind

KIND: Final = ExceptionKind(
    code="payout_differs",
    sentence_fr="Les mouvements du virement ne donnent pas son montant.",
    sentence_en="The payout’s transactions do not add up to it.",
    advice_fr="Demandez à Stripe le détail du virement : une de ses transactions n’est pas à nous.",
    advice_en="Ask Stripe for the payout’s report: a transaction of it is not ours.",
    sql="""SELECT '' AS detail, payout_id AS subject, payout_id AS reference,
                  '/finance/transactions/' || min(id) FILTER (WHERE category = 'payout') AS path,
                  sum(net_minor)::bigint AS amount_minor, max(created_at) AS at
           FROM balance_transaction WHERE payout_id IS NOT NULL GROUP BY payout_id HAVING sum(net_minor) <> 0""",
)
