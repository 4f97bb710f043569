"""Pages of second factors: the second step of signing in, one's own factors, and a repeated proof of identity."""

from __future__ import annotations

import uuid  # noqa: TC003 (forms have it)
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode

import segno
from litestar import Response, get, post
from litestar.params import Body
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core.errors import Invalid, Refusal
from marketplace.core.web.buttons import ButtonForm
from marketplace.core.web.pages import again, page, secret_page, see
from marketplace.people.identity.guards import (
    VisitorRequest,
    address_of,
    begin_session,
    device_cookie,
    expect,
    may_add_factor,
    read_cookie,
    recently_proved,
    session_of,
    signed_in,
)
from marketplace.people.identity.pages import FORM, Next
from marketplace.people.identity.queries import get_person
from marketplace.people.identity.rules import own_path
from marketplace.people.identity.sessions import find_half_signed_in, home_of, record_proof
from marketplace.people.sign_in import factor_actions, passkeys
from marketplace.people.sign_in.factor_queries import get_factors
from marketplace.people.sign_in.factor_rules import FACTOR_COOKIE, FormWaitsError, address_for_apps


class ProofForm(Struct):
    """A code, or a device's answer about a passkey; and the next page."""

    code: str = ""
    answer: str = ""
    next: str = ""


class Proof(Struct):
    """A password, a code or a device's answer; and the next page."""

    password: str = ""
    code: str = ""
    answer: str = ""
    next: str = ""
    form: str = ""
    written: str = ""

    @property
    def interrupted(self) -> FormWaitsError | None:
        """Return the form that the request for a proof interrupted."""
        following, sent_to = own_path(self.next), own_path(self.form)
        written = parse_qs(self.written, keep_blank_values=True)
        return FormWaitsError(following, sent_to, written) if following and sent_to and written else None


class Code(ButtonForm):
    """The first code of an app."""

    code: str


class OldPasskey(ButtonForm):
    """The passkey to remove."""

    passkey: uuid.UUID


class NewPasskey(ButtonForm):
    """A device's answer, and its owner's name for it."""

    label: str
    answer: str = ""


# The second step of signing in ----------------------------------------------------------------------------------------


async def _second_context(person: uuid.UUID, session: str, following: str) -> dict[str, Any]:
    factors = await get_factors(person)
    return {
        "factors": factors,
        "options": await passkeys.options_to_show(person, session),
        "next": own_path(following) or "",
    }


@get("/sign-in/second", opt=expect("anyone"))
async def second_page(request: VisitorRequest, following: Next = "") -> Template | Redirect:
    """Ask for the second factor, or make staff without one add it now."""
    person = await find_half_signed_in(session_of(request))
    if person is None:
        return see(await home_of(request.user) if request.user and request.user.person else "/")
    return page("sign_in/second.html", error="", **await _second_context(person, session_of(request), following))


@post("/sign-in/second", opt=expect("anyone"), status_code=200)
async def second(
    request: VisitorRequest, data: Annotated[ProofForm, Body(media_type=FORM)]
) -> Response[Any] | Template:
    """Check the second factor, begin a session that has it, and go where the visitor was going."""
    session = session_of(request)
    person = await find_half_signed_in(session)
    if person is None:
        return see("/")
    try:
        if data.answer:
            await passkeys.check_passkey(person, data.answer, session, address_of(request), _mark(request))
        else:
            await factor_actions.check_code(person, data.code, address_of(request), _mark(request))
    except Refusal as refusal:
        context = await _second_context(person, session, data.next)
        return again("sign_in/second.html", refusal, **context)
    answer = see(own_path(data.next) or await home_of(person))
    answer.set_cookie(await begin_session(person, instead_of=session, with_factor=True))
    answer.set_cookie(device_cookie(factor_actions.by_factor(person), FACTOR_COOKIE))
    return answer


def _mark(request: VisitorRequest) -> str:
    return read_cookie(request.scope, FACTOR_COOKIE)


# One's own factors ----------------------------------------------------------------------------------------------------


async def _person(request: VisitorRequest) -> tuple[uuid.UUID, bool]:
    """Return the person who adds a factor, and whether they are still signing in, as staff without one are."""
    if request.user:
        assert request.user.person
        return request.user.person, False
    person = await find_half_signed_in(session_of(request))
    assert person
    return person, True


async def _factors_context(request: VisitorRequest, person: uuid.UUID) -> dict[str, Any]:
    them = await get_person(person)
    return {
        "factors": await get_factors(person),
        "options": await passkeys.options_to_add(person, them.email, session_of(request)),
        "person": them,
    }


@get("/profile/factors", guards=[may_add_factor], opt=expect("signed in"))
async def factors_page(request: VisitorRequest) -> Template:
    """Show the person's second factors."""
    person, _ = await _person(request)
    return page("sign_in/factors.html", error="", **await _factors_context(request, person))


async def _app_page(person: uuid.UUID, refusal: Refusal | None = None) -> Template:
    secret = await factor_actions.find_secret_to_confirm(person) or ""
    address = address_for_apps(secret, (await get_person(person)).email) if secret else ""
    picture = segno.make(address or "-", error="m").svg_inline(scale=5, border=4, light="#fff", dark="#000")
    context: dict[str, Any] = {"secret": secret, "picture": picture}
    if refusal:
        answer = again("sign_in/authenticator.html", refusal, **context)
        answer.headers["cache-control"] = "no-store"
        return answer
    return secret_page("sign_in/authenticator.html", error="", **context)


