"""Charts: pure functions from numbers to SVG markup, drawn on the server and readable without scripts or colours.

In this file every picture has a title, a description and the same figures as a table. Colours and sizes are classes of
the style sheet (a strict policy forbids inline style); no address outside the site is named.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from marketplace.core.web import formats
from marketplace.core.web.i18n import gettext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    Instant = dt.date | dt.datetime
    Write = Callable[[float], str]

WIDTH, HEIGHT = 720, 260
RIGHT, TOP, BOTTOM = 22, 26, 30
LEAST_LEFT, LETTER_WIDTH, LETTER_WIDTH_ON_A_PHONE = 44, 8, 13
MOST_HITS = 200
MOST_ROWS = 120
MOST_LABELS = 7
ROW, ROW_TEXT, ROW_BAR = 54, 22, 8
MOST_LETTERS = WIDTH // LETTER_WIDTH_ON_A_PHONE
BAR_WIDTH, BAR_GAP = 1000, 6
NO_BREAKS: Mapping[Instant, str] = MappingProxyType({})
SHORT_SPAN = dt.timedelta(days=3)
LONG_SPAN = dt.timedelta(days=100)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a waterfall: where it is on a line of 1000, and whether it adds, subtracts or sums."""

    kind: str
    """up, down or sum."""
    x: float
    width: float


def segments(weights: Iterable[float]) -> list[tuple[float, float]]:
    """Divide a line of 1000 among `weights`, leaving a hair between neighbours: (start, length) of each."""
    whole = [max(float(weight), 0.0) for weight in weights]
    total = sum(whole) or 1.0
    room = BAR_WIDTH - BAR_GAP * max(sum(weight > 0 for weight in whole) - 1, 0)
    at, parts = 0.0, []
    for weight in whole:
        length = room * weight / total
        parts.append((round(min(at, BAR_WIDTH), 1), round(length, 1)))
        at += length + (BAR_GAP if weight > 0 else 0)
    return parts


def waterfall(steps: Sequence[tuple[str, int]], total: int) -> Iterator[tuple[tuple[str, int], Bar]]:
    """Pair each step, and finally the total, with its bar: a step starts where the previous one ended."""
    ends = [0]
    for _, amount in steps:
        ends.append(ends[-1] + amount)
    low, high = min(0, *ends, total), max(0, *ends, total)
    scale = BAR_WIDTH / ((high - low) or 1)
    for step, (start, end) in zip(steps, pairwise(ends), strict=True):
        left, right = sorted((start, end))
        yield (
            step,
            Bar("down" if end < start else "up", round((left - low) * scale, 1), round((right - left) * scale, 1)),
        )
    left, right = sorted((0, total))
    yield ("", total), Bar("sum", round((left - low) * scale, 1), round((right - left) * scale, 1))


