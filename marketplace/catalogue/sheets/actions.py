"""Stating a market's price sheet and the law of volume, and counting the points of releases by a version."""

from __future__ import annotations

import asyncio
import hashlib
import json
import uuid
from collections import defaultdict
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

import msgspec
import rfc8785

from marketplace.catalogue.sheets import rules
from marketplace.catalogue.sheets.queries import (
    SQL,
    get_sheet,
    get_version,
    list_consent,
    list_constants,
    list_figures,
    list_least,
    list_versions,
)
from marketplace.catalogue.sheets.tables import LeastKept, PriceSheet, SheetVersion, VolumeLaw
from marketplace.core import clock
from marketplace.core.database import execute, fetch_scalar, transaction
from marketplace.core.errors import Cents, Conflict, Invalid
from marketplace.core.locks import lock
from marketplace.datasets.builds.cells_file import unpack_counts
from marketplace.datasets.releases.queries import key_zones
from marketplace.people.audit_trail.actions import note_action
from pricing.measure import Hours
from pricing.refusals import PricingRefusal
from pricing.sheet import Consent, Figures, Law

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from marketplace.catalogue.sheets.queries import ConsentRow, FiguresRow
    from marketplace.people.identity.actors import Actor
    from pricing.sheet import Points

HOUR_SECONDS: Final = 3_600
STEPS_A_DAY: Final = {"hour": 24}
"""Figures of a place and segment on a day, where there is more than one."""


async def define_sheet(
    code: str,
    *,
    product: str,
    grain: str,
    zone_table: str | None,
    h3_resolution: int,
    titles: tuple[str, str],
    currency: str,
) -> str:
    """Record a market and return its code; the same again changes nothing. Refuses another market under that code."""
    title_fr, title_en = titles
    sheet = PriceSheet(
        code=code,
        title_fr=title_fr,
        title_en=title_en,
        product=product,
        grain=grain,
        zone_table=zone_table,
        h3_resolution=h3_resolution,
        currency=currency,
        created_at=clock.now(),
    )
    await PriceSheet.insert(sheet).on_conflict(action="DO NOTHING", target=PriceSheet.code)
    known = await get_sheet(code)
    counted = (known.product, known.grain, known.zone_table, known.h3_resolution, known.currency)
    if counted != (product, grain, zone_table, h3_resolution, currency):
        raise Conflict("The price sheet {sheet} is of another market; give the new one another code.", sheet=code)
    return code


async def state_version(
    sheet: str,
    document: rules.Document,
    who: Actor,
    *,
    version: uuid.UUID,
    starts_at: dt.datetime | None = None,
    follows: int | None = None,
) -> uuid.UUID:
    """State a sheet's next version, in force from an instant or now, and return its id; the same id again changes nothing.

    follows: the number of the version that this one is to follow, 0 for none, None for any. Signed prices stay as they
    are. Refuses a start in the past, one before that of the version stated last, and one that follows another version.
    """
    text = rules.write(document)
    async with transaction():
        await lock(f"price sheet {sheet}")
        now = clock.now()
        starts = starts_at or now
        stated = await list_versions(sheet)
        if any(one.id == version for one in stated):
            return version
        if follows is not None and follows != len(stated):
            raise Conflict(
                "{who} stated version {number} meanwhile: look at it, then go on if yours is to follow.",
                who=stated[0].stated_by if stated else "–",
                number=len(stated),
            )
        if starts < now or (stated and starts < stated[0].starts_at):
            raise Invalid("A sheet starts now or later, and after the version before it.", field="starts_at")
        row = SheetVersion(
            id=version,
            sheet=(await get_sheet(sheet)).code,
            number=len(stated) + 1,
            document=text,
            sha256=hashlib.sha256(text.encode()).hexdigest(),
            terms=rfc8785.dumps(msgspec.to_builtins(document.rates)).decode(),
            groups=rules.all_groups(document, stated[0].groups if stated else ()),
            starts_at=starts,
            stated_by=who.name,
            stated_at=now,
        )
        await SheetVersion.insert(row)
        await note_action(who, "sheet_stated", sheet, after={"number": row.number, "starts_at": starts.isoformat()})
    return version


async def state_law(law: Law, who: Actor, *, law_id: uuid.UUID, starts_at: dt.datetime | None = None) -> None:
    """State what orders of a currency cost of what they are worth, from an instant or now; the same id again changes nothing.

    Refuses a start in the past, and a least charge below one that is kept.
    """
    now = clock.now()
    if starts_at and starts_at < now:
        raise Invalid("A law of volume starts now or later.", field="starts_at")
    row = VolumeLaw(
        id=law_id,
        currency=law.currency,
        starts_minor=[start for start, _ in law.volume],
        rates_basis_points=[rate for _, rate in law.volume],
        least_minor=law.least_minor,
        starts_at=starts_at or now,
        stated_by=who.name,
        stated_at=now,
    )
    async with transaction():
        await lock(f"volume law {law.currency}")
        kept = await fetch_scalar(int, SQL["get_least_kept"], law.currency, row.starts_at)
        if kept and law.least_minor < kept:
            raise Invalid(
                "An order has to cost at least {least}: what contributors were promised rests on it.",
                least=Cents(kept),
                field="least",
            )
        if await VolumeLaw.insert(row).on_conflict(action="DO NOTHING").returning(VolumeLaw.id):
            await note_action(who, "volume_law_stated", law.currency, after={"least_minor": law.least_minor})