@post(
    "/profile/factors/authenticator",
    guards=[may_add_factor, recently_proved],
    opt=expect("signed in"),
    status_code=200,
)
async def start_authenticator(request: VisitorRequest) -> Template:
    """Show a new secret for an authenticator app, as a picture and in letters, and ask for its first code."""
    person, _ = await _person(request)
    try:
        await factor_actions.start_authenticator(person)
    except Refusal as refusal:
        return again("sign_in/factors.html", refusal, **await _factors_context(request, person))
    return await _app_page(person)


async def _added(
    request: VisitorRequest, person: uuid.UUID, codes: list[str], *, half: bool
) -> Response[Any] | Template:
    """Show new recovery codes, once; a person who was still signing in has now shown the factor and is signed in."""
    answer: Any = secret_page("sign_in/codes.html", codes=codes) if codes else see("/profile/factors")
    if half:
        answer.set_cookie(await begin_session(person, instead_of=session_of(request), with_factor=True))
        answer.set_cookie(device_cookie(factor_actions.by_factor(person), FACTOR_COOKIE))
    return answer  # type: ignore[no-any-return]


@post(
    "/profile/factors/authenticator/confirm",
    guards=[may_add_factor, recently_proved],
    opt=expect("signed in"),
    status_code=200,
)
async def confirm_authenticator(
    request: VisitorRequest, data: Annotated[Code, Body(media_type=FORM)]
) -> Response[Any] | Template:
    """Put the app into force by its first code."""
    person, half = await _person(request)
    try:
        codes = await factor_actions.confirm_authenticator(person, data.code, address_of(request))
    except Refusal as refusal:
        return await _app_page(person, refusal)
    return await _added(request, person, codes, half=half)


@post("/profile/factors/passkeys", guards=[may_add_factor, recently_proved], opt=expect("signed in"), status_code=200)
async def add_passkey(
    request: VisitorRequest, data: Annotated[NewPasskey, Body(media_type=FORM)]
) -> Response[Any] | Template:
    """Store a passkey that the device has just made."""
    person, half = await _person(request)
    try:
        codes = await passkeys.register(person, data.label, data.answer, session_of(request))
    except Refusal as refusal:
        return again("sign_in/factors.html", refusal, **await _factors_context(request, person))
    return await _added(request, person, codes, half=half)


@post("/profile/factors/codes", guards=[signed_in, recently_proved], opt=expect("signed in"), status_code=200)
async def renew_codes(request: VisitorRequest) -> Template:
    """Make new recovery codes and show them, once."""
    person, _ = await _person(request)
    try:
        return secret_page("sign_in/codes.html", codes=await factor_actions.renew_codes(person))
    except Refusal as refusal:
        return again("sign_in/factors.html", refusal, **await _factors_context(request, person))


@post(
    "/profile/factors/authenticator/remove",
    guards=[signed_in, recently_proved],
    opt=expect("signed in"),
    status_code=200,
)
async def remove_authenticator(request: VisitorRequest) -> Response[Any] | Template:
    """Remove the authenticator app."""
    return await _remove(request, None)


@post("/profile/factors/passkeys/remove", guards=[signed_in, recently_proved], opt=expect("signed in"), status_code=200)
async def remove_passkey(
    request: VisitorRequest, data: Annotated[OldPasskey, Body(media_type=FORM)]
) -> Response[Any] | Template:
    """Remove a passkey."""
    return await _remove(request, data.passkey)


async def _remove(request: VisitorRequest, factor: uuid.UUID | None) -> Response[Any] | Template:
    assert request.user
    person, _ = await _person(request)
    try:
        await factor_actions.remove_factor(person, factor, is_staff=request.user.role is not None)
    except Refusal as refusal:
        return again("sign_in/factors.html", refusal, **await _factors_context(request, person))
    return see("/profile/factors")


# Asked again ----------------------------------------------------------------------------------------------------------


async def confirm_page_with(
    request: VisitorRequest, following: str, form: FormWaitsError | None, refusal: Refusal | None = None
) -> Template:
    """Return the page that asks for a proof of identity; the interrupted form is only in the browser."""
    person, _ = await _person(request)
    context = await _second_context(person, session_of(request), following)
    waits = {"form": form.sent_to, "written": urlencode(form.written, doseq=True)} if form else {}
    if refusal:
        answer = again("sign_in/factor_confirm.html", refusal, waits=waits, **context)
    else:
        answer = page("sign_in/factor_confirm.html", error="", waits=waits, **context)
    if form:
        answer.headers["cache-control"] = "no-store"
    return answer


@get("/confirm", guards=[signed_in], opt=expect("signed in"))
async def confirm_page(request: VisitorRequest, following: Next = "") -> Template:
    """Ask for a proof of identity, before money, keys, exports or erasure."""
    return await confirm_page_with(request, following, None)


@post("/confirm", guards=[signed_in], opt=expect("signed in"), status_code=200)
async def confirm(request: VisitorRequest, data: Annotated[Proof, Body(media_type=FORM)]) -> Response[Any] | Template:
    """Check the second factor, or the password if there is none, and go back to the requested page."""
    person, _ = await _person(request)
    session = session_of(request)
    try:
        if data.answer:
            await passkeys.check_passkey(person, data.answer, session, address_of(request), _mark(request))
        elif data.code:
            await factor_actions.check_code(person, data.code, address_of(request), _mark(request))
        elif data.password:
            await factor_actions.check_password(person, data.password, address_of(request))
        else:
            raise Invalid("Write a code, or your password.")
    except Refusal as refusal:
        return await confirm_page_with(request, data.next, data.interrupted, refusal)
    await record_proof(session)
    if data.interrupted:
        raise data.interrupted
    return see(own_path(data.next) or "/profile")


ROUTES = [
    second_page,
    second,
    factors_page,
    start_authenticator,
    confirm_authenticator,
    add_passkey,
    renew_codes,
    remove_authenticator,
    remove_passkey,
    confirm_page,
    confirm,
]
