"""The catalogue's pages: what is for sale, one dataset, one quote."""

from __future__ import annotations

import csv
import io
import json
import math
import uuid
from typing import TYPE_CHECKING, Annotated, Any

from litestar import Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Meta, Struct

from marketplace import clock
from marketplace.catalogue import actions, queries, rules
from marketplace.catalogue.vat import Vat, vat
from marketplace.datasets.queries import list_coverage, list_notices, list_revocations
from marketplace.datasets.zone_queries import get_geography
from marketplace.errors import Conflict, Refusal
from marketplace.identity.actors import Actor
from marketplace.identity.guards import partner, vetted_partner
from marketplace.settings import settings
from marketplace.web.formats import paris_day
from marketplace.web.pages import again, page, see
from pricing.quote import price_at_age

if TYPE_CHECKING:
    from marketplace.catalogue.queries import SignedQuote
    from marketplace.catalogue.rules import PricedRelease
    from pricing.quote import PricedQuote

DAY_SECONDS = 86_400
MINUTE_SECONDS = 60
FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets take for the start of a formula."""
AGES_SHOWN = (7, 30)
COLUMNS = ("zone", "starts_at", "segment", "people", "events")

Asked = Request[Actor, Any, Any]
Page = Annotated[int, QueryParameter(name="page", ge=1, le=1_000_000)]
Search = Annotated[str, QueryParameter(name="search", max_length=200)]
Chosen = Annotated[uuid.UUID | None, QueryParameter(name="release")]


class QuoteForm(Struct):
    """Which release, and the form's id, which becomes the quote's."""

    form_id: uuid.UUID
    release: uuid.UUID
    level: Annotated[int, Meta(ge=0, le=100)] = 0


class PreviewForm(Struct):
    """A partner's zones, as it writes them, and the release it looks at."""

    form_id: uuid.UUID
    release: uuid.UUID
    zones: str


@get(["/", "/catalogue"])
async def catalogue(request: Asked, search: Search = "", number: Page = 1) -> Template:
    """Show what is for sale."""
    listings = await queries.list_listings(search, number)
    latest = await queries.list_priced_releases([listing.release for listing in listings.rows])
    prices = await actions.prices_now(latest, now=clock.now())
    typed = "".join(sign for sign in search if sign.isprintable())
    return page(
        "catalogue/catalogue.html",
        listings=listings,
        search=typed,
        prices=prices,
        glances=await queries.glances(latest),
        is_stranger=request.user is None and not typed and number == 1,
        rates=_rates(0),
    )


@get("/datasets/{code:str}")
async def dataset(request: Asked, code: FromPath[str], release: Chosen = None, number: Page = 1) -> Template:
    """Show a dataset: one release of it at a glance, its price and what it can and cannot say."""
    listing = await queries.get_listing(code)
    shown = await queries.get_listed_release(code, release or listing.latest)
    priced = await _price(shown)
    geography, glance = await get_geography(listing.zone_table), await queries.glance(shown)
    return page(
        "catalogue/dataset.html",
        listing=listing,
        release=shown,
        glance=glance,
        priced=priced,
        geography=geography,
        later=_later(priced),
        releases=await queries.list_listed_releases(code, number),
        notices=await list_notices(shown.id),
        rates=_rates(priced.amount_minor if priced else 0),
        vat=await _vat(request, priced.amount_minor) if priced else None,
        editions=await actions.editions_now(shown, now=clock.now()) if priced else [],
        revocation=(await list_revocations([shown.id])).get(shown.id),
        coverage=await list_coverage(shown.id),
    )


@get("/datasets/{code:str}/preview", guards=[vetted_partner])
async def preview_form(code: FromPath[str], release: Chosen = None) -> Template:
    """Ask a partner for its zones."""
    listing = await queries.get_listing(code)
    shown = await queries.get_listed_release(code, release or listing.latest)
    return page("catalogue/preview.html", listing=listing, release=shown, zones="", answer=None, error="")


@post("/datasets/{code:str}/preview", guards=[vetted_partner])
async def preview(
    code: FromPath[str], data: Annotated[PreviewForm, Body(media_type=RequestEncodingType.URL_ENCODED)], request: Asked
) -> Template:
    """Show how much of the release survives in the partner's zones, rounded, before it pays."""
    assert request.user.partner
    listing = await queries.get_listing(code)
    release = await queries.get_listed_release(code, data.release)
    shown: dict[str, Any] = {"listing": listing, "release": release, "zones": data.zones}
    try:
        answer = await actions.preview_zones(request.user.partner, release.id, data.zones, preview_id=data.form_id)
    except Refusal as refusal:
        return again("catalogue/preview.html", refusal, answer=None, **shown)
    return page("catalogue/preview.html", answer=answer, error="", **shown)


