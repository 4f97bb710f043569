"""Datasets for sale, for machines: the list with its facets, and each dataset with its releases."""

from __future__ import annotations

import asyncio
import functools
import json
import uuid
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from litestar import Request, Response, get
from litestar.params import FromPath, QueryParameter
from msgspec import Struct
from msgspec.structs import asdict

from marketplace.catalogue.offers import queries
from marketplace.catalogue.offers.queries import Level, PublishedRelease
from marketplace.catalogue.search.finding import search as find
from marketplace.catalogue.search.rules import FACETS, LONGEST_SEARCH, read_state
from marketplace.core.errors import Conflict
from marketplace.core.settings import settings
from marketplace.core.web.pages import PageNumber  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.datasets.geography.queries import get_geography
from marketplace.datasets.releases.queries import get_dataset as get_dataset_terms
from marketplace.datasets.releases.queries import get_release, get_specification, key_zones
from marketplace.people.identity.guards import expect
from marketplace.privacy.deployment_card import Deployment, card
from marketplace.privacy.geography import H3
from marketplace.privacy.simulated_week import NOTICE

if TYPE_CHECKING:
    from marketplace.catalogue.offers.queries import Listing, ListingRow
    from marketplace.privacy.geography import Geography

MOST_HEXAGONS: Final = 20_000
"""Most outlines of H3's cells in an answer: four megabytes."""
MOST_KEPT_BYTES: Final = 40_000_000
GEOJSON: Final = "application/geo+json"


class Dataset(Struct, kw_only=True):
    """A dataset for sale: its product, zones, area and times."""

    code: str
    title_fr: str
    title_en: str
    description_fr: str
    description_en: str
    area: str
    zone_table: str | None
    """The operator's own zones by name, or null for H3's hexagons of a resolution."""
    h3_resolution: int
    grain: str
    """hour or day."""
    time_zone: str


class ListedDataset(Dataset, kw_only=True):
    """A dataset with its latest release."""

    release: uuid.UUID


class Datasets(Struct):
    """One page of the datasets for sale, with the number of datasets for each facet's values."""

    datasets: list[ListedDataset]
    page: int
    more: bool
    total: int
    facets: dict[str, dict[str, int]]
    """Counted to 1,000: 1,001 stands for any number above it."""
    instead: dict[str, str]
    """Words without a match, and the words searched for instead."""


class SeriesBreak(Struct):
    """A break between a release and the one before: their figures do not compare directly."""

    kind: str
    sentence_fr: str
    sentence_en: str


class OfferedRelease(PublishedRelease, frozen=True, kw_only=True):
    """A sealed release, with its coarser editions and its breaks; amounts that end in `_micro` are in millionths."""

    editions: list[Level]
    breaks: list[SeriesBreak]


class SimulatedFiles(Struct):
    """A simulated week with the columns of a release: addresses of its files, and what it is in both languages."""

    csv: str
    """Below two lines that begin with #."""
    parquet: str
    notice_en: str
    notice_fr: str


class DatasetWithReleases(Dataset, kw_only=True):
    """A dataset with one page of its releases, the latest first."""

    simulated_week: SimulatedFiles
    terms: str
    """The version of the licence terms."""
    months: int
    """How long a licence lasts unless another length is chosen, of 1 to 120 months; each has its price."""
    releases: list[OfferedRelease]
    page: int
    more: bool


class PrivacyCard(Struct):
    """A dataset's privacy promise: the fields of registries of deployments, figures, and each hazard's answer."""

    kind: str
    version: int
    url_slug: str
    deployment: dict[str, Any]
    figures: dict[str, Any]
    hazards: list[dict[str, str]]


def _several(name: str) -> dict[str, Any]:
    """Return a parameter of the document that may be repeated."""
    return {"name": name, "in": "query", "required": False, "schema": {"type": "array", "items": {"type": "string"}}}


NARROWED: Final = {"parameters": [*map(_several, FACETS)]}
"""Parameters of the whole query string, which the framework cannot see."""


@get("/api/v1/datasets", opt=expect("anyone") | NARROWED)
async def list_datasets(
    request: Request[Any, Any, Any],
    search: Annotated[str, QueryParameter(name="search", max_length=LONGEST_SEARCH)] = "",
    below: Annotated[int | None, QueryParameter(name="below", ge=0, le=999_999_999)] = None,
    sort: Annotated[Literal["fresh", "cheap", "dear", "coverage"], QueryParameter(name="sort")] = "fresh",
    number: PageNumber = 1,
) -> Datasets:
    """List what is for sale, freshest first, with the number of datasets and of each facet's values.

    Each facet narrows it, and may be given several times: area, indicator, zones, grain, cadence, price, coverage and
    latest, with the values that the answer counts. `below`: a price in whole euros, before VAT. `sort`: fresh, cheap,
    dear or coverage. `instead`: words that nothing has, and what was looked for in their place.
    """
    del search, below, sort  # The whole address is the state; these parameters are named so that they have limits.
    results = await find(read_state(request.query_params.multi_items()), number)
    return Datasets(
        datasets=[ListedDataset(**_described(row), release=row.release) for row in results.listings.rows],
        page=number,
        more=results.listings.more,
        total=results.found.total,
        facets={facet: dict(counts) for facet, counts in results.found.counts.items()},
        instead=results.found.instead,
    )


@get("/api/v1/datasets/{code:str}", opt=expect("anyone", stranger=200))
async def get_dataset(code: FromPath[str], number: PageNumber = 1) -> DatasetWithReleases:
    """Return a dataset with its releases, latest first."""
    listing = await queries.get_listing(code)
    releases = await queries.list_listed_releases(code, number)
    found = {row.id: breaks for row, breaks in await queries.list_series(code)}
    return DatasetWithReleases(
        **_described(listing),
        simulated_week=SimulatedFiles(
            csv=f"{settings().url}/datasets/{code}/sample.csv",
            parquet=f"{settings().url}/datasets/{code}/sample.parquet",
            notice_en=NOTICE.en,
            notice_fr=NOTICE.fr,
        ),
        terms=listing.terms,
        months=listing.months,
        releases=[
            OfferedRelease(
                **asdict(row),
                editions=await queries.list_levels(row.id),
                breaks=[SeriesBreak(one.kind, one.sentence.fr, one.sentence.en) for one in found.get(row.id, [])],
            )
            for row in releases.rows
        ],
        page=number,
        more=releases.more,
    )


@get("/api/v1/datasets/{code:str}/zones.geojson", opt=expect("anyone", stranger=200) | {"files": [GEOJSON]})
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
    return Response(document, media_type=GEOJSON, headers={"Cache-Control": "public, max-age=3600"})


@get("/api/v1/datasets/{code:str}/privacy-card.json", opt=expect("anyone", stranger=200))
async def get_privacy_card(code: FromPath[str]) -> PrivacyCard:
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
    return PrivacyCard(**await asyncio.to_thread(card, specification, deployment))


def _document(geography: Geography, zones: tuple[str, ...]) -> bytes:
    """Return zones as text; a large table's take a second to write, so call it in a thread."""
    return json.dumps(geography.geojson(zones), ensure_ascii=False).encode()


@functools.cache
def _documents() -> dict[uuid.UUID, bytes]:
    """Return the cached documents, by offer: a dataset's zones and their outlines never change."""
    return {}


def _described(row: Listing | ListingRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in Dataset.__struct_fields__}


ROUTES = [list_datasets, get_dataset, get_zones, get_privacy_card]
