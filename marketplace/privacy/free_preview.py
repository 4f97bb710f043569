"""What strangers see of a release: a map in three classes, a curve without a scale, a few rows. Too little to rebuild it.

An exact picture would be nearly as good as the release: a zone's average times a time's total is close to each figure.
So the map shows only whether a zone is quiet, middling or busy; a withheld zone is quiet. Each zone's rank is moved up
or down by a lasting amount of its own and of its neighbourhood. The curve runs from its lowest to its highest time in a
few steps. This module finds how far ranks are moved and how many steps there are: as little distortion as possible,
while the best reconstruction that we know explains at most MOST_EXPLAINED of the variance of the zone × time totals.
The sample has as many rows as that limit allows, because their times show how the city's days go. The amounts are a
function of the operator's secret and the zone. Showing a new map each week would still let someone average them. So one
release of a dataset is drawn for all of them, and each piece of ground once for all datasets that count there
(`marketplace.datasets.pictures.pictures`). Vetted partners see the same three classes by hour and by age band, with
ranks moved by the same amounts. Pure: published cells in, the picture out.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from marketplace.privacy.reconstruction import (
    CLASSES,
    Totals,
    explained_by,
    explained_of_larger,
    neighbourhoods,
    surroundings,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from marketplace.privacy.geography import Polygons

    Floats = NDArray[np.float64]

QUIET, MIDDLING, BUSY = 0, 1, 2
MOST_EXPLAINED: Final = 0.44
"""Share of the variance of zone × time totals that the picture may explain; 0.6 is promised. A picture is also compared
with other weeks, and explains more of a week that is more usual than its own: mostly by a tenth, in few cities by a
third. If even the roughest map would explain more, no map is drawn."""
MOST_OF_LARGER: Final = 0.5
"""Share that it may explain of the totals of larger zones over the same ground, by which another dataset may count.
Ranks are moved further than MOST_EXPLAINED alone requires, while the map still resembles its city."""
MOST_SHOWN_OF_LARGER: Final = 0.59
"""The largest share of them that it may explain, a little below the promise. If every map that resembles its city
explains more, no map is drawn."""
LEAST_LIKENESS: Final = 0.53
"""A map is drawn if its rank correlation with the zones' totals is at least this; 0.5 is promised."""
BLURS: Final = (
    *((0.6, 10), (0.6, 5), (0.8, 5), (0.6, 3), (0.8, 3), (1.0, 3)),
    *((0.6, 2), (0.8, 2), (1.0, 2), (0.6, 1), (0.8, 1), (1.0, 1), (1.2, 1), (1.4, 1)),
)
"""In descending accuracy: how far ranks are moved, in standard deviations of all ranks, and how many steps the curve
has."""
DISTANCES: Final = (0.6, 0.8, 1.0, 1.2, 1.4, 1.7, 2.0)
"""In ascending order: how far ranks are moved for the sake of larger zones."""
SAMPLE_ROWS: Final = (240, 120, 60, 30, 10)
"""In descending order: how many rows are free."""
FEWEST_SAMPLED: Final = 2
MOST_SAMPLED: Final = 6
ZONES_A_SAMPLED: Final = 20
"""One of so many zones has free rows, within these bounds."""
LEAST_SAMPLED: Final = 0.3
"""This share of the zones with any figure has fewer people than the zones whose rows are free."""
PROFILES: Final = 3
"""For so many sampled zones a reconstruction uses the times of each, in addition to their mean."""
ZONES_OF_A_NEIGHBOURHOOD: Final = (5, 20, 80)
"""About how many zones share an amount by which their ranks are moved; a reconstruction averages over as many."""
ZONES_OF_A_LARGER: Final = (4, 9, 16, 25)
"""About how many zones lie in one of the larger zones by which another dataset may count."""
WIDE_FROM: Final = 2
"""The first wide neighbourhood, in the list of a zone's own part and its neighbourhoods' parts."""
HUNDRED: Final = 100


@dataclass(frozen=True, slots=True)
class ReleaseNumbers:
    """The figures of a whole release, for its buyers and for questions of vetted partners about their own zones."""

    averages: dict[str, float]
    """People on average over the published times, by zone; a zone whose cells are all withheld is absent."""
    series: list[tuple[dt.datetime, int]]
    """People in published cells, by time."""
    figures: dict[str, int]
    """How many figures are published for each zone; a zone without figures is absent."""


