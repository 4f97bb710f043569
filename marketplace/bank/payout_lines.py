"""Subscribers' payouts on the bank's statement: what the bank took for them, and what it brought back, by their references.

A line is explained only where reference and amount both fit and nothing else has explained that payment; whatever is
otherwise stays with finance's exceptions, a second debit for one payout above all. Payouts follow the matches: a debit
settles, a credit gives back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace import clock
from marketplace.bank.matching import Match, match_lines
from marketplace.database import fetch, lock, transaction
from marketplace.earnings import payouts
from marketplace.ledger.chart import SUBSCRIBERS_IN_TRANSIT

if TYPE_CHECKING:
    import uuid

LINES_AT_ONCE: Final = 20_000
OURS: Final = """
free AS MATERIALIZED (
    SELECT id, amount_minor, end_to_end_id, batch_id FROM bank_line
    WHERE (end_to_end_id ~ '^PTP[0-9a-f]{32}$' OR end_to_end_id = '' AND batch_id ~ '^PTB[0-9a-f]{32}$')
      AND NOT EXISTS (SELECT FROM bank_match WHERE line = bank_line.id AND undone_at IS NULL)
), taken AS MATERIALIZED (
    SELECT target_id, sign(amount_minor) AS way FROM bank_match
    WHERE target_kind = 'payout_line' AND undone_at IS NULL
)
"""
EXPLAINED: Final = f"""
WITH {OURS}, single AS (
    SELECT free.id AS line, free.amount_minor, free.end_to_end_id AS target, payout.state,
           row_number() OVER (PARTITION BY free.end_to_end_id, sign(free.amount_minor) ORDER BY free.id) AS turn,
           EXISTS (SELECT FROM taken WHERE target_id = free.end_to_end_id AND way = sign(free.amount_minor)) AS is_known,
           EXISTS (SELECT FROM taken WHERE way < 0 AND target_id IN (
               free.end_to_end_id, 'PTB' || replace(payout_batch.id::text, '-', ''))) AS is_debited
    FROM free
    JOIN payout ON payout.id = substr(free.end_to_end_id, 4)::uuid AND payout.amount_minor = abs(free.amount_minor)
    JOIN payout_run ON payout_run.id = payout.run AND payout_run.moved_by IS NOT NULL
    JOIN payout_batch ON payout_batch.run = payout.run AND payout_batch.number = payout.batch
    WHERE free.end_to_end_id <> ''
), whole AS (
    SELECT free.id AS line, free.amount_minor, free.batch_id AS target,
           row_number() OVER (PARTITION BY free.batch_id ORDER BY free.id) AS turn
    FROM free
    JOIN payout_batch ON payout_batch.id = substr(free.batch_id, 4)::uuid
    JOIN payout_run ON payout_run.id = payout_batch.run AND payout_run.moved_by IS NOT NULL
    WHERE free.end_to_end_id = '' AND free.amount_minor < 0
      AND (-free.amount_minor = payout_batch.amount_minor OR -free.amount_minor = (
               SELECT sum(amount_minor) FROM payout
               WHERE payout.run = payout_batch.run AND payout.batch = payout_batch.number AND payout.state = 'open'))
      AND NOT EXISTS (SELECT FROM taken WHERE target_id = free.batch_id)
      AND NOT EXISTS (SELECT FROM payout JOIN taken ON target_id = 'PTP' || replace(payout.id::text, '-', '')
                      WHERE payout.run = payout_batch.run AND payout.batch = payout_batch.number)
)
SELECT line, amount_minor, target FROM single
WHERE turn = 1 AND NOT is_known
  AND CASE WHEN amount_minor < 0 THEN state IN ('open', 'failed') AND NOT is_debited ELSE is_debited END
UNION ALL SELECT line, amount_minor, target FROM whole WHERE turn = 1
ORDER BY line LIMIT $1
"""
"""Lines that leave no doubt. A debit of a refused payout, or of its whole batch, is explained too: its credit follows."""

KEPT_BY_THE_BANK: Final = """
SELECT 'PTP' || replace(payout.id::text, '-', '') AS id, payout.run, payout.ended_at AS at, payout.amount_minor
FROM payout
JOIN payout_batch ON payout_batch.run = payout.run AND payout_batch.number = payout.batch
WHERE payout.state = 'failed' AND EXISTS (
    SELECT FROM bank_match WHERE target_kind = 'payout_line' AND undone_at IS NULL
    AND (target_id = 'PTP' || replace(payout.id::text, '-', '') AND bank_match.amount_minor < 0
         OR target_id = 'PTB' || replace(payout_batch.id::text, '-', '') AND -bank_match.amount_minor = payout_batch.amount_minor))
  AND NOT EXISTS (
    SELECT FROM bank_match WHERE target_kind = 'payout_line' AND undone_at IS NULL
    AND target_id = 'PTP' || replace(payout.id::text, '-', '') AND bank_match.amount_minor > 0)
