"""Possible explanations of a bank line, and possible lines for something: scored candidates with reasons, best first.

Candidates by amount (up to two hundred each way) and by name are found by index; rules score them.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar, transaction
from marketplace.core.errors import Invalid, NotFound, existing
from marketplace.core.locks import lock
from marketplace.core.web.formats import PARIS, month_and_year
from marketplace.core.web.i18n import gettext
from marketplace.finance.bank.matching import FEE_ACCOUNTS, Match, explain_line, on_account
from marketplace.finance.bank.queries import OPEN_PAYOUTS, SQL, LineRow
from marketplace.finance.bank.rules import Clue, orders_in, payouts_in, score, stripe_payouts_in
from marketplace.finance.bank.vat import months_before, vat_due
from marketplace.money.ledger import chart
from marketplace.money.ledger.periods import next_month
from marketplace.subscribers.payouts import actions as payouts
from pricing.money import EUR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.people.identity.actors import Actor

NEAREST, SHOWN, LEAST = 200, 8, 30
LINES_WALKED: Final = 1_000
"""Lines each way of an amount that are checked for an explanation."""
MOST_PARTS: Final = 12
TAX_OFFICE: Final = "DGFIP"
"""The names of the French tax office on a statement."""
ACCOUNT_OF: Final = {"payout": chart.TRANSFERS, "payout_line": chart.SUBSCRIBERS_IN_TRANSIT, "order": chart.PARTNERS}


class OpenPayout(Struct, frozen=True):
    """A payout by Stripe without a bank line, in cents."""

    id: str
    amount_minor: int
    at: dt.datetime


class AwaitedPayout(Struct, frozen=True):
    """The cents, signed like the line, that the bank may still move for a payout run; `id` is its reference."""

    id: str
    run: uuid.UUID
    at: dt.datetime
    amount_minor: int


class OwedOrder(Struct, frozen=True):
    """An order that a bank line could pay, and the cents that it still owes; below zero: we owe its partner."""

    id: str
    number: str
    company: str
    at: dt.datetime
    amount_minor: int
    is_on_credit: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """A candidate for a bank line, or a line as a candidate for something."""

    kind: str
    """payout, order, payout_line, vat or line."""
    id: str
    text: str
    path: str
    amount_minor: int
    at: dt.date
    score: int
    reasons: Sequence[str]
    fits: bool
    """Whether the amounts are equal, so that one press settles it."""


async def list_for_line(line: LineRow) -> list[Candidate]:
    """Return the payouts and the orders that a bank line may be, and subscribers' payouts under way."""
    mine = _clue_of_line(line)
    found = await _awaited_payouts(mine)
    if line.amount_minor > 0:
        found += await _open_payouts(mine)
    found += await _owed_orders(mine)
    found += await _months_of_vat(line.booked_on, mine)
    return _best(found)


async def _awaited_payouts(mine: Clue) -> list[Candidate]:
    rows = await fetch_rows(
        AwaitedPayout,
        f"SELECT * FROM ({SQL['awaited_payouts']}) AS awaited WHERE sign(amount_minor) = sign($1::bigint)",
        mine.amount_minor,
        payouts_in(mine.words),
        NEAREST,
    )
    return [
        _candidate(
            "payout_line",
            row.id,
            row.id,
            f"/finance/payout-runs/{row.run}",
            mine,
            Clue(row.amount_minor, row.at.astimezone(PARIS).date(), [row.id], row.id),
        )
        for row in rows
    ]


async def _open_payouts(mine: Clue) -> list[Candidate]:
    rows = await fetch_rows(
        OpenPayout,
        f"SELECT * FROM ({OPEN_PAYOUTS}) AS payout WHERE id = ANY (ARRAY(SELECT stripe_payouts_near($2, $3, $4)))",
        EUR,
        mine.amount_minor,
        stripe_payouts_in(mine.words),
        NEAREST,
    )
    return [
        _candidate(
            "payout",
            row.id,
            f"Stripe {row.id}",
            "/finance/exceptions?why=payout_without_line",
            mine,
            Clue(row.amount_minor, row.at.astimezone(PARIS).date(), [row.id], row.id, "Stripe"),
        )
        for row in rows
    ]


