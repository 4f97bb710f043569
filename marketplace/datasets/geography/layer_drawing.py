"""Draw layers over a map: clipped to its frame, simplified to its scale, with labels that do not overlap; pure.

Source: Sutherland and Hodgman, "Reentrant polygon clipping", CACM 1974.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from markupsafe import Markup

from marketplace.core.web.maps import MAP_WIDTH, Frame, closed_path, thin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from marketplace.datasets.geography.layer_rules import Shape

    Placed = NDArray[np.int64]
    Box = tuple[float, float, float, float]

THINNEST: Final = 5
MOST_CORNERS: Final = 4_000
"""The most corners of all lines and areas over one map."""
MARGIN: Final = 100
"""Units beyond the frame to which areas are cut, so that no cut is visible."""
MOST_LABELS: Final = 40
WIDE_TYPE, NARROW_TYPE = 42, 92
"""Height of a label's type in units, on a wide map and on one as narrow as a phone; the style sheet has the same."""
WIDTH_OF_A_SIGN: Final = 0.66
"""Average width, relative to the height."""
SHADES: Final = (
    ("water", True, "water"),
    ("water", False, "river"),
    ("road", False, "road"),
    ("outline", None, "border"),
)
"""Kind of layer, areas or lines (None: both), and its class in the style sheet; the lowest first."""


def draw(layers: Sequence[tuple[str, Sequence[Shape]]], frame: Frame) -> Markup:
    """Return layers, each a kind and its shapes, as markup over a map of this frame."""
    runs = {name: list(_runs(layers, kind, is_area, frame)) for kind, is_area, name in SHADES}
    thinnest = THINNEST
    thinned = runs
    while True:
        thinned = {name: [left for line in of if len(left := thin(line, thinnest)) > 1] for name, of in runs.items()}
        if sum(len(line) for of in thinned.values() for line in of) <= MOST_CORNERS:
            break
        thinnest *= 2
    closed = {"water"}
    paths = Markup().join(
        Markup('<path class="{}" d="{}"/>').format(
            name, "".join(closed_path(line) if name in closed else _open_path(line) for line in of)
        )
        for name, of in thinned.items()
        if of
    )
    places = [(shape.name, shape.parts[0]) for kind, shapes in layers if kind == "place" for shape in shapes]
    labels = Markup().join(_labels(places, frame))
    return Markup('<g class="over" aria-hidden="true">{}{}</g>').format(paths, labels) if paths or labels else Markup()


def _runs(
    layers: Sequence[tuple[str, Sequence[Shape]]],
    kind: str,
    is_area: bool | None,  # noqa: FBT001 (a row of SHADES)
    frame: Frame,
) -> Iterator[list[tuple[int, int]]]:
    """Yield the visible parts of the lines or areas of a kind."""
    for of, shapes in layers:
        for shape in shapes if of == kind else ():
            if is_area is None or shape.is_area == is_area:
                for part in shape.parts:
                    placed = frame.place(part)
                    yield from _cut_area(placed, frame) if shape.is_area and is_area else _cut_line(placed, frame)


def _cut_line(placed: Placed, frame: Frame) -> Iterator[list[tuple[int, int]]]:
    """Yield the parts of a line that may be in the frame: steps whose box is beyond a side are left out."""
    low, high = np.minimum(placed[:-1], placed[1:]), np.maximum(placed[:-1], placed[1:])
    is_seen = ((high >= -MARGIN) & (low <= np.array([MAP_WIDTH, frame.height]) + MARGIN)).all(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_seen, [False]]).astype(np.int8)))
    for first, last in edges.reshape(-1, 2).tolist():
        yield [(x, y) for x, y in placed[first : last + 1].tolist()]


def _cut_area(placed: Placed, frame: Frame) -> Iterator[list[tuple[int, int]]]:
    """Yield a ring cut to the frame and a margin; no ring if it is beyond."""
    ring: list[tuple[float, float]] = [(float(x), float(y)) for x, y in placed[:-1].tolist()]
    for axis, bound, sign in (
        (0, -MARGIN, 1),
        (0, MAP_WIDTH + MARGIN, -1),
        (1, -MARGIN, 1),
        (1, frame.height + MARGIN, -1),
    ):
        ring = _cut_at(ring, axis, bound, sign)
    if len(ring) > 2:  # noqa: PLR2004 (corners that make an area)
        yield [(round(x), round(y)) for x, y in ring]


def _cut_at(ring: list[tuple[float, float]], axis: int, bound: float, sign: int) -> list[tuple[float, float]]:
    """Return the part of a ring where `sign` × (coordinate - bound) is not negative, cut at that straight line."""
    kept: list[tuple[float, float]] = []
    for before, at in pairwise([*ring[-1:], *ring]):
        is_in, was_in = (sign * (point[axis] - bound) >= 0 for point in (at, before))
        if is_in != was_in:
            share = (bound - before[axis]) / (at[axis] - before[axis])
            kept.append((before[0] + share * (at[0] - before[0]), before[1] + share * (at[1] - before[1])))
        if is_in:
            kept.append(at)
    return kept


def _open_path(line: list[tuple[int, int]]) -> str:
    steps = [f"{x - before[0]} {y - before[1]}" for before, (x, y) in pairwise(line)]
    return f"M{line[0][0]} {line[0][1]}l{' '.join(steps)}".replace(" -", "-")


def _labels(places: Iterable[tuple[str, NDArray[np.float64]]], frame: Frame) -> Iterator[Markup]:
    """Yield places' names, the first ones first, leaving out those that overlap an earlier one.

    A name that fits only on a wide screen is marked, so that the style sheet hides it on a narrow one.
    """
    wide: list[Box] = []
    narrow: list[Box] = []
    for name, places_of in places:
        if len(wide) == MOST_LABELS:
            return
        x, y = frame.place(places_of[:1])[0].tolist()
        box, large = (_box(x, y, name, height) for height in (WIDE_TYPE, NARROW_TYPE))
        if _is_beyond(box, frame) or any(_meet(box, one) for one in wide):
            continue
        wide.append(box)
        has_room = not _is_beyond(large, frame) and not any(_meet(large, one) for one in narrow)
        if has_room:
            narrow.append(large)
        yield Markup('<text x="{}" y="{}"{}>{}</text>').format(
            x, y, Markup("") if has_room else Markup(' class="odd"'), name
        )


def _box(x: int, y: int, name: str, height: int) -> Box:
    half = len(name) * height * WIDTH_OF_A_SIGN / 2
    return x - half, y - height * 0.8, x + half, y + height * 0.4


def _is_beyond(box: Box, frame: Frame) -> bool:
    return box[0] < 0 or box[1] < 0 or box[2] > MAP_WIDTH or box[3] > frame.height


def _meet(box: Box, other: Box) -> bool:
    return box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
