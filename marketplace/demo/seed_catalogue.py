"""The demo's catalogue: three purposes with the consents to them, and the releases of its datasets."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from msgspec import Struct

from marketplace.catalogue.offers.stated import count_published
from marketplace.catalogue.steward import actions as stewardship
from marketplace.consent.purposes.queries import list_notices
from marketplace.core.database import fetch_scalar
from marketplace.core.local_time import midnight
from marketplace.datasets.releases import actions as datasets
from marketplace.datasets.releases.queries import find_latest_release
from marketplace.demo.seed_cities import PANEL
from marketplace.demo.seed_people import STEWARD, get_staff
from marketplace.demo.synthetic_city import TIME_ZONE
from marketplace.subscribers.operators.consent_files import import_consents

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from marketplace.core.progress import ReportProgress

SHARE_CONSENTING: Final = 0.62
"""The consenting share of people, for the first purpose and the panel's; half of it for research."""
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


def draw_consenting(references: NDArray[np.int64], *, seed: int, purpose: int) -> NDArray[np.int64]:
    """Return which of these lines, ascending, consent to a purpose of `PURPOSES`, given by its index."""
    asked = references[:PANEL] if purpose == MONTHLY_PANEL else references
    share = SHARE_CONSENTING / 2 if purpose == RESEARCH else SHARE_CONSENTING
    return asked[np.random.default_rng(seed + purpose).random(len(asked)) < share]


async def define_purposes() -> None:
    """Define the purposes and publish their notices."""
    steward = await get_staff(STEWARD)
    for wanted in PURPOSES:
        code = f"presence.{wanted.use}"
        if await fetch_scalar(int, "SELECT count(*) FROM notice WHERE purpose = $1", code):
            continue
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


async def record_consent(folder: Path, references: NDArray[np.int64], *, seed: int) -> None:
    """Import consents, like an operator from its contracts. references: of all lines; folder: for the files."""
    for number, wanted in enumerate(PURPOSES):
        code = f"presence.{wanted.use}"
        if not await fetch_scalar(bool, "SELECT EXISTS (SELECT FROM consent_record WHERE purpose = $1)", code):
            [notice] = await list_notices(code)
            file = folder / f"{code}.parquet"
            lines = draw_consenting(references, seed=seed, purpose=number)
            await asyncio.to_thread(_write_consents, file, code, lines, notice.published_at)
            await import_consents(str(file))


def _write_consents(file: Path, purpose: str, lines: NDArray[np.int64], at: dt.datetime) -> None:
    """Write that these lines consent to a purpose under its first notice, since an instant."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    same: dict[str, Any] = {"purpose": purpose, "notice_version": 1, "word": "given", "at": at, "channel": "contract"}
    columns = {name: pa.repeat(pa.scalar(value), len(lines)) for name, value in same.items()}
    pq.write_table(pa.table({"reference": lines} | columns), file)


class DemoRelease(Struct, frozen=True):
    """A release to build: of a dataset, over a half-open period."""

    dataset: str
    period_from: dt.datetime
    period_to: dt.datetime


def release_of(dataset: str, first: dt.date, days: int) -> DemoRelease:
    """Return the release of a dataset over so many days of the city, from the first on."""
    start, end = (midnight(first + dt.timedelta(days=day), TIME_ZONE) for day in (0, days))
    return DemoRelease(dataset, start, end)


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
        allow=count_published,
    )


async def get_release_of(release: DemoRelease) -> uuid.UUID:
    """Return a built release."""
    sql = "SELECT id FROM release WHERE dataset = $1 AND period_to = $2 AND state = 'sealed'"
    found = await fetch_scalar(uuid.UUID, sql, release.dataset, release.period_to)
    assert found is not None, "releases are sealed before anything is sold"
    return found


async def get_latest_release(dataset: str) -> uuid.UUID:
    """Return the latest sealed release of a dataset."""
    release = await find_latest_release(dataset)
    assert release is not None, "releases are sealed before anything is sold"
    return release.id
