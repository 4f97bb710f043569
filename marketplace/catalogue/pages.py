"""The catalogue's own pages: a free sample, a quote."""

from __future__ import annotations

import csv
import io
import json
import uuid
from typing import TYPE_CHECKING, Annotated, Any

from litestar import Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Meta, Struct

from marketplace.catalogue import actions, queries
from marketplace.catalogue.holds import HeldAlready
from marketplace.catalogue.lengths import sold_under
from marketplace.catalogue.uses import state_use
from marketplace.datasets.queries import list_revocations
from marketplace.errors import Conflict, Invalid, NotAllowed
from marketplace.identity.actors import Actor
from marketplace.identity.guards import expect, partner, vetted_partner
from marketplace.pictures import picture
from marketplace.settings import settings
from marketplace.signing import public_key
from marketplace.web.pages import again, see

if TYPE_CHECKING:
    from marketplace.catalogue.queries import SignedQuote

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets take for the start of a formula."""
COLUMNS = ("zone", "starts_at", "segment", "people", "events")

Asked = Request[Actor, Any, Any]
Chosen = Annotated[uuid.UUID | None, QueryParameter(name="release")]


class QuoteForm(Struct):
    """Which release, and the form's id, which becomes the quote's."""

    form_id: uuid.UUID
    release: uuid.UUID
    level: Annotated[int, Meta(ge=0, le=100)] = 0
    for_thirty_days: str = ""
    """`yes`, or nothing."""
    terms: str = ""
    """Of another length, where there is a choice."""
    purpose: str = ""
    """What the figures are for, where the licence asks."""


@get("/datasets/{code:str}/sample.csv", opt=expect("anyone", stranger=200))
async def sample(code: FromPath[str], release: Chosen = None) -> Response[str]:
    """Give the dataset's free sample: first rows of a few zones, the same for everyone, whichever release they look at."""
    listing = await queries.get_listing(code)
    shown = await queries.get_listed_release(code, release or listing.latest)
    if await list_revocations([shown.id]):
        raise Conflict("This release was called back and is no longer for sale.")
    seen = await picture(shown)
    if not seen.is_drawn:
        raise Conflict(
            "The free map, curve and sample of this dataset are still to be drawn: look again in a few minutes."
        )
    rows = seen.glance.sample
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    for row in rows:
        as_text = {"segment": _harmless(row["segment"]), "starts_at": row["starts_at"].strftime("%Y-%m-%dT%H:%M:%SZ")}
        writer.writerow(row | as_text)
    headers = {"Content-Disposition": f'attachment; filename="{code}-sample.csv"'}
    return Response(text.getvalue(), media_type="text/csv", headers=headers)


@post("/datasets/{code:str}/quotes", guards=[vetted_partner], opt=expect("vetted partner", stranger=200))
async def request_quote(
    code: FromPath[str], data: Annotated[QuoteForm, Body(media_type=RequestEncodingType.URL_ENCODED)], request: Asked
) -> Redirect | Template:
    """Sign a price for a release; the form's id is the quote's, so that a double click is one quote.

    Who asked too often, or for what the licence does not allow, is shown the form again, with the reason.
    """
    assert request.user.partner
    release = await queries.get_listed_release(code, data.release)
    listing = await queries.get_listing(code)
    try:
        if data.purpose:
            await state_use(request.user.partner, await sold_under(code, data.terms), purpose=data.purpose)
        quote = await actions.quote(
            request.user.partner,
            release.id,
            quote_id=data.form_id,
            level=data.level,
            is_held=data.for_thirty_days == "yes",
            terms=data.terms,
        )
    except (actions.TooManyQuotes, HeldAlready, Invalid, NotAllowed) as refusal:
        kept = {"level": data.level, "terms": data.terms}
        return again("catalogue/ask.html", refusal, listing=listing, release=release, **kept)
    return see(f"/quotes/{quote}")


@get("/quotes/{quote:uuid}/document.json", guards=[partner], opt=expect("partner", stranger=404))
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
        "public_key": public_key(settings().signing_key).hex(),
        "algorithm": "Ed25519 over the UTF-8 bytes of document",
    }


def _harmless(text: str) -> str:
    """Return `text` as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULAS) else text


ROUTES = [sample, request_quote, quote_document]
