"""Maps without figures of zones: areas, zones to choose from, and flows between zones as arrows. Pure, returning safe `Markup`."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from marketplace.core.web import formats
from marketplace.core.web.charts import folded
from marketplace.core.web.i18n import gettext
from marketplace.core.web.maps import NOTHING, framed, rounded

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from marketplace.core.web.maps import Outlines

MOST_ARROWS: Final = 30
"""More would cover each other."""
WIDTHS: Final = 4
"""Widths of arrows in the style sheet."""
BEND: Final = 0.16
"""How far an arrow bends aside, relative to its length: the two directions are two arrows."""
SHORT: Final = 0.9
"""The drawn share of an arrow's length, so that its head ends short of the zone's middle."""


@dataclass(frozen=True, slots=True)
class Flow:
    """People who go from one zone to another."""

    origin: str
    end: str
    people: float


def coverage_map(outlines: Outlines, counts: Mapping[str, str], *, title: str, over: Markup = NOTHING) -> Markup:
    """Draw areas, each with its count in words; `outlines` has one path an area, by its name."""
    drawn = Markup().join(
        Markup('<path class="q2" d="{}"><title>{}</title></path>').format(path, f"{name}: {counts[name]}")
        for name, path in outlines.paths.items()
    )
    return framed(drawn + over, title, ", ".join(outlines.paths), outlines.height)


def choosing_map(
    zones: Sequence[str],
    outlines: Outlines,
    *,
    title: str,
    names: Mapping[str, str],
    field: str,
    selected: Collection[str] = (),
    over: Markup = NOTHING,
) -> Markup:
    """Draw zones for clicking: the script adds a clicked one to the form's `field`. selected: zones that are marked."""
    drawn = Markup()
    for zone in zones:
        if zone in outlines.paths:
            drawn += Markup('<path class="{}" data-zone="{}" d="{}"><title>{}</title></path>').format(
                "land chosen" if zone in selected else "land", zone, outlines.paths[zone], names.get(zone, zone)
            )
    spoken = gettext("{zones} zones.").format(zones=formats.number(len(outlines.paths)))
    return framed(drawn + over, title, spoken, outlines.height, field, attribute="choose")


def flow_map(
    flows: Sequence[Flow],
    middles: Mapping[str, tuple[int, int]],
    outlines: Outlines,
    *,
    title: str,
    unit: str,
    names: Mapping[str, str],
    over: Markup = NOTHING,
    note: str = "",
) -> Markup:
    """Draw the largest flows as arrows, wider for larger ones, and list some as a table.

    middles: units across and down of each zone in the outlines' frame. names: zones' names, by default their codes.
    """
    shown = heapq.nlargest(
        MOST_ARROWS,
        (one for one in flows if one.origin != one.end and one.origin in middles and one.end in middles),
        key=lambda one: (one.people, one.origin, one.end),
    )
    called = [f"{names.get(one.origin, one.origin)} → {names.get(one.end, one.end)}" for one in shown]
    rows = [(name, rounded(one.people)) for name, one in zip(called[:10], shown, strict=False)]
    kind = (gettext("From → to"), gettext("The largest flows as a table"))
    table = folded(title, (kind[0], unit), rows, kind[1])
    if not outlines.paths or not shown:
        return table if rows else Markup()
    low, high = shown[-1].people, shown[0].people
    arrows = Markup()
    for name, one in reversed(list(zip(called, shown, strict=True))):
        share = (one.people - low) / (high - low) if high > low else 1.0
        arrows += Markup('<path class="flow w{}" marker-end="url(#head)" d="{}"><title>{}</title></path>').format(
            min(WIDTHS - 1, math.floor(share * WIDTHS)),
            _arc(middles[one.origin], middles[one.end]),
            f"{name}: {rounded(one.people)} {unit}",
        )
    head = Markup(
        '<defs><marker id="head" viewBox="0 0 8 8" refX="5" refY="4" markerWidth="3.2" markerHeight="3.2" orient="auto">'
        '<path class="head" d="M0 0 8 4 0 8z"/></marker></defs>'
    )
    spoken = gettext("The {flows} largest flows.").format(flows=formats.number(len(shown)))
    picture = head + _land(outlines) + arrows + over
    return framed(picture, title, spoken, outlines.height, note) + table


def _arc(start: tuple[int, int], end: tuple[int, int]) -> str:
    """Return a bent line that covers most of the way from one place to another."""
    across, down = end[0] - start[0], end[1] - start[1]
    middle = start[0] + across / 2 - down * BEND, start[1] + down / 2 + across * BEND
    stop = start[0] + across * SHORT, start[1] + down * SHORT
    return f"M{start[0]} {start[1]}Q{middle[0]:.0f} {middle[1]:.0f} {stop[0]:.0f} {stop[1]:.0f}"


def _land(outlines: Outlines) -> Markup:
    return Markup('<path class="land" d="{}"/>').format("".join(outlines.paths.values()))
