"""Invariants of orders, their licences and their invoices: a sentence, and the SQL that names the offenders.

The sweep checks them with all others.
"""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant
from marketplace.money.ledger import chart
from marketplace.sales.orders.queries import SQL

SALES: Final = (
    Invariant(
        "a sale is entered for what its order says",
        """SELECT purchase_order.id AS "order", journal_entry.id AS entry
           FROM journal_entry JOIN purchase_order ON purchase_order.id::text = journal_entry.source_id
           WHERE journal_entry.kind = 'sale' AND (net_minor, vat_minor, 0) <> (
               SELECT coalesce(sum(amount_minor) FILTER (WHERE (debit, credit) = ($1::text, $2::text)), 0)::bigint,
                      coalesce(sum(amount_minor) FILTER (WHERE (debit, credit) = ($1, $3::text)), 0)::bigint,
                      count(*) FILTER (WHERE (debit, credit) NOT IN (($1, $2), ($1, $3)))
               FROM posting WHERE posting.entry = journal_entry.id)""",
        (chart.PARTNERS, chart.LICENCES_SOLD, chart.VAT_COLLECTED),
    ),
    Invariant(
        "what went back is entered for what it says, a refund against the partner, a lost dispute against disputes",
        SQL["list_returns_not_entered"],
        (chart.LICENCES_SOLD, chart.VAT_COLLECTED, chart.PARTNERS, chart.DISPUTES),
    ),
    Invariant(
        "a paid order has its payment or is on credit, and has its sale entry, licence and entitlement",
        """SELECT purchase_order.id AS "order", purchase_order.state, payment.state AS payment, licence.id AS licence,
                  entitlement.id AS entitlement, sale.id AS sale
           FROM purchase_order
           LEFT JOIN payment ON payment.subject = purchase_order.id
           JOIN order_lot ON order_lot.purchase_order = purchase_order.id
           LEFT JOIN licence ON licence.quote = order_lot.quote
           LEFT JOIN entitlement ON entitlement.licence = licence.id
           LEFT JOIN journal_entry AS sale ON sale.kind = 'sale' AND sale.source_id = purchase_order.id::text
           LEFT JOIN credit_sale ON credit_sale.subject = purchase_order.id
           WHERE purchase_order.state IN ('paid', 'refunded', 'charged_back')
             AND (payment.state IS DISTINCT FROM 'paid' AND payment.state IS DISTINCT FROM 'refunded' AND credit_sale.subject IS NULL
                  OR licence.id IS NULL OR entitlement.id IS NULL OR sale.id IS NULL)""",
    ),
    Invariant(
        "an order that is not paid has no licence and no sale entry",
        """SELECT purchase_order.id AS "order", purchase_order.state FROM purchase_order
           WHERE state NOT IN ('paid', 'refunded', 'charged_back')
             AND (EXISTS (SELECT FROM licence WHERE licence.purchase_order = purchase_order.id)
                  OR EXISTS (SELECT FROM journal_entry WHERE kind = 'sale' AND source_id = purchase_order.id::text))""",
    ),
    Invariant(
        "a payment is over what its order owes",
        """SELECT purchase_order.id AS "order", total_minor, payment.amount_minor AS payment_minor
           FROM purchase_order JOIN payment ON payment.subject = purchase_order.id
           WHERE (payment.amount_minor, payment.currency) <> (total_minor, purchase_order.currency)""",
    ),
    Invariant(
        "an order buys its own quote",
        """SELECT purchase_order.id AS "order", quote.id AS quote
           FROM purchase_order JOIN order_lot ON order_lot.purchase_order = purchase_order.id
           JOIN quote ON quote.id = order_lot.quote
           WHERE (purchase_order.partner, purchase_order.currency) <> (quote.partner, quote.currency)""",
    ),
    Invariant(
        "an order costs what its quotes do",
        """SELECT purchase_order.id AS "order", net_minor, sum(quote.amount_minor) AS quoted_minor
           FROM purchase_order LEFT JOIN order_lot ON order_lot.purchase_order = purchase_order.id
           LEFT JOIN quote ON quote.id = order_lot.quote
           GROUP BY purchase_order.id HAVING net_minor IS DISTINCT FROM sum(quote.amount_minor)""",
    ),
    Invariant(
        "a partner has one unpaid order of a release at a level, unless it may have another",
        """SELECT quote.partner, quote.release, quote.level, count(*)
           FROM purchase_order JOIN order_lot ON order_lot.purchase_order = purchase_order.id
           JOIN quote ON quote.id = order_lot.quote
           WHERE state = 'awaiting_payment' AND NOT may_repeat
           GROUP BY quote.partner, quote.release, quote.level HAVING count(*) > 1""",
    ),
    Invariant(
        "a licence and its entitlement are those of their lot",
        """SELECT licence.id AS licence, licence.purchase_order AS "order"
           FROM licence LEFT JOIN order_lot ON order_lot.quote = licence.quote JOIN quote ON quote.id = licence.quote
           LEFT JOIN entitlement ON entitlement.licence = licence.id
           WHERE (licence.purchase_order, licence.release, licence.net_minor, licence.currency)
                 IS DISTINCT FROM (order_lot.purchase_order, quote.release, quote.amount_minor, quote.currency)
              OR (entitlement.partner, entitlement.release) <> (quote.partner, quote.release)""",
    ),
    Invariant(
        "an order says what went back of it, and its licences what of that was before VAT",
        """SELECT purchase_order.id AS "order", purchase_order.state, returned_minor, charged_back_minor, back.*
           FROM purchase_order LEFT JOIN LATERAL (
               SELECT coalesce(sum(total_minor) FILTER (WHERE kind = 'refund'), 0) AS refunds_minor,
                      coalesce(sum(total_minor) FILTER (WHERE kind <> 'refund'), 0) AS disputes_minor,
                      coalesce(sum(net_minor), 0) AS back_net_minor
               FROM order_return WHERE order_return.purchase_order = purchase_order.id) AS back ON true
           WHERE (returned_minor, charged_back_minor) <> (refunds_minor, disputes_minor) OR back_net_minor <> coalesce(
               (SELECT sum(licence.returned_minor) FROM licence WHERE licence.purchase_order = purchase_order.id), 0)""",
    ),
    Invariant(
        "an order whose money is gone has its licences cancelled and its entitlements revoked; refunded, its payment is",
        """SELECT purchase_order.id AS "order", purchase_order.state, payment.state AS payment, licence.cancelled_at,
                  entitlement.revoked_at
           FROM purchase_order
           LEFT JOIN payment ON payment.subject = purchase_order.id
           LEFT JOIN licence ON licence.purchase_order = purchase_order.id
           LEFT JOIN entitlement ON entitlement.licence = licence.id
           WHERE purchase_order.state IN ('refunded', 'charged_back')
                 AND (licence.cancelled_at IS NULL OR entitlement.revoked_at IS NULL)
              OR purchase_order.state = 'refunded' AND payment.state IS DISTINCT FROM 'refunded'
                 AND NOT EXISTS (SELECT FROM credit_sale WHERE credit_sale.subject = purchase_order.id)""",
    ),
    Invariant(
        "a licence is cancelled with its entitlement, and only where money goes back",
        """SELECT licence.id AS licence, licence.cancelled_at, entitlement.revoked_at
           FROM licence LEFT JOIN entitlement ON entitlement.licence = licence.id
           JOIN purchase_order ON purchase_order.id = licence.purchase_order
           WHERE licence.cancelled_at IS NOT NULL AND entitlement.revoked_at IS NULL AND entitlement.id IS NOT NULL
              OR licence.cancelled_at IS NULL AND entitlement.revoked_at IS NOT NULL AND charged_back_minor = 0
              OR licence.cancelled_at IS NOT NULL AND purchase_order.state NOT IN ('refunded', 'charged_back')
                 AND NOT EXISTS (SELECT FROM stripe_command WHERE subject = licence.purchase_order AND verb = 'refund')
                 AND licence.returned_minor = 0""",
    ),
    Invariant(
        "an entitlement is suspended by a dispute or an overdue invoice, and never while it is revoked",
        """SELECT entitlement.id AS entitlement, suspended_at, revoked_at
           FROM entitlement JOIN licence ON licence.id = entitlement.licence
           WHERE suspended_at IS NOT NULL AND (revoked_at IS NOT NULL OR NOT EXISTS (
               SELECT FROM dispute WHERE payment_subject = licence.purchase_order) AND NOT EXISTS (
               SELECT FROM credit_sale WHERE credit_sale.subject = licence.purchase_order))""",
    ),
    Invariant(
        "only sealed releases are licensed",
        """SELECT licence.id AS licence, release.id AS release, release.state
           FROM licence JOIN release ON release.id = licence.release WHERE release.state <> 'sealed'""",
    ),
    Invariant(
        "an entry that moves revenue has its invoice or credit note, for what it moves",
        """SELECT entry.id AS entry, entry.kind, source_id, invoice.number, sold_minor, taxed_minor, invoice.net_minor, invoice.vat_minor
           FROM journal_entry AS entry
           LEFT JOIN (SELECT entry, sum(CASE $1::text WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END) AS sold_minor,
                        sum(CASE $2::text WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END) AS taxed_minor
                 FROM posting GROUP BY entry) AS moved ON moved.entry = entry.id
           LEFT JOIN invoice ON invoice.entry = entry.id
           WHERE (sold_minor, taxed_minor) <> (0, 0) AND invoice.id IS NULL AND entry.kind NOT IN ('bank_match', 'vat_settled')
                 AND entry.source_id ~ '^[0-9a-f-]{36}$'
              OR invoice.id IS NOT NULL AND (coalesce(sold_minor, 0), coalesce(taxed_minor, 0)) <> (
                  CASE invoice.kind WHEN 'invoice' THEN 1 ELSE -1 END * net_minor,
                  CASE invoice.kind WHEN 'invoice' THEN 1 ELSE -1 END * vat_minor)""",
        (chart.LICENCES_SOLD, chart.VAT_COLLECTED),
    ),
    Invariant(
        "a correction of an invoice is entered back and forth for what it says",
        """SELECT correction.id AS correction, entry.id AS entry, entry.kind
           FROM invoice_correction AS correction
           FULL JOIN (SELECT * FROM journal_entry WHERE kind IN ('sale_cancelled', 'sale_reissued')) AS entry
               ON entry.source_id = correction.id::text
           WHERE correction.id IS NULL
              OR (SELECT count(*) FROM journal_entry AS one
                  WHERE one.kind IN ('sale_cancelled', 'sale_reissued') AND one.source_id = correction.id::text) <> 2
              OR (net_minor, vat_minor) <> (
               SELECT coalesce(sum(amount_minor) FILTER (WHERE $1::text IN (debit, credit)), 0)::bigint,
                      coalesce(sum(amount_minor) FILTER (WHERE $2::text IN (debit, credit)), 0)::bigint
               FROM posting WHERE posting.entry = entry.id)""",
        (chart.LICENCES_SOLD, chart.VAT_COLLECTED),
    ),
    Invariant(
        "an order has at most one invoice that is not corrected",
        """SELECT purchase_order AS "order", count(*) FROM invoice
           WHERE kind = 'invoice'
                 AND NOT EXISTS (SELECT FROM invoice_correction WHERE invoice_correction.invoice = invoice.number)
           GROUP BY purchase_order HAVING count(*) > 1""",
    ),
    Invariant(
        "the numbers of invoices and credit notes leave no gap and rise with time",
        """SELECT series, count(*), max(position) AS highest, number_series.last, bool_and(rises) AS rises
           FROM (SELECT series, position,
                        issued_at >= lag(issued_at, 1, issued_at) OVER (PARTITION BY series ORDER BY position) AS rises
                 FROM invoice) AS numbered
           LEFT JOIN number_series ON number_series.code = series
           GROUP BY series, number_series.last
           HAVING count(*) <> max(position) OR max(position) IS DISTINCT FROM number_series.last OR NOT bool_and(rises)""",
    ),
    Invariant(
        "a credit note corrects its own order's invoice, and together they give back no more than it asked",
        """SELECT note.corrects, min(note.number) AS first, sum(note.total_minor) AS back_minor, min(sale.total_minor) AS sold_minor
           FROM invoice AS note JOIN invoice AS sale ON sale.number = note.corrects
           WHERE note.kind = 'credit_note' GROUP BY note.corrects
           HAVING sum(note.total_minor) > min(sale.total_minor)
               OR bool_or(note.purchase_order <> sale.purchase_order OR sale.kind <> 'invoice')""",
    ),
)
