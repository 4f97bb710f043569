"""A month of business as it lies in the tables at its end: orders with refunds, disputes and fees, payouts and bank lines.

Everything is made in memory from a seed and loaded by COPY, so that a month of any size is there in seconds. It adds up
to the cent, but for the one cent that a caller plants.
"""

import datetime as dt
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from marketplace.core import clock
from marketplace.core.database import copy_in, execute
from marketplace.money.ledger import chart
from marketplace.money.ledger.periods import bounds, month_of
from marketplace.money.payments.rules import COUNTERPARTS, postings
from tests.finance.builders import sales
from tests.support.reads import fetch_value

IBAN = "FR7630006000011234567890189"
OPENING_MINOR = 1_000_000
REFUNDED, DISPUTED, DOWNLOADED = 0.05, 0.01, 0.5
DISPUTE_FEE = 2_000
ROWS_A_COPY = 200_000
PLANTS = ("charge", "posting", "bank")
"""Where a cent may be wrong: what Stripe took, what the books entered, what the bank credited."""


@dataclass
class MonthRows:
    """The rows of a month, table by table, and where its one wrong cent is."""

    rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    entries: int = 0
    planted: str = ""
    """Number, id or reference of what was made wrong."""

    def add(self, table: str, *row: object) -> None:
        """Add a row to a table."""
        self.rows.setdefault(table, []).append(row)

    def enter(self, kind: str, source: str, at: dt.datetime, moves: Sequence[tuple[str, str, int]]) -> None:
        """Enter a fact in the books."""
        self.entries += 1
        self.add("journal_entry", self.entries, kind, source, at, at, "EUR", kind)
        for debit, credit, amount in moves:
            self.add("posting", self.entries, debit, credit, amount)


COLUMNS = {
    "quote": (
        "id",
        "partner",
        "offer",
        "release",
        "terms",
        "months",
        "amount_minor",
        "document",
        "signature",
        "quoted_at",
        "expires_at",
    ),
    "purchase_order": (
        "id",
        "number",
        "partner",
        "net_minor",
        "vat_minor",
        "total_minor",
        "vat_basis_points",
        "vat_rule",
        "state",
        "ordered_at",
        "paid_at",
        "returned_minor",
        "charged_back_minor",
        "may_repeat",
    ),
    "order_lot": ("quote", "purchase_order", "position"),
    "payment": (
        "subject",
        "amount_minor",
        "received_minor",
        "state",
        "charge_id",
        "session_id",
        "refunded_minor",
        "requested_at",
        "paid_at",
        "read_at",
    ),
    "licence": (
        "id",
        "purchase_order",
        "quote",
        "release",
        "terms",
        "posted_minor",
        "net_minor",
        "subscribers_basis_points",
        "operator_basis_points",
        "sold_at",
        "hold_until",
        "cancelled_at",
        "returned_minor",
    ),
    "entitlement": ("id", "licence", "partner", "release", "starts_at", "ends_at", "revoked_at"),
    "dispute": (
        "id",
        "payment_subject",
        "charge_id",
        "amount_minor",
        "reason",
        "status",
        "state",
        "opened_at",
        "closed_at",
    ),
    "order_return": (
        "id",
        "purchase_order",
        "kind",
        "dispute",
        "net_minor",
        "vat_minor",
        "total_minor",
        "lots_minor",
        "at",
    ),
    "download": ("id", "entitlement", "format", "byte_count", "at"),
    "balance_transaction": (
        "id",
        "category",
        "amount_minor",
        "fee_minor",
        "net_minor",
        "source_id",
        "charge_id",
        "payment_subject",
        "status",
        "payout_id",
        "created_at",
        "available_on",
    ),
    "journal_entry": ("id", "kind", "source_id", "at", "recorded_at", "currency", "text"),
    "posting": ("entry", "debit", "credit", "amount_minor"),
    "bank_account": ("iban", "opened_at"),
    "bank_statement": (
        "id",
        "iban",
        "message_id",
        "statement_id",
        "sequence",
        "opened_on",
        "closed_on",
        "opening_minor",
        "closing_minor",
        "line_count",
        "file_sha256",
        "imported_at",
    ),
    "bank_line": (
        "id",
        "statement",
        "iban",
        "reference",
        "booked_on",
        "value_on",
        "amount_minor",
        "end_to_end_id",
        "batch_id",
        "transaction_id",
        "counterparty",
        "counterparty_iban",
        "remittance",
        "code",
        "return_reason",
    ),
}
"""Tables in the order their keys allow, each with the columns that a month fills."""


