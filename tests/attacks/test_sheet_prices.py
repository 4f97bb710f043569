"""A hostile partner before a price sheet: overlaps, editions, parts, short licences, waiting, new versions, a quote's sums.

The theorems are proved in `tests/pricing/test_order.py`; here the product is asked, with its tables, jobs and clocks.
"""

import datetime as dt
import json
import uuid
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from marketplace.catalogue.offers import actions
from marketplace.catalogue.offers.queries import find_listed_release, get_quote, list_priced_releases
from marketplace.catalogue.offers.signed_quotes import recompute
from marketplace.catalogue.offers.stated import count_published, state_sheet
from marketplace.catalogue.sheets import actions as sheets
from marketplace.catalogue.sheets.rules import Document
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.instants import full_hour, months_later
from marketplace.datasets.releases import actions as datasets
from marketplace.datasets.releases.queries import get_release
from marketplace.oversight.public_log.queries import list_hidden
from marketplace.people.identity.actors import Actor
from marketplace.privacy.geography import H3
from marketplace.privacy.key_set import area_of
from marketplace.sales.orders import actions as purchases
from pricing.log.verdicts import contradictions
from pricing.measure import Hours
from pricing.order import later
from pricing.sheet import Consent, Figures, points_of
from tests.catalogue.builders import (
    TERMS,
    charge_at_least,
    last_midnight,
    make_vetted_partner,
    open_catalogue,
    put_on_sale,
    seal_week,
    sheet_document,
)
from tests.datasets.builders import BANDS, PERIOD, RESOLUTION, ZONES, crowd, declare, make_subscribers, write
from tests.people.builders import spender_for
from tests.support.reads import fetch_value

STEWARD = Actor(name="Samir", role="steward")
DAY = dt.timedelta(days=1)
WEST, EAST = ([zone for zone in ZONES if area_of(zone) == area] for area in sorted({area_of(zone) for zone in ZONES}))
MARKET: dict[str, Any] = {
    "product": "presence",
    "grain": "day",
    "zone_table": None,
    "h3_resolution": RESOLUTION,
    "titles": ("Présence", "Presence"),
    "currency": "EUR",
}


def cells_of(zones: Sequence[str], *, days: int = 7, seed: int = 1, published: float = 0.7) -> list[dict[str, Any]]:
    """Return a week's cells, of which some are withheld; the same of a zone in every dataset that has it."""
    start, found = last_midnight() - 7 * DAY, []
    for zone in zones:
        of_zone = np.random.default_rng([seed, int(zone, 16)])
        found += [
            {"zone": zone, "starts_at": start + day * DAY, "segment": band, "people": 130, "events": 300}
            for day in range(days)
            for band in BANDS
            if of_zone.random() < published
        ]
    return found


async def open_market(**zones: list[str]) -> dict[str, uuid.UUID]:
    """Open datasets of these zones on the sheet of one market, each with a week; return their releases.

    Zones differ in weight, and those of each area have a demand group of their own.
    """
    for code, of in zones.items():
        await open_catalogue(code, zones=of)
    await charge_at_least(1)
    await sheets.define_sheet("market", **MARKET)
    await state_sheet(
        "market", await document(max(zones, key=lambda code: len(zones[code]))), STEWARD, version=uuid.uuid4()
    )
    releases = {}
    for code, of in zones.items():
        await actions.list_offer(code, terms=TERMS, sheet="market")
        areas = len({area_of(zone) for zone in of})
        people = {"consenting": 3_000 * areas, "population": 5_000 * areas}
        releases[code] = await seal_week(code, rows=cells_of(of), by_day=True, **people)
    return releases


async def document(code: str, *, worth_minor: int = 9_000_000) -> Document:
    """Return a sheet of a dataset's zones, which differ in weight."""
    alike = await sheet_document(code, worth_minor=worth_minor)
    zones = {
        zone: (60 + 7 * (at % 13), people, area, f"area {area[-8:]}")
        for at, (zone, (_, people, area, _)) in enumerate(alike.zones.items())
    }
    return replace(alike, zones=zones)