@dataclass(frozen=True, slots=True)
class Glance:
    """The picture of a release that anybody may see."""

    classes: dict[str, int]
    """QUIET, MIDDLING or BUSY, for as many zones of the key set as fit on a map; empty if no map is drawn."""
    curve: list[tuple[dt.datetime, int]]
    """0 at the quietest time to 100 at the busiest, in a few steps; empty if even that would reveal too much."""
    sample: list[dict[str, Any]]
    """The first rows of a few zones, as sold; the same for everybody."""
    explained: float
    """The largest share of the variance of zone × time totals that a known reconstruction explains from this
    picture."""
    moved: dict[str, float]
    """Not for strangers: by how much the rank of each drawn zone is moved, in standard deviations; empty without a map
    of its own."""
    may_show_times: bool = True
    """Whether the map stays within its limit even for an attacker who knows the exact times at which people come and
    go. Only then do other datasets of the ground show their times."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What strangers already see of a dataset's ground: the pictures of earlier datasets."""

    classes: Mapping[str, int | None]
    """The class shown earlier for each zone of this dataset on ground already drawn; None if it had no class."""
    may_show_times: bool
    """Whether all earlier pictures allow it."""


@dataclass(frozen=True)
class _Scene:
    """The input of a picture: the release's totals and the positions of its zones."""

    totals: Totals
    instants: Sequence[dt.datetime]
    zones: Sequence[str]
    where: Floats
    moves: Sequence[Floats]
    """Amounts by which ranks are moved, in a few ways; empty if there is no map."""
    sampled: Sequence[int]

    @cached_property
    def people(self) -> Floats:
        """Return people by zone."""
        return np.bincount(self.totals.zone, self.totals.people, minlength=len(self.zones)).astype(float)

    @cached_property
    def by_time(self) -> Floats:
        """Return people by time."""
        return np.bincount(self.totals.time, self.totals.people, minlength=len(self.instants)).astype(float)

    @cached_property
    def places(self) -> Floats:
        """Return each zone's rank among all."""
        return _places(self.people)

    @cached_property
    def blocks(self) -> list[NDArray[np.int64]]:
        """Return neighbourhoods of several sizes."""
        return [neighbourhoods(self.where, size) for size in ZONES_OF_A_NEIGHBOURHOOD]

    @cached_property
    def larger(self) -> list[NDArray[np.int64]]:
        """Return larger zones of several sizes."""
        return [neighbourhoods(self.where, size) for size in ZONES_OF_A_LARGER]

    @cached_property
    def around(self) -> list[Callable[[Floats], Floats]]:
        """Return functions that average around each zone."""
        return surroundings(self.where) if self.moves else []

    @cached_property
    def times(self) -> Floats:
        """Return the exact course of people over time, in the form of profiles."""
        return self.by_time[:, None] / (self.by_time.mean() or 1.0)

    @cached_property
    def least_likeness(self) -> float:
        """Return how much a map must resemble its city; if zones are alike, even the exact map does not much."""
        return min(LEAST_LIKENESS, _likeness(_thirds(self.places), self.people))

    def explained(self, classes: NDArray[np.int64], levels: NDArray[np.int64], profiles: Floats | None = None) -> float:
        """Return the share that a map, a curve and free rows explain."""
        return explained_by(
            self.totals, classes, levels, self.blocks, self.around, known=self.sampled, profiles=profiles
        )

    def may_show_times(self, classes: NDArray[np.int64]) -> bool:
        """Return whether a map explains no more than allowed to an attacker who knows the times exactly."""
        return self.explained(classes, _levels(self.by_time, 1), self.times) <= MOST_EXPLAINED


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A map and a curve: the share they explain, amounts by which ranks are moved, classes by zone, levels by time."""

    explained: float
    moved: Floats
    classes: NDArray[np.int64]
    levels: NDArray[np.int64]


def draw(
    table: Any,  # noqa: ANN401 (pyarrow's table)
    zones: Sequence[str],
    centres: Mapping[str, tuple[float, float]],
    secret: bytes,
    most: int,
    *,
    ground: Ground | None = None,
) -> Glance:
    """Return the picture of a release that anybody may see.

    table: its cells as sold. zones: its key set's, published or withheld, or other places that are counted by, such as
    pairs of zones. centres: longitude and latitude of the zones with an outline; without any there is no map. secret:
    the operator's, which fixes by how much each zone's rank is moved. most: the number of zones that fit on a map.
    ground: what was drawn there earlier; each piece of ground is drawn once, and every other dataset that counts there
    repeats it.
    """
    totals, instants = _totals(table, zones)
    if not len(totals.people):
        return Glance({}, [], [], 0.0, {})
    where = np.array([centres.get(zone, (np.nan, np.nan)) for zone in zones], float).reshape(len(zones), 2)
    blocks = [neighbourhoods(where, size) for size in ZONES_OF_A_NEIGHBOURHOOD]
    people = np.bincount(totals.zone, totals.people, minlength=len(zones)).astype(float)
    moves = _moves(zones, blocks, secret) if centres else []
    scene = _Scene(totals, instants, zones, where, moves, _sampled(people, zones, secret))
    shown = _first(scene) if ground is None else _repeated(scene, ground)
    drawn = _shown_zones(scene, shown, ground)[:most] if shown and centres else []
    if shown is None:
        flat, least = np.full(len(zones), MIDDLING), _levels(scene.by_time, 1)
        shown = _Drawn(scene.explained(flat, least), 0 * scene.places, flat, least)
    named = [zones[at] for at in scene.sampled]
    sample, share = _freed(
        _rows(table, named),
        lambda some: scene.explained(shown.classes, shown.levels, profiles_of(some, named, instants)),
        shown.explained,
        SAMPLE_ROWS if ground is None or ground.may_show_times else SAMPLE_ROWS[-1:],
    )
    return Glance(
        {zones[at]: int(shown.classes[at]) for at in sorted(drawn)},  # by name: by place would be a finer map
        list(zip(instants, shown.levels.tolist(), strict=True)) if shown.levels.any() else [],
        sample,
        share,
        {zones[at]: float(shown.moved[at]) for at in sorted(drawn)} if ground is None else {},
        scene.may_show_times(shown.classes),
    )


def _shown_zones(scene: _Scene, shown: _Drawn, ground: Ground | None) -> list[int]:
    """Return the zones for a map, highest first, in an order that the map itself shows; the last may not fit."""
    height = scene.places + shown.moved if ground is None else shown.classes
    order: list[int] = np.argsort(-height, kind="stable").tolist()
    if ground is None:
        return order
    return [at for at in order if ground.classes.get(scene.zones[at], MIDDLING) is not None]


def _first(scene: _Scene) -> _Drawn | None:
    """Return the finest map and curve within the limits, None if even the roughest exceed them."""
    if not scene.moves:
        flat = np.full(len(scene.zones), MIDDLING)
        return _curved(scene, flat, [steps for _, steps in BLURS])
    for (distance, steps), move in product(BLURS, scene.moves):
        drawn = _moved(scene, distance * move, _levels(scene.by_time, steps))
        if drawn and drawn.explained <= MOST_EXPLAINED:
            return _moved_further(scene, distance, drawn)
    return None


def _moved(scene: _Scene, moved: Floats, levels: NDArray[np.int64]) -> _Drawn | None:
    """Return the map with ranks moved by these amounts, None if it does not resemble its city."""
    classes = _thirds(scene.places + moved)
    if _likeness(classes, scene.people) < scene.least_likeness:
        return None
    return _Drawn(scene.explained(classes, levels), moved, classes, levels)


def _moved_further(scene: _Scene, least: float, drawn: _Drawn) -> _Drawn | None:
    """Return the map with the least movement that hides larger zones, or else the one that explains the least of them.

    None if that is more than promised.
    """
    found: tuple[float, _Drawn] | None = None
    for distance, move in product(DISTANCES, scene.moves):
        further = _moved(scene, distance * move, drawn.levels) if distance >= least else None
        if further is None or further.explained > MOST_EXPLAINED:
            continue
        times = scene.times if scene.may_show_times(further.classes) else None
        share = explained_of_larger(scene.totals, further.classes, scene.larger, scene.around, times)
        if found is None or share < found[0]:
            found = share, further
        if share <= MOST_OF_LARGER:
            break
    return found[1] if found and found[0] <= MOST_SHOWN_OF_LARGER else None


def _curved(scene: _Scene, classes: NDArray[np.int64], steps: Sequence[int]) -> _Drawn | None:
    """Return a map with the finest curve for which both stay within the limits, None if there is no such curve."""
    for number in dict.fromkeys(steps):
        levels = _levels(scene.by_time, number)
        explained = scene.explained(classes, levels)
        if explained <= MOST_EXPLAINED:
            return _Drawn(explained, 0 * scene.places, classes, levels)
    return None


def _repeated(scene: _Scene, ground: Ground) -> _Drawn | None:
    """Return the map that repeats earlier pictures; new ground is drawn as if all of it were new.

    None if it does not resemble this city, or if the new part would reveal too much. A map that only repeats is already
    public, so it is shown without a curve even if it explains much.
    """
    steps = [steps for _, steps in BLURS] if ground.may_show_times else [1]
    is_known = np.array([zone in ground.classes for zone in scene.zones])
    before = np.array([_class_of(ground.classes.get(zone)) for zone in scene.zones])
    for distance, move in product(DISTANCES, scene.moves or [0 * scene.places]):
        classes = np.where(is_known, before, _thirds(scene.places + distance * move) if scene.moves else MIDDLING)
        drawn = _curved(scene, classes, steps)
        is_like = not scene.moves or _likeness(classes, scene.people) >= scene.least_likeness
        if drawn and is_like:
            return drawn
        if is_known.all():
            levels = _levels(scene.by_time, 1)
            flat = _Drawn(scene.explained(classes, levels), 0 * scene.places, classes, levels)
            return flat if is_like else None
    return None


def _class_of(known: int | None) -> int:
    return MIDDLING if known is None else known


def whole(table: Any, zones: Sequence[str]) -> ReleaseNumbers:  # noqa: ANN401 (pyarrow's table)
    """Return the figures of a release from its cells as sold, by `zones`: its key set's, or other places."""
    import pyarrow.compute as pc  # noqa: PLC0415

    totals, instants = _totals(table, zones)
    by_time = np.bincount(totals.time, totals.people, minlength=len(instants))
    times = np.bincount(totals.zone, minlength=len(zones))
    sums = np.bincount(totals.zone, totals.people, minlength=len(zones))
    return ReleaseNumbers(
        {zones[at]: float(sums[at] / times[at]) for at in np.flatnonzero(times).tolist()},
        list(zip(instants, by_time.astype(np.int64).tolist(), strict=True)),
        {row["values"].as_py(): row["counts"].as_py() for row in pc.value_counts(table["zone"])},
    )


