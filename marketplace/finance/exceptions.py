"""What does not add up, four ways: orders, Stripe's transactions, payouts and bank lines; and rights without money.

One statement names everything, each with its reason: an exception is (why, subject) and is computed, never stored, so
it goes when its cause goes. What two people agreed to let go is left out, for as long as it is about the same amount;
should it come after all, or change, the entry that let it go is what no longer adds up.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from marketplace import clock
from marketplace.bank.matching import OPEN_PAYOUTS
from marketplace.bank.payout_lines import KEPT_BY_THE_BANK
from marketplace.bank.queries import GAPS
from marketplace.database import fetch, fetch_one, fetch_value
from marketplace.errors import NotFound
from marketplace.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.payments.rules import COUNTERPARTS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    import asyncpg

PAYOUT_IS_LATE_AFTER: Final = "5 days"
RUN_IS_LATE_AFTER: Final = "5 days"
MONEY_IS_GOING_BACK: Final = "7 days"

_BACK = """
SELECT purchase_order AS subject, coalesce(sum(total_minor) FILTER (WHERE order_return.kind = 'refund'), 0)::bigint AS refund_minor,
       coalesce(sum(total_minor) FILTER (WHERE order_return.kind = 'dispute'), 0)::bigint AS dispute_minor,
       coalesce(sum(total_minor) FILTER (WHERE order_return.kind = 'failure'), 0)::bigint AS failure_minor, max(order_return.at) AS back_at
FROM order_return JOIN journal_entry ON journal_entry.source_id = order_return.id::text
                                  AND journal_entry.kind IN ('refund', 'dispute_lost')
