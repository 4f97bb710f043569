"""What must always be true of payouts to subscribers: a sentence, and the SQL that names the offenders; swept with all the others."""

from __future__ import annotations

from typing import Final

from marketplace.ledger import chart
from marketplace.statements import Invariant

PAYOUTS: Final = (
    Invariant(
        "a payout run is the sum of its batches, and those of their payouts",
        """SELECT payout_run.id AS run, batch.number FROM payout_run
           LEFT JOIN payout_batch AS batch ON batch.run = payout_run.id
           LEFT JOIN LATERAL (SELECT count(*) AS people, sum(amount_minor) AS amount_minor FROM payout
                              WHERE payout.run = payout_run.id AND payout.batch = batch.number) AS paid ON true
           WHERE (batch.people, batch.amount_minor) IS DISTINCT FROM (paid.people, paid.amount_minor)
           UNION ALL
           SELECT payout_run.id, NULL FROM payout_run
           CROSS JOIN LATERAL (SELECT count(*) AS people, sum(amount_minor) AS amount_minor FROM payout
                               WHERE payout.run = payout_run.id) AS paid
           WHERE (payout_run.people, payout_run.amount_minor) IS DISTINCT FROM (paid.people, paid.amount_minor)""",
    ),
    Invariant(
        "a payout took its whole cents from its subscriber when its run was sent, and gave them back when it failed",
        """SELECT payout.id AS payout, payout.state, payout_run.state AS run_state
           FROM payout JOIN payout_run ON payout_run.id = payout.run
           LEFT JOIN accrual AS taken ON taken.run = payout_run.moved_by AND taken.subscriber = payout.subscriber
           LEFT JOIN accrual AS back ON back.run = payout.put_back_by AND back.subscriber = payout.subscriber
           WHERE taken.payable_micro IS DISTINCT FROM CASE WHEN moved_by IS NOT NULL THEN -payout.amount_minor * 10000 END
              OR back.payable_micro IS DISTINCT FROM CASE WHEN payout.state = 'failed' THEN payout.amount_minor * 10000 END
              OR payout.state IN ('settled', 'failed') AND moved_by IS NULL""",
    ),
    Invariant(
        "a pass that paid out or put back is that of its run or its payouts, and is entered in the books for it",
        """SELECT share_run.id AS pass, kind, share_run.amount_minor, whole.amount_minor AS payouts_minor
           FROM share_run LEFT JOIN LATERAL (
               SELECT sum(amount_minor) AS amount_minor, min(id::text) AS source_id FROM payout_run
               WHERE moved_by = share_run.id AND share_run.kind = 'payout'
               UNION ALL
               SELECT sum(amount_minor), share_run.id::text FROM payout
               WHERE put_back_by = share_run.id AND share_run.kind = 'payout_back'
           ) AS whole ON whole.amount_minor IS NOT NULL
           WHERE share_run.kind IN ('payout', 'payout_back') AND (
               whole.amount_minor IS DISTINCT FROM share_run.amount_minor OR share_run.amount_minor IS DISTINCT FROM (
                   SELECT sum(posting.amount_minor) FROM journal_entry JOIN posting ON posting.entry = journal_entry.id
                   WHERE journal_entry.kind = CASE share_run.kind WHEN 'payout' THEN 'payout_sent' ELSE 'payout_back' END
                     AND journal_entry.source_id = whole.source_id AND (posting.debit, posting.credit) = (
                         CASE share_run.kind WHEN 'payout' THEN $1::text ELSE $2::text END,
                         CASE share_run.kind WHEN 'payout' THEN $2 ELSE $1 END)))""",
        (chart.SUBSCRIBERS_PAYABLE, chart.SUBSCRIBERS_IN_TRANSIT),
    ),
    Invariant(
        "a payout run has ended exactly when none of its payouts is open",
        """SELECT payout_run.id AS run, state FROM payout_run
           WHERE (state IN ('settled', 'failed', 'cancelled')) = EXISTS (
               SELECT FROM payout WHERE payout.run = payout_run.id AND payout.state = 'open')""",
    ),
)