def _freed(
    rows: Sequence[dict[str, Any]],
    explained: Callable[[Sequence[dict[str, Any]]], float],
    without: float,
    numbers: Sequence[int],
) -> tuple[list[dict[str, Any]], float]:
    """Return as many first rows as MOST_EXPLAINED allows or as explain nothing more, and the share explained."""
    share = without
    for most in numbers:
        share = explained(rows[:most])
        if share <= max(MOST_EXPLAINED, without):
            break
    return list(rows[:most]), share


def rough(averages: Mapping[str, float], moved: Mapping[str, float]) -> dict[str, int]:
    """Return QUIET, MIDDLING or BUSY for each zone of `moved`, with its rank moved as in the free map.

    averages: people of some of a release's figures, such as one hour's, by zone; a zone that is withheld there is
    quiet.
    """
    if not moved:
        return {}
    places = _places(np.array([averages.get(zone, 0.0) for zone in moved]))
    classes = _thirds(places + np.array(list(moved.values())))
    return {zone: int(one) for zone, one in zip(moved, classes.tolist(), strict=True)}


def profiles_of(sample: Sequence[Mapping[str, Any]], zones: Sequence[str], instants: Sequence[dt.datetime]) -> Floats:
    """Return how many people sampled rows have at each of n instants, (n, k): in all sampled zones, and in a few alone.

    An instant that is not sampled gets the mean of its hour of the day if that is known, else the mean of all.
    """
    shown = [set(zones), *({zone} for zone in zones[:PROFILES])]
    columns = np.zeros((len(instants), len(shown)))
    hours = np.array([when.hour for when in instants], np.int64)
    for number, of in enumerate(shown):
        people = dict.fromkeys(instants, 0.0)
        for row in sample:
            if row["zone"] in of:
                people[row["starts_at"]] += row["people"]
        values = np.array(list(people.values()))
        is_known = values > 0
        if is_known.any():
            mean = values[is_known].mean()
            sums, counts = (np.bincount(hours, weights, 24) for weights in (values, is_known.astype(float)))
            by_hour = np.where(counts > 0, sums / np.maximum(counts, 1), mean)
            columns[:, number] = np.where(is_known, values, by_hour[hours]) / mean
    return columns


