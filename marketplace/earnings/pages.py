"""The subscriber's pages: what they have earned, how each share came about, and what they consent to."""

from __future__ import annotations

import base64
import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Annotated, Any

from litestar import Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace import clock
from marketplace.consent import actions as consent
from marketplace.consent.queries import get_receipt, receipt_document, receipts, standing
from marketplace.consent.rules import public_key
from marketplace.earnings import payout_pages, payout_queries, statement_pages
from marketplace.earnings.promises import list_promises
from marketplace.earnings.queries import (
    contributions,
    get_balance,
    get_share,
    list_first_without,
    list_months,
    list_shares,
    list_years,
)
from marketplace.earnings.rules import MICRO_PER_MINOR
from marketplace.errors import Invalid, NotFound
from marketplace.identity.actors import Actor
from marketplace.identity.guards import subscriber
from marketplace.settings import settings
from marketplace.web import formats
from marketplace.web.pages import page, see

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

Page = Annotated[int, QueryParameter(name="page", ge=1, le=1_000_000)]
Asked = Request[Actor, Any, Any]
CHARTED_IN_CENTS_MICRO = 1_000
"""A month of at least this many µ€ has the chart count in cents, a lesser one in millionths."""


class ConsentForm(Struct):
    """One click on a purpose's switch."""

    purpose: str
    word: str
    form_id: uuid.UUID


def _line(request: Asked) -> int:
    """Return the reference of the line behind the subscriber who asks."""
    reference = request.user.subscriber
    assert reference is not None, "the guard lets subscribers in only"
    return reference


@get("/earnings", guards=[subscriber])
async def earnings(request: Asked, page_number: Page = 1) -> Template:
    """Show a subscriber their balance, month by month, and every share."""
    line = _line(request)
    mine = await contributions(line)
    months = await list_months(line)
    balance = await get_balance(line, list(mine))
    return page(
        "earnings/earnings.html",
        balance=balance,
        outlook=await payout_queries.get_outlook(line, balance.payable_micro, clock.now()),
        months=months,
        chart=_chart(months),
        years=await list_years(line),
        shares=await list_shares(line, page_number, mine),
        promises=await list_promises(line),
    )


def _chart(months: Sequence[asyncpg.Record]) -> dict[str, Any]:
    """Return a bar for each of the last twelve months, in the unit that reads best, and that unit's name."""
    this = formats.paris_day(clock.now())
    last = [
        dt.date(this.year - (this.month <= back), (this.month - back - 1) % 12 + 1, 1) for back in range(11, -1, -1)
    ]
    earned = {month["month"]: month["earned_micro"] for month in months}
    in_cents = max(earned.values(), default=0) >= CHARTED_IN_CENTS_MICRO
    unit = MICRO_PER_MINOR if in_cents else 1
    bars = [(formats.month(month), earned.get(month, 0) / unit) for month in last]
    return {"bars": bars, "unit": "cents" if in_cents else "millionths of a euro"}


@get("/earnings/shares/{licence:uuid}", guards=[subscriber])
async def share(request: Asked, licence: FromPath[uuid.UUID]) -> Template:
    """Show one share from the sale down to this subscriber's millionths."""
    return page("earnings/share.html", share=await get_share(licence, _line(request)))


@get("/consent", guards=[subscriber])
async def consents(request: Asked, page_number: Page = 1) -> Template:
    """Show each purpose with its notice, its switch and its effect, and the receipts."""
    line = _line(request)
    return page(
        "earnings/consent.html",
        purposes=await standing(line),
        first_without=await list_first_without(line, clock.now()),
        receipts=await receipts(line, page_number),
    )


@post("/consent", guards=[subscriber], status_code=303)
async def change_consent(
    request: Asked, data: Annotated[ConsentForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Give or withdraw, once a form: the form's id is the receipt's."""
    verbs = {"give": consent.give, "withdraw": consent.withdraw}
    if data.word not in verbs:
        raise Invalid("Consent is given or withdrawn, nothing else.")
    await verbs[data.word](_line(request), data.purpose, receipt=data.form_id)
    return see("/consent")


@get("/consent/receipts/{receipt:str}", guards=[subscriber])
async def receipt(request: Asked, receipt: FromPath[str]) -> Template | Response[bytes]:
    """Show a consent receipt, or with `.json` hand out its signed document."""
    try:
        number = uuid.UUID(receipt.removesuffix(".json"))
    except ValueError:
        raise NotFound("There is no such consent receipt.") from None
    if receipt.endswith(".json"):
        document, signature = await receipt_document(number, _line(request))
        signed = {
            "document": json.loads(document),
            "canonical": base64.b64encode(document).decode(),
            "signature": base64.b64encode(signature).decode(),
            "public_key": base64.b64encode(public_key(settings().signing_key)).decode(),
            "algorithm": "Ed25519 over `canonical` (RFC 8785)",
        }
        return Response(
            json.dumps(signed, ensure_ascii=False, indent=2).encode(), media_type="application/json",
            headers={"Content-Disposition": f'attachment; filename="consent-{number}.json"'},
        )  # fmt: skip
    return page("earnings/receipt.html", receipt=await get_receipt(number, _line(request)))


ROUTES = [
    earnings, share, consents, change_consent, receipt, *payout_pages.ROUTES, *statement_pages.ROUTES,
]  # fmt: skip
