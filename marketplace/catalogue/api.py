"""The catalogue for machines: what is for sale, a signed quote, and the key it is checked with."""

from __future__ import annotations

import asyncio
import functools
import json
import uuid
from typing import TYPE_CHECKING, Annotated, Any

from litestar import Request, Response, get, post
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from msgspec import Meta, Struct
from msgspec.structs import asdict

from marketplace import clock
from marketplace.catalogue import actions, previews, queries
from marketplace.catalogue.pages import signed
from marketplace.catalogue.uses import state_use
from marketplace.datasets.queries import get_dataset as get_dataset_terms
from marketplace.datasets.queries import get_release, get_specification, key_zones
from marketplace.errors import Conflict
from marketplace.identity.guards import expect, vetted_partner
from marketplace.privacy.deployment_card import Deployment, card
from marketplace.privacy.geography import H3
from marketplace.settings import settings
from marketplace.signing import public_key
from marketplace.zones.queries import get_geography

if TYPE_CHECKING:
    from marketplace.privacy.geography import Geography
    from marketplace.privacy.series import Break

MOST_HEXAGONS = 20_000
"""Outlines of H3's cells that are given: four megabytes of them."""
DESCRIBED = (
    "code",
    "title_fr",
    "title_en",
    "description_fr",
    "description_en",
    "area",
    "zone_table",
    "h3_resolution",
    "grain",
    "time_zone",
)
"""What is said of a dataset in the list and on its own: code, titles, descriptions, area, zones, grain and time zone."""
QUOTED = (
    "id",
    "release",
    "level",
    "terms",
    "amount_minor",
    "currency",
    "expires_at",
    "is_expired",
    "is_ordered",
    "auction",
)
MOST_KEPT_BYTES = 40_000_000
Page = Annotated[int, QueryParameter(name="page", ge=1, le=1_000_000)]


class QuoteRequest(Struct, forbid_unknown_fields=True):
    """Which release a price is asked for, at which accuracy (0 is the release itself), and whether for thirty days.

    purpose: a purpose of the Data Privacy Vocabulary by its name there, where the licence is for some alone.
    """

    release: uuid.UUID
    level: Annotated[int, Meta(ge=0, le=100)] = 0
    for_thirty_days: bool = False
    purpose: Annotated[str, Meta(max_length=60)] = ""


class PreviewRequest(Struct, forbid_unknown_fields=True):
    """A partner's own zones: a list of zones or GeoJSON, as text."""

    release: uuid.UUID
    zones: str


@get("/api/v1/datasets/{code:str}", opt=expect("anyone", stranger=200))
async def get_dataset(code: FromPath[str], number: Page = 1) -> dict[str, Any]:
    """Return a dataset with its releases, latest first."""
    listing = await queries.get_listing(code)
    releases = await queries.list_listed_releases(code, number)
    found = {row.id: breaks for row, breaks in await queries.list_series(code)}
    return {name: getattr(listing, name) for name in DESCRIBED} | {
        "releases": [
            asdict(row)
            | {"editions": [asdict(level) for level in await queries.list_levels(row.id)]}
            | {"breaks": [_written(one) for one in found.get(row.id, [])]}
            for row in releases.rows
        ],
        "page": number,
        "more": releases.more,
    }


@get("/api/v1/datasets/{code:str}/zones.geojson", opt=expect("anyone", stranger=200))
async def get_zones(code: FromPath[str]) -> Response[bytes]:
    """Return the zones a dataset is counted over, published or withheld, with their names, parents and outlines."""
    listing = await queries.get_listing(code)
    document = _documents().get(listing.offer)
    if document is None:
        geography, zones = await get_geography(listing.zone_table), await key_zones(code)
        if geography is H3 and len(zones) > MOST_HEXAGONS:
            raise Conflict(
                "This dataset has {zones} zones of H3; outlines are given of {most} at most, and follow from their codes.",
                zones=len(zones),
                most=MOST_HEXAGONS,
            )
        document = _documents()[listing.offer] = await asyncio.to_thread(_document, geography, zones)
        while sum(map(len, _documents().values())) > MOST_KEPT_BYTES:
            _documents().pop(next(iter(_documents())))
    return Response(document, media_type="application/geo+json", headers={"Cache-Control": "public, max-age=3600"})


