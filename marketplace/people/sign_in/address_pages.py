"""Pages of a changed address: the request for it, and the links of its letters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, get_args

from litestar import Response, get, post
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.core import clock
from marketplace.core.errors import NotFound, Refusal
from marketplace.core.web.buttons import ButtonForm
from marketplace.core.web.pages import again, page, see
from marketplace.people.identity.guards import (
    VisitorRequest,
    address_of,
    expect,
    forget_cookie,
    recently_proved,
    signed_in,
)
from marketplace.people.identity.pages import FORM
from marketplace.people.identity.queries import get_person
from marketplace.people.sign_in import address_changes as changes

if TYPE_CHECKING:
    import uuid


class NewAddress(ButtonForm):
    """The address that a person wants."""

    email: str


class AgreementForm(ButtonForm):
    """Whether a mailbox agrees."""

    answer: str


def _person(request: VisitorRequest) -> uuid.UUID:
    if request.user is None or request.user.person is None:
        raise NotFound("There is nothing here.")
    return request.user.person


async def _context(person: uuid.UUID) -> dict[str, Any]:
    change, now, me = await changes.find_change(person), clock.now(), await get_person(person)
    return {
        "person": me,
        "is_confirmed": await changes.is_confirmed(person, me.email),
        "new_address": change.addresses()[1] if change else "",
        "waits_for_new": change is not None and change.new_confirmed_at is None,
        "waits_for_old": change is not None and not change.is_agreed(now),
        "agreed_at": change.created_at + changes.SILENCE_AGREES_AFTER if change else None,
    }


@get("/profile/address", guards=[signed_in], opt=expect("signed in"))
async def address_page(request: VisitorRequest, sent: Annotated[str, QueryParameter(max_length=1)] = "") -> Template:
    """Show the person's address, whether it is confirmed, and what a change of it waits for."""
    return page("sign_in/address.html", error="", email="", is_sent=bool(sent), **await _context(_person(request)))


@post("/profile/address", guards=[signed_in, recently_proved], opt=expect("signed in"), status_code=200)
async def change_address(
    request: VisitorRequest, data: Annotated[NewAddress, Body(media_type=FORM)]
) -> Response[Any] | Template:
    """Ask both mailboxes about another address."""
    person = _person(request)
    try:
        await changes.request_change(person, data.email, address_of(request))
    except Refusal as refusal:
        return again("sign_in/address.html", refusal, email=data.email[:254], is_sent=False, **await _context(person))
    return see("/profile/address")


@post("/profile/address/keep", guards=[signed_in], opt=expect("signed in"), status_code=303)
async def keep_address(request: VisitorRequest) -> Redirect:
    """Cancel a waiting change."""
    await changes.give_up_change(_person(request))
    return see("/profile/address")


def _side(side: str) -> changes.Side:
    if side not in get_args(changes.Side):
        raise NotFound("There is nothing at this address.")
    return side  # type: ignore[return-value]


@get("/address-change/{side:str}/{link:str}", opt=expect("anyone", stranger=200))
async def answer_page(side: FromPath[str], link: FromPath[str]) -> Template:
    """Ask for one click, so that a program that follows links changes nothing."""
    change = await changes.get_by_link(_side(side), link)
    old, new = change.addresses()
    return page("sign_in/address_change.html", side=side, link=link, old=old, new=new, done="")


@post("/address-change/{side:str}/{link:str}", opt=expect("anyone", stranger=200), status_code=200)
async def answer(
    side: FromPath[str], link: FromPath[str], data: Annotated[AgreementForm, Body(media_type=FORM)]
) -> Response[Any] | Template:
    """Confirm, refuse or undo a change."""
    old, new = (await changes.get_by_link(_side(side), link)).addresses()
    agrees = side != "undo" and data.answer == "yes"
    is_made = await changes.answer(_side(side), link, agrees=agrees)
    done = "undone" if side == "undo" else "made" if is_made else "noted" if agrees else "refused"
    shown: Any = page("sign_in/address_change.html", side=side, link=link, old=old, new=new, done=done)
    if done in ("undone", "refused") and side != "new":
        shown.set_cookie(forget_cookie())
    return shown  # type: ignore[no-any-return]


ROUTES = [address_page, change_address, keep_address, answer_page, answer]
