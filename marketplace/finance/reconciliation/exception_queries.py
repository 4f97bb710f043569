"""What does not add up, four ways: orders, Stripe's transactions, payouts and bank lines; and rights without money.

One statement names everything, each with its reason: an exception is (why, subject) and is computed, so it ends when
its cause ends. What two people wrote off is left out, for as long as it is about the same amount; should it be settled
after all, or change, the entry that wrote it off is what no longer adds up.

In large books that statement takes longer than a page may. A job then keeps what it named, and the pages that ask for it
show that with its time; all that decides something looks again.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar
from marketplace.core.errors import NotFound, existing
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements
from marketplace.finance.reconciliation.exceptions.registry import EXCEPTIONS
from marketplace.money.ledger import chart
from marketplace.money.payments.balance import accounts_by_category
from pricing.money import EUR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.finance.reconciliation.exceptions.kind import ExceptionKind

SQL: Final = load_statements(__package__)
AGES: Final = (1, 7, 30, 90)
"""Days that divide the chart of ages."""
LIVE_UP_TO: Final = 5_000
"""Entries of the journal up to which pages look for exceptions themselves."""
BY_SUBJECT: Final = (
    ("purchase_order", "id", "uuid"),
    ("balance_transaction", "payment_subject", "uuid"),
    ("order_return", "purchase_order", "uuid"),
    ("dispute", "payment_subject", "uuid"),
    ("bank_match", "target_id", "text"),
)
"""The tables of the book of orders that are found by an order or payment, their column for it and that column's type."""
MOST_AGE: Final = dt.timedelta(minutes=30)
"""How old an answer may be that a page shows: the job makes a new one long before."""


class ExceptionRow(Struct, frozen=True):
    """Something unmatched; `proposal` is the write-off that waits for a second person."""

    why: str
    """The code of its kind."""
    detail: str
    subject: str
    reference: str
    """What staff call its subject."""
    path: str | None
    """Where it comes from."""
    amount_minor: int | None
    at: dt.datetime
    proposal: uuid.UUID | None
    weight: Decimal
    """Days × cents: what the queue is ordered by."""


class ExceptionKey(Struct, frozen=True):
    """Which exception."""

    why: str
    subject: str


class QueueRow(Struct, frozen=True):
    """An exception of the page, or the sum of those of one reason and age: then `exceptions` and what follows are set."""

    why: str
    detail: str | None
    subject: str | None
    reference: str | None
    path: str | None
    amount_minor: int | None
    at: dt.datetime | None
    proposal: uuid.UUID | None
    weight: Decimal | None
    age: int | None
    """Place in the chart of ages."""
    exceptions: int | None
    whole_minor: int | None


class AgeSum(Struct, frozen=True):
    """How many exceptions are of one age, and their amounts in cents."""

    exceptions: int = 0
    amount_minor: int = 0


@dataclass(frozen=True, slots=True)
class Queue(Paged[ExceptionRow]):
    """A page of what is unmatched, and how much there is in all."""

    reasons: Sequence[tuple[str, int]]
    """The reasons there are, and how many of each, most first."""
    ages: Sequence[AgeSum]
    """For each age of the chart in order."""
    looked_at: dt.datetime | None
    """When it was looked for them, where this is a kept answer; None: just now."""


async def _source(*, kept: bool) -> tuple[str, dt.datetime | None]:
    """Return the statement that names all exceptions; `kept`: as the last look found them, and when that was."""
    looked_at = await find_look() if kept else None
    return SQL["kept"] if looked_at else sweep(), looked_at


async def find_look() -> dt.datetime | None:
    """Return when it was looked for exceptions, where pages show what was found then; None: they look themselves."""
    if not await are_books_large():
        return None
    return await fetch_scalar(
        dt.datetime, "SELECT looked_at FROM exception_look WHERE looked_at >= $1", clock.now() - MOST_AGE
    )


async def are_books_large() -> bool:
    """Return whether the journal has so many entries that a page cannot look for exceptions itself."""
    return bool(await fetch_scalar(bool, "SELECT max(id) >= $1 FROM journal_entry", LIVE_UP_TO))


