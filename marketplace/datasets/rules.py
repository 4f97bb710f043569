"""Rules of releases: what a build is asked for, the public key set, how epsilon is divided, and what is published.

**The key set is public.** Zones, times and segments are declared on the dataset and by the period asked for; no
person's data can add or remove a key. Events outside the declared area fall on no key and are not counted.

**Everything published is one of three things:** declared (period, zones, bands, bounds, epsilon, threshold, noise
variance, size of the key set; the population is a constant of the operator's registry), noise paid from epsilon (people
and events of cells, how many consent), or computed from those (cells published, share withheld, median cell, latest
published time). Notice versions are those the consent registry has in force at the start, whoever was seen.

**The unit is subscriber-release:** what one release tells about any one subscriber, all their events and their consent
together, is bounded by its epsilon; releases of a dataset add up within its budget (basic composition, in whole
micro-epsilon).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h3
import numpy as np
import rfc8785

from marketplace.datasets import noise
from marketplace.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg
    from numpy.typing import NDArray

METHOD = "bounded-laplace-1"
"""Name and version of the method, part of every specification: a release made another way is another release."""
STEPS = {"hour": dt.timedelta(hours=1), "day": dt.timedelta(days=1)}
EPSILON_PERCENT = {"people": 80, "events": 18, "consenting": 2}
"""How a release's epsilon is divided. People decide what is published and what it is worth, so they get most."""
EXPECTED_FALSE_CELLS = 0.1
"""Empty cells that noise alone lifts over the threshold, on average in one release: one release in ten has one."""
LARGEST_KEY_SET = 20_000_000
HASH_PRIME = 2_147_483_647
HASH_KEYS = 7


@dataclass(frozen=True, slots=True)
class Specification:
    """Everything that decides a release besides the data; its digest names the release."""

    dataset: str
    purpose: str
    zones: tuple[str, ...]
    """H3 cells of `resolution`, ascending."""
    age_bands: tuple[str, ...]
    resolution: int
    grain: str
    period_from: dt.datetime
    period_to: dt.datetime
    max_cells: int
    max_events: int
    epsilon_micro: int

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
        return len(self.zones) * self.times * len(self.age_bands)

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
        }
        return hashlib.sha256(rfc8785.dumps(stated)).hexdigest()

    def epsilon_of(self, what: str) -> int:
        """Return the millionths of epsilon spent on people, events or consenting; the parts never exceed the whole."""
        return self.epsilon_micro * EPSILON_PERCENT[what] // 100

    @property
    def people_scale(self) -> float:
        """Return the scale of the noise on people: one person counts once in at most max_cells cells."""
        return noise.scale(self.max_cells, self.epsilon_of("people"))

    @property
    def threshold(self) -> int:
        """Return the fewest noisy people a published cell has; it grows with the key set."""
        return noise.threshold(self.people_scale, self.key_count, EXPECTED_FALSE_CELLS)


def specify(
    dataset: Mapping[str, Any] | asyncpg.Record, period_from: dt.datetime, period_to: dt.datetime
) -> Specification:
    """Return what a build of `dataset` (its row) over the half-open period is asked for; refuse what makes no release.

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
    zones = key_zones(dataset["zones"], dataset["h3_resolution"])
    if not zones or not dataset["age_bands"]:
        raise Invalid("The dataset {dataset} declares no zones or no age bands yet.", dataset=dataset["code"])
    specification = Specification(
        dataset=dataset["code"], purpose=dataset["purpose"], zones=zones, age_bands=tuple(dataset["age_bands"]),
        resolution=dataset["h3_resolution"], grain=dataset["grain"], period_from=start, period_to=end,
        max_cells=dataset["max_cells"], max_events=dataset["max_events"], epsilon_micro=dataset["epsilon_micro"],
    )  # fmt: skip
    if specification.key_count > LARGEST_KEY_SET:
        raise Invalid(
            "That release would have {keys} cells, more than {most}: choose a shorter period or larger zones.",
            keys=specification.key_count, most=LARGEST_KEY_SET,
        )  # fmt: skip
    return specification


def key_zones(area: Sequence[str], resolution: int) -> tuple[str, ...]:
    """Return the zones of `resolution` that `area` (H3 cells, coarser or equal) stands for, ascending, each once."""
    zones: set[str] = set()
    for cell in area:
        if not h3.is_valid_cell(cell) or h3.get_resolution(cell) > resolution:
            raise Invalid(
                "{cell} is not an H3 cell of resolution {resolution} or coarser.", cell=cell, resolution=resolution
            )
        zones.update(h3.cell_to_children(cell, resolution))
    return tuple(sorted(zones))


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
