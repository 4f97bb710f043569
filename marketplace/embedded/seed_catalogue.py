"""The demo's catalogue: three purposes with the consent given for them, three datasets, their releases and their offers."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from msgspec import Struct

from marketplace.catalogue.menu import audit_published
from marketplace.catalogue.rules import StatedOffer
from marketplace.consent.queries import list_notices
from marketplace.database import fetch_scalar
from marketplace.datasets import actions as datasets
from marketplace.datasets.queries import find_latest_release
from marketplace.datasets.rules import DatasetTerms
from marketplace.embedded.seed_people import STEWARD, get_staff
from marketplace.embedded.synthetic_city import AGE_BANDS, NAME, RESOLUTION, TIME_ZONE
from marketplace.licensing.policies import Policy
from marketplace.local_time import midnight
from marketplace.operators.consent_files import import_consents
from marketplace.stewardship import actions as stewardship

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from marketplace.embedded.synthetic_city import City
    from marketplace.progress import ReportProgress

SHARE_CONSENTING: Final = 0.62
"""Of those who are asked, for the first purpose and the panel's; half of it for research."""
PANEL: Final = 8_000
"""How many people are asked to join the panel: those with the lowest references."""
BY_DAY: Final = "lyon-presence-day"
BY_HOUR: Final = "lyon-presence-hour"
BY_MONTH: Final = "lyon-presence-month"
TERMS: Final = "standard-1"
NAMESPACE: Final = uuid.UUID("a0a52f3f-0a0e-4d0c-9f63-6f7a1a0b8f3e")


class DemoPurpose(Struct, frozen=True):
    """A use of presence data that subscribers are asked to consent to."""

    use: str
    dpv: str
    """Its name in the Data Privacy Vocabulary."""
    title_fr: str
    title_en: str
    text_fr: str
    text_en: str


class DemoRelease(Struct, frozen=True):
    """A release to build: of a dataset, over a half-open period."""

    dataset: str
    period_from: dt.datetime
    period_to: dt.datetime


def release_of(dataset: str, first: dt.date, days: int) -> DemoRelease:
    """Return the release of a dataset over so many days of the city, from the first on."""
    start, end = (midnight(first + dt.timedelta(days=day), TIME_ZONE) for day in (0, days))
    return DemoRelease(dataset, start, end)


PURPOSES: Final = (
    DemoPurpose(
        use="statistics",
        dpv="ImproveTransportMobility",
        title_fr="Statistiques de présence",
        title_en="Presence statistics",
        text_fr=(
            "Nous comptons combien de personnes se trouvent dans chaque quartier, heure par heure. Les chiffres sont rendus "
            "imprécis exprès et les petits nombres ne sont jamais montrés : personne ne peut y reconnaître qui que ce soit. "
            "Des partenaires achètent ces chiffres pour planifier des transports, des commerces ou des secours ; une part "
            "du prix vous revient."
        ),
        text_en=(
            "We count how many people are in each district, hour by hour. The figures are blurred on purpose and small "
            "numbers are never shown: nobody can be recognised in them. Partners buy these figures to plan transport, shops "
            "or emergency services; a part of the price is yours."
        ),
    ),
    DemoPurpose(
        use="research",
        dpv="ScientificResearch",
        title_fr="Recherche publique",
        title_en="Public research",
        text_fr=(
            "Des universités utilisent les mêmes chiffres pour étudier la ville : bruit, chaleur, épidémies. Elles ne "
            "paient rien, et vous ne touchez rien pour cet usage."
        ),
        text_en=(
            "Universities use the same figures to study the city: noise, heat, epidemics. They pay nothing, and this use "
            "earns you nothing."
        ),
    ),
    DemoPurpose(
        use="panel",
        dpv="ImprovePublicServices",
        title_fr="Panel mensuel",
        title_en="Monthly panel",
        text_fr=(
            "Un jour par mois, nous comptons combien de membres du panel sont vus dans chaque quartier, avec les mêmes "
            "protections. Le panel montre comment la ville change d’un mois à l’autre ; une part de chaque vente vous revient."
        ),
        text_en=(
            "On one day a month we count how many members of the panel are seen in each district, with the same "
            "protections. The panel shows how the city changes from month to month; a part of every sale is yours."
        ),
    ),
)
STATISTICS, RESEARCH, MONTHLY_PANEL = range(3)

MONTHLY_EPSILON_MICRO = 1_000_000
"""Half of the others' loss a release: twelve of them and theirs stay within what a subscriber's year may cost."""


def draw_consenting(city: City, *, seed: int, purpose: int) -> NDArray[np.int64]:
    """Return the lines, ascending, that consent to a purpose of `PURPOSES`, by its place there."""
    asked = city.references[:PANEL] if purpose == MONTHLY_PANEL else city.references
    share = SHARE_CONSENTING / 2 if purpose == RESEARCH else SHARE_CONSENTING
    return asked[np.random.default_rng(seed + purpose).random(len(asked)) < share]


