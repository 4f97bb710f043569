"""Exceptions of Stripe’s balance and of what is asked of Stripe."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.finance.reconciliation.exceptions.kind import ACKNOWLEDGED, ExceptionKind, WriteOff
from marketplace.money.ledger import chart

KINDS: Final = (
    ExceptionKind(
        code="other_currency",
        sentence=Words("Stripe moved {detail} and the books are in euros: nothing was posted."),
        advice=Words("Ask Stripe why it moves another currency; nothing of it can be in these books."),
        sql="""SELECT currency AS detail, id AS subject, id AS reference, '/finance/transactions/' || id AS path,
                      coalesce(net_minor - posted_minor, net_minor) AS amount_minor, created_at AS at
               FROM unequal WHERE currency <> $1""",
    ),
    ExceptionKind(
        code="unknown_category",
        sentence=Words("Stripe’s category “{detail}” has no account in the chart: nothing was posted."),
        advice=Words(
            "Propose an account for it on the page “Stripe’s categories”: once another person approves, it is posted."
        ),
        sql="""SELECT CASE WHEN posted_minor IS NULL THEN category ELSE posted_minor::text END AS detail, id AS subject, id AS reference, '/finance/transactions/' || id AS path,
                      coalesce(net_minor - posted_minor, net_minor) AS amount_minor, created_at AS at
               FROM unequal WHERE currency = $1 AND category <> ALL ($3::text[])""",
    ),
    ExceptionKind(
        code="not_posted",
        sentence=Words("A movement of Stripe’s balance ({detail}) is not in the books yet."),
        advice=Words("The next comparison with Stripe posts it. If it stays, an engineer must look."),
        sql="""SELECT category AS detail, id AS subject, id AS reference, '/finance/transactions/' || id AS path,
                      net_minor AS amount_minor, created_at AS at
               FROM unequal WHERE currency = $1 AND category = ANY ($3::text[]) AND posted_minor IS NULL""",
    ),
    ExceptionKind(
        code="entry_differs",
        sentence=Words("Stripe moved another amount than its entry in the books, which moves {detail} cents."),
        advice=Words("An entry is never edited: an engineer must find the cause, and a reversal corrects it."),
        sql="""SELECT posted_minor::text AS detail, id AS subject, id AS reference, '/finance/transactions/' || id AS path,
                      net_minor - posted_minor AS amount_minor, created_at AS at
               FROM unequal WHERE currency = $1 AND category = ANY ($3::text[]) AND posted_minor IS NOT NULL""",
    ),
    ExceptionKind(
        code="event_failed",
        sentence=Words("An event could not be handled: {detail}"),
        advice=Words("Look at the object in Stripe’s dashboard; two people acknowledge it."),
        sql="""SELECT error AS detail, id AS subject, id AS reference, NULL AS path, NULL::bigint AS amount_minor, received_at AS at
               FROM stripe_event WHERE error IS NOT NULL""",
        write_off=ACKNOWLEDGED,
    ),
    ExceptionKind(
        code="command_failed",
        sentence=Words("Stripe refused what we asked: {detail}"),
        advice=Words("Ask again or give up, on the page of what is stuck."),
        sql="""SELECT coalesce(error, '') AS detail, command.id::text AS subject,
                      coalesce(purchase_order.number, command.subject::text) AS reference, '/finance/orders/' || purchase_order.id AS path,
                      NULL::bigint AS amount_minor, command.created_at AS at
               FROM stripe_command AS command LEFT JOIN purchase_order ON purchase_order.id = command.subject
               WHERE command.state = 'failed' AND command.settled_at IS NULL""",
        write_off=ACKNOWLEDGED,
    ),
    ExceptionKind(
        code="balance_differs",
        sentence=Words("Stripe’s balance and the books differ: {detail} cents in the books."),
        advice=Words("The other exceptions say what it is made of; compare again once they are settled."),
        sql="""SELECT ledger_minor::text AS detail, $4::text AS subject, $4::text AS reference, '/finance/accounts/' || $4 AS path,
                      stripe_minor - ledger_minor AS amount_minor, at
               FROM (SELECT * FROM reconciliation ORDER BY id DESC LIMIT 1) AS last WHERE stripe_minor <> ledger_minor""",
        counts=False,
        after_write_offs=True,
    ),
    # What was reversed from a subscriber's account is the subscriber's, and no gain of ours.
    ExceptionKind(
        code="transfer_unasked",
        sentence=Words("Stripe moved money between us and a subscriber’s account, and no payout of ours asked for it."),
        advice=Words(
            "Find out who moved it at Stripe, and have it moved back; two people may write off what stays missing. What was reversed from a subscriber’s account is the subscriber’s: reverse the rest too, and all of it returns to them."
        ),
        sql="""SELECT '' AS detail, moved.id AS subject, moved.transfer AS reference, '/finance/transactions/' || moved.id AS path,
                      moved.amount_minor + coalesce(paid.amount_minor, 0) AS amount_minor, moved.created_at AS at
               FROM (
                   SELECT coalesce(CASE category WHEN 'transfer' THEN source_id ELSE charge_id END, id) AS transfer,
                          sum(amount_minor)::bigint AS amount_minor, (array_agg(id ORDER BY created_at, id))[1] AS id, max(created_at) AS created_at
                   FROM balance_transaction WHERE category IN ('transfer', 'transfer_reversal') AND currency = $1 GROUP BY 1
               ) AS moved
               LEFT JOIN stripe_command AS command ON command.object_id = moved.transfer AND verb = 'transfer'
               LEFT JOIN payout AS paid ON paid.id = command.id AND paid.state <> 'failed'
               WHERE moved.amount_minor + coalesce(paid.amount_minor, 0) <> 0""",
        write_off=WriteOff(chart.SUBSCRIBERS_IN_TRANSIT, losses_only=True),
    ),
)