GROUP BY purchase_order
"""
"""SQL: what the books gave back for an order, by refund, by dispute, and because a payment failed after it was made."""

_BOOK = f"""
movement AS MATERIALIZED (
    SELECT payment_subject AS subject, min(id) FILTER (WHERE category = 'charge') AS charge,
           coalesce(min(id) FILTER (WHERE category <> 'charge'), min(id)) AS other,
           sum(amount_minor) FILTER (WHERE category IN ('charge', 'charge_failure', 'partial_capture_reversal'))::bigint
               AS charged_minor,
           sum(amount_minor) FILTER (WHERE category IN ('refund', 'refund_failure'))::bigint AS refunded_minor,
           sum(amount_minor) FILTER (WHERE category IN ('dispute', 'dispute_reversal'))::bigint AS disputed_minor,
           sum(amount_minor)::bigint AS kept_minor,
           min(created_at) AS first_at, max(created_at) AS last_at
    FROM balance_transaction WHERE payment_subject IS NOT NULL AND currency = 'EUR' GROUP BY payment_subject
), banked AS MATERIALIZED (
    SELECT target_id::uuid AS subject, sum(amount_minor)::bigint AS amount_minor FROM bank_match
    WHERE target_kind = 'order' AND undone_at IS NULL GROUP BY target_id
), back AS MATERIALIZED ({_BACK}
), forfeit AS MATERIALIZED (
    SELECT source_id AS subject, sum(amount_minor)::bigint AS amount_minor
    FROM journal_entry JOIN posting ON posting.entry = journal_entry.id WHERE kind = 'deposit_forfeited' GROUP BY source_id
), book AS MATERIALIZED (
    SELECT purchase_order.id, number, purchase_order.state, total_minor, sale.at AS sold_at,
           coalesce(movement.charged_minor, 0) + coalesce(banked.amount_minor, 0) AS charged_minor,
           coalesce(movement.refunded_minor, 0) AS refunded_minor, coalesce(movement.disputed_minor, 0) AS disputed_minor,
           coalesce(movement.kept_minor, 0) + coalesce(banked.amount_minor, 0) AS kept_minor,
           coalesce(back.refund_minor, 0) AS back_minor, coalesce(back.dispute_minor, 0) AS lost_minor, back_at,
           total_minor - coalesce(back.failure_minor, 0) AS due_minor, coalesce(forfeit.amount_minor, 0) AS forfeit_minor,
           coalesce(payment.state = 'processing', false) AS is_under_way,
           movement.subject, charge, other, first_at, last_at,
           entitlement.id AS entitlement, entitlement.revoked_at,
           entitlement.suspended_at,
           purchase_order.state = 'paid' AND coalesce(back.dispute_minor, 0) = 0 OR EXISTS (
               SELECT FROM dispute WHERE payment_subject = purchase_order.id AND dispute.state = 'open') AS is_disputed
    FROM purchase_order FULL JOIN movement ON movement.subject = purchase_order.id
    LEFT JOIN banked ON banked.subject = purchase_order.id
    LEFT JOIN back ON back.subject = purchase_order.id
    LEFT JOIN journal_entry AS sale ON sale.kind = 'sale' AND sale.source_id = purchase_order.id::text
    LEFT JOIN forfeit ON forfeit.subject = movement.subject::text
    LEFT JOIN payment ON payment.subject = movement.subject
    LEFT JOIN licence ON licence.purchase_order = purchase_order.id
    LEFT JOIN entitlement ON entitlement.licence = licence.id
    WHERE movement.subject IS NOT NULL OR banked.subject IS NOT NULL OR sale.id IS NOT NULL
)
"""

EXCEPTIONS: Final = f"""
WITH {_BOOK}, posted AS MATERIALIZED (
    SELECT source_id, kind, sum(CASE '517000' WHEN debit THEN posting.amount_minor WHEN credit THEN -posting.amount_minor
                                ELSE 0 END)::bigint AS net_minor
    FROM journal_entry JOIN posting ON posting.entry = journal_entry.id
    WHERE kind LIKE 'stripe\\_%' GROUP BY journal_entry.id
), found AS NOT MATERIALIZED (
SELECT CASE WHEN movement.currency <> 'EUR' THEN 'other_currency' WHEN category <> ALL ($1) THEN 'unknown_category'
            WHEN posted.source_id IS NULL THEN 'not_posted' ELSE 'entry_differs' END AS why,
       CASE WHEN movement.currency <> 'EUR' THEN movement.currency WHEN posted.source_id IS NULL THEN category
            ELSE posted.net_minor::text END AS detail,
       movement.id AS subject, movement.id AS reference, '/finance/transactions/' || movement.id AS path,
       CASE WHEN posted.source_id IS NULL THEN movement.net_minor ELSE movement.net_minor - posted.net_minor END AS amount_minor,
       movement.created_at AS at
FROM balance_transaction AS movement
LEFT JOIN posted ON posted.source_id = movement.id AND posted.kind = 'stripe_' || category
WHERE posted.net_minor IS DISTINCT FROM movement.net_minor
  AND (posted.source_id IS NOT NULL OR movement.amount_minor <> 0 OR movement.fee_minor <> 0)

UNION ALL
SELECT 'charge_without_payment', '', id, id, '/finance/transactions/' || id, amount_minor, created_at
FROM balance_transaction WHERE payment_subject IS NULL AND category = 'charge'

UNION ALL
SELECT 'refund_without_entry', '', id, id, '/finance/transactions/' || id, amount_minor, created_at
FROM balance_transaction WHERE payment_subject IS NULL AND category = 'refund'

UNION ALL
SELECT 'dispute_open', '', source_id, coalesce(source_id, min(id)), '/finance/transactions/' || min(id), sum(amount_minor)::bigint,
       min(created_at)
FROM balance_transaction WHERE payment_subject IS NULL AND category IN ('dispute', 'dispute_reversal')
GROUP BY source_id HAVING sum(amount_minor) < 0

UNION ALL
SELECT told.why, told.detail, coalesce(id::text, subject::text), coalesce(number, told.movement, subject::text),
       coalesce('/finance/orders/' || id, '/finance/transactions/' || told.movement), told.amount_minor, told.at
FROM book CROSS JOIN LATERAL (VALUES
    (id IS NULL AND charge IS NOT NULL AND NOT is_under_way AND kept_minor <> forfeit_minor, 'charge_without_order', '', charge,
        kept_minor - forfeit_minor, first_at),
    (id IS NOT NULL AND sold_at IS NULL AND NOT is_under_way AND charged_minor <> 0, 'charge_without_sale', state, charge,
        charged_minor, first_at),
    (sold_at IS NOT NULL AND (charged_minor <> 0 OR due_minor < total_minor) AND charged_minor <> due_minor, 'charge_differs',
        due_minor::text, charge, charged_minor - due_minor, first_at),
    (sold_at IS NOT NULL AND charged_minor = 0 AND due_minor = total_minor, 'sale_without_charge', '', NULL, total_minor, sold_at),
    (id IS NOT NULL AND -refunded_minor > back_minor, 'refund_without_entry', '', other, refunded_minor + back_minor, last_at),
    (id IS NOT NULL AND -refunded_minor < back_minor, 'refund_without_movement', '', NULL, refunded_minor + back_minor, back_at),
    (disputed_minor + lost_minor < 0 AND coalesce(is_disputed, true), 'dispute_open', '', other, disputed_minor + lost_minor, last_at),
    (disputed_minor + lost_minor <> 0 AND NOT (disputed_minor + lost_minor < 0 AND is_disputed), 'dispute_differs', lost_minor::text,
        other, disputed_minor + lost_minor, last_at),
    (entitlement IS NOT NULL AND coalesce(revoked_at, suspended_at) IS NULL AND charged_minor > 0 AND kept_minor <= 0, 'entitlement_without_money', '',
        NULL, kept_minor - total_minor, last_at),
    (sold_at IS NOT NULL AND kept_minor > 0 AND (entitlement IS NULL OR revoked_at < $2::timestamptz - interval '{MONEY_IS_GOING_BACK}'),
        'money_without_entitlement', '', NULL, kept_minor, coalesce(revoked_at, sold_at))
) AS told (is_so, why, detail, movement, amount_minor, at)
WHERE told.is_so

UNION ALL
SELECT 'download_without_money', count(*)::text, book.id::text, number, '/finance/orders/' || book.id, kept_minor - total_minor,
       min(download.at)
FROM book JOIN download ON download.entitlement = book.entitlement AND download.at > book.last_at
WHERE kept_minor <= 0 AND (charged_minor > 0 OR due_minor < total_minor) GROUP BY book.id, number, kept_minor, total_minor

UNION ALL
SELECT 'refund_failed', '', payment.subject::text, coalesce(purchase_order.number, payment.subject::text),
       '/finance/orders/' || purchase_order.id, coalesce(purchase_order.returned_minor, received_minor) - payment.refunded_minor,
       coalesce((SELECT max(created_at) FROM balance_transaction
                 WHERE payment_subject = payment.subject AND category = 'refund_failure'), payment.read_at)
FROM payment LEFT JOIN purchase_order ON purchase_order.id = payment.subject
WHERE payment.refunded_minor < coalesce(purchase_order.returned_minor, received_minor)
  AND (purchase_order.returned_minor > 0 OR payment.state = 'refunded')

UNION ALL
SELECT 'payout_differs', '', payout_id, payout_id, '/finance/transactions/' || min(id) FILTER (WHERE category = 'payout'),
       sum(net_minor)::bigint, max(created_at)
FROM balance_transaction WHERE payout_id IS NOT NULL GROUP BY payout_id HAVING sum(net_minor) <> 0

UNION ALL
SELECT 'payout_without_line', '', id, id, NULL, amount_minor, at
FROM ({OPEN_PAYOUTS}) AS payout WHERE at < $2::timestamptz - interval '{PAYOUT_IS_LATE_AFTER}'

UNION ALL
SELECT CASE WHEN state = 'sent' THEN 'run_unanswered' ELSE 'run_undecided' END, '', id::text,
       'PTR' || left(replace(id::text, '-', ''), 8), '/finance/payout-runs/' || id, amount_minor, coalesce(sent_at, drafted_at)
FROM payout_run
WHERE state IN ('draft', 'approved', 'sent')
  AND coalesce(sent_at, drafted_at) < $2::timestamptz - interval '{RUN_IS_LATE_AFTER}'

UNION ALL
SELECT 'payout_kept', '', id, id, '/finance/payout-runs/' || run, amount_minor, at
FROM ({KEPT_BY_THE_BANK}) AS kept WHERE at < $2::timestamptz - interval '{RUN_IS_LATE_AFTER}'

UNION ALL
SELECT 'transfer_unasked', '', moved.id, moved.transfer, '/finance/transactions/' || moved.id,
       moved.amount_minor + coalesce(paid.amount_minor, 0), moved.created_at
FROM (
    SELECT coalesce(CASE category WHEN 'transfer' THEN source_id ELSE charge_id END, id) AS transfer, sum(amount_minor)::bigint AS amount_minor,
           (array_agg(id ORDER BY created_at, id))[1] AS id, max(created_at) AS created_at
    FROM balance_transaction WHERE category IN ('transfer', 'transfer_reversal') AND currency = 'EUR' GROUP BY 1
) AS moved
LEFT JOIN stripe_command AS command ON command.object_id = moved.transfer AND verb = 'transfer'
LEFT JOIN payout AS paid ON paid.id = command.id AND paid.state <> 'failed'
WHERE moved.amount_minor + coalesce(paid.amount_minor, 0) <> 0

UNION ALL
SELECT 'line_unexplained', coalesce(nullif(counterparty, ''), nullif(left(remittance, 80), ''), code), bank_line.id::text,
       reference, '/finance/bank/lines/' || bank_line.id, amount_minor, booked_on::timestamp AT TIME ZONE 'Europe/Paris'
FROM bank_line WHERE NOT EXISTS (SELECT FROM bank_match WHERE line = bank_line.id AND undone_at IS NULL)

UNION ALL
SELECT 'statement_gap', before_id, iban || ' ' || statement_id, statement_id, '/finance/bank', missing_minor,
       opened_on::timestamp AT TIME ZONE 'Europe/Paris'
FROM ({GAPS}) AS gap

UNION ALL
SELECT 'event_amiss', error, id, id, NULL, NULL, received_at FROM stripe_event WHERE error IS NOT NULL

UNION ALL
SELECT 'command_failed', coalesce(error, ''), command.id::text, coalesce(purchase_order.number, command.subject::text),
       '/finance/orders/' || purchase_order.id, NULL, command.created_at
FROM stripe_command AS command LEFT JOIN purchase_order ON purchase_order.id = command.subject
WHERE command.state = 'failed' AND command.settled_at IS NULL
), let_go AS (
    SELECT write_off.*, gone.id AS entry
    FROM write_off LEFT JOIN journal_entry AS gone ON gone.kind = 'write_off' AND gone.source_id = write_off.id::text
    WHERE approved AND NOT EXISTS (SELECT FROM journal_entry AS back WHERE back.reverses = gone.id)
), open AS (
SELECT * FROM found WHERE NOT EXISTS (
    SELECT FROM let_go WHERE let_go.why = found.why AND let_go.subject = found.subject
    AND let_go.amount_minor IS NOT DISTINCT FROM found.amount_minor)

UNION ALL
SELECT 'let_go_and_came', '', entry::text, reference, '/finance/journal/' || entry, amount_minor, decided_at
FROM let_go WHERE entry IS NOT NULL AND NOT EXISTS (
    SELECT FROM found WHERE found.why = let_go.why AND found.subject = let_go.subject AND found.amount_minor = let_go.amount_minor)
)
SELECT open.*, pending.id AS proposal,
       (greatest(extract(epoch FROM $2::timestamptz - at), 0) / 86400 * coalesce(abs(open.amount_minor), 100))::numeric AS weight
