"""An event of Stripe's that could not be handled."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ACKNOWLEDGED, ExceptionKind

KIND: Final = ExceptionKind(
    code="event_failed",
    sentence_fr="Un événement n’a pas pu être traité : %(detail)s",
    sentence_en="An event could not be handled: %(detail)s",
    advice_fr="Regardez l’objet dans le tableau de bord de Stripe ; deux personnes en prennent acte.",
    advice_en="Look at the object in Stripe’s dashboard; two people acknowledge it.",
    sql="""SELECT error AS detail, id AS subject, id AS reference, NULL AS path, NULL::bigint AS amount_minor, received_at AS at
           FROM stripe_event WHERE error IS NOT NULL""",
    write_off=ACKNOWLEDGED,
)
