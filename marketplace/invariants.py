"""What must always be true: a sentence, and the SQL that names who breaks it. A job and every database test sweep it.

Each lives here only because no type, CHECK, key or trigger can hold it. What is merely on its way breaks nothing: a
payment not yet settled, a charge not yet mirrored, a refund not yet recorded are finance's to watch, not offences.
"""

from __future__ import annotations

from marketplace.auctions.invariants import AUCTIONS
from marketplace.database import fetch
from marketplace.datasets.invariants import RELEASES

INVARIANTS: dict[str, str] = {**AUCTIONS, **RELEASES}
EVERY_SPLIT = """(
    SELECT licence, generation, state, returned_minor, held_by, ended_by,
           pool_minor + top_up_operator_minor + top_up_platform_minor AS owed_minor,
           operator_minor - top_up_operator_minor AS operators_minor FROM licence_split
    UNION ALL
    SELECT licence, generation, 'cancelled', returned_minor, held_by, ended_by,
           pool_minor + top_up_operator_minor + top_up_platform_minor, operator_minor - top_up_operator_minor FROM former_split
)"""
"""SQL: the splits that stand and those that made room for another."""
NAMED = "licence::text || CASE generation WHEN 0 THEN '' ELSE '/' || generation END"
"""SQL: how the books name a split."""


def _always(sentence: str, sql: str) -> None:
    INVARIANTS[sentence] = sql


# ------------------------------------------------------------------ the books
_always(
    "a journal entry moves something",
    """SELECT id AS entry, kind, source_id FROM journal_entry
       WHERE NOT EXISTS (SELECT FROM posting WHERE posting.entry = journal_entry.id)""",
)
_always(
    "what the last closed month ended with is what its postings and those before add up to",
    """SELECT month, account FROM period_balance AS kept JOIN period USING (month) CROSS JOIN LATERAL (
           SELECT coalesce(sum(amount_minor) FILTER (WHERE debit = account), 0) AS debit_minor,
                  coalesce(sum(amount_minor) FILTER (WHERE credit = account), 0) AS credit_minor
           FROM posting JOIN journal_entry ON journal_entry.id = posting.entry
           WHERE account IN (debit, credit) AND at < ends_at) AS books
       WHERE month = (SELECT max(month) FROM period_balance)
         AND (books.debit_minor, books.credit_minor) <> (kept.debit_minor, kept.credit_minor)""",
)
_always(
    "a sale is entered for what its order says",
    """SELECT purchase_order.id AS "order", journal_entry.id AS entry
       FROM journal_entry JOIN purchase_order ON purchase_order.id::text = journal_entry.source_id
       WHERE journal_entry.kind = 'sale' AND (net_minor, vat_minor, 0) <> (
           SELECT coalesce(sum(amount_minor) FILTER (WHERE (debit, credit) = ('411000', '706000')), 0)::bigint,
                  coalesce(sum(amount_minor) FILTER (WHERE (debit, credit) = ('411000', '445710')), 0)::bigint,
                  count(*) FILTER (WHERE (debit, credit) NOT IN (('411000', '706000'), ('411000', '445710')))
           FROM posting WHERE posting.entry = journal_entry.id)""",
)
_always(
    "what went back is entered for what it says, a refund against the partner, a lost dispute against disputes",
    """SELECT order_return.id AS back, entry.id AS entry, entry.kind
       FROM order_return FULL JOIN (SELECT * FROM journal_entry WHERE kind IN ('refund', 'dispute_lost')) AS entry
         ON entry.source_id = order_return.id::text
        AND entry.kind = CASE order_return.kind WHEN 'dispute' THEN 'dispute_lost' ELSE 'refund' END
       LEFT JOIN LATERAL (
           SELECT coalesce(sum(amount_minor) FILTER (WHERE debit = '706000' AND credit = against), 0) AS net_minor,
                  coalesce(sum(amount_minor) FILTER (WHERE debit = '445710' AND credit = against), 0) AS vat_minor,
                  count(*) FILTER (WHERE credit <> against OR debit NOT IN ('706000', '445710')) AS others
           FROM posting CROSS JOIN (SELECT CASE entry.kind WHEN 'refund' THEN '411000' ELSE '416000' END AS against) AS side
           WHERE posting.entry = entry.id
       ) AS books ON true
       WHERE entry.id IS NULL OR order_return.id IS NULL OR books.others > 0
          OR (books.net_minor, books.vat_minor) <> (order_return.net_minor, order_return.vat_minor)""",
)
_always(
    "Stripe's balance transactions and the entries that post them move the same",
    """SELECT posted.source_id AS transaction, movement.net_minor, posted.net_minor AS posted_minor
       FROM balance_transaction AS movement FULL JOIN (
           SELECT journal_entry.kind, journal_entry.source_id, coalesce(sum(
               CASE '517000' WHEN debit THEN amount_minor WHEN credit THEN -amount_minor ELSE 0 END), 0) AS net_minor
           FROM journal_entry LEFT JOIN posting ON posting.entry = journal_entry.id
           WHERE starts_with(kind, 'stripe_') GROUP BY journal_entry.id
       ) AS posted ON posted.source_id = movement.id AND posted.kind = 'stripe_' || movement.category
       WHERE posted.source_id IS NOT NULL AND posted.net_minor IS DISTINCT FROM movement.net_minor""",
)
_always(
    "nothing moves Stripe's account but its balance transactions",
    """SELECT journal_entry.id AS entry, kind, source_id FROM posting
       JOIN journal_entry ON journal_entry.id = posting.entry
       WHERE '517000' IN (debit, credit) AND NOT starts_with(kind, 'stripe_')""",
)

