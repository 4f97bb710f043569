"""Maps: pure functions from zones and their numbers to SVG markup, under the rules of `charts`.

`outline` projects and simplifies outlines once, which takes seconds for a country: run it in a thread, and cache it.
Drawing only joins texts. Coordinates are whole numbers, so that a thousand hexagons stay well below 100 KiB. A map has
at most MOST_DRAWN zones and MOST_CORNERS corners: at most half a megabyte.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from marketplace.core.web import formats
from marketplace.core.web.charts import folded, nothing
from marketplace.core.web.i18n import gettext

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Ring = list[tuple[int, int]]
    Polygons = Sequence[Sequence[Sequence[Sequence[float]]]]
    """Polygons, each of rings, of longitudes and latitudes."""

CLASSES = 7
MAP_WIDTH = 2000
MAP_TALLEST, MAP_FLATTEST = 1.1, 0.5
MOST_TITLED_HEXES = 1500
MOST_DRAWN, MOST_CORNERS = 5_000, 50_000
THINNEST = 3
"""Corners closer than this, relative to MAP_WIDTH, look like one."""
NOTHING = Markup()
NARROWEST = 1e-9
"""The least width of a map in radians, so that a single point can be drawn too."""
HIGHEST_LATITUDE = 85.0


@dataclass(frozen=True, slots=True)
class Frame:
    """The position of a map on Earth: drawings on it use whole Mercator units of a picture MAP_WIDTH wide."""

    longitude: float
    """In degrees: the origin of longitudes, so that a map across the antimeridian is one piece."""
    left: float
    top: float
    scale: float
    """Units a radian."""
    height: int

    def place(self, places: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return n longitudes and latitudes in degrees, (n, 2), as units across and down."""
        x, y = _mercator(places, self.longitude)
        return np.rint(np.stack([x - self.left, y - self.top], axis=1) * self.scale).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Outlines:
    """Zones of one map as SVG paths, without those too small to be seen and those without an outline."""

    paths: Mapping[str, str]
    height: int
    """Relative to MAP_WIDTH."""
    frame: Frame | None = field(default=None, compare=False)
    """None if nothing is drawn."""


def outline(shapes: Mapping[str, Polygons]) -> Outlines:
    """Return the outlines of zones, simplified to the precision of a map of them all."""
    placed, frame = _project(shapes)
    corners, thinnest = MOST_CORNERS + 1, THINNEST
    while corners > MOST_CORNERS:
        rings = {zone: [left for ring in of if len(left := thin(ring, thinnest)) > 1] for zone, of in placed.items()}
        corners = sum(len(ring) for of in rings.values() for ring in of)
        thinnest *= 2
    drawn = {zone: "".join(map(closed_path, of)) for zone, of in rings.items() if of}
    return Outlines(drawn, frame.height if frame else 0, frame)