@get("/api/v1/datasets/{code:str}/privacy-card.json", opt=expect("anyone", stranger=200))
async def get_privacy_card(code: FromPath[str]) -> dict[str, Any]:
    """Return a dataset's privacy promise as registries of deployments ask for it, with the figures of its latest release."""
    listing = await queries.get_listing(code)
    terms, row = await get_dataset_terms(code), await get_release(listing.latest)
    specification = await get_specification(terms, row.period_from, row.period_to, revision=row.revision)
    deployment = Deployment(
        title=terms.title_en,
        description=terms.description_en,
        area=terms.area,
        curator=settings().seller_name,
        release=str(row.id),
        specification_digest=row.specification,
        published_at=row.sealed_at or row.started_at,
        engine=row.sampler,
        dataset_budget_micro=terms.budget_micro,
        year_budget_micro=settings().subscriber_year_epsilon_micro,
        edition_multiples=terms.edition_multiples,
    )
    return await asyncio.to_thread(card, specification, deployment)


def _document(geography: Geography, zones: tuple[str, ...]) -> bytes:
    """Return zones as text; a large table's take a second to write: in a thread."""
    return json.dumps(geography.geojson(zones), ensure_ascii=False).encode()


@functools.cache
def _documents() -> dict[uuid.UUID, bytes]:
    """Return the documents kept, by offer: neither its dataset's zones nor their outlines ever change."""
    return {}


@post("/api/v1/quotes", guards=[vetted_partner], opt=expect("vetted partner", scope="quotes"))
async def request_quote(
    request: Request[Any, Any, Any],
    data: JSONBody[QuoteRequest],
    key: Annotated[uuid.UUID, HeaderParameter(name="Idempotency-Key")],
) -> dict[str, Any]:
    """Sign a price; the Idempotency-Key, a UUID, is the quote's id, so that asking again answers the same."""
    partner = request.scope["user"].partner
    released = await get_release(data.release)
    if data.purpose:
        await state_use(partner, (await queries.get_listing(released.dataset)).terms, purpose=data.purpose)
    return await _quote(
        await actions.quote(partner, data.release, quote_id=key, level=data.level, is_held=data.for_thirty_days),
        partner,
    )


@get("/api/v1/quotes/{quote:uuid}", guards=[vetted_partner], opt=expect("vetted partner", stranger=404, scope="quotes"))
async def get_quote(quote: FromPath[uuid.UUID], request: Request[Any, Any, Any]) -> dict[str, Any]:
    """Return one of the partner's own quotes, with its signed document."""
    return await _quote(quote, request.scope["user"].partner)


@post("/api/v1/previews", guards=[vetted_partner], opt=expect("vetted partner", scope="quotes"), status_code=200)
async def preview(
    request: Request[Any, Any, Any],
    data: JSONBody[PreviewRequest],
    key: Annotated[uuid.UUID, HeaderParameter(name="Idempotency-Key")],
) -> dict[str, int]:
    """Return how much of a release survives in the partner's own zones, rounded, before it pays."""
    answer = await previews.preview_zones(request.scope["user"].partner, data.release, data.zones, preview_id=key)
    return asdict(answer)


@get("/api/v1/keys", opt=expect("anyone"))
async def keys() -> dict[str, str]:
    """Return the public key that quotes are checked with."""
    return {
        "algorithm": "Ed25519",
        "public_key": public_key(settings().signing_key).hex(),
        "now": clock.now().isoformat(),
    }


async def _quote(quote: uuid.UUID, partner: uuid.UUID) -> dict[str, Any]:
    row = await queries.get_quote(quote, partner)
    by_auction = {"transcript": f"/api/v1/auctions/{row.auction}/transcript"} if row.auction else {}
    return {name: getattr(row, name) for name in QUOTED} | by_auction | signed(row)


def _written(one: Break) -> dict[str, str]:
    """Return where a release breaks with the one before, in both languages."""
    return {"kind": one.kind, "sentence_fr": one.sentence.fr, "sentence_en": one.sentence.en}


ROUTES = [get_dataset, get_zones, get_privacy_card, request_quote, get_quote, preview, keys]
