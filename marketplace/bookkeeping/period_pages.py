"""The books' pages for those who close them: months with their checks, the audit trail."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace import clock
from marketplace.bookkeeping.closing import HEADINGS, checks_of, close_month
from marketplace.errors import Invalid
from marketplace.identity.audit_trail import list_actions, list_staff, list_verbs
from marketplace.identity.guards import expect
from marketplace.ledger.base_pages import CLERKS, READERS, Asked, Page, Text, books_page, midnight
from marketplace.ledger.periods import list_closed, list_open
from marketplace.web.pages import see


class CloseForm(Struct):
    """Sent by the button that closes a month."""

    form_id: uuid.UUID


def _month(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(f"{text}-01")
    except ValueError:
        raise Invalid("That is not a month: {month}.", month=text[:20]) from None


@get("/finance/periods", guards=READERS, opt=expect("finance", "auditor"))
async def periods(request: Asked, month: Text = "") -> Template:
    """Show the months: those that are closed, those that wait, and the checks of the next to close."""
    open_ = await list_open(clock.now())
    chosen = _month(month) if month else open_[0] if open_ else None
    return books_page(
        "bookkeeping/periods.html",
        closed=await list_closed(),
        open=open_,
        chosen=chosen,
        titles=HEADINGS,
        checks=await checks_of(chosen) if chosen else [],
        may_act=request.user.role == "finance",
    )


@post("/finance/periods/{month:str}/close", guards=CLERKS, opt=expect("finance", stranger=200))
async def close(
    request: Asked, month: FromPath[str], data: Annotated[CloseForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Close a month for ever."""
    del data
    await close_month(_month(month), request.user)
    return see("/finance/periods")


@get("/finance/audit", guards=READERS, opt=expect("finance", "auditor"))
async def audit(  # noqa: PLR0917 (a filter of the page each)
    person: Text = "", verb: Text = "", text: Text = "", since: Text = "", until: Text = "", page_number: Page = 1
) -> Template:
    """Show who did what, when and why, narrowed by person, action, words and days."""
    try:
        who = uuid.UUID(person) if person else None
    except ValueError:
        raise Invalid("There is no such person.") from None
    rows = await list_actions(
        page_number, person=who, verb=verb, text=text, since=midnight(since), until=midnight(until, after=1)
    )
    return books_page(
        "bookkeeping/audit.html",
        rows=rows,
        people=await list_staff(),
        verbs=await list_verbs(),
        chosen={"person": person, "verb": verb, "text": text, "since": since, "until": until},
    )


ROUTES = [periods, close, audit]
