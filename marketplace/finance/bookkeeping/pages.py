"""The books' pages: trial balance, journal, entries and accounts, with drill-down both ways; an entry is reversed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypedDict

from litestar import Response, get, post
from litestar.params import FromPath  # noqa: TC002 (Litestar reads a handler's annotations)
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.core import clock
from marketplace.core.errors import Invalid
from marketplace.core.web.buttons import Explained  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.formats import paris_day
from marketplace.core.web.pages import PageNumber, localised, see
from marketplace.core.web.sorting import Columns, euros, in_order, list_file
from marketplace.finance.bookkeeping.actions import reverse_entry
from marketplace.finance.bookkeeping.rules import REVERSIBLE, source_path
from marketplace.money.ledger.base_pages import (
    CLERKS,
    READERS,
    Text,
    books_page,
    entry_words,
    instant,
    kind_label,
    midnight,
)
from marketplace.money.ledger.chart import HEADINGS
from marketplace.money.ledger.queries import (
    MOST_SORTED,
    AccountBalance,
    EntryLine,
    balance,
    get_account,
    get_entry,
    list_accounts,
    list_all_entries,
    list_entries,
    list_kinds,
    trial_balance,
)
from marketplace.people.identity.guards import ActorRequest, expect

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

SORTS: Final[dict[str, Callable[[AccountBalance], int]]] = {
    "debit": lambda row: -row.debit_minor,
    "credit": lambda row: -row.credit_minor,
    "balance": lambda row: -abs(row.balance_minor),
}
"""How a trial balance can be sorted, apart from by account."""
BALANCE_COLUMNS: Final[Columns[AccountBalance]] = {
    "Account": lambda row: row.code,
    "Title": lambda row: localised(row, "title"),
    "Debit": lambda row: euros(row.debit_minor),
    "Credit": lambda row: euros(row.credit_minor),
    "Balance": lambda row: euros(row.balance_minor),
}
ENTRY_COLUMNS: Final[Columns[EntryLine]] = {
    "Date": lambda row: paris_day(row.at),
    "Entry": lambda row: row.id,
    "Kind": lambda row: kind_label(row.kind),
    "Text": lambda row: entry_words(row.kind, row.text),
    "Debit": lambda row: euros(row.debit_minor),
    "Credit": lambda row: euros(row.credit_minor),
}


class _JournalFilter(TypedDict):
    """What a journal is narrowed to."""

    account: str | None
    kind: str | None
    since: dt.datetime | None
    until: dt.datetime | None


@get("/finance/trial-balance", guards=READERS, opt=expect("finance", "auditor"))
async def trial_balance_page(at: Text = "", by: Text = "date", sort: Text = "") -> Template:
    """Show every account's debits, credits and balance at an instant or now, by the books' date or by when it was entered."""
    rows = await _balances(at, by)
    moved = [row for row in rows if row.debit_minor or row.credit_minor]
    return books_page(
        "bookkeeping/trial_balance.html",
        at=at,
        by=by,
        sort=sort if sort in SORTS else "",
        rows=in_order(moved, sort, SORTS),
        empty=[row for row in rows if row not in moved],
        classes=HEADINGS,
        now=clock.now(),
    )


@get("/finance/trial-balance.csv", guards=READERS, opt=expect("finance", "auditor"))
async def trial_balance_file(at: Text = "", by: Text = "date", sort: Text = "") -> Response[bytes]:
    """Hand out the trial balance as a file for a spreadsheet, with every account."""
    return list_file("trial-balance.csv", BALANCE_COLUMNS, in_order(await _balances(at, by), sort, SORTS))


async def _balances(at: str, by: str) -> list[AccountBalance]:
    if by not in ("date", "recording"):
        raise Invalid("A trial balance is by date or by recording.")
    return await trial_balance(instant(at), recorded=by == "recording")


@get("/finance/journal", guards=READERS, opt=expect("finance", "auditor"))
async def journal(  # noqa: PLR0917 (a filter of the page each)
    account: Text = "",
    kind: Text = "",
    since: Text = "",
    until: Text = "",
    sort: Text = "",
    page_number: PageNumber = 1,
) -> Template:
    """Show the journal, newest first or sorted, narrowed by account, kind and days; what is long, by date alone."""
    entries = await list_entries(page_number, **await _narrowed(account, kind, since, until), sort=sort)
    return books_page(
        "bookkeeping/journal.html",
        entries=entries,
        most_sorted=None if entries.is_short else MOST_SORTED,
        kinds=await list_kinds(),
        accounts=await list_accounts(),
        chosen={"account": account, "kind": kind, "since": since, "until": until, "sort": sort},
    )


@get("/finance/journal.csv", guards=READERS, opt=expect("finance", "auditor"))
async def journal_file(
    account: Text = "", kind: Text = "", since: Text = "", until: Text = "", sort: Text = ""
) -> Response[bytes]:
    """Hand out the journal as a file, narrowed and sorted as its page is."""
    narrowed = await _narrowed(account, kind, since, until)
    return list_file("journal.csv", ENTRY_COLUMNS, await list_all_entries(**narrowed, sort=sort))


async def _narrowed(account: str, kind: str, since: str, until: str) -> _JournalFilter:
    """Return what a journal is narrowed to; refuses an account that there is not, and what is no day."""
    if account:
        await get_account(account)
    return {
        "account": account or None,
        "kind": kind or None,
        "since": midnight(since),
        "until": midnight(until, after=1),
    }


@get("/finance/journal/{entry_id:int}", guards=READERS, opt=expect("finance", "auditor", stranger=200))
async def journal_entry(request: ActorRequest, entry_id: FromPath[int]) -> Template:
    """Show one entry, its postings and what it records."""
    whole = await get_entry(entry_id)
    entry = whole.entry
    may_reverse = request.user.role == "finance" and entry.kind in REVERSIBLE and not whole.reversed_by
    return books_page(
        "bookkeeping/entry.html",
        entry=entry,
        postings=whole.postings,
        reversed_by=whole.reversed_by,
        source=source_path(entry.kind, entry.source_id),
        may_reverse=may_reverse,
    )


@get("/finance/accounts/{code:str}", guards=READERS, opt=expect("finance", "auditor", stranger=200))
async def account_page(code: FromPath[str], page_number: PageNumber = 1) -> Template:
    """Show one account: its balance and its entries."""
    account = await get_account(code)
    entries = await list_entries(page_number, account=code)
    return books_page("bookkeeping/account.html", account=account, balance_minor=await balance(code), entries=entries)


@post("/finance/journal/{entry_id:int}/reverse", guards=CLERKS, opt=expect("finance", stranger=200))
async def reverse(
    request: ActorRequest,
    entry_id: FromPath[int],
    data: Explained,
) -> Redirect:
    """Reverse an entry by a new one."""
    return see(f"/finance/journal/{await reverse_entry(entry_id, request.user, reason=data.reason)}")


ROUTES = [trial_balance_page, trial_balance_file, journal, journal_file, journal_entry, account_page, reverse]
