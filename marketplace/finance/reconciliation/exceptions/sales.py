"""Exceptions of sold orders: their money, and who may read."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.finance.reconciliation.exceptions.kind import ACKNOWLEDGED, ExceptionKind, InBook, WriteOff
from marketplace.money.ledger import chart

RETURN_WITHIN: Final = "7 days"

KINDS: Final = (
    ExceptionKind(
        code="charge_without_payment",
        sentence=Words("Money that no payment of ours asked for."),
        advice=Words("Find out who paid. Refund it at Stripe, or let two people keep it."),
        sql="""SELECT '' AS detail, id AS subject, id AS reference, '/finance/transactions/' || id AS path, amount_minor, created_at AS at
               FROM balance_transaction WHERE payment_subject IS NULL AND category = 'charge'""",
        write_off=WriteOff(chart.PARTNERS),
    ),
    ExceptionKind(
        code="charge_without_order",
        sentence=Words("A payment without an order."),
        advice=Words("Find out who paid. Refund it at Stripe, or let two people keep it."),
        in_book=InBook(
            when="id IS NULL AND NOT is_deposit AND charge IS NOT NULL AND NOT is_under_way AND kept_minor <> 0",
            detail="''",
            movement="charge",
            amount_minor="kept_minor",
            at="first_at",
        ),
        write_off=WriteOff(chart.PARTNERS),
    ),
    ExceptionKind(
        code="charge_without_sale",
        sentence=Words("Paid, and the order is not sold: it is {detail}."),
        advice=Words("The job grants it within seconds. If it stays, an engineer must look."),
        in_book=InBook(
            when="id IS NOT NULL AND sold_at IS NULL AND NOT is_under_way AND charged_minor <> 0",
            detail="state",
            movement="charge",
            amount_minor="charged_minor",
            at="first_at",
        ),
    ),
    ExceptionKind(
        code="charge_differs",
        sentence=Words("What came in is not what the order owes, which is {detail} cents."),
        advice=Words(
            "Ask the partner for what is missing, or refund what is too much; two people may write off a small difference."
        ),
        in_book=InBook(
            when="sold_at IS NOT NULL AND (charged_minor <> 0 OR due_minor < total_minor) AND charged_minor <> due_minor",
            detail="due_minor::text",
            movement="charge",
            amount_minor="charged_minor - due_minor",
            at="first_at",
        ),
        write_off=WriteOff(chart.PARTNERS),
    ),
    ExceptionKind(
        code="sale_without_charge",
        sentence=Words("Sold; Stripe has not shown the money yet."),
        advice=Words("Wait for Stripe’s next transactions, or match the bank transfer that paid it."),
        in_book=InBook(
            when="sold_at IS NOT NULL AND charged_minor = 0 AND due_minor = total_minor",
            detail="''",
            movement="NULL",
            amount_minor="total_minor",
            at="sold_at",
        ),
        write_off=WriteOff(chart.PARTNERS, credit_sign=-1),
        settled_by="order",
    ),
    ExceptionKind(
        code="entitlement_without_money",
        sentence=Words("The money went back, and the partner may still read."),
        advice=Words("Refund the order on its page, which ends the entitlement, or write it off if the partner pays."),
        in_book=InBook(
            when="entitlement IS NOT NULL AND coalesce(revoked_at, suspended_at) IS NULL AND charged_minor > 0 AND kept_minor <= 0",
            detail="''",
            movement="NULL",
            amount_minor="kept_minor - total_minor",
            at="last_at",
        ),
        write_off=ACKNOWLEDGED,
    ),
    ExceptionKind(
        code="money_without_entitlement",
        sentence=Words("The money is here, and the partner may not read."),
        advice=Words("Give the money back on the order’s page, or find out why the licence ended."),
        in_book=InBook(
            when=f"sold_at IS NOT NULL AND kept_minor > 0 AND (entitlement IS NULL OR revoked_at < $2::timestamptz - interval '{RETURN_WITHIN}')",
            detail="''",
            movement="NULL",
            amount_minor="kept_minor",
            at="coalesce(revoked_at, sold_at)",
        ),
        write_off=ACKNOWLEDGED,
    ),
    ExceptionKind(
        code="download_without_money",
        sentence=Words("Read after the money went back: {detail} downloads."),
        advice=Words("Speak with the partner; two people acknowledge it."),
        sql="""SELECT count(*)::text AS detail, book.id::text AS subject, number AS reference, '/finance/orders/' || book.id AS path,
                      kept_minor - total_minor AS amount_minor, min(download.at) AS at
               FROM book JOIN download ON download.entitlement = book.entitlement AND download.at > book.last_at
               WHERE kept_minor <= 0 AND (charged_minor > 0 OR due_minor < total_minor)
               GROUP BY book.id, number, kept_minor, total_minor""",
        write_off=ACKNOWLEDGED,
    ),
)
