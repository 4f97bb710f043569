"""What pages and machines read of the catalogue: listings, a release at a glance, quotes."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from marketplace import clock, object_store
from marketplace.catalogue import rules
from marketplace.database import fetch, fetch_one
from marketplace.datasets.queries import cells, get_dataset, key_zones
from marketplace.datasets.zone_tables import get_geography
from marketplace.errors import NotFound, Refusal
from marketplace.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.web import maps

if TYPE_CHECKING:
    import datetime as dt
    import uuid

    import asyncpg

    from marketplace.privacy.geography import Geography
    from marketplace.web.maps import Outlines

SAMPLE_ROWS = 10
DAYS_SHOWN = 28
LISTED = """
    FROM offer
    JOIN dataset ON dataset.code = offer.dataset
    JOIN LATERAL (
        SELECT id, period_from, period_to, sealed_at, consenting, population, threshold, row_count, suppressed_micro
        FROM release WHERE release.dataset = dataset.code AND release.state = 'sealed'
          AND NOT EXISTS (SELECT FROM revocation WHERE revocation.release = release.id)
        ORDER BY period_to DESC, sealed_at DESC LIMIT 1
    ) AS latest ON true
    WHERE offer.withdrawn_at IS NULL
"""
ACCENTED, PLAIN = "àâäáãåçèéêëìíîïñòóôöõùúûüýÿ", "aaaaaaceeeeiiiinooooouuuuyy"


def _plain(*columns: str) -> str:
    texts = " || ' ' || ".join(f"dataset.{column}" for column in columns)
    return f"translate(replace(lower({texts}), 'œ', 'oe'), '{ACCENTED}', '{PLAIN}')"


WORDS = (
    f"(to_tsvector('french', {_plain('title_fr', 'description_fr', 'area')}) "
    f"|| to_tsvector('english', {_plain('title_en', 'description_en', 'area')}) "
    f"|| to_tsvector('simple', {_plain('title_fr', 'title_en', 'description_fr', 'description_en', 'area', 'code')}))"
)
SOUGHT = "(to_tsquery('french', $1) || to_tsquery('english', $1) || to_tsquery('simple', $1))"
"""Each language by its own stems, and every word by its beginning."""


@dataclass(frozen=True, slots=True)
class Glance:
    """A release drawn in numbers, from its published cells alone."""

    zones: tuple[str, ...]
    """Of the key set, ascending, published or withheld."""
    busiest: dict[str, float | None]
    """Average people over the times published, by zone, of the zones a map has room for; None: everything is withheld."""
    outlines: Outlines
    """Of the busiest."""
    series: list[tuple[dt.datetime, int]]
    """People in published cells, by time."""
    sample: list[dict[str, Any]]
    """The first rows, as sold."""
    published: dict[str, int]
    """How many figures of each zone are published; a zone with none is absent."""


async def list_listings(search: str, page: int) -> Paged[Any]:
    """Return one page of what is for sale, freshest first; `search` takes words of both languages, or their beginnings."""
    words = rules.search_words(search)
    rows = await fetch(
        f"""SELECT dataset.*, offer.id AS offer, latest.id AS release, latest.period_from, latest.period_to,
                   latest.consenting, latest.population, latest.threshold
            {LISTED} AND ($1::text IS NULL OR {WORDS} @@ {SOUGHT})
            ORDER BY latest.period_to DESC, dataset.code LIMIT $2 OFFSET $3""",
        words, PAGE_SIZE + 1, offset(page),
    )  # fmt: skip
    return paged(rows, page)


async def get_listing(code: str) -> asyncpg.Record:
    """Return a dataset that is for sale, with its offer and licence terms."""
    row = await fetch_one(
        f"""SELECT dataset.*, offer.id AS offer, offer.full_worth_minor, offer.floor_minor, offer.cap_minor, offer.currency,
                   offer.terms, licence_terms.lines_fr, licence_terms.lines_en, licence_terms.months, latest.id AS latest
            {LISTED.replace('WHERE offer', 'JOIN licence_terms ON licence_terms.code = offer.terms WHERE offer')}
            AND dataset.code = $1""",
        code,
    )  # fmt: skip
    if row is None:
        raise NotFound("There is no dataset {dataset} in the catalogue.", dataset=code)
    return row


async def get_country(partner: uuid.UUID) -> asyncpg.Record:
    """Return what decides a partner's VAT: its country, and whether VIES confirmed its number."""
    row = await fetch_one(
        "SELECT country, vat_confirmed_at IS NOT NULL AS confirmed FROM partner WHERE id = $1", partner
    )
    assert row
    return row


