"""What strangers see of a release: a map in three classes, a curve without a scale, a few rows. Too little to rebuild it.

A picture made of what is sold is nearly as good: a zone's average times a time's total is nearly each figure. So the map
shows only whether a zone is quiet, middling or busy (a withheld zone is quiet, like any other), each zone's place moved
up or down by a lasting amount of its own and of its neighbourhood; the curve runs from its lowest to its highest time
in a few steps. How far places are moved and how many steps there are is found here: as little as makes the best
reconstruction that we know explain at most MOST_EXPLAINED of the variance of the zone × time totals; the sample has as
many rows as leave it so, for their times say how the city's days go. The amounts are a function of the operator's secret
and the zone; yet each week's own ups and downs put a zone now in one class and now in the next, and how often says more
than one map may. So one release of a dataset is drawn for all of them, and each piece of ground once, whichever datasets
count there (`marketplace.pictures`). Vetted partners see the
same three classes by hour and by age band, their places moved by the same amounts. Pure: published cells in, and what is drawn out.
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

from marketplace.reconstruction import CLASSES, Totals, explained_by, explained_of_larger, neighbourhoods, surroundings

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from marketplace.privacy.geography import Polygons

    Floats = NDArray[np.float64]

QUIET, MIDDLING, BUSY = 0, 1, 2
MOST_EXPLAINED: Final = 0.44
"""Share of the variance of zone × time totals that the picture may explain; what is promised is 0.6. A picture is shown beside
other weeks too, and explains more of one that is more usual than its own: mostly by a tenth, of few cities by a third.
Where even the roughest map would explain more, none is drawn."""
MOST_OF_LARGER: Final = 0.5
"""Share that it may explain of the totals of larger zones over the same ground, which another dataset may count by: places
are moved further than MOST_EXPLAINED alone asks, as far as a map then still is like its city."""
MOST_SHOWN_OF_LARGER: Final = 0.59
"""Share of them that it explains at most, a little below what is promised: where no map that is like its city explains less,
none is drawn."""
LEAST_LIKENESS: Final = 0.53
"""A map is drawn where its rank correlation with the zones' totals is at least this; what is promised is 0.5."""
BLURS: Final = (
    *((0.6, 10), (0.6, 5), (0.8, 5), (0.6, 3), (0.8, 3), (1.0, 3)),
    *((0.6, 2), (0.8, 2), (1.0, 2), (0.6, 1), (0.8, 1), (1.0, 1), (1.2, 1), (1.4, 1)),
)
"""Ever less: how far places are moved, in standard deviations of all places, and how many steps the curve has."""
DISTANCES: Final = (0.6, 0.8, 1.0, 1.2, 1.4, 1.7, 2.0)
"""Ever further: how far places are moved for the sake of larger zones."""
SAMPLE_ROWS: Final = (240, 120, 60, 30, 10)
"""Ever fewer: how many rows are free."""
FEWEST_SAMPLED: Final = 2
MOST_SAMPLED: Final = 6
ZONES_A_SAMPLED: Final = 20
"""Zones whose rows are free: one of so many, within these bounds."""
LEAST_SAMPLED: Final = 0.3
"""Of the zones with any figure, this share has fewer people than those whose rows are free."""
PROFILES: Final = 3
"""Sampled zones of which who rebuilds a city uses each one's times on their own, besides their mean."""
ZONES_OF_A_NEIGHBOURHOOD: Final = (5, 20, 80)
"""About how many zones share an amount by which their places are moved, and are averaged by who rebuilds the map."""
ZONES_OF_A_LARGER: Final = (4, 9, 16, 25)
"""About how many zones lie in one of those that another dataset may count by."""
WIDE_FROM: Final = 2
"""Of a zone's own part and its neighbourhoods', the first of the wide ones."""
HUNDRED: Final = 100


@dataclass(frozen=True, slots=True)
class Whole:
    """A release in numbers: for who bought it, and to answer a vetted partner's question about its own zones."""

    averages: dict[str, float]
    """People on average over the times published, by zone; a zone that is withheld altogether is absent."""
    series: list[tuple[dt.datetime, int]]
    """People in published cells, by time."""
    figures: dict[str, int]
    """How many figures of each zone are published; a zone with none is absent."""


