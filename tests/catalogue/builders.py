"""A small shop for tests of the catalogue: datasets with sealed releases of real Parquet, on offer to a vetted partner."""

import datetime as dt
import hashlib
import io
import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from marketplace.catalogue.offers import actions
from marketplace.catalogue.offers.queries import get_listing, list_listed_releases, list_priced_releases
from marketplace.catalogue.offers.stated import count_published, state_volume
from marketplace.catalogue.sheets import actions as sheets
from marketplace.catalogue.sheets.rules import Document
from marketplace.consent.purposes import actions as consent
from marketplace.consent.vocabulary import PURPOSES
from marketplace.core import clock, object_store
from marketplace.core.database import copy_in, execute
from marketplace.datasets.builds.cells_file import pack_counts, spread
from marketplace.datasets.geography.queries import get_geography
from marketplace.datasets.releases import actions as datasets
from marketplace.datasets.releases import queries
from marketplace.datasets.releases.contributor_terms import write_contributor_term
from marketplace.datasets.releases.rules import DatasetTerms
from marketplace.datasets.releases.tables import Release
from marketplace.people.identity import actions as identity
from marketplace.people.identity.actors import Actor
from marketplace.privacy.key_set import area_of
from marketplace.privacy.product_registry import PRODUCTS
from marketplace.privacy.series import expansion_micro
from pricing.sheet import Law
from tests.consent.builders import PURPOSE
from tests.datasets.builders import BANDS, LONG_AGO, RESOLUTION, ZONES, stated_days
from tests.people.builders import PASSWORD, Browser, add_staff, make_partner
from tests.support.reads import fetch_value

DAYS = 7
EMPTY_SHEET = """INSERT INTO price_sheet (code, title_fr, title_en, product, grain, h3_resolution, created_at)
                 VALUES ('sheet', 'x', 'x', 'presence', 'day', 7, now()) ON CONFLICT DO NOTHING"""
"""A sheet by which nothing is priced, for offers of which no price is asked."""
TERMS = "standard-1"
LYON = {"title_fr": "Présence par quartier — Lyon", "title_en": "Presence by district — Lyon"}


async def open_catalogue(*codes: str, **declared: Any) -> None:
    """Declare a purpose and the datasets `codes` (`lyon` by default), each on offer; `declared` overrules the declaration."""
    if not await fetch_value("SELECT count(*) FROM purpose"):
        await consent.define_purpose("presence", "statistics", title_fr="Présence", title_en="Presence")
        await consent.publish_notice(PURPOSE, text_fr="On compte.", text_en="We count.", at=LONG_AGO)
        await actions.define_terms(TERMS, months=12, lines_fr="a\nb\nc\nd\ne", lines_en="v\nw\nx\ny\nz")
    for code in codes or ("lyon",):
        stated: dict[str, Any] = {
            **LYON,
            "description_fr": "Combien de personnes sont vues.",
            "description_en": "How many people are seen.",
            "area": "Lyon",
            "zones": list(ZONES),
            "age_bands": list(BANDS),
            "h3_resolution": RESOLUTION,
            "grain": "day",
            "max_cells": 3,
            "max_events": 2,
            "epsilon_micro": 2_000_000,
            "budget_micro": 600_000_000,
        }
        await datasets.define(DatasetTerms(code=code, purpose=PURPOSE, **stated | declared))
        await put_on_sale(code, terms=TERMS, worth_minor=240_000, least_minor=15_000)


