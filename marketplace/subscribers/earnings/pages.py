"""The subscriber's pages of shares and consent: how a share came about, what they consent to, their receipts."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.consent.purposes import actions as consent
from marketplace.consent.purposes.queries import (
    get_kind,
    get_receipt,
    get_signed_receipt,
    get_token,
    list_choices,
    list_receipts,
    receipt_link,
)
from marketplace.consent.purposes.rules import KINDS
from marketplace.core import clock
from marketplace.core.errors import Invalid, NotFound
from marketplace.core.settings import settings
from marketplace.core.signing import public_key
from marketplace.core.web.buttons import Pressed  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.pages import PageNumber, download, page, see, url
from marketplace.datasets.releases.queries import list_unpublished
from marketplace.people.identity.guards import ActorRequest, expect, subscriber
from marketplace.subscribers.earnings.promises import held_since
from marketplace.subscribers.earnings.queries import get_share, list_first_without


class ConsentForm(Struct):
    """One click on a purpose's switch, on the page of consent or on the first visit's."""

    purpose: str
    word: str
    form_id: uuid.UUID
    first_visit: bool = False


def line_of(request: ActorRequest) -> int:
    """Return the reference of the signed-in subscriber's line."""
    reference = request.user.subscriber
    assert reference is not None, "the guard lets subscribers in only"
    return reference


def asks_not_to(request: Request[Any, Any, Any]) -> bool:
    """Return whether the browser forbids the sale of data (Global Privacy Control): then no page asks for consent."""
    return request.headers.get("sec-gpc") == "1"


@get("/earnings/shares/{licence:uuid}", guards=[subscriber], opt=expect("subscriber", stranger=404))
async def share(request: ActorRequest, licence: FromPath[uuid.UUID]) -> Template:
    """Show one share from the sale down to this subscriber's millionths."""
    return page("earnings/share.html", share=await get_share(licence, line_of(request)))


@get("/consent", guards=[subscriber], opt=expect("subscriber"))
async def consents(request: ActorRequest, page_number: PageNumber = 1) -> Template:
    """Show each purpose with its notice, its switch and its effect, and the receipts."""
    line = line_of(request)
    return page(
        "earnings/consent.html",
        purposes=await list_choices(line),
        first_without=await list_first_without(line, clock.now()),
        unpublished=await list_unpublished(line, await held_since(line)),
        receipts=await list_receipts(line, page_number),
        kind=KINDS.get(await get_kind(line) or ""),
        asks_not_to=asks_not_to(request),
    )


@post("/consent", guards=[subscriber], opt=expect("subscriber"), status_code=303)
async def change_consent(
    request: ActorRequest, data: Annotated[ConsentForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Give or withdraw, once a form: the form's id is the receipt's."""
    verbs = {"give": consent.give, "withdraw": consent.withdraw}
    if data.word not in verbs:
        raise Invalid("Consent is given or withdrawn, nothing else.")
    await verbs[data.word](line_of(request), data.purpose, receipt=data.form_id)
    return see("/welcome" if data.first_visit else "/consent")


@post("/consent/withdraw-everything", guards=[subscriber], opt=expect("subscriber"), status_code=303)
async def withdraw_everything(request: ActorRequest, data: Pressed) -> Redirect:
    """Withdraw from every purpose, once a form."""
    await consent.withdraw_everything(line_of(request), data.form_id)
    return see("/consent")


@get("/welcome", guards=[subscriber], opt=expect("subscriber"))
async def welcome(request: ActorRequest) -> Template:
    """Show a first visit's three steps: what was agreed to, where money goes, what to expect."""
    return page(
        "earnings/welcome.html",
        purposes=[choice for choice in await list_choices(line_of(request)) if choice.at],
        hold_days=settings().hold_days,
        threshold_minor=settings().payout_threshold_minor,
    )


@get("/consent/receipts/{receipt:str}", guards=[subscriber], opt=expect("subscriber", stranger=404))
async def receipt(request: ActorRequest, receipt: FromPath[str]) -> Template | Response[bytes]:
    """Show a consent receipt, or hand it out: `.json` signed as it is, `.jwt` in the standard's fields, `.sd-jwt` for a wallet."""
    name, _, kind = receipt.partition(".")
    try:
        number = uuid.UUID(name)
    except ValueError:
        raise NotFound("There is no such consent receipt.") from None
    if kind in {"jwt", "sd-jwt"}:
        token = await get_token(number, line_of(request), as_credential=kind == "sd-jwt")
        return download(f"consent-{number}.{kind}", token.encode(), f"application/{'dc+' * (kind == 'sd-jwt')}{kind}")
    if kind == "json":
        document, signature = await get_signed_receipt(number, line_of(request))
        signed = {
            "document": json.loads(document),
            "canonical": base64.b64encode(document).decode(),
            "signature": base64.b64encode(signature).decode(),
            "public_key": base64.b64encode(public_key(settings().signing_key)).decode(),
            "algorithm": "Ed25519 over `canonical` (RFC 8785)",
        }
        return Response(
            json.dumps(signed, ensure_ascii=False, indent=2).encode(),
            media_type="application/json",
            headers={"Content-Disposition": f'attachment; filename="consent-{number}.json"'},
        )
    if kind:
        raise NotFound("There is no such consent receipt.")
    link = settings().url.rstrip("/") + url(receipt_link(number))
    return page("earnings/receipt.html", receipt=await get_receipt(number, line_of(request)), link=link)


ROUTES = [share, consents, change_consent, withdraw_everything, welcome, receipt]
