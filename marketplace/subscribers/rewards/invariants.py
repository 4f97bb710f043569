"""Invariants of rewards: a sentence, and the SQL that names the offenders; the sweep checks them with all others."""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant
from marketplace.money.ledger import chart
from marketplace.subscribers.rewards.queries import SQL

REWARDS: Final = (
    Invariant(
        "what bills, gifts and benefits still owe is what their accounts say, before payments to associations",
        SQL["accounts_unlike_rewards"],
        (chart.BILL_CREDITS, chart.GIFTS, chart.BENEFITS),
    ),
    Invariant(
        "a run of rewards is the sum of its people's, and took it from their balances",
        """SELECT reward_run.id AS run, reward_run.amount_minor, sum(reward.amount_minor) AS rewards_minor,
                  -sum(accrual.payable_micro) AS taken_micro
           FROM reward_run JOIN reward ON reward.run = reward_run.id
           LEFT JOIN accrual ON accrual.run = reward_run.moved_by AND accrual.subscriber = reward.subscriber
           GROUP BY reward_run.id
           HAVING (reward_run.amount_minor, reward_run.people) <> (sum(reward.amount_minor), count(*))
               OR -sum(accrual.payable_micro) IS DISTINCT FROM reward_run.amount_minor * 10000""",
    ),
    Invariant(
        "a reward that billing refused was given back to its person",
        """SELECT reward.id AS reward FROM reward LEFT JOIN reward_answer ON reward_answer.id = reward.answer
           LEFT JOIN accrual ON accrual.run = reward_answer.returned_by AND accrual.subscriber = reward.subscriber
           WHERE reward.state = 'refused' AND coalesce(accrual.payable_micro, 0) < reward.amount_minor * 10000""",
    ),
    Invariant("an association is paid what its month’s gifts are", SQL["payments_unlike_gifts"]),
    Invariant(
        "a gift is to an association that was listed",
        """SELECT subscriber, gift_to FROM payout_choice WHERE gift_to IS NOT NULL
           AND NOT EXISTS (SELECT FROM association WHERE code = gift_to)""",
    ),
)
