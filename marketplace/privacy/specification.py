"""Rules of releases: a build's specification, the public key set, how epsilon is divided, and what is published.

**The key set is public.** Zones, times and segments are declared on the dataset and by the requested period; no
person's data can add or remove a key. Events outside the declared area fall on no key and are not counted.

**Everything published is one of three things:** declared (period, zones, bands, bounds, epsilon, threshold, noise
variance, size of the key set; the population is a constant of the operator's registry), noise paid from epsilon (people
and events of cells, totals, how many consent: in all, by band and by area), or computed from those (cells published,
share withheld, median cell, latest published time, coverage, R-indicator, error intervals). Notice versions are those
the consent registry has in force at the start, not those of the people seen.

**The unit is declared.** With subscriber-release, epsilon bounds what one release reveals about any one subscriber, all
their events and their consent together. With subscriber-day it bounds the events of any one day, and days add up.
Releases of a dataset add up within its budget, in whole micro-epsilon; what a year of every dataset costs one
subscriber is composed in `budget`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import rfc8785

from marketplace.core.instants import microseconds
from marketplace.core.local_time import UTC, local_clock
from marketplace.privacy import budget, noise
from marketplace.privacy.geography import H3
from marketplace.privacy.product_registry import DEFAULT_PRODUCT, PRODUCTS
from marketplace.privacy.thresholds import EXPECTED_FALSE_CELLS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketplace.core.local_time import LocalClock
    from marketplace.privacy.geography import Geography
    from marketplace.privacy.product import Product

METHOD = "bounded-noise-2"
"""Name and version of the method, part of every specification: a change of method makes another release."""
METHOD_VERSION = 2
"""Version of counting, noise and finishing, raised when the same data would give other figures; each release states it.

1: days and hours of UTC, shares by the exact sum of weights; 2: days and hours of the zones' own clock, shares by
published people.
"""
STEPS = {"hour": dt.timedelta(hours=1), "day": dt.timedelta(days=1), "week": dt.timedelta(weeks=1)}
"""Weeks begin on Monday."""
EPSILON_PERCENT = {"people": 76, "events": 18, "consenting": 2, "bands": 2, "areas": 2}
"""How a release's loss is divided. People decide what is published and what it is worth, so they get most."""
TOTALS_PERCENT = 8
"""The part of the people's share that pays for the totals that correct truncation, if a dataset has them."""
TO = ">"
"""Between the zones of a flow: origin > destination."""
UNITS = ("release", "day")
MECHANISMS = ("laplace", "gaussian")
DAY = dt.timedelta(days=1)
LARGEST_KEY_SET = 400_000_000
LARGEST_DENSE_KEY_SET = 50_000_000
"""The most keys if totals or roll-ups need noise on every key."""


