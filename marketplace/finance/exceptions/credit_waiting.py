"""A service credit of a paid order whose refund was not asked for within two days."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind

LATE_AFTER: Final = "2 days"

KIND: Final = ExceptionKind(
    code="credit_waiting",
    sentence_fr="Un avoir promis à un abonné de données n’est pas parti.",
    sentence_en="A credit that a subscription promises has not left.",
    advice_fr="Il part avec la tâche « deliver-subscriptions », sauf si un litige ou un autre remboursement est en cours.",
    advice_en="It leaves with the job “deliver-subscriptions”, unless a dispute or another refund is under way.",
    sql=f"""SELECT '' AS detail, service_credit.id::text AS subject, purchase_order.number AS reference,
                  '/finance/orders/' || purchase_order.id AS path, service_credit.refund_minor AS amount_minor,
                  purchase_order.paid_at AS at
           FROM service_credit JOIN purchase_order ON purchase_order.id = service_credit.purchase_order
           WHERE service_credit.asked_at IS NULL AND purchase_order.state = 'paid'
             AND purchase_order.paid_at < $2::timestamptz - interval '{LATE_AFTER}'""",
    blocks_close=False,
)