async def _owed_orders(mine: Clue) -> list[Candidate]:
    rows = await fetch_rows(
        OwedOrder,
        f"SELECT * FROM ({SQL['owed_orders']}) AS owed WHERE sign(amount_minor) = sign($1::bigint)",
        mine.amount_minor,
        orders_in(mine.words),
        NEAREST,
        [],
        chart.PARTNERS,
    )
    return [
        _candidate(
            "order", row.id, f"{row.number} · {row.company}", f"/finance/orders/{row.id}", mine, _clue_of_order(row)
        )
        for row in rows
    ]


async def _months_of_vat(booked_on: dt.date, mine: Clue) -> list[Candidate]:
    """Return the months whose VAT the line settles exactly.

    The amount due of an older month is included in the later one's.
    """
    found = []
    for month in months_before(booked_on):
        due = sum((await vat_due(month)).values())
        if due == mine.amount_minor:
            text, path = f"{gettext('VAT')} {month_and_year(month)}", f"/finance/accounts/{chart.VAT_COLLECTED}"
            other = Clue(due, next_month(month), name=TAX_OFFICE)
            found.append(_candidate("vat", f"{month:%Y-%m}", text, path, mine, other))
    return found


async def list_lines_for_order(order: str) -> list[Candidate]:
    """Return the unexplained bank lines that may pay an order."""
    row = await fetch_row(OwedOrder, SQL["owed_orders"], 0, [], 0, [uuid.UUID(order)], chart.PARTNERS)
    return await list_lines_for(_clue_of_order(row)) if row else []


async def list_lines_for(wanted: Clue) -> list[Candidate]:
    """Return the unexplained bank lines that may be this payment."""
    rows = await fetch_rows(
        LineRow,
        f"""SELECT {", ".join(LineRow.__struct_fields__)} FROM bank_line WHERE amount_minor > 0
           AND id = ANY (ARRAY(SELECT lines_near($1, $3)))
           AND NOT EXISTS (SELECT FROM bank_match WHERE line = bank_line.id AND undone_at IS NULL)
           ORDER BY abs(amount_minor - $1), id LIMIT $2""",
        wanted.amount_minor,
        NEAREST,
        LINES_WALKED,
    )
    return _best(
        [
            _candidate(
                "line",
                str(row.id),
                f"{row.reference} · {row.counterparty or row.remittance[:60]}",
                f"/finance/bank/lines/{row.id}",
                wanted,
                _clue_of_line(row),
            )
            for row in rows
        ]
    )


def _best(found: list[Candidate]) -> list[Candidate]:
    good = [candidate for candidate in found if candidate.score >= LEAST]
    return sorted(good, key=lambda candidate: (-candidate.score, candidate.at, candidate.id))[:SHOWN]


def _candidate(  # noqa: PLR0917 (what it is, then both sides)
    kind: str, key: str, text: str, path: str, mine: Clue, other: Clue
) -> Candidate:
    points, reasons = score(mine, other)
    return Candidate(
        kind, key, text, path, other.amount_minor, other.day, points, reasons, mine.amount_minor == other.amount_minor
    )


def _clue_of_line(line: LineRow) -> Clue:
    words = f"{line.remittance} {line.end_to_end_id} {line.transaction_id} {line.reference}"
    return Clue(line.amount_minor, line.booked_on, (), words, line.counterparty)


def _clue_of_order(row: OwedOrder) -> Clue:
    return Clue(row.amount_minor, row.at.astimezone(PARIS).date(), [row.number], row.number, row.company)


