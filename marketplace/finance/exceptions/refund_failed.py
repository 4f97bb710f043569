"""A refund that the payer's bank returned to Stripe."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ACKNOWLEDGED, ExceptionKind

KIND: Final = ExceptionKind(
    code="refund_failed",
    sentence_fr="La banque a renvoyé le remboursement : il reste dû au partenaire.",
    sentence_en="The bank returned the refund: the partner is still owed.",
    advice_fr="Demandez au partenaire un compte qui fonctionne, puis remboursez à nouveau depuis la page de la commande.",
    advice_en="Ask the partner for an account that works, then press Refund on the order’s page again.",
    sql="""SELECT '' AS detail, payment.subject::text AS subject, coalesce(purchase_order.number, payment.subject::text) AS reference,
                  '/finance/orders/' || purchase_order.id AS path,
                  coalesce(purchase_order.returned_minor, received_minor) - payment.refunded_minor AS amount_minor,
                  coalesce((SELECT max(created_at) FROM balance_transaction
                            WHERE payment_subject = payment.subject AND category = 'refund_failure'), payment.read_at, payment.requested_at) AS at
           FROM payment LEFT JOIN purchase_order ON purchase_order.id = payment.subject
           WHERE payment.refunded_minor < coalesce(purchase_order.returned_minor, received_minor)
             AND (purchase_order.returned_minor > 0 OR payment.state = 'refunded')""",
    write_off=ACKNOWLEDGED,
)
