"""Rules of releases: what a build is asked for, the public key set, how epsilon is divided, and what is published.

**The key set is public.** Zones, times and segments are declared on the dataset and by the period asked for; no
person's data can add or remove a key. Events outside the declared area fall on no key and are not counted.

**Everything published is one of three things:** declared (period, zones, bands, bounds, epsilon, threshold, noise
variance, size of the key set; the population is a constant of the operator's registry), noise paid from epsilon (people
and events of cells, totals, how many consent: in all, by band and by area), or computed from those (cells published,
share withheld, median cell, latest published time, coverage, R-indicator, error intervals). Notice versions are those
the consent registry has in force at the start, whoever was seen.

**The unit is declared:** subscriber-release (what one release tells about any one subscriber, all their events and
their consent together, is bounded by its epsilon) or subscriber-day (the events of any one day are; days add up).
Releases of a dataset add up within its budget, in whole micro-epsilon; what a year of every dataset costs one
subscriber is composed in `budget`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import rfc8785

from marketplace.errors import Invalid
from marketplace.privacy import budget, noise
from marketplace.privacy.geography import H3

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg
    from numpy.typing import NDArray

    from marketplace.privacy.geography import Geography

METHOD = "bounded-noise-2"
"""Name and version of the method, part of every specification: a release made another way is another release."""
CADENCES = ("", "day", "week", "month")
"""How often a dataset's next release is built by itself; empty: when a steward asks."""
STEPS = {"hour": dt.timedelta(hours=1), "day": dt.timedelta(days=1)}
EPSILON_PERCENT = {"people": 76, "events": 18, "consenting": 2, "bands": 2, "areas": 2}
"""How a release's loss is divided. People decide what is published and what it is worth, so they get most."""
TOTALS_PERCENT = 8
"""What the totals that undo truncation take from people's part, where a dataset has them."""
PRODUCTS = ("presence", "flows", "stays")
"""Who is in a zone at a time; who goes from one zone to another; who spends the night where (nights are of a day)."""
SEGMENTS = {"flows": ("all",), "stays": ("resident", "visitor")}
"""The segments of products that are not told by age band."""
TO = ">"
"""Between the zones of a flow: where from > where to."""
UNITS = ("release", "day")
MECHANISMS = ("laplace", "gaussian")
SMALLEST_DELTA, LARGEST_DELTA = 5, 15
"""Exponents: delta is ten to the minus this."""
LARGEST_MAX_ZONES = 100
DAY = dt.timedelta(days=1)
MOST_AREAS = 64
"""Coverage is told for no more areas than this: the zones' parents, as fine as that allows."""
EXPECTED_FALSE_CELLS = 0.1
"""Empty cells that noise alone lifts over the threshold, on average in one release: one release in ten has one."""
LARGEST_KEY_SET = 400_000_000
LARGEST_AREA = 2_000_000
"""Zones of a key set."""
LARGEST_DENSE_KEY_SET = 50_000_000
"""Where totals or roll-ups need the noise of every key."""
SLUG = r"[a-z0-9][a-z0-9-]{1,62}"
LARGEST_BOUND = 1_000_000
FINEST = 15
"""H3's finest resolution, and the lowest level of zones."""
HASH_PRIME = 2_147_483_647
HASH_KEYS = 7


