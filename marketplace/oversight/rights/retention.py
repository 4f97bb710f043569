"""Retention: the tables' declarations on one screen; one job enforces them, and each package deletes its own rows."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from piccolo.columns.combination import WhereRaw

from marketplace.core import clock
from marketplace.core.database import fetch_scalar
from marketplace.core.personal_data import THIRTEEN_MONTHS, PersonalData
from marketplace.core.web.formats import PARIS, paris_day
from marketplace.finance.bank.actions import empty_old_statements
from marketplace.money.payments.events import empty_old_calls
from marketplace.oversight.rights.activities import ACTIVITIES, Activity
from marketplace.oversight.rights.declarations import declared, list_tables, name_of, package_of
from marketplace.people.identity.ending import delete_expired
from marketplace.people.mail.actions import delete_old_mail
from marketplace.people.sign_in.address_changes import delete_old_changes
from marketplace.people.sign_in.passkeys import delete_old_challenges
from marketplace.people.sign_in.recovery_actions import delete_old_links
from marketplace.sales.orders.invoices import delete_old_billing, empty_old_invoices
from marketplace.subscribers.legal.actions import delete_old_questions
from marketplace.subscribers.payouts.bank_details import enforce_details_retention

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from piccolo.table import Table


YEARS_OF_DOCUMENTS: Final = 10
"""Article L123-22 of the code of commerce, counted from the end of the document's year."""


async def empty_calls_of_stripe() -> None:
    """Delete the content of messages to and from Stripe after thirteen months."""
    await empty_old_calls(clock.now() - dt.timedelta(days=THIRTEEN_MONTHS))


async def empty_old_documents() -> None:
    """Delete names, addresses and texts of documents after ten years, except what the books need."""
    before = dt.datetime(paris_day(clock.now()).year - YEARS_OF_DOCUMENTS, 1, 1, tzinfo=PARIS)
    await empty_old_invoices(before)
    await empty_old_statements(before)
    await delete_old_billing(before)


STEPS: Final[Sequence[Callable[[], Awaitable[object]]]] = (
    delete_expired,
    delete_old_links,
    delete_old_changes,
    delete_old_challenges,
    delete_old_mail,
    delete_old_questions,
    enforce_details_retention,
    empty_calls_of_stripe,
    empty_old_documents,
)
"""The functions that delete expired rows, each in its own package."""
SLACK: Final = dt.timedelta(days=1)
"""The job runs once a day."""


class KeptTable(Struct, frozen=True):
    """A table with personal data, and how many of its rows are overdue for deletion."""

    name: str
    package: str
    declared: PersonalData
    overdue: int


class KindOfData(Struct, frozen=True):
    """An activity, and its tables."""

    activity: Activity
    tables: list[KeptTable]


async def enforce_retention() -> None:
    """Delete everything that has expired; a job. If one step fails, the others still run, and the error is raised."""
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
        KindOfData(activity, [table for table in kept if table.package in activity.packages]) for activity in ACTIVITIES
    ]


async def _kept(table: type[Table], now: dt.datetime) -> KeptTable:
    overdue = await count_overdue(table, now)
    return KeptTable(name_of(table), package_of(table), declared(table), overdue)


async def count_overdue(table: type[Table], now: dt.datetime) -> int:
    """Return how many rows of a table are overdue for deletion."""
    ends = declared(table).ends
    if ends is None:
        return 0
    over = WhereRaw(f"{ends.after} < {{}} AND ({ends.among})", now - dt.timedelta(days=ends.days) - SLACK)
    return await fetch_scalar(int, table.count().where(over)) or 0