async def put_on_sale(
    dataset: str,
    *,
    terms: str = TERMS,
    worth_minor: int = 240_000,
    least_minor: int = 15_000,
    weight: int = 100,
    half_life_days: int = 30,
) -> str:
    """Offer a dataset on a sheet of its own, or state that one again, and return the sheet's code.

    worth_minor: of a week of all its figures, perfect and new, with every right and for good. least_minor: the least
    charge of an order in this marketplace, where none is stated yet.
    """
    declared, sheet, steward = (
        await queries.get_dataset(dataset),
        f"sheet-{dataset}",
        Actor(name="Samir", role="steward"),
    )
    if not await fetch_value("SELECT count(*) FROM volume_law"):
        law = Law(currency="EUR", volume=((0, 10_000),), least_minor=least_minor)
        await state_volume(law, steward, law_id=uuid.uuid4())
    await sheets.define_sheet(
        sheet,
        product=declared.product,
        grain=declared.grain,
        zone_table=declared.zone_table,
        h3_resolution=declared.h3_resolution,
        titles=(declared.title_fr, declared.title_en),
        currency="EUR",
    )
    document = await sheet_document(dataset, worth_minor=worth_minor, weight=weight, half_life_days=half_life_days)
    await sheets.state_version(sheet, document, steward, version=uuid.uuid4())
    await actions.list_offer(dataset, terms=terms, sheet=sheet)
    return sheet


async def have_everything_cost(amount_minor: int) -> None:
    """State a law of volume by which every order costs so much from now on."""
    await charge_at_least(amount_minor, rate=0)


async def charge_at_least(amount_minor: int, *, rate: int = 10_000) -> None:
    """State a law of volume with one rate, in basis points, and a least charge from now on."""
    law = Law(currency="EUR", volume=((0, rate),), least_minor=amount_minor)
    await state_volume(law, Actor(name="Samir", role="steward"), law_id=uuid.uuid4())


async def charge_between(least_minor: int, most_minor: int) -> None:
    """State a law of volume by which no order costs less, nor more, from now on."""
    law = Law(currency="EUR", volume=((0, 10_000), (most_minor, 0)), least_minor=least_minor)
    await sheets.state_law(law, Actor(name="Samir", role="steward"), law_id=uuid.uuid4())


