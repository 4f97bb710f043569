"""Invariants of documents on their way: a sentence, and the SQL that names the offenders.

The sweep checks them with all others.
"""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant
from marketplace.finance.einvoicing.queries import SQL

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
        "no more of a sale on credit is said to be paid than is, and each part that is said is in the outbox or a report",
        """SELECT part.id AS part, part.source FROM settled_part AS part
           LEFT JOIN einvoicing_flow AS flow ON flow.part = part.id
           LEFT JOIN credit_movement AS movement ON movement.id::text = part.source
           WHERE num_nonnulls(flow.id, part.report) <> 1
              OR part.source <> 'corrected' AND movement.amount_minor IS DISTINCT FROM part.total_minor""",
    ),
    Invariant(
        "a report adds up to the documents that it and the reports it replaces were made for",
        """SELECT report.id AS report, report.net_minor, report.vat_minor, summed.* FROM e_report AS report CROSS JOIN LATERAL (
               SELECT count(*) AS documents, coalesce(sum(net), 0) AS net, coalesce(sum(vat), 0) AS vat
               FROM (SELECT reported.report, sign * invoice.net_minor AS net, sign * invoice.vat_minor AS vat
                     FROM reported_document AS reported JOIN invoice ON invoice.id = reported.invoice
                     CROSS JOIN LATERAL (SELECT CASE invoice.kind WHEN 'invoice' THEN 1 ELSE -1 END AS sign) AS signs
                     UNION ALL
                     SELECT part.report, part.total_minor - part.vat_minor, part.vat_minor FROM settled_part AS part) AS one
               JOIN e_report AS its ON its.id = one.report
               WHERE (its.kind, its.first_day) = (report.kind, report.first_day) AND its.sequence <= report.sequence
           ) AS summed
           WHERE (report.documents, report.net_minor, report.vat_minor) <> (summed.documents, summed.net, summed.vat)""",
    ),
    Invariant("of documents, what is said nowhere waits to be said", SQL["list_unheld"]),
)