@dataclass(frozen=True, slots=True)
class Specification:
    """Everything that decides a release besides the data; its digest names the release."""

    dataset: str
    purpose: str
    zones: tuple[str, ...]
    """Zones of `resolution`, ascending."""
    age_bands: tuple[str, ...]
    resolution: int
    """H3's; of the operator's own zones, their level."""
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
    """C: zones one subscriber counts in within one time's total, which undoes truncation; 0: no totals."""
    parent_resolution: int = 0
    """Withheld cells are added up over their parent of this resolution; 0: they are not."""
    revision: int = 1
    """How often this period was asked for anew, from 1: another revision is another release, and another spend."""
    product: str = "presence"
    """presence, flows or stays."""
    geography: Geography = H3
    """Where zones lie: H3's cells, or the operator's own as one zone table tells."""

    @property
    def step(self) -> dt.timedelta:
        """Return the length of one time of the key set."""
        return STEPS[self.grain]

    @property
    def times(self) -> int:
        """Return how many hours or days the period has."""
        return (self.period_to - self.period_from) // self.step

    @property
    def key_count(self) -> int:
        """Return the size of the public key set."""
        return self.place_count * self.times * len(self.segments)

    @property
    def place_count(self) -> int:
        """Return how many places the key set has: its zones, or for flows every zone to every zone."""
        return len(self.zones) ** 2 if self.product == "flows" else len(self.zones)

    @property
    def segments(self) -> tuple[str, ...]:
        """Return the key set's segments: its age bands, or what the product is told by."""
        return SEGMENTS.get(self.product, self.age_bands)

    def named(self, places: NDArray[np.int64]) -> NDArray[np.object_]:
        """Return the published names of places of the key set."""
        zones = np.asarray(self.zones, dtype=object)
        if self.product != "flows":
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
        } | ({"product": self.product} if self.product != "presence" else {})
        if self.geography.digest:
            stated["zone_table"] = self.geography.digest
        if self.reach != self.max_cells:
            stated["reach"] = self.reach
        return hashlib.sha256(rfc8785.dumps(stated)).hexdigest()

    @property
    def unit_us(self) -> int:
        """Return the length of one unit in microseconds: within it a subscriber counts in at most max_cells cells."""
        return (DAY if self.unit == "day" else self.period_to - self.period_from) // dt.timedelta(microseconds=1)

    @property
    def reach(self) -> int:
        """Return how many cells the events of one unit can change.

        A subscriber's day reaches beyond the cells that are counted on it. Of flows: its last zone is where the next
        day's first trip begins, and if that is gone another of that day's cells may be chosen in its place. Of stays:
        it has the end of one night and the start of another, and either may move from one zone to another.
        """
        if self.unit == "day" and self.product == "flows":
            return self.max_cells + 2
        return 4 if self.unit == "day" and self.product == "stays" else self.max_cells

    @property
    def delta(self) -> float:
        """Return delta: 0 for a pure epsilon."""
        return 10.0**-self.delta_exponent if self.delta_exponent else 0.0

    @property
    def is_dense(self) -> bool:
        """Tell whether noise is needed on every key: totals and roll-ups add up cells that are not published."""
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
        """Return what one unit changes of a part's counts: summed (L1), and the sum of squares (L2 squared)."""
        cells, steps = self.reach, self.unit_us // (self.step // dt.timedelta(microseconds=1))
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
        """Return what the loss is divided among."""
        return (*EPSILON_PERCENT, *(("totals",) if self.max_zones else ()))

    @property
    def unit_rho_nano(self) -> int:
        """Return the nano-rho that one unit loses by this release, rounded up."""
        return sum(budget.vector_rho_nano(self.sensitivities(part)[1], self.law(part).scale) for part in self.parts)

    @property
    def threshold(self) -> int:
        """Return the fewest noisy people a published cell has; it grows with the key set."""
        return self.law("people").threshold(self.key_count, EXPECTED_FALSE_CELLS)