async def sheet_document(dataset: str, *, worth_minor: int, weight: int = 100, half_life_days: int = 30) -> Document:
    """Return a sheet of a dataset's zones, all alike, whose figures of a week are worth so much."""
    declared, zones = await queries.get_dataset(dataset), await queries.key_zones(dataset)
    geography = await get_geography(declared.zone_table)
    segments = PRODUCTS[declared.product].segments or tuple(declared.age_bands)
    is_of_pairs = PRODUCTS[declared.product].is_between_zones
    points = len(segments) * sum(
        weight**2 if is_of_pairs else weight for _ in zones for _ in (zones if is_of_pairs else "1")
    )
    steps = {"hour": 24 * DAYS, "day": DAYS, "week": 1}[declared.grain]
    return Document(
        zones={zone: (weight, 1_000, area_of(zone, geography), "all") for zone in zones},
        segments={segment: (1, 1_000_000 // len(segments)) for segment in segments},
        worth_micro=max(worth_minor * 1_000_000 // (points * steps), 1),
        half_life_hours=half_life_days * 24,
        rights={"internal": 6_000, "publish": 8_000},
        purposes=dict.fromkeys(PURPOSES, 4_000),
    )


def last_midnight() -> dt.datetime:
    return clock.now().replace(hour=0, minute=0, second=0, microsecond=0)


def cells_of_own_week(start: dt.datetime, zones: Sequence[str] = ZONES) -> list[dict[str, Any]]:
    """Return a week's cells, each zone's busiest day its own, the first zone withheld on every day."""
    return [
        {
            "zone": zone,
            "starts_at": start + dt.timedelta(days=day),
            "segment": band,
            "people": 100 + 10 * ((number + 3 * day) % DAYS) + day,
            "events": 200 + 10 * ((number + 3 * day) % DAYS) + day,
        }
        for number, zone in enumerate(zones[1:])
        for day in range(DAYS)
        for band in BANDS
    ]


async def seal_week(
    dataset: str = "lyon",
    *,
    weeks_ago: int = 0,
    rows: list[dict[str, Any]] | None = None,
    by_day: bool = False,
    **other: Any,
) -> uuid.UUID:
    """Seal a release of the week that ended `weeks_ago`, with these cells; `other` overrules its row.

    by_day: it states what its cells are of each day and zone, and not so many of the whole week, alike in all zones.
    """
    release, end = uuid.uuid4(), last_midnight() - dt.timedelta(weeks=weeks_ago)
    start = end - dt.timedelta(days=DAYS)
    cells = cells_of_own_week(start) if rows is None else rows
    schema = pa.schema(
        [
            ("zone", pa.string()),
            ("starts_at", pa.timestamp("us", tz="UTC")),
            ("segment", pa.string()),
            ("people", pa.int64()),
            ("events", pa.int64()),
        ]
    )
    table, file = pa.Table.from_pylist(cells, schema=schema), io.BytesIO()
    pq.write_table(table, file)
    await object_store.put(object_store.cells_key(release), file.getvalue())
    row: dict[str, Any] = {
        "id": release,
        "dataset": dataset,
        "period_from": start,
        "period_to": end,
        "specification": release.hex,
        "state": "sealed",
        "started_at": clock.now(),
        "sealed_at": clock.now(),
        "epsilon_micro": 2_000_000,
        "threshold": 20,
        "sampler": "opendp",
        "noise_variance_micro": 9_000_000,
        "key_count": len(ZONES) * DAYS * len(BANDS),
        "row_count": len(cells),
        "published_people": sum(row["people"] for row in cells),
        "suppressed_micro": 142_857,
        "consenting": 600,
        "population": 1000,
        "median_cell_people": 130,
        "median_cell_population": 217,
        "latest_event_at": end,
        "contributors": 500,
        "total_weight": 1500,
        "cells_sha256": hashlib.sha256(file.getvalue()).hexdigest(),
        "manifest_sha256": "00",
    }
    row |= other
    terms = await queries.get_dataset(dataset)
    if by_day:
        days: dict[str, Any] = spread(
            await queries.get_specification(terms, row["period_from"], row["period_to"]), table
        )
    else:
        zones, latest = len(await queries.key_zones(dataset)), row["latest_event_at"]
        days = stated_days(row["period_from"], row["period_to"], row["row_count"], zones=zones, latest=latest)
        days["published_by_figure"] = await figures_alike(terms, days)
    factor = {"expansion_micro": expansion_micro(row["population"], row["consenting"])}
    sealed = Release(**factor | days | row).to_dict()  # the ORM warns of lists as long as those of many zones
    await copy_in("release", [*sealed], [[*sealed.values()]])
    await cover(row, terms)
    await execute("UPDATE dataset SET spent_micro = spent_micro + 2000000 WHERE code = $1", dataset)
    return release


async def figures_alike(terms: DatasetTerms, days: dict[str, Any]) -> bytes:
    """Return the cells of each day, for a release, as if all figures had as many."""
    s = await queries.get_specification(terms, LONG_AGO, LONG_AGO + dt.timedelta(days=DAYS))
    figures = [(place, segment) for place in s.named(np.arange(s.place_count)).tolist() for segment in s.segments]
    counts: dict[str, dict[str, list[int]]] = {}
    for number, (place, segment) in enumerate(figures):
        each = [cells // len(figures) + (number < cells % len(figures)) for cells in days["published_by_day"]]
        counts.setdefault(place, {})[segment] = each
    return pack_counts(counts)


async def cover(row: dict[str, Any], terms: DatasetTerms) -> None:
    """State that as many of each area and band consent as of all, and count the release's points."""
    zones, geography = await queries.key_zones(terms.code), await get_geography(terms.zone_table)
    areas = sorted({area_of(zone, geography) for zone in zones})
    await execute(
        """INSERT INTO coverage (id, release, kind, name, population, consenting)
           SELECT gen_random_uuid(), $1, kind, name, $4::bigint / of.parts, $5::bigint / of.parts
           FROM (SELECT 'area', unnest($2::text[]), cardinality($2) UNION ALL
                 SELECT 'band', unnest($3::text[]), cardinality($3)) AS of (kind, name, parts)""",
        row["id"],
        areas,
        list(terms.age_bands),
        row["population"],
        row["consenting"],
    )
    if row["state"] == "sealed":
        await count_published(row["dataset"], clock.now())


async def make_vetted_partner(email: str = "claire@atelier.example", company: str = "Atelier") -> uuid.UUID:
    """Make a partner that may buy."""
    partner = await make_partner(company, email)
    await identity.vet_partner(partner, "Samir")
    return partner


OFFER_FIELDS = {"terms": TERMS, "sheet": "sheet-lyon"}


async def sign_in_staff(*browsers: tuple[Browser, str]) -> None:
    for browser, role in browsers:
        await add_staff(f"{role}@partage.example", role.title(), role, PASSWORD)
        await browser.sign_in(f"{role}@partage.example")


FORM_ID = "00000000-0000-4000-8000-000000000001"


PRICED_AT = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)


DAY = dt.timedelta(days=1)


SOME_ID = uuid.UUID(int=1)


async def list_offer(code: str, worth: int) -> None:
    """Offer a dataset at so much for a week of all its figures."""
    await put_on_sale(code, worth_minor=worth, least_minor=1)


async def make_span(code: str, zones: int, first: int, days: int, **other: Any) -> uuid.UUID:
    """Seal a release of the days [first, first + days) of a week, all of its cells published; `other` overrules its row."""
    start, cells = last_midnight() + (first - 7) * DAY, zones * days * len(BANDS)
    row = {
        "period_from": start,
        "period_to": start + days * DAY,
        "latest_event_at": start + days * DAY,
        "key_count": cells,
        "row_count": cells,
        "consenting": 9_000 * zones,
        "population": 10_000 * zones,
    }
    return await seal_week(code, **{"rows": []} | row | other)


async def amounts_of(code: str) -> list[int]:
    """Return today's prices of a dataset's releases."""
    releases = await list_priced_releases([row.id for row in (await list_listed_releases(code, 1)).rows])
    return [quote.amount_minor for quote in (await actions.prices_now(releases, now=clock.now())).values()]


WEST = list(ZONES[:3])


PARTS = {"city": list(ZONES), "west": WEST, "east": list(ZONES[3:])}


async def open_parts() -> None:
    for code, zones in PARTS.items():
        await open_catalogue(code, zones=zones)
        await make_span(code, len(zones), 0, 7)
    for code in PARTS:
        await actions.withdraw_offer(code)
    for code, zones in PARTS.items():
        await list_offer(code, 1_000_000 * len(zones))


async def promise_contributors(code: str, days: int, *, begins: int = 0, cents: int = 300_000) -> None:
    """Promise so many cents of each sale, from a day on until the end of another, both counted from now."""
    now, second = clock.now(), dt.timedelta(seconds=1)
    await write_contributor_term(
        uuid.uuid4(), code, promised_minor=cents, starts_at=now + begins * DAY - second, ends_at=now + days * DAY
    )


def cells_of_week(number: int) -> list[dict[str, object]]:
    """Return a week's cells, of which zones are busy and when being its own."""
    start = last_midnight() - dt.timedelta(days=7 * (1 + number))
    return [
        {
            "zone": zone,
            "starts_at": start + dt.timedelta(days=day),
            "segment": band,
            "people": 100 + 40 * ((at + 3 * number) % len(ZONES)) + 25 * ((day + number) % 7) + number,
            "events": 900,
        }
        for at, zone in enumerate(ZONES)
        for day in range(7)
        for band in BANDS
    ]


async def latest_releases(*codes: str) -> list[uuid.UUID]:
    return [(await get_listing(code)).latest for code in codes]
