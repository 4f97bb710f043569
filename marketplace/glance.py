"""What strangers see of a release: a map in three classes, a curve without a scale, a few rows. Too little to rebuild it.

A picture made of what is sold is nearly as good: a zone's average times a time's total is nearly each figure. So the map
shows only whether a zone is quiet, middling or busy (a withheld zone is quiet, like any other), each zone's place moved
up or down by a lasting amount of its own and of its neighbourhood; the curve runs from its lowest to its highest time
in a few steps. How far places are moved and how many steps there are is found here: as little as makes the best
reconstruction that we know explain at most MOST_EXPLAINED of the variance of the zone × time totals; the sample has as
many rows as leave it so, for their times say how the city's days go. The amounts are a function of the operator's secret
and the zone; yet each week's own ups and downs put a zone now in one class and now in the next, and how often says more
than one map may. So one release of a dataset is drawn for all of them (`marketplace.pictures`). Vetted partners see the
same three classes by hour and by age band, their places moved by the same amounts. Pure: published cells in, and what is drawn out.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from functools import partial
from itertools import product
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from marketplace.privacy.geography import Polygons

    Floats = NDArray[np.float64]

QUIET, MIDDLING, BUSY = 0, 1, 2
CLASSES: Final = 3
FOLDS: Final = 5
"""Who rebuilds a city knows no exact figure of it: weights are learnt from four fifths of the zones and tried on the rest."""
MOST_EXPLAINED: Final = 0.44
"""Share of the variance of zone × time totals that the picture may explain; what is promised is 0.6. A picture is shown beside
other weeks too, and explains more of one that is more usual than its own: mostly by a tenth, of few cities by a third. And
other datasets of the same place have pictures of their own. Where even the roughest map would explain more, none is drawn."""
LEAST_LIKENESS: Final = 0.53
"""A map is drawn where its rank correlation with the zones' totals is at least this; what is promised is 0.5."""
BLURS: Final = (
    *((0.6, 10), (0.6, 5), (0.8, 5), (0.6, 3), (0.8, 3), (1.0, 3)),
    *((0.6, 2), (0.8, 2), (1.0, 2), (0.6, 1), (0.8, 1), (1.0, 1), (1.2, 1), (1.4, 1)),
)
"""Ever less: how far places are moved, in standard deviations of all places, and how many steps the curve has."""
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
REACHES: Final = (1.0, 1.5, 2.5, 4.0, 7.0)
"""Over how many zones' distance who rebuilds the map averages classes."""
WEIGHED_ZONES: Final = 2_000
"""Up to so many zones each is averaged by its distance to all; more lie on a lattice, in squares around each."""
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
    """Not for strangers: by how much the place of each zone that is drawn is moved, in standard deviations; empty without a map."""


@dataclass(frozen=True, slots=True)
class Totals:
    """The zone × time totals of a release: n published ones, by position of their zone and their time."""

    zone: NDArray[np.int64]
    time: NDArray[np.int64]
    people: Floats


def draw(
    table: Any,  # noqa: ANN401 (pyarrow's table)
    zones: Sequence[str],
    centres: Mapping[str, tuple[float, float]],
    secret: bytes,
    most: int,
) -> Glance:
    """Return what anybody may see of a release.

    table: its cells as sold. zones: its key set's, published or withheld; or all that is counted by, such as pairs of
    zones. centres: longitude and latitude of those that have an outline, without any of which there is no map. secret: the operator's, which decides by how
    much each zone's place is moved, for good. most: zones that a map has room for.
    """
    totals, instants = _totals(table, zones)
    where = np.array([centres.get(zone, (np.nan, np.nan)) for zone in zones], float).reshape(len(zones), 2)
    blocks = [_neighbourhoods(where, size) for size in ZONES_OF_A_NEIGHBOURHOOD]
    around = _surroundings(where) if centres else []
    moves = _moves(zones, blocks, secret) if centres else [np.zeros(len(zones))]
    whole = np.bincount(totals.zone, totals.people, minlength=len(zones)).astype(float)
    places = _places(whole)
    by_time = np.bincount(totals.time, totals.people, minlength=len(instants)).astype(float)
    sampled = _sampled(whole, zones, secret)
    # Of zones that are all alike no map is much like them, the exact one included.
    least_likeness = min(LEAST_LIKENESS, _likeness(_thirds(places), whole))
    found: tuple[float, Floats, NDArray[np.int64], NDArray[np.int64]] | None = None
    for (distance, steps), move in product(BLURS, moves):
        moved = distance * move
        classes = _thirds(places + moved) if centres else np.full(len(zones), MIDDLING)
        if centres and _likeness(classes, whole) < least_likeness:
            continue
        levels = _levels(by_time, steps)
        explained = explained_by(totals, classes, levels, blocks, around, known=sampled)
        if found is None or explained < found[0]:
            found = explained, moved, classes, levels
        if explained <= MOST_EXPLAINED:
            break
    if found is None or found[0] > MOST_EXPLAINED:
        flat, least = np.full(len(zones), MIDDLING), _levels(by_time, 1)
        found = explained_by(totals, flat, least, blocks, around, known=sampled), 0 * places, flat, least
        most = 0
    without, moved, classes, levels = found
    named = [zones[at] for at in sampled]
    known = partial(explained_by, totals, classes, levels, blocks, around, known=sampled)
    sample, share = _freed(
        _rows(table, named), lambda some: known(profiles=profiles_of(some, named, instants)), without
    )
    # In the order of their names: the order of their places would be a finer map.
    drawn = sorted(np.argsort(-(places + moved), kind="stable")[:most].tolist()) if centres else []
    return Glance(
        {zones[at]: int(classes[at]) for at in drawn},
        list(zip(instants, levels.tolist(), strict=True)) if levels.any() else [],
        sample,
        share,
        {zones[at]: float(moved[at]) for at in drawn},
    )


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
    rows: Sequence[dict[str, Any]], explained: Callable[[Sequence[dict[str, Any]]], float], without: float
) -> tuple[list[dict[str, Any]], float]:
    """Return as many of the first rows as leave a city explained as little as without, or by MOST_EXPLAINED; and by how much."""
    share = without
    for most in SAMPLE_ROWS:
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