def fold(steps: Sequence[tuple[str, int]], most: int = 3) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Return the first step with the `most` largest of the others, as they follow each other, and what else is not zero."""
    largest = sorted(range(1, len(steps)), key=lambda at: -abs(steps[at][1]))[:most]
    shown = {0, *(at for at in largest if steps[at][1])}
    return (
        [step for at, step in enumerate(steps) if at in shown],
        [step for at, step in enumerate(steps) if at not in shown and step[1]],
    )


def facing(one: int, other: int) -> tuple[float, float]:
    """Return the lengths of two bars of one scale, back to back on a line of 1000: equal values look symmetrical."""
    longest, room = max(abs(one), abs(other), 1), (BAR_WIDTH - BAR_GAP) / 2
    return round(room * abs(one) / longest, 1), round(room * abs(other) / longest, 1)


def line_chart(
    points: Sequence[tuple[Instant, float]],
    *,
    title: str,
    description: str = "",
    unit: str = "",
    average: Sequence[tuple[Instant, float]] = (),
    average_name: str = "",
    write: Write = formats.number,
    stepped: bool = False,
    zone: dt.tzinfo = dt.UTC,
    breaks: Mapping[Instant, str] = NO_BREAKS,
) -> Markup:
    """Draw values over time; with `average`, the points are faint and the average is strong. Instants ascend.

    stepped: a value lasts until the next, as a price does. zone: the clock for writing instants. breaks: instants
    before which the series is not comparable, with a few words: a vertical line each, and words in the table.
    """
    if not points:
        return nothing()
    start, end = _seconds(points[0][0]), _seconds(points[-1][0])
    top = _top([value for _, value in (*points, *average)], write)
    left = _margin(top, write)

    def across(instant: Instant) -> float:
        return left + (WIDTH - left - RIGHT) * ((_seconds(instant) - start) / ((end - start) or 1))

    def place(point: tuple[Instant, float]) -> str:
        return f"{across(point[0]):.1f},{_height(point[1], top):.1f}"

    places = [place(point) for point in points]
    body = [_grid(top)]
    body += [
        _tick(number, across(at), name) for number, (at, name) in enumerate(_ticks(points[0][0], points[-1][0], zone))
    ]
    if average:
        body.append(Markup('<polyline class="line second" points="{}"/>').format(" ".join(places)))
        body.append(Markup('<polyline class="line" points="{}"/>').format(" ".join(map(place, average))))
    else:
        body.append(_area(_stepped(places) if stepped else places))
    body.append(_scale(top, write))
    if len(points) == 1:
        body.append(Markup('<circle class="point" cx="{}" cy="{}" r="4"/>').format(*places[0].split(",")))
    if len(points) <= MOST_HITS:
        texts = [f"{_instant(instant, zone)} · {write(value)} {unit}".strip() for instant, value in points]
        body += _hits(places, texts, (WIDTH - left - RIGHT) / max(len(points) - 1, 1))
    body += [_break(across(instant), label) for instant, label in breaks.items()]
    names = {instant: f" · {label}" for instant, label in breaks.items()}
    rows = [(_instant(at, zone) + names.get(at, ""), write(value)) for at, value in _thinned(points)]
    spoken = description or _range(points, write, zone)
    keys = (
        Markup('<ul class="keys"><li class="second">{}</li><li>{}</li></ul>').format(title, average_name)
        if average
        else ""
    )
    return Markup("{}{}{}").format(
        keys, _chart(title, spoken, body), folded(title, (gettext("When"), unit or title), rows)
    )


def _tick(number: int, x: float, label: str) -> Markup:
    """Return a label of the axis of time; every second one is left out on a phone."""
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="middle">{}</text>').format(
        "odd" if number % 2 else "even", f"{x:.0f}", HEIGHT - 9, label
    )


def _break(x: float, label: str) -> Markup:
    """Return a vertical line with its label, which stays inside the picture."""
    side = "start" if x < WIDTH / 4 else "end" if x > WIDTH * 3 / 4 else "middle"
    return Markup(
        '<path class="break" d="M{x} {top}V{floor}"><title>{label}</title></path>'
        '<text class="break" x="{x}" y="{above}" text-anchor="{side}">{label}</text>'
    ).format(x=f"{x:.1f}", top=TOP, floor=HEIGHT - BOTTOM, above=TOP - 8, label=label, side=side)


def _stepped(places: Sequence[str]) -> list[str]:
    """Return the places of a line that keeps each value until the next: with a corner before every later one."""
    corners = (f"{after.split(',')[0]},{before.split(',')[1]}" for before, after in pairwise(places))
    return [places[0], *(at for pair in zip(corners, places[1:], strict=True) for at in pair)]


def _area(drawn: Sequence[str]) -> Markup:
    """Return a line through these places, and the area between it and zero."""
    first, last, floor = drawn[0].split(",")[0], drawn[-1].split(",")[0], HEIGHT - BOTTOM
    line = " ".join(drawn)
    return Markup(
        '<polygon class="area" points="{first},{floor} {line} {last},{floor}"/><polyline class="line" points="{line}"/>'
    ).format(first=first, last=last, floor=floor, line=line)


def _range(points: Sequence[tuple[Instant, float]], write: Write, zone: dt.tzinfo) -> str:
    """Return a sentence on the start and end of a series, and on its lowest and highest values."""
    return gettext("From {first} to {last}; between {low} and {high}.").format(
        first=_instant(points[0][0], zone),
        last=_instant(points[-1][0], zone),
        low=write(min(value for _, value in points)),
        high=write(max(value for _, value in points)),
    )


def bar_chart(
    bars: Sequence[tuple[str, float]],
    *,
    title: str,
    description: str = "",
    unit: str = "",
    write: Write = formats.number,
    table: bool = True,
) -> Markup:
    """Draw one column a label, from zero; values at least zero. Without `table` the page shows the figures itself."""
    if not bars:
        return nothing()
    top = _top([value for _, value in bars], write)
    left = _margin(top, write)
    room = (WIDTH - left - RIGHT) / len(bars)
    width = min(room * 0.72, 64.0)
    longest = max(len(label) for label, _ in bars)
    every = max(math.ceil(len(bars) / 12), math.ceil(longest * LETTER_WIDTH / room))
    is_narrow = len(bars) > MOST_LABELS or longest * LETTER_WIDTH_ON_A_PHONE > room * every
    body = [_grid(top)]
    for position, (label, value) in enumerate(bars):
        x, y = left + room * (position + 0.5), _height(value, top)
        body.append(
            Markup('<rect class="column" x="{}" y="{}" width="{}" height="{}" rx="3"><title>{}</title></rect>').format(
                f"{x - width / 2:.1f}",
                f"{y:.1f}",
                f"{width:.1f}",
                f"{max(HEIGHT - BOTTOM - y, 0):.1f}",
                f"{label} · {write(value)} {unit}".strip(),
            )
        )
        if position % every == 0:
            body.append(
                Markup('<text class="{}" x="{}" y="{}" text-anchor="middle">{}</text>').format(
                    "odd" if position // every % 2 and is_narrow else "even",
                    f"{x:.0f}",
                    HEIGHT - 9,
                    label,
                )
            )
    body.append(_scale(top, write))
    spoken = description or gettext("{count} columns; the highest is {label} with {high}.").format(
        count=len(bars), label=max(bars, key=lambda bar: bar[1])[0], high=write(max(value for _, value in bars))
    )
    rows = [(label, write(value)) for label, value in bars[:MOST_ROWS]]
    figures = folded(title, (gettext("Which"), unit or title), rows) if table else ""
    return Markup("{}{}").format(_chart(title, spoken, body), figures)


def row_chart(rows: Sequence[tuple[str, float]], *, title: str, write: Write = formats.number) -> Markup:
    """Draw one bar a name, under the name and its value: names are too long for columns. The page shows the figures."""
    if not rows:
        return nothing()
    highest = max(value for _, value in rows) or 1
    longest = max(len(write(value)) for _, value in rows)
    room = WIDTH - ROW_BAR - LETTER_WIDTH_ON_A_PHONE * longest
    body = []
    for position, (label, value) in enumerate(rows):
        body.append(
            Markup(
                '<text x="0" y="{y}">{shown}</text><text x="{after}" y="{level}">{written}</text>'
                '<rect class="column" x="0" y="{top}" width="{width}" height="{height}" rx="3"><title>{label} · {written}</title></rect>'
            ).format(
                y=ROW * position + ROW_TEXT,
                shown=label if len(label) <= MOST_LETTERS else f"{label[: MOST_LETTERS - 1].rstrip()}…",
                after=f"{room * value / highest + ROW_BAR:.1f}",
                level=ROW * (position + 1) - 6,
                written=write(value),
                top=ROW * (position + 1) - 6 - 2 * ROW_BAR,
                width=f"{room * value / highest:.1f}",
                height=ROW_BAR,
                label=label,
            )
        )
    spoken = gettext("{count} bars; the longest is {label} with {high}.").format(
        count=len(rows), label=max(rows, key=lambda row: row[1])[0], high=write(highest)
    )
    return _chart(title, spoken, body, kind="chart rows", height=ROW * len(rows))


def pair_chart(
    pairs: Sequence[tuple[str, float, float]], names: tuple[str, str], *, title: str, write: Write = formats.number
) -> Markup:
    """Draw two columns a label side by side, from zero; values at least zero. The page shows the figures itself."""
    if not pairs:
        return nothing()
    top = _top([value for pair in pairs for value in pair[1:]], write)
    left = _margin(top, write)
    room = (WIDTH - left - RIGHT) / len(pairs)
    width = min(room * 0.36, 32.0)
    body = [_grid(top)]
    for position, (label, *values) in enumerate(pairs):
        middle = left + room * (position + 0.5)
        for side, (name, value, kind) in enumerate(zip(names, values, ("column", "column second"), strict=True)):
            y = _height(value, top)
            body.append(
                Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="2"><title>{}</title></rect>').format(
                    kind,
                    f"{middle + (side - 1) * width:.1f}",
                    f"{y:.1f}",
                    f"{width - 1:.1f}",
                    f"{max(HEIGHT - BOTTOM - y, 0):.1f}",
                    f"{label} · {name}: {write(value)}",
                )
            )
        body.append(
            Markup('<text class="{}" x="{}" y="{}" text-anchor="middle">{}</text>').format(
                "odd" if position % 2 else "even", f"{middle:.0f}", HEIGHT - 9, label
            )
        )
    body.append(_scale(top, write))
    keys = Markup('<ul class="keys"><li>{}</li><li class="second">{}</li></ul>').format(*names)
    spoken = gettext("{one} and {other}, from {first} to {last}.").format(
        one=names[0], other=names[1], first=pairs[0][0], last=pairs[-1][0]
    )
    return keys + _chart(title, spoken, body)


def _top(values: Sequence[float], write: Write) -> float:
    """Return the top of the scale: counts have no quarters, so their four steps are whole."""
    top = _ceiling(max(values))
    is_counted = write is formats.number and all(float(value).is_integer() for value in values)
    return 4.0 * math.ceil(top / 4) if is_counted else top


def _ceiling(highest: float) -> float:
    """Return the least of 1, 2, 2.5, 4, 5 × 10ⁿ × 4 gridlines that is at least `highest`."""
    if highest <= 0:
        return 4.0
    size: float = 10.0 ** math.floor(math.log10(highest / 4))
    return next(
        4 * size * factor for factor in (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10) if 4 * size * factor >= highest * 0.9999
    )


def _height(value: float, top: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top)


def _levels(top: float, write: Write) -> list[tuple[float, str]]:
    """Return five values from zero to `top` with their texts; whole numbers for whole ones."""
    values = [top * step / 4 for step in range(5)]
    return [(value, write(int(value) if value.is_integer() else value)) for value in values]


def _margin(top: float, write: Write) -> int:
    """Return the width that the longest value needs at the left."""
    return max(LEAST_LEFT, 6 + LETTER_WIDTH * max(len(text) for _, text in _levels(top, write)))


def _grid(top: float) -> Markup:
    """Draw five gridlines, the lowest as the axis."""
    return Markup("").join(
        Markup('<path class="{}" d="M0 {}H{}"/>').format(
            "axis" if step == 0 else "grid", f"{_height(top * step / 4, top):.1f}", WIDTH - RIGHT
        )
        for step in range(5)
    )


def _scale(top: float, write: Write) -> Markup:
    """Write each gridline's value on it, over the drawing: on a phone letters are larger than the margin."""
    return Markup("").join(
        Markup('<text x="0" y="{}">{}</text>').format(f"{_height(value, top) - 5:.1f}", text)
        for value, text in _levels(top, write)
    )


