"""A sale on credit that is overdue and for whose rest there is neither a provision nor a bad debt."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind

KIND: Final = ExceptionKind(
    code="credit_overdue",
    sentence_fr="Facture échue depuis %(detail)s jours.",
    sentence_en="Invoice overdue for %(detail)s days.",
    advice_fr="Rapprochez le virement qui la paie ; sinon, deux personnes la déprécient ou la passent en perte sur la page du crédit.",
    advice_en="Match the bank transfer that pays it; else two people provide for it or write it off on the page of credit.",
    sql="""SELECT ceil(extract(epoch FROM $2::timestamptz - due_at) / 86400)::text AS detail, subject::text AS subject,
                  number AS reference, '/finance/credit' AS path,
                  total_minor - returned_minor - paid_minor - written_off_minor - provision_minor AS amount_minor, due_at AS at
           FROM credit_sale
           WHERE due_at < $2 AND total_minor - returned_minor - paid_minor - written_off_minor - provision_minor > 0""",
    settled_by="order",
    blocks_close=False,
)