async def price_at(release: uuid.UUID, now: dt.datetime | None = None) -> int:
    """Return a release's price, of now or of a later instant."""
    [row] = await list_priced_releases([release])
    return (await actions.price_now(row, now=now or clock.now())).amount_minor


async def test_no_two_datasets_of_a_market_undercut_the_one_that_has_the_zones_of_both() -> None:
    """At any instant to come, and a part never costs more than its whole."""
    releases = await open_market(city=list(ZONES), west=WEST, east=EAST)
    now = clock.now()
    for days in (0, 1, 40, 200):
        with clock.shifted(days * DAY):
            city, west, east = [await price_at(release, now + days * DAY) for release in releases.values()]
        assert max(west, east) <= city <= west + east <= city + 1, days
        assert city > 10


async def test_a_figure_costs_the_same_in_each_dataset_that_has_it() -> None:
    releases = await open_market(city=list(ZONES), again=list(ZONES))
    assert await price_at(releases["city"]) == await price_at(releases["again"])


async def test_two_poorer_datasets_of_the_same_zones_never_cost_less_than_the_better_one() -> None:
    """Half of the people each, or twice the noise each: two together say at most as much as the one."""
    zones = list(ZONES)
    await open_market(better=zones, one=zones, two=zones)
    own = {"rows": cells_of(zones), "by_day": True}
    people: dict[str, Any] = {"population": 10_000}
    better = await seal_week("better", consenting=4_000, noise_variance_micro=90_000_000, **people, **own)
    for poorer in (
        {"consenting": 2_000, "noise_variance_micro": 90_000_000},
        {"consenting": 4_000, "noise_variance_micro": 180_000_000},
    ):
        pair = [await seal_week(code, **poorer, **people, **own) for code in ("one", "two")]
        each = [await price_at(release) for release in pair]
        assert max(each) < await price_at(better) <= sum(each), poorer


async def test_an_edition_never_costs_more_than_a_finer_one(tmp_path: Any) -> None:
    await declare(edition_multiples=[4, 16])
    await make_subscribers(range(1, 301))
    await actions.define_terms(TERMS, months=12, lines_fr="a\nb\nc\nd\ne", lines_en="v\nw\nx\ny\nz")
    await put_on_sale("lyon", terms=TERMS, worth_minor=90_000_000, least_minor=1)
    files = write(tmp_path, crowd(300), range(1, 301))
    release = await datasets.build("lyon", **files, **PERIOD, allow=count_published)
    assert (await get_release(release)).state == "sealed"
    row = await find_listed_release(release)
    assert row
    editions = await actions.editions_now(row, now=clock.now())
    assert [one.level for one in editions] == [0, 1, 2]
    prices = [one.priced.amount_minor for one in editions]
    assert prices[0] > prices[1] > prices[2] > 1
    partner = await make_vetted_partner()
    for level, amount in enumerate(prices):
        quote = await actions.quote(partner, release, quote_id=uuid.uuid4(), level=level)
        assert (await get_quote(quote, partner)).amount_minor == amount


async def test_a_short_licence_and_then_another_cost_no_less_than_the_long_one() -> None:
    """Renewed on the day that it ends, at the price of that day."""
    releases = await open_market(city=list(ZONES))
    [row], now = await list_priced_releases([releases["city"]]), clock.now()

    async def by_months(at: dt.datetime) -> dict[int, int]:
        with clock.shifted(at - now):
            prices = [(months, await actions.prices_for([row], months=months, now=at)) for months in (1, 6, 11, 12)]
        return {months: priced.amount_minor for months, found in prices for _, priced in found.values()}

    today = await by_months(now)
    assert list(today.values()) == sorted(set(today.values())), "a longer one costs more"
    for first, second in ((1, 11), (6, 6), (11, 1)):
        then = await by_months(months_later(full_hour(now), first))
        assert today[12] <= today[first] + then[second] <= today[12] + 2, (first, second)


