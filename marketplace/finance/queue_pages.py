"""The queue of exceptions, each one's page with candidates and what to do, and write-offs that wait for a second person."""

from __future__ import annotations

import uuid
from typing import Annotated, Any
from urllib.parse import quote

from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace import clock
from marketplace.bank.candidates import settle_line
from marketplace.finance import exception_queries, write_offs
from marketplace.finance.assignments import list_assignees, list_clerks, list_notes, note_exception
from marketplace.finance.base_pages import finance_page
from marketplace.finance.candidates import list_candidates, settle_by_line
from marketplace.finance.exceptions.registry import EXCEPTIONS
from marketplace.finance.looks import forget_exception, refresh_exceptions
from marketplace.finance.rules import may_write_off, write_off_postings
from marketplace.identity.guards import expect
from marketplace.identity.likeness import signs_of_one_human
from marketplace.ledger.base_pages import CLERKS, READERS, Asked, Decided, Page, Text
from marketplace.web.pages import see

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
async def queue(request: Asked, why: Text = "", mine: Text = "", done: Text = "", page_number: Page = 1) -> Template:
    """Show what is unmatched, by age × amount; `why` narrows to one reason, `mine` to what is assigned to who asks."""
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
async def exception_page(request: Asked, why: Subject, subject: Subject, done: Text = "") -> Template:
    """Show one exception, what may settle it, and what can be done."""
    found = await exception_queries.get_exception(why, subject)
    following = await exception_queries.find_next(why, subject)
    waiting = await write_offs.find_waiting(why, subject)
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
        is_mine=bool(waiting and waiting.proposed_by == request.user.person),
        signs=await signs_of_one_human(request.user.person, waiting.proposed_by) if waiting else [],
        now=clock.now(),
    )


@post("/finance/exception/settle", guards=CLERKS, opt=expect("finance"))
async def settle(
    request: Asked, data: Annotated[SettleForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
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


@post("/finance/exception/write-off", guards=CLERKS, opt=expect("finance"))
async def propose(
    request: Asked, data: Annotated[WriteOffForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Propose to write an exception off."""
    await write_offs.propose_write_off(data.why, data.subject, request.user, reason=data.reason, form_id=data.form_id)
    return see(path_of(data.why, data.subject))


@post("/finance/exception/note", guards=CLERKS, opt=expect("finance"))
async def note(request: Asked, data: Annotated[NoteForm, Body(media_type=RequestEncodingType.URL_ENCODED)]) -> Redirect:
    """Say something of an exception, or assign it."""
    await note_exception(
        data.why, data.subject, request.user, text=data.text, assignee=_person(data.assignee), form_id=data.form_id
    )
    return see(path_of(data.why, data.subject))


@get("/finance/write-offs", guards=READERS, opt=expect("finance", "auditor"))
async def list_write_offs(request: Asked, which: Text = "", sort: Text = "", page_number: Page = 1) -> Template:
    """Show write-offs, those that wait for a second person first; `which` narrows to those that wait, or how they ended."""
    return finance_page(
        "write_offs.html",
        rows=await write_offs.list_write_offs(page_number, which, sort),
        which=which,
        sort=sort,
        me=request.user.person,
        may_act=request.user.role == "finance",
        path_of=path_of,
    )


@post("/finance/write-offs/{write_off_id:uuid}", guards=CLERKS, opt=expect("finance", stranger=200))
async def decide(
    request: Request[Any, Any, Any],
    write_off_id: FromPath[uuid.UUID],
    data: Decided,
) -> Redirect:
    """Approve or refuse what someone else proposed."""
    await write_offs.decide_write_off(write_off_id, request.user, approve=data.approves)
    return see("/finance/write-offs")


def _person(text: str) -> uuid.UUID | None:
    """Return the person chosen, None where nobody is; an id that is none is nobody's, and refused as such."""
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        return uuid.UUID(int=0)


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0  # noqa: PLR2004 (what a bigint holds)


ROUTES = [queue, look, exception_page, settle, propose, note, list_write_offs, decide]
