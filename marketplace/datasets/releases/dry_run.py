"""A dry run: the expected figures of a release, before any budget is spent on it.

It reads how many lines the operator's table has by home zone and age band, the last noised figures of consent, and the
published figures. It reads no event, consent or contribution: two marketplaces that differ only in those give the same
answer to the byte.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec import Struct, structs

from marketplace.core import clock
from marketplace.core.database import fetch_row
from marketplace.core.errors import Conflict, Invalid, Refusal
from marketplace.datasets.geography.queries import get_geography
from marketplace.datasets.population.subscriber_registry import count_lines
from marketplace.datasets.releases import queries, rules
from marketplace.datasets.releases.queries import SQL
from marketplace.privacy.simulation.cells import SIGHTINGS_A_DAY, Variant, fit, simulate, with_epsilons
from marketplace.privacy.simulation.lines import Assumptions, LineCounts, lines_of
from marketplace.privacy.specification import STEPS, Specification

if TYPE_CHECKING:
    from collections.abc import Iterator

    from marketplace.core.progress import ReportProgress
    from marketplace.datasets.releases.queries import DatasetRow

ASSUMED_CONSENT: Final = 0.2
"""The share of lines that is assumed to consent before any build has noised it."""
EPSILON_FACTORS: Final = (0.5, 1, 2, 4)
"""Multiples of the dataset's own epsilon that are compared."""


class NothingToPublish(Conflict):
    """A build would publish nothing according to a dry run."""


class LastNoised(Struct, frozen=True):
    """The last release of a purpose whose consent was noised and paid for."""

    release: uuid.UUID
    dataset: str
    period_from: dt.datetime
    period_to: dt.datetime
    consenting: int
    population: int
    published_people: int


class PublishedPeople(Struct, frozen=True):
    """The people a release published in all its cells, and its half-open period."""

    period_from: dt.datetime
    period_to: dt.datetime
    published_people: int


@dataclass(frozen=True, slots=True)
class DryRun:
    """The result of a dry run: the declared way to build a release, and alternatives."""

    period_from: dt.datetime
    period_to: dt.datetime
    assumed: Assumptions
    variants: list[Variant]

    @property
    def declared(self) -> Variant:
        """Return the dataset's own declaration."""
        return next(variant for variant in self.variants if variant.is_declared)


async def run(
    dataset: str,
    period: tuple[dt.datetime, dt.datetime] | None = None,
    *,
    consent: float | None = None,
    beside: bool = True,
    report: ReportProgress | None = None,
) -> DryRun:
    """Return the expected figures of a release over a half-open period, by default the latest whole week.

    consent: the share of lines, above 0, instead of the last noised one. beside: also compare other epsilons, grains
    and zones. Refuses a period that makes no release, a dataset without a table of subscribers, and an area without
    inhabitants.
    """
    if consent is not None and not 0 < consent <= 1:
        raise Invalid("The share that consents is above 0 and 100 % at most.")
    terms = await queries.get_dataset(dataset)
    geography = await get_geography(terms.zone_table)
    start, end = period or rules.latest_period("week", clock.now(), terms.time_zone)
    own = rules.specify(terms, start, end, geography=geography)
    counts = await asyncio.to_thread(count_lines)
    assumed = await _noised(terms)
    published = await fetch_row(PublishedPeople, SQL["find_last_published"], dataset)
    if published:
        then = rules.specify(terms, published.period_from, published.period_to, geography=geography)
        assumed = await asyncio.to_thread(_fitted, assumed, then, counts, published.published_people)
    if consent is not None:
        assumed = dataclasses.replace(assumed, consent=consent, noised_of="", by_band={}, by_area={})
    return await asyncio.to_thread(_simulate, own, terms if beside else None, counts, assumed, report)


async def refuse_an_empty_build(dataset: str, period_from: dt.datetime, period_to: dt.datetime) -> None:
    """Refuse a build that would publish nothing according to a dry run; if no dry run is possible, let it pass."""
    try:
        foreseen = (await run(dataset, (period_from, period_to), beside=False)).declared.foreseen
    except Refusal:
        return
    if foreseen.is_empty:
        raise NothingToPublish(
            "A dry run says that nothing would be published: no figure would reach {threshold} people. The budget would still be "
            "spent. Ask once more, and say that you want it even so.",
            threshold=foreseen.threshold,
        )


async def _noised(terms: DatasetRow) -> Assumptions:
    """Return the share that consents, last noised for the dataset or another of its purpose; else assumed."""
    last = await fetch_row(LastNoised, SQL["find_last_noised"], terms.purpose, terms.code)
    if last is None:
        return Assumptions(ASSUMED_CONSENT, "", {}, {}, SIGHTINGS_A_DAY, is_fitted=False)
    whole = max(last.consenting, 1) / last.population
    coverage = await queries.list_coverage(last.release)
    of = {(row.kind, row.name): row.consenting / row.population / whole for row in coverage if row.population}
    return Assumptions(
        whole,
        last.dataset,
        {name: share for (kind, name), share in of.items() if kind == "band"},
        {name: share for (kind, name), share in of.items() if kind == "area"},
        SIGHTINGS_A_DAY,
        is_fitted=False,
    )


def _fitted(assumed: Assumptions, then: Specification, counts: LineCounts, published_people: int) -> Assumptions:
    """Return the same assumptions with sightings fitted to an earlier release's published figures."""
    sightings = fit(then, lines_of(then, counts, assumed), published_people)
    return dataclasses.replace(assumed, sightings=sightings, is_fitted=True)


def _simulate(
    own: Specification,
    terms: DatasetRow | None,
    counts: LineCounts,
    assumed: Assumptions,
    report: ReportProgress | None,
) -> DryRun:
    """Simulate the declared build, and the alternatives if their terms are given."""
    if not lines_of(own, counts, assumed).population.any():
        raise Invalid("Nobody in {subscribers} lives in the dataset's area.", subscribers="the event store")
    ways = list(_beside(own, terms)) if terms else [own]
    variants: list[Variant] = []
    for number, way in enumerate(ways):
        if report:
            report("simulating people", number / len(ways))
        lines = lines_of(way, counts, assumed)
        if lines.population.any():
            simulated = simulate(way, lines, assumed.sightings)
            variants += with_epsilons(way, own, lines, simulated, EPSILON_FACTORS if terms else (1,))
    return DryRun(own.period_from, own.period_to, assumed, variants)


def _beside(own: Specification, terms: DatasetRow) -> Iterator[Specification]:
    """Yield the declared specification, and those with other zones and grains that make a release; coarse first."""
    for level in (terms.h3_resolution - 1, terms.h3_resolution, terms.h3_resolution + 1):
        for grain in STEPS:
            if (level, grain) == (own.resolution, own.grain):
                yield own
            elif other := _other(own, terms, level, grain):
                yield other


def _other(own: Specification, terms: DatasetRow, level: int, grain: str) -> Specification | None:
    """Return the same build with other zones and another grain; None if that makes no release."""
    if level < (1 if own.geography.code else 0):
        return None
    zones = sorted({own.geography.above(zone, level) for zone in terms.zones})
    parent = terms.parent_resolution if terms.parent_resolution < level else 0
    other = structs.replace(terms, zones=zones, h3_resolution=level, grain=grain, parent_resolution=parent)
    try:
        rules.check_terms(other, own.geography)
        return rules.specify(other, own.period_from, own.period_to, geography=own.geography)
    except Refusal:
        return None
