"""A simulated week of a dataset: what strangers see of it before they buy.

The rule this file keeps: nothing here is a figure of a release, or follows from one. The week is drawn from what anybody
can read: the dataset's definition and the constants of its market's price sheet. So it reveals nothing, regardless of how
many weeks of how many datasets are put together. It has the columns, the order and the types of a release's file, and the
rhythm of a day and of a week that `habits` assumes of everybody. It lies in January 2001, before any measurement.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import numpy as np

from marketplace.core.words import Words
from marketplace.privacy.habits import Residents, TimesAlike
from marketplace.privacy.simulation.cells import SIGHTINGS_A_DAY
from marketplace.privacy.specification import TO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from marketplace.privacy.product import Product

    Floats = NDArray[np.float64]

NOTICE: Final = Words("Simulated: no person and no measurement is in it.")
MARK: Final = "partage.simulated"
"""The key of a file's own metadata that has the notice in both languages."""
MONDAY: Final = dt.date(2001, 1, 1)
DAYS, HOURS = 7, 24
WEEKDAYS: Final = (1.0, 1.01, 1.02, 1.02, 1.05, 0.96, 0.86)
"""How many are seen on each day, relative to Monday."""
COUNTED: Final = 0.25
"""The share of a zone's people by the public source that count."""
FEWEST: Final = 20
"""Figures of fewer people are left out, as a release withholds small ones."""
FURTHER_EVENTS: Final = 0.8
"""Events of each person after the first, on average."""
MOST_CELLS: Final = 100_000
"""Cells of the key set that are drawn. A larger dataset shows the zones with the most people by the public source."""
DENSEST, SPARSEST = 2.2, 0.4
"""How much busier the middle of the area is than its edge."""
UNEVENNESS: Final = 0.3
"""The standard deviation of the logarithm of zones' attraction besides that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicFacts:
    """What anybody can read of a dataset: all that its simulated week follows from."""

    code: str
    product: Product
    grain: str
    time_zone: str
    segments: Sequence[str]
    """Of the published file: the product's, or the age bands."""
    people: Mapping[str, int]
    """For each zone of the key set, how many people are there by the price sheet's public source, >= 1."""
    weights: Mapping[str, int]
    """For each of these zones, its weight on the price sheet, >= 1."""
    shares: Mapping[str, float]
    """For each segment, the part of a zone's people that it has by the price sheet."""
    middles: Mapping[str, tuple[float, float]]
    """Longitude and latitude of the zones with an outline."""


def draw_week(facts: PublicFacts) -> pa.Table:
    """Return a simulated week: zone, starts_at (UTC), segment, people, events; by zone, time and segment.

    The same facts give the same table. Its own metadata has the notice in both languages.
    """
    import pyarrow as pa  # noqa: PLC0415

    seed = hashlib.sha256(f"simulated week of {facts.code}".encode()).digest()
    rng = np.random.Generator(np.random.PCG64(int.from_bytes(seed[:16], "big")))
    starts, zones = _starts(facts), _shown(facts)
    residents = _residents(facts, zones, rng)
    people = rng.poisson(_means(facts, residents, len(starts)))
    events = people + rng.poisson(FURTHER_EVENTS * people)
    time, place, segment = np.nonzero(people >= FEWEST)
    names = _names(zones, residents)
    table = pa.table(
        {
            "zone": pa.array([names[at] for at in place.tolist()], pa.string()),
            "starts_at": pa.array([starts[at] for at in time.tolist()], pa.timestamp("us", tz="UTC")),
            "segment": pa.array([facts.segments[at] for at in segment.tolist()], pa.string()),
            "people": pa.array(people[time, place, segment], pa.int64()),
            "events": pa.array(events[time, place, segment], pa.int64()),
        }
    ).sort_by([(name, "ascending") for name in ("zone", "starts_at", "segment")])
    return table.replace_schema_metadata({MARK: f"{NOTICE.en} {NOTICE.fr}"})


