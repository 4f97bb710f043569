"""The page of the audit trail: who did what, narrowed by person, action, subject and days, with links to all of it."""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from litestar import Response, get
from litestar.params import QueryParameter

from marketplace.core.errors import Invalid
from marketplace.core.web.formats import PARIS, date, day_in_words
from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import colon, localised
from marketplace.core.web.sorting import Columns, list_file
from marketplace.finance.bookkeeping.trail import (
    ASSIGNED_TO,
    list_actions,
    list_staff,
    list_verbs,
    name_subjects,
    shown_at,
)
from marketplace.finance.reconciliation.base_pages import why
from marketplace.finance.reconciliation.exceptions.registry import EXCEPTIONS
from marketplace.money.ledger.base_pages import READERS, Text, books_page, midnight, named, written
from marketplace.money.ledger.queries import LARGEST_FILE_ROWS
from marketplace.people.identity.guards import ActorRequest, expect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar import Litestar
    from litestar.response import Template

    from marketplace.finance.bookkeeping.trail import SubjectName, TrailLine

Before = Annotated[int | None, QueryParameter(ge=1, le=2**63 - 1)]
AREAS = ("decision", "access", "request")
SENTENCES = {"line": "Bank line {number}", "entry": "Entry {number}", "invoice": "Invoice {number}"}


def _pages_of(app: Litestar, role: str | None) -> list[str]:
    """Return the addresses of the pages that a role may read."""
    return [
        route.path_format
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        if "GET" in handler.http_methods and {role, "anyone"} & set(getattr(handler.opt.get("expectation"), "who", ()))
    ]


def exception_words(text: str) -> str:
    """Return an exception that is written as its code and its reference in words; another text as it is."""
    code, _, reference = text.partition(" ")
    if code not in EXCEPTIONS:
        return text
    sentence = why(code, reference)
    return sentence if reference in sentence else f"{sentence} ({reference})"


def _words_of(row: TrailLine, names: Mapping[str, SubjectName]) -> str:
    """Return what people call what a line is about; what has no name, as it is written."""
    kind, _, rest = row.subject.rpartition(" ")
    if kind in SENTENCES:
        return gettext(SENTENCES[kind]).format(number=rest)
    if (found := names.get(rest)) is None:
        return day_in_words(exception_words(row.subject))
    if found.at is None:
        return localised(found, "name")
    sentence = gettext("Payout run of {day}" if found.kind == "payout_run" else "{name}, from {day}")
    return sentence.format(name=localised(found, "name"), day=date(found.at))


def _value_of(names: Mapping[str, SubjectName], field: str, value: object) -> str:
    """Return how people read a value: of the person who was asked, the name."""
    found = names.get(str(value)) if field == ASSIGNED_TO else None
    return localised(found, "name") if found else written(field, value)


def _changes_of(names: Mapping[str, SubjectName], values: Mapping[str, object]) -> str:
    """Return what changed in one line, for a file."""
    return gettext("; ").join(
        f"{named(field)}{colon()}{_value_of(names, field, value)}" for field, value in values.items()
    )


@get("/finance/audit", guards=READERS, opt=expect("finance", "auditor"))
async def audit(  # noqa: PLR0917 (a filter of the page each)
    request: ActorRequest,
    area: Text = "decision",
    person: Text = "",
    verb: Text = "",
    subject: Text = "",
    text: Text = "",
    since: Text = "",
    until: Text = "",
    before: Before = None,
) -> Template:
    """Show who did what, when and why. Finance reads what was decided; an auditor also who came in and what staff asked."""
    chosen = _area(request, area)
    trail = await list_actions(before, **_narrowed(chosen, person, verb, subject, text, since, until))
    pages = _pages_of(request.app, request.user.role)
    names = await name_subjects(trail.rows)
    narrowed: dict[str, Any] = {"person": person, "verb": verb, "subject": subject, "text": text}
    return books_page(
        "bookkeeping/audit.html",
        trail=trail,
        subjects={row.id: _words_of(row, names) for row in trail.rows},
        value_of=partial(_value_of, names),
        paths={row.id: shown_at(row.paths, pages) for row in trail.rows},
        people=await list_staff(),
        verbs=await list_verbs(chosen),
        areas=AREAS if request.user.role == "auditor" else (),
        chosen=narrowed | {"since": since, "until": until, "area": chosen, "before": before},
    )


@get("/finance/audit.csv", guards=READERS, opt=expect("finance", "auditor"))
async def audit_file(  # noqa: PLR0917 (a filter of the page each)
    request: ActorRequest,
    area: Text = "decision",
    person: Text = "",
    verb: Text = "",
    subject: Text = "",
    text: Text = "",
    since: Text = "",
    until: Text = "",
) -> Response[bytes]:
    """Hand out the trail as a file, newest first, narrowed as its page is."""
    narrowed = _narrowed(_area(request, area), person, verb, subject, text, since, until)
    rows = (await list_actions(**narrowed, limit=LARGEST_FILE_ROWS)).rows
    names = await name_subjects(rows)
    columns: Columns[TrailLine] = {
        "When": lambda row: f"{row.at.astimezone(PARIS):%Y-%m-%d %H:%M:%S}",
        "Who": lambda row: row.name or "",
        "Did what": lambda row: named(row.verb),
        "To what": lambda row: _words_of(row, names),
        "Why": lambda row: row.reason,
        "Before": lambda row: _changes_of(names, row.was),
        "After": lambda row: _changes_of(names, row.became),
    }
    return list_file("audit-trail.csv", columns, rows)


def _area(request: ActorRequest, area: str) -> str:
    """Return the area of the trail that is shown: of decisions alone, but to an auditor."""
    return area if request.user.role == "auditor" and area in {"", *AREAS} else "decision"


def _narrowed(  # noqa: PLR0917 (a filter of the page each)
    area: str, person: str, verb: str, subject: str, text: str, since: str, until: str
) -> dict[str, Any]:
    """Return what a trail is narrowed to; refuses a person that there is not, and what is no day."""
    try:
        who = uuid.UUID(person) if person else None
    except ValueError:
        raise Invalid("There is no such person.") from None
    days = {"since": midnight(since), "until": midnight(until, after=1)}
    return {"area": area, "person": who, "verb": verb, "subject": subject, "text": text} | days


ROUTES = [audit, audit_file]
