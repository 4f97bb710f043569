"""Downloads after all the money of an order was returned."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ACKNOWLEDGED, ExceptionKind

KIND: Final = ExceptionKind(
    code="download_without_money",
    sentence_fr="Lu après le retour de l’argent : %(detail)s téléchargements.",
    sentence_en="Read after the money went back: %(detail)s downloads.",
    advice_fr="Parlez-en avec le partenaire ; deux personnes en prennent acte.",
    advice_en="Speak with the partner; two people acknowledge it.",
    sql="""SELECT count(*)::text AS detail, book.id::text AS subject, number AS reference, '/finance/orders/' || book.id AS path,
                  kept_minor - total_minor AS amount_minor, min(download.at) AS at
           FROM book JOIN download ON download.entitlement = book.entitlement AND download.at > book.last_at
           WHERE kept_minor <= 0 AND (charged_minor > 0 OR due_minor < total_minor)
           GROUP BY book.id, number, kept_minor, total_minor""",
    write_off=ACKNOWLEDGED,
)
