"""A sale or refund in the books that neither a platform nor a report has."""

from __future__ import annotations

from typing import Final

from marketplace.einvoicing.queries import UNREPORTED_EXCEPTIONS
from marketplace.finance.exceptions.kind import ExceptionKind

KIND: Final = ExceptionKind(
    code="sale_unreported",
    sentence_fr="Cette vente est dans les livres, et l’administration n’en sait rien : %(detail)s",
    sentence_en="This sale is in the books, and the tax authority knows nothing of it: %(detail)s",
    advice_fr="Elle part d’elle-même avec la prochaine tâche ; si elle reste, voyez pourquoi la tâche « einvoices » échoue.",
    advice_en="It leaves by itself with the next job; if it stays, see why the job “einvoices” fails.",
    sql=UNREPORTED_EXCEPTIONS,
)
