"""What waits for finance, from every package of theirs, by age × amount; and what a text is found in."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_rows
from marketplace.core.statements import load_statements
from marketplace.finance.bookkeeping.months import CLOSE_MONTH
from marketplace.finance.desk.order_lists import numbers_meant
from marketplace.finance.proposals import PROPOSALS
from marketplace.finance.reconciliation.assignments import list_assignees
from marketplace.finance.reconciliation.exception_queries import list_exceptions
from marketplace.finance.reconciliation.queue_pages import path_of
from marketplace.money.ledger.periods import bounds, list_open
from marketplace.money.ledger.queries import LARGEST_FILE_ROWS
from marketplace.people.proposals.queries import list_proposals
from marketplace.subscribers.payouts.queries import PAYOUTS_BY, RUNS_BY, RunPayoutRow, RunRow
from marketplace.subscribers.payouts.queries import SQL as PAYOUTS_SQL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.finance.reconciliation.assignments import Assignment
    from marketplace.people.proposals.queries import ProposalRow

SQL: Final = load_statements(__package__)
WITHOUT_AMOUNT_MINOR: Final = 100
"""What something weighs a day that has no amount, as in the queue of exceptions."""
MOST_FOUND: Final = 10
"""Of each kind."""
SHORTEST: Final = 2
"""Characters of what is searched."""
LATEST: Final = 2_000
"""Entries and bank lines whose texts are searched: of no more is each read."""
LONGEST_ID: Final = 19
"""Digits that no entry's id has."""
NUMBERED: Final = ("P", "F", "A")
"""What numbers begin with: of orders, of invoices and of credit notes."""
FOUND: Final = {
    "order": "Orders",
    "partner": "Partners",
    "invoice": "Invoices",
    "entry": "Entries",
    "line": "Bank lines",
    "transaction": "Stripe’s transactions",
    "dataset": "Datasets, for sale or not",
    "offer": "Offers",
    "purpose": "Purposes",
    "request": "Requests for data",
    "auction": "Auctions",
    "call": "Calls for contributors",
    "share": "Your shares",
    "payout": "Your payouts",
    "choice": "What you consent to",
}
"""What is found in numbers and names, in words."""


class DecisionRow(Struct, frozen=True):
    """What waits for somebody's decision; `asked_by` may not take it. `amount_minor` in cents."""

    kind: str
    reference: str
    amount_minor: int | None
    since: dt.datetime
    path: str
    asked_by: uuid.UUID | None
    asked_by_name: str | None


class Task(Struct, frozen=True):
    """Something that waits for somebody of finance."""

    kind: str
    """A kind of `pages.KINDS`, or the code of a kind of proposals."""
    reference: str
    why: str
    """Of an exception: the code of its kind."""
    detail: str
    amount_minor: int | None
    since: dt.datetime
    path: str
    with_name: str
    """Who sees to it, or asked for it and may not decide it; empty: nobody."""
    is_mine: bool
    """Whether the person who asks may act on it now: it is theirs, or nobody's."""
    weight: int
    """Days × cents."""


class SearchHit(Struct, frozen=True):
    """Something in which a text was found."""

    kind: str
    title: str
    detail: str
    path: str
    at: dt.datetime | None


async def list_tasks(person: uuid.UUID | None) -> list[Task]:
    """Return everything that waits, what the person can act on first, then by age × amount.

    Of exceptions they are the heaviest, a page of them, as the last look found them; the queue has all. One that somebody proposed to write off is
    there as that proposal.
    """
    now = clock.now()
    unmatched = [row for row in (await list_exceptions(kept=True)).rows if row.proposal is None]
    assigned = await list_assignees(unmatched)
    tasks = [
        Task(
            "exception",
            row.reference,
            row.why,
            row.detail,
            row.amount_minor,
            row.at,
            path_of(row.why, row.subject),
            *_held_by(assigned.get((row.why, row.subject)), person),
            _weight(row.at, row.amount_minor, now),
        )
        for row in unmatched
    ]
    decisions = await fetch_rows(DecisionRow, SQL["list_decisions"])
    decisions += [_proposed(row) for row in await list_proposals("waiting")]
    proposed = {row.reference for row in decisions if row.kind == CLOSE_MONTH.code}
    decisions += [row for row in map(_closing, await list_open(now)) if row.reference not in proposed]
    tasks += [
        Task(
            row.kind,
            row.reference,
            "",
            "",
            row.amount_minor,
            row.since,
            row.path,
            row.asked_by_name or "",
            row.asked_by is None or row.asked_by != person,
            _weight(row.since, row.amount_minor, now),
        )
        for row in decisions
    ]
    return sorted(tasks, key=lambda task: (not task.is_mine, -task.weight, task.since, task.reference))