def sweep(why: str = "") -> str:
    """Return the statement of all exceptions; its parameters are those of a kind's SQL.

    `why` is the reason of a single exception, whose subject is $6: no other reason is looked for, unless it is one about
    all others, and of the orders only the subject is read. `given` types what only other kinds ask.
    """
    its = EXCEPTIONS.get(why)
    is_single = its is not None and not its.after_write_offs
    kinds = [its] if its and is_single else list(EXCEPTIONS.values())
    selects = [kind.select for kind in kinds if kind.sql and not kind.after_write_offs]
    later = [kind.select for kind in kinds if kind.after_write_offs]
    in_book = [_in_book(kinds)] if any(kind.in_book for kind in kinds) else []
    return f"""
        WITH given AS (SELECT $3::text[]), book AS MATERIALIZED ({_book_of_one() if is_single else SQL["book"]}), unequal AS MATERIALIZED ({SQL["unequal"]}), found AS NOT MATERIALIZED (
            {" UNION ALL ".join(in_book + selects)}
        ), written_off AS ({SQL["written_off"]}), current AS (
            SELECT * FROM found WHERE NOT EXISTS (
                SELECT FROM written_off WHERE written_off.why = found.why AND written_off.subject = found.subject
                AND written_off.amount_minor IS NOT DISTINCT FROM found.amount_minor)
            {"".join(f" UNION ALL {select}" for select in later)}
        ) SELECT current.*, pending.id AS proposal,
            (greatest(extract(epoch FROM $2::timestamptz - at), 0) / 86400 * coalesce(abs(current.amount_minor), 100))::numeric AS weight
        FROM current LEFT JOIN proposal AS pending ON pending.kind = 'write_off'
          AND pending.subject = current.why || ' ' || current.subject AND pending.approved IS NULL"""


def _book_of_one() -> str:
    """Return the book of the one order or payment $6: what it reads by its subject has that subject's rows alone."""
    asked = "CASE WHEN $6::text ~ '^[0-9a-f-]{36}$' THEN $6::text END"
    tables = [
        f"{table} AS (SELECT * FROM {table} WHERE {column} = ({asked})::{kind})" for table, column, kind in BY_SUBJECT
    ]
    return f"WITH {', '.join(tables)} SELECT * FROM ({SQL['book']}) AS book"


def _in_book(kinds: Sequence[ExceptionKind]) -> str:
    """Return the exceptions of orders: one pass over the book for all kinds.

    Almost every order is right, so it is asked first whether anything is wrong; only then what, kind by kind.
    """
    read = [(kind.code, kind.in_book) for kind in kinds if kind.in_book]
    rows = [f"({its.when}, '{code}', {its.detail}, {its.movement}, {its.amount_minor}, {its.at})" for code, its in read]
    is_wrong = " OR ".join(f"({its.when})" for _, its in read)
    return f"""SELECT finding.why, finding.detail, coalesce(id::text, subject::text) AS subject,
            coalesce(number, finding.movement, subject::text) AS reference,
            coalesce('/finance/orders/' || id, '/finance/transactions/' || finding.movement) AS path, finding.amount_minor, finding.at
        FROM (SELECT * FROM book WHERE {is_wrong}) AS wrong CROSS JOIN LATERAL (VALUES {", ".join(rows)}) AS finding (is_so, why, detail, movement, amount_minor, at)
        WHERE finding.is_so"""


async def given_now() -> tuple[str, dt.datetime, list[str], str]:
    """Return the values of a kind's parameters."""
    return EUR, clock.now(), list(await accounts_by_category()), chart.STRIPE


async def count_exceptions() -> int:
    """Return how many things are unmatched, whatever the balances say."""
    counted = [kind.code for kind in EXCEPTIONS.values() if kind.counts]
    sql = f"SELECT count(*) FROM ({sweep()}) AS exception WHERE why = ANY ($5::text[])"
    return await fetch_scalar(int, sql, *await given_now(), counted) or 0


async def list_exceptions_since(at: dt.datetime) -> list[ExceptionRow]:
    """Return what is unmatched and of this instant or later, the earliest first; a bank line is of its whole day.

    Stripe dates in whole seconds, so what came in the second of `at` counts as later.
    """
    later = """at >= CASE why WHEN 'line_unexplained' THEN date_trunc('day', $5::timestamptz, 'Europe/Paris')
                             ELSE date_trunc('second', $5) END"""
    sql = f"SELECT * FROM ({sweep()}) AS found WHERE {later} ORDER BY at, why, subject"
    return await fetch_rows(ExceptionRow, sql, *await given_now(), at)