@dataclass(frozen=True, slots=True)
class Glance:
    """A release drawn for anybody."""

    classes: dict[str, int]
    """QUIET, MIDDLING or BUSY, by zone: those of the key set that a map has room for; none where no map is drawn."""
    curve: list[tuple[dt.datetime, int]]
    """0 at the quietest time to 100 at the busiest, in a few steps; empty where even that would reveal too much."""
    sample: list[dict[str, Any]]
    """The first rows of a few zones, as sold; the same for everybody."""
    explained: float
    """The most of the variance of zone × time totals that a reconstruction from this explains, as far as we know."""
    moved: dict[str, float]
    """Not for strangers: by how much the place of each zone that is drawn is moved, in standard deviations; empty without a map
    of its own."""
    may_show_times: bool = True
    """Whether the map explains no more than it may to who knows exactly how people come and go: then other datasets of the
    ground show their times, too."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What strangers have already seen of a dataset's ground: the pictures of datasets before it."""

    classes: Mapping[str, int | None]
    """By zone of this dataset that lies where another was drawn: the class there, None where that one has none."""
    may_show_times: bool
    """Whether all those before allow it."""


@dataclass(frozen=True)
class _Scene:
    """What a picture is made of: the release's totals and where its zones lie."""

    totals: Totals
    instants: Sequence[dt.datetime]
    zones: Sequence[str]
    where: Floats
    moves: Sequence[Floats]
    """By how much places are moved, in a few ways; nothing where there is no map."""
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
        """Return each zone's place among all."""
        return _places(self.people)

    @cached_property
    def blocks(self) -> list[NDArray[np.int64]]:
        """Return neighbourhoods of a few sizes."""
        return [neighbourhoods(self.where, size) for size in ZONES_OF_A_NEIGHBOURHOOD]

    @cached_property
    def larger(self) -> list[NDArray[np.int64]]:
        """Return larger zones of a few sizes."""
        return [neighbourhoods(self.where, size) for size in ZONES_OF_A_LARGER]

    @cached_property
    def around(self) -> list[Callable[[Floats], Floats]]:
        """Return what averages around each zone."""
        return surroundings(self.where) if self.moves else []

    @cached_property
    def times(self) -> Floats:
        """Return exactly how people come and go, as profiles are."""
        return self.by_time[:, None] / (self.by_time.mean() or 1.0)

    @cached_property
    def least_likeness(self) -> float:
        """Return how like its city a map has to be: of zones that are all alike no map is much like them, the exact one included."""
        return min(LEAST_LIKENESS, _likeness(_thirds(self.places), self.people))

    def explained(self, classes: NDArray[np.int64], levels: NDArray[np.int64], profiles: Floats | None = None) -> float:
        """Return what a map, a curve and free rows explain."""
        return explained_by(
            self.totals, classes, levels, self.blocks, self.around, known=self.sampled, profiles=profiles
        )

    def may_show_times(self, classes: NDArray[np.int64]) -> bool:
        """Return whether a map explains no more than it may to who knows the times exactly."""
        return self.explained(classes, _levels(self.by_time, 1), self.times) <= MOST_EXPLAINED


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A map and a curve: what they explain, by how much places are moved, classes by zone, levels by time."""

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
    """Return what anybody may see of a release.

    table: its cells as sold. zones: its key set's, published or withheld; or all that is counted by, such as pairs of
    zones. centres: longitude and latitude of those that have an outline, without any of which there is no map. secret: the operator's, which decides by how
    much each zone's place is moved, for good. most: zones that a map has room for. ground: what was drawn of it before; each
    piece of ground is drawn once, and repeated by all else that is counted there.
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
    """Return the zones that a map shows, first those that are shown where there is no room for all: by what it says of them alone."""
    height = scene.places + shown.moved if ground is None else shown.classes
    order: list[int] = np.argsort(-height, kind="stable").tolist()
    if ground is None:
        return order
    return [at for at in order if ground.classes.get(scene.zones[at], MIDDLING) is not None]


def _first(scene: _Scene) -> _Drawn | None:
    """Return the finest map and curve that explain no more than they may, None where the roughest do."""
    if not scene.moves:
        flat = np.full(len(scene.zones), MIDDLING)
        return _curved(scene, flat, [steps for _, steps in BLURS])
    for (distance, steps), move in product(BLURS, scene.moves):
        drawn = _moved(scene, distance * move, _levels(scene.by_time, steps))
        if drawn and drawn.explained <= MOST_EXPLAINED:
            return _moved_further(scene, distance, drawn)
    return None


def _moved(scene: _Scene, moved: Floats, levels: NDArray[np.int64]) -> _Drawn | None:
    """Return the map of places that are moved so, None where it is not like its city."""
    classes = _thirds(scene.places + moved)
    if _likeness(classes, scene.people) < scene.least_likeness:
        return None
    return _Drawn(scene.explained(classes, levels), moved, classes, levels)


