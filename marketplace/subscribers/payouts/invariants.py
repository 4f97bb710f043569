"""Invariants of payouts to subscribers: a sentence, and the SQL that names the offenders.

The sweep checks them with all others.
"""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant
from marketplace.money.ledger import chart
from marketplace.subscribers.payouts.queries import SQL

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
           LEFT JOIN accrual AS paid ON paid.run = payout_run.moved_by AND paid.subscriber = payout.subscriber
           LEFT JOIN accrual AS recredit ON recredit.run = payout.recredited_by AND recredit.subscriber = payout.subscriber
           WHERE paid.payable_micro IS DISTINCT FROM CASE WHEN moved_by IS NOT NULL THEN -payout.amount_minor * 10000 END
              OR recredit.payable_micro IS DISTINCT FROM CASE WHEN payout.state = 'failed' THEN payout.amount_minor * 10000 END
              OR payout.state IN ('settled', 'failed') AND moved_by IS NULL""",
    ),
    Invariant(
        "a pass that paid out or put back is that of its run or its payouts, and is entered in the books for it",
        SQL["runs_unlike_their_payouts"],
        (chart.SUBSCRIBERS_PAYABLE, chart.SUBSCRIBERS_IN_TRANSIT),
    ),
    Invariant(
        "what is kept of a run's payouts that ended or were checked is their sum",
        """SELECT run, what, kept.people, kept.amount_minor, counted.people AS counted FROM payout_sum AS kept FULL JOIN (
               SELECT run, state AS what, count(*) AS people, sum(amount_minor) AS amount_minor
               FROM payout WHERE state <> 'open' GROUP BY run, state
               UNION ALL
               SELECT run, concat_ws('/', outcome, decision), count(*), sum(amount_minor)
               FROM payee_check JOIN payout ON payout.id = payee_check.payout GROUP BY 1, 2
           ) AS counted USING (run, what)
           WHERE (coalesce(kept.people, 0), coalesce(kept.amount_minor, 0))
               <> (coalesce(counted.people, 0), coalesce(counted.amount_minor, 0))""",
    ),
    Invariant(
        "a payout run has ended exactly when none of its payouts is open",
        """SELECT payout_run.id AS run, state FROM payout_run
           WHERE (state IN ('settled', 'failed', 'cancelled')) = EXISTS (
               SELECT FROM payout WHERE payout.run = payout_run.id AND payout.state = 'open')""",
    ),
)