def _hits(places: Sequence[str], texts: Sequence[str], step: float) -> list[Markup]:
    """Return the areas that show a value when somebody points near it."""
    return [_hit(float(at.split(",")[0]) - step / 2, step, text) for at, text in zip(places, texts, strict=True)]


def _hit(x: float, width: float, text: str) -> Markup:
    return Markup('<rect class="hit" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>').format(
        f"{x:.1f}", TOP, f"{width:.1f}", HEIGHT - TOP - BOTTOM, text
    )


def _chart(
    title: str, description: str, body: Sequence[Markup], *, kind: str = "chart", height: int = HEIGHT
) -> Markup:
    key = hashlib.sha256(f"{title}{description}".encode()).hexdigest()[:8]
    return Markup(
        '<div class="picture"><svg class="{}" viewBox="0 0 {} {}" role="img" aria-labelledby="chart-{}-t chart-{}-d">'
        '<title id="chart-{}-t">{}</title><desc id="chart-{}-d">{}</desc>{}</svg></div>'
    ).format(kind, WIDTH, height, key, key, key, title, key, description, Markup("").join(body))


def folded(caption: str, headings: tuple[str, str], rows: Sequence[tuple[str, str]], summary: str = "") -> Markup:
    """Return the figures, folded, for below the picture."""
    body = Markup("").join(Markup('<tr><th scope="row">{}</th><td class="n">{}</td></tr>').format(*row) for row in rows)
    return Markup(
        '<details><summary>{}</summary><table><caption class="unseen">{}</caption><thead><tr><th scope="col">{}</th>'
        '<th scope="col" class="n">{}</th></tr></thead><tbody>{}</tbody></table></details>'
    ).format(summary or gettext("Show as a table"), caption, headings[0], headings[1], body)


