"""Invariants of shares: a sentence, and the SQL that names the offenders; the sweep checks them with all others."""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant
from marketplace.money.ledger import chart
from marketplace.subscribers.earnings.queries import SQL

OWED: Final = "(shares_micro + rounding_micro) / 10000"
"""What a split owes all subscribers, in cents; the fragment `owed_minor` computes the same."""
SHARES: Final = (
    Invariant(
        "what subscribers are owed, in millionths, is what the books say, in cents",
        SQL["owed_unlike_the_books"],
        (chart.SUBSCRIBERS_HELD, chart.SUBSCRIBERS_PAYABLE),
    ),
    Invariant(
        "a run's accruals add up to its amount",
        """SELECT share_run.id AS run, kind, amount_minor, sum(payable_micro) AS payable_micro
           FROM share_run LEFT JOIN accrual ON accrual.run = share_run.id
           WHERE NOT EXISTS (SELECT FROM share_close WHERE share_close.run = share_run.id)
           GROUP BY share_run.id HAVING coalesce(sum(payable_micro), 0) <>
               CASE WHEN kind IN ('payout_back', 'reward_back') THEN 1
                    WHEN kind IN ('payout', 'reward') THEN -1 ELSE 0 END
                   * amount_minor * 10000::numeric""",
    ),
    Invariant(
        "a close has a row for each person that it says, and they add up to what it says",
        """SELECT month, people, count(subscriber) AS rows, shares_micro, sum(payable_micro) AS rows_micro
           FROM share_close LEFT JOIN closed_share ON closed_share.close = share_close.id
           WHERE run IS NOT NULL GROUP BY share_close.id
           HAVING (count(subscriber), coalesce(sum(payable_micro), 0)) <> (people, shares_micro)""",
    ),
    Invariant(
        "what a close released is its shares, and its rounding is returned to the operator or carried",
        """SELECT this.month, released.amount_minor, this.shares_micro, this.returned_minor, this.carry_micro
           FROM share_close AS this JOIN share_run AS released ON released.id = this.run
           LEFT JOIN share_close AS before ON before.month = this.month - interval '1 month'
           LEFT JOIN journal_entry AS entry ON entry.kind = 'rounding_returned' AND source_id = to_char(this.month, 'YYYY-MM')
           LEFT JOIN posting ON posting.entry = entry.id AND (debit, credit) = ($1::text, $2::text)
           WHERE released.amount_minor * 10000 + coalesce(before.carry_micro, 0)
                     <> this.shares_micro + this.returned_minor * 10000 + this.carry_micro
              OR coalesce(posting.amount_minor, 0) <> this.returned_minor""",
        (chart.SUBSCRIBERS_PAYABLE, chart.OPERATOR_PAYABLE),
    ),
    Invariant(
        "what a close was given ends with it",
        """SELECT licence_split.licence, licence_split.state, share_close.month
           FROM licence_split JOIN share_close ON share_close.id = licence_split.close
           WHERE licence_split.ended_by IS DISTINCT FROM share_close.run""",
    ),
    Invariant(
        "a run's amount is that of the splits it held or ended",
        SQL["runs_unlike_their_splits"],
    ),
    Invariant(
        "a split is entered in the books for what it says, and ended there as it ended",
        SQL["splits_unlike_their_entries"],
        (chart.SUBSCRIBERS_HELD, chart.OPERATOR_PAYABLE, chart.SUBSCRIBERS_PAYABLE),
    ),
    Invariant(
        "an entry of shares has its split",
        SQL["entries_without_split"],
    ),
    Invariant(
        "what subscribers keep though the money went back is the operator's loss, in proportion",
        f"""SELECT split.licence, split.loss_minor, owed.minor AS owed_minor, books.loss_minor AS entered_minor
            FROM licence_split AS split JOIN licence ON licence.id = split.licence
            CROSS JOIN LATERAL (SELECT licence.net_minor, {OWED} AS owed_minor) AS sold
            CROSS JOIN LATERAL (SELECT top_up_platform_minor + least(pool_minor,
                sold.owed_minor - top_up_operator_minor - top_up_platform_minor) AS subscribers_minor) AS paid
            CROSS JOIN LATERAL (SELECT subscribers_minor * split.loss_minor / sold.net_minor
                + (sold.owed_minor - subscribers_minor) * split.loss_minor / sold.net_minor AS minor
                WHERE sold.net_minor > 0) AS owed
            CROSS JOIN LATERAL (SELECT coalesce(sum(amount_minor), 0) AS loss_minor
                FROM journal_entry JOIN posting ON posting.entry = journal_entry.id WHERE kind = 'shares_lost'
                AND split_part(source_id, '/', 1) = split.licence::text AND debit = $1::text) AS books
            WHERE owed.minor <> books.loss_minor""",
        (chart.LOSSES,),
    ),
    Invariant(
        "a split divides what its licence earned over the weight of its release",
        """SELECT licence_split.licence, licence.net_minor, fee_minor, distributable_minor,
                  licence_split.total_weight, release.total_weight AS release_weight
           FROM licence_split
           JOIN licence ON licence.id = licence_split.licence JOIN release ON release.id = licence.release
           WHERE distributable_minor <> licence.net_minor - fee_minor
              OR licence_split.total_weight <> release.total_weight""",
    ),
    Invariant(
        "a pool is divided by no fewer people than its release publishes",
        """SELECT licence_split.licence, denominator, release.published_people
           FROM licence_split
           JOIN licence ON licence.id = licence_split.licence JOIN release ON release.id = licence.release
           WHERE denominator < release.published_people""",
    ),
    Invariant(
        "a licence honours no other terms than those in force when its price was signed",
        """SELECT licence_split.licence, licence_split.terms, held.terms AS in_force
           FROM licence_split JOIN licence ON licence.id = licence_split.licence
           JOIN quote ON quote.id = licence.quote
           JOIN release ON release.id = licence.release
           CROSS JOIN LATERAL (
               SELECT coalesce(array_agg(id ORDER BY id), '{}') AS terms FROM contributor_term
               WHERE contributor_term.dataset = release.dataset AND starts_at <= quoted_at AND quoted_at < ends_at
           ) AS held
           WHERE NOT licence_split.terms <@ held.terms""",
    ),
    Invariant(
        "no subscriber is owed less than nothing",
        """SELECT paid.subscriber, left_micro
           FROM (SELECT DISTINCT subscriber FROM accrual WHERE payable_micro < 0) AS paid
           CROSS JOIN LATERAL (SELECT sum(payable_micro) AS left_micro FROM payable_movements() AS moved
                               WHERE moved.subscriber = paid.subscriber) AS balance
           WHERE left_micro < 0""",
    ),
)
