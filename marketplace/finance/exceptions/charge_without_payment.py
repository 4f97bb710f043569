"""A charge at Stripe that belongs to no payment of ours."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind, WriteOff
from marketplace.ledger import chart

KIND: Final = ExceptionKind(
    code="charge_without_payment",
    sentence_fr="De l’argent qu’aucun de nos paiements ne demandait.",
    sentence_en="Money that no payment of ours asked for.",
    advice_fr="Cherchez qui a payé. Remboursez-le chez Stripe, ou laissez deux personnes le conserver.",
    advice_en="Find out who paid. Refund it at Stripe, or let two people keep it.",
    sql="""SELECT '' AS detail, id AS subject, id AS reference, '/finance/transactions/' || id AS path, amount_minor, created_at AS at
           FROM balance_transaction WHERE payment_subject IS NULL AND category = 'charge'""",
    write_off=WriteOff(chart.PARTNERS),
)
