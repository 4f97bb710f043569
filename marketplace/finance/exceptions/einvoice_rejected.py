"""An invoice or credit note that the platform rejected, or the buyer refused."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ACKNOWLEDGED, ExceptionKind

KIND: Final = ExceptionKind(
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
)
