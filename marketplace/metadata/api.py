"""The catalogue for harvesters: DCAT-AP in JSON-LD and Turtle, by pages, without a key."""

from __future__ import annotations

import json
from typing import Annotated, Any

from litestar import Response, get
from litestar.params import QueryParameter

from marketplace.identity.guards import expect
from marketplace.metadata import crawler_pages
from marketplace.metadata.dcat import catalogue
from marketplace.metadata.linked_data import turtle
from marketplace.search.finding import search
from marketplace.search.rules import read_state
from marketplace.settings import settings

Page = Annotated[int, QueryParameter(name="page", ge=1, le=1_000_000)]
SHARED = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=300"}


@get("/catalogue.jsonld", opt=expect("anyone"))
async def show_as_json(number: Page = 1) -> Response[bytes]:
    """Show a page of the catalogue as DCAT-AP in JSON-LD."""
    document = json.dumps(await _catalogue(number), ensure_ascii=False, indent=1).encode()
    return Response(document, media_type="application/ld+json", headers=SHARED)


@get("/catalogue.ttl", opt=expect("anyone"))
async def show_as_turtle(number: Page = 1) -> Response[bytes]:
    """Show a page of the catalogue as DCAT-AP in Turtle."""
    text = turtle(await _catalogue(number))
    return Response(text.encode(), media_type="text/turtle; charset=utf-8", headers=SHARED)


async def _catalogue(number: int) -> dict[str, Any]:
    chosen = settings()
    found = (await search(read_state([]), number)).listings
    return catalogue(
        found.rows,
        site=chosen.url,
        seller=chosen.seller_name,
        email=chosen.contact_email,
        number=found.number,
        has_more=found.more,
    )


ROUTES = [show_as_json, show_as_turtle, *crawler_pages.ROUTES]
