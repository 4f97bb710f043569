"""Finance's shorter lists as files for a spreadsheet: the same rows as their page, all of them and in its order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from litestar import Response, get

from marketplace.core.web.formats import PARIS, paris_day
from marketplace.core.web.i18n import gettext
from marketplace.core.web.sorting import Columns, as_file, euros, list_file
from marketplace.finance.desk.queries import list_all_runs
from marketplace.finance.reconciliation.queries import list_stuck
from marketplace.money.ledger.base_pages import READERS, Text, named
from marketplace.money.ledger.queries import LARGEST_FILE_ROWS
from marketplace.money.payments.queries import LostEvent, list_lost_events
from marketplace.people.identity.guards import expect

if TYPE_CHECKING:
    from marketplace.subscribers.payouts.queries import RunRow

ROUTES_IN_WORDS: Final = {"sepa": "By SEPA transfer", "stripe": "Through Stripe"}
RUN_COLUMNS: Final[Columns[RunRow]] = {
    "Drafted": lambda run: paris_day(run.drafted_at),
    "Way": lambda run: gettext(ROUTES_IN_WORDS[run.route]),
    "State": lambda run: gettext(run.state),
    "People": lambda run: run.people,
    "Amount": lambda run: euros(run.amount_minor),
    "Prepared by": lambda run: run.prepared_name or "",
    "Approved by": lambda run: run.approved_name or "",
}
COMMAND_HEADINGS: Final = ("What", "State", "Attempts", "Since", "Next attempt", "About", "Amount", "Last error")
LOST_COLUMNS: Final[Columns[LostEvent]] = {
    "Event": lambda row: row.type,
    "Number": lambda row: row.id,
    "Happened": lambda row: paris_day(row.created_at) if row.created_at else "",
    "Came": lambda row: paris_day(row.received_at),
}


@get("/finance/payout-runs.csv", guards=READERS, opt=expect("finance", "auditor"))
async def payout_runs_file(which: Text = "", sort: Text = "") -> Response[bytes]:
    """Hand out payout runs as a file, narrowed and sorted as their page is."""
    return list_file("payout-runs.csv", RUN_COLUMNS, await list_all_runs(which, sort))


@get("/finance/commands.csv", guards=READERS, opt=expect("finance", "auditor"))
async def commands_file(which: Text = "", sort: Text = "") -> Response[bytes]:
    """Hand out what Stripe was asked and has not done, narrowed and sorted as its page is."""
    cells = [
        (
            named(row.verb),
            named(row.state),
            row.attempts,
            paris_day(row.created_at),
            row.next_at.astimezone(PARIS).strftime("%Y-%m-%d %H:%M") if row.state == "pending" else "",
            order or row.company or row.subject,
            "" if row.amount_minor is None else euros(row.amount_minor),
            row.error or "",
        )
        for row, order in await list_stuck(which, sort, LARGEST_FILE_ROWS)
    ]
    return as_file("commands.csv", COMMAND_HEADINGS, cells)


@get("/finance/lost-webhooks.csv", guards=READERS, opt=expect("finance", "auditor"))
async def lost_file(sort: Text = "") -> Response[bytes]:
    """Hand out the events of the last week that no webhook brought in time, sorted as their page is."""
    return list_file("lost-webhooks.csv", LOST_COLUMNS, await list_lost_events(LARGEST_FILE_ROWS, sort))


ROUTES = [payout_runs_file, commands_file, lost_file]
