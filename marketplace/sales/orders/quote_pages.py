"""A quote and its order: the price, the billing address, and the reason if the partner has the release already."""

from __future__ import annotations

import asyncio
import hmac
import json
import math
import uuid
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template
from msgspec import Struct

from marketplace.catalogue.offers import queries as catalogue_queries
from marketplace.catalogue.offers import rules as catalogue_rules
from marketplace.catalogue.offers.signed_quotes import check_awarded, recompute
from marketplace.core import clock
from marketplace.core.errors import Conflict, Expired, Invalid, NotFound
from marketplace.core.settings import settings
from marketplace.core.web.pages import again, download, page, see, url
from marketplace.money.credit.queries import get_available
from marketplace.people.identity.guards import ActorRequest, expect, partner, vetted_partner
from marketplace.people.identity.queries import get_person
from marketplace.people.messages.links import link_token
from marketplace.people.spending.queries import find_own
from marketplace.people.spending.rules import BeyondLimit, NeedsApproval, spender_of
from marketplace.sales.orders import actions, invoices, queries
from marketplace.sales.orders.checkout_words import checkout_words
from marketplace.sales.orders.quote_pdf import QuoteToDraw, draw
from pricing.agreed import stated_holding, steps_of

if TYPE_CHECKING:
    from marketplace.catalogue.offers.queries import QuotePage
    from marketplace.people.identity.actors import Actor

MINUTE_SECONDS: Final = 60
WRITTEN: Final = ("street", "postcode", "city", "reference", "reason", "pay_by")
LONGEST: Final = 2_000
SHARED: Final = "shared_quote"
"""The use of links to quotes."""


class OrderForm(Struct):
    """The order's id, so that a double click is one order, and the fields of the form.

    It needs an address if none is known, and a reason if the partner has the release.
    """

    form_id: uuid.UUID
    street: str = ""
    postcode: str = ""
    city: str = ""
    reference: str = ""
    reason: str = ""
    pay_by: Literal["page", "invoice"] = "page"


@get("/quotes/{quote:uuid}", guards=[partner], opt=expect("partner", stranger=404))
async def show_quote(quote: FromPath[uuid.UUID], request: ActorRequest) -> Template:
    """Show a quote: its price and how it was computed, until when it is valid, and what an order still needs."""
    assert request.user.partner
    return page("orders/quote.html", form={}, error="", **await _quote(quote, request.user))


async def _quote(quote: uuid.UUID, reader: Actor) -> dict[str, Any]:
    of = reader.partner
    assert of
    row = await catalogue_queries.get_quote(quote, of)
    priced, evidence, stated = None, None, json.loads(row.document)
    if row.auction:
        check_awarded(row)
    else:
        priced, evidence = recompute(row), catalogue_rules.evidence_of(row.document)
    return {
        "quote": row,
        "order": await queries.find_order(quote) if row.is_ordered else None,
        "priced": priced,
        "evidence": evidence,
        "companies": catalogue_rules.named_companies(row.document),
        "holding_minor": 0 if row.auction else stated_holding(row.document),
        "agreed": steps_of(priced, stated) if priced else [],
        "place": stated.get("lot", 0),
        "shared": f"/shared/quotes/{row.id}/{link_token(SHARED, row.id)}.pdf",
        "minutes_left": math.ceil((row.expires_at - clock.now()).total_seconds() / MINUTE_SECONDS),
        "vat": await catalogue_queries.find_vat(of, row.amount_minor),
        "billing": await invoices.find_billing(of),
        "buyer": (await queries.get_quote_terms(quote)).company,
        "held": await queries.find_held(of, row.release, row.level, clock.now()),
        "paying": await queries.find_paying(of, row.release, row.level),
        "credit": await get_available(of),
        "limit": await find_own(reader.person, clock.now()),
    }


@post("/quotes/{quote:uuid}/orders", guards=[vetted_partner], opt=expect("vetted partner", stranger=404))
async def order_quote(
    request: ActorRequest,
    quote: FromPath[uuid.UUID],
    data: Annotated[OrderForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect | Template:
    """Order a quote and go where it is paid.

    The billing address is requested first, and the reason if the partner has the release: a missing value is marked at
    its field, and the typed values stay.
    """
    assert request.user.partner
    assert request.user.person
    of = request.user.partner
    row = await catalogue_queries.get_quote(quote, of)
    email = (await get_person(request.user.person)).email
    try:
        if not row.is_ordered and await invoices.find_billing(of) is None:
            await invoices.change_billing(of, street=data.street, postcode=data.postcode, city=data.city)
        order = await actions.order(
            of,
            quote,
            by=spender_of(request.user),
            order_id=data.form_id,
            email=email,
            words=checkout_words(),
            reference=data.reference,
            reason=data.reason,
            pay_by=data.pay_by,
        )
    except NeedsApproval:
        return see(f"/quotes/{quote}/approval")
    except (Invalid, Conflict, BeyondLimit) as refusal:
        written = {name: getattr(data, name)[:LONGEST] for name in WRITTEN}
        return again("orders/quote.html", refusal, form=written, **await _quote(quote, request.user))
    return await to_payment(of, order)


async def to_payment(of: uuid.UUID, order: uuid.UUID) -> Redirect:
    """Lead to Stripe's page; to the order itself while Stripe is silent, or if nothing is owed any more."""
    row = await queries.get_order(of, order)
    address = await actions.payment_page(of, order) if row.state in ("awaiting_payment", "lapsed") else None
    return Redirect(address, status_code=303) if address else see(f"/orders/{order}")


@get("/quotes/{quote:uuid}/quote.pdf", guards=[partner], opt=expect("partner", stranger=404))
async def quote_file(quote: FromPath[uuid.UUID], request: ActorRequest) -> Response[bytes]:
    """Give the quote as a PDF, in the page's language."""
    assert request.user.partner
    return await _file(await catalogue_queries.get_quote(quote, request.user.partner))


@get("/shared/quotes/{quote:uuid}/{token:str}", opt=expect("anyone", stranger=404))
async def shared_file(quote: FromPath[uuid.UUID], token: FromPath[str]) -> Response[bytes]:
    """Show a quote to a person with its link: a colleague who signs needs no account. The link ends with the quote."""
    given, known = token.removesuffix(".pdf").encode(), await catalogue_queries.find_quote_subject(quote)
    if known is None or not hmac.compare_digest(given, link_token(SHARED, quote).encode()):
        raise NotFound("There is no such quote.")
    row = await catalogue_queries.get_quote(quote, known.partner)
    if row.is_expired:
        raise Expired("This quote has expired; ask for a new one on the dataset's page.")
    return await _file(row)


async def _file(row: QuotePage) -> Response[bytes]:
    """Draw a quote: its release, its price with VAT, until when it is valid, and what its licence allows."""
    vat = await catalogue_queries.find_vat(row.partner, row.amount_minor)
    assert vat
    chosen = settings()
    holding = 0 if row.auction else stated_holding(row.document)
    listing = await queries.get_quote_terms(row.id)
    billing = await invoices.find_billing(row.partner)
    link = f"{chosen.url}{url(f'/shared/quotes/{row.id}/{link_token(SHARED, row.id)}.pdf')}"
    drawn = await asyncio.to_thread(draw, QuoteToDraw(row, listing, billing, vat, holding, chosen, link))
    return download(f"quote-{str(row.id)[:8]}.pdf", drawn)


ROUTES = [show_quote, order_quote, quote_file, shared_file]