# ------------------------------------------------------------------ settling by hand
async def settle_line(line_id: int, parts: Sequence[tuple[str, str, int]], actor: Actor, *, reason: str = "") -> None:
    """Explain a bank line by (kind, id, signed cents) parts that a person chose; each target is checked first.

    kind: payout (its whole amount), payout_line (a subscriber's payout or a batch of them, whole), order (its number or
    id, at most what it owes), vat (all that is due as of a month, such as 2026-10) or fee (one of a few accounts).
    """
    if not 0 < len(parts) <= MOST_PARTS:
        raise Invalid("Say what the line is, in one to {most} parts.", most=MOST_PARTS)
    async with transaction():
        # One lock orders all explanations of lines, so that two lines never pay one order at once.
        await lock(payouts.LOCK)
        matches: list[Match] = []
        for kind, target, amount in parts:
            matches += await (_vat(line_id, target, amount) if kind == "vat" else _part(line_id, kind, target, amount))
        await explain_line(line_id, matches, actor, reason=reason)


async def _part(line: int, kind: str, target: str, amount: int) -> list[Match]:
    if not amount:
        raise Invalid("A part of the line has no amount.")
    if kind == "fee":
        if target not in FEE_ACCOUNTS:
            raise Invalid("That account cannot explain a bank line.")
        return [on_account(line, target, amount, reason="chosen")]
    if kind in ("payout", "payout_line"):
        await _check_whole(kind, target, amount)
        return [Match(line, kind, target, amount, ACCOUNT_OF[kind], reasons=("chosen",))]
    if kind == "order":
        order = await _find_order(target)
        if not (0 < amount <= order.amount_minor or order.amount_minor <= amount < 0):
            raise Invalid(
                "The order {number} owes {cents} cents, not more.", number=order.number, cents=order.amount_minor
            )
        account = chart.ON_CREDIT if order.is_on_credit else chart.PARTNERS
        return [Match(line, "order", order.id, amount, account, reasons=("chosen",))]
    raise Invalid("A bank line is never that: {kind}.", kind=kind)


async def _vat(line: int, target: str, amount: int) -> list[Match]:
    """Return the amounts that settle the VAT of a month, account by account; refuses any part of it."""
    try:
        month = dt.date.fromisoformat(f"{target}-01")
    except ValueError:
        raise NotFound("There is no month {target}.", target=target[:60]) from None
    due = await vat_due(month)
    if not due or sum(due.values()) != amount:
        raise Invalid(
            "The VAT until the end of {month} is {cents} cents, and is settled whole: split the line instead.",
            month=target,
            cents=sum(due.values()),
        )
    return [
        Match(line, "vat", f"{account}/{target}", minor, account, reasons=("chosen",)) for account, minor in due.items()
    ]


async def _check_whole(kind: str, target: str, amount: int) -> None:
    """Refuse a payout that waits for no bank line, and any part of one."""
    awaited = existing(
        await fetch_scalar(int, f"SELECT amount_minor FROM ({OPEN_PAYOUTS}) AS open WHERE id = $2", EUR, target)
        if kind == "payout"
        else await fetch_scalar(
            int,
            f"SELECT amount_minor FROM ({SQL['awaited_payouts']}) AS awaited WHERE id = $4",
            0,
            payouts_in(target),
            0,
            target,
        ),
        NotFound("There is no payout {target} that waits for a bank line.", target=target[:60]),
    )
    if awaited != amount:
        raise Invalid("The payout {target} is over {cents} cents, and comes whole.", target=target, cents=awaited)


async def _find_order(target: str) -> OwedOrder:
    try:
        keys = [uuid.UUID(target)]
    except ValueError:
        keys = []
    return existing(
        await fetch_row(OwedOrder, SQL["owed_orders"], 0, [target.strip(" ").upper()], 0, keys, chart.PARTNERS),
        NotFound("There is no order {target} that a bank line could pay.", target=target[:60]),
    )
