"""The catalogue's own pages: a free sample, a quote."""

from __future__ import annotations

import csv
import io
import json
import uuid
from typing import TYPE_CHECKING, Annotated

from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Meta, Struct

from marketplace.catalogue.offers import actions, queries
from marketplace.catalogue.offers.holds import HeldAlready
from marketplace.catalogue.offers.lengths import sold_under
from marketplace.catalogue.offers.uses import state_use
from marketplace.core.errors import Conflict, Invalid, NotAllowed
from marketplace.core.settings import settings
from marketplace.core.signing import public_key
from marketplace.core.web.pages import again, see
from marketplace.datasets.pictures.pictures import picture
from marketplace.datasets.releases.queries import list_revocations
from marketplace.people.identity.guards import ActorRequest, expect, partner, vetted_partner

if TYPE_CHECKING:
    from marketplace.catalogue.offers.queries import SignedQuote

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""The first characters of a formula in spreadsheets."""
COLUMNS = ("zone", "starts_at", "segment", "people", "events")

Chosen = Annotated[uuid.UUID | None, QueryParameter(name="release")]


class QuoteForm(Struct):
    """The release to price, and the form's id, which becomes the quote's."""

    form_id: uuid.UUID
    release: uuid.UUID
    level: Annotated[int, Meta(ge=0, le=100)] = 0
    for_thirty_days: str = ""
    """`yes`, or nothing."""
    terms: str = ""
    """Terms of another length, if there is a choice."""
    purpose: str = ""
    """The purpose of the figures, if the licence needs one."""


@get("/datasets/{code:str}/sample.csv", opt=expect("anyone", stranger=200))
async def sample(code: FromPath[str], release: Chosen = None) -> Response[str]:
    """Send the dataset's free sample: first rows of a few zones, the same for everyone and for every release."""
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
    code: FromPath[str],
    data: Annotated[QuoteForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    request: ActorRequest,
) -> Redirect | Template:
    """Sign a price for a release; the form's id is the quote's, so that a double click makes one quote.

    After too many requests, or for a use that the licence does not allow, the form is shown again with the reason.
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
        return again("offers/ask.html", refusal, listing=listing, release=release, **kept)
    return see(f"/quotes/{quote}")


@get("/quotes/{quote:uuid}/document.json", guards=[partner], opt=expect("partner", stranger=404))
async def quote_document(quote: FromPath[uuid.UUID], request: ActorRequest) -> Response[bytes]:
    """Send the signed document, with everything needed to check it offline."""
    assert request.user.partner
    row = await queries.get_quote(quote, request.user.partner)
    headers = {"Content-Disposition": f'attachment; filename="quote-{quote}.json"'}
    return Response(json.dumps(signed(row), indent=1).encode(), media_type="application/json", headers=headers)


def signed(quote: SignedQuote) -> dict[str, str]:
    """Return a quote's document, its signature and the key that verifies it."""
    return {
        "document": quote.document.decode(),
        "signature": quote.signature.hex(),
        "public_key": public_key(settings().signing_key).hex(),
        "algorithm": "Ed25519 over the UTF-8 bytes of document",
    }


def _harmless(text: str) -> str:
    """Return `text` as a cell that no spreadsheet reads as a formula."""
    return f"'{text}" if text.startswith(FORMULAS) else text


ROUTES = [sample, request_quote, quote_document]
