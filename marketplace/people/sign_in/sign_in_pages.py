"""Pages of access: sign in and out, sign up, claim a line, join, and the profile."""

from __future__ import annotations

import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import Annotated, Any
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.errors import Expired, NotFound, Refusal, existing
from marketplace.core.settings import settings
from marketplace.core.web import formats
from marketplace.core.web.buttons import ButtonForm
from marketplace.core.web.devices import device_of, place_of
from marketplace.core.web.i18n import language
from marketplace.core.web.pages import again, page, see
from marketplace.people.identity import actions, queries
from marketplace.people.identity.guards import (
    DEVICE_COOKIE,
    VisitorRequest,
    address_of,
    begin_session,
    device_cookie,
    expect,
    forget_cookie,
    read_cookie,
    session_of,
    signed_in,
)
from marketplace.people.identity.pages import FORM, Next
from marketplace.people.identity.rules import clean_reference, own_path
from marketplace.people.identity.sessions import end_session, find_half_signed_in, home_of, way_on
from marketplace.people.identity.vat_checks import confirm_vat
from marketplace.people.sign_in import recovery_actions as recovery
from marketplace.people.sign_in.provider_rules import read_providers
from marketplace.people.sign_in.way_back import regain_line


class SignIn(Struct):
    """Email and password, and the next page."""

    email: str
    password: str
    next: str = ""


class SignUp(ButtonForm):
    """A company and its first person."""

    company: str
    country: str
    name: str
    email: str
    password: str
    vat_number: str = ""


class Activation(Struct):
    """A line, its code from the operator's letter, and the person who claims it."""

    reference: str
    code: str
    name: str
    email: str
    password: str


class NewPassword(Struct):
    """The present password and a new one."""

    current: str
    password: str


class Joining(ButtonForm):
    """The password of an invited person."""

    password: str


async def _entered(
    request: VisitorRequest, person: uuid.UUID, path: str, email: str = "", password_hash: str | None = None
) -> Response[Any]:
    """Begin a session in place of the browser's old one and show the next page."""
    session = await begin_session(
        person,
        instead_of=session_of(request),
        device=device_of(request.headers.get("user-agent", "")),
        network=place_of(address_of(request)),
        password_hash=password_hash,
    )
    answer = see(await way_on(str(session.value), path))
    answer.set_cookie(session)
    if email:
        answer.set_cookie(device_cookie(person))
    return answer


# Signing in and out ---------------------------------------------------------------------------------------------------


async def _sign_in_context(following: str) -> dict[str, Any]:
    people = await queries.one_click_people() if settings().one_click else []
    providers = list(read_providers(settings().identity_providers).values())
    return {"next": own_path(following) or "", "people": people, "providers": providers}


@get("/sign-in", opt=expect("anyone"))
async def sign_in_page(request: VisitorRequest, following: Next = "") -> Template | Redirect:
    """Ask for email and password; a person who is signed in is sent on."""
    if request.user:
        return see(own_path(following) or await home_of(request.user))
    if await find_half_signed_in(session_of(request)):
        return see("/sign-in/second?" + urlencode({"next": own_path(following) or ""}))
    return page("sign_in/sign_in.html", error="", email="", **await _sign_in_context(following))


@post("/sign-in", opt=expect("anyone"), status_code=200)
async def sign_in(request: VisitorRequest, data: Annotated[SignIn, Body(media_type=FORM)]) -> Response[Any] | Template:
    """Sign in and go where the visitor was going."""
    try:
        device = read_cookie(request.scope, DEVICE_COOKIE)
        known = await actions.sign_in(data.email, data.password, device, address_of(request))
        path = own_path(data.next) or await home_of(known.id)
        return await _entered(request, known.id, path, data.email, known.password_hash)
    except Refusal as refusal:
        return again("sign_in/sign_in.html", refusal, email=data.email[:254], **await _sign_in_context(data.next))


@post("/demo/sign-in/{email:str}", opt=expect("anyone", stranger=200), status_code=200)
async def one_click(request: VisitorRequest, email: FromPath[str]) -> Response[Any]:
    """Sign in as one of the demo's people with one click; closed outside the demo."""
    person = existing(
        await queries.find_one_click_person(email) if settings().one_click else None, NotFound("There is nothing here.")
    )
    return await _entered(request, person, await home_of(person))


@get("/sign-out", opt=expect("anyone"))
async def sign_out_page(request: VisitorRequest) -> Template | Redirect:
    """Ask whether to sign out; a link alone never signs anybody out."""
    return page("sign_in/sign_out.html") if request.user else see("/")


