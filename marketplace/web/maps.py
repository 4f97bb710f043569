"""Maps: pure functions from zones and their numbers to SVG markup, under the rule of charts.

Coordinates are whole numbers, so that a thousand hexagons stay well below 100 KiB.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING

from markupsafe import Markup

from marketplace.web import formats
from marketplace.web.charts import folded, nothing
from marketplace.web.i18n import gettext

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Ring = list[tuple[int, int]]
    Polygons = Sequence[Sequence[Sequence[Sequence[float]]]]
    """Polygons, each of rings, of longitudes and latitudes."""

CLASSES = 7
MAP_WIDTH = 2000
MAP_TALLEST, MAP_FLATTEST = 1.1, 0.5
MOST_TITLED_HEXES = 1500
THINNEST = 3
"""Corners closer than this, of MAP_WIDTH, are one to the eye."""
HIGHEST_LATITUDE = 85.0


def class_breaks(values: Iterable[float]) -> list[int]:
    """Return at most seven ascending lower bounds of classes, growing by about the same ratio, for whole values > 0."""
    counted = sorted(value for value in values if value > 0)
    if not counted:
        return [1]
    low, high = counted[0], counted[-1]
    breaks = [math.floor(low)]
    for step in range(1, CLASSES):
        bound = _round(low * (high / low) ** (step / CLASSES))
        if bound > breaks[-1] and bound <= high:
            breaks.append(bound)
    return breaks


def zone_map(
    cells: Mapping[str, float | None], breaks: Sequence[int] = (), labels: Sequence[str] = (), *,
    title: str, description: str = "", unit: str = "", withheld_label: str = "",
    names: Mapping[str, str] | None = None, shapes: Mapping[str, Polygons] | None = None,
) -> Markup:  # fmt: skip
    """Draw zones in up to seven classes; a zone whose value is None is withheld, and hatched.

    breaks: ascending lower bounds of the classes, `class_breaks` of the values when empty; labels: their names, ranges
    when empty. Zones are H3 cells, unless they have names and shapes (GeoJSON polygons; one without any is in the table
    alone). Nothing in the picture tells a withheld zone's value.
    """
    shown = {cell: value for cell, value in cells.items() if value is not None}
    busiest = sorted(shown, key=lambda cell: (-shown[cell], cell))[:10]
    called = (gettext("Zone"), gettext("The busiest zones as a table"))
    if names is None:
        called = (gettext("Cell (H3)"), gettext("The busiest cells as a table"))
    names = names or {}
    rows = [(names.get(cell, cell), formats.number(shown[cell])) for cell in busiest]
    table = folded(title, (called[0], unit or title), rows, called[1])
    if shapes is not None:
        cells = {cell: value for cell, value in cells.items() if shapes.get(cell)}
    if not cells:
        return table if shown else nothing()
    bounds = list(breaks or class_breaks(value for value in cells.values() if value is not None))[:CLASSES]
    ranges = list(labels) or _ranges(bounds)
    paths, size = _outlines(_hexagons(cells) if shapes is None else {cell: shapes[cell] for cell in cells})
    key = hashlib.sha256(f"{title}{min(cells)}{len(cells)}".encode()).hexdigest()[:8]
    shown = {cell: value for cell, value in cells.items() if value is not None}
    groups: dict[int, list[str]] = {}
    for cell, value in shown.items():
        groups.setdefault(max(bisect_right(bounds, value) - 1, 0), []).append(cell)
    spread = _spread(len(bounds))
    body = [
        Markup('<defs><pattern id="hatch-{}" width="16" height="16" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
               '<path class="hatch" d="M0 0V16"/></pattern></defs>').format(key)
    ]  # fmt: skip
    if hidden := [cell for cell in cells if cells[cell] is None]:
        body.append(Markup('<path class="withheld" fill="url(#hatch-{})" d="{}"><title>{}</title></path>').format(
            key, "".join(paths[cell] for cell in hidden), withheld_label or gettext("withheld")))  # fmt: skip
    for group in sorted(groups):
        if len(shown) > MOST_TITLED_HEXES:
            body.append(Markup('<path class="q{}" d="{}"/>').format(
                spread[group], "".join(paths[cell] for cell in groups[group])))  # fmt: skip
            continue
        hexes = Markup("").join(
            Markup("<path d='{}'><title>{}</title></path>").format(
                paths[cell],
                f"{names[cell] + ': ' if cell in names else ''}{formats.number(shown[cell])} {unit}".strip(),
            )
            for cell in groups[group]
        )
        body.append(Markup('<g class="q{}">{}</g>').format(spread[group], hexes))
    legend = [
        Markup('<li><i class="q{}"></i>{}</li>').format(spread[position], name) for position, name in enumerate(ranges)
    ]
    if hidden:
        legend.append(Markup('<li><i class="withheld"></i>{}</li>').format(withheld_label or gettext("withheld")))
    spoken = description or gettext("{shown} cells shown, {hidden} withheld.").format(
        shown=formats.number(len(shown)), hidden=formats.number(len(hidden))
    )
    return Markup('<svg class="map" fill-rule="evenodd" viewBox="0 0 {} {}" role="img" aria-labelledby="map-{}-t map-{}-d"><title id="map-{}-t">{}</title>'
                  '<desc id="map-{}-d">{}</desc>{}</svg><ul class="legend" aria-hidden="true">{}</ul>{}').format(
        MAP_WIDTH, size, key, key, key, title, key, spoken, Markup("").join(body), Markup("").join(legend),
        table,
    )  # fmt: skip


def sketch(cells: Mapping[str, float | None], shapes: Mapping[str, Polygons] | None = None) -> Markup:
    """Draw the map alone, without words, beside text that says what it shows; nothing where no zone has a shape."""
    shown = {cell: value for cell, value in cells.items() if value is not None and (shapes is None or shapes.get(cell))}
    if not shown:
        return Markup()
    bounds = class_breaks(shown.values())
    paths, size = _outlines(_hexagons(cells) if shapes is None else {cell: shapes[cell] for cell in shown})
    spread = _spread(len(bounds))
    groups: dict[int, list[str]] = {}
    for cell, value in shown.items():
        groups.setdefault(spread[max(bisect_right(bounds, value) - 1, 0)], []).append(paths[cell])
    drawn = Markup("").join(
        Markup('<path class="q{}" d="{}"/>').format(shade, "".join(outlines))
        for shade, outlines in sorted(groups.items())
    )
    return Markup('<svg class="map sketch" viewBox="0 0 {} {}" aria-hidden="true" focusable="false">{}</svg>').format(
        MAP_WIDTH, size, drawn
    )


def _hexagons(cells: Iterable[str]) -> dict[str, Polygons]:
    """Return the outlines of H3 cells."""
    import h3  # noqa: PLC0415 (a compiled module that only maps need)

    return {cell: [[[(lng, lat) for lat, lng in h3.cell_to_boundary(cell)]]] for cell in cells}


def _outlines(shapes: Mapping[str, Polygons]) -> tuple[dict[str, str], int]:
    """Return each zone's outline as SVG writes it, without specks, and the picture's height."""
    placed, height = _project(shapes)
    paths = {
        zone: "".join(_path(thin) for ring in rings if len(thin := _thin(ring)) > 1) for zone, rings in placed.items()
    }
    return paths, height


def _project(shapes: Mapping[str, Polygons]) -> tuple[dict[str, list[Ring]], int]:
    """Return each zone's rings in whole Mercator units of a picture MAP_WIDTH wide, and the picture's height."""
    outlines: dict[str, list[list[tuple[float, float]]]] = {}
    middle: float | None = None
    for zone, polygons in shapes.items():
        rings = [ring for polygon in polygons for ring in polygon]
        middle = rings[0][0][0] if middle is None else middle
        outlines[zone] = [
            [(math.radians((lng - middle + 180) % 360 - 180), _mercator(lat)) for lng, lat in ring] for ring in rings
        ]
    points = [point for rings in outlines.values() for ring in rings for point in ring]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    wide, tall = max(xs) - min(xs), max(ys) - min(ys)
    frame_wide = max(wide, tall / MAP_TALLEST) * 1.06
    frame_tall = max(tall * 1.06, frame_wide * MAP_FLATTEST)
    scale = MAP_WIDTH / frame_wide
    left, top = min(xs) - (frame_wide - wide) / 2, min(ys) - (frame_tall - tall) / 2
    placed = {
        zone: [[(round((x - left) * scale), round((y - top) * scale)) for x, y in ring] for ring in rings]
        for zone, rings in outlines.items()
    }
    return placed, round(frame_tall * scale)


def _mercator(latitude: float) -> float:
    kept = max(min(latitude, HIGHEST_LATITUDE), -HIGHEST_LATITUDE)
    return -math.log(math.tan(math.pi / 4 + math.radians(kept) / 2))


def _path(ring: Ring) -> str:
    """Write a closed outline with relative whole steps, as briefly as SVG allows."""
    steps = [f"{x - before[0]} {y - before[1]}" for before, (x, y) in pairwise(ring)]
    return f"M{ring[0][0]} {ring[0][1]}l{' '.join(steps)}z".replace(" -", "-")


def _thin(ring: Ring) -> Ring:
    """Leave out corners that lie closer than THINNEST to the one before."""
    kept = ring[:1]
    for x, y in ring[1:]:
        if max(abs(x - kept[-1][0]), abs(y - kept[-1][1])) >= THINNEST:
            kept.append((x, y))
    return kept


def _ranges(bounds: Sequence[int]) -> list[str]:
    """Name classes by their whole numbers: 10–19, 20–39, 40+."""
    named = [
        formats.number(low) if high - low <= 1 else f"{formats.number(low)}–{formats.number(high - 1)}"
        for low, high in pairwise(bounds)
    ]
    return [*named, f"{formats.number(bounds[-1])}+"]


def _spread(count: int) -> list[int]:
    """Spread `count` classes over the seven shades, lightest and darkest included."""
    return [round(position * (CLASSES - 1) / max(count - 1, 1)) for position in range(count)] if count > 1 else [3]


def _round(value: float) -> int:
    """Round to two significant figures, the second a multiple of five."""
    size: int = 10 ** max(math.floor(math.log10(value)) - 1, 0)
    step = 5 * size if value / size >= 20 else size  # noqa: PLR2004 (below 20 a step of five is too coarse)
    return max(round(value / step) * step, 1)
