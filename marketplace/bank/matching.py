"""Explaining bank lines: by the job where a reference leaves no doubt, by a person otherwise, wholly or split, exactly.

What explains a line adds up to it to the cent (a trigger holds that), and takes its amount from the suspense account
to where it belongs. Undoing takes the entries back by new ones.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from marketplace import clock
from marketplace.bank.actions import day_in_books
from marketplace.database import execute, fetch, lock, transaction
from marketplace.earnings.payouts import LOCK
from marketplace.errors import Conflict, Invalid, NotFound
from marketplace.identity.audit_trail import check_reason, note_action
from marketplace.ledger import chart
from marketplace.ledger.actions import Entry, record_all, reverse_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from marketplace.identity.actors import Actor

TARGETS: Final = ("payout", "order", "payout_line", "fee", "write_off")
FEE_ACCOUNTS: Final = (chart.BANK_CHARGES, chart.SUPPLIERS, chart.OPERATOR_PAYABLE, chart.VAT_COLLECTED, chart.FEES_OF_THIRD_PARTIES, chart.ADVANCES)  # fmt: skip
"""What a line may be without any document of ours: the accounts a clerk may choose."""
SURE: Final = 100
PAYOUT_ARRIVES_WITHIN_DAYS: Final = 10
LARGEST_LINE: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Match:
    """A bank line, or a part of it, and what it is."""

    line: int
    target_kind: str
    target_id: str
    amount_minor: int
    """Signed like the line."""
    account: str
    """Where the suspense account's amount goes."""
    score: int = SURE
    reasons: Sequence[str] = ()


async def match_lines(matches: Sequence[Match], *, person: uuid.UUID | None) -> list[uuid.UUID]:
    """Explain bank lines and post what they are; all parts of a line together; return the matches' ids.

    Refuses a line that is explained already or not there, parts that do not add up, and a payout matched before.
    """
    if not matches:
        return []
    ids = [uuid.uuid4() for _ in matches]
    async with transaction():
        lines = await _free_lines(sorted({match.line for match in matches}))
        _check_sums(matches, lines)
        payouts = [match.target_id for match in matches if match.target_kind == "payout"]
        if len(set(payouts)) < len(payouts) or await fetch(
            "SELECT FROM bank_match WHERE target_kind = 'payout' AND target_id = ANY($1) AND undone_at IS NULL", payouts
        ):
            raise Conflict("That payout is matched with another bank line already.")
        await execute(
            """INSERT INTO bank_match (id, line, target_kind, target_id, amount_minor, account, person, score, reasons,
                                       matched_at)
               SELECT given.id, line, kind, target, amount, account, $1, score, reasons, $2
               FROM unnest($3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::integer[],
                           $10::text[]) AS given (id, line, kind, target, amount, account, score, reasons)""",
            person, clock.now(), ids,
            *([getattr(match, column) for match in matches] for column in
              ("line", "target_kind", "target_id", "amount_minor", "account", "score")),
            [",".join(match.reasons) for match in matches],
        )  # fmt: skip
        await record_all(
            [
                Entry(
                    "bank_match", str(match_id), day_in_books(lines[match.line]["booked_on"]),
                    f"{match.target_kind} {match.target_id}", [_posting(match)], late=True,
                )
                for match_id, match in zip(ids, matches, strict=True)
            ]
        )  # fmt: skip
    return ids


async def _free_lines(wanted: list[int]) -> dict[int, asyncpg.Record]:
    """Lock lines and return them; refuse those that are not there or are explained."""
    if any(not 0 < line <= LARGEST_LINE for line in wanted):
        raise NotFound("There is no such bank line.")
    rows = await fetch(
        "SELECT id, amount_minor, booked_on FROM bank_line WHERE id = ANY($1) ORDER BY id FOR UPDATE", wanted
    )
    if len(rows) < len(wanted):
        raise NotFound("There is no such bank line.")
    if await fetch("SELECT FROM bank_match WHERE line = ANY($1) AND undone_at IS NULL LIMIT 1", wanted):
        raise Conflict("That bank line is explained already.")
    return {row["id"]: row for row in rows}


def _check_sums(matches: Sequence[Match], lines: dict[int, asyncpg.Record]) -> None:
    for line, row in lines.items():
        parts = sum(match.amount_minor for match in matches if match.line == line)
        if parts != row["amount_minor"]:
            raise Invalid("The parts make {parts} cents, the bank line {whole}: nothing was matched.",
                          parts=parts, whole=row["amount_minor"])  # fmt: skip


def _posting(match: Match) -> tuple[str, str, int]:
    """Take the amount out of suspense: money in leaves it by a debit."""
    if match.amount_minor > 0:
        return chart.SUSPENSE, match.account, match.amount_minor
    return match.account, chart.SUSPENSE, -match.amount_minor