"""
"""Payouts that the bank refused and took the money of all the same, alone or with their whole batch, and has not brought back."""

AWAITED: Final = f"""
SELECT 'PTP' || replace(payout.id::text, '-', '') AS id, payout_run.id AS run, sent_at AS at,
       CASE payout.state WHEN 'open' THEN -payout.amount_minor ELSE payout.amount_minor END AS amount_minor
FROM payout JOIN payout_run ON payout_run.id = payout.run AND route = 'sepa' AND moved_by IS NOT NULL
JOIN payout_batch ON payout_batch.run = payout.run AND payout_batch.number = payout.batch
WHERE payout.state IN ('open', 'settled') AND NOT EXISTS (
    SELECT FROM bank_match WHERE target_kind = 'payout_line' AND undone_at IS NULL
    AND (target_id = 'PTP' || replace(payout.id::text, '-', '')
         OR payout.state = 'open' AND target_id = 'PTB' || replace(payout_batch.id::text, '-', ''))
    AND sign(bank_match.amount_minor) = CASE payout.state WHEN 'open' THEN -1 ELSE 1 END)
UNION ALL
SELECT 'PTB' || replace(payout_batch.id::text, '-', ''), payout_run.id, sent_at, -payout_batch.amount_minor
FROM payout_batch JOIN payout_run ON payout_run.id = payout_batch.run AND route = 'sepa' AND moved_by IS NOT NULL
WHERE payout_batch.people > 1 AND NOT EXISTS (
    SELECT FROM payout WHERE payout.run = payout_batch.run AND payout.batch = payout_batch.number AND state <> 'open')
  AND NOT EXISTS (SELECT FROM bank_match WHERE target_kind = 'payout_line' AND undone_at IS NULL
                  AND target_id = 'PTB' || replace(payout_batch.id::text, '-', ''))
UNION ALL
SELECT id, run, at, amount_minor FROM ({KEPT_BY_THE_BANK}) AS kept
"""
"""What the bank may still move for subscribers' payouts, signed like its line: a debit, a whole batch's, or a return."""

PAID: Final = """
SELECT payout.id, bank_line.booked_on FROM bank_match
JOIN bank_line ON bank_line.id = bank_match.line
JOIN payout ON payout.id = substr(target_id, 4)::uuid
WHERE target_kind = 'payout_line' AND target_id ~ '^PTP[0-9a-f]{32}$' AND undone_at IS NULL
  AND -bank_match.amount_minor = payout.amount_minor AND payout.state = 'open'
UNION
SELECT payout.id, bank_line.booked_on FROM bank_match
JOIN bank_line ON bank_line.id = bank_match.line
JOIN payout_batch ON payout_batch.id = substr(target_id, 4)::uuid
JOIN payout ON payout.run = payout_batch.run AND payout.batch = payout_batch.number
WHERE target_kind = 'payout_line' AND target_id ~ '^PTB[0-9a-f]{32}$' AND undone_at IS NULL
  AND bank_match.amount_minor < 0 AND payout.state = 'open'
"""
RETURNED: Final = """
SELECT payout.id, bank_line.return_reason FROM bank_match
JOIN bank_line ON bank_line.id = bank_match.line
JOIN payout ON payout.id = substr(target_id, 4)::uuid
WHERE target_kind = 'payout_line' AND target_id ~ '^PTP[0-9a-f]{32}$' AND undone_at IS NULL
  AND bank_match.amount_minor = payout.amount_minor AND payout.state = 'settled'
"""


async def match_payouts() -> int:
    """Explain every bank line that is surely a payout's, settle and give back what follows; return how many lines."""
    matched = 0
    while done := await _match_some():
        matched += done
    return matched


async def _match_some() -> int:
    """Debits first: a payout that the same statement returns must be settled before it can come back."""
    now = clock.now()
    async with transaction():
        await lock(payouts.LOCK)
        lines = await fetch(EXPLAINED, LINES_AT_ONCE)
        await match_lines(
            [
                Match(
                    line=line["line"], target_kind="payout_line", target_id=line["target"],
                    amount_minor=line["amount_minor"], account=SUBSCRIBERS_IN_TRANSIT,
                    reasons=("reference", "amount"),
                )
                for line in lines
            ],
            person=None,
        )  # fmt: skip
        paid: list[uuid.UUID] = [row["id"] for row in await fetch(PAID)]
        await payouts.settle(paid, now)
        returned = {row["id"]: row["return_reason"] for row in await fetch(RETURNED)}
        await payouts.give_back(returned, now)
    return len(lines)
