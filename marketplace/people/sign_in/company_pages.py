"""Pages of a company: its people, its administrators, and its API keys."""

from __future__ import annotations

import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import Annotated, Any

from litestar import get, post
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.core.errors import Refusal
from marketplace.core.settings import settings
from marketplace.core.web.buttons import ButtonForm, Pressed
from marketplace.core.web.i18n import gettext as _
from marketplace.core.web.i18n import language
from marketplace.core.web.pages import PageNumber, again, page, secret_page, see
from marketplace.people.identity import actions, ending, key_actions, queries, rules
from marketplace.people.identity.guards import (
    VisitorRequest,
    address_of,
    administrator,
    expect,
    partner,
    recently_proved,
    session_of,
)
from marketplace.people.identity.guessing import begin_letter
from marketplace.people.identity.pages import FORM


class Colleague(ButtonForm):
    """The person that an administrator invites, and their role."""

    name: str
    email: str
    role: str = rules.BUYER


class Role(ButtonForm):
    """What a colleague is to be in the company."""

    role: str = ""


class NewKey(ButtonForm):
    """An API key's label, its scopes and its days."""

    label: str
    scopes: str = " ".join(rules.SCOPES)
    days: int = rules.KEY_DAYS[-1]


def _company(request: VisitorRequest) -> uuid.UUID:
    assert request.user
    assert request.user.partner
    return request.user.partner


async def _company_context(request: VisitorRequest, number: int) -> dict[str, Any]:
    mine = _company(request)
    return {
        "company": await queries.get_partner(mine),
        "people": await queries.list_people(mine, number),
        "roles": {
            rules.ADMINISTRATOR: _("administrator"),
            rules.BUYER: _("buyer"),
            rules.APPROVER: _("approver"),
            rules.ACCOUNTANT: _("accountant"),
            rules.READER: _("reader"),
        },
        "duties": {
            rules.ADMINISTRATOR: _(
                "Invites and removes colleagues, changes roles, sets spending limits, orders and approves."
            ),
            rules.BUYER: _("Orders and bids within a spending limit."),
            rules.APPROVER: _("Approves what colleagues order beyond it, and orders as a buyer does."),
            rules.ACCOUNTANT: _("Sees what every colleague and key spent; orders nothing."),
            rules.READER: _("Looks at data, prices and orders, and downloads; orders nothing."),
        },
    }


@get("/company", guards=[partner], opt=expect("partner"))
async def company_page(request: VisitorRequest, number: PageNumber = 1) -> Template:
    """Show a partner its own state and people."""
    return page("sign_in/company.html", error="", link="", form=None, **await _company_context(request, number))


@post("/company/people", guards=[administrator], opt=expect("administrator"), status_code=200)
async def invite(request: VisitorRequest, data: Annotated[Colleague, Body(media_type=FORM)]) -> Template:
    """Invite a colleague and show the link to send them, once."""
    assert request.user
    try:
        await begin_letter(rules.clean_email(data.email), address_of(request))
        code = await actions.invite_colleague(
            _company(request),
            email=data.email,
            name=data.name,
            invitation_id=data.form_id,
            by=request.user.person,
            role=data.role,
        )
    except Refusal as refusal:
        return again("sign_in/company.html", refusal, link="", form=data, **await _company_context(request, 1))
    link = f"{settings().url}/{language.get()}/join/{code}"
    return secret_page("sign_in/company.html", error="", link=link, form=None, **await _company_context(request, 1))


@post(
    "/company/people/{colleague:uuid}/remove",
    guards=[administrator],
    opt=expect("administrator", stranger=404),
    status_code=200,
)
async def remove(request: VisitorRequest, colleague: FromPath[uuid.UUID]) -> Redirect:
    """Remove a colleague at once."""
    assert request.user
    await ending.remove_colleague(_company(request), colleague, by=request.user.person)
    return see("/company")


@post(
    "/company/people/{colleague:uuid}/role",
    guards=[administrator, recently_proved],
    opt=expect("administrator", stranger=404),
    status_code=200,
)
async def change_role(
    request: VisitorRequest, colleague: FromPath[uuid.UUID], data: Annotated[Role, Body(media_type=FORM)]
) -> Redirect:
    """Change a colleague's role."""
    assert request.user
    await ending.set_role(_company(request), colleague, data.role, by=request.user.person)
    return see("/company")


# Keys -----------------------------------------------------------------------------------------------------------------


def _choices() -> list[tuple[str, str]]:
    """Return the sets of scopes to choose from, with what each allows a program."""
    return [
        (" ".join(rules.SCOPES), _("Everything: prices, orders, bids and downloads")),
        ("quotes orders downloads", _("Prices, orders and downloads")),
        ("quotes bids", _("Prices and bids")),
        ("quotes downloads", _("Prices and downloads")),
        ("downloads", _("Downloads alone")),
    ]


async def _key_context(request: VisitorRequest, number: int) -> dict[str, Any]:
    choices = _choices()
    return {
        "keys": await queries.list_keys(_company(request), number),
        "choices": choices,
        "named": dict(choices),
        "periods": [(str(days), _("{days} days").format(days=days)) for days in reversed(rules.KEY_DAYS)],
    }


async def _shown(request: VisitorRequest, key: str | None) -> Template:
    context = await _key_context(request, 1)
    return secret_page("sign_in/keys.html", key=key, repeated=key is None, error="", **context)


@get("/keys", guards=[partner], opt=expect("partner"))
async def keys_page(request: VisitorRequest, number: PageNumber = 1) -> Template:
    """List a partner's API keys."""
    return page("sign_in/keys.html", key=None, repeated=False, error="", **await _key_context(request, number))


@post("/keys", guards=[partner, recently_proved], opt=expect("partner"), status_code=200)
async def create_key(request: VisitorRequest, data: Annotated[NewKey, Body(media_type=FORM)]) -> Template:
    """Make an API key and show it, once."""
    assert request.user
    try:
        key = await key_actions.create_key(
            _company(request),
            data.label,
            key_id=data.form_id,
            session=session_of(request),
            owner=request.user.person,
            scopes=data.scopes,
            days=data.days,
        )
    except Refusal as refusal:
        return again("sign_in/keys.html", refusal, key=None, repeated=False, **await _key_context(request, 1))
    return await _shown(request, key)


@post(
    "/keys/{key_id:uuid}/rotate",
    guards=[partner, recently_proved],
    opt=expect("partner", stranger=404),
    status_code=200,
)
async def rotate_key(request: VisitorRequest, key_id: FromPath[uuid.UUID], data: Pressed) -> Template:
    """Make a key to replace another, which works for another week."""
    assert request.user
    key = await key_actions.rotate_key(request.user, key_id, new_id=data.form_id, session=session_of(request))
    return await _shown(request, key)


@post("/keys/{key_id:uuid}/revoke", guards=[partner], opt=expect("partner", stranger=404), status_code=200)
async def revoke_key(request: VisitorRequest, key_id: FromPath[uuid.UUID]) -> Redirect:
    """End an API key."""
    await key_actions.revoke_key(_company(request), key_id, by=request.user)
    return see("/keys")


ROUTES = [company_page, invite, remove, change_role, keys_page, create_key, rotate_key, revoke_key]
