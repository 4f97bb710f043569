"""Pages of recovery: request a link, choose a new password by it, and confirm an address."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from litestar import Response, get, post
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core.errors import Expired, NotFound, Refusal
from marketplace.core.web.pages import again, page, secret_page, see
from marketplace.people.identity.guards import VisitorRequest, address_of, expect, forget_cookie, signed_in
from marketplace.people.identity.pages import FORM
from marketplace.people.sign_in import recovery_actions


class Forgotten(Struct):
    """The address of a forgotten password."""

    email: str


class PasswordForm(Struct):
    """A new password."""

    password: str
    account: uuid.UUID | None = None


@get("/reset", opt=expect("anyone"))
async def reset_page() -> Template:
    """Ask for the address of a forgotten password."""
    return page("sign_in/ask.html", error="", email="", is_sent=False)


@post("/reset", opt=expect("anyone"), status_code=200)
async def ask(data: Annotated[Forgotten, Body(media_type=FORM)]) -> Template:
    """Send a link to the person with the address; says the same if there is nobody."""
    try:
        await recovery_actions.request_reset(data.email)
    except Refusal as refusal:
        return again("sign_in/ask.html", refusal, email=data.email[:254], is_sent=False)
    return page("sign_in/ask.html", error="", email="", is_sent=True)


@get("/reset/{link:str}", opt=expect("anyone", stranger=200))
async def choose_page(link: FromPath[str]) -> Template:
    """Ask for a new password."""
    return secret_page("sign_in/choose.html", error="", link=link, accounts=await recovery_actions.list_choices(link))


@post("/reset/{link:str}", opt=expect("anyone", stranger=200), status_code=200)
async def choose(link: FromPath[str], data: Annotated[PasswordForm, Body(media_type=FORM)]) -> Response[Any] | Template:
    """Set the new password, and ask to sign in with it."""
    try:
        await recovery_actions.reset_password(link, data.password, data.account)
    except (NotFound, Expired):
        raise
    except Refusal as refusal:
        return again("sign_in/choose.html", refusal, link=link, accounts=await recovery_actions.list_choices(link))
    answer = see("/sign-in?reset=1")
    answer.set_cookie(forget_cookie())
    return answer


@post("/profile/confirm-address", guards=[signed_in], opt=expect("signed in"), status_code=200)
async def request_confirmation(request: VisitorRequest) -> Redirect:
    """Send the link that confirms the person's address once more."""
    assert request.user
    if request.user.person:
        await recovery_actions.request_confirmation(request.user.person, address_of(request))
    return see("/profile/address?sent=1")


@get("/confirm-address/{link:str}", opt=expect("anyone", stranger=200))
async def confirm_page(link: FromPath[str]) -> Template:
    """Ask for one click, and name the account: a program that follows links confirms nothing.

    A stranger who signs up with somebody else's address causes a letter there, and hopes for the owner's click.
    """
    account, *others = await recovery_actions.list_confirmable(link)
    return page("sign_in/recovery_confirm.html", link=link, is_done=False, account=account, others=others)


@post("/confirm-address/{link:str}", opt=expect("anyone", stranger=200), status_code=200)
async def confirm(link: FromPath[str]) -> Template:
    """Confirm the address."""
    await recovery_actions.confirm_by_link(link)
    return page("sign_in/recovery_confirm.html", link=link, is_done=True)


ROUTES = [reset_page, ask, choose_page, choose, request_confirmation, confirm_page, confirm]