def busiest(cells: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return the zones that fit on one map: the busiest first, and withheld ones last."""
    if len(cells) <= MOST_DRAWN:
        return dict(cells)

    def place(cell: str) -> tuple[bool, float, str]:
        value = cells[cell]
        return value is None, -(value or 0.0), cell

    return {cell: cells[cell] for cell in heapq.nsmallest(MOST_DRAWN, cells, key=place)}


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
    cells: Mapping[str, float | None],
    breaks: Sequence[int] = (),
    labels: Sequence[str] = (),
    *,
    title: str,
    description: str = "",
    unit: str = "",
    withheld_label: str = "",
    names: Mapping[str, str] | None = None,
    outlines: Outlines | None = None,
    zones: int = 0,
    over: Markup = NOTHING,
    note: str = "",
) -> Markup:
    """Draw zones in up to seven classes; a zone whose value is None is withheld, and hatched.

    breaks: ascending lower bounds of the classes, by default `class_breaks` of the values; labels: their names, by
    default ranges. Zones are H3 cells, unless they have names; a zone missing from `outlines` is only in the table.
    zones: the total number, if `cells` has only the busiest. over: drawn on top, in the same frame: waters, roads,
    labels. note: text on the card of each zone below its value, such as its error. Nothing in the picture shows a
    withheld zone's value.
    """
    table = _busiest_as_table(cells, names, title, unit)
    outlines = outlines or outline(hexagons(cells))
    drawn = {cell: value for cell, value in cells.items() if cell in outlines.paths}
    if not drawn:
        return table if any(value is not None for value in cells.values()) else nothing()
    shown = {cell: value for cell, value in drawn.items() if value is not None}
    hidden = [cell for cell, value in drawn.items() if value is None]
    bounds = list(breaks or class_breaks(shown.values()))[:CLASSES]
    withheld = withheld_label or gettext("withheld")
    key = hashlib.sha256(f"{title}{min(drawn)}{len(drawn)}".encode()).hexdigest()[:8]
    picture = _hatch(key) + _withheld_zones(hidden, outlines, key, withheld, names or {})
    picture += _shown_zones(shown, bounds, outlines, names or {}, unit)
    spoken = description or gettext("{shown} cells shown, {hidden} withheld.").format(
        shown=formats.number(len(shown)), hidden=formats.number(len(hidden))
    )
    key_of_shades = legend(list(labels) or _ranges(bounds), len(bounds), withheld if hidden else "")
    below = key_of_shades + _note_of_busiest(len(cells), zones) + table
    return framed(picture + over, title, spoken, outlines.height, note) + below


def framed(picture: Markup, title: str, spoken: str, height: int, note: str = "", *, attribute: str = "note") -> Markup:
    """Return a map's picture with its title and its text for screen readers."""
    key = hashlib.sha256(f"{title}{spoken}{height}".encode()).hexdigest()[:8]
    extra = Markup(' data-{}="{}"').format(attribute, note) if note else ""
    return Markup(
        '<svg class="map" fill-rule="evenodd" viewBox="0 0 {width} {height}" role="img"{extra} '
        'aria-labelledby="map-{key}-t map-{key}-d"><title id="map-{key}-t">{title}</title>'
        '<desc id="map-{key}-d">{spoken}</desc>{picture}</svg>'
    ).format(width=MAP_WIDTH, height=height, key=key, title=title, spoken=spoken, picture=picture, extra=extra)


def _busiest_as_table(
    cells: Mapping[str, float | None], names: Mapping[str, str] | None, title: str, unit: str
) -> Markup:
    """Return the ten busiest zones as a folded table."""
    shown = {cell: value for cell, value in cells.items() if value is not None}
    busiest = sorted(shown, key=lambda cell: (-shown[cell], cell))[:10]
    called = (gettext("Zone"), gettext("The busiest zones as a table"))
    if names is None:
        called = (gettext("Cell (H3)"), gettext("The busiest cells as a table"))
    rows = [((names or {}).get(cell, cell), rounded(shown[cell])) for cell in busiest]
    return folded(title, (called[0], unit or title), rows, called[1])


def _note_of_busiest(drawn: int, zones: int) -> Markup:
    """Return a sentence that only the busiest are drawn, if there are more zones than that."""
    if zones <= drawn:
        return Markup()
    sentence = gettext("Only the {drawn} busiest of {zones} zones are drawn.")
    return Markup('<p class="muted">{}</p>').format(
        sentence.format(drawn=formats.number(drawn), zones=formats.number(zones))
    )


def _hatch(key: str) -> Markup:
    """Define the pattern of withheld zones."""
    return Markup(
        '<defs><pattern id="hatch-{}" width="16" height="16" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><path class="hatch" d="M0 0V16"/></pattern></defs>'
    ).format(key)


def _withheld_zones(
    hidden: Sequence[str], outlines: Outlines, key: str, label: str, names: Mapping[str, str]
) -> Markup:
    """Draw withheld zones hatched: as one path, or each with its name if they have any; empty if there are none."""
    if not hidden:
        return Markup()
    is_named = bool(names) and len(hidden) <= MOST_TITLED_HEXES
    paths = (
        [(f"{names.get(cell, cell)}: {label}", outlines.paths[cell]) for cell in hidden]
        if is_named
        else [(label, "".join(outlines.paths[cell] for cell in hidden))]
    )
    return Markup().join(
        Markup('<path class="withheld" fill="url(#hatch-{})" d="{}"><title>{}</title></path>').format(key, path, title)
        for title, path in paths
    )


def _shown_zones(
    shown: Mapping[str, float], bounds: Sequence[int], outlines: Outlines, names: Mapping[str, str], unit: str
) -> Markup:
    """Draw each class of zones in its shade; every zone with its value, unless there are too many to point at."""
    groups: dict[int, list[str]] = {}
    for cell, value in shown.items():
        groups.setdefault(max(bisect_right(bounds, value) - 1, 0), []).append(cell)
    shades = spread(len(bounds))
    drawn = Markup()
    for group, zones in sorted(groups.items()):
        if len(shown) > MOST_TITLED_HEXES:
            path = "".join(outlines.paths[cell] for cell in zones)
            drawn += Markup('<path class="q{}" d="{}"/>').format(shades[group], path)
            continue
        titled = Markup().join(
            Markup("<path d='{}'><title>{}</title></path>").format(
                outlines.paths[cell],
                f"{names[cell] + ': ' if cell in names else ''}{rounded(shown[cell])} {unit}".strip(),
            )
            for cell in zones
        )
        drawn += Markup('<g class="q{}">{}</g>').format(shades[group], titled)
    return drawn


def rounded(value: float) -> str:
    """Write a zone's figure with the precision that people read: whole, or to a tenth below ten."""
    return formats.number(round(value) if value >= 10 else round(value, 1))  # noqa: PLR2004


def legend(names: Sequence[str], classes: int, withheld: str) -> Markup:
    """Return the names of the classes with their shades, and of withheld zones if there are any."""
    shades = spread(classes)
    items = [Markup('<li><i class="q{}"></i>{}</li>').format(shades[n], name) for n, name in enumerate(names)]
    if withheld:
        items.append(Markup('<li><i class="withheld"></i>{}</li>').format(withheld))
    return Markup('<ul class="legend" aria-hidden="true">{}</ul>').format(Markup().join(items))


def sketch(classes: Mapping[str, int], count: int, outlines: Outlines, over: Markup = NOTHING) -> Markup:
    """Draw only the map of `count` classes, next to text that explains it; empty without outlines. over: drawn on top."""
    if not any(zone in outlines.paths for zone in classes):
        return Markup()
    shades = spread(count)
    drawn = Markup("").join(
        Markup('<path class="q{}" d="{}"/>').format(
            shades[number],
            "".join(outlines.paths[z] for z, one in classes.items() if one == number and z in outlines.paths),
        )
        for number in range(count)
    )
    return Markup('<svg class="map sketch" viewBox="0 0 {} {}" aria-hidden="true" focusable="false">{}</svg>').format(
        MAP_WIDTH, outlines.height, drawn + over
    )


def hexagons(cells: Iterable[str]) -> dict[str, Polygons]:
    """Return the outlines of H3 cells."""
    import h3  # noqa: PLC0415 (a compiled module that only maps need)

    return {cell: [[[(lng, lat) for lat, lng in h3.cell_to_boundary(cell)]]] for cell in cells}


def _project(shapes: Mapping[str, Polygons]) -> tuple[dict[str, list[Ring]], Frame | None]:
    """Return each zone's rings in whole Mercator units of a picture MAP_WIDTH wide, and the picture's frame."""
    rings = [(zone, ring) for zone, polygons in shapes.items() for polygon in polygons for ring in polygon]
    if not rings:
        return {}, None
    places = np.array([place for _, ring in rings for place in ring], float)
    x, y = _mercator(places, places[0, 0])
    wide, tall = float(np.ptp(x)), float(np.ptp(y))
    frame_wide = max(wide, tall / MAP_TALLEST, NARROWEST) * 1.06
    frame_tall = max(tall * 1.06, frame_wide * MAP_FLATTEST)
    scale = MAP_WIDTH / frame_wide
    left, top = x.min() - (frame_wide - wide) / 2, y.min() - (frame_tall - tall) / 2
    frame = Frame(float(places[0, 0]), float(left), float(top), scale, round(frame_tall * scale))
    points = frame.place(places).tolist()
    placed: dict[str, list[Ring]] = {zone: [] for zone in shapes}
    first = 0
    for zone, ring in rings:
        placed[zone].append([(across, down) for across, down in points[first : first + len(ring)]])
        first += len(ring)
    return placed, frame


def _mercator(places: NDArray[np.float64], longitude: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return n longitudes and latitudes in degrees, (n, 2), as radians east of a longitude, and down."""
    x = np.radians((places[:, 0] - longitude + 180) % 360 - 180)
    y = -np.log(np.tan(np.pi / 4 + np.radians(places[:, 1].clip(-HIGHEST_LATITUDE, HIGHEST_LATITUDE)) / 2))
    return x, y


def closed_path(ring: Ring) -> str:
    """Write a closed outline with relative whole steps, as short as SVG allows."""
    steps = [f"{x - before[0]} {y - before[1]}" for before, (x, y) in pairwise(ring)]
    return f"M{ring[0][0]} {ring[0][1]}l{' '.join(steps)}z".replace(" -", "-")


def thin(ring: Ring, thinnest: int) -> Ring:
    """Leave out corners that are closer than this to the previous one, and a last one that repeats the first."""
    kept = ring[:1]
    for x, y in ring[1:]:
        if max(abs(x - kept[-1][0]), abs(y - kept[-1][1])) >= thinnest:
            kept.append((x, y))
    return kept[:-1] if len(kept) > 1 and kept[-1] == kept[0] else kept


def _ranges(bounds: Sequence[int]) -> list[str]:
    """Name classes by their whole numbers: 10–19, 20–39, 40+."""
    named = [
        formats.number(low) if high - low <= 1 else f"{formats.number(low)}–{formats.number(high - 1)}"
        for low, high in pairwise(bounds)
    ]
    return [*named, f"{formats.number(bounds[-1])}+"]


def spread(count: int) -> list[int]:
    """Spread `count` classes over the seven shades, lightest and darkest included."""
    return [round(position * (CLASSES - 1) / max(count - 1, 1)) for position in range(count)] if count > 1 else [3]


def _round(value: float) -> int:
    """Round to two significant figures, the second a multiple of five."""
    size: int = 10 ** max(math.floor(math.log10(value)) - 1, 0)
    step = 5 * size if value / size >= 20 else size  # noqa: PLR2004 (below 20 a step of five is too coarse)
    return max(round(value / step) * step, 1)
