"""A small shop for tests of the catalogue: datasets with sealed releases of real Parquet, on offer to a vetted partner."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import uuid
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from marketplace.catalogue.offers import actions, rules
from marketplace.catalogue.offers.queries import get_listing, list_listed_releases, list_priced_releases
from marketplace.catalogue.offers.rules import StatedOffer
from marketplace.consent.purposes import actions as consent
from marketplace.core import clock, object_store
from marketplace.core.database import copy_in, execute
from marketplace.datasets.builds.cells_file import spread
from marketplace.datasets.releases import actions as datasets
from marketplace.datasets.releases import queries
from marketplace.datasets.releases.contributor_terms import write_contributor_term
from marketplace.datasets.releases.rules import DatasetTerms
from marketplace.datasets.releases.tables import Release
from marketplace.people.identity import actions as identity
from marketplace.privacy.series import expansion_micro
from pricing.quote import price
from tests.consent.builders import PURPOSE
from tests.datasets.builders import BANDS, LONG_AGO, RESOLUTION, ZONES, stated_days
from tests.people.builders import PASSWORD, Browser, make_partner
from tests.support.reads import fetch_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pricing.quote import PricedQuote

DAYS = 7
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
            "half_life_days": 30,
        }
        await datasets.define(DatasetTerms(code=code, purpose=PURPOSE, **stated | declared))
        await actions.list_offer(code, terms=TERMS, full_worth_minor=240_000, floor_minor=15_000, cap_minor=400_000)


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
    if by_day:
        terms = await queries.get_dataset(dataset)
        days = spread(await queries.get_specification(terms, row["period_from"], row["period_to"]), table)
    else:
        zones, latest = len(await queries.key_zones(dataset)), row["latest_event_at"]
        days = stated_days(row["period_from"], row["period_to"], row["row_count"], zones=zones, latest=latest)
    factor = {"expansion_micro": expansion_micro(row["population"], row["consenting"])}
    sealed = Release(**factor | days | row).to_dict()  # the ORM warns of lists as long as those of many zones
    await copy_in("release", [*sealed], [[*sealed.values()]])
    await execute("UPDATE dataset SET spent_micro = spent_micro + 2000000 WHERE code = $1", dataset)
    return release


async def make_vetted_partner(email: str = "claire@atelier.example", company: str = "Atelier") -> uuid.UUID:
    """Make a partner that may buy."""
    partner = await make_partner(company, email)
    await identity.vet_partner(partner, "Samir")
    return partner


DEARER = StatedOffer(TERMS, 480_000, 7, 15_000, 400_000)


OFFER_FIELDS = {"terms": TERMS, "full_worth": "4 800,00", "worth_days": "7", "floor": "150", "cap": "4000"}


async def sign_in_staff(*browsers: tuple[Browser, str]) -> None:
    for browser, role in browsers:
        await identity.add_staff(f"{role}@partage.example", role.title(), role, PASSWORD)
        await browser.sign_in(f"{role}@partage.example")


FORM_ID = "00000000-0000-4000-8000-000000000001"


PRICED_AT = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)


DAY = dt.timedelta(days=1)


SOME_ID = uuid.UUID(int=1)


RELEASE_FIGURES: dict[str, Any] = {
    "id": SOME_ID,
    "dataset": "city",
    "state": "sealed",
    "contributors": 1,
    "period_from": PRICED_AT - 9 * DAY,
    "period_to": PRICED_AT - 2 * DAY,
    "latest_event_at": PRICED_AT - 2 * DAY,
    "key_count": 700,
    "row_count": 700,
    "consenting": 100_000,
    "population": 100_000,
    "noise_variance_micro": 0,
    "consenting_by_band": [],
    "population_by_band": [],
    "median_cell_people": 1_000,
    "median_cell_population": 1_000,
}


OFFER_TERMS: dict[str, Any] = {
    "id": SOME_ID,
    "dataset": "city",
    "terms": "standard-1",
    "usage_right": "publish",
    "months": 12,
    "grain": "day",
    "currency": "EUR",
    "full_worth_minor": 10_000_000,
    "worth_days": 7,
    "floor_minor": 0,
    "cap_minor": 10**11,
    "half_life_days": 30,
    "demand_basis_points": 10_000,
    "promised_minor": 0,
}


def priced_release(figures: dict[str, Any]) -> rules.PricedRelease:
    """Return a release of these figures; unless they state its days, all is published in one step until its latest event."""
    all_of_it = RELEASE_FIGURES | figures
    start, end, cells, latest = (
        all_of_it[name] for name in ("period_from", "period_to", "row_count", "latest_event_at")
    )
    return msgspec.convert(stated_days(start, end, cells, zones=1, latest=latest) | all_of_it, rules.PricedRelease)


def price_of(
    figures: dict[str, Any], terms: dict[str, Any] | None = None, *, now: dt.datetime = PRICED_AT
) -> PricedQuote:
    """Return the price of a release of these figures on these terms."""
    release = priced_release(figures)
    offer = msgspec.convert(OFFER_TERMS | (terms or {}), rules.PricedOffer)
    return price(rules.price_inputs(release, offer, operator_basis_points=4_000, now=now))


def figures_of_days(*cells: int, last: int = 28) -> dict[str, Any]:
    """Return the figures of a release whose days publish so many of a hundred cells, the last ending on day `last`."""
    start = PRICED_AT - 30 * DAY + (last - len(cells)) * DAY
    return {
        "period_from": start,
        "period_to": start + len(cells) * DAY,
        "latest_event_at": start + max(at + 1 for at, each in enumerate(cells) if each) * DAY,
        "key_count": 100 * len(cells),
        "row_count": sum(cells),
        "hours_by_day": [24] * len(cells),
        "published_by_day": list(cells),
    }


async def list_offer(code: str, worth: int, *, floor: int = 1, **other: int) -> None:
    await actions.list_offer(
        code, terms="standard-1", full_worth_minor=worth, floor_minor=floor, cap_minor=10**11, **other
    )


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