# ------------------------------------------------------------------ sales
_always(
    "a paid order has its payment, sale entry, licence and entitlement",
    """SELECT purchase_order.id AS "order", purchase_order.state, payment.state AS payment, licence.id AS licence,
              entitlement.id AS entitlement, sale.id AS sale
       FROM purchase_order
       LEFT JOIN payment ON payment.subject = purchase_order.id
       LEFT JOIN licence ON licence.purchase_order = purchase_order.id
       LEFT JOIN entitlement ON entitlement.licence = licence.id
       LEFT JOIN journal_entry AS sale ON sale.kind = 'sale' AND sale.source_id = purchase_order.id::text
       WHERE purchase_order.state IN ('paid', 'refunded', 'charged_back')
         AND (payment.state IS DISTINCT FROM 'paid' AND payment.state IS DISTINCT FROM 'refunded'
              OR licence.id IS NULL OR entitlement.id IS NULL OR sale.id IS NULL)""",
)
_always(
    "an order that is not paid has no licence and no sale entry",
    """SELECT purchase_order.id AS "order", purchase_order.state FROM purchase_order
       WHERE state NOT IN ('paid', 'refunded', 'charged_back')
         AND (EXISTS (SELECT FROM licence WHERE licence.purchase_order = purchase_order.id)
              OR EXISTS (SELECT FROM journal_entry WHERE kind = 'sale' AND source_id = purchase_order.id::text))""",
)
_always(
    "a payment is over what its order owes",
    """SELECT purchase_order.id AS "order", total_minor, payment.amount_minor AS payment_minor
       FROM purchase_order JOIN payment ON payment.subject = purchase_order.id
       WHERE (payment.amount_minor, payment.currency) <> (total_minor, purchase_order.currency)""",
)
_always(
    "an order buys its own quote",
    """SELECT purchase_order.id AS "order", quote.id AS quote
       FROM purchase_order JOIN quote ON quote.id = purchase_order.quote
       WHERE (purchase_order.partner, purchase_order.release, net_minor, purchase_order.currency)
             <> (quote.partner, quote.release, quote.amount_minor, quote.currency)""",
)
_always(
    "a licence and its entitlement are those of their order",
    """SELECT licence.id AS licence, purchase_order.id AS "order"
       FROM licence JOIN purchase_order ON purchase_order.id = licence.purchase_order
       LEFT JOIN entitlement ON entitlement.licence = licence.id
       WHERE (licence.release, licence.net_minor, licence.currency)
             <> (purchase_order.release, purchase_order.net_minor, purchase_order.currency)
          OR (entitlement.partner, entitlement.release) <> (purchase_order.partner, purchase_order.release)""",
)
_always(
    "an order says what went back of it, and its licence what of that was before VAT",
    """SELECT purchase_order.id AS "order", purchase_order.state, returned_minor, charged_back_minor, back.*
       FROM purchase_order LEFT JOIN LATERAL (
           SELECT coalesce(sum(total_minor) FILTER (WHERE kind = 'refund'), 0) AS refunds_minor,
                  coalesce(sum(total_minor) FILTER (WHERE kind <> 'refund'), 0) AS disputes_minor,
                  coalesce(sum(net_minor), 0) AS back_net_minor
           FROM order_return WHERE order_return.purchase_order = purchase_order.id) AS back ON true
       WHERE (returned_minor, charged_back_minor) <> (refunds_minor, disputes_minor) OR back_net_minor <> coalesce(
           (SELECT returned_minor FROM licence WHERE licence.purchase_order = purchase_order.id), 0)""",
)
_always(
    "an order whose money is gone has its licence cancelled and its entitlement revoked; refunded, its payment is",
    """SELECT purchase_order.id AS "order", purchase_order.state, payment.state AS payment, licence.cancelled_at,
              entitlement.revoked_at
       FROM purchase_order
       LEFT JOIN payment ON payment.subject = purchase_order.id
       LEFT JOIN licence ON licence.purchase_order = purchase_order.id
       LEFT JOIN entitlement ON entitlement.licence = licence.id
       WHERE purchase_order.state IN ('refunded', 'charged_back')
             AND (licence.cancelled_at IS NULL OR entitlement.revoked_at IS NULL)
          OR purchase_order.state = 'refunded' AND payment.state IS DISTINCT FROM 'refunded'""",
)
_always(
    "a licence is cancelled with its entitlement, and only where money goes back",
    """SELECT licence.id AS licence, licence.cancelled_at, entitlement.revoked_at
       FROM licence LEFT JOIN entitlement ON entitlement.licence = licence.id
       JOIN purchase_order ON purchase_order.id = licence.purchase_order
       WHERE licence.cancelled_at IS NOT NULL AND entitlement.revoked_at IS NULL AND entitlement.id IS NOT NULL
          OR licence.cancelled_at IS NULL AND entitlement.revoked_at IS NOT NULL AND charged_back_minor = 0
          OR licence.cancelled_at IS NOT NULL AND purchase_order.state NOT IN ('refunded', 'charged_back')
             AND NOT EXISTS (SELECT FROM stripe_command WHERE subject = licence.purchase_order AND verb = 'refund')""",
)
_always(
    "an entitlement is suspended by a dispute, and never while it is revoked",
    """SELECT entitlement.id AS entitlement, suspended_at, revoked_at
       FROM entitlement JOIN licence ON licence.id = entitlement.licence
       WHERE suspended_at IS NOT NULL AND (revoked_at IS NOT NULL OR NOT EXISTS (
           SELECT FROM dispute WHERE payment_subject = licence.purchase_order))""",
)
_always(
    "no more is given back than was taken",
    """SELECT subject, state, received_minor, refunded_minor FROM payment
       WHERE refunded_minor > received_minor AND received_minor > 0""",
)
_always(
    "only sealed releases are licensed",
    """SELECT licence.id AS licence, release.id AS release, release.state
       FROM licence JOIN release ON release.id = licence.release WHERE release.state <> 'sealed'""",
)
_always(
    "nobody downloads outside their entitlement",
    """SELECT download.id AS download, entitlement.id AS entitlement, at
       FROM download JOIN entitlement ON entitlement.id = download.entitlement
       WHERE at < starts_at OR at >= ends_at OR at > revoked_at""",
)

