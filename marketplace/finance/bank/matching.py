"""Explaining bank lines: by the job if a reference leaves no doubt, otherwise by a person, wholly or split, exactly.

The explanations of a line add up to it to the cent (a trigger enforces that), and move its amount from the suspense
account to the right one. Undoing one reverses its entries by new ones.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import execute, fetch_rows, select, transaction
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.core.locks import lock
from marketplace.finance.bank.actions import day_in_books
from marketplace.finance.bank.queries import LARGEST_ID, SQL
from marketplace.finance.bank.tables import BankMatch
from marketplace.money.credit.actions import receive
from marketplace.money.ledger import chart
from marketplace.money.ledger.actions import Entry, record_all, reverse_all
from marketplace.money.ledger.entry_kinds import MATCHES
from marketplace.people.audit_trail.actions import check_reason, note_action
from marketplace.subscribers.payouts.actions import LOCK
from pricing.money import EUR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.core.database import Values
    from marketplace.people.identity.actors import Actor

TARGETS: Final = ("payout", "order", "payout_line", "fee", "vat", "write_off")
FEE_ACCOUNTS: Final = (
    chart.BANK_CHARGES,
    chart.INTEREST_PAID,
    chart.INTEREST_EARNED,
    chart.SUPPLIERS,
    chart.OPERATOR_PAYABLE,
    *chart.VAT,
    chart.FEES_OF_THIRD_PARTIES,
    chart.ADVANCES,
    chart.GIFTS,
)
"""The explanations without a document of ours: the accounts a clerk may choose."""
SURE, LIKELY = 100, 85
PAYOUT_ARRIVES_WITHIN_DAYS: Final = 10


@dataclass(frozen=True, slots=True)
class Match:
    """A bank line, or a part of it, and its explanation."""

    line: int
    target_kind: str
    target_id: str
    amount_minor: int
    """Signed like the line."""
    account: str
    """The account that gets the amount from suspense."""
    score: int = SURE
    reasons: Sequence[str] = ()


def on_account(line: int, account: str, amount_minor: int, *, reason: str) -> Match:
    """Return the explanation of a line, or a part of it, booked on one of FEE_ACCOUNTS; for VAT's, it settles that."""
    kind = "vat" if account in chart.VAT else "fee"
    return Match(line, kind, f"{account}/{line}", amount_minor, account, reasons=(reason,))


class FreeLine(Struct, frozen=True):
    """An unexplained bank line; incoming cents are positive."""

    id: int
    amount_minor: int
    booked_on: dt.date


class Undone(Struct, frozen=True):
    """A match to undo."""

    id: uuid.UUID
    target_kind: str
    target_id: str
    amount_minor: int
    account: str


class Pair(Struct, frozen=True):
    """A bank line and the payout by Stripe that it is; `is_named`: the line names the payout."""

    line: int
    target: str
    amount_minor: int
    is_named: bool


async def match_lines(matches: Sequence[Match], *, person: uuid.UUID | None) -> list[uuid.UUID]:
    """Explain bank lines and post the explanations, all parts of a line together; return the matches' ids.

    Refuses a line that is explained already or unknown, parts that do not add up, and a payout matched before.
    """
    if not matches:
        return []
    ids = [uuid.uuid4() for _ in matches]
    async with transaction():
        lines = await _free_lines(sorted({match.line for match in matches}))
        _check_sums(matches, lines)
        payouts = [match.target_id for match in matches if match.target_kind == "payout"]
        if len(set(payouts)) < len(payouts) or await BankMatch.exists().where(
            (BankMatch.target_kind == "payout")
            & BankMatch.target_id.is_in(payouts or [""])
            & BankMatch.undone_at.is_null()
        ):
            raise Conflict("That payout is matched with another bank line already.")
        columns = ("line", "target_kind", "target_id", "amount_minor", "account", "score")
        await execute(
            SQL["write_matches"],
            person,
            clock.now(),
            ids,
            *([getattr(match, column) for match in matches] for column in columns),
            [",".join(match.reasons) for match in matches],
        )
        await record_all(
            [_entry(match_id, match, lines[match.line]) for match_id, match in zip(ids, matches, strict=True)]
        )
        for match in matches:
            if (match.target_kind, match.account) == ("order", chart.ON_CREDIT):
                await receive(uuid.UUID(match.target_id), match.amount_minor, at=clock.now())
    return ids