async def list_exceptions(
    page: int = 1, why: str = "", assignee: uuid.UUID | None = None, *, kept: bool = False
) -> Queue:
    """Return what is unmatched and why, by age × amount, largest first.

    `why` narrows the page to one reason, `assignee` to what somebody has to see to. One statement reads the page and the
    sums of all, for at size each look takes a while. kept: as the last look found it, in large books.
    """
    every, looked_at = await _source(kept=kept)
    found = await fetch_rows(
        QueueRow,
        f"""WITH everything AS MATERIALIZED ({every}), assigned AS ({SQL["assigned"]}), shown AS (
                SELECT * FROM everything WHERE ($5 = '' OR why = $5)
                AND ($9::uuid IS NULL OR (why, subject) IN (SELECT why, subject FROM assigned WHERE assignee = $9)) ORDER BY weight DESC, at, why, subject LIMIT $6 OFFSET $7
            ), summed AS (
                SELECT why, width_bucket(extract(epoch FROM $2::timestamptz - at) / 86400, $8::numeric[]) AS age,
                       count(*) AS exceptions, coalesce(sum(abs(amount_minor)), 0)::bigint AS whole_minor
                FROM everything GROUP BY 1, 2
            )
            SELECT shown.*, NULL::int AS age, NULL::bigint AS exceptions, NULL::bigint AS whole_minor FROM shown
            UNION ALL
            SELECT why, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, age, exceptions, whole_minor FROM summed
            ORDER BY weight DESC NULLS LAST, at, why, subject""",
        *await given_now(),
        why,
        PAGE_SIZE + 1,
        offset(page),
        list(AGES),
        assignee,
    )
    reasons: Counter[str] = Counter()
    ages = [AgeSum()] * (len(AGES) + 1)
    for row in found:
        if row.exceptions is not None:
            reasons[row.why] += row.exceptions
            if row.age is not None:
                before = ages[row.age]
                ages[row.age] = AgeSum(before.exceptions + row.exceptions, before.amount_minor + (row.whole_minor or 0))
    rows = paged([exception for row in found if (exception := _of_page(row))], page)
    by_count = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return Queue(rows.rows, rows.number, rows.more, by_count, ages, looked_at)


def _of_page(row: QueueRow) -> ExceptionRow | None:
    if row.exceptions is not None:
        return None
    assert row.detail is not None
    assert row.subject is not None
    assert row.reference is not None
    assert row.at is not None
    assert row.weight is not None
    return ExceptionRow(
        row.why,
        row.detail,
        row.subject,
        row.reference,
        row.path,
        row.amount_minor,
        row.at,
        row.proposal,
        row.weight,
    )


async def get_exception(why: str, subject: str) -> ExceptionRow:
    """Return one exception; refuse when there is none: it was never there, or its cause is gone."""
    sql = f"SELECT * FROM ({sweep(why)}) AS exception WHERE why = $5 AND subject = $6 LIMIT 1"
    return existing(
        await fetch_row(ExceptionRow, sql, *await given_now(), why, subject),
        NotFound("There is no such exception: it is settled, or never was."),
    )


async def is_open(key: ExceptionKey) -> bool:
    """Return whether there is such an exception now."""
    sql = f"SELECT EXISTS (SELECT FROM ({sweep(key.why)}) AS exception WHERE why = $5 AND subject = $6)"
    return bool(await fetch_scalar(bool, sql, *await given_now(), key.why, key.subject))


async def find_next(why: str, subject: str) -> ExceptionKey | None:
    """Return the exception that follows in the queue, in large books as the last look found it."""
    every, _ = await _source(kept=True)
    return await fetch_row(
        ExceptionKey,
        f"""WITH placed AS (
                SELECT why, subject, lead(why) OVER queue AS next_why, lead(subject) OVER queue AS next_subject
                FROM ({every}) AS everything WINDOW queue AS (ORDER BY weight DESC, at, why, subject))
            SELECT next_why AS why, next_subject AS subject FROM placed
            WHERE why = $5 AND subject = $6 AND next_why IS NOT NULL""",
        *await given_now(),
        why,
        subject,
    )


async def list_blocking(ends_at: dt.datetime, *, kept: bool = False) -> list[ExceptionRow]:
    """Return the exceptions older than `ends_at` that stop a close, oldest first; kept: as the last look found them."""
    blocking = [kind.code for kind in EXCEPTIONS.values() if kind.blocks_close]
    every, _ = await _source(kept=kept)
    sql = f"""SELECT * FROM ({every}) AS exception WHERE at < $5 AND why = ANY ($6::text[]) ORDER BY at, why, subject"""
    return await fetch_rows(ExceptionRow, sql, *await given_now(), ends_at, blocking)
