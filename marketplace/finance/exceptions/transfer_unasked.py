"""Money that Stripe moved to a subscriber's account, or from it, without a payout of ours; what was reversed is theirs, and no gain of ours."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind, WriteOff
from marketplace.ledger import chart

KIND: Final = ExceptionKind(
    code="transfer_unasked",
    sentence_fr="Stripe a déplacé de l’argent entre nous et le compte d’un abonné, sans qu’aucun de nos versements ne l’ait demandé.",
    sentence_en="Stripe moved money between us and a subscriber’s account, and no payout of ours asked for it.",
    advice_fr="Cherchez qui l’a déplacé chez Stripe et faites-le revenir ; ce qui manque encore, deux personnes le passent en perte. Ce qui a été repris à un abonné est à lui : reprenez aussi le reste, et tout lui revient.",
    advice_en="Find out who moved it at Stripe, and have it moved back; two people may write off what stays missing. What was reversed from a subscriber’s account is the subscriber’s: reverse the rest too, and all of it returns to them.",
    sql="""SELECT '' AS detail, moved.id AS subject, moved.transfer AS reference, '/finance/transactions/' || moved.id AS path,
                  moved.amount_minor + coalesce(paid.amount_minor, 0) AS amount_minor, moved.created_at AS at
           FROM (
               SELECT coalesce(CASE category WHEN 'transfer' THEN source_id ELSE charge_id END, id) AS transfer,
                      sum(amount_minor)::bigint AS amount_minor, (array_agg(id ORDER BY created_at, id))[1] AS id, max(created_at) AS created_at
               FROM balance_transaction WHERE category IN ('transfer', 'transfer_reversal') AND currency = $1 GROUP BY 1
           ) AS moved
           LEFT JOIN stripe_command AS command ON command.object_id = moved.transfer AND verb = 'transfer'
           LEFT JOIN payout AS paid ON paid.id = command.id AND paid.state <> 'failed'
           WHERE moved.amount_minor + coalesce(paid.amount_minor, 0) <> 0""",
    write_off=WriteOff(chart.SUBSCRIBERS_IN_TRANSIT, losses_only=True),
)