def explained_by(
    totals: Totals,
    classes: NDArray[np.int64],
    levels: NDArray[np.int64],
    blocks: Sequence[NDArray[np.int64]],
    around: Sequence[Callable[[Floats], Floats]] = (),
    *,
    known: Sequence[int] = (),
    profiles: Floats | None = None,
) -> float:
    """Return which share of the totals' variance the best reconstruction that we know explains, in [0, 1].

    It knows each zone's class, the average class of its neighbourhoods, the curve, and (more than anybody does) the best
    weights for them in the same city: a zone's level, or its logarithm, is fitted on its class and its neighbourhoods', then each time's
    totals on that. around: averages of zones' values around each. known: zones whose figures are free. profiles: what free
    rows say of each of the times, `profiles_of` them.
    """
    mass = ((totals.people - totals.people.mean()) ** 2).sum()
    if not mass:
        return 0.0
    figures = np.bincount(totals.zone, minlength=len(classes))
    mean = np.bincount(totals.zone, totals.people, minlength=len(classes)) / np.maximum(figures, 1)
    near = [_averaged(classes.astype(float), block) for block in blocks]
    near += [average(classes.astype(float)) for average in around]
    bent = [*(one**2 for one in near), *(one * classes for one in near)]
    columns = [*(classes == one for one in range(CLASSES)), *near, *bent]
    features = np.stack(columns, axis=1).astype(float)
    weight, is_hidden = np.sqrt(figures), ~np.isin(totals.zone, list(known))
    fitted = _predicted(features, mean, weight)
    through_logs = np.exp(_predicted(features, np.log(np.maximum(mean, 1.0)), weight))
    times = (levels[:, None] == np.unique(levels)).astype(float)
    times = times if profiles is None else np.hstack([times, profiles])
    left = min(_left(level, totals, times, is_hidden) for level in (fitted, through_logs))
    return float(min(1.0, max(0.0, 1 - left / mass)))


def _predicted(features: Floats, wanted: Floats, weight: Floats) -> Floats:
    """Return what a linear fit of the other zones' features, each zone weighted, predicts of every zone, in FOLDS parts."""
    guess = wanted.copy()
    fold = np.arange(len(wanted)) % FOLDS
    for part in range(min(FOLDS, len(wanted)) if len(wanted) > 1 else 0):
        known, asked = fold != part, fold == part
        fit = np.linalg.lstsq(features[known] * weight[known, None], wanted[known] * weight[known], rcond=None)[0]
        guess[asked] = np.clip(features[asked] @ fit, wanted[known].min(), wanted[known].max())
    return guess


def _left(fitted: Floats, totals: Totals, times: Floats, is_hidden: NDArray[np.bool_]) -> float:
    """Return the squares that are left of the hidden totals once a line in `fitted` is, its ends linear in each time's features.

    times: features of the n times, (n, k), of which some are 1 together. The sums are those of each time.
    """
    when, y = totals.time[is_hidden], totals.people[is_hidden]
    if not len(y):
        return 0.0
    x, y = fitted[totals.zone[is_hidden]], y - y.mean()
    x = (x - x.mean()) / (x.std() or 1.0)
    count, x_sum, xx_sum, y_sum, xy_sum = (
        np.bincount(when, of, len(times)) for of in (np.ones(len(x)), x, x * x, y, x * y)
    )
    flat, mixed, square = (times.T @ (of[:, None] * times) for of in (count, x_sum, xx_sum))
    wanted = np.concatenate([times.T @ y_sum, times.T @ xy_sum])
    solved = np.linalg.lstsq(np.block([[flat, mixed], [mixed, square]]), wanted, rcond=1e-12)[0]
    return float(y @ y - wanted @ solved)