async def record_consent(city: City, *, seed: int) -> None:
    """Define the purposes, publish their notices, and bring who consents, as an operator brings it from its contracts."""
    steward = await get_staff(STEWARD)
    for number, wanted in enumerate(PURPOSES):
        code = f"presence.{wanted.use}"
        if not await fetch_scalar(int, "SELECT count(*) FROM notice WHERE purpose = $1", code):
            await stewardship.define_purpose(
                steward, "presence", wanted.use, title_fr=wanted.title_fr, title_en=wanted.title_en
            )
            await stewardship.name_purpose(steward, code, wanted.dpv)
            await stewardship.publish_notice(
                steward,
                code,
                text_fr=wanted.text_fr,
                text_en=wanted.text_en,
                asks_anew=False,
                notice=uuid.uuid5(NAMESPACE, code),
            )
        if not await fetch_scalar(int, "SELECT count(*) FROM consent_record WHERE purpose = $1", code):
            [notice] = await list_notices(code)
            file = city.subscribers.with_name(f"{code}.parquet")
            lines = draw_consenting(city, seed=seed, purpose=number)
            await asyncio.to_thread(_write_consents, file, code, lines, notice.published_at)
            await import_consents(str(file))


def _write_consents(file: Path, purpose: str, lines: NDArray[np.int64], at: dt.datetime) -> None:
    """Write that these lines consent to a purpose under its first notice, since an instant."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    same: dict[str, Any] = {"purpose": purpose, "notice_version": 1, "word": "given", "at": at, "channel": "contract"}
    columns = {name: pa.repeat(pa.scalar(value), len(lines)) for name, value in same.items()}
    pq.write_table(pa.table({"reference": lines} | columns), file)


async def define_datasets(city: City) -> None:
    """Define the three datasets; defined already, nothing changes."""
    shared: dict[str, Any] = {
        "area": NAME,
        "zones": list(city.zones),
        "age_bands": list(AGE_BANDS),
        "h3_resolution": RESOLUTION,
        "max_events": 3,
        "epsilon_micro": 2_000_000,
        "time_zone": TIME_ZONE,
    }
    by_day = DatasetTerms(
        code=BY_DAY,
        purpose="presence.statistics",
        title_fr="Présence par quartier et par jour — Lyon",
        title_en="Presence by district and day — Lyon",
        description_fr=(
            "Combien de personnes distinctes sont vues dans chaque quartier de Lyon, chaque jour, par tranche d’âge."
        ),
        description_en="How many distinct people are seen in each district of Lyon, each day, by age band.",
        grain="day",
        max_cells=14,
        budget_micro=52_000_000,
        half_life_days=60,
        **shared,
    )
    by_hour = DatasetTerms(
        code=BY_HOUR,
        purpose="presence.statistics",
        title_fr="Présence par quartier et par heure — Lyon",
        title_en="Presence by district and hour — Lyon",
        description_fr=(
            "Le pouls de Lyon : combien de personnes distinctes sont vues dans chaque quartier, heure par heure."
        ),
        description_en="The pulse of Lyon: how many distinct people are seen in each district, hour by hour.",
        grain="hour",
        max_cells=6,
        budget_micro=104_000_000,
        half_life_days=21,
        **shared,
    )
    by_month = DatasetTerms(
        code=BY_MONTH,
        purpose="presence.panel",
        title_fr="Présence par quartier, un jour par mois — Lyon",
        title_en="Presence by district, one day a month — Lyon",
        description_fr="Combien de personnes distinctes du panel sont vues dans chaque quartier de Lyon, un jour par mois.",
        description_en="How many distinct people of the panel are seen in each district of Lyon, on one day a month.",
        grain="day",
        max_cells=2,
        budget_micro=96_000_000,
        half_life_days=180,
        **shared | {"epsilon_micro": MONTHLY_EPSILON_MICRO},
    )
    for terms in (by_day, by_hour, by_month):
        await datasets.define(terms)


async def build_release(release: DemoRelease, report: ReportProgress) -> None:
    """Build and seal a release, unless it is sealed already; `report` gets each step and the share done."""
    if await fetch_scalar(
        int,
        "SELECT count(*) FROM release WHERE dataset = $1 AND period_to = $2 AND state = 'sealed'",
        release.dataset,
        release.period_to,
    ):
        return
    await datasets.build(
        release.dataset,
        period_from=release.period_from,
        period_to=release.period_to,
        progress=report,
        allow=audit_published,
    )


async def list_offers() -> None:
    """Define the licence terms and offer the datasets under them."""
    steward = await get_staff(STEWARD)
    await stewardship.state_terms(steward, TERMS, Policy("publish", 12))
    for dataset, days, worth, floor, cap in (
        (BY_DAY, 30, 500_000, 15_000, 400_000),
        (BY_HOUR, 30, 3_500_000, 20_000, 600_000),
        (BY_MONTH, 1, 600_000, 6_000, 150_000),
    ):
        await stewardship.make_offer(steward, dataset, StatedOffer(TERMS, worth, days, floor, cap))


async def get_latest_release(dataset: str) -> uuid.UUID:
    """Return the latest sealed release of a dataset."""
    release = await find_latest_release(dataset)
    assert release is not None, "releases are sealed before anything is sold"
    return release.id
