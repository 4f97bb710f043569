"""Finance's shorter lists as files for a spreadsheet: the same rows as their page, all of them and in its order."""

from __future__ import annotations

from typing import Final

from litestar import Response, get

from marketplace.desk.queries import list_all_runs
from marketplace.finance.queries import list_stuck
from marketplace.identity.guards import expect
from marketplace.ledger.base_pages import READERS, Text, named
from marketplace.ledger.category_accounts import list_category_accounts
from marketplace.ledger.queries import LARGEST_FILE_ROWS
from marketplace.payments.queries import list_lost_events
from marketplace.web.formats import PARIS, paris_day
from marketplace.web.i18n import gettext
from marketplace.web.sorting import as_file, euros

RUN_HEADINGS: Final = ("Drafted", "Way", "State", "People", "Amount", "Prepared by", "Approved by")
ROUTES_IN_WORDS: Final = {"sepa": "By SEPA transfer", "stripe": "Through Stripe"}
CATEGORY_HEADINGS: Final = (
    "Category",
    "Account",
    "Reason",
    "Proposed by",
    "Proposed",
    "Decided by",
    "Decided",
    "State",
)
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


@get("/finance/categories.csv", guards=READERS, opt=expect("finance", "auditor"))
async def categories_file(which: Text = "", sort: Text = "") -> Response[bytes]:
    """Hand out the accounts that were proposed for Stripe's categories, narrowed and sorted as their page is."""
    cells = [
        (
            row.category,
            row.account,
            row.reason,
            row.proposer,
            paris_day(row.proposed_at),
            row.decider or "",
            paris_day(row.decided_at) if row.decided_at else "",
            "" if row.approved is None else gettext("approved" if row.approved else "refused"),
        )
        for row in await list_category_accounts(which, sort)
    ]
    return as_file("categories.csv", CATEGORY_HEADINGS, cells)


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


ROUTES = [payout_runs_file, categories_file, commands_file, lost_file]
