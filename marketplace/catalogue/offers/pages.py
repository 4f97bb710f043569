"""The catalogue's own pages: a simulated week as a file, a quote."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import uuid
from typing import TYPE_CHECKING, Annotated

from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Meta, Struct

from marketplace.catalogue.offers import actions, queries
from marketplace.catalogue.offers.rules import read_length
from marketplace.catalogue.offers.uses import state_use
from marketplace.catalogue.sheets.simulated import SimulatedWeek, as_parquet, simulated_week
from marketplace.core.errors import Invalid, NotAllowed
from marketplace.core.settings import settings
from marketplace.core.signing import public_key
from marketplace.core.web.pages import again, see
from marketplace.people.identity.guards import ActorRequest, expect, partner, vetted_partner
from marketplace.privacy.simulated_week import NOTICE

if TYPE_CHECKING:
    from marketplace.catalogue.offers.queries import SignedQuote

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""The first characters of a formula in spreadsheets."""
COLUMNS = ("zone", "starts_at", "segment", "people", "events")
LONGEST_NAMES = 30_000
PARQUET = "application/vnd.apache.parquet"


class QuoteForm(Struct):
    """The release to price, and the form's id, which becomes the quote's."""

    form_id: uuid.UUID
    release: uuid.UUID
    level: Annotated[int, Meta(ge=0, le=100)] = 0
    for_thirty_days: str = ""
    """`yes`, or nothing."""
    months: str = ""
    """The length of the licence; nothing: the offer's own."""
    purpose: str = ""
    """The purpose of the figures, if the licence needs one."""
    companies: Annotated[str, Meta(max_length=LONGEST_NAMES)] = ""
    """A line for each company that may use the figures, if the licence allows passing them on."""


@get("/datasets/{code:str}/sample.csv", opt=expect("anyone", stranger=200))
async def sample(code: FromPath[str]) -> Response[str]:
    """Send the dataset's simulated week as CSV, below two lines that say so; the same for everyone."""
    week = await simulated_week(code, (await queries.get_listing(code)).sheet)
    return Response(await asyncio.to_thread(_csv, week), media_type="text/csv", headers=_attached(code, "csv"))


@get("/datasets/{code:str}/sample.parquet", opt=expect("anyone", stranger=200))
async def sample_parquet(code: FromPath[str]) -> Response[bytes]:
    """Send the dataset's simulated week as Parquet, whose own metadata says so; the same for everyone."""
    week = await simulated_week(code, (await queries.get_listing(code)).sheet)
    file = await asyncio.to_thread(as_parquet, week)
    return Response(file, media_type=PARQUET, headers=_attached(code, "parquet"))


def _csv(week: SimulatedWeek) -> str:
    text = io.StringIO()
    text.write(f"# {NOTICE.en}\r\n# {NOTICE.fr}\r\n")
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    for row in week.table.to_pylist():
        harmless = {name: _harmless(row[name]) for name in ("zone", "segment")}
        writer.writerow(row | harmless | {"starts_at": row["starts_at"].strftime("%Y-%m-%dT%H:%M:%SZ")})
    return text.getvalue()


def _attached(code: str, suffix: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{code}-simulated-week.{suffix}"'}


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
            await state_use(request.user.partner, listing.terms, purpose=data.purpose)
        quote = await actions.quote(
            request.user.partner,
            release.id,
            quote_id=data.form_id,
            level=data.level,
            is_held=data.for_thirty_days == "yes",
            months=read_length(data.months),
            companies=data.companies.splitlines(),
        )
    except (actions.TooManyQuotes, Invalid, NotAllowed) as refusal:
        kept = {"level": data.level, "months": data.months[:10], "companies": data.companies}
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


ROUTES = [sample, sample_parquet, request_quote, quote_document]