async def keep_least(source: uuid.UUID, currency: str, least_minor: int, until: dt.datetime) -> None:
    """Keep the least charge of orders from being lowered below an amount until an instant, in a transaction.

    source: the call for contributors. Refuses an amount that some law until then does not charge.
    """
    await lock(f"volume law {currency}")
    charged = await list_least(currency, clock.now(), until)
    if not charged or min(charged) < least_minor:
        raise Invalid(
            "Contributors may be promised what an order costs at least; for this budget, state a least charge of {least} first.",
            least=Cents(least_minor),
            field="budget-0",
        )
    await LeastKept.insert(LeastKept(id=source, currency=currency, least_minor=least_minor, until=until))


async def foresee_points(sheet: str, document: rules.Document, datasets: Sequence[str]) -> dict[uuid.UUID, Points]:
    """Return the points that releases of datasets would have if all their days had a document's constants.

    Without their editions; nothing is stated. Refuses as `count_points` does.
    """
    rows = [row for row in await list_figures(datasets) if row.level == 0]
    stated = [rules.Stated(0, document)]
    return {row.release: one for row, one in await _points(sheet, stated, rows)}


async def count_points(sheet: str, datasets: Sequence[str], at: dt.datetime) -> int:
    """Count the points of what datasets of a market publish and has none yet, once and for good; return of how many.

    What a figure counts follows from the constants that were in force on its day, `rules.constants_of`. A later version
    changes what a point costs, and never the points: each version's sums would say more about which figures are withheld.
    Refuses a dataset with a zone or segment that no version has, and one that covers a part of an area.
    """
    in_force = await get_version(sheet, at)
    if not (rows := await list_figures(datasets, sheet)):
        return 0
    stated = [rules.Stated.of(one.starts_at, one.document) for one in await list_constants(sheet, at)]
    points = await _points(sheet, stated, rows)
    found = [(row.release, row.level, json.dumps(one.spans), json.dumps(one.stages)) for row, one in points]
    await execute(SQL["add_points"], in_force.id, *map(list, zip(*found, strict=True)))
    return len(found)


async def _points(
    sheet: str, stated: Sequence[rules.Stated], rows: Sequence[FiguresRow]
) -> list[tuple[FiguresRow, Points]]:
    """Return each row with its points by the constants of its days."""
    steps, (consents, zones) = STEPS_A_DAY.get((await get_sheet(sheet)).grain, 1), await _inputs(rows)
    return await asyncio.to_thread(_count, stated, rows, consents, zones, steps)


async def _inputs(
    rows: Sequence[FiguresRow],
) -> tuple[dict[uuid.UUID, list[ConsentRow]], dict[str, frozenset[str]]]:
    """Return what points need besides figures: who consents by release, and the zones of each dataset."""
    consents = defaultdict[uuid.UUID, list["ConsentRow"]](list)
    for consent in await list_consent([row.release for row in rows]):
        consents[consent.release].append(consent)
    return consents, {code: frozenset(await key_zones(code)) for code in {row.dataset for row in rows}}


def _count(
    stated: Sequence[rules.Stated],
    rows: Sequence[FiguresRow],
    consents: dict[uuid.UUID, list[ConsentRow]],
    zones: dict[str, frozenset[str]],
    steps: int,
) -> list[tuple[FiguresRow, Points]]:
    found = []
    for row in rows:
        figures = _figures(row, consents[row.release], zones[row.dataset], steps)
        try:
            found.append((row, rules.count_points(stated, figures)))
        except PricingRefusal as problem:
            raise Invalid(
                "{dataset} is not on this sheet: {problem}.", dataset=row.dataset, problem=problem
            ) from problem
    return found


def _figures(row: FiguresRow, consent: Sequence[ConsentRow], zones: frozenset[str], steps: int) -> Figures:
    """Return what a release or an edition publishes, as its points are counted from it."""
    counts = unpack_counts(row.published_by_figure)
    begins = int(row.period_from.timestamp()) // HOUR_SECONDS
    bounds = accumulate(row.hours_by_day, initial=begins)
    by_kind = defaultdict[str, dict[str, Consent]](dict)
    for one in consent:
        by_kind[one.kind][one.name] = Consent(one.consenting, one.population)
    return Figures(
        days=[Hours(*day) for day in pairwise(bounds)],
        steps=steps,
        published={(place, segment): days for place, of in counts.items() for segment, days in of.items()},
        zones=zones,
        consent=by_kind["area"],
        bands=tuple((one.people, one.population) for one in by_kind["band"].values() if one.population),
        noise_micro=row.noise_variance_micro,
    )
