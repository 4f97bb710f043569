"""Exceptions of money that goes back: refunds, disputes, claims, service credits, and write-offs that are outdated."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.finance.reconciliation.exceptions.kind import ACKNOWLEDGED, ExceptionKind, InBook, WriteOff
from marketplace.money.ledger import chart
from marketplace.sales.orders.twice_queries import PAID_TWICE_EXCEPTIONS

KINDS: Final = (
    ExceptionKind(
        code="refund_without_entry",
        sentence=Words("Refunded at Stripe; the books do not refund as much of the sale."),
        advice=Words(
            "The job records it within seconds, unless more was refunded at Stripe than was left: then two people write the rest off."
        ),
        in_book=InBook(
            when="id IS NOT NULL AND -refunded_minor > returned_minor",
            detail="''",
            movement="other",
            amount_minor="refunded_minor + returned_minor",
            at="last_at",
        ),
        sql="""SELECT '' AS detail, id AS subject, id AS reference, '/finance/transactions/' || id AS path, amount_minor, created_at AS at
               FROM balance_transaction WHERE payment_subject IS NULL AND category = 'refund'""",
        write_off=WriteOff(chart.PARTNERS),
    ),
    ExceptionKind(
        code="refund_without_movement",
        sentence=Words("Refunded in the books; Stripe has not shown it yet."),
        advice=Words("Wait for Stripe’s next transactions; then look at the command on the order’s page."),
        in_book=InBook(
            when="id IS NOT NULL AND -refunded_minor < returned_minor",
            detail="''",
            movement="NULL",
            amount_minor="refunded_minor + returned_minor",
            at="returned_at",
        ),
        write_off=WriteOff(chart.PARTNERS),
    ),
    ExceptionKind(
        code="refund_failed",
        sentence=Words("The bank returned the refund: the partner is still owed."),
        advice=Words("Ask the partner for an account that works, then press Refund on the order’s page again."),
        sql="""SELECT '' AS detail, payment.subject::text AS subject, coalesce(purchase_order.number, payment.subject::text) AS reference,
                      '/finance/orders/' || purchase_order.id AS path,
                      coalesce(purchase_order.returned_minor, received_minor) - payment.refunded_minor AS amount_minor,
                      coalesce((SELECT max(created_at) FROM balance_transaction
                                WHERE payment_subject = payment.subject AND category = 'refund_failure'), payment.read_at, payment.requested_at) AS at
               FROM payment LEFT JOIN purchase_order ON purchase_order.id = payment.subject
               WHERE payment.refunded_minor < coalesce(purchase_order.returned_minor, received_minor)
                 AND (purchase_order.returned_minor > 0 OR payment.state = 'refunded')""",
        write_off=ACKNOWLEDGED,
    ),
    # It has an account of its own until the bank decides: no month waits for it.
    ExceptionKind(
        code="paid_twice",
        sentence=Words("Paid twice: the partner had paid for this data already with order {detail}."),
        advice=Words("Refund all of it on the order’s page, unless the partner writes that it wants both."),
        sql=PAID_TWICE_EXCEPTIONS,
        write_off=ACKNOWLEDGED,
    ),
    ExceptionKind(
        code="dispute_open",
        sentence=Words("The payer’s bank took the money back in a dispute."),
        advice=Words("Answer the dispute at Stripe before its day; the bank decides, and the books follow."),
        in_book=InBook(
            when="disputed_minor + charged_back_minor < 0 AND coalesce(is_disputed, true)",
            detail="''",
            movement="other",
            amount_minor="disputed_minor + charged_back_minor",
            at="last_at",
        ),
        sql="""SELECT '' AS detail, source_id AS subject, coalesce(source_id, min(id)) AS reference,
                      '/finance/transactions/' || min(id) AS path, sum(amount_minor)::bigint AS amount_minor, min(created_at) AS at
               FROM balance_transaction WHERE payment_subject IS NULL AND category IN ('dispute', 'dispute_reversal')
               GROUP BY source_id HAVING sum(amount_minor) < 0""",
        write_off=WriteOff(chart.DISPUTES),
        blocks_close=False,
    ),
    ExceptionKind(
        code="dispute_differs",
        sentence=Words(
            "A dispute took another amount than was left of the sale, of which the books lost {detail} cents."
        ),
        advice=Words(
            "The money was refunded already, and the bank took it too. Answer the dispute, ask the partner, or let two people write the rest off as a loss."
        ),
        in_book=InBook(
            when="disputed_minor + charged_back_minor <> 0 AND NOT (disputed_minor + charged_back_minor < 0 AND is_disputed)",
            detail="charged_back_minor::text",
            movement="other",
            amount_minor="disputed_minor + charged_back_minor",
            at="last_at",
        ),
        write_off=WriteOff(chart.DISPUTES),
    ),
    ExceptionKind(
        code="claim_waiting",
        sentence=Words("A claim waits for a decision, and the shares of the sale with it."),
        advice=Words("One person proposes to give money back or not, a second agrees."),
        sql="""SELECT '' AS detail, claim.id::text AS subject, purchase_order.number AS reference, '/staff/claims' AS path,
                      purchase_order.total_minor AS amount_minor, claim.filed_at AS at
               FROM claim JOIN purchase_order ON purchase_order.id = claim.purchase_order
               WHERE claim.outcome = '' AND claim.filed_at < $2::timestamptz - interval '5 days'""",
        blocks_close=False,
    ),
    ExceptionKind(
        code="credit_waiting",
        sentence=Words("A credit that a subscription promises has not left."),
        advice=Words(
            "It leaves with the job “deliver-subscriptions”, unless a dispute or another refund is under way."
        ),
        sql="""SELECT '' AS detail, service_credit.id::text AS subject, purchase_order.number AS reference,
                      '/finance/orders/' || purchase_order.id AS path, service_credit.refund_minor AS amount_minor,
                      purchase_order.paid_at AS at
               FROM service_credit JOIN purchase_order ON purchase_order.id = service_credit.purchase_order
               WHERE service_credit.asked_at IS NULL AND purchase_order.state = 'paid'
                 AND purchase_order.paid_at < $2::timestamptz - interval '2 days'""",
        blocks_close=False,
    ),
    ExceptionKind(
        code="credit_owed_back",
        sentence=Words("Paid and then returned: the money is to be transferred back to the partner."),
        advice=Words("Transfer it from the bank, then match the line of the statement with this order."),
        sql="""SELECT '' AS detail, subject::text AS subject, number AS reference, '/finance/orders/' || subject AS path,
                      total_minor - returned_minor - paid_minor AS amount_minor, settled_at AS at
               FROM credit_sale WHERE total_minor - returned_minor - paid_minor < 0""",
        blocks_close=False,
    ),
    ExceptionKind(
        code="settled_after_write_off",
        sentence=Words(
            "Two people wrote this off, and it came, changed or was settled since: the books count it twice."
        ),
        advice=Words(
            "Reverse the entry that wrote it off, on the entry’s page; everything that is still open is then listed by itself."
        ),
        sql="""SELECT '' AS detail, entry::text AS subject, reference, '/finance/journal/' || entry AS path, amount_minor, decided_at AS at
               FROM written_off WHERE entry IS NOT NULL AND NOT EXISTS (
                   SELECT FROM found WHERE found.why = written_off.why AND found.subject = written_off.subject
                   AND found.amount_minor = written_off.amount_minor)""",
        after_write_offs=True,
    ),
)
