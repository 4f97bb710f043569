"""What a sheet's next version would change, before it is stated: today's price and the new one of each release.

All prices are of one instant and one demand, so that the difference is the sheet's alone. The number of queries does not
depend on the number of releases.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import uuid
from typing import TYPE_CHECKING, Final

import msgspec
import rfc8785
from msgspec import Struct
from msgspec.structs import replace

from marketplace.catalogue.offers import rules
from marketplace.catalogue.offers.demand import draw_of_day
from marketplace.catalogue.offers.queries import SQL, list_priced_offers, list_priced_releases
from marketplace.catalogue.sheets import rules as sheets
from marketplace.catalogue.sheets.actions import foresee_points
from marketplace.catalogue.sheets.queries import get_law, get_sheet, list_points
from marketplace.core.database import fetch_rows
from marketplace.core.errors import Conflict, Invalid, NotFound
from pricing.demand import NEUTRAL_BASIS_POINTS
from pricing.order import price
from pricing.refusals import Empty
from pricing.sheet import FULL_RATE, Law

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pricing.sheet import Points

MONTHS_UNSOLD: Final = 12
"""Months of the licence at which a release that is not on sale is priced, with every right and for any purpose."""


class PublishedRow(Struct, frozen=True):
    """A published release of a market: on sale on its sheet, or of a dataset that is not on offer."""

    release: uuid.UUID
    dataset: str
    title_fr: str
    title_en: str
    period_from: dt.datetime
    period_to: dt.datetime
    is_on_sale: bool


class PreviewRow(Struct, frozen=True):
    """A release's price today and by the next version, in cents; None where it has none.

    alike_minor: by the next version, if all of the release's days had its constants, as those after its start will have.
    """

    of: PublishedRow
    today_minor: int | None
    next_minor: int | None
    alike_minor: int | None

    @property
    def difference_minor(self) -> int | None:
        """Return by how much the price would rise; negative: fall."""
        return None if self.today_minor is None or self.next_minor is None else self.next_minor - self.today_minor


class Preview(Struct, frozen=True):
    """What a version would change; `law` is None where no law of volume is stated in the currency yet."""

    rows: list[PreviewRow]
    currency: str
    law: Law | None

    @property
    def on_sale(self) -> list[PreviewRow]:
        """Return the releases on sale on the sheet."""
        return [row for row in self.rows if row.of.is_on_sale]

    @property
    def not_on_sale(self) -> list[PreviewRow]:
        """Return the published releases of datasets that are not on offer."""
        return [row for row in self.rows if not row.of.is_on_sale]

    @property
    def today_minor(self) -> int:
        """Return the sum of what is on sale, today."""
        return sum(row.today_minor or 0 for row in self.on_sale)

    @property
    def next_minor(self) -> int:
        """Return the sum of what is on sale, by the version."""
        return sum(row.next_minor or 0 for row in self.on_sale)


async def preview(sheet: str, document: sheets.Document, now: dt.datetime) -> Preview:
    """Return what a document would change if it were the sheet's version.

    Refuses a document by which something on sale would have no price, as `state_sheet` does.
    """
    market, text = await get_sheet(sheet), sheets.write(document)
    rows = await fetch_rows(PublishedRow, SQL["list_to_preview"], sheet)
    law = None
    with contextlib.suppress(NotFound):
        law = await get_law(market.currency, now)
    sold = sorted({row.dataset for row in rows if row.is_on_sale})
    demand = await draw_of_day(sheet, now) if sold else NEUTRAL_BASIS_POINTS
    offers = {offer.dataset: offer for offer in await list_priced_offers(sold, now)}
    for offer in offers.values():
        rules.refuse_unpriced(document.rates, offer)
    releases = {one.id: one for one in await list_priced_releases([row.release for row in rows])}
    points = await list_points([sheet], [*releases])
    at_present = {release: one for (_, release, level), one in points.items() if level == 0}
    foreseen = await _foreseen(sheet, document, rows)
    stated = {
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "rates": rfc8785.dumps(msgspec.to_builtins(document.rates)).decode(),
        "demand_basis_points": demand,
    }

    def priced() -> list[PreviewRow]:
        used = law or Law(currency=market.currency, volume=((0, FULL_RATE),), least_minor=1)
        found = []
        for row in rows:
            offer = offers.get(row.dataset)
            after = offer or _unsold(row, document, market.currency)
            after = replace(after, groups=sorted({*after.groups, *document.groups}), **stated)
            release, alike = releases[row.release], foreseen.get(row.release)
            kept = at_present.get(row.release)
            found.append(
                PreviewRow(
                    row,
                    _amount(release, offer, kept, used, now) if offer else None,
                    _amount(release, after, kept or alike, used, now),
                    _amount(release, after, alike, used, now),
                )
            )
        return found

    return Preview(await asyncio.to_thread(priced), market.currency, law)


async def _foreseen(sheet: str, document: sheets.Document, rows: Sequence[PublishedRow]) -> Mapping[uuid.UUID, Points]:
    """Return the points of releases by a document; a dataset that is not on offer may have no place on it."""
    points = await foresee_points(sheet, document, sorted({row.dataset for row in rows if row.is_on_sale}))
    for dataset in sorted({row.dataset for row in rows if not row.is_on_sale}):
        with contextlib.suppress(Invalid):
            points |= await foresee_points(sheet, document, [dataset])
    return points


def _unsold(row: PublishedRow, document: sheets.Document, currency: str) -> rules.PricedOffer:
    """Return what a release that is not on sale is priced as: with every right, for any purpose."""
    return rules.PricedOffer(
        id=row.release,
        dataset=row.dataset,
        terms="",
        usage_right=[*document.rights][-1],
        months=MONTHS_UNSOLD,
        currency=currency,
        sheet="",
        sha256="",
        rates="",
        groups=[],
        demand_basis_points=None,
    )


def _amount(
    release: rules.PricedRelease, offer: rules.PricedOffer, points: Points | None, law: Law, now: dt.datetime
) -> int | None:
    """Return a price in cents, or None where there is none."""
    try:
        return price(law, [rules.lot_of(release, offer, points, now)]).amount_minor
    except (Conflict, Empty):
        return None