def _proposed(row: ProposalRow) -> DecisionRow:
    """Return a proposal as what waits for another person than its proposer."""
    kind = PROPOSALS[row.kind]
    document = kind.read(row.document)
    reference, path = kind.named(document), kind.place(document)
    return DecisionRow(row.kind, reference, row.amount_minor, row.proposed_at, path, row.proposed_by, row.proposer)


def _closing(month: dt.date) -> DecisionRow:
    """Return a month that has ended, as what waits for anyone of finance."""
    return DecisionRow(CLOSE_MONTH.code, f"{month:%Y-%m}", None, bounds(month)[1], "/finance/periods", None, None)


def _held_by(assignee: Assignment | None, person: uuid.UUID | None) -> tuple[str, bool]:
    """Return the name of the person who sees to an exception, and whether the person may act: it is theirs, or nobody's."""
    return ("", True) if assignee is None else (assignee.name, assignee.person == person)


def _weight(since: dt.datetime, amount_minor: int | None, now: dt.datetime) -> int:
    days = max((now - since) / dt.timedelta(days=1), 0)
    return round(days * abs(amount_minor if amount_minor is not None else WITHOUT_AMOUNT_MINOR))


async def list_all_runs(state: str = "", sort: str = "") -> list[RunRow]:
    """Return payout runs, of a state unless it is empty, as their page sorts them, up to `LARGEST_FILE_ROWS` in one list."""
    sql = f"{PAYOUTS_SQL['runs_in_state']} ORDER BY {RUNS_BY.get(sort, RUNS_BY[''])}, payout_run.id LIMIT $2"
    return await fetch_rows(RunRow, sql, state, LARGEST_FILE_ROWS)


async def list_all_payouts(run: uuid.UUID, state: str = "", sort: str = "") -> list[RunPayoutRow]:
    """Return the payouts of a run as its page sorts them, up to `LARGEST_FILE_ROWS` in one list."""
    order = PAYOUTS_BY.get(sort, PAYOUTS_BY[""])
    sql = f"{PAYOUTS_SQL['list_run_payouts']} ORDER BY {order}, payout.id LIMIT $3"
    return await fetch_rows(RunPayoutRow, sql, run, state, LARGEST_FILE_ROWS)


async def search(text: str) -> Sequence[SearchHit]:
    """Return what a text is the number, name or reference of, or is in the text of, among the latest; nothing for one sign.

    Numbers are found by how they begin, with their letter or without, or by their digits after the year.
    """
    wanted = text.strip()
    if len(wanted) < SHORTEST:
        return []
    now = clock.now()
    [orders, invoices, notes] = [numbers_meant(wanted, letter, now) for letter in NUMBERED]
    return await fetch_rows(
        SearchHit,
        SQL["search"],
        wanted,
        MOST_FOUND,
        [*orders[0], *invoices[0], *notes[0], wanted.upper()],
        [orders[1]],
        [invoices[1], notes[1]],
        _id_in(wanted),
        int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < LONGEST_ID else None,
        LATEST,
    )


def _id_in(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


async def search_stewarded(text: str, in_language: str) -> Sequence[SearchHit]:
    """Return of what stewards' pages list all that has a text in its code, title, place or name; nothing for one sign.

    in_language: fr or en, of the titles shown; both are searched.
    """
    wanted = text.strip()
    if len(wanted) < SHORTEST:
        return []
    return await fetch_rows(SearchHit, SQL["search_stewarded"], wanted, MOST_FOUND, in_language)


async def search_own(partner: uuid.UUID, text: str, in_language: str) -> Sequence[SearchHit]:
    """Return the partner's own orders and invoices that have a text in their number or dataset's title; none for one sign.

    in_language: fr or en, of the titles shown; both are searched.
    """
    wanted = text.strip()
    if len(wanted) < SHORTEST:
        return []
    return await fetch_rows(SearchHit, SQL["search_own"], wanted, MOST_FOUND, partner, in_language)
