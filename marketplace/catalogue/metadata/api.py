"""The catalogue for harvesters: DCAT-AP in JSON-LD and Turtle, by pages, without a key."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from litestar import Response, get
from litestar.params import FromPath  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.catalogue.licences import odrl
from marketplace.catalogue.metadata import crawler_pages
from marketplace.catalogue.metadata.dcat import catalogue
from marketplace.catalogue.metadata.linked_data import turtle
from marketplace.catalogue.metadata.queries import get_described, list_described
from marketplace.catalogue.offers.uses import get_policy
from marketplace.catalogue.search.finding import search
from marketplace.catalogue.search.rules import read_state
from marketplace.core.settings import settings
from marketplace.core.web.pages import PageNumber  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.people.identity.guards import expect

LONGEST_ACCEPT: Final = 2_000
WEIGHT: Final = re.compile(r"0(\.\d{1,3})?|1(\.0{1,3})?")
SHARED = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=300"}


@get("/catalogue.jsonld", opt=expect("anyone"))
async def show_as_json(number: PageNumber = 1) -> Response[bytes]:
    """Show a page of the catalogue as DCAT-AP in JSON-LD."""
    document = json.dumps(await _catalogue(number), ensure_ascii=False, indent=1).encode()
    return Response(document, media_type="application/ld+json", headers=SHARED)


@get("/catalogue.ttl", opt=expect("anyone"))
async def show_as_turtle(number: PageNumber = 1) -> Response[bytes]:
    """Show a page of the catalogue as DCAT-AP in Turtle."""
    text = turtle(await _catalogue(number))
    return Response(text.encode(), media_type="text/turtle; charset=utf-8", headers=SHARED)


async def _catalogue(number: int) -> dict[str, Any]:
    chosen = settings()
    found = (await search(read_state([]), number)).listings
    return catalogue(
        await list_described([row.code for row in found.rows]),
        site=chosen.url,
        seller=chosen.seller_name,
        email=chosen.contact_email,
        number=found.number,
        has_more=found.more,
    )


@get("/datasets/{code:str}/licence.jsonld", opt=expect("anyone", stranger=200))
async def show_licence(code: FromPath[str]) -> Response[bytes]:
    """Show the licence that a dataset is sold under as an offer in ODRL, in JSON-LD."""
    row = await get_described(code)
    policy = await get_policy(row.terms, row.sectors)
    lines = ("\n".join(row.text("fr")), "\n".join(row.text("en")))
    stated = odrl.offer(policy, site=settings().url, dataset=row.code, terms=row.terms, lines=lines)
    document = json.dumps(stated, ensure_ascii=False, indent=1).encode()
    return Response(document, media_type="application/ld+json", headers=SHARED)


def preferred(accept: str) -> str | None:
    """Return the document that an Accept header prefers to the catalogue's page, or None for the page."""
    kinds = {"application/ld+json": "jsonld", "text/turtle": "ttl", "text/html": None, "application/xhtml+xml": None}
    asked: list[tuple[float, int, str]] = []
    for place, part in enumerate(accept[:LONGEST_ACCEPT].split(",")):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        if kind in kinds:
            asked.append((-float(weight) if WEIGHT.fullmatch(weight) else 0.0, place, kind))
    wanted = [each for each in asked if each[0]]
    return kinds[min(wanted)[2]] if wanted else None


ROUTES = [show_as_json, show_as_turtle, show_licence, *crawler_pages.ROUTES]