def _starts(facts: PublicFacts) -> list[dt.datetime]:
    """Return the starts of the week's hours or days, or of the week, by the dataset's clock."""
    hours, days = range(HOURS) if facts.grain == "hour" else (0,), 1 if facts.grain == "week" else DAYS
    midnight = dt.datetime.combine(MONDAY, dt.time(), ZoneInfo(facts.time_zone))
    return [(midnight + dt.timedelta(days=day, hours=hour)).astimezone(dt.UTC) for day in range(days) for hour in hours]


def _shown(facts: PublicFacts) -> list[str]:
    """Return the zones to draw, ascending: all, or those with the most people of which MOST_CELLS cells can be drawn."""
    places = max(MOST_CELLS // (len(_starts(facts)) * len(facts.segments)), 1)
    most = math.isqrt(places) if facts.product.is_between_zones else places
    return sorted(sorted(facts.people, key=lambda zone: (-facts.people[zone], zone))[:most])


def _residents(facts: PublicFacts, zones: Sequence[str], rng: np.random.Generator) -> Residents:
    """Return the people who count, by home, and how their visits are divided among zones."""
    shares = [1.0] if facts.product.segments else [facts.shares[one] for one in facts.segments]
    living = COUNTED * np.array([facts.people[zone] for zone in zones], float) * _attraction(facts, zones, rng)
    visits = living * [facts.weights[zone] for zone in zones]
    here = living[:, None] * np.array(shares)
    pairs = None
    if facts.product.is_between_zones:
        start, end = (one.ravel() for one in np.indices((len(zones), len(zones))))
        pairs = start[start != end], end[start != end]
    return Residents(here, here.sum(axis=0) - here, visits / max(float(visits.sum()), 1.0), pairs)


def _attraction(facts: PublicFacts, zones: Sequence[str], rng: np.random.Generator) -> Floats:
    """Return how busy each zone is, about 1: more in the middle of the area, and a little as chance has it."""
    uneven = np.exp(UNEVENNESS * rng.standard_normal(len(zones)))
    where = np.array([facts.middles.get(zone, (np.nan, np.nan)) for zone in zones], float).reshape(len(zones), 2)
    if np.isnan(where).any() or len(zones) <= 1:
        return np.asarray(uneven)
    where[:, 0] *= np.cos(np.radians(where[:, 1]))
    squared = ((where - where.mean(axis=0)) ** 2).sum(axis=1)
    middle = np.exp(-squared / max(float(squared.mean()), 1e-12))
    return np.asarray(uneven * (SPARSEST + (DENSEST - SPARSEST) * middle))


def _means(facts: PublicFacts, residents: Residents, times: int) -> Floats:
    """Return the expected people, times × places × segments."""
    days = 1 if facts.grain == "week" else DAYS
    parts = facts.product.times_alike(times, facts.grain)
    counted = [facts.product.simulated(residents, part, SIGHTINGS_A_DAY) for part in _of_a_day(parts, times // days)]
    weekdays = np.array(WEEKDAYS[:days])
    return np.asarray((weekdays[:, None, None, None] * np.stack(counted)).reshape(times, *counted[0].shape))


def _of_a_day(parts: Sequence[TimesAlike], times: int) -> list[TimesAlike]:
    """Return the times of one day, from midnight; parts: of a day, of which each is about as its middle says."""
    middles = (np.arange(len(parts)) + 0.5) / len(parts)
    at = (np.arange(times) + 0.5) / times
    home, elsewhere = (
        np.interp(at, middles, [getattr(part, name) for part in parts], period=1.0) for name in ("home", "elsewhere")
    )
    return [TimesAlike(1.0, float(one), float(other)) for one, other in zip(home, elsewhere, strict=True)]


def _names(zones: Sequence[str], residents: Residents) -> list[str]:
    """Return the places as a file has them: zones or, for flows, pairs of them."""
    if residents.pairs is None:
        return list(zones)
    return [
        f"{zones[start]}{TO}{zones[end]}" for start, end in zip(*(one.tolist() for one in residents.pairs), strict=True)
    ]
