"""A payment of an order on credit, or what of it went back, that neither a status 212 nor a report has."""

from __future__ import annotations

from typing import Final

from marketplace.einvoicing.queries import UNSAID_EXCEPTIONS
from marketplace.finance.exceptions.kind import ExceptionKind

KIND: Final = ExceptionKind(
    code="part_unreported",
    sentence_fr="Cet encaissement est dans les livres, et aucun statut ni rapport ne l’annonce : %(detail)s",
    sentence_en="This payment is in the books, and no status or report has it: %(detail)s",
    advice_fr="Il part de lui-même avec la prochaine tâche ; s’il reste, voyez pourquoi la tâche « einvoices » échoue.",
    advice_en="It leaves by itself with the next job; if it stays, see why the job “einvoices” fails.",
    sql=UNSAID_EXCEPTIONS,
)
