"""Pages of second factors: the second step of signing in, what one has, and the page that asks once more who it is."""

from __future__ import annotations

import uuid  # noqa: TC003 (forms have it)
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode

import segno
from litestar import Response, get, post
from litestar.params import Body
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.errors import Invalid, Refusal
from marketplace.identity.guards import (
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
from marketplace.identity.pages import FORM, Asked, Next, Token
from marketplace.identity.queries import get_person
from marketplace.identity.rules import own_path
from marketplace.identity.sessions import find_half_signed_in, home_of, record_proof
from marketplace.second_factors import actions, passkeys
from marketplace.second_factors.queries import get_factors
from marketplace.second_factors.rules import FACTOR_COOKIE, FormWaitsError, address_for_apps
from marketplace.web.pages import again, page, secret_page, see


class Shown(Struct):
    """A code, or a device's answer about a passkey; and where to then."""

    code: str = ""
    answer: str = ""
    next: str = ""


class Proof(Struct):
    """A password, a code or a device's answer; and where to then."""

    password: str = ""
    code: str = ""
    answer: str = ""
    next: str = ""
    form: str = ""
    written: str = ""

    @property
    def interrupted(self) -> FormWaitsError | None:
        """Return the form that the proof was asked for in the middle of."""
        following, sent_to = own_path(self.next), own_path(self.form)
        written = parse_qs(self.written, keep_blank_values=True)
        return FormWaitsError(following, sent_to, written) if following and sent_to and written else None


class Code(Token):
    """The first code of an app."""

    code: str


class OldPasskey(Token):
    """Which passkey goes."""

    passkey: uuid.UUID


class NewPasskey(Token):
    """A device's answer, and what its owner calls it."""

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
async def second_page(request: Asked, following: Next = "") -> Template | Redirect:
    """Ask for the second factor, or have staff without one add it now."""
    person = await find_half_signed_in(session_of(request))
    if person is None:
        return see(await home_of(request.user) if request.user and request.user.person else "/")
    return page("second_factors/second.html", error="", **await _second_context(person, session_of(request), following))


@post("/sign-in/second", opt=expect("anyone"), status_code=200)
async def second(request: Asked, data: Annotated[Shown, Body(media_type=FORM)]) -> Response[Any] | Template:
    """Check the second factor, begin a session that has it, and go where the visitor was going."""
    session = session_of(request)
    person = await find_half_signed_in(session)
    if person is None:
        return see("/")
    try:
        if data.answer:
            await passkeys.check_passkey(person, data.answer, session, address_of(request), _mark(request))
        else:
            await actions.check_code(person, data.code, address_of(request), _mark(request))
    except Refusal as refusal:
        context = await _second_context(person, session, data.next)
        return again("second_factors/second.html", refusal, **context)
    answer = see(own_path(data.next) or await home_of(person))
    answer.set_cookie(await begin_session(person, instead_of=session, with_factor=True))
    answer.set_cookie(device_cookie(actions.by_factor(person), FACTOR_COOKIE))
    return answer


def _mark(request: Asked) -> str:
    return read_cookie(request.scope, FACTOR_COOKIE)


# One's own factors ----------------------------------------------------------------------------------------------------


async def _person(request: Asked) -> tuple[uuid.UUID, bool]:
    """Return who adds a factor, and whether they are still signing in: staff add their first one then."""
    if request.user:
        assert request.user.person
        return request.user.person, False
    person = await find_half_signed_in(session_of(request))
    assert person
    return person, True


async def _factors_context(request: Asked, person: uuid.UUID) -> dict[str, Any]:
    them = await get_person(person)
    return {
        "factors": await get_factors(person),
        "options": await passkeys.options_to_add(person, them.email, session_of(request)),
        "person": them,
    }


@get("/profile/factors", guards=[may_add_factor], opt=expect("signed in"))
async def factors_page(request: Asked) -> Template:
    """Show what one can show beside the password."""
    person, _ = await _person(request)
    return page("second_factors/factors.html", error="", **await _factors_context(request, person))


async def _app_page(person: uuid.UUID, refusal: Refusal | None = None) -> Template:
    secret = await actions.find_secret_to_confirm(person) or ""
    address = address_for_apps(secret, (await get_person(person)).email) if secret else ""
    picture = segno.make(address or "-", error="m").svg_inline(scale=5, border=4, light="#fff", dark="#000")
    context: dict[str, Any] = {"secret": secret, "picture": picture}
    if refusal:
        answer = again("second_factors/authenticator.html", refusal, **context)
        answer.headers["cache-control"] = "no-store"
        return answer
    return secret_page("second_factors/authenticator.html", error="", **context)


@post(
    "/profile/factors/authenticator",
    guards=[may_add_factor, recently_proved],
    opt=expect("signed in"),
    status_code=200,
)
async def start_authenticator(request: Asked) -> Template:
    """Show a new secret for an authenticator app, as a picture and in letters, and ask for its first code."""
    person, _ = await _person(request)
    try:
        await actions.start_authenticator(person)
    except Refusal as refusal:
        return again("second_factors/factors.html", refusal, **await _factors_context(request, person))
    return await _app_page(person)


async def _added(request: Asked, person: uuid.UUID, codes: list[str], *, half: bool) -> Response[Any] | Template:
    """Show new recovery codes, once; who was still signing in has shown the factor with it, and is signed in."""
    answer: Any = secret_page("second_factors/codes.html", codes=codes) if codes else see("/profile/factors")
    if half:
        answer.set_cookie(await begin_session(person, instead_of=session_of(request), with_factor=True))
        answer.set_cookie(device_cookie(actions.by_factor(person), FACTOR_COOKIE))
    return answer  # type: ignore[no-any-return]


@post(
    "/profile/factors/authenticator/confirm",
    guards=[may_add_factor, recently_proved],
    opt=expect("signed in"),
    status_code=200,
)
async def confirm_authenticator(
    request: Asked, data: Annotated[Code, Body(media_type=FORM)]
) -> Response[Any] | Template:
    """Put the app into force by its first code."""
    person, half = await _person(request)
    try:
        codes = await actions.confirm_authenticator(person, data.code, address_of(request))
    except Refusal as refusal:
        return await _app_page(person, refusal)
    return await _added(request, person, codes, half=half)


@post("/profile/factors/passkeys", guards=[may_add_factor, recently_proved], opt=expect("signed in"), status_code=200)
async def add_passkey(request: Asked, data: Annotated[NewPasskey, Body(media_type=FORM)]) -> Response[Any] | Template:
    """Keep a passkey that the device has just made."""
    person, half = await _person(request)
    try:
        codes = await passkeys.register(person, data.label, data.answer, session_of(request))
    except Refusal as refusal:
        return again("second_factors/factors.html", refusal, **await _factors_context(request, person))
    return await _added(request, person, codes, half=half)


@post("/profile/factors/codes", guards=[signed_in, recently_proved], opt=expect("signed in"), status_code=200)
async def renew_codes(request: Asked) -> Template:
    """Make new recovery codes and show them, once."""
    person, _ = await _person(request)
    try:
        return secret_page("second_factors/codes.html", codes=await actions.renew_codes(person))
    except Refusal as refusal:
        return again("second_factors/factors.html", refusal, **await _factors_context(request, person))


@post(
    "/profile/factors/authenticator/remove",
    guards=[signed_in, recently_proved],
    opt=expect("signed in"),
    status_code=200,
)
async def remove_authenticator(request: Asked) -> Response[Any] | Template:
    """Remove the authenticator app."""
    return await _remove(request, None)


@post("/profile/factors/passkeys/remove", guards=[signed_in, recently_proved], opt=expect("signed in"), status_code=200)
async def remove_passkey(
    request: Asked, data: Annotated[OldPasskey, Body(media_type=FORM)]
) -> Response[Any] | Template:
    """Remove a passkey."""
    return await _remove(request, data.passkey)


async def _remove(request: Asked, factor: uuid.UUID | None) -> Response[Any] | Template:
    assert request.user
    person, _ = await _person(request)
    try:
        await actions.remove_factor(person, factor, is_staff=request.user.role is not None)
    except Refusal as refusal:
        return again("second_factors/factors.html", refusal, **await _factors_context(request, person))
    return see("/profile/factors")


# Asked again ----------------------------------------------------------------------------------------------------------


async def confirm_page_with(
    request: Asked, following: str, form: FormWaitsError | None, refusal: Refusal | None = None
) -> Template:
    """Return the page that asks once more who it is, with a form that waits for that: only the browser has it."""
    person, _ = await _person(request)
    context = await _second_context(person, session_of(request), following)
    waits = {"form": form.sent_to, "written": urlencode(form.written, doseq=True)} if form else {}
    if refusal:
        answer = again("second_factors/confirm.html", refusal, waits=waits, **context)
    else:
        answer = page("second_factors/confirm.html", error="", waits=waits, **context)
    if form:
        answer.headers["cache-control"] = "no-store"
    return answer


@get("/confirm", guards=[signed_in], opt=expect("signed in"))
async def confirm_page(request: Asked, following: Next = "") -> Template:
    """Ask once more who it is, before money, keys, exports or erasure."""
    return await confirm_page_with(request, following, None)


@post("/confirm", guards=[signed_in], opt=expect("signed in"), status_code=200)
async def confirm(request: Asked, data: Annotated[Proof, Body(media_type=FORM)]) -> Response[Any] | Template:
    """Check the second factor, or the password of who has none, and go back to what was asked."""
    person, _ = await _person(request)
    session = session_of(request)
    try:
        if data.answer:
            await passkeys.check_passkey(person, data.answer, session, address_of(request), _mark(request))
        elif data.code:
            await actions.check_code(person, data.code, address_of(request), _mark(request))
        elif data.password:
            await actions.check_password(person, data.password, address_of(request))
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