@get("/datasets/{code:str}/sample.csv")
async def sample(code: FromPath[str], release: Chosen = None) -> Response[str]:
    """Give the free sample: the first ten rows, the same for everyone."""
    listing = await queries.get_listing(code)
    shown = await queries.get_listed_release(code, release or listing.latest)
    if await list_revocations([shown.id]):
        raise Conflict("This release was called back and is no longer for sale.")
    rows = (await queries.glance(shown)).sample
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    for row in rows:
        as_text = {"segment": _harmless(row["segment"]), "starts_at": row["starts_at"].strftime("%Y-%m-%dT%H:%M:%SZ")}
        writer.writerow(row | as_text)
    headers = {"Content-Disposition": f'attachment; filename="{code}-sample.csv"'}
    return Response(text.getvalue(), media_type="text/csv", headers=headers)


@post("/datasets/{code:str}/quotes", guards=[vetted_partner])
async def request_quote(
    code: FromPath[str], data: Annotated[QuoteForm, Body(media_type=RequestEncodingType.URL_ENCODED)], request: Asked
) -> Redirect:
    """Sign a price for a release; the form's id is the quote's, so that a double click is one quote."""
    assert request.user.partner
    release = await queries.get_listed_release(code, data.release)
    quote = await actions.quote(request.user.partner, release.id, quote_id=data.form_id, level=data.level)
    return see(f"/quotes/{quote}")


@get("/quotes/{quote:uuid}", guards=[partner])
async def show_quote(quote: FromPath[uuid.UUID], request: Asked) -> Template:
    """Show a quote: its price, how it came about, until when it holds."""
    assert request.user.partner
    row = await queries.get_quote(quote, request.user.partner)
    priced = None
    if row.auction:
        actions.check_awarded(row)
    else:
        priced = actions.recompute(row)
    left = math.ceil((row.expires_at - clock.now()).total_seconds() / MINUTE_SECONDS)
    return page(
        "catalogue/quote.html",
        quote=row,
        priced=priced,
        minutes_left=left,
        vat=await _vat(request, row.amount_minor),
    )


@get("/quotes/{quote:uuid}/document.json", guards=[partner])
async def quote_document(quote: FromPath[uuid.UUID], request: Asked) -> Response[bytes]:
    """Give the signed document, with all that is needed to check it offline."""
    assert request.user.partner
    row = await queries.get_quote(quote, request.user.partner)
    headers = {"Content-Disposition": f'attachment; filename="quote-{quote}.json"'}
    return Response(json.dumps(signed(row), indent=1).encode(), media_type="application/json", headers=headers)


def signed(quote: SignedQuote) -> dict[str, str]:
    """Return a quote's document with its signature and the key it is checked with."""
    return {
        "document": quote.document.decode(),
        "signature": quote.signature.hex(),
        "public_key": rules.public_key(settings().signing_key),
        "algorithm": "Ed25519 over the UTF-8 bytes of document",
    }


async def _price(release: PricedRelease) -> PricedQuote | None:
    """Return today's price, or None where the release is not for sale."""
    if await list_revocations([release.id]):
        return None
    try:
        return await actions.price_now(release, now=clock.now())
    except Conflict:
        return None


async def _vat(request: Asked, net_minor: int) -> Vat | None:
    """Return the VAT that a partner would pay on top, or None for anyone else."""
    if request.user is None or request.user.partner is None:
        return None
    where = await queries.get_vat_country(request.user.partner)
    is_confirmed = where.vat_confirmed_at is not None
    return vat(where.country, confirmed=is_confirmed, net_minor=net_minor, on=paris_day(clock.now()))


def _harmless(text: str) -> str:
    """Return `text` as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULAS) else text


def _later(priced: PricedQuote | None) -> list[tuple[int, int]]:
    """Return the same price in some days, all else equal: (days, amount)."""
    if priced is None:
        return []
    age = priced.inputs.age_seconds
    return [(days, price_at_age(priced.inputs, age + days * DAY_SECONDS).amount_minor) for days in AGES_SHOWN]


def _rates(amount_minor: int) -> list[tuple[str, int, int]]:
    """Return where the money goes, before the payment fee: (who, basis points, about how much)."""
    chosen = settings()
    parts = (
        ("subscribers", chosen.subscribers_basis_points),
        ("operator", chosen.operator_basis_points),
        ("platform", chosen.platform_basis_points),
    )
    return [(who, rate, amount_minor * rate // 10_000) for who, rate in parts]


ROUTES = [catalogue, dataset, preview_form, preview, sample, request_quote, show_quote, quote_document]