def _entry(match_id: uuid.UUID, match: Match, line: FreeLine) -> Entry:
    return Entry(
        "vat_settled" if match.account in chart.VAT else "bank_match",
        str(match_id),
        day_in_books(line.booked_on),
        f"{match.target_kind} {match.target_id}",
        [_posting(match)],
        late=True,
    )


async def _free_lines(wanted: list[int]) -> dict[int, FreeLine]:
    """Lock lines and return them; refuse unknown or explained ones."""
    if any(not 0 < line <= LARGEST_ID for line in wanted):
        raise NotFound("There is no such bank line.")
    rows = await fetch_rows(
        FreeLine,
        "SELECT id, amount_minor, booked_on FROM bank_line WHERE id = ANY ($1) ORDER BY id FOR UPDATE",
        wanted,
    )
    if len(rows) < len(wanted):
        raise NotFound("There is no such bank line.")
    if await BankMatch.exists().where(BankMatch.line.is_in(wanted) & BankMatch.undone_at.is_null()):
        raise Conflict("That bank line is explained already.")
    return {row.id: row for row in rows}


def _check_sums(matches: Sequence[Match], lines: dict[int, FreeLine]) -> None:
    for line, row in lines.items():
        parts = sum(match.amount_minor for match in matches if match.line == line)
        if parts != row.amount_minor:
            raise Invalid(
                "The parts make {parts} cents, the bank line {whole}: nothing was matched.",
                parts=parts,
                whole=row.amount_minor,
            )


def _posting(match: Match) -> tuple[str, str, int]:
    """Move the amount out of suspense: incoming money leaves it by a debit."""
    if match.amount_minor > 0:
        return chart.SUSPENSE, match.account, match.amount_minor
    return match.account, chart.SUSPENSE, -match.amount_minor


async def explain_line(line: int, parts: Sequence[Match], actor: Actor, *, reason: str = "") -> None:
    """Explain a line as a clerk decides, in one part or several, and record it in the audit trail."""
    if not parts or any(part.target_kind not in TARGETS or part.line != line for part in parts):
        raise Invalid("Say what the line is, part by part.")
    async with transaction():
        await match_lines(parts, person=actor.person)
        await note_action(
            actor,
            "line_matched" if len(parts) == 1 else "line_split",
            f"line {line}",
            reason=reason,
            after={f"{part.target_kind} {part.target_id}": part.amount_minor for part in parts},
        )


async def undo_matches(line: int, actor: Actor, *, reason: str) -> None:
    """Undo the explanation of a line: it is open again, its entries are reversed by new ones, the trail has the reason.

    A match that other books followed (a subscriber's payout) or two people approved (a write-off) cannot be undone.
    """
    reason = check_reason(reason)
    async with transaction():
        await execute("SELECT FROM bank_line WHERE id = $1 FOR UPDATE", line)
        current = (BankMatch.line == line) & BankMatch.undone_at.is_null()
        rows = await fetch_rows(Undone, select(Undone, BankMatch).where(current))
        if not rows:
            raise Conflict("Nothing explains that bank line.")
        if any(row.target_kind in ("payout_line", "write_off") for row in rows):
            raise Conflict("That match stays: other books followed it, or two people approved it.")
        undone: Values = {BankMatch.undone_at: clock.now()}
        await BankMatch.update(undone).where(current)
        entries = [(kind, str(row.id)) for row in rows for kind in MATCHES]
        await reverse_all(entries, text=f"Undone: {reason[:200]}")
        for row in rows:
            if (row.target_kind, row.account) == ("order", chart.ON_CREDIT):
                await receive(uuid.UUID(row.target_id), -row.amount_minor, at=clock.now())
        await note_action(
            actor,
            "match_undone",
            f"line {line}",
            reason=reason,
            before={f"{row.target_kind} {row.target_id}": row.amount_minor for row in rows},
        )


# ------------------------------------------------------------------ without a person
async def match_stripe_payouts() -> int:
    """Match Stripe's payouts with the bank's lines if amount and reference, or amount, payer and date, leave no doubt.

    Return how many were matched. A person decides between two that could be each other's.
    """
    async with transaction():
        await lock(LOCK)
        pairs = await fetch_rows(Pair, SQL["certain_pairs"], EUR, PAYOUT_ARRIVES_WITHIN_DAYS)
        found = [
            Match(
                pair.line,
                "payout",
                pair.target,
                pair.amount_minor,
                chart.TRANSFERS,
                SURE if pair.is_named else LIKELY,
                ("amount_equal", "reference_found") if pair.is_named else ("amount_equal", "only_one", "name_alike"),
            )
            for pair in pairs
        ]
        await match_lines(found, person=None)
    return len(found)
