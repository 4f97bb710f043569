"""Pages that the law requires, and help: legal notice, terms, privacy, cookies, a question to the operator."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.consent.purposes.queries import list_purposes
from marketplace.core.errors import NotFound, Refusal
from marketplace.core.settings import settings
from marketplace.core.web.i18n import language
from marketplace.core.web.pages import PageNumber, again, page, see
from marketplace.people.identity.guards import VisitorRequest, address_of, expect, staff
from marketplace.people.identity.queries import get_person
from marketplace.subscribers.legal import actions, queries
from marketplace.subscribers.legal.rules import TEXTS, clean_about, missing
from marketplace.subscribers.legal.texts import find_own_text

About = Annotated[str, QueryParameter(name="about")]
Sent = Annotated[str, QueryParameter(name="sent")]


class HelpForm(Struct):
    """A question to the operator."""

    form_id: uuid.UUID
    email: str
    text: str
    about: str = ""


@get("/legal/{name:str}", opt=expect("anyone", stranger=200))
async def legal_page(name: FromPath[str]) -> Template:
    """Show a legal text: the operator's own, or ours, which names what the operator has yet to state."""
    if name not in TEXTS:
        raise NotFound("There is nothing here.")
    own = find_own_text(name, language.get())
    purposes = [one for one in await list_purposes() if one.notice] if name == "privacy" else []
    lacking = [] if own else missing(settings())
    return page(f"legal/{name}.html", own=own, lacking=lacking, purposes=purposes)


async def _form(request: VisitorRequest, about: str) -> dict[str, Any]:
    actor = request.user
    if actor is None or actor.person is None:
        return {"about": about, "email": ""}
    if actor.subscriber is not None and not about:
        about = f"{actor.subscriber}"
    return {"about": about, "email": (await get_person(actor.person)).email}


@get("/help", opt=expect("anyone"))
async def help_page(request: VisitorRequest, about: About = "", sent: Sent = "") -> Template:
    """Show how to reach the operator, and a form for a question with the order or line already named."""
    return page("legal/help.html", error="", text="", sent=bool(sent), **await _form(request, clean_about(about)))


@post("/help", opt=expect("anyone"), status_code=200)
async def ask(
    request: VisitorRequest, data: Annotated[HelpForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Template | Redirect:
    """Send a question to the operator."""
    person = request.user.person if request.user else None
    try:
        where = address_of(request)
        await actions.ask(
            data.form_id, email=data.email, about=data.about, text=data.text, person=person, address=where
        )
    except Refusal as refusal:
        written = {"about": clean_about(data.about), "email": data.email[:254], "text": data.text[:4000]}
        return again("legal/help.html", refusal, sent=False, **written)
    return see("/help?sent=yes")


@get("/staff/questions", guards=[staff("steward", "finance")], opt=expect("steward", "finance"))
async def questions_page(number: PageNumber = 1) -> Template:
    """List people's questions, those without an answer first."""
    return page("legal/questions.html", questions=await queries.list_questions(number))


@get(
    "/staff/questions/{question:uuid}",
    guards=[staff("steward", "finance")],
    opt=expect("steward", "finance", stranger=200),
)
async def question_page(question: FromPath[uuid.UUID]) -> Template:
    """Show a question and where to answer it."""
    return page("legal/question.html", question=await queries.get_question(question))


@post(
    "/staff/questions/{question:uuid}/answered",
    guards=[staff("steward", "finance")],
    opt=expect("steward", "finance", stranger=200),
    status_code=200,
)
async def answered(question: FromPath[uuid.UUID]) -> Redirect:
    """Record that a question was answered."""
    await actions.note_answered(question)
    return see("/staff/questions")


ROUTES = [legal_page, help_page, ask, questions_page, question_page, answered]
