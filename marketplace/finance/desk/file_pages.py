"""Finance's shorter lists as files for a spreadsheet: the same rows as their page, all of them and in its order."""

from __future__ import annotations

from typing import Final

from litestar import Response, get

from marketplace.core.web.formats import PARIS, paris_day
from marketplace.core.web.i18n import gettext
from marketplace.core.web.sorting import as_file, euros
from marketplace.finance.desk.queries import list_all_runs
from marketplace.finance.reconciliation.queries import list_stuck
from marketplace.money.ledger.base_pages import READERS, Text, named
from marketplace.money.ledger.queries import LARGEST_FILE_ROWS
from marketplace.money.payments.queries import list_lost_events
from marketplace.people.identity.guards import expect

RUN_HEADINGS: Final = ("Drafted", "Way", "State", "People", "Amount", "Prepared by", "Approved by")
ROUTES_IN_WORDS: Final = {"sepa": "By SEPA transfer", "stripe": "Through Stripe"}
COMMAND_HEADINGS: Final = ("What", "State", "Attempts", "Since", "Next attempt", "About", "Amount", "Last error")
LOST_HEADINGS: Final = ("Event", "Number", "Happened", "Came")


@get("/finance/payout-runs.csv", guards=READERS, opt=expect("finance", "auditor"))
async def payout_runs_file(which: Text = "", sort: Text = "") -> Response[bytes]:
    """Hand out payout runs as a file, narrowed and sorted as their page is."""
    cells = [
        (
            paris_day(run.drafted_at),
            gettext(ROUTES_IN_WORDS[run.route]),
            gettext(run.state),
            run.people,
            euros(run.amount_minor),
            run.prepared_name or "",
            run.approved_name or "",
        )
        for run in await list_all_runs(which, sort)
    ]
    return as_file("payout-runs.csv", RUN_HEADINGS, cells)


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
    cells = [
        (row.type, row.id, paris_day(row.created_at) if row.created_at else "", paris_day(row.received_at))
        for row in await list_lost_events(LARGEST_FILE_ROWS, sort)
    ]
    return as_file("lost-webhooks.csv", LOST_HEADINGS, cells)


ROUTES = [payout_runs_file, commands_file, lost_file]