# ------------------------------------------------------------------ papers
_always(
    "an entry that moves revenue has its invoice or credit note, for what it moves",
    """SELECT entry.id AS entry, entry.kind, source_id, invoice.number, sold_minor, taxed_minor, invoice.net_minor, invoice.vat_minor
       FROM journal_entry AS entry
       LEFT JOIN (SELECT entry, sum(CASE '706000' WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END) AS sold_minor,
                    sum(CASE '445710' WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END) AS taxed_minor
             FROM posting GROUP BY entry) AS moved ON moved.entry = entry.id
       LEFT JOIN invoice ON invoice.entry = entry.id
       WHERE (sold_minor, taxed_minor) <> (0, 0) AND invoice.id IS NULL
             AND entry.source_id ~ '^[0-9a-f-]{36}$'
          OR invoice.id IS NOT NULL AND (coalesce(sold_minor, 0), coalesce(taxed_minor, 0)) <> (
              CASE invoice.kind WHEN 'invoice' THEN 1 ELSE -1 END * net_minor,
              CASE invoice.kind WHEN 'invoice' THEN 1 ELSE -1 END * vat_minor)""",
)
_always(
    "the numbers of invoices and credit notes leave no gap and rise with time",
    """SELECT series, count(*), max(position) AS highest, number_series.last, bool_and(rises) AS rises
       FROM (SELECT series, position,
                    issued_at >= lag(issued_at, 1, issued_at) OVER (PARTITION BY series ORDER BY position) AS rises
             FROM invoice) AS numbered
       LEFT JOIN number_series ON number_series.code = series
       GROUP BY series, number_series.last
       HAVING count(*) <> max(position) OR max(position) IS DISTINCT FROM number_series.last OR NOT bool_and(rises)""",
)
_always(
    "a credit note corrects its own order's invoice, and together they give back no more than it asked",
    """SELECT note.corrects, min(note.number) AS first, sum(note.total_minor) AS back_minor, min(sale.total_minor) AS sold_minor
       FROM invoice AS note JOIN invoice AS sale ON sale.number = note.corrects
       WHERE note.kind = 'credit_note' GROUP BY note.corrects
       HAVING sum(note.total_minor) > min(sale.total_minor)
           OR bool_or(note.purchase_order <> sale.purchase_order OR sale.kind <> 'invoice')""",
)

