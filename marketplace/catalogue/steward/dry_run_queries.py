"""A dry run of a dataset, and a partner's price of today for each way to build its release."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from marketplace.catalogue.offers.demand import draw_of_day
from marketplace.catalogue.offers.queries import list_priced_offers
from marketplace.catalogue.offers.rules import PricedRelease, lot_of
from marketplace.catalogue.sheets.queries import get_law, get_version
from marketplace.catalogue.sheets.rules import foreseen_points, read
from marketplace.core import clock
from marketplace.core.errors import Conflict
from marketplace.datasets.releases import dry_run
from pricing.order import price
from pricing.refusals import PricingRefusal

if TYPE_CHECKING:
    import datetime as dt

    from marketplace.catalogue.offers.rules import PricedOffer
    from marketplace.catalogue.sheets.rules import Document
    from marketplace.core.progress import ReportProgress
    from marketplace.datasets.releases.dry_run import DryRun
    from marketplace.privacy.simulation.cells import Variant
    from pricing.order import Lot

NO_RELEASE: Final = uuid.UUID(int=0)


@dataclass(frozen=True, slots=True)
class PricedBuild:
    """One way to build a release with today's price; None if nothing would be published, or there is no offer."""

    variant: Variant
    amount_minor: int | None


@dataclass(frozen=True, slots=True)
class PricedRun:
    """A dry run with prices."""

    found: DryRun
    rows: list[PricedBuild]
    currency: str | None
    """Of the dataset's offer; None without one."""


async def run(
    dataset: str,
    period: tuple[dt.datetime, dt.datetime] | None = None,
    *,
    consent: float | None = None,
    report: ReportProgress | None = None,
) -> PricedRun:
    """Return a dry run with today's price, before VAT, of each way to build the release.

    Arguments and refusals are those of `datasets.releases.dry_run.run`.
    """
    found = await dry_run.run(dataset, period, consent=consent, report=report)
    now = clock.now()
    offer = await _find_offer(dataset, now)
    if offer is None:
        return PricedRun(found, [PricedBuild(variant, None) for variant in found.variants], None)
    document, law = read((await get_version(offer.sheet, now)).document), await get_law(offer.currency, now)

    def price_of(variant: Variant) -> int | None:
        try:
            return price(law, [_lot(found, variant, offer, document, now)]).amount_minor
        except (Conflict, PricingRefusal):  # Nothing would be published, or its zones are not on the sheet.
            return None

    return PricedRun(found, [PricedBuild(variant, price_of(variant)) for variant in found.variants], offer.currency)


async def _find_offer(dataset: str, now: dt.datetime) -> PricedOffer | None:
    """Return a dataset's open offer with its draw of the day, or None."""
    offers = await list_priced_offers([dataset], now)
    if any(offer.demand_basis_points is None for offer in offers):  # The first read of the day draws its demand.
        await draw_of_day(offers[0].sheet, now)
        offers = await list_priced_offers([dataset], now)
    return offers[0] if offers else None


def _lot(found: DryRun, variant: Variant, offer: PricedOffer, document: Document, now: dt.datetime) -> Lot:
    """Return what an order would have of a release; refuses as `lot_of` and `foreseen_points` do."""
    foreseen, s = variant.foreseen, variant.specification
    release = PricedRelease(
        id=NO_RELEASE,
        dataset=s.dataset,
        state="sealed",
        period_from=found.period_from,
        period_to=found.period_to,
        latest_event_at=found.period_to,
        key_count=foreseen.key_count,
        row_count=foreseen.cells,
        consenting=variant.consenting,
        population=variant.population,
        noise_variance_micro=foreseen.noise_variance_micro,
        consenting_by_band=variant.consenting_by_band,
        population_by_band=variant.population_by_band,
        hours_by_day=[],
        published_by_day=[],
    )
    points = foreseen_points(document, s, variant, (found.period_from, found.period_to))
    return lot_of(release, offer, points, now)
