"""Exceptions of electronic invoices, and of what the tax authority has to be sent."""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import load_statements
from marketplace.finance.einvoicing.queries import UNREPORTED_EXCEPTIONS, UNSAID_EXCEPTIONS
from marketplace.finance.reconciliation.exceptions.kind import ACKNOWLEDGED, ExceptionKind

KINDS: Final = (
    ExceptionKind(
        code="einvoice_rejected",
        sentence_fr="La plateforme a rejeté ce document, ou l’acheteur l’a refusé : %(detail)s",
        sentence_en="The platform rejected this document, or the buyer refused it: %(detail)s",
        advice_fr="Faites corriger ce qui est faux, puis annulez la facture par un avoir et refaites-la sous un nouveau numéro.",
        advice_en="Have what is wrong corrected, then cancel the invoice by a credit note and issue it anew.",
        sql="""SELECT coalesce((SELECT concat_ws(' – ', nullif(event.reason_code, ''), nullif(event.reason, ''))
                                FROM life_cycle_event AS event
                                WHERE event.transmission = transmission.id AND event.code = transmission.code
                                ORDER BY event.id DESC LIMIT 1), '') AS detail,
                      transmission.id::text AS subject, invoice.number AS reference,
                      '/finance/einvoicing/' || transmission.id AS path, invoice.total_minor AS amount_minor,
                      invoice.issued_at AS at
               FROM transmission JOIN invoice ON invoice.id = transmission.invoice
               WHERE transmission.state IN ('rejected', 'refused')""",
        write_off=ACKNOWLEDGED,
    ),
    # An invoice without an address, or one that cannot be sent; a status or a report.
    ExceptionKind(
        code="einvoice_waiting",
        sentence_fr="Ce document n’est pas parti : %(detail)s",
        sentence_en="This document has not left: %(detail)s",
        advice_fr="Sans adresse, choisissez une ligne de l’annuaire ou écrivez au partenaire ; sinon, voyez ce que dit la plateforme.",
        advice_en="Without an address, choose a line of the annuaire or write to the partner; otherwise see what the platform says.",
        sql=load_statements("marketplace.finance.reconciliation")["list_waiting_exceptions"],
    ),
    ExceptionKind(
        code="sale_unreported",
        sentence_fr="Cette vente est dans les livres, et l’administration n’en sait rien : %(detail)s",
        sentence_en="This sale is in the books, and the tax authority knows nothing of it: %(detail)s",
        advice_fr="Elle part d’elle-même avec la prochaine tâche ; si elle reste, voyez pourquoi la tâche « einvoices » échoue.",
        advice_en="It leaves by itself with the next job; if it stays, see why the job “einvoices” fails.",
        sql=UNREPORTED_EXCEPTIONS,
    ),
    ExceptionKind(
        code="part_unreported",
        sentence_fr="Cet encaissement est dans les livres, et aucun statut ni rapport ne l’annonce : %(detail)s",
        sentence_en="This payment is in the books, and no status or report has it: %(detail)s",
        advice_fr="Il part de lui-même avec la prochaine tâche ; s’il reste, voyez pourquoi la tâche « einvoices » échoue.",
        advice_en="It leaves by itself with the next job; if it stays, see why the job “einvoices” fails.",
        sql=UNSAID_EXCEPTIONS,
    ),
)
