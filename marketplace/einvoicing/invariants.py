"""What must always be true of documents on their way: a sentence, and the SQL that names the offenders; swept with all the others."""

from __future__ import annotations

from typing import Final

from marketplace.statements import Invariant

TRANSMISSIONS: Final = (
    Invariant(
        "a document that is queued has its file in the outbox, and one that is deposited has a status that says so",
        """SELECT transmission.id AS transmission, transmission.state FROM transmission
           WHERE state IN ('queued', 'deposited', 'refused', 'rejected')
                 AND NOT EXISTS (SELECT FROM einvoicing_flow AS flow
                                 WHERE flow.transmission = transmission.id AND flow.kind = 'invoice')
              OR state IN ('deposited', 'refused', 'rejected')
                 AND NOT EXISTS (SELECT FROM life_cycle_event AS event
                                 WHERE event.transmission = transmission.id AND event.code = transmission.code)""",
    ),
    Invariant(
        "a report adds up to the documents that it and the reports it replaces were made for",
        """SELECT report.id AS report, report.net_minor, report.vat_minor, summed.* FROM e_report AS report
           CROSS JOIN LATERAL (
               SELECT count(*) AS documents,
                      coalesce(sum(CASE invoice.kind WHEN 'invoice' THEN 1 ELSE -1 END * invoice.net_minor), 0) AS net,
                      coalesce(sum(CASE invoice.kind WHEN 'invoice' THEN 1 ELSE -1 END * invoice.vat_minor), 0) AS vat
               FROM reported_document AS reported
               JOIN e_report AS its ON its.id = reported.report
               JOIN invoice ON invoice.id = reported.invoice
               WHERE (its.kind, its.first_day) = (report.kind, report.first_day) AND its.sequence <= report.sequence
           ) AS summed
           WHERE (report.documents, report.net_minor, report.vat_minor) <> (summed.documents, summed.net, summed.vat)""",
    ),
)
