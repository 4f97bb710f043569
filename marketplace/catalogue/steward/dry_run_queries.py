"""A dry run of a dataset, and a partner's price of today for each way to build its release."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from marketplace.catalogue.offers.demand import draw_of_day
from marketplace.catalogue.offers.queries import list_priced_offers
from marketplace.catalogue.offers.rules import HOUR, PricedRelease, price_inputs
from marketplace.core import clock
from marketplace.core.errors import Conflict
from marketplace.core.settings import settings
from marketplace.datasets.releases import dry_run
from pricing.quote import price

if TYPE_CHECKING:
    import datetime as dt

    from marketplace.catalogue.offers.rules import PricedOffer
    from marketplace.core.progress import ReportProgress
    from marketplace.datasets.releases.dry_run import DryRun
    from marketplace.privacy.simulation.cells import Variant

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
    rows = [PricedBuild(variant, _price(found, variant, offer, now) if offer else None) for variant in found.variants]
    return PricedRun(found, rows, offer.currency if offer else None)


async def _find_offer(dataset: str, now: dt.datetime) -> PricedOffer | None:
    """Return a dataset's open offer with its draw of the day, or None."""
    offers = await list_priced_offers([dataset], now)
    if any(offer.demand_basis_points is None for offer in offers):  # The first read of the day draws its demand.
        await draw_of_day(offers[0].id, now)
        offers = await list_priced_offers([dataset], now)
    return offers[0] if offers else None


def _price(found: DryRun, variant: Variant, offer: PricedOffer, now: dt.datetime) -> int | None:
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
        hours_by_day=[(found.period_to - found.period_from) // HOUR],
        published_by_day=[foreseen.cells],
    )
    try:
        inputs = price_inputs(
            release,
            replace(offer, grain=s.grain),
            operator_basis_points=settings().operator_basis_points,
            now=now,
        )
    except Conflict:
        return None
    return price(inputs).amount_minor
