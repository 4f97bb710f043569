"""A dry run of a dataset, and what each way to build its release would cost a partner today."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from marketplace import clock
from marketplace.catalogue.demand import draw_of_day
from marketplace.catalogue.queries import list_priced_offers
from marketplace.catalogue.rules import PricedRelease, price_inputs
from marketplace.datasets import dry_run
from marketplace.errors import Conflict
from marketplace.settings import settings
from pricing.quote import price

if TYPE_CHECKING:
    import datetime as dt

    from marketplace.catalogue.rules import PricedOffer
    from marketplace.datasets.dry_run import DryRun
    from marketplace.progress import ReportProgress
    from marketplace.simulation.cells import Variant

NO_RELEASE: Final = uuid.UUID(int=0)


@dataclass(frozen=True, slots=True)
class Priced:
    """One way to build a release with today's price; None where nothing would be published, or nothing is on offer."""

    variant: Variant
    amount_minor: int | None


@dataclass(frozen=True, slots=True)
class PricedRun:
    """A dry run with prices."""

    found: DryRun
    rows: list[Priced]
    currency: str | None
    """Of the dataset's offer; None where it has none."""


async def run(
    dataset: str,
    period: tuple[dt.datetime, dt.datetime] | None = None,
    *,
    consent: float | None = None,
    report: ReportProgress | None = None,
) -> PricedRun:
    """Return a dry run with the price that each way to build the release would have today, before VAT.

    Arguments and refusals are those of `datasets.dry_run.run`.
    """
    found = await dry_run.run(dataset, period, consent=consent, report=report)
    now = clock.now()
    offer = await _find_offer(dataset, now)
    rows = [Priced(variant, _price(found, variant, offer, now) if offer else None) for variant in found.variants]
    return PricedRun(found, rows, offer.currency if offer else None)


async def _find_offer(dataset: str, now: dt.datetime) -> PricedOffer | None:
    """Return a dataset's open offer with its draw of the day, or None."""
    offers = await list_priced_offers([dataset], now)
    if any(offer.demand_basis_points is None for offer in offers):  # The first look of the day at it.
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
        hours_by_day=[],
        published_by_day=[],
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