async def test_a_week_of_waiting_gains_three_in_a_hundred_at_most() -> None:
    """Demand was posted above all that can be drawn, so that it falls as fast as it may."""
    release = (await open_market(city=list(ZONES)))["city"]
    [row], now, posted = await list_priced_releases([release]), clock.now(), 30_000
    await execute(
        """INSERT INTO demand_draw (id, sheet, day, demand_basis_points, drawn_at, sales, days, bids)
           VALUES ($1, 'market', $2, $3, $4, 0, 0, 0)""",
        uuid.uuid4(),
        now.date(),
        posted,
        now,
    )
    today = await actions.price_now(row, now=now)
    assert set(today.lots[0].terms.demand.values()) == {posted}
    multipliers = []
    for days in range(1, 22):
        with clock.shifted(days * DAY):
            priced = await actions.price_now(row, now=now + days * DAY)
        [multiplier] = set(priced.lots[0].terms.demand.values())
        multipliers.append(multiplier)
        as_today = later(today, days * 24).amount_minor
        assert priced.amount_minor >= Fraction(10_000, 10_300) ** (days // 7) * (as_today - 1) - 1, days
    assert multipliers[-1] < 0.92 * posted, "it fell each week"


@pytest.mark.usefixtures("stripe")
async def test_a_version_stated_between_quote_and_payment_keeps_the_signed_price() -> None:
    release = (await open_market(city=list(ZONES)))["city"]
    partner, form = await make_vetted_partner(), uuid.uuid4()
    quote = await get_quote(await actions.quote(partner, release, quote_id=form), partner)
    await state_sheet("market", await document("city", worth_minor=18_000_000), STEWARD, version=uuid.uuid4())
    await charge_at_least(2)
    assert abs(await price_at(release) - 2 * quote.amount_minor) <= 2, "everyone who asks now pays the new price"
    assert await actions.quote(partner, release, quote_id=form) == form
    kept = await get_quote(form, partner)
    assert (kept.document, kept.amount_minor) == (quote.document, quote.amount_minor)
    assert recompute(kept).amount_minor == quote.amount_minor
    await purchases.order(
        partner, form, by=await spender_for(partner), order_id=uuid.uuid4(), email="claire@atelier.example"
    )
    assert await fetch_value("SELECT net_minor FROM purchase_order") == quote.amount_minor
    dearer = await get_quote(await actions.quote(partner, release, quote_id=uuid.uuid4()), partner)
    offer = str(await fetch_value("SELECT id FROM offer"))
    of_today = [json.loads(stated.document) for stated in await list_hidden("price_inputs", offer)]
    for signed in (quote, dearer):
        price = json.loads(signed.document)["price"]
        assert any(not contradictions("it", price, logged) for logged in of_today), "the log has what it was priced by"


async def test_a_version_that_starts_later_today_is_in_the_log_before_it_prices_anything() -> None:
    release = (await open_market(city=list(ZONES)))["city"]
    partner, now = await make_vetted_partner(), clock.now()
    soon = min(now + dt.timedelta(hours=1), last_midnight() + DAY - dt.timedelta(seconds=2))
    await price_at(release)
    await state_sheet(
        "market", await document("city", worth_minor=18_000_000), STEWARD, version=uuid.uuid4(), starts_at=soon
    )
    with clock.shifted(soon - now):
        quote = await get_quote(await actions.quote(partner, release, quote_id=uuid.uuid4()), partner)
    stated = [
        json.loads(one.document) for one in await list_hidden("price_inputs", json.loads(quote.document)["offer"])
    ]
    price = json.loads(quote.document)["price"]
    assert any(not contradictions("it", price, logged) for logged in stated)


AREA = sorted(H3.below(area_of(ZONES[0]), RESOLUTION))
"""All zones of an area, as a dataset on sale has them."""


def count_subsets(points: Sequence[int], total: int, number: int) -> float:
    """Return how many subsets of so many figures have so many points."""
    ways = np.zeros((number + 1, total + 1))
    ways[0, 0] = 1
    for each in points:
        ways[1:, each:] += ways[:-1, : total + 1 - each].copy()
    return float(ways[number, total])


async def test_a_quote_says_points_by_day_and_group_and_no_sum_of_them_names_what_is_withheld() -> None:
    """Anyone who has the sheet and a release's metadata knows the points of each figure, were it published."""
    release = (await open_market(city=AREA))["city"]
    partner = await make_vetted_partner()
    quote = await get_quote(await actions.quote(partner, release, quote_id=uuid.uuid4()), partner)
    text = quote.document.decode()
    assert not any(zone in text for zone in AREA)
    [lot] = json.loads(text)["price"]["lots"]
    _, terms, _, (spans, stages) = lot
    assert set(terms) == {"sheet", "worth_micro", "half_life_hours", "rights", "purposes", "demand"}
    stated = await document("city")
    assert {group for *_, group, _ in spans} == set(stated.groups)
    assert (len(spans), len(stages)) == (7 * len(stated.groups), 5)

    row = await get_release(release)
    of_one = await one_by_one(stated, row.consenting, row.population, row.noise_variance_micro)
    figures = sorted(of_one)
    cells = cells_of(AREA)
    first = min(cell["starts_at"] for cell in cells)
    published = {(cell["zone"], cell["segment"]) for cell in cells if cell["starts_at"] == first}
    total = spans[0][-1]
    assert total == sum(of_one[figure] for figure in published), "the attacker's figures are right"
    assert 20 < len(published) < len(figures) - 20
    points = [of_one[figure] for figure in figures]
    everything = count_subsets(points, total, len(published))
    assert everything > 10**9
    for figure in (figures[0], figures[-1], min(published), min(set(figures) - published)):
        others = [of_one[one] for one in figures if one != figure]
        without = count_subsets(others, total, len(published))
        assert 0.02 < without / everything < 0.98, "it may be withheld, and it may be published"


async def test_no_version_gives_another_sum_of_what_is_published() -> None:
    """With other weights for the same figures, a handful of sums would name the withheld ones."""
    release = (await open_market(city=AREA))["city"]
    [row] = await list_priced_releases([release])
    before = (await actions.price_now(row, now=clock.now())).lots[0].points
    stated = await document("city")
    for seed in range(3):
        weights = np.random.default_rng(seed).integers(50, 150, len(stated.zones)).tolist()
        zones = {
            zone: (weight, 2 * people, area, f"{group} {seed}")
            for weight, (zone, (_, people, area, group)) in zip(weights, stated.zones.items(), strict=True)
        }
        other = replace(stated, zones=zones, prior_observations=10 + seed)
        await state_sheet("market", other, STEWARD, version=uuid.uuid4())
        assert (await actions.price_now(row, now=clock.now())).lots[0].points == before


async def one_by_one(
    stated: Document, consenting: int, population: int, noise_micro: int
) -> dict[tuple[str, str], int]:
    """Return the points that each figure has where it is published, by public constants and the release's own figures."""
    figures = [(zone, band) for zone in stated.zones for band in stated.segments]
    found: dict[tuple[str, str], int] = {}
    for figure in figures:
        counted = points_of(
            stated.sheet(),
            Figures(
                days=[Hours(0, 24)],
                steps=1,
                published={figure: [1]},
                zones=frozenset(stated.zones),
                consent={area_of(AREA[0]): Consent(consenting, population)},
                bands=((consenting // len(BANDS), population // len(BANDS)),) * len(BANDS),
                noise_micro=noise_micro,
            ),
        )
        found[figure] = counted.spans[0].points
    return found