def _moved_further(scene: _Scene, least: float, drawn: _Drawn) -> _Drawn | None:
    """Return the map that moves places as little as leaves larger zones unexplained, or else explains the least of them.

    None where that is more than is promised.
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
    """Return a map with the finest curve beside it that explain no more than they may, None where none does."""
    for number in dict.fromkeys(steps):
        levels = _levels(scene.by_time, number)
        explained = scene.explained(classes, levels)
        if explained <= MOST_EXPLAINED:
            return _Drawn(explained, 0 * scene.places, classes, levels)
    return None


def _repeated(scene: _Scene, ground: Ground) -> _Drawn | None:
    """Return the map that repeats what was drawn before, new ground beside it drawn as if all were new.

    None where it is not like this city, or what is new would say too much of it. What is repeated alone is free already,
    and so is shown without a curve though it says much.
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


def whole(table: Any, zones: Sequence[str]) -> Whole:  # noqa: ANN401 (pyarrow's table)
    """Return a release in numbers: of its cells as sold, by its key set's zones, or all that is counted by."""
    import pyarrow.compute as pc  # noqa: PLC0415

    totals, instants = _totals(table, zones)
    by_time = np.bincount(totals.time, totals.people, minlength=len(instants))
    times = np.bincount(totals.zone, minlength=len(zones))
    sums = np.bincount(totals.zone, totals.people, minlength=len(zones))
    return Whole(
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
    """Return as many of the first rows as leave a city explained as little as without, or by MOST_EXPLAINED; and by how much."""
    share = without
    for most in numbers:
        share = explained(rows[:most])
        if share <= max(MOST_EXPLAINED, without):
            break
    return list(rows[:most]), share


def rough(averages: Mapping[str, float], moved: Mapping[str, float]) -> dict[str, int]:
    """Return QUIET, MIDDLING or BUSY for each zone of `moved`, its place moved as the free map has it moved.

    averages: people of some of a release's figures, such as an hour's, by zone; a zone that is withheld there is quiet.
    """
    if not moved:
        return {}
    places = _places(np.array([averages.get(zone, 0.0) for zone in moved]))
    classes = _thirds(places + np.array(list(moved.values())))
    return {zone: int(one) for zone, one in zip(moved, classes.tolist(), strict=True)}


def profiles_of(sample: Sequence[Mapping[str, Any]], zones: Sequence[str], instants: Sequence[dt.datetime]) -> Floats:
    """Return how many people sampled rows have at each of n instants, (n, k): in all sampled zones, and in a few on their own.

    Where an instant is not sampled it is the mean of its hour of the day, as far as that is, else of all that are.
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
    """Return about where each outlined zone lies: the mean of its first ring's corners, longitude and latitude."""
    rings = {zone: np.array(polygons[0][0], float) for zone, polygons in shapes.items() if polygons}
    return {zone: (float(ring[:, 0].mean()), float(ring[:, 1].mean())) for zone, ring in rings.items()}


def _totals(table: Any, zones: Sequence[str]) -> tuple[Totals, list[dt.datetime]]:  # noqa: ANN401 (pyarrow's table)
    """Return the totals of the key set's zones, and the instants they begin at; sums over a larger zone are left out."""
    sums = table.group_by(["zone", "starts_at"]).aggregate([("people", "sum")])
    instants = sorted(set(sums["starts_at"].to_pylist()))
    zone_at, time_at = {zone: at for at, zone in enumerate(zones)}, {when: at for at, when in enumerate(instants)}
    zone = np.array([zone_at.get(name, -1) for name in sums["zone"].to_pylist()], np.int64)
    time = np.array([time_at[when] for when in sums["starts_at"].to_pylist()], np.int64)
    people = sums["people_sum"].to_numpy().astype(float)
    return Totals(zone[zone >= 0], time[zone >= 0], people[zone >= 0]), instants


def _moves(zones: Sequence[str], blocks: Sequence[NDArray[np.int64]], secret: bytes) -> list[Floats]:
    """Return by how much each zone's place is moved, about standard normal, in two ways.

    A part its own and a part each of its neighbourhoods'; and those of the wide ones alone, for a city so smooth that
    who averages around a zone would undo the others.
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
    """Return each value's place among all as a standard normal; equal values have one place."""
    ascending = np.sort(values)
    low = np.searchsorted(ascending, values, side="left")
    high = np.searchsorted(ascending, values, side="right")
    normal = NormalDist()
    of_rank = np.array([normal.inv_cdf((half + 0.5) / (2 * len(values))) for half in range(2 * len(values))])
    return np.asarray(of_rank[np.minimum(low + high, 2 * len(values) - 1)])


def _likeness(classes: NDArray[np.int64], whole: Floats) -> float:
    """Return Spearman's rank correlation of the classes with the zones' totals, 0 where there is nothing to tell apart."""

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
    """Return the zones whose first rows are free: of the less busy half of those with any, but not its quietest, as the secret has it.

    The quietest have hardly a row, from which nobody sees what the data are.
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