def specify(
    dataset: Mapping[str, Any] | asyncpg.Record, period_from: dt.datetime, period_to: dt.datetime, *, revision: int = 1,
    geography: Geography = H3,
) -> Specification:  # fmt: skip
    """Return what a build of `dataset` (its row) over the half-open period is asked for; refuse what makes no release.

    geography: that of the row's zone table.

    Hours and days are UTC's: a day has 24 hours, whatever summer time does.
    """
    assert period_from.tzinfo is not None, "instants are aware"
    assert period_to.tzinfo is not None, "instants are aware"
    start, end = period_from.astimezone(dt.UTC), period_to.astimezone(dt.UTC)
    step = STEPS[dataset["grain"]]
    if start >= end:
        raise Invalid("The period is empty: it must end after it starts.")
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    if start < epoch:
        raise Invalid("The period must start in 1970 or later.")
    if (start - epoch) % step or (end - epoch) % step:
        raise Invalid("The period must start and end on a whole {grain}, in UTC.", grain=dataset["grain"])
    if dataset["unit"] == "day" and ((start - epoch) % DAY or (end - epoch) % DAY):
        raise Invalid("The period must start and end on a whole day, in UTC.")
    if revision < 1:
        raise Invalid("Revisions are counted from one.")
    zones = key_zones(dataset["zones"], dataset["h3_resolution"], geography)
    if not zones or not dataset["age_bands"]:
        raise Invalid("The dataset {dataset} declares no zones or no age bands yet.", dataset=dataset["code"])
    specification = Specification(
        dataset=dataset["code"], purpose=dataset["purpose"], zones=zones, age_bands=tuple(dataset["age_bands"]),
        resolution=dataset["h3_resolution"], grain=dataset["grain"], period_from=start, period_to=end,
        max_cells=dataset["max_cells"], max_events=dataset["max_events"], epsilon_micro=dataset["epsilon_micro"],
        mechanism=dataset["mechanism"], delta_exponent=dataset["delta_exponent"], unit=dataset["unit"],
        max_zones=dataset["max_zones"], parent_resolution=dataset["parent_resolution"], revision=revision,
        product=dataset["product"], geography=geography,
    )  # fmt: skip
    most = LARGEST_DENSE_KEY_SET if specification.is_dense else LARGEST_KEY_SET
    if specification.key_count > most:
        raise Invalid(
            "That release would have {keys} cells, more than {most}: choose a shorter period or larger zones.",
            keys=specification.key_count, most=most,
        )  # fmt: skip
    if specification.mechanism == "gaussian" and specification.rho_nano * min(EPSILON_PERCENT.values()) < 100:  # noqa: PLR2004
        raise Invalid("Epsilon is too small to be divided.")
    return specification


