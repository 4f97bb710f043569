"""The demo's datasets and their offers: eight over two cities, by H3's cells and by the operator's own districts.

All of them together, with the history's panel, stay within a year's limit for a subscriber.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from marketplace.catalogue.licences.policies import Policy
from marketplace.catalogue.offers.stated import state_sheet
from marketplace.catalogue.sheets import rules
from marketplace.catalogue.steward import actions as stewardship
from marketplace.catalogue.steward import sheet_actions as markets
from marketplace.consent.vocabulary import PURPOSES
from marketplace.datasets.geography.actions import define_zones
from marketplace.datasets.releases.rules import DatasetTerms
from marketplace.demo.city_layers import DISTRICTS, districts
from marketplace.demo.seed_people import STEWARD, get_staff
from marketplace.demo.synthetic_city import AGE_BANDS, GRENOBLE, LYON, RESOLUTION, TIME_ZONE, Town, public_zones
from marketplace.privacy.geography import H3
from marketplace.privacy.key_set import area_of
from marketplace.privacy.product_registry import DEFAULT_PRODUCT, PRODUCTS
from pricing.money import EUR
from pricing.sheet import Law

if TYPE_CHECKING:
    from marketplace.people.identity.actors import Actor

BY_DAY: Final = "lyon-presence-day"
BY_HOUR: Final = "lyon-presence-hour"
BY_MONTH: Final = "lyon-presence-month"
DISTRICTS_BY_DAY: Final = "lyon-districts-day"
FLOWS: Final = "lyon-flows-day"
NIGHTS: Final = "lyon-nights"
GRENOBLE_BY_DAY: Final = "grenoble-presence-day"
GRENOBLE_BY_HOUR: Final = "grenoble-presence-hour"
PRESENCE_DAY: Final = "presence-day"
PRESENCE_HOUR: Final = "presence-hour"
PANEL: Final = "panel-day"
DISTRICT_DAY: Final = "district-day"
FLOWS_DAY: Final = "flows-day"
STAYS: Final = "stays-day"
TERMS: Final = "standard-1"
DISTRICT_TABLE: Final = "lyon-districts"
DISTRICT_TITLES: Final = "Quartiers de Lyon", "Districts of Lyon"
MICRO: Final = 1_000_000


class DemoDataset(Struct, frozen=True):
    """A dataset to define and offer: what it counts, and the sheet of its market."""

    code: str
    title_fr: str
    title_en: str
    description_fr: str
    description_en: str
    max_cells: int
    budget: int
    sheet: str
    town: Town = LYON
    grain: Literal["day", "hour"] = "day"
    product: str = DEFAULT_PRODUCT
    use: str = "statistics"
    max_events: int = 3
    epsilon: int = 2
    """The loss of one release; `budget` is that of all of them."""
    is_by_district: bool = False


class DemoSheet(Struct, frozen=True):
    """What a figure of a market is worth: a perfect one for a day, new, with every right and for good, in cents."""

    code: str
    title_fr: str
    title_en: str
    figure_minor: int
    half_life_days: int
    weight: int = 100
    """Points of a perfect figure of a zone; of a pair, the product of both zones'."""


SHEETS: Final = (
    DemoSheet(PRESENCE_DAY, "Présence par jour", "Presence by day", 90, 60),
    DemoSheet(PRESENCE_HOUR, "Présence par heure", "Presence by hour", 27, 21),
    DemoSheet(PANEL, "Présence du panel", "Presence of the panel", 3_200, 60),
    DemoSheet(DISTRICT_DAY, "Présence par arrondissement", "Presence by arrondissement", 700, 60),
    DemoSheet(FLOWS_DAY, "Flux par jour", "Flows by day", 330, 60, 10),
    DemoSheet(STAYS, "Nuitées", "Nights spent", 1_000, 90),
)
VOLUME: Final = Law(currency=EUR, volume=((0, 10_000), (200_000, 8_500), (1_000_000, 6_000)), least_minor=9_000)
RATES: Final = {"internal": 6_000, "publish": 8_000}
ONE_PURPOSE: Final = 4_000
"""The rate of a licence for one purpose alone, in basis points."""
INHABITANTS: Final = {LYON.name: 120_000, GRENOBLE.name: 30_000}
DATASETS: Final = (
    DemoDataset(
        BY_DAY,
        "Présence par quartier et par jour — Lyon",
        "Presence by district and day — Lyon",
        "Combien de personnes distinctes sont vues dans chaque quartier de Lyon, chaque jour, par tranche d’âge.",
        "How many distinct people are seen in each district of Lyon, each day, by age band.",
        *(14, 52, PRESENCE_DAY),
    ),
    DemoDataset(
        BY_HOUR,
        "Présence par quartier et par heure — Lyon",
        "Presence by district and hour — Lyon",
        "Le pouls de Lyon : combien de personnes distinctes sont vues dans chaque quartier, heure par heure.",
        "The pulse of Lyon: how many distinct people are seen in each district, hour by hour.",
        *(6, 104, PRESENCE_HOUR),
        grain="hour",
    ),
    DemoDataset(
        BY_MONTH,
        "Présence par quartier, un jour par mois — Lyon",
        "Presence by district, one day a month — Lyon",
        "Combien de personnes distinctes du panel sont vues dans chaque quartier de Lyon, un jour par mois.",
        "How many distinct people of the panel are seen in each district of Lyon, on one day a month.",
        *(2, 96, PANEL),
        use="panel",
        epsilon=1,
    ),
    DemoDataset(
        DISTRICTS_BY_DAY,
        "Présence par arrondissement — Lyon et Villeurbanne",
        "Presence by arrondissement — Lyon and Villeurbanne",
        "Combien de personnes distinctes sont vues chaque jour dans chaque arrondissement de Lyon et à Villeurbanne.",
        "How many distinct people are seen each day in each arrondissement of Lyon, and in Villeurbanne.",
        *(10, 52, DISTRICT_DAY),
        is_by_district=True,
    ),
    DemoDataset(
        FLOWS,
        "Flux entre arrondissements — Lyon et Villeurbanne",
        "Flows between arrondissements — Lyon and Villeurbanne",
        "Combien de personnes passent d’un arrondissement à un autre chaque jour : qui travaille, sort ou habite où.",
        "How many people go from one arrondissement to another each day: who works, goes out or lives where.",
        *(7, 52, FLOWS_DAY),
        product="flows",
        is_by_district=True,
    ),
    DemoDataset(
        NIGHTS,
        "Nuitées par arrondissement — Lyon et Villeurbanne",
        "Nights spent by arrondissement — Lyon and Villeurbanne",
        "Combien de personnes passent la nuit dans chaque arrondissement : habitants et visiteurs, chaque nuit.",
        "How many people spend the night in each arrondissement: residents and visitors, every night.",
        *(7, 52, STAYS),
        product="stays",
        max_events=1,
        is_by_district=True,
    ),
    DemoDataset(
        GRENOBLE_BY_DAY,
        "Présence par quartier et par jour — Grenoble",
        "Presence by district and day — Grenoble",
        "Combien de personnes distinctes sont vues dans chaque quartier de Grenoble, chaque jour, par tranche d’âge.",
        "How many distinct people are seen in each district of Grenoble, each day, by age band.",
        *(14, 52, PRESENCE_DAY),
        town=GRENOBLE,
    ),
    DemoDataset(
        GRENOBLE_BY_HOUR,
        "Présence par quartier et par heure — Grenoble",
        "Presence by district and hour — Grenoble",
        "Le rythme de Grenoble : combien de personnes distinctes sont vues dans chaque quartier, heure par heure.",
        "The rhythm of Grenoble: how many distinct people are seen in each district, hour by hour.",
        *(6, 104, PRESENCE_HOUR),
        town=GRENOBLE,
        grain="hour",
    ),
)