FROM open LEFT JOIN write_off AS pending
  ON pending.why = open.why AND pending.subject = open.subject AND pending.approved IS NULL
"""
"""SQL: everything unmatched. $1: the categories that have an account; $2: now."""

_BALANCE_DIFFERS = """
SELECT 'balance_differs' AS why, ledger_minor::text AS detail, '517000' AS subject, '517000' AS reference,
       '/finance/accounts/517000' AS path, stripe_minor - ledger_minor AS amount_minor, at, NULL::uuid AS proposal,
       (greatest(extract(epoch FROM $2::timestamptz - at), 0) / 86400 * abs(stripe_minor - ledger_minor))::numeric AS weight
FROM (SELECT * FROM reconciliation ORDER BY id DESC LIMIT 1) AS last WHERE stripe_minor <> ledger_minor
"""
_ALL = f"SELECT * FROM ({_BALANCE_DIFFERS} UNION ALL ({EXCEPTIONS})) AS exception"
AGES: Final = (1, 7, 30, 90)
"""Days that divide the chart of ages."""
WATCHED: Final = ("dispute_open", "run_undecided", "run_unanswered")
"""What is known, has its own account and its own course: it does not stop a close."""


def _given(now: dt.datetime | None = None) -> tuple[list[str], dt.datetime]:
    return list(COUNTERPARTS), now or clock.now()


async def count_exceptions() -> int:
    """Return how many things are unmatched, whatever the balances say."""
    return int(await fetch_value(f"SELECT count(*) FROM ({EXCEPTIONS}) AS exception", *_given()))


@dataclass(frozen=True, slots=True)
class Queue(Paged[Any]):
    """A page of what is unmatched, and how much there is of all."""

    reasons: Sequence[tuple[str, int]]
    """The reasons there are, and how many of each, most first."""
    ages: Sequence[dict[str, int]]
    """For each age of the chart in order, how many `exceptions` are that old and their `amount_minor` in cents."""


async def list_exceptions(page: int = 1, why: str = "") -> Queue:
    """Return what is unmatched and why, by age × amount, largest first; `why` narrows the page to one reason.

    One statement tells the page and the sums of all, for at size each look takes a while.
    """
    found = await fetch(
        f"""WITH everything AS MATERIALIZED ({_ALL}), shown AS (
                SELECT * FROM everything WHERE $3 = '' OR why = $3 ORDER BY weight DESC, at, why, subject LIMIT $4 OFFSET $5
            ), told AS (
                SELECT why, width_bucket(extract(epoch FROM $2::timestamptz - at) / 86400, $6::numeric[]) AS age,
                       count(*) AS exceptions, coalesce(sum(abs(amount_minor)), 0)::bigint AS whole_minor
                FROM everything GROUP BY 1, 2
            )
            SELECT shown.*, NULL::int AS age, NULL::bigint AS exceptions, NULL::bigint AS whole_minor FROM shown
            UNION ALL
            SELECT why, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, age, exceptions, whole_minor FROM told
            ORDER BY weight DESC NULLS LAST, at, why, subject""",
        *_given(), why, PAGE_SIZE + 1, offset(page), list(AGES),
    )  # fmt: skip
    reasons: Counter[str] = Counter()
    ages = [{"exceptions": 0, "amount_minor": 0} for _ in range(len(AGES) + 1)]
    for row in found:
        if row["exceptions"] is not None:
            reasons[row["why"]] += row["exceptions"]
            if row["age"] is not None:
                ages[row["age"]]["exceptions"] += row["exceptions"]
                ages[row["age"]]["amount_minor"] += row["whole_minor"]
    rows = paged([row for row in found if row["exceptions"] is None], page)
    return Queue(rows.rows, rows.number, rows.more, sorted(reasons.items(), key=lambda item: (-item[1], item[0])), ages)


async def get_exception(why: str, subject: str) -> asyncpg.Record:
    """Return one exception; refuse when there is none: it was never there, or its cause is gone."""
    row = await fetch_one(f"{_ALL} WHERE why = $3 AND subject = $4 LIMIT 1", *_given(), why, subject)
    if row is None:
        raise NotFound("There is no such exception: it is settled, or never was.")
    return row


async def next_after(why: str, subject: str) -> asyncpg.Record | None:
    """Return the exception that follows in the queue."""
    return await fetch_one(
        f"""WITH everything AS ({_ALL}), placed AS (
                SELECT why, subject, lead(why) OVER queue AS next_why, lead(subject) OVER queue AS next_subject
                FROM everything WINDOW queue AS (ORDER BY weight DESC, at, why, subject))
            SELECT next_why AS why, next_subject AS subject FROM placed
            WHERE why = $3 AND subject = $4 AND next_why IS NOT NULL""",
        *_given(), why, subject,
    )  # fmt: skip


async def stops_of(ends_at: dt.datetime) -> list[asyncpg.Record]:
    """Return the exceptions of before `ends_at` that stop a close, oldest first."""
    return await fetch(
        f"{_ALL} WHERE at < $3 AND why <> ALL ($4) ORDER BY at, why, subject", *_given(), ends_at, list(WATCHED)
    )