def make_month(orders: int, *, plant: str = "", seed: int = 5) -> MonthRows:
    """Make the last month that is over; `plant` names where one cent is wrong."""
    dice, month = random.Random(seed), MonthRows()  # noqa: S311 (a repeatable month)
    end, _ = bounds(month_of(clock.now()))
    start, _ = bounds(month_of(end - dt.timedelta(days=1)))
    days = round((end - start) / dt.timedelta(days=1))
    day_of = sorted(dice.randrange(days - 9) for _ in range(orders))
    movements: list[list[tuple[Any, ...]]] = [[] for _ in range(days)]
    wrong = orders // 2
    for number, day in enumerate(day_of):
        at = start + dt.timedelta(days=day, seconds=dice.randrange(80_000))
        _sell(month, movements, dice, number, day, at, plant if number == wrong else "")
    _close(month, movements, start, plant)
    return month


def _sell(  # noqa: PLR0917 (one order: where, when and whether it is the wrong one)
    month: MonthRows,
    movements: list[list[tuple[Any, ...]]],
    dice: random.Random,
    number: int,
    day: int,
    at: dt.datetime,
    plant: str,
) -> None:
    order, quote, licence, entitlement = (uuid.UUID(int=(number + 1) * 8 + place) for place in range(4))
    net = dice.randrange(1_000, 200_000)
    vat = (net * 20 + 50) // 100
    total, fee = net + vat, (net + vat) * 15 // 1000 + 25
    chance = dice.random()
    is_refunded, is_disputed = chance < REFUNDED, REFUNDED <= chance < REFUNDED + DISPUTED
    is_lost = is_disputed and number % 2 == 0
    part = (net // 2, vat // 2) if is_refunded and number % 3 == 0 else (net, vat)
    is_gone = is_lost or (is_refunded and part == (net, vat))
    returned, lost = sum(part) if is_refunded else 0, total if is_lost else 0
    back_at, may_repeat = at + dt.timedelta(days=3), True
    name, year = f"P-2026-{number:06d}", dt.timedelta(days=365)
    month.add(
        "quote",
        quote,
        sales.PARTNER,
        sales.OFFER,
        sales.RELEASE,
        "standard-1",
        12,
        net,
        b"x",
        b"x",
        at - dt.timedelta(minutes=9),
        at,
    )
    month.add(
        "purchase_order",
        order,
        name,
        sales.PARTNER,
        net,
        vat,
        total,
        2_000,
        "domestic",
        "charged_back" if is_lost else "refunded" if is_gone else "paid",
        at,
        at,
        returned,
        lost,
        may_repeat,
    )
    month.add("order_lot", quote, order, 1)
    month.add(
        "payment",
        order,
        total,
        total,
        "refunded" if is_refunded and is_gone else "paid",
        f"ch_{number}",
        f"cs_{number}",
        returned,
        at,
        at,
        at,
    )
    month.add(
        "licence",
        licence,
        order,
        quote,
        sales.RELEASE,
        "standard-1",
        net,
        net,
        5_000,
        3_500,
        at,
        at + dt.timedelta(days=14),
        back_at if is_gone else None,
        part[0] if is_refunded else net if is_lost else 0,
    )
    month.add(
        "entitlement",
        entitlement,
        licence,
        sales.PARTNER,
        sales.RELEASE,
        at,
        at + year,
        back_at if is_gone else None,
    )
    if dice.random() < DOWNLOADED:
        month.add(
            "download", uuid.UUID(int=(number + 1) * 8 + 4), entitlement, "csv", 1_000, at + dt.timedelta(hours=1)
        )
    month.enter(
        "sale", str(order), at, [(chart.PARTNERS, chart.LICENCES_SOLD, net), (chart.PARTNERS, chart.VAT_COLLECTED, vat)]
    )
    cent = int(plant == "charge")
    if plant:
        month.planted = {"charge": name, "posting": f"txn_ch_{number}"}.get(plant, "")
    _move(month, movements, day, "charge", f"ch_{number}", order, at, total + cent, fee, int(plant == "posting"))
    if is_refunded:
        _move(month, movements, day + 3, "refund", f"re_{number}", order, back_at, -sum(part), 0, 0)
        _refund(month, order, uuid.UUID(int=(number + 1) * 8 + 5), None, part, back_at)
    if is_disputed:
        name, ended = f"dp_{number}", at + dt.timedelta(days=8)
        state = "lost" if is_lost else "won"
        month.add("dispute", name, order, f"ch_{number}", total, "fraudulent", state, state, back_at, ended)
        _move(month, movements, day + 3, "dispute", name, order, back_at, -total, DISPUTE_FEE, 0)
        if is_lost:
            _refund(month, order, uuid.UUID(int=(number + 1) * 8 + 6), name, (net, vat), ended)
        else:
            _move(month, movements, day + 8, "dispute_reversal", name, order, ended, total, 0, 0)


def _refund(  # noqa: PLR0917 (what went back, of which order, and why)
    month: MonthRows, order: uuid.UUID, key: uuid.UUID, dispute: str | None, part: tuple[int, int], at: dt.datetime
) -> None:
    net, vat = part
    month.add("order_return", key, order, "dispute" if dispute else "refund", dispute, net, vat, net + vat, [net], at)
    across = chart.DISPUTES if dispute else chart.PARTNERS
    moves = [(chart.LICENCES_SOLD, across, net), (chart.VAT_COLLECTED, across, vat)]
    month.enter("dispute_lost" if dispute else "refund", str(key), at, moves)


def _move(  # noqa: PLR0917 (a movement of Stripe's balance, column by column)
    month: MonthRows,
    movements: list[list[tuple[Any, ...]]],
    day: int,
    category: str,
    source: str,
    order: uuid.UUID | None,
    at: dt.datetime,
    amount: int,
    fee: int,
    cent: int,
) -> None:
    key = f"txn_{source}" if category != "dispute_reversal" else f"txn_{source}_won"
    movements[day].append((key, category, amount, fee, amount - fee, source, order, at))
    moves = postings(COUNTERPARTS[category], amount, fee)
    month.enter(f"stripe_{category}", key, at, [(moves[0][0], moves[0][1], moves[0][2] + cent), *moves[1:]])


def _close(month: MonthRows, movements: list[list[tuple[Any, ...]]], start: dt.datetime, plant: str) -> None:
    """Pay every day's movements out, and let the bank report each payout two days later."""
    month.add("bank_account", IBAN, start)
    opening, line = OPENING_MINOR, 0
    month.enter("bank_opening", IBAN, start, [(chart.BANK, chart.OPENING_BALANCES, opening)])
    for day, moved in enumerate(movements):
        at = start + dt.timedelta(days=day)
        _move(
            month,
            movements,
            day,
            "fee",
            f"fee_{day}",
            None,
            at + dt.timedelta(hours=22, minutes=58),
            -(300 + day),
            0,
            0,
        )
        payout, paid = f"po_{start:%Y%m}{day:02d}", sum(row[4] for row in moved)
        if paid > 0 and any(row[1] != "fee" for row in moved):
            _move(month, movements, day, "payout", payout, None, at + dt.timedelta(hours=22, minutes=59), -paid, 0, 0)
        for key, category, amount, fee, net, source, order, when in moved:
            of_payout = payout if moved[-1][1] == "payout" else None
            charge = f"ch_{source.partition('_')[2]}" if order else None
            month.add(
                "balance_transaction",
                key,
                category,
                amount,
                fee,
                net,
                source,
                charge,
                order,
                "available",
                of_payout,
                when,
                when,
            )
        closing, lines = opening, 0
        booked = (at + dt.timedelta(days=2, hours=12)).date()
        if moved[-1][1] == "payout":
            line, lines = line + 1, 1
            is_wrong = plant == "bank" and day == len(movements) // 3
            credited = paid - int(is_wrong)
            month.planted = payout if is_wrong else month.planted
            closing += credited
            month.add(
                "bank_line",
                line,
                day + 1,
                IBAN,
                f"B{day:04d}",
                booked,
                booked,
                credited,
                "",
                "",
                "",
                "Stripe Payments Europe",
                "",
                f"STRIPE {payout}",
                "PMNT/RCDT/ESCT",
                "",
            )
            midday = dt.datetime.combine(booked, dt.time(), dt.UTC)
            month.enter("bank_line", str(line), midday, [(chart.BANK, chart.SUSPENSE, credited)])
        month.add(
            "bank_statement",
            day + 1,
            IBAN,
            f"M{day:04d}",
            f"S{day:04d}",
            day + 1,
            booked,
            booked,
            opening,
            closing,
            lines,
            "x",
            at,
        )
        opening = closing


async def load_month(month: MonthRows) -> None:
    """COPY a month into an empty marketplace, and let the database know its size."""
    await sales.write_shop()
    for table, columns in COLUMNS.items():
        rows = month.rows[table]
        for start in range(0, len(rows), ROWS_A_COPY):  # each well within the command timeout
            await copy_in(table, columns, rows[start : start + ROWS_A_COPY])
    for table in ("journal_entry", "bank_statement", "bank_line"):
        await fetch_value(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
    for table in COLUMNS:
        await execute(f"VACUUM ANALYZE {table}")
