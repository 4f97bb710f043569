"""What must always be true of shares: a sentence, and the SQL that names the offenders; swept with all the others."""

from __future__ import annotations

from typing import Final

from marketplace.earnings.queries import SQL
from marketplace.ledger import chart
from marketplace.statements import Invariant

SHARES: Final = (
    Invariant(
        "what subscribers are owed, in millionths, is what the books say, in cents",
        """SELECT side.account, side.micro, books.minor FROM (
               SELECT $1::text AS account, coalesce(sum(held_micro), 0) AS micro FROM accrual
               UNION ALL SELECT $2::text, coalesce(sum(payable_micro), 0) FROM accrual
           ) AS side CROSS JOIN LATERAL (
               SELECT coalesce(sum(CASE side.account WHEN credit THEN amount_minor ELSE -amount_minor END), 0) AS minor
               FROM posting WHERE side.account IN (debit, credit)
           ) AS books WHERE side.micro <> books.minor * 10000""",
        (chart.SUBSCRIBERS_HELD, chart.SUBSCRIBERS_PAYABLE),
    ),
    Invariant(
        "a run's accruals add up to its amount",
        """SELECT share_run.id AS run, kind, amount_minor,
                  sum(held_micro) AS held_micro, sum(payable_micro) AS payable_micro
           FROM share_run LEFT JOIN accrual ON accrual.run = share_run.id
           GROUP BY share_run.id HAVING (coalesce(sum(held_micro), 0), coalesce(sum(payable_micro), 0)) <> (
               CASE kind WHEN 'hold' THEN 1 WHEN 'release' THEN -1 WHEN 'cancel' THEN -1 ELSE 0 END * amount_minor * 10000::numeric,
               CASE kind WHEN 'release' THEN 1 WHEN 'payout_back' THEN 1 WHEN 'payout' THEN -1 ELSE 0 END
                   * amount_minor * 10000::numeric)""",
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
        """SELECT split.licence, split.loss_minor, owed.minor AS owed_minor, books.loss_minor AS entered_minor
           FROM licence_split AS split JOIN licence ON licence.id = split.licence
           CROSS JOIN LATERAL (SELECT (pool_minor + top_up_platform_minor) * split.loss_minor
                                        / (licence.net_minor - split.returned_minor)
                                    + top_up_operator_minor * split.loss_minor / (licence.net_minor - split.returned_minor)
                                    AS minor) AS owed
           CROSS JOIN LATERAL (SELECT coalesce(sum(amount_minor), 0) AS loss_minor
                               FROM journal_entry JOIN posting ON posting.entry = journal_entry.id
                               WHERE kind = 'shares_lost' AND split_part(source_id, '/', 1) = split.licence::text
                                 AND debit = $1::text) AS books
           WHERE licence.net_minor > split.returned_minor AND owed.minor <> books.loss_minor""",
        (chart.LOSSES,),
    ),
    Invariant(
        "a split divides what its licence earned over the weight of its release",
        """SELECT licence_split.licence, licence.net_minor, fee_minor, distributable_minor,
                  licence_split.total_weight, release.total_weight AS release_weight
           FROM licence_split
           JOIN licence ON licence.id = licence_split.licence JOIN release ON release.id = licence.release
           WHERE distributable_minor <> greatest(licence.net_minor - licence_split.returned_minor - fee_minor, 0)
              OR licence_split.total_weight <> release.total_weight""",
    ),
    Invariant(
        "a licence honours no other terms than those in force when its price was signed",
        """SELECT licence_split.licence, licence_split.terms, held.terms AS in_force
           FROM licence_split JOIN licence ON licence.id = licence_split.licence
           JOIN purchase_order ON purchase_order.id = licence.purchase_order JOIN quote ON quote.id = purchase_order.quote
           JOIN release ON release.id = licence.release
           CROSS JOIN LATERAL (
               SELECT coalesce(array_agg(id ORDER BY id), '{}') AS terms FROM contributor_term
               WHERE contributor_term.dataset = release.dataset AND starts_at <= quoted_at AND quoted_at < ends_at
           ) AS held
           WHERE NOT licence_split.terms <@ held.terms""",
    ),
    Invariant(
        "no subscriber is owed less than nothing",
        """SELECT subscriber, sum(held_micro) AS held_micro, sum(payable_micro) AS payable_micro
           FROM accrual GROUP BY subscriber HAVING sum(held_micro) < 0 OR sum(payable_micro) < 0""",
    ),
)
