"""The demo's datasets and their offers: eight over two cities, by H3's cells and by the operator's own districts.

All of them together, with the history's panel, stay within a year's limit for a subscriber.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from marketplace.catalogue.licences.policies import Policy
from marketplace.catalogue.offers.rules import StatedOffer
from marketplace.catalogue.steward import actions as stewardship
from marketplace.datasets.geography.actions import define_zones
from marketplace.datasets.releases.rules import DatasetTerms
from marketplace.demo.city_layers import DISTRICTS, districts
from marketplace.demo.seed_people import STEWARD, get_staff
from marketplace.demo.synthetic_city import AGE_BANDS, GRENOBLE, LYON, RESOLUTION, TIME_ZONE, Town, public_zones
from marketplace.privacy.product_registry import DEFAULT_PRODUCT

BY_DAY: Final = "lyon-presence-day"
BY_HOUR: Final = "lyon-presence-hour"
BY_MONTH: Final = "lyon-presence-month"
DISTRICTS_BY_DAY: Final = "lyon-districts-day"
FLOWS: Final = "lyon-flows-day"
NIGHTS: Final = "lyon-nights"
GRENOBLE_BY_DAY: Final = "grenoble-presence-day"
GRENOBLE_BY_HOUR: Final = "grenoble-presence-hour"
TERMS: Final = "standard-1"
LENGTHS: Final = {"standard-1-short": 3, "standard-1-long": 36}
"""The same terms for another number of months."""
SHORT, LONG = LENGTHS
BY_LENGTH: Final = {BY_HOUR: (SHORT,), FLOWS: (SHORT, LONG), NIGHTS: (SHORT, LONG)}
"""The lengths for sale: figures that are old after three weeks are worth no more for three years than for one."""
DISTRICT_TABLE: Final = "lyon-districts"
DISTRICT_TITLES: Final = "Quartiers de Lyon", "Districts of Lyon"
MICRO: Final = 1_000_000


class DemoDataset(Struct, frozen=True):
    """A dataset to define and offer: what it counts, and a steward's terms of its price, in cents."""

    code: str
    title_fr: str
    title_en: str
    description_fr: str
    description_en: str
    worth_days: int
    full_worth_minor: int
    floor_minor: int
    cap_minor: int
    max_cells: int
    budget: int
    half_life_days: int
    town: Town = LYON
    grain: Literal["day", "hour"] = "day"
    product: str = DEFAULT_PRODUCT
    use: str = "statistics"
    max_events: int = 3
    epsilon: int = 2
    """The loss of one release; `budget` is that of all of them."""
    is_by_district: bool = False


DATASETS: Final = (
    DemoDataset(
        BY_DAY,
        "Présence par quartier et par jour — Lyon",
        "Presence by district and day — Lyon",
        "Combien de personnes distinctes sont vues dans chaque quartier de Lyon, chaque jour, par tranche d’âge.",
        "How many distinct people are seen in each district of Lyon, each day, by age band.",
        *(30, 500_000, 15_000, 400_000, 14, 52, 60),
    ),
    DemoDataset(
        BY_HOUR,
        "Présence par quartier et par heure — Lyon",
        "Presence by district and hour — Lyon",
        "Le pouls de Lyon : combien de personnes distinctes sont vues dans chaque quartier, heure par heure.",
        "The pulse of Lyon: how many distinct people are seen in each district, hour by hour.",
        *(30, 3_500_000, 20_000, 600_000, 6, 104, 21),
        grain="hour",
    ),
    DemoDataset(
        BY_MONTH,
        "Présence par quartier, un jour par mois — Lyon",
        "Presence by district, one day a month — Lyon",
        "Combien de personnes distinctes du panel sont vues dans chaque quartier de Lyon, un jour par mois.",
        "How many distinct people of the panel are seen in each district of Lyon, on one day a month.",
        *(1, 600_000, 6_000, 150_000, 2, 96, 60),
        use="panel",
        epsilon=1,
    ),
    DemoDataset(
        DISTRICTS_BY_DAY,
        "Présence par arrondissement — Lyon et Villeurbanne",
        "Presence by arrondissement — Lyon and Villeurbanne",
        "Combien de personnes distinctes sont vues chaque jour dans chaque arrondissement de Lyon et à Villeurbanne.",
        "How many distinct people are seen each day in each arrondissement of Lyon, and in Villeurbanne.",
        *(30, 420_000, 12_000, 300_000, 10, 52, 60),
        is_by_district=True,
    ),
    DemoDataset(
        FLOWS,
        "Flux entre arrondissements — Lyon et Villeurbanne",
        "Flows between arrondissements — Lyon and Villeurbanne",
        "Combien de personnes passent d’un arrondissement à un autre chaque jour : qui travaille, sort ou habite où.",
        "How many people go from one arrondissement to another each day: who works, goes out or lives where.",
        *(30, 900_000, 18_000, 500_000, 7, 52, 60),
        product="flows",
        is_by_district=True,
    ),
    DemoDataset(
        NIGHTS,
        "Nuitées par arrondissement — Lyon et Villeurbanne",
        "Nights spent by arrondissement — Lyon and Villeurbanne",
        "Combien de personnes passent la nuit dans chaque arrondissement : habitants et visiteurs, chaque nuit.",
        "How many people spend the night in each arrondissement: residents and visitors, every night.",
        *(30, 600_000, 12_000, 300_000, 7, 52, 90),
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
        *(30, 220_000, 9_000, 200_000, 14, 52, 60),
        town=GRENOBLE,
    ),
    DemoDataset(
        GRENOBLE_BY_HOUR,
        "Présence par quartier et par heure — Grenoble",
        "Presence by district and hour — Grenoble",
        "Le rythme de Grenoble : combien de personnes distinctes sont vues dans chaque quartier, heure par heure.",
        "The rhythm of Grenoble: how many distinct people are seen in each district, hour by hour.",
        *(30, 3_000_000, 12_000, 300_000, 6, 104, 21),
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
        half_life_days=dataset.half_life_days,
        time_zone=TIME_ZONE,
    )


async def offer_datasets() -> None:
    """Store the operator's zones, define the datasets, state licence terms and offer all under them; once."""
    steward = await get_staff(STEWARD)
    await define_zones(DISTRICT_TABLE, districts(), by=steward.name, titles=DISTRICT_TITLES)
    await stewardship.state_terms(steward, TERMS, Policy("publish", 12))
    for code, months in LENGTHS.items():
        await stewardship.state_terms(steward, code, Policy("publish", months))
    for one in DATASETS:
        await stewardship.define_dataset(steward, terms_of(one))
        offer = StatedOffer(TERMS, one.full_worth_minor, one.worth_days, one.floor_minor, one.cap_minor)
        await stewardship.make_offer(steward, one.code, offer)
        if one.code in BY_LENGTH:
            await stewardship.set_lengths(steward, one.code, BY_LENGTH[one.code])
