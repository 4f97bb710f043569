"""The tables of one payout run as files for a spreadsheet: lines and the last four characters, never a name."""

from __future__ import annotations

import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import TYPE_CHECKING, Annotated, Any, Final

from litestar import Response, get
from litestar.params import FromPath, QueryParameter

from marketplace.core.web.formats import paris_day
from marketplace.core.web.i18n import gettext
from marketplace.core.web.sorting import Columns, euros, in_order, list_file
from marketplace.finance.desk.queries import list_all_payouts
from marketplace.money.ledger.base_pages import READERS, Text
from marketplace.money.ledger.queries import LARGEST_FILE_ROWS
from marketplace.people.identity.guards import expect
from marketplace.subscribers.payouts.bank_file import FileRow, latest_answer, list_files
from marketplace.subscribers.payouts.queries import AnswerRow, RunPayoutRow, get_run, get_run_page
from marketplace.subscribers.payouts.rules import in_words
from marketplace.subscribers.payouts.verification import Differing, list_differing

if TYPE_CHECKING:
    from collections.abc import Callable

Shown = Annotated[str, QueryParameter(name="state", max_length=20)]
PATH: Final = "/finance/payout-runs/{run:uuid}"
OUTCOMES: Final = {
    "close": "The name nearly matches",
    "none": "The account is in another name",
    "unknown": "The bank cannot say",
}
NAME_COLUMNS: Final[Columns[Differing]] = {
    "The bank says": lambda row: gettext(OUTCOMES[row.outcome]),
    "Line": lambda row: row.subscriber,
    "Country": lambda row: row.country,
    "Account": lambda row: row.last_four,
    "Amount": lambda row: euros(row.amount_minor),
}
ANSWER_COLUMNS: Final[Columns[AnswerRow]] = {
    "When": lambda answer: paris_day(answer.received_at),
    "File": lambda answer: answer.file,
    "Says": lambda answer: answer.group_status,
    "Why": lambda answer: f"{answer.reason}: {gettext(in_words(answer.reason))}" if answer.reason else "",
    "Refused": lambda answer: answer.rejected,
}
STATES: Final = {"settled": "Paid out", "failed": "Came back", "cancelled": "Given up"}
FILES_BY: Final[dict[str, Callable[[FileRow], Any]]] = {
    "file_people": lambda file: -file.people,
    "file_amount": lambda file: -file.amount_minor,
}
ANSWERS_BY: Final[dict[str, Callable[[AnswerRow], Any]]] = {
    "answer_oldest": lambda answer: answer.received_at,
    "answer_refused": lambda answer: -answer.rejected,
}
"""How the short lists are sorted, as their page sorts them."""


@get(f"{PATH}/payouts.csv", guards=READERS, opt=expect("finance", "auditor", stranger=200))
async def payouts_file(run: FromPath[uuid.UUID], shown: Shown = "", sort: Text = "") -> Response[bytes]:
    """Hand out a run's payouts, of one state or all, sorted as their page is."""
    under_way = "Being prepared" if (await get_run(run)).state in ("draft", "approved") else "On its way"
    columns: Columns[RunPayoutRow] = {
        "Line": lambda row: row.subscriber,
        "Country": lambda row: row.country or "",
        "Account": lambda row: row.last_four or row.stripe_account or "",
        "State": lambda row: gettext(STATES.get(row.state, under_way)),
        "Why": lambda row: f"{row.reason}: {gettext(row.why)}" if row.reason else "",
        "Amount": lambda row: euros(row.amount_minor),
    }
    return list_file("payouts.csv", columns, await list_all_payouts(run, shown, sort))


@get(f"{PATH}/names.csv", guards=READERS, opt=expect("finance", "auditor", stranger=200))
async def names_file(run: FromPath[uuid.UUID], sort: Text = "") -> Response[bytes]:
    """Hand out the payees of a run whose name differs, all of them: the line, never a name."""
    await get_run(run)
    return list_file("names.csv", NAME_COLUMNS, await list_differing(run, LARGEST_FILE_ROWS, sort))


@get(f"{PATH}/files.csv", guards=READERS, opt=expect("finance", "auditor", stranger=200))
async def files_file(run: FromPath[uuid.UUID], sort: Text = "") -> Response[bytes]:
    """Hand out which files for the bank a run has and what the bank answered last about each."""
    files, answers = await list_files(run), (await get_run_page(run)).answers
    latest = {file.number: latest_answer(file, answers) for file in files}
    columns: Columns[FileRow] = {
        "File": lambda file: file.number,
        "Number": lambda file: file.message,
        "People": lambda file: file.people,
        "Amount": lambda file: euros(file.amount_minor),
        "To be paid on": lambda file: file.execute_on,
        "The bank says": lambda file: getattr(latest[file.number], "group_status", ""),
        "Refused": lambda file: getattr(latest[file.number], "rejected", ""),
    }
    return list_file("files.csv", columns, in_order(files, sort, FILES_BY))


@get(f"{PATH}/answers.csv", guards=READERS, opt=expect("finance", "auditor", stranger=200))
async def answers_file(run: FromPath[uuid.UUID], sort: Text = "") -> Response[bytes]:
    """Hand out what the bank answered about a run, the latest first or sorted as its page is."""
    return list_file("answers.csv", ANSWER_COLUMNS, in_order((await get_run_page(run)).answers, sort, ANSWERS_BY))


ROUTES = [payouts_file, names_file, files_file, answers_file]
