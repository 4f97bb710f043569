"""Pages of wallets: beginning, what a wallet asks for and answers, going on in the browser, and one's own link.

A wallet on the same device is asked for alone. Were the request shown for another device to read, who shows it to
somebody else would be signed in as them; so the answer counts in the browser that began, to which the wallet returns.
"""

from __future__ import annotations

import asyncio
import hmac
from typing import TYPE_CHECKING, Annotated, Any, Final

from litestar import Response, get, post
from litestar.params import Body, FromPath

from marketplace.errors import Expired, NotAllowed, NotFound, Refusal
from marketplace.identity.guards import (
    DEVICE_COOKIE,
    address_of,
    begin_session,
    device_cookie,
    expect,
    read_cookie,
    recently_proved,
    session_of,
    signed_in,
)
from marketplace.identity.guessing import by_provider
from marketplace.identity.pages import FORM, Asked, Next, Token
from marketplace.identity.rules import own_path
from marketplace.identity.sessions import home_of, way_on
from marketplace.identity_providers import guards as attempts
from marketplace.identity_providers.actions import note_browser
from marketplace.settings import settings
from marketplace.wallets import actions, protocol
from marketplace.wallets.relying_party import RelyingParty, find_party
from marketplace.wallets.rules import wallet_address
from marketplace.web.devices import device_of, place_of
from marketplace.web.pages import again, filled, page, secret_page, see, url

if TYPE_CHECKING:
    import uuid

    from litestar.response import Redirect, Template

PROVIDER: Final = "/wallet"
"""What an attempt is called among those at identity providers, whose codes have no such sign."""
LONGEST_WORD: Final = 2000
NOT_LINKED: Final = (
    "No account here is linked with that wallet. Sign in with your password once, and link it on your profile."
)


def _party() -> RelyingParty:
    found = find_party()
    if found is None:
        raise NotFound("There is nothing at this address.")
    return found


def _place(what: str, state: str, began: int) -> str:
    return f"{settings().url}{url(f'/wallet/{what}/{protocol.address_of(state, began)}')}"


def _begin(following: str, session: str = "") -> Template:
    """Show the link that opens the wallet; session: the secret of the session that wants a link."""
    party = _party()
    attempt = attempts.begin(PROVIDER, following, session)
    address = wallet_address(party.client, _place("requests", attempt.state, attempt.began))
    answer = secret_page("wallets/begin.html", address=address, links=bool(session))
    answer.set_cookie(attempts.cookie_of(attempt))
    return answer


@get("/sign-in/wallet", opt=expect("anyone"))
async def go(following: Next = "") -> Template:
    """Begin to sign in by a wallet."""
    return _begin(own_path(following) or "")


# What a wallet asks ---------------------------------------------------------------------------------------------------


@get("/wallet/requests/{attempt:str}", opt=expect("anyone", stranger=200))
async def give_request(attempt: FromPath[str]) -> Response[str]:
    """Give a wallet the signed request of an attempt."""
    party, state = _party(), protocol.read_address(attempt)
    _, began, _ = attempt.rsplit(".", 2)
    made = protocol.make_request(party, state, _place("answers", state, int(began)))
    return Response(made, media_type="application/oauth-authz-req+jwt", headers={"cache-control": "no-store"})


@post("/wallet/answers/{attempt:str}", opt=expect("anyone", stranger=200), status_code=200)
async def receive_answer(
    attempt: FromPath[str], data: Annotated[dict[str, str], Body(media_type=FORM)]
) -> Response[dict[str, str]]:
    """Check a wallet's answer, and say where the browser goes on; a refusal is said to the wallet as JSON."""
    party = _party()
    try:
        state = protocol.read_address(attempt)
        subject = await asyncio.to_thread(protocol.check_answer, party, state, data.get("response", ""))
        await actions.keep_answer(state, subject)
    except Refusal as refusal:
        problem = {"error": "invalid_request", "error_description": filled(refusal)}
        return Response(problem, status_code=refusal.status, headers={"cache-control": "no-store"})
    there = f"{settings().url}{url('/sign-in/wallet/finish')}?state={state}&code={protocol.code_of(state)}"
    return Response({"redirect_uri": there}, headers={"cache-control": "no-store"})


# Going on in the browser ----------------------------------------------------------------------------------------------


@get("/sign-in/wallet/finish", opt=expect("anyone"))
async def finish(request: Asked) -> Response[Any] | Template:
    """Sign in who a wallet showed, or link them with who is signed in, in the browser that began."""
    _party()
    try:
        answer = await _enter(request)
    except Refusal as refusal:
        answer = again("wallets/refused.html", refusal)
    answer.set_cookie(attempts.forget())
    answer.headers["cache-control"] = "no-store"
    return answer


async def _enter(request: Asked) -> Response[Any]:
    state, code = (request.query_params.get(name, "")[:LONGEST_WORD] for name in ("state", "code"))
    attempt = attempts.read(read_cookie(request.scope, attempts.NAME), PROVIDER, state)
    if not hmac.compare_digest(code.encode(), protocol.code_of(state).encode()):
        raise Expired(attempts.OVER)
    person = request.user.person if request.user else None
    if attempt.session and not (person and attempts.is_of_session(attempt, session_of(request))):
        raise Expired(attempts.OVER)
    subject = await actions.use_answer(state)
    if attempt.session and person:
        await actions.link(person, subject)
        return see("/profile/wallet")
    found = await actions.find_person(subject)
    if found is None:
        raise NotAllowed(NOT_LINKED)
    return await _sign_in(request, found, attempt.next)


async def _sign_in(request: Asked, person: uuid.UUID, following: str) -> Response[Any]:
    session = await begin_session(
        person,
        instead_of=session_of(request),
        is_proof=False,
        device=device_of(request.headers.get("user-agent", "")),
        network=place_of(address_of(request)),
    )
    answer = see(await way_on(str(session.value), following or await home_of(person)))
    answer.set_cookie(session)
    if await note_browser(person, read_cookie(request.scope, DEVICE_COOKIE)):
        answer.set_cookie(device_cookie(by_provider(person)))
    return answer


# One's own link -------------------------------------------------------------------------------------------------------


def _me(request: Asked) -> uuid.UUID:
    _party()
    if request.user is None or request.user.person is None:
        raise NotFound("There is nothing here.")
    return request.user.person


@get("/profile/wallet", guards=[signed_in], opt=expect("signed in"))
async def link_page(request: Asked) -> Template:
    """Show whether the person is linked with a wallet."""
    return page("wallets/link.html", since=await actions.linked_since(_me(request)))


@get("/profile/wallet/link", guards=[signed_in, recently_proved], opt=expect("signed in"))
async def make_link(request: Asked) -> Template:
    """Begin to link one's wallet with who is signed in."""
    _me(request)
    return _begin("", session_of(request))


@post("/profile/wallet/unlink", guards=[signed_in, recently_proved], opt=expect("signed in"), status_code=303)
async def remove_link(
    request: Asked,
    data: Annotated[Token, Body(media_type=FORM)],  # noqa: ARG001 (a form)
) -> Redirect:
    """Remove the link with one's wallet."""
    await actions.unlink(_me(request))
    return see("/profile/wallet")


ROUTES = [go, give_request, receive_answer, finish, link_page, make_link, remove_link]