@dataclass(frozen=True, slots=True)
class Specification:
    """Everything that determines a release apart from the data; its digest names the release."""

    dataset: str
    purpose: str
    zones: tuple[str, ...]
    """Zones of `resolution`, ascending."""
    age_bands: tuple[str, ...]
    resolution: int
    """The resolution of H3, or the level of the operator's own zones."""
    grain: str
    period_from: dt.datetime
    period_to: dt.datetime
    max_cells: int
    max_events: int
    epsilon_micro: int
    mechanism: str = "laplace"
    delta_exponent: int = 0
    """Delta is ten to the minus this; 0 for a pure epsilon."""
    unit: str = "release"
    max_zones: int = 0
    """C: zones one subscriber counts in within one time's total, which corrects truncation; 0: no totals."""
    parent_resolution: int = 0
    """The resolution of the parents over which withheld cells are added up; 0: they are not added up."""
    revision: int = 1
    """How often a build of this period was requested, from 1: another revision is another release, and another
    spend."""
    product: str = DEFAULT_PRODUCT
    """Code of one of the registry's products."""
    geography: Geography = H3
    """Where zones lie: H3's cells, or the operator's own as one zone table says."""
    time_zone: str = UTC
    """The time zone whose hours, days and nights are counted."""

    @property
    def step(self) -> dt.timedelta:
        """Return the usual length of one time of the key set."""
        return STEPS[self.grain]

    @property
    def clock(self) -> LocalClock:
        """Return the clock of local hours and days, for the times of the key set and for the units."""
        step_us = self.step // dt.timedelta(microseconds=1)
        start, end = microseconds(self.period_from), microseconds(self.period_to)
        return local_clock(self.time_zone, start, end, step_us, self.unit_us)

    @property
    def times(self) -> int:
        """Return how many hours or days the period has."""
        return self.clock.times

    @property
    def key_count(self) -> int:
        """Return the size of the public key set."""
        return self.place_count * self.times * len(self.segments)

    @property
    def counts(self) -> Product:
        """Return the product that is counted."""
        return PRODUCTS[self.product]

    @property
    def place_count(self) -> int:
        """Return how many places the key set has: its zones, or every zone to every zone."""
        return len(self.zones) ** 2 if self.counts.is_between_zones else len(self.zones)

    @property
    def segments(self) -> tuple[str, ...]:
        """Return the key set's segments: the product's own, or the age bands."""
        return self.counts.segments or self.age_bands

    def named(self, places: NDArray[np.int64]) -> NDArray[np.object_]:
        """Return the published names of n places of the key set, by their positions."""
        zones = np.asarray(self.zones, dtype=object)
        if not self.counts.is_between_zones:
            return np.asarray(zones[places], dtype=object)
        return np.asarray(zones[places // len(zones)] + TO + zones[places % len(zones)], dtype=object)

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the specification's canonical form, hex."""
        stated: dict[str, Any] = {
            "method": METHOD,
            "dataset": self.dataset,
            "purpose": self.purpose,
            "zones": list(self.zones),
            "age_bands": list(self.age_bands),
            "resolution": self.resolution,
            "grain": self.grain,
            "period": [self.period_from.isoformat(), self.period_to.isoformat()],
            "bounds": [self.max_cells, self.max_events],
            "epsilon_micro": self.epsilon_micro,
            "mechanism": [self.mechanism, self.delta_exponent],
            "unit": self.unit,
            "max_zones": self.max_zones,
            "parent_resolution": self.parent_resolution,
            "revision": self.revision,
        } | ({"product": self.product} if self.product != DEFAULT_PRODUCT else {})
        if self.geography.digest:
            stated["zone_table"] = self.geography.digest
        if self.reach != self.max_cells:
            stated["reach"] = self.reach
        if self.time_zone != UTC:
            stated["time_zone"] = self.time_zone
        return hashlib.sha256(rfc8785.dumps(stated)).hexdigest()

    @property
    def unit_us(self) -> int:
        """Return the usual length of one unit in microseconds: a subscriber counts in at most max_cells cells of one."""
        return (DAY if self.unit == "day" else self.period_to - self.period_from) // dt.timedelta(microseconds=1)

    @property
    def years(self) -> dict[int, int]:
        """Return how many units one subscriber may be in, by calendar year to which the release is charged."""
        return budget.years(self.period_from, self.period_to, self.unit, self.time_zone)

    @property
    def reach(self) -> int:
        """Return how many cells the events of one unit can change.

        A subscriber's day reaches beyond the cells that are counted on it; the product states how far.
        """
        return self.counts.day_reach(self.max_cells) if self.unit == "day" else self.max_cells

    @property
    def delta(self) -> float:
        """Return delta: 0 for a pure epsilon."""
        return 10.0**-self.delta_exponent if self.delta_exponent else 0.0

    @property
    def is_dense(self) -> bool:
        """Return whether noise is needed on every key: totals and roll-ups add up cells that are not published."""
        return self.max_zones > 0 or self.parent_resolution > 0

    def percent_of(self, what: str) -> int:
        """Return the hundredths of the loss spent on people, events, totals, consenting, bands or areas."""
        totals = TOTALS_PERCENT if self.max_zones else 0
        return totals if what == "totals" else EPSILON_PERCENT[what] - totals * (what == "people")

    def epsilon_of(self, what: str) -> int:
        """Return the millionths of epsilon spent on one part of a Laplace release; the parts never exceed the whole."""
        return self.epsilon_micro * self.percent_of(what) // 100

    @property
    def rho_nano(self) -> int:
        """Return the whole loss of a Gaussian release, in nano-rho."""
        return budget.rho_nano(self.epsilon_micro, self.delta_exponent)

    def sensitivities(self, what: str) -> tuple[int, int]:
        """Return how much one unit changes a part's counts: summed (L1), and the sum of squares (L2 squared)."""
        cells, steps = self.reach, self.clock.longest_unit
        match what:
            case "people":
                return cells, cells
            case "events":
                return cells * self.max_events, cells * self.max_events**2
            case "totals":
                return self.max_zones * steps, self.max_zones**2 * steps
            case _:
                return 1, 1

    def law(self, what: str) -> noise.Law:
        """Return the noise on one part's counts."""
        total, squares = self.sensitivities(what)
        if self.mechanism == "laplace":
            return noise.Law("laplace", noise.scale(total, self.epsilon_of(what)))
        return noise.Law("gaussian", noise.sigma(squares, self.rho_nano * self.percent_of(what) // 100))

    @property
    def parts(self) -> tuple[str, ...]:
        """Return the parts among which the loss is divided."""
        return (*EPSILON_PERCENT, *(("totals",) if self.max_zones else ()))

    @property
    def unit_rho_nano(self) -> int:
        """Return the nano-rho that one unit loses by this release, rounded up."""
        return sum(budget.vector_rho_nano(self.sensitivities(part)[1], self.law(part).scale) for part in self.parts)

    @property
    def threshold(self) -> int:
        """Return the fewest noisy people a published cell has; it grows with the key set."""
        return self.law("people").threshold(self.key_count, EXPECTED_FALSE_CELLS)
