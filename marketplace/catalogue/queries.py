"""What pages and machines read of the catalogue: listings, a release at a glance, quotes."""

from __future__ import annotations

import functools
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from marketplace import clock
from marketplace.catalogue import rules
from marketplace.database import fetch, fetch_one
from marketplace.datasets.queries import cells, key_zones
from marketplace.errors import NotFound
from marketplace.web.pages import PAGE_SIZE, Paged, offset, paged

if TYPE_CHECKING:
    import datetime as dt

    import asyncpg

SAMPLE_ROWS = 10
DAYS_SHOWN = 28
LISTED = """
    FROM offer
    JOIN dataset ON dataset.code = offer.dataset
    JOIN LATERAL (
        SELECT id, period_from, period_to, sealed_at, consenting, population, threshold, row_count, suppressed_micro
        FROM release WHERE release.dataset = dataset.code AND release.state = 'sealed'
        ORDER BY period_to DESC, sealed_at DESC LIMIT 1
    ) AS latest ON true
    WHERE offer.withdrawn_at IS NULL
"""
WORDS = """to_tsvector('simple', dataset.title_fr || ' ' || dataset.title_en || ' ' || dataset.description_fr || ' ' ||
                       dataset.description_en || ' ' || dataset.area || ' ' || replace(dataset.code, '-', ' '))"""


@dataclass(frozen=True, slots=True)
class Glance:
    """A release drawn in numbers, from its published cells alone."""

    zones: dict[str, float | None]
    """Average people over the times published, by zone; None where everything is withheld."""
    series: list[tuple[dt.datetime, int]]
    """People in published cells, by time."""
    sample: list[dict[str, Any]]
    """The first rows, as sold."""


async def list_listings(search: str, page: int) -> Paged:
    """Return one page of what is for sale, freshest first; `search` matches the beginnings of words, in both languages."""
    words = rules.search_words(search)
    rows = await fetch(
        f"""SELECT dataset.*, offer.id AS offer, latest.id AS release, latest.period_from, latest.period_to,
                   latest.consenting, latest.population, latest.threshold
            {LISTED} AND ($1::text IS NULL OR {WORDS} @@ to_tsquery('simple', $1))
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


async def get_offer(code: str) -> asyncpg.Record:
    """Return the offer of a dataset, with the dataset's half-life."""
    row = await fetch_one(
        """SELECT offer.*, dataset.half_life_days FROM offer JOIN dataset ON dataset.code = offer.dataset
           WHERE offer.dataset = $1""",
        code,
    )
    if row is None:
        raise NotFound("There is no dataset {dataset} in the catalogue.", dataset=code)
    return row


async def get_listed_release(code: str, release: uuid.UUID) -> asyncpg.Record:
    """Return a sealed release of a dataset."""
    row = await fetch_one("SELECT * FROM release WHERE id = $1 AND dataset = $2 AND state = 'sealed'", release, code)
    if row is None:
        raise NotFound("There is no such release in the catalogue.")
    return row


async def list_listed_releases(code: str, page: int) -> Paged:
    """Return one page of a dataset's sealed releases, latest period first."""
    rows = await fetch(
        """SELECT * FROM release WHERE dataset = $1 AND state = 'sealed'
           ORDER BY period_to DESC, sealed_at DESC LIMIT $2 OFFSET $3""",
        code, PAGE_SIZE + 1, offset(page),
    )  # fmt: skip
    return paged(rows, page)


async def glance(release: asyncpg.Record) -> Glance:
    """Return a sealed release in numbers, computed once a process: a release never changes."""
    known = _glances().get(release["id"])
    if known is None:
        known = _draw(await cells(release["id"]), await key_zones(release["dataset"]))
        _glances()[release["id"]] = known
        if len(_glances()) > 200:  # noqa: PLR2004 (a few megabytes)
            _glances().pop(next(iter(_glances())))
    return known


@functools.cache
def _glances() -> dict[uuid.UUID, Glance]:
    return {}


def _draw(table: Any, zones: tuple[str, ...]) -> Glance:  # noqa: ANN401 (pyarrow's table)
    import pyarrow.compute as pc  # noqa: PLC0415

    by_zone = table.group_by(["zone", "starts_at"]).aggregate([("people", "sum")])
    average = by_zone.group_by(["zone"]).aggregate([("people_sum", "mean")])
    means = dict(zip(average["zone"].to_pylist(), average["people_sum_mean"].to_pylist(), strict=True))
    by_time = table.group_by(["starts_at"]).aggregate([("people", "sum")]).sort_by("starts_at")
    series = list(zip(by_time["starts_at"].to_pylist(), by_time["people_sum"].to_pylist(), strict=True))
    rows = table.take(pc.sort_indices(table, [("starts_at", "ascending"), ("zone", "ascending")])[:SAMPLE_ROWS])
    return Glance({zone: means.get(zone) for zone in zones}, series, rows.to_pylist())


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
