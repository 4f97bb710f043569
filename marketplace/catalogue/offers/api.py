"""The catalogue for machines: a signed quote, and the key it is checked with."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.params import FromPath, HeaderParameter, JSONBody
from msgspec import Meta, Struct

from marketplace.catalogue.offers import actions, queries
from marketplace.catalogue.offers.pages import signed
from marketplace.catalogue.offers.rules import MOST_COMPANIES
from marketplace.catalogue.offers.uses import state_use
from marketplace.core import clock
from marketplace.core.settings import settings
from marketplace.core.signing import public_key
from marketplace.datasets.releases.queries import get_release
from marketplace.people.identity.guards import expect, vetted_partner


class QuoteRequest(Struct, forbid_unknown_fields=True):
    """The release to price, the accuracy (0 is the release itself), and whether the price is held for thirty days.

    months: the length of the licence, 1 to 120; 0: the offer's own. purpose: a purpose by its name in the Data Privacy
    Vocabulary, if the licence is only for some. companies: all that may use the figures, if the licence allows passing
    them on; none: the partner alone.
    """

    release: uuid.UUID
    level: Annotated[int, Meta(ge=0, le=100)] = 0
    for_thirty_days: bool = False
    months: Annotated[int, Meta(ge=0, le=120)] = 0
    purpose: Annotated[str, Meta(max_length=60)] = ""
    companies: Annotated[list[str], Meta(max_length=MOST_COMPANIES)] = []


class SignedPrice(Struct):
    """A price for one partner until it expires: `document` is the signed text, with all inputs of the price."""

    id: uuid.UUID
    release: uuid.UUID
    level: int
    terms: str
    """The version of the licence terms, which an order accepts by name."""
    months: int
    """How long the licence lasts."""
    amount_minor: int
    """In cents, before VAT."""
    currency: str
    expires_at: dt.datetime
    is_expired: bool
    is_ordered: bool
    auction: uuid.UUID | None
    """The auction that set the price, or null."""
    transcript: str | None
    """The address of that auction's transcript, or null."""
    document: str
    signature: str
    """Of the document's UTF-8 bytes, hex."""
    public_key: str
    algorithm: str


class SigningKey(Struct):
    """The key that verifies quotes, receipts and heads of the public log."""

    algorithm: str
    public_key: str
    """Hex."""
    now: dt.datetime


@post("/api/v1/quotes", guards=[vetted_partner], opt=expect("vetted partner", scope="quotes"))
async def request_quote(
    request: Request[Any, Any, Any],
    data: JSONBody[QuoteRequest],
    key: Annotated[uuid.UUID, HeaderParameter(name="Idempotency-Key")],
) -> SignedPrice:
    """Sign a price; the Idempotency-Key, a UUID, is the quote's id, so that asking again answers the same."""
    partner = request.scope["user"].partner
    released = await get_release(data.release)
    if data.purpose:
        await state_use(partner, (await queries.get_listing(released.dataset)).terms, purpose=data.purpose)
    quote = await actions.quote(
        partner,
        data.release,
        quote_id=key,
        level=data.level,
        is_held=data.for_thirty_days,
        months=data.months,
        companies=data.companies,
    )
    return await _quote(quote, partner)


@get("/api/v1/quotes/{quote:uuid}", guards=[vetted_partner], opt=expect("vetted partner", stranger=404, scope="quotes"))
async def get_quote(quote: FromPath[uuid.UUID], request: Request[Any, Any, Any]) -> SignedPrice:
    """Return one of the partner's own quotes, with its signed document."""
    return await _quote(quote, request.scope["user"].partner)


@get("/api/v1/keys", opt=expect("anyone"))
async def keys() -> SigningKey:
    """Return the public key that quotes are checked with."""
    return SigningKey("Ed25519", public_key(settings().signing_key).hex(), clock.now())


async def _quote(quote: uuid.UUID, partner: uuid.UUID) -> SignedPrice:
    row = await queries.get_quote(quote, partner)
    known: dict[str, Any] = {**signed(row)}
    known["transcript"] = f"/api/v1/auctions/{row.auction}/transcript" if row.auction else None
    named = {name: known[name] if name in known else getattr(row, name) for name in SignedPrice.__struct_fields__}
    return SignedPrice(**named)


ROUTES = [request_quote, get_quote, keys]
