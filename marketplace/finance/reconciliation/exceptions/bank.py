"""Exceptions of payouts, and of the bank's lines and statements."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.finance.bank.notices import AWAITED
from marketplace.finance.bank.queries import GAPS, KEPT_BY_BANK, OPEN_PAYOUTS
from marketplace.finance.reconciliation.exceptions.kind import ACKNOWLEDGED, ExceptionKind, WriteOff
from marketplace.money.ledger import chart

LATE_AFTER: Final = "5 days"

KINDS: Final = (
    ExceptionKind(
        code="payout_differs",
        sentence=Words("The payout’s transactions do not add up to it."),
        advice=Words("Ask Stripe for the payout’s report: a transaction of it is not ours."),
        sql="""SELECT '' AS detail, payout_id AS subject, payout_id AS reference,
                      '/finance/transactions/' || min(id) FILTER (WHERE category = 'payout') AS path,
                      sum(net_minor)::bigint AS amount_minor, max(created_at) AS at
               FROM balance_transaction WHERE payout_id IS NOT NULL GROUP BY payout_id HAVING sum(net_minor) <> 0""",
    ),
    ExceptionKind(
        code="payout_without_line",
        sentence=Words("Stripe paid this out, and no bank line shows it."),
        advice=Words("Import the bank’s latest statement, then match the line."),
        sql=f"""SELECT '' AS detail, id AS subject, id AS reference, NULL AS path, amount_minor, at
               FROM ({OPEN_PAYOUTS}) AS open WHERE at < $2::timestamptz - interval '{LATE_AFTER}'""",
        write_off=WriteOff(chart.TRANSFERS, credit_sign=-1),
        settled_by="payout",
    ),
    ExceptionKind(
        code="run_undecided",
        sentence=Words("A payout run waits for somebody’s decision."),
        advice=Words("One person looks through it, a second approves it, or either cancels it."),
        sql=f"""SELECT '' AS detail, id::text AS subject, 'PTR' || left(replace(id::text, '-', ''), 8) AS reference,
                      '/finance/payout-runs/' || id AS path, amount_minor, drafted_at AS at
               FROM payout_run WHERE state IN ('draft', 'approved') AND drafted_at < $2::timestamptz - interval '{LATE_AFTER}'""",
        blocks_close=False,
    ),
    ExceptionKind(
        code="run_unanswered",
        sentence=Words("A payout run was sent to the bank, which has not paid all of it yet."),
        advice=Words(
            "Fetch the bank’s report and its statement. A file the bank lost may be sent again: it has the same name and is paid once."
        ),
        sql=f"""SELECT '' AS detail, id::text AS subject, 'PTR' || left(replace(id::text, '-', ''), 8) AS reference,
                      '/finance/payout-runs/' || id AS path, amount_minor, sent_at AS at
               FROM payout_run WHERE state = 'sent' AND sent_at < $2::timestamptz - interval '{LATE_AFTER}'""",
        blocks_close=False,
    ),
    ExceptionKind(
        code="payout_kept",
        sentence=Words("The bank refused a subscriber’s payout but debited it, and has not returned the money."),
        advice=Words(
            "Ask the bank to bring it back, then match the line. If it says that it did pay, two people write it off."
        ),
        sql=f"""SELECT '' AS detail, id AS subject, id AS reference, '/finance/payout-runs/' || run AS path, amount_minor, at
               FROM ({KEPT_BY_BANK}) AS kept WHERE at < $2::timestamptz - interval '{LATE_AFTER}'""",
        write_off=WriteOff(chart.SUBSCRIBERS_IN_TRANSIT, credit_sign=-1),
        settled_by="payout_line",
    ),
    ExceptionKind(
        code="line_unexplained",
        sentence=Words("The bank moved this, and nothing explains it: {detail}"),
        advice=Words("Match it with a candidate, split it, or let two people write it off."),
        sql="""SELECT coalesce(nullif(counterparty, ''), nullif(left(remittance, 80), ''), reference) AS detail, bank_line.id::text AS subject,
                      reference, '/finance/bank/lines/' || bank_line.id AS path, amount_minor,
                      booked_on::timestamp AT TIME ZONE 'Europe/Paris' AS at
               FROM bank_line WHERE NOT EXISTS (SELECT FROM bank_match WHERE line = bank_line.id AND undone_at IS NULL)""",
        write_off=WriteOff(is_match=True),
        settled_by="line",
    ),
    ExceptionKind(
        code="statement_gap",
        sentence=Words("A bank statement is missing before this one: {detail}."),
        advice=Words("Ask the bank for the missing statement and import it."),
        sql=f"""SELECT before_id AS detail, iban || ' ' || statement_id AS subject, statement_id AS reference, '/finance/bank' AS path,
                      missing_minor AS amount_minor, opened_on::timestamp AT TIME ZONE 'Europe/Paris' AS at
               FROM ({GAPS}) AS gap""",
        write_off=ACKNOWLEDGED,
    ),
    ExceptionKind(
        code="notice_without_line",
        sentence=Words("The bank announced this movement, and no statement has it."),
        advice=Words("Import the statement of its day; where it is not there, ask the bank."),
        sql=f"""SELECT '' AS detail, id::text AS subject, reference, '/finance/bank' AS path, amount_minor,
                      booked_on::timestamp AT TIME ZONE 'Europe/Paris' AS at
               FROM ({AWAITED}) AS awaited WHERE booked_on < ($2::timestamptz - interval '{LATE_AFTER}')::date""",
        write_off=ACKNOWLEDGED,
    ),
)