def latest_period(cadence: str, now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """Return the latest whole day, week (from Monday) or month in UTC that is over at `now`; half-open."""
    end = now.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if cadence == "day":
        return end - dt.timedelta(days=1), end
    if cadence == "week":
        end -= dt.timedelta(days=end.weekday())
        return end - dt.timedelta(days=7), end
    assert cadence == "month"
    end = end.replace(day=1)
    return (end - dt.timedelta(days=1)).replace(day=1), end


def check_privacy(
    *, unit: str, mechanism: str, delta_exponent: int, max_zones: int, parent_resolution: int, h3_resolution: int,
    edition_multiples: Sequence[int], product: str = "presence", grain: str = "day",
) -> None:  # fmt: skip
    """Refuse a promise that makes no sense; see the columns of `dataset`."""
    if product not in PRODUCTS:
        raise Invalid("The product must be presence, flows or stays.")
    if product != "presence" and (max_zones or parent_resolution):
        raise Invalid("Only presence has totals, and thin cells that are added up over a parent.")
    if product == "stays" and grain != "day":
        raise Invalid("Stays are counted by day: a night is of the day it begins on.")
    if unit not in UNITS or mechanism not in MECHANISMS:
        raise Invalid("The unit must be release or day, and the mechanism laplace or gaussian.")
    least, most = (SMALLEST_DELTA, LARGEST_DELTA) if mechanism == "gaussian" else (0, 0)
    if not least <= delta_exponent <= most:
        raise Invalid("Delta is ten to the minus 5 to 15 for Gaussian noise, and nothing for Laplace.")
    if not 0 <= max_zones <= LARGEST_MAX_ZONES or not 0 <= parent_resolution < max(1, h3_resolution):
        raise Invalid("Totals count between 1 and 100 zones, and parents are coarser than zones.")
    if any(later <= earlier for earlier, later in pairwise([1, *edition_multiples])):
        raise Invalid("Each edition must be coarser than the one before.")


def check_code(code: str) -> None:
    """Refuse what cannot be the code of a dataset or a zone table: it is part of an address."""
    if not re.fullmatch(SLUG, code):
        raise Invalid("A code has between 2 and 63 small letters, digits and hyphens, and begins with no hyphen.")


def key_zones(area: Sequence[str], level: int, geography: Geography = H3) -> tuple[str, ...]:
    """Return the zones of a level that `area` (zones of it, or coarser) stands for, ascending, each once."""
    zones: set[str] = set()
    for zone in area:
        of = geography.level(zone)
        if of is None or of > level:
            if geography.code:
                raise Invalid(
                    "{zone} is not a zone of the table {table}, of level {level} or coarser.",
                    zone=zone, table=geography.code, level=level,
                )  # fmt: skip
            raise Invalid("{zone} is not an H3 cell of resolution {level} or coarser.", zone=zone, level=level)
        if len(zones) + geography.count_below(zone, level) > LARGEST_AREA:
            raise Invalid("That area has more than {most} zones; choose larger ones.", most=LARGEST_AREA)
        zones.update(geography.below(zone, level))
    return tuple(sorted(zones))


def parents(zones: Sequence[str], level: int, geography: Geography = H3) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the zones of a coarser level that hold `zones`, ascending, and for each zone its holder's position."""
    of = [geography.above(zone, level) for zone in zones]
    names = tuple(sorted(set(of)))
    place = {name: at for at, name in enumerate(names)}
    return names, np.array([place[name] for name in of], np.int64)


def areas(zones: Sequence[str], geography: Geography = H3) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the areas that coverage is told for, and each zone's: parents as fine as MOST_AREAS allows.

    Where the operator's own zones have too many without a parent, the one area is their whole table.
    """
    finest = max(geography.level(zone) or 0 for zone in zones)
    for level in range(finest, 0, -1):
        found = parents(zones, level, geography)
        if len(found[0]) <= MOST_AREAS:
            return found
    return parents(zones, 0) if geography is H3 else ((geography.code,), np.zeros(len(zones), np.int64))


def hash_keys(secret: str, digest: str) -> tuple[int, ...]:
    """Return the seven keys of the hash that chooses cells: 0 < key < 2^31 - 1, unknown without the secret."""
    stream = b"".join(
        hmac.new(secret.encode(), f"cells {digest} {block}".encode(), hashlib.sha256).digest() for block in range(2)
    )
    words = np.frombuffer(stream[: HASH_KEYS * 8], dtype="<u8")
    return tuple(int(word) % (HASH_PRIME - 1) + 1 for word in words)


@dataclass(frozen=True, slots=True)
class Published:
    """What of the noisy cells is published: their positions in the key set, and counts that agree with each other."""

    keys: NDArray[np.int64]
    """Position in zones × times × segments, ascending."""
    people: NDArray[np.int64]
    events: NDArray[np.int64]


def withhold(people: NDArray[np.int64], threshold: int) -> NDArray[np.int64]:
    """Return the positions whose noisy count of people reaches the threshold."""
    return np.flatnonzero(people >= threshold)


def agree(people: NDArray[np.int64], events: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the events raised to the people where noise put them below: everyone counted had at least one event."""
    return np.maximum(events, people)


def median_cell(people: NDArray[np.int64], consenting: int, population: int) -> tuple[int, int]:
    """Return n and N of pricing: people of the (lower) median published cell, and what they would be, if all consented.

    Both are post-processing: of published counts, of the noisy number who consent, and of the registry's population.
    """
    if not len(people):
        return 0, 0
    n = int(np.sort(people)[(len(people) - 1) // 2])
    return n, max(n, (n * population + consenting // 2) // consenting)


def disclosed_consenting(noisy: int, population: int) -> int:
    """Return the noisy count of who consents, brought between 1 and the population."""
    return min(max(noisy, 1), population)