def centres(shapes: Mapping[str, Polygons]) -> dict[str, tuple[float, float]]:
    """Return each outlined zone's approximate position: the mean of its first ring, longitude and latitude."""
    rings = {zone: np.array(polygons[0][0], float) for zone, polygons in shapes.items() if polygons}
    return {zone: (float(ring[:, 0].mean()), float(ring[:, 1].mean())) for zone, ring in rings.items()}


def _totals(table: Any, zones: Sequence[str]) -> tuple[Totals, list[dt.datetime]]:  # noqa: ANN401 (pyarrow's table)
    """Return the totals of the key set's zones, without sums over a larger zone, and their instants."""
    sums = table.group_by(["zone", "starts_at"]).aggregate([("people", "sum")])
    instants = sorted(set(sums["starts_at"].to_pylist()))
    zone_at, time_at = {zone: at for at, zone in enumerate(zones)}, {when: at for at, when in enumerate(instants)}
    zone = np.array([zone_at.get(name, -1) for name in sums["zone"].to_pylist()], np.int64)
    time = np.array([time_at[when] for when in sums["starts_at"].to_pylist()], np.int64)
    people = sums["people_sum"].to_numpy().astype(float)
    return Totals(zone[zone >= 0], time[zone >= 0], people[zone >= 0]), instants