@post("/sign-out", opt=expect("anyone"), status_code=200)
async def sign_out(request: VisitorRequest) -> Response[Any]:
    """End the session."""
    await end_session(session_of(request))
    answer = see("/")
    answer.headers["clear-site-data"] = '"cache", "storage"'
    answer.set_cookie(forget_cookie())
    return answer


# Signing up, claiming a line, joining ---------------------------------------------------------------------------------


@get("/sign-up", opt=expect("anyone"))
async def sign_up_page() -> Template:
    """Ask for a company and its first person."""
    return page("sign_in/sign_up.html", error="", form=None, countries=formats.countries())


@post("/sign-up", opt=expect("anyone"), status_code=200)
async def sign_up(request: VisitorRequest, data: Annotated[SignUp, Body(media_type=FORM)]) -> Response[Any] | Template:
    """Sign a company up; a steward vets it afterwards."""
    try:
        created = await actions.create_partner(
            company=data.company,
            country=data.country,
            vat_number=data.vat_number,
            name=data.name,
            email=data.email,
            password=data.password,
            language=language.get(),
            partner_id=data.form_id,
            address=address_of(request),
        )
        known = await actions.sign_in(data.email, data.password, address=address_of(request), partner=created)
    except Refusal as refusal:
        return again("sign_in/sign_up.html", refusal, form=data, countries=formats.countries())
    await confirm_vat(created)
    return await _entered(request, known.id, "/first-steps", data.email, known.password_hash)


@get("/activate", opt=expect("anyone"))
async def activation_page() -> Template:
    """Ask for a line's reference and code."""
    return page("sign_in/activate.html", error="", form=None)


@post("/activate", opt=expect("anyone"), status_code=200)
async def activate(
    request: VisitorRequest, data: Annotated[Activation, Body(media_type=FORM)]
) -> Response[Any] | Template:
    """Claim a line, or regain one's own by a new letter, and sign in as its holder."""
    try:
        line = clean_reference(data.reference)
        holder = await regain_line(line, data.code, email=data.email, password=data.password)
        person = holder or await actions.claim_line(
            line,
            data.code,
            email=data.email,
            name=data.name,
            password=data.password,
            language=language.get(),
            address=address_of(request),
        )
    except Refusal as refusal:
        return again("sign_in/activate.html", refusal, form=data)
    return await _entered(request, person, "/earnings" if holder else "/welcome", data.email)


@get("/join/{code:str}", opt=expect("anyone", stranger=200))
async def joining_page(code: FromPath[str]) -> Template:
    """Show an invitation and ask for a password."""
    invitation = await queries.get_invitation(code)
    if invitation.accepted_at or invitation.expires_at <= clock.now():
        raise Expired("This invitation was used or is over; ask for another one.")
    return page("sign_in/join.html", invitation=invitation, code=code, error="")


@post("/join/{code:str}", opt=expect("anyone", stranger=200), status_code=200)
async def join(
    request: VisitorRequest, code: FromPath[str], data: Annotated[Joining, Body(media_type=FORM)]
) -> Response[Any] | Template:
    """Accept an invitation and sign in."""
    invitation = await queries.get_invitation(code)
    try:
        person = await actions.accept_invitation(code, data.password, language.get(), form=data.form_id)
    except Expired:
        raise
    except Refusal as refusal:
        return again("sign_in/join.html", refusal, invitation=invitation, code=code)
    first = "/company" if invitation.partner else await home_of(person)
    return await _entered(request, person, first, invitation.email)


# One's own ------------------------------------------------------------------------------------------------------------


async def _me(request: VisitorRequest) -> queries.PersonPage:
    assert request.user
    if request.user.person is None:
        raise NotFound("There is nothing here.")
    return await queries.get_person(request.user.person)


@get("/profile", guards=[signed_in], opt=expect("signed in"))
async def profile_page(
    request: VisitorRequest, changed: Annotated[str, QueryParameter(name="changed")] = ""
) -> Template:
    """Show the signed-in person."""
    return page("sign_in/profile.html", error="", changed=bool(changed), person=await _me(request))


@post("/profile/password", guards=[signed_in], opt=expect("signed in"), status_code=200)
async def change_password(
    request: VisitorRequest, data: Annotated[NewPassword, Body(media_type=FORM)]
) -> Response[Any] | Template:
    """Change the password; every other browser is signed out."""
    person = await _me(request)
    try:
        await recovery.change_password(person.id, data.current, data.password)
    except Refusal as refusal:
        return again("sign_in/profile.html", refusal, changed=False, person=person)
    return await _entered(request, person.id, "/profile?changed=1", person.email)


ROUTES = [
    sign_in_page,
    sign_in,
    one_click,
    sign_out_page,
    sign_out,
    sign_up_page,
    sign_up,
    activation_page,
    activate,
    joining_page,
    join,
    profile_page,
    change_password,
]