async def explain_line(line: int, parts: Sequence[Match], actor: Actor, *, reason: str = "") -> None:
    """Let a clerk say what a line is, in one part or several, and keep it in the trail."""
    if not parts or any(part.target_kind not in TARGETS or part.line != line for part in parts):
        raise Invalid("Say what the line is, part by part.")
    async with transaction():
        await match_lines(parts, person=actor.person)
        await note_action(
            actor, "line_matched" if len(parts) == 1 else "line_split", f"line {line}", reason=reason,
            after={f"{part.target_kind} {part.target_id}": part.amount_minor for part in parts},
        )  # fmt: skip


async def undo_matches(line: int, actor: Actor, *, reason: str) -> None:
    """Take back what explains a line: it is open again, its entries are reversed by new ones, the trail says why.

    What other books followed (a subscriber's payout) or two people approved (a write-off) stays.
    """
    reason = check_reason(reason)
    async with transaction():
        await execute("SELECT FROM bank_line WHERE id = $1 FOR UPDATE", line)
        rows = await fetch("SELECT * FROM bank_match WHERE line = $1 AND undone_at IS NULL", line)
        if not rows:
            raise Conflict("Nothing explains that bank line.")
        if any(row["target_kind"] in ("payout_line", "write_off") for row in rows):
            raise Conflict("That match stays: other books followed it, or two people approved it.")
        await execute("UPDATE bank_match SET undone_at = $2 WHERE line = $1 AND undone_at IS NULL", line, clock.now())
        await reverse_all([("bank_match", str(row["id"])) for row in rows], text=f"Undone: {reason[:200]}")
        await note_action(
            actor, "match_undone", f"line {line}", reason=reason,
            before={f"{row['target_kind']} {row['target_id']}": row["amount_minor"] for row in rows},
        )  # fmt: skip


# ------------------------------------------------------------------ without a person
OPEN_PAYOUTS: Final = """
SELECT movement.source_id AS id, -movement.net_minor AS amount_minor, movement.created_at AS at
FROM balance_transaction AS movement
WHERE category = 'payout' AND currency = 'EUR' AND source_id IS NOT NULL
  AND NOT EXISTS (SELECT FROM bank_match WHERE target_kind = 'payout' AND target_id = movement.source_id
                  AND undone_at IS NULL)
  AND NOT EXISTS (SELECT FROM balance_transaction AS back
                  WHERE back.source_id = movement.source_id AND back.category = 'payout_reversal')
"""
"""SQL: Stripe's payouts that no bank line is matched with; one that failed and came back owes the bank nothing."""

_PAIRS = f"""
WITH line AS MATERIALIZED (
    SELECT id, amount_minor, booked_on, lower(concat_ws(' ', remittance, end_to_end_id, transaction_id)) AS words,
           lower(counterparty) LIKE '%stripe%' OR lower(remittance) LIKE '%stripe%' AS is_stripe
    FROM bank_line WHERE NOT EXISTS (SELECT FROM bank_match WHERE line = bank_line.id AND undone_at IS NULL)
), payout AS MATERIALIZED ({OPEN_PAYOUTS}), pair AS (
    SELECT line.id AS line, payout.id AS payout, line.amount_minor, is_stripe,
           position(lower(payout.id) IN words) > 0 AS is_named
    FROM line JOIN payout USING (amount_minor)
    WHERE booked_on BETWEEN (payout.at AT TIME ZONE 'Europe/Paris')::date - 1
                        AND (payout.at AT TIME ZONE 'Europe/Paris')::date + {PAYOUT_ARRIVES_WITHIN_DAYS}
), told AS (
    SELECT *, count(*) OVER (PARTITION BY line) AS payouts, count(*) OVER (PARTITION BY payout) AS lines,
           count(*) FILTER (WHERE is_named) OVER (PARTITION BY line) AS payouts_named,
           count(*) FILTER (WHERE is_named) OVER (PARTITION BY payout) AS lines_named
    FROM pair
)
SELECT line, payout, amount_minor, is_named FROM told
WHERE is_named AND payouts_named = 1 AND lines_named = 1
   OR NOT is_named AND is_stripe AND payouts = 1 AND lines = 1
ORDER BY line
"""


async def match_stripe_payouts() -> int:
    """Match Stripe's payouts with the bank's lines where amount and reference, or amount, payer and date, leave no doubt.

    Return how many were matched. Two that could be each other's are left to a person.
    """
    async with transaction():
        await lock(LOCK)
        rows = await fetch(_PAIRS)
        found = [
            Match(
                row["line"], "payout", row["payout"], row["amount_minor"], chart.TRANSFERS, SURE if row["is_named"] else 85,
                ("amount_equal", "reference_found") if row["is_named"] else ("amount_equal", "only_one", "name_alike"),
            )
            for row in rows
        ]  # fmt: skip
        await match_lines(found, person=None)
    return len(found)
