"""What the pages of the books share: who may read and act, the words of the trade, days and instants in addresses."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any

from litestar import Response, get
from litestar.params import QueryParameter

from marketplace.core.errors import Invalid
from marketplace.core.web.formats import PARIS, date, moment, money
from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import in_words, page
from marketplace.core.web.sorting import Columns, Row, list_file
from marketplace.money.ledger.entry_kinds import find_kind
from marketplace.money.ledger.words import HEADINGS
from marketplace.people.identity.guards import expect, staff
from pricing.money import EUR

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from litestar.handlers import HTTPRouteHandler
    from litestar.response import Template

READERS = [staff("finance", "auditor")]
CLERKS = [staff("finance")]
WRITTEN_OTHERWISE = {
    "sepa": "SEPA",
    "stripe": "Stripe",
    "close": "The name nearly matches",
    "none": "The account is in another name",
    "unknown": "The bank cannot say",
    "left_out": "left out",
    "pay": "Pay anyway",
}
Text = Annotated[str, QueryParameter(max_length=100)]


def books_file(
    path: str, name: str, columns: Columns[Row], rows: Callable[[str, str], Awaitable[Iterable[Row]]]
) -> HTTPRouteHandler:
    """Return the route of a list of the books as a file for a spreadsheet, narrowed and sorted as its page is."""

    @get(path, guards=READERS, opt=expect("finance", "auditor"))
    async def file(which: Text = "", sort: Text = "") -> Response[bytes]:
        return list_file(name, columns, await rows(which, sort))

    return file


def midnight(day: str, *, after: int = 0) -> dt.datetime | None:
    """Return when a day begins in Paris, `after` days later; None when no day is named."""
    if not day:
        return None
    try:
        return dt.datetime.combine(dt.date.fromisoformat(day) + dt.timedelta(days=after), dt.time(), PARIS)
    except (ValueError, OverflowError):
        raise Invalid("That is not a day: {day}.", day=day) from None


def instant(text: str) -> dt.datetime | None:
    """Return an instant written `2026-11-30T18:00` in Paris, or the last of a day; None when nothing is written."""
    if not text:
        return None
    try:
        if len(text) <= len("2026-11-30"):
            end = dt.datetime.combine(dt.date.fromisoformat(text) + dt.timedelta(days=1), dt.time(), PARIS)
            return end - dt.timedelta(microseconds=1)
        at = dt.datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=PARIS)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise Invalid("That is not a day: {day}.", day=text) from None


def named(name: str) -> str:
    """Return how finance reads what the books or Stripe call something; of `payout po_1abc`, what kind of thing it is."""
    return gettext(HEADINGS.get(name.partition(" ")[0], name.replace("_", " ")))


def kind_label(kind: str) -> str:
    """Return what an entry of this kind is, in the page's language; the entry's own text stays as it was written."""
    found = find_kind(kind)
    return in_words(found.label) if found else kind.replace("_", " ")


def entry_words(kind: str, text: str) -> str:
    """Return an entry's own text beside its label, which says in every language what a text in one would say again.

    Of Stripe's that is the reference alone; of shares it is nothing.
    """
    if kind.startswith("shares_"):
        return ""
    return text.rpartition(" ")[2] if kind.startswith("stripe_") else text


def written(field: str, value: object) -> str:
    """Return how finance reads a value of the audit trail: amounts are cents of the books' one currency, instants Paris time.

    A field of several words is a part of a bank line, and its value what that part is over.
    """
    if value is None or isinstance(value, bool):
        return gettext("yes" if value else "no") if value is not None else "–"
    if field in {"role", "route", "outcome", "decision"}:
        return gettext(WRITTEN_OTHERWISE.get(str(value), str(value)))
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    if isinstance(value, str) and field.endswith(("_at", "_on")):
        with contextlib.suppress(ValueError):
            return (
                moment(dt.datetime.fromisoformat(value))
                if field.endswith("_at")
                else date(dt.date.fromisoformat(value))
            )
    is_amount = field.endswith("_minor") or " " in field
    return money(value, EUR) if is_amount and isinstance(value, int) else str(value)


def books_page(template: str, **context: Any) -> Template:  # noqa: ANN401 (what its template shows)
    """Answer with a page that knows the words of the trade; `template` is `package/name.html`."""
    return page(template, named=named, kind_label=kind_label, entry_words=entry_words, written=written, **context)
