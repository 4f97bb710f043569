"""The queue of exceptions, and each one's page with candidates and what to do."""

from __future__ import annotations

import uuid
from typing import Annotated
from urllib.parse import quote

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.web.pages import PageNumber, see
from marketplace.finance.bank.candidates import settle_line
from marketplace.finance.reconciliation import exception_queries
from marketplace.finance.reconciliation.assignments import list_assignees, list_clerks, list_notes, note_exception
from marketplace.finance.reconciliation.base_pages import finance_page
from marketplace.finance.reconciliation.candidates import list_candidates, settle_by_line
from marketplace.finance.reconciliation.exceptions.registry import EXCEPTIONS
from marketplace.finance.reconciliation.kept_findings import forget_exception, refresh_exceptions
from marketplace.finance.reconciliation.rules import may_write_off, write_off_postings
from marketplace.finance.reconciliation.write_offs import WRITE_OFF, propose_write_off
from marketplace.money.ledger.base_pages import CLERKS, READERS, Text
from marketplace.people.identity.guards import ActorRequest, expect, recently_proved
from marketplace.people.proposals.queries import find_waiting, signs_of_proposers

Subject = Annotated[str, QueryParameter(max_length=300)]


class SettleForm(Struct):
    """Which candidate settles an exception: its kind, its id, and the exception it is for."""

    why: str
    subject: str
    kind: str
    target: str
    amount_minor: int
    form_id: uuid.UUID


class WriteOffForm(Struct):
    """Why an exception may be written off."""

    why: str
    subject: str
    reason: str
    form_id: uuid.UUID


class NoteForm(Struct):
    """What somebody says of an exception, and who has to see to it: a person's id, or empty for nobody new."""

    why: str
    subject: str
    form_id: uuid.UUID
    text: str = ""
    assignee: str = ""


def path_of(why: str, subject: str) -> str:
    """Return the page of one exception."""
    return f"/finance/exception?why={quote(why)}&subject={quote(subject, safe='')}"


@get("/finance/exceptions", guards=READERS, opt=expect("finance", "auditor"))
async def queue(
    request: ActorRequest, why: Text = "", mine: Text = "", done: Text = "", page_number: PageNumber = 1
) -> Template:
    """Show what is unmatched, by age × amount; `why` narrows to one reason, `mine` to what is assigned to the person who asks."""
    assignee = request.user.person if mine else None
    found = await exception_queries.list_exceptions(page_number, why, assignee, kept=True)
    return finance_page(
        "exceptions.html",
        rows=found,
        chosen=why,
        mine=mine,
        assignees=await list_assignees(found.rows),
        reasons=found.reasons,
        ages=found.ages,
        looked_at=found.looked_at,
        may_act=request.user.role == "finance",
        days=exception_queries.AGES,
        path_of=path_of,
        now=clock.now(),
        done=_whole(done),
    )


@post("/finance/exceptions/look", guards=CLERKS, opt=expect("finance"))
async def look() -> Redirect:
    """Look for exceptions now, in place of what the last look found."""
    await refresh_exceptions()
    return see("/finance/exceptions")


@get("/finance/exception", guards=READERS, opt=expect("finance", "auditor"))
async def exception_page(request: ActorRequest, why: Subject, subject: Subject, done: Text = "") -> Template:
    """Show one exception, what may settle it, and what can be done."""
    found = await exception_queries.get_exception(why, subject)
    following = await exception_queries.find_next(why, subject)
    waiting = await find_waiting(WRITE_OFF.code, f"{why} {subject}")
    return finance_page(
        "exception.html",
        exception=found,
        candidates=await list_candidates(found),
        waiting=waiting,
        notes=await list_notes(why, subject),
        clerks=[(clerk.id, clerk.name) for clerk in await list_clerks()] if request.user.role == "finance" else [],
        next_path=path_of(following.why, following.subject) if following else None,
        may_act=request.user.role == "finance",
        may_write_off=may_write_off(why, found.amount_minor),
        matchable=bool(EXCEPTIONS[why].settled_by),
        postings=write_off_postings(why, found.amount_minor),
        done=_whole(done),
        me=request.user.person,
        signs=await signs_of_proposers(request.user.person, [waiting] if waiting else []),
        now=clock.now(),
    )


@post("/finance/exception/settle", guards=CLERKS, opt=expect("finance"))
async def settle(
    request: ActorRequest, data: Annotated[SettleForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Settle an exception with one candidate, whole."""
    following = await exception_queries.find_next(data.why, data.subject)
    if data.kind == "line":
        line = _whole(data.target)
        await settle_by_line(data.why, data.subject, line, request.user)
    else:
        line = _whole(data.subject)
        await settle_line(line, [(data.kind, data.target, data.amount_minor)], request.user)
    for why, subject in ((data.why, data.subject), ("line_unexplained", str(line))):
        await forget_exception(why, subject)
    done = "" if data.kind == "payout_line" else f"done={line}"
    if following and await exception_queries.is_open(following):  # it may have been the match's other side
        return see("&".join(filter(None, (path_of(following.why, following.subject), done))))
    return see("?".join(filter(None, ("/finance/exceptions", done))))


@post("/finance/exception/write-off", guards=[*CLERKS, recently_proved], opt=expect("finance"))
async def propose(
    request: ActorRequest, data: Annotated[WriteOffForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Propose to write an exception off."""
    await propose_write_off(data.why, data.subject, request.user, reason=data.reason, form_id=data.form_id)
    return see(path_of(data.why, data.subject))


@post("/finance/exception/note", guards=CLERKS, opt=expect("finance"))
async def note(
    request: ActorRequest, data: Annotated[NoteForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Say something of an exception, or assign it."""
    await note_exception(
        data.why, data.subject, request.user, text=data.text, assignee=_person(data.assignee), form_id=data.form_id
    )
    return see(path_of(data.why, data.subject))


def _person(text: str) -> uuid.UUID | None:
    """Return the person chosen, None where nobody is; an id that is none is nobody's, and refused as such."""
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        return uuid.UUID(int=0)


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0  # noqa: PLR2004 (what a bigint holds)


ROUTES = [queue, look, exception_page, settle, propose, note]