def nothing() -> Markup:
    """Return the sentence that there is nothing to draw."""
    return Markup('<p class="empty">{}</p>').format(escape(gettext("There is nothing to draw yet.")))


def _thinned(points: Sequence[tuple[Instant, float]]) -> Sequence[tuple[Instant, float]]:
    """Keep every point of a short series, and each day's highest point of a long one."""
    if len(points) <= MOST_ROWS:
        return points
    days: dict[dt.date, tuple[Instant, float]] = {}
    for instant, value in points:
        day = instant.date() if isinstance(instant, dt.datetime) else instant
        if day not in days or value > days[day][1]:
            days[day] = (instant, value)
    return list(days.values())[-MOST_ROWS:]


def _seconds(instant: Instant) -> float:
    """Return seconds since 1970; a date counts from its midnight UTC."""
    if isinstance(instant, dt.datetime):
        return instant.timestamp()
    return dt.datetime.combine(instant, dt.time(), dt.UTC).timestamp()


def _instant(instant: Instant, zone: dt.tzinfo) -> str:
    """Write an instant of a series: its day, with the hour unless it is midnight."""
    if isinstance(instant, dt.datetime):
        local = instant.astimezone(zone)
        return formats.date(local.date()) + (f" {local:%H:%M}" if (local.hour, local.minute) != (0, 0) else "")
    return formats.date(instant)