# ------------------------------------------------------------------ shares
_always(
    "what subscribers are owed, in millionths, is what the books say, in cents",
    """SELECT side.account, side.micro, books.minor FROM (
           SELECT '467100' AS account, coalesce(sum(held_micro), 0) AS micro FROM accrual
           UNION ALL SELECT '467200', coalesce(sum(payable_micro), 0) FROM accrual
       ) AS side CROSS JOIN LATERAL (
           SELECT coalesce(sum(CASE side.account WHEN credit THEN amount_minor ELSE -amount_minor END), 0) AS minor
           FROM posting WHERE side.account IN (debit, credit)
       ) AS books WHERE side.micro <> books.minor * 10000""",
)
_always(
    "a run's accruals add up to its amount",
    """SELECT share_run.id AS run, kind, amount_minor,
              sum(held_micro) AS held_micro, sum(payable_micro) AS payable_micro
       FROM share_run LEFT JOIN accrual ON accrual.run = share_run.id
       GROUP BY share_run.id HAVING (coalesce(sum(held_micro), 0), coalesce(sum(payable_micro), 0)) <> (
           CASE kind WHEN 'hold' THEN 1 WHEN 'release' THEN -1 WHEN 'cancel' THEN -1 ELSE 0 END * amount_minor * 10000::numeric,
           CASE kind WHEN 'release' THEN 1 WHEN 'payout_back' THEN 1 WHEN 'payout' THEN -1 ELSE 0 END
               * amount_minor * 10000::numeric)""",
)
_always(
    "a run's amount is that of the splits it held or ended",
    f"""SELECT share_run.id AS run, share_run.kind, amount_minor, coalesce(sum(owed_minor), 0) AS splits_minor
       FROM share_run LEFT JOIN {EVERY_SPLIT} AS split
         ON CASE share_run.kind WHEN 'hold' THEN held_by ELSE ended_by END = share_run.id
       WHERE share_run.kind IN ('hold', 'release', 'cancel')
       GROUP BY share_run.id HAVING coalesce(sum(owed_minor), 0) <> amount_minor""",
)
_always(
    "a split is entered in the books for what it says, and ended there as it ended",
    f"""SELECT licence_split.licence, licence_split.state, held.owed_minor AS entered_minor, licence_split.owed_minor
       FROM {EVERY_SPLIT} AS licence_split
       LEFT JOIN LATERAL (
           SELECT coalesce(sum(amount_minor) FILTER (WHERE credit = '467100'), 0) AS owed_minor,
                  coalesce(sum(amount_minor) FILTER (WHERE credit = '467300'), 0) AS operators_minor
           FROM journal_entry JOIN posting ON posting.entry = journal_entry.id
           WHERE kind = 'shares_held' AND source_id = {NAMED}
       ) AS held ON true
       LEFT JOIN LATERAL (
           SELECT coalesce(sum(amount_minor) FILTER (
                      WHERE kind = 'shares_released' AND credit = '467200'), 0) AS released,
                  coalesce(sum(amount_minor) FILTER (
                      WHERE kind = 'shares_cancelled' AND debit = '467100'), 0) AS cancelled
           FROM journal_entry JOIN posting ON posting.entry = journal_entry.id
           WHERE kind IN ('shares_released', 'shares_cancelled') AND source_id = {NAMED}
       ) AS ended ON true
       WHERE (held.owed_minor, held.operators_minor) <> (licence_split.owed_minor, licence_split.operators_minor)
          OR ended.released <> CASE state WHEN 'released' THEN licence_split.owed_minor ELSE 0 END
          OR ended.cancelled <> CASE state WHEN 'cancelled' THEN licence_split.owed_minor ELSE 0 END""",
)
_always(
    "an entry of shares has its split",
    f"""SELECT id AS entry, kind, source_id FROM journal_entry
       WHERE starts_with(kind, 'shares_') AND kind <> 'shares_lost'
             AND NOT EXISTS (SELECT FROM {EVERY_SPLIT} AS split WHERE source_id = {NAMED})
          OR kind = 'shares_lost' AND NOT EXISTS (
             SELECT FROM licence_split WHERE state = 'released' AND licence::text = split_part(source_id, '/', 1))""",
)
_always(
    "what subscribers keep though the money went back is the operator's loss, in proportion",
    """SELECT split.licence, split.lost_minor, owed.minor AS owed_minor, books.lost_minor AS entered_minor
       FROM licence_split AS split JOIN licence ON licence.id = split.licence
       CROSS JOIN LATERAL (SELECT (pool_minor + top_up_platform_minor) * split.lost_minor
                                    / (licence.net_minor - split.returned_minor)
                                + top_up_operator_minor * split.lost_minor / (licence.net_minor - split.returned_minor)
                                AS minor) AS owed
       CROSS JOIN LATERAL (SELECT coalesce(sum(amount_minor), 0) AS lost_minor
                           FROM journal_entry JOIN posting ON posting.entry = journal_entry.id
                           WHERE kind = 'shares_lost' AND split_part(source_id, '/', 1) = split.licence::text
                             AND debit = '654000') AS books
       WHERE licence.net_minor > split.returned_minor AND owed.minor <> books.lost_minor""",
)
_always(
    "a split divides what its licence earned over the weight of its release",
    """SELECT licence_split.licence, licence.net_minor, fee_minor, distributable_minor,
              licence_split.total_weight, release.total_weight AS release_weight
       FROM licence_split
       JOIN licence ON licence.id = licence_split.licence JOIN release ON release.id = licence.release
       WHERE distributable_minor <> greatest(licence.net_minor - licence_split.returned_minor - fee_minor, 0)
          OR licence_split.total_weight <> release.total_weight""",
)
_always(
    "what a term promises in all covers its promises, each to a line that there is",
    """SELECT contributor_term.id AS term, promised_minor, sum(minimum_micro) AS promises_micro
       FROM contributor_term JOIN contributor_promise ON contributor_promise.term = contributor_term.id
       LEFT JOIN subscriber ON subscriber.reference = contributor_promise.subscriber
       GROUP BY contributor_term.id
       HAVING sum(minimum_micro) > promised_minor * 10000::numeric OR count(*) <> count(subscriber.reference)""",
)
_always(
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
)
_always(
    "no subscriber is owed less than nothing",
    """SELECT subscriber, sum(held_micro) AS held_micro, sum(payable_micro) AS payable_micro
       FROM accrual GROUP BY subscriber HAVING sum(held_micro) < 0 OR sum(payable_micro) < 0""",
)