async def list_latest(releases: list[uuid.UUID]) -> list[asyncpg.Record]:
    """Return the rows of some releases."""
    return await fetch("SELECT * FROM release WHERE id = ANY($1)", releases)


async def get_listed_release(code: str, release: uuid.UUID) -> asyncpg.Record:
    """Return a sealed release of a dataset."""
    row = await fetch_one("SELECT * FROM release WHERE id = $1 AND dataset = $2 AND state = 'sealed'", release, code)
    if row is None:
        raise NotFound("There is no such release in the catalogue.")
    return row


async def list_listed_releases(code: str, page: int) -> Paged[Any]:
    """Return one page of a dataset's sealed releases, latest period first; `revoked_at` is that of one called back."""
    rows = await fetch(
        """SELECT release.*, revocation.revoked_at FROM release LEFT JOIN revocation ON revocation.release = release.id
           WHERE dataset = $1 AND state = 'sealed' ORDER BY period_to DESC, sealed_at DESC LIMIT $2 OFFSET $3""",
        code, PAGE_SIZE + 1, offset(page),
    )  # fmt: skip
    return paged(rows, page)


async def glance(release: asyncpg.Record) -> Glance:
    """Return a sealed release in numbers, computed once a process: a release never changes."""
    known = _glances().get(release["id"])
    if known is None:
        dataset = await get_dataset(release["dataset"])
        geography = await get_geography(dataset["zone_table"])
        known = await asyncio.to_thread(
            _draw, await cells(release["id"]), await key_zones(release["dataset"]), geography
        )
        _glances()[release["id"]] = known
        if len(_glances()) > 200:  # noqa: PLR2004 (half a megabyte each at most, and the names of its zones)
            _glances().pop(next(iter(_glances())))
    return known


async def glances(releases: list[asyncpg.Record]) -> dict[uuid.UUID, Glance]:
    """Return some releases in numbers by their id; where the store gives none, a page is shown without its picture."""

    async def attempt(release: asyncpg.Record) -> Glance | None:
        try:
            return await glance(release)
        except (Refusal, *object_store.TROUBLES):
            return None

    drawn = await asyncio.gather(*map(attempt, releases))
    return {release["id"]: known for release, known in zip(releases, drawn, strict=True) if known}


@functools.cache
def _glances() -> dict[uuid.UUID, Glance]:
    return {}


def _draw(table: Any, zones: tuple[str, ...], geography: Geography) -> Glance:  # noqa: ANN401 (pyarrow's table)
    import pyarrow.compute as pc  # noqa: PLC0415

    by_zone = table.group_by(["zone", "starts_at"]).aggregate([("people", "sum")])
    average = by_zone.group_by(["zone"]).aggregate([("people_sum", "mean")])
    means = dict(zip(average["zone"].to_pylist(), average["people_sum_mean"].to_pylist(), strict=True))
    by_time = table.group_by(["starts_at"]).aggregate([("people", "sum")]).sort_by("starts_at")
    series = list(zip(by_time["starts_at"].to_pylist(), by_time["people_sum"].to_pylist(), strict=True))
    rows = table.take(pc.sort_indices(table, [("starts_at", "ascending"), ("zone", "ascending")])[:SAMPLE_ROWS])
    figures = {row["values"].as_py(): row["counts"].as_py() for row in pc.value_counts(table["zone"])}
    busiest = maps.busiest({zone: means.get(zone) for zone in zones})
    outlines = maps.outline({zone: geography.shape(zone) for zone in busiest})
    return Glance(zones, busiest, outlines, series, rows.to_pylist(), figures)


async def get_quote(quote: uuid.UUID, partner: uuid.UUID) -> asyncpg.Record:
    """Return a partner's own quote with what it is for, and the order that followed, if any; nobody else's."""
    row = await fetch_one(
        """SELECT quote.*, dataset.code, dataset.title_fr, dataset.title_en, release.period_from, release.period_to,
                  quote.expires_at <= $3 AS is_expired, quote_acceptance.quote IS NOT NULL AS is_ordered
           FROM quote JOIN release ON release.id = quote.release JOIN dataset ON dataset.code = release.dataset
           LEFT JOIN quote_acceptance ON quote_acceptance.quote = quote.id
           WHERE quote.id = $1 AND quote.partner = $2""",
        quote, partner, clock.now(),
    )  # fmt: skip
    if row is None:
        raise NotFound("There is no such quote.")
    return row