def _ticks(first: Instant, last: Instant, zone: dt.tzinfo) -> list[tuple[dt.datetime, str]]:
    """Choose at most seven round instants between `first` and `last`, with short names in the page's language."""
    start, end = (dt.datetime.fromtimestamp(_seconds(instant), zone) for instant in (first, last))
    span = end - start
    if span <= SHORT_SPAN:
        hours = next((step for step in (1, 2, 3, 6, 12) if span / dt.timedelta(hours=step) <= MOST_LABELS), 24)
        day = start.replace(hour=0, minute=0, second=0, microsecond=0)
        return [(instant, f"{instant:%H:%M}") for instant in _every(day, start, end, dt.timedelta(hours=hours))]
    if span <= LONG_SPAN:
        stride = dt.timedelta(days=math.ceil((span.days + 1) / MOST_LABELS))
        midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
        return [(instant, formats.short_date(instant.date())) for instant in _every(midnight, start, end, stride)]
    months = [
        dt.datetime(year, month, 1, tzinfo=zone) for year in range(start.year, end.year + 1) for month in range(1, 13)
    ]
    inside = [month for month in months if start <= month <= end]
    return [(month, formats.month(month.date())) for month in inside[:: max(math.ceil(len(inside) / MOST_LABELS), 1)]]


def _every(at: dt.datetime, start: dt.datetime, end: dt.datetime, stride: dt.timedelta) -> Iterator[dt.datetime]:
    while at <= end:
        if at >= start:
            yield at
        at += stride