# ------------------------------------------------------------------ the bank, periods, corrections
_always(
    "a reversal moves back exactly what it takes back",
    """SELECT back.id AS entry, back.reverses FROM journal_entry AS back
       WHERE (kind = 'reversal') <> (reverses IS NOT NULL) OR EXISTS (
           (SELECT debit, credit, amount_minor, count(*) FROM posting WHERE entry = back.reverses GROUP BY 1, 2, 3
            EXCEPT SELECT credit, debit, amount_minor, count(*) FROM posting WHERE entry = back.id GROUP BY 1, 2, 3)
           UNION ALL
           (SELECT credit, debit, amount_minor, count(*) FROM posting WHERE entry = back.id AND back.reverses IS NOT NULL
            GROUP BY 1, 2, 3
            EXCEPT SELECT debit, credit, amount_minor, count(*) FROM posting WHERE entry = back.reverses GROUP BY 1, 2, 3))""",
)
_always(
    "a statement's lines make its closing balance",
    """SELECT bank_statement.id AS statement, opening_minor, closing_minor, line_count FROM bank_statement
       LEFT JOIN bank_line ON bank_line.statement = bank_statement.id GROUP BY bank_statement.id
       HAVING opening_minor + coalesce(sum(amount_minor), 0) <> closing_minor OR count(bank_line.id) <> line_count
           OR count(*) FILTER (WHERE bank_line.iban <> bank_statement.iban) > 0""",
)
_always(
    "each bank line is entered for its amount, and nothing else moves the bank's account but its opening",
    """SELECT coalesce(line, source_id) AS line, kind, amount_minor, moved_minor FROM (
           SELECT id::text AS line, amount_minor FROM bank_line
       ) AS told FULL JOIN (
           SELECT journal_entry.id, kind, source_id, sum(CASE '512100' WHEN debit THEN amount_minor ELSE -amount_minor END) AS moved_minor
           FROM journal_entry JOIN posting ON posting.entry = journal_entry.id
           WHERE '512100' IN (debit, credit) GROUP BY journal_entry.id
       ) AS moved ON kind = 'bank_line' AND source_id = line
       WHERE amount_minor IS DISTINCT FROM moved_minor AND (kind IS NULL OR kind NOT IN ('bank_opening', 'reversal'))""",
)
_always(
    "what explains a bank line adds up to it",
    """SELECT bank_line.id AS line, bank_line.amount_minor FROM bank_line
       JOIN bank_match ON bank_match.line = bank_line.id AND undone_at IS NULL
       GROUP BY bank_line.id HAVING sum(bank_match.amount_minor) <> bank_line.amount_minor""",
)
_always(
    "a match is entered for its amount, and taken back exactly when it is undone",
    """SELECT bank_match.id AS match, bank_match.amount_minor, entered.amount_minor AS entered_minor, undone_at, entered.back
       FROM bank_match LEFT JOIN LATERAL (
           SELECT CASE WHEN debit = '471000' AND credit = account THEN posting.amount_minor
                       WHEN credit = '471000' AND debit = account THEN -posting.amount_minor END AS amount_minor,
                  (SELECT id FROM journal_entry AS back WHERE back.reverses = journal_entry.id) AS back
           FROM journal_entry JOIN posting ON posting.entry = journal_entry.id
           WHERE kind = 'bank_match' AND source_id = bank_match.id::text
       ) AS entered ON true
       WHERE bank_match.amount_minor IS DISTINCT FROM entered.amount_minor OR (undone_at IS NULL) <> (entered.back IS NULL)""",
)
_always(
    "the suspense account holds the bank lines that nothing explains",
    """SELECT books.minor, open.minor AS open_minor FROM (
           SELECT coalesce(sum(CASE '471000' WHEN credit THEN amount_minor ELSE -amount_minor END), 0) AS minor
           FROM posting WHERE '471000' IN (debit, credit)
       ) AS books, (
           SELECT coalesce(sum(amount_minor), 0) AS minor FROM bank_line
           WHERE NOT EXISTS (SELECT FROM bank_match WHERE line = bank_line.id AND undone_at IS NULL)
       ) AS open WHERE books.minor <> open.minor""",
)
_always(
    "a write-off is entered for what two people agreed to",
    """SELECT journal_entry.id AS entry, source_id FROM journal_entry WHERE kind = 'write_off' AND NOT EXISTS (
           SELECT FROM write_off WHERE id::text = source_id AND approved AND decided_by <> proposed_by AND abs(amount_minor) = (
               SELECT sum(posting.amount_minor) FROM posting WHERE posting.entry = journal_entry.id))""",
)
_always(
    "nothing was entered in a month after it closed, and months closed one after the other",
    """SELECT journal_entry.id::text AS entry, period.month FROM period JOIN journal_entry
           ON journal_entry.at >= period.starts_at AND journal_entry.at < period.ends_at AND recorded_at > closed_at
       UNION ALL
       SELECT NULL, month FROM (SELECT month, starts_at, lag(ends_at) OVER (ORDER BY month) AS before FROM period) AS told
       WHERE before <> starts_at""",
)

