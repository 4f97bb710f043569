"""Exceptions of what partners owe: credit, and the deposits and penalties of auctions."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.finance.reconciliation.exceptions.kind import ACKNOWLEDGED, ExceptionKind, InBook, WriteOff
from marketplace.money.ledger import chart

KINDS: Final = (
    ExceptionKind(
        code="credit_overdue",
        sentence=Words("Invoice overdue for {detail} days."),
        advice=Words(
            "Match the bank transfer that pays it; else two people provide for it or write it off on the page of credit."
        ),
        sql="""SELECT ceil(extract(epoch FROM $2::timestamptz - due_at) / 86400)::text AS detail, subject::text AS subject,
                      number AS reference, '/finance/credit' AS path,
                      total_minor - returned_minor - paid_minor - written_off_minor - provision_minor AS amount_minor, due_at AS at
               FROM credit_sale
               WHERE due_at < $2 AND total_minor - returned_minor - paid_minor - written_off_minor - provision_minor > 0""",
        settled_by="order",
        blocks_close=False,
    ),
    # What a bank took back and has not decided on has a kind of its own, `dispute_open`.
    ExceptionKind(
        code="deposit_differs",
        sentence=Words("An auction’s deposit or penalty is not in the books for what Stripe received."),
        advice=Words("The job “settle-auctions” enters it. Where the difference stays, look for the charge at Stripe."),
        in_book=InBook(
            when="id IS NULL AND is_deposit AND NOT is_under_way AND kept_minor - disputed_minor <> forfeit_minor",
            detail="''",
            movement="coalesce(charge, other)",
            amount_minor="kept_minor - disputed_minor - forfeit_minor",
            at="first_at",
        ),
        write_off=WriteOff(chart.PARTNERS),
    ),
    # The books hold none of it until it is received.
    ExceptionKind(
        code="penalty_unpaid",
        sentence=Words("A partner has not paid what its unpaid award costs it."),
        advice=Words("Call the partner, which may not bid while it owes. Two people may give it up."),
        sql="""SELECT '' AS detail, owed.id::text AS subject, partner.company AS reference, '/finance/penalties' AS path,
                      owed.owed_minor - received_for_default(owed.partner, owed.auction) AS amount_minor, owed.decided_at AS at
               FROM auction_default AS owed JOIN partner ON partner.id = owed.partner
               WHERE owed.settled_at IS NULL AND owed.owed_minor > received_for_default(owed.partner, owed.auction)
                 AND owed.decided_at < $2::timestamptz - interval '30 days'""",
        write_off=ACKNOWLEDGED,
        blocks_close=False,
    ),
)
