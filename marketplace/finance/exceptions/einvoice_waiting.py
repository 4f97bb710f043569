"""A file for the platform that has not left: an invoice without an address, or one that cannot be sent; a status or report."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind
from marketplace.statements import load_statements

KIND: Final = ExceptionKind(
    code="einvoice_waiting",
    sentence_fr="Ce document n’est pas parti : %(detail)s",
    sentence_en="This document has not left: %(detail)s",
    advice_fr="Sans adresse, choisissez une ligne de l’annuaire ou écrivez au partenaire ; sinon, voyez ce que dit la plateforme.",
    advice_en="Without an address, choose a line of the annuaire or write to the partner; otherwise see what the platform says.",
    sql=load_statements("marketplace.finance")["list_waiting_exceptions"],
)
