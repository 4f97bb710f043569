"""A claim that nobody decided for five days: shares of people wait for it, and so does the partner."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind

LATE_AFTER: Final = "5 days"

KIND: Final = ExceptionKind(
    code="claim_waiting",
    sentence_fr="Une réclamation attend une décision, et les parts de la vente avec elle.",
    sentence_en="A claim waits for a decision, and the shares of the sale with it.",
    advice_fr="Une personne propose de rendre de l’argent ou non, une seconde l’approuve.",
    advice_en="One person proposes to give money back or not, a second agrees.",
    sql=f"""SELECT '' AS detail, claim.id::text AS subject, purchase_order.number AS reference, '/staff/claims' AS path,
                  purchase_order.total_minor AS amount_minor, claim.filed_at AS at
           FROM claim JOIN purchase_order ON purchase_order.id = claim.purchase_order
           WHERE claim.outcome = '' AND claim.filed_at < $2::timestamptz - interval '{LATE_AFTER}'""",
    blocks_close=False,
)