def terms_of(dataset: DemoDataset) -> DatasetTerms:
    """Return the declaration of a dataset."""
    zones = sorted(code for code, _ in DISTRICTS.values()) if dataset.is_by_district else public_zones(dataset.town)
    return DatasetTerms(
        code=dataset.code,
        purpose=f"presence.{dataset.use}",
        title_fr=dataset.title_fr,
        title_en=dataset.title_en,
        description_fr=dataset.description_fr,
        description_en=dataset.description_en,
        area=dataset.town.name,
        zones=list(zones),
        zone_table=DISTRICT_TABLE if dataset.is_by_district else None,
        age_bands=list(AGE_BANDS),
        h3_resolution=1 if dataset.is_by_district else RESOLUTION,
        product=dataset.product,
        grain=dataset.grain,
        max_cells=dataset.max_cells,
        max_events=dataset.max_events,
        epsilon_micro=dataset.epsilon * MICRO,
        budget_micro=dataset.budget * MICRO,
        time_zone=TIME_ZONE,
    )


def sheet_of(sheet: DemoSheet) -> rules.Document:
    """Return a market's sheet: all zones of a town weigh the same, and have the same part of its inhabitants."""
    zones: dict[str, tuple[int, int, str, str]] = {}
    of_sheet = [one for one in DATASETS if one.sheet == sheet.code]
    for one in of_sheet:
        terms = terms_of(one)
        people = max(INHABITANTS[one.town.name] // len(terms.zones), 1)
        areas = {zone: DISTRICT_TABLE if terms.zone_table else area_of(zone, H3) for zone in terms.zones}
        zones |= {zone: (sheet.weight, people, area, one.town.name) for zone, area in areas.items()}
    segments = PRODUCTS[of_sheet[0].product].segments or AGE_BANDS
    between = PRODUCTS[of_sheet[0].product].is_between_zones
    return rules.Document(
        zones=zones,
        segments={segment: (1, MICRO // len(segments)) for segment in segments},
        worth_micro=sheet.figure_minor * MICRO // (sheet.weight ** (2 if between else 1)),
        half_life_hours=sheet.half_life_days * 24,
        rights=RATES,
        purposes=dict.fromkeys(PURPOSES, ONE_PURPOSE),
    )


async def state_sheets(steward: Actor) -> None:
    """State the sheet of each market and the law of volume; once."""
    await markets.state_law(steward, VOLUME, law_id=uuid.uuid5(uuid.NAMESPACE_URL, "demo volume"))
    for sheet in SHEETS:
        counted = next(one.code for one in DATASETS if one.sheet == sheet.code)
        titles = sheet.title_fr, sheet.title_en
        await markets.define_market(steward, sheet.code, dataset=counted, titles=titles, currency=EUR)
        version = uuid.uuid5(uuid.NAMESPACE_URL, f"demo sheet {sheet.code}")
        await state_sheet(sheet.code, sheet_of(sheet), steward, version=version)


async def offer_datasets() -> None:
    """Store the operator's zones, define the datasets, state licence terms and offer all under them; once."""
    steward = await get_staff(STEWARD)
    await define_zones(DISTRICT_TABLE, districts(), by=steward.name, titles=DISTRICT_TITLES)
    await stewardship.state_terms(steward, TERMS, Policy("publish", 12))
    for one in DATASETS:
        await stewardship.define_dataset(steward, terms_of(one))
    await state_sheets(steward)
    for one in DATASETS:
        await stewardship.make_offer(steward, one.code, terms=TERMS, sheet=one.sheet)