# ------------------------------------------------------------------ payouts
_always(
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
)
_always(
    "a payout took its whole cents from its subscriber when its run was sent, and gave them back when it failed",
    """SELECT payout.id AS payout, payout.state, payout_run.state AS run_state
       FROM payout JOIN payout_run ON payout_run.id = payout.run
       LEFT JOIN accrual AS taken ON taken.run = payout_run.moved_by AND taken.subscriber = payout.subscriber
       LEFT JOIN accrual AS back ON back.run = payout.put_back_by AND back.subscriber = payout.subscriber
       WHERE taken.payable_micro IS DISTINCT FROM CASE WHEN moved_by IS NOT NULL THEN -payout.amount_minor * 10000 END
          OR back.payable_micro IS DISTINCT FROM CASE WHEN payout.state = 'failed' THEN payout.amount_minor * 10000 END
          OR payout.state IN ('settled', 'failed') AND moved_by IS NULL""",
)
_always(
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
                     CASE share_run.kind WHEN 'payout' THEN '467200' ELSE '467400' END,
                     CASE share_run.kind WHEN 'payout' THEN '467400' ELSE '467200' END)))""",
)
_always(
    "a payout run has ended exactly when none of its payouts is open",
    """SELECT payout_run.id AS run, state FROM payout_run
       WHERE (state IN ('settled', 'failed', 'cancelled')) = EXISTS (
           SELECT FROM payout WHERE payout.run = payout_run.id AND payout.state = 'open')""",
)
_always(
    "a payout is settled by a bank line or a transfer of its own, or its batch's",
    """SELECT payout.id AS payout FROM payout
       JOIN payout_batch ON payout_batch.run = payout.run AND payout_batch.number = payout.batch
       WHERE payout.state = 'settled'
         AND NOT EXISTS (SELECT FROM stripe_command
                         WHERE stripe_command.id = payout.id AND verb = 'transfer' AND stripe_command.state = 'done')
         AND NOT EXISTS (SELECT FROM bank_match
                         WHERE target_kind = 'payout_line' AND undone_at IS NULL AND bank_match.amount_minor < 0
                           AND target_id IN ('PTP' || replace(payout.id::text, '-', ''),
                                             'PTB' || replace(payout_batch.id::text, '-', '')))""",
)
_always(
    "what is under way to subscribers is what was sent, less what came back, what bank and Stripe have paid and what was let go",
    """SELECT books.minor AS books_minor, sent.minor + bank.minor + stripe.minor + let_go.minor AS under_way_minor
       FROM (SELECT coalesce(sum(CASE '467400' WHEN credit THEN amount_minor ELSE -amount_minor END), 0) AS minor
             FROM posting WHERE '467400' IN (debit, credit)) AS books
       CROSS JOIN (SELECT coalesce(sum(payout.amount_minor), 0) AS minor
                   FROM payout JOIN payout_run ON payout_run.id = payout.run
                   WHERE moved_by IS NOT NULL AND payout.state IN ('open', 'settled')) AS sent
       CROSS JOIN (SELECT coalesce(sum(amount_minor), 0) AS minor FROM bank_match
                   WHERE account = '467400' AND undone_at IS NULL) AS bank
       CROSS JOIN (SELECT coalesce(sum(amount_minor), 0) AS minor FROM balance_transaction
                   WHERE category IN ('transfer', 'transfer_reversal') AND currency = 'EUR') AS stripe
       CROSS JOIN (SELECT coalesce(sum(CASE '467400' WHEN credit THEN amount_minor ELSE -amount_minor END), 0) AS minor
                   FROM posting JOIN journal_entry ON journal_entry.id = posting.entry
                   WHERE '467400' IN (debit, credit) AND 'write_off' IN (
                       kind, (SELECT gone.kind FROM journal_entry AS gone WHERE gone.id = journal_entry.reverses))) AS let_go
       WHERE books.minor <> sent.minor + bank.minor + stripe.minor + let_go.minor""",
)

# ------------------------------------------------------------------ consent
_always(
    "a word on consent is about the notice of its own purpose, published by then",
    """SELECT consent_record.id AS record, consent_record.purpose, notice.purpose AS notice_purpose
       FROM consent_record JOIN notice ON notice.id = consent_record.notice
       WHERE notice.purpose <> consent_record.purpose OR notice.published_at > consent_record.at""",
)


async def broken() -> list[str]:
    """Return one line for every offender of every invariant; empty when all is well."""
    return [f"{sentence}: {dict(row)}" for sentence, sql in INVARIANTS.items() for row in await fetch(sql)]