def _moves(zones: Sequence[str], blocks: Sequence[NDArray[np.int64]], secret: bytes) -> list[Floats]:
    """Return by how much each zone's rank is moved, about standard normal, in two ways.

    One way adds a part for the zone and a part for each of its neighbourhoods. The other uses only the wide
    neighbourhoods, for a city so smooth that averaging around a zone would undo the other parts.
    """
    own = np.array([_normal(secret, f"zone {zone}") for zone in zones])
    parts = [own]
    for block in blocks:
        first = np.unique(block, return_index=True)[1]
        shared = np.array([_normal(secret, f"around {zones[at]} of {len(first)}") for at in first])
        parts.append(shared[block])
    wide = parts[WIDE_FROM:]
    return [np.asarray(np.sum(some, axis=0) / np.sqrt(len(some))) for some in (parts, wide)]


def _normal(secret: bytes, name: str) -> float:
    digest = hmac.new(secret, b"glance " + name.encode(), hashlib.sha256).digest()
    return NormalDist().inv_cdf((int.from_bytes(digest[:6], "big") + 0.5) / 2**48)


def _places(values: Floats) -> Floats:
    """Return each value's rank among all as a standard normal; equal values have one rank."""
    ascending = np.sort(values)
    low = np.searchsorted(ascending, values, side="left")
    high = np.searchsorted(ascending, values, side="right")
    normal = NormalDist()
    of_rank = np.array([normal.inv_cdf((half + 0.5) / (2 * len(values))) for half in range(2 * len(values))])
    return np.asarray(of_rank[np.minimum(low + high, 2 * len(values) - 1)])


def _likeness(classes: NDArray[np.int64], whole: Floats) -> float:
    """Return Spearman's rank correlation of the classes with the zones' totals, 0 if all are equal."""

    def ranks(values: Floats) -> Floats:
        ascending = np.sort(values)
        return np.asarray(
            np.searchsorted(ascending, values, "left") + np.searchsorted(ascending, values, "right"), float
        )

    a, b = (one - one.mean() for one in (ranks(classes.astype(float)), ranks(whole)))
    spread = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / spread if spread else 0.0


def _thirds(places: Floats) -> NDArray[np.int64]:
    """Return QUIET, MIDDLING or BUSY, a third of the zones each."""
    rank = np.empty(len(places), np.int64)
    rank[np.argsort(places, kind="stable")] = np.arange(len(places))
    return np.asarray(rank * CLASSES // len(places), np.int64)


def _levels(by_time: Floats, steps: int) -> NDArray[np.int64]:
    """Return each time's total from 0 (the lowest) to 100 (the highest), in so many steps."""
    spread = float(np.ptp(by_time)) if len(by_time) else 0.0
    if steps == 1 or not spread:
        return np.zeros(len(by_time), np.int64)
    step = np.rint((by_time - by_time.min()) / spread * (steps - 1))
    return np.asarray(np.rint(step * HUNDRED / (steps - 1)), np.int64)


def _sampled(whole: Floats, zones: Sequence[str], secret: bytes) -> list[int]:
    """Return the zones whose first rows are free: some of the less busy half, not its quietest, chosen by the secret.

    The quietest have hardly any rows, which would not show what the data are.
    """
    some = np.flatnonzero(whole)
    if not len(some):
        return []
    low, middle = np.quantile(whole[some], [LEAST_SAMPLED, 0.5])
    lower = some[(low <= whole[some]) & (whole[some] <= middle)].tolist()
    many = max(FEWEST_SAMPLED, min(MOST_SAMPLED, len(some) // ZONES_A_SAMPLED))
    return sorted(sorted(lower, key=lambda at: _normal(secret, f"sample {zones[at]}"))[:many])


def _rows(table: Any, zones: Sequence[str]) -> list[dict[str, Any]]:  # noqa: ANN401 (pyarrow's table)
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    of_these = table.filter(pc.is_in(table["zone"], pa.array(zones, pa.string())))
    order = pc.sort_indices(of_these, [("starts_at", "ascending"), ("zone", "ascending"), ("segment", "ascending")])
    rows: list[dict[str, Any]] = of_these.take(order[: SAMPLE_ROWS[0]]).to_pylist()
    return rows
