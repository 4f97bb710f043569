"""What pages and checks read from the books: balances and the trial balance at any instant, the journal, one entry."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.database import fetch_column, fetch_row, fetch_rows, fetch_scalar, select
from marketplace.core.errors import NotFound, existing
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements
from marketplace.money.ledger.tables import Account, JournalEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST_ID: Final = 2**63 - 1
SQL: Final = load_statements(__package__)
LARGEST_FILE_ROWS: Final = 100_000
MOST_QUIET: Final = 20_000
"""Postings on a side from which on a page of an account's entries is found along the journal, in milliseconds either way."""
ENTRIES_BY: Final = {
    "": "at DESC, journal_entry.id DESC",
    "oldest": "at, journal_entry.id",
    "debit": "debit_minor DESC, at DESC, journal_entry.id DESC",
    "credit": "credit_minor DESC, at DESC, journal_entry.id DESC",
}
"""How the journal can be sorted. By amount all that is narrowed to is read, so a page does it up to `MOST_SORTED` entries."""
BY_DATE: Final = ("", "oldest")
MOST_SORTED: Final = 20_000
"""Entries up to which a page sorts a journal by amount: there is an index of dates alone."""


class AccountTitle(Struct, frozen=True):
    """An account of the chart: its code and both titles."""

    code: str
    title_fr: str
    title_en: str


class AccountBalance(Struct, frozen=True):
    """A line of the trial balance, in cents; `balance_minor` is debits minus credits."""

    code: str
    heading: str
    """First digit of the code; see `chart.HEADINGS`."""
    title_fr: str
    title_en: str
    debit_minor: int
    credit_minor: int
    balance_minor: int


class EntryLine(Struct, frozen=True):
    """An entry as the journal lists it, with the debit and credit of one account or of the whole entry, in cents."""

    id: int
    kind: str
    source_id: str
    at: dt.datetime
    recorded_at: dt.datetime
    currency: str
    text: str
    debit_minor: int
    credit_minor: int


@dataclass(frozen=True, slots=True)
class Entries(Paged[EntryLine]):
    """A page of the journal, and whether it is short enough to be sorted by amount."""

    is_short: bool


class EntryRow(Struct, frozen=True):
    """An entry without its postings; `reverses` is the entry it reverses."""

    id: int
    kind: str
    source_id: str
    at: dt.datetime
    recorded_at: dt.datetime
    currency: str
    text: str
    reverses: int | None


class PostingRow(Struct, frozen=True):
    """A posting in cents, with both accounts' titles."""

    id: int
    debit: str
    credit: str
    amount_minor: int
    debit_fr: str
    debit_en: str
    credit_fr: str
    credit_en: str


class WholeEntry(Struct, frozen=True):
    """An entry with its postings, and the entry that reverses it, if any."""

    entry: EntryRow
    postings: list[PostingRow]
    reversed_by: int | None


class EntryOf(Struct, frozen=True):
    """An entry that records a given fact, with what it moves in all, in cents."""

    id: int
    kind: str
    source_id: str
    at: dt.datetime
    currency: str
    text: str
    amount_minor: int


async def balance(account: str, at: dt.datetime | None = None) -> int:
    """Return debits minus credits of an account in cents, of what happened until `at` (included), or of everything."""
    return await fetch_scalar(int, SQL["balance"], account, at) or 0


async def trial_balance(at: dt.datetime | None = None, *, recorded: bool = False) -> list[AccountBalance]:
    """Return every account with its debits and credits until `at` (included); all balances add up to zero.

    By the books' date; `recorded`: by the instant of recording, that is, what the books said then. By date it reads
    sums of days; by recording all postings until then.
    """
    statement = SQL["recorded_balance"] if recorded and at else SQL["trial_balance"]
    return await fetch_rows(AccountBalance, statement, at)


async def get_account(code: str) -> AccountTitle:
    """Return an account of the chart; NotFound when there is none."""
    return existing(
        await fetch_row(AccountTitle, select(AccountTitle, Account).where(Account.code == code)),
        NotFound("There is no account {code}.", code=code),
    )


async def list_accounts() -> list[AccountTitle]:
    """Return the chart of accounts by code."""
    return await fetch_rows(AccountTitle, select(AccountTitle, Account).order_by(Account.code))


async def list_kinds() -> Sequence[str]:
    """Return the kinds of entry the journal has, in alphabetical order."""
    return await fetch_column(str, SQL["list_kinds"])


async def list_entries(
    page: int = 1,
    *,
    account: str | None = None,
    kind: str | None = None,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    sort: str = "",
) -> Entries:
    """Return one page of the journal, in an order of `ENTRIES_BY`; `since` is included, `until` excluded.

    With an account, its entries alone and its debit and credit in each; without, both are the entry's total. What is too
    long to be sorted by amount while a page waits is in the order of its dates.
    """
    statement = await _statement_of(account)
    is_short = statement == SQL["entries_of_quiet"] or not await fetch_scalar(
        bool, SQL["are_more"], MOST_SORTED, kind, since, until
    )
    order = sort if is_short or sort in BY_DATE else ""
    rows = await _entries(statement, order, (account, kind, since, until), PAGE_SIZE + 1, offset(page))
    found = paged(rows, page)
    return Entries(found.rows, found.number, found.more, is_short)


async def list_all_entries(
    *, account: str | None, kind: str | None, since: dt.datetime | None, until: dt.datetime | None, sort: str
) -> list[EntryLine]:
    """Return the same, sorted however long, up to `LARGEST_FILE_ROWS` in one list."""
    narrowed = (account, kind, since, until)
    return await _entries(await _statement_of(account), sort, narrowed, LARGEST_FILE_ROWS, 0)


async def _statement_of(account: str | None) -> str:
    if account is None:
        return SQL["entries"]
    is_busy = await fetch_scalar(bool, SQL["is_busy"], account, MOST_QUIET)
    return SQL["entries_of_busy"] if is_busy else SQL["entries_of_quiet"]


async def _entries(
    statement: str, sort: str, narrowed: tuple[object, ...], limit: int, skipped: int
) -> list[EntryLine]:
    sql = f"{statement} ORDER BY {ENTRIES_BY.get(sort, ENTRIES_BY[''])} LIMIT $5 OFFSET $6"
    return await fetch_rows(EntryLine, sql, *narrowed, limit, skipped)


async def get_entry(entry_id: int) -> WholeEntry:
    """Return one entry with its postings; NotFound when there is none."""
    by_id = select(EntryRow, JournalEntry).where(JournalEntry.id == min(entry_id, LARGEST_ID))
    entry = existing(await fetch_row(EntryRow, by_id), NotFound("There is no journal entry {entry}.", entry=entry_id))
    postings = await fetch_rows(PostingRow, SQL["list_postings"], entry.id)
    return WholeEntry(entry, postings, await find_reversal(entry.id))


async def find_reversal(entry_id: int) -> int | None:
    """Return the id of the entry that reverses this one, or None."""
    return await fetch_scalar(int, JournalEntry.select(JournalEntry.id).where(JournalEntry.reverses == entry_id))


async def list_entries_of(sources: Sequence[tuple[str, str]]) -> list[EntryOf]:
    """Return the entries that record these (kind, source id), oldest first."""
    kinds, source_ids = [kind for kind, _ in sources], [source for _, source in sources]
    return await fetch_rows(EntryOf, SQL["list_entries_of"], kinds, source_ids)
