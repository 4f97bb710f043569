"""Pages of identity providers: going to one, coming back, and a person's own links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Response, get, post
from litestar.params import FromPath  # noqa: TC002 (Litestar reads a handler's annotations)
from litestar.response import Redirect, Template

from marketplace.core.errors import Expired, NotAllowed, NotFound, Refusal, existing
from marketplace.core.settings import settings
from marketplace.core.web.buttons import Pressed  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.devices import device_of, place_of
from marketplace.core.web.pages import again, page, see
from marketplace.people.identity.guards import (
    DEVICE_COOKIE,
    VisitorRequest,
    address_of,
    begin_session,
    device_cookie,
    expect,
    read_cookie,
    recently_proved,
    session_of,
    signed_in,
)
from marketplace.people.identity.guessing import by_provider
from marketplace.people.identity.pages import Next  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.people.identity.rules import own_path
from marketplace.people.identity.sessions import home_of, way_on
from marketplace.people.sign_in import provider_actions, provider_protocol
from marketplace.people.sign_in import provider_guards as attempts
from marketplace.people.sign_in.provider_rules import Provider, authorisation_address, read_providers

if TYPE_CHECKING:
    import uuid

LONGEST_WORD = 2000
NOT_LINKED = (
    "No account here is linked with that identity. Sign in with your password once, and link it on your profile."
)


def _provider(code: str) -> Provider:
    return existing(
        read_providers(settings().identity_providers).get(code), NotFound("There is nothing at this address.")
    )


async def _go(provider: Provider, following: str, session: str = "") -> Response[Any]:
    """Send the browser to the provider."""
    document = await provider_protocol.find_document(provider)
    attempt = attempts.begin(provider.code, following, session)
    address = authorisation_address(
        document.authorization_endpoint,
        provider,
        callback=provider.callback(settings().url),
        state=attempt.state,
        nonce=attempt.nonce,
        verifier=attempt.verifier,
    )
    answer: Response[Any] = Redirect(address, status_code=303)
    answer.set_cookie(attempts.cookie_of(attempt))
    answer.headers["cache-control"] = "no-store"
    return answer


@get("/sign-in/with/{provider:str}", opt=expect("anyone", stranger=200))
async def go(provider: FromPath[str], following: Next = "") -> Response[Any] | Template:
    """Go to a provider to sign in."""
    chosen = _provider(provider)
    try:
        return await _go(chosen, own_path(following) or "")
    except Refusal as refusal:
        return again("sign_in/provider_refused.html", refusal)


@get("/sign-in/with/{provider:str}/callback", opt=expect("anyone", stranger=200))
async def finish(request: VisitorRequest, provider: FromPath[str]) -> Response[Any] | Template:
    """Check a provider's answer, and sign its person in, or link the identity with the signed-in person."""
    chosen = _provider(provider)
    try:
        answer = await _enter(request, chosen)
    except Refusal as refusal:
        answer = again("sign_in/provider_refused.html", refusal)
    answer.set_cookie(attempts.forget())
    answer.headers["cache-control"] = "no-store"
    return answer


async def _enter(request: VisitorRequest, provider: Provider) -> Response[Any]:
    code, state, iss = (request.query_params.get(name, "")[:LONGEST_WORD] for name in ("code", "state", "iss"))
    attempt = attempts.read(read_cookie(request.scope, attempts.NAME), provider.code, state)
    if not code or (iss and iss != provider.issuer):
        raise Expired(provider_protocol.NOT_ACCEPTED, name=provider.name)
    subject = await provider_protocol.fetch_subject(
        provider,
        code,
        verifier=attempt.verifier,
        nonce=attempt.nonce,
        callback=provider.callback(settings().url),
    )
    if attempt.session:
        if not request.user or not request.user.person or not attempts.is_of_session(attempt, session_of(request)):
            raise Expired(attempts.OVER)
        if not provider.is_for(request.user.partner, request.user.role):
            raise NotAllowed(provider_actions.OF_OTHERS)
        await provider_actions.link(request.user.person, provider, subject)
        return see("/profile/identities")
    person = await provider_actions.find_person(provider, subject)
    if person is None:
        raise NotAllowed(NOT_LINKED)
    session = await begin_session(
        person,
        instead_of=session_of(request),
        is_proof=False,
        device=device_of(request.headers.get("user-agent", "")),
        network=place_of(address_of(request)),
    )
    answer = see(await way_on(str(session.value), attempt.next or await home_of(person)))
    answer.set_cookie(session)
    if await provider_actions.note_browser(person, read_cookie(request.scope, DEVICE_COOKIE)):
        answer.set_cookie(device_cookie(by_provider(person)))
    return answer


# One's own links ------------------------------------------------------------------------------------------------------


def _me(request: VisitorRequest) -> uuid.UUID:
    if request.user is None or request.user.person is None:
        raise NotFound("There is nothing here.")
    return request.user.person


@get("/profile/identities", guards=[signed_in], opt=expect("signed in"))
async def links_page(request: VisitorRequest) -> Template:
    """Show the providers of the person's organisation, and which of them they are linked with."""
    links, user = await provider_actions.list_links(_me(request)), request.user
    mine = [
        one
        for one in read_providers(settings().identity_providers).values()
        if user and one.is_for(user.partner, user.role)
    ]
    return page("sign_in/provider_links.html", providers=mine, links=links)


@get(
    "/profile/identities/{provider:str}/link",
    guards=[signed_in, recently_proved],
    opt=expect("signed in", stranger=200),
)
async def make_link(request: VisitorRequest, provider: FromPath[str]) -> Response[Any] | Template:
    """Go to a provider to link the identity there with the signed-in person."""
    chosen = _provider(provider)
    if request.user is None or not chosen.is_for(request.user.partner, request.user.role):
        raise NotFound("There is nothing at this address.")
    try:
        return await _go(chosen, "", session_of(request))
    except Refusal as refusal:
        return again("sign_in/provider_refused.html", refusal)


@post(
    "/profile/identities/{provider:str}/unlink",
    guards=[signed_in, recently_proved],
    opt=expect("signed in", stranger=200),
    status_code=303,
)
async def remove_link(
    request: VisitorRequest,
    provider: FromPath[str],
    data: Pressed,  # noqa: ARG001 (a form)
) -> Redirect:
    """Remove the link with a provider."""
    await provider_actions.unlink(_me(request), _provider(provider))
    return see("/profile/identities")


ROUTES = [go, finish, links_page, make_link, remove_link]
