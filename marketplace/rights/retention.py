"""How long what is kept: the tables' declarations on one screen, enforced by one job, each slice deleting its own rows."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from piccolo.columns.combination import WhereRaw

from marketplace import clock
from marketplace.database import fetch_scalar
from marketplace.identity.ending import delete_expired
from marketplace.legal.actions import delete_old_questions
from marketplace.mail.actions import delete_old_mail
from marketplace.payouts.bank_details import enforce_details_retention
from marketplace.personal_data import THIRTEEN_MONTHS, PersonalData
from marketplace.recovery.actions import delete_old_links
from marketplace.recovery.address_changes import delete_old_changes
from marketplace.rights.activities import ACTIVITIES, Activity
from marketplace.rights.declared import declared, list_tables, name_of
from marketplace.second_factors.passkeys import delete_old_challenges
from marketplace.web.formats import PARIS, paris_day

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from piccolo.table import Table


BATCH_SIZE: Final = 500
YEARS_OF_DOCUMENTS: Final = 10
"""Article L123-22 of the code of commerce, from the end of the year that they are of."""


async def empty_old_calls() -> None:
    """Empty what we said to Stripe, and Stripe to us, thirteen months ago."""
    before = clock.now() - dt.timedelta(days=THIRTEEN_MONTHS)
    while await fetch_scalar(int, "SELECT empty_old_calls($1, $2)", before, BATCH_SIZE):
        pass


async def empty_old_documents() -> None:
    """Empty the names, addresses and texts of documents whose ten years are over, and leave what the books need of them."""
    before = dt.datetime(paris_day(clock.now()).year - YEARS_OF_DOCUMENTS, 1, 1, tzinfo=PARIS)
    for one in (
        "SELECT empty_old_invoices($1, $2)",
        "SELECT empty_old_lines($1, $2)",
        "SELECT empty_old_notices($1, $2)",
    ):
        while await fetch_scalar(int, one, before, BATCH_SIZE):
            pass
    await fetch_scalar(int, "SELECT delete_old_billing($1)", before)


STEPS: Final[Sequence[Callable[[], Awaitable[object]]]] = (
    delete_expired,
    delete_old_links,
    delete_old_changes,
    delete_old_challenges,
    delete_old_mail,
    delete_old_questions,
    enforce_details_retention,
    empty_old_calls,
    empty_old_documents,
)
"""What deletes rows whose time is over, each of its own slice."""
SLACK: Final = dt.timedelta(days=1)
"""The job runs once a day."""


class KeptTable(Struct, frozen=True):
    """A table with personal data, and how many of its rows should have been deleted by now."""

    name: str
    slice: str
    declared: PersonalData
    overdue: int


class KindOfData(Struct, frozen=True):
    """An activity, and the tables that are kept for it."""

    activity: Activity
    tables: list[KeptTable]


async def enforce_retention() -> None:
    """Delete everything whose time is over; a job. Where one step fails, the others still run, and it is raised after."""
    failures = []
    for step in STEPS:
        try:
            await step()
        except Exception as failure:  # noqa: BLE001 (raised below, with all others)
            failures.append(failure)
    if failures:
        raise failures[0]


async def list_kinds_of_data() -> list[KindOfData]:
    """Return every table with personal data, by activity."""
    now = clock.now()
    kept = [await _kept(table, now) for table in list_tables() if declared(table).of]
    return [
        KindOfData(activity, [table for table in kept if table.slice in activity.slices]) for activity in ACTIVITIES
    ]


async def _kept(table: type[Table], now: dt.datetime) -> KeptTable:
    overdue = await count_overdue(table, now)
    return KeptTable(name_of(table), table.__module__.split(".")[1], declared(table), overdue)


async def count_overdue(table: type[Table], now: dt.datetime) -> int:
    """Return how many rows of a table should have been deleted by now."""
    ends = declared(table).ends
    if ends is None:
        return 0
    over = WhereRaw(f"{ends.after} < {{}} AND ({ends.among})", now - dt.timedelta(days=ends.days) - SLACK)
    return await fetch_scalar(int, table.count().where(over)) or 0