def _totals(table: Any, zones: Sequence[str]) -> tuple[Totals, list[dt.datetime]]:  # noqa: ANN401 (pyarrow's table)
    """Return the totals of the key set's zones, and the instants they begin at; sums over a larger zone are left out."""
    sums = table.group_by(["zone", "starts_at"]).aggregate([("people", "sum")])
    instants = sorted(set(sums["starts_at"].to_pylist()))
    zone_at, time_at = {zone: at for at, zone in enumerate(zones)}, {when: at for at, when in enumerate(instants)}
    zone = np.array([zone_at.get(name, -1) for name in sums["zone"].to_pylist()], np.int64)
    time = np.array([time_at[when] for when in sums["starts_at"].to_pylist()], np.int64)
    people = sums["people_sum"].to_numpy().astype(float)
    return Totals(zone[zone >= 0], time[zone >= 0], people[zone >= 0]), instants


def _neighbourhoods(where: Floats, size: int) -> NDArray[np.int64]:
    """Return a number for each zone that it shares with about `size` zones near it; one without a place shares it with none."""
    placeless = np.isnan(where).any(axis=1)
    number = np.arange(len(where), dtype=np.int64)
    if placeless.all():
        return number
    placed = where[~placeless]
    low, span = placed.min(axis=0), np.maximum(np.ptp(placed, axis=0), 1e-9)
    squares = max(1, len(placed) // size)
    across = max(1, round(np.sqrt(squares * span[0] / span[1])))
    down = max(1, round(squares / across))
    square = np.minimum((placed - low) / span * [across, down], [across - 1, down - 1]).astype(np.int64)
    number[~placeless] = len(where) + square[:, 0] * down + square[:, 1]
    return np.asarray(np.unique(number, return_inverse=True)[1], np.int64)


def _averaged(values: Floats, block: NDArray[np.int64]) -> Floats:
    return np.asarray((np.bincount(block, values) / np.bincount(block))[block], float)


def _surroundings(where: Floats) -> list[Callable[[Floats], Floats]]:
    """Return, for each reach, what averages zones' values around each of them."""
    if len(where) > WEIGHED_ZONES:
        square = _squares(where)
        return [partial(_blurred, square=square, reach=round(reach)) for reach in REACHES]
    placed = np.where(np.isnan(where), 1e9 * np.arange(1, len(where) + 1)[:, None], where)  # one without a place: apart
    shown = where[~np.isnan(where).any(axis=1)]
    spacing = np.sqrt(np.ptp(shown, axis=0).prod() / len(shown)) or 1.0
    apart = ((placed[:, None] - placed[None]) ** 2).sum(axis=-1) / spacing**2
    weights = [np.exp(-apart / reach**2) for reach in REACHES]
    return [(weight / weight.sum(axis=1, keepdims=True)).__matmul__ for weight in weights]


def _squares(where: Floats) -> NDArray[np.int64]:
    """Return each zone's column and row, (n, 2), on a lattice of about as many squares as zones; those without a place: 0."""
    placed = np.nan_to_num(where - np.nanmin(where, axis=0))
    span = np.maximum(placed.max(axis=0), 1e-9)
    across = max(1, round(np.sqrt(len(where) * span[0] / span[1])))
    down = max(1, round(len(where) / across))
    return np.asarray(np.minimum(placed / span * [across, down], [across - 1, down - 1]), np.int64)


def _blurred(values: Floats, *, square: NDArray[np.int64], reach: int) -> Floats:
    """Return the mean of values over the squares within `reach` columns and rows of each zone's."""
    size = square.max(axis=0) + 1
    sums, counts = np.zeros((2, *(size + 2 * reach + 1)))
    np.add.at(sums, (square[:, 0] + reach + 1, square[:, 1] + reach + 1), values)
    np.add.at(counts, (square[:, 0] + reach + 1, square[:, 1] + reach + 1), 1.0)

    def around(field: Floats) -> Floats:
        whole = field.cumsum(axis=0).cumsum(axis=1)
        low, high = square, np.minimum(square + 2 * reach + 1, np.array(whole.shape) - 1)
        return np.asarray(
            whole[high[:, 0], high[:, 1]]
            - whole[low[:, 0], high[:, 1]]
            - whole[high[:, 0], low[:, 1]]
            + whole[low[:, 0], low[:, 1]]
        )

    return around(sums) / np.maximum(around(counts), 1.0)


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
