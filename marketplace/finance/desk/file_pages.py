"""Finance's shorter lists as files for a spreadsheet: the same rows as their page, all of them and in its order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.core.web.formats import PARIS, paris_day
from marketplace.core.web.i18n import gettext
from marketplace.core.web.sorting import Columns, euros
from marketplace.finance.desk.queries import list_all_runs
from marketplace.finance.reconciliation.queries import list_stuck
from marketplace.money.ledger.base_pages import books_file, named
from marketplace.money.ledger.queries import LARGEST_FILE_ROWS
from marketplace.money.payments.queries import LostEvent, StuckCommand, list_lost_events

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
COMMAND_COLUMNS: Final[Columns[tuple[StuckCommand, str | None]]] = {
    "What": lambda found: named(found[0].verb),
    "State": lambda found: named(found[0].state),
    "Attempts": lambda found: found[0].attempts,
    "Since": lambda found: paris_day(found[0].created_at),
    "Next attempt": lambda found: (
        f"{found[0].next_at.astimezone(PARIS):%Y-%m-%d %H:%M}" if found[0].state == "pending" else ""
    ),
    "About": lambda found: found[1] or found[0].company or found[0].subject,
    "Amount": lambda found: "" if found[0].amount_minor is None else euros(found[0].amount_minor),
    "Last error": lambda found: found[0].error or "",
}
LOST_COLUMNS: Final[Columns[LostEvent]] = {
    "Event": lambda row: row.type,
    "Number": lambda row: row.id,
    "Happened": lambda row: paris_day(row.created_at) if row.created_at else "",
    "Came": lambda row: paris_day(row.received_at),
}


ROUTES = [
    books_file("/finance/payout-runs.csv", "payout-runs.csv", RUN_COLUMNS, list_all_runs),
    books_file(
        "/finance/commands.csv",
        "commands.csv",
        COMMAND_COLUMNS,
        lambda which, sort: list_stuck(which, sort, LARGEST_FILE_ROWS),
    ),
    books_file(
        "/finance/lost-webhooks.csv",
        "lost-webhooks.csv",
        LOST_COLUMNS,
        lambda _which, sort: list_lost_events(LARGEST_FILE_ROWS, sort),
    ),
]
