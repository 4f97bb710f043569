"""The pictures of the architecture, drawn from the code: `python -m tests.architecture` writes them for the manual and README.

One shows the districts with `pricing` and `migrations`, and each district of several packages has one of its own. An arrow is
an import; one that follows from others is left out (the transitive reduction), so a part may use everything that its arrows
lead to. A part is in the first row below all that use it. Rows are ordered and spaced as in layered graph drawing: long
arrows get a place of their own in each row that they cross.

Source: K. Sugiyama, S. Tagawa, M. Toda, "Methods for visual understanding of hierarchical system structures", 1981.
"""

import ast
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final
from xml.sax.saxutils import escape

from msgspec import Struct

from marketplace.core.districts import DISTRICTS
from tests.support.districts import district_of, packages
from tests.support.source import PRODUCT, ROOT, file_of_module, imports_of, package_of, product_files, tree_of

FOLDER: Final = ROOT / "marketplace/site/docs/developer"
NARROWEST: Final = 700
ROW: Final = 54
BOX_HEIGHT: Final = 30
TOP: Final = 14
LETTER: Final = 8.1
"""The width of a letter of 14 px, about."""
GAP: Final = 16
SWEEPS: Final = 40
STRAIGHT: Final = 8.0
"""How much harder a bend pulls than a part."""
PULL_TO_THE_MIDDLE: Final = 0.05

STYLE: Final = """
  .parts { color: #12201d; --part: #e2f1ee; --level: #f2f6f4; --arrow: #5f7d77; --paper: #ffffff; }
  @media (prefers-color-scheme: dark) { .parts { color: #e6eeeb; --part: #17403a; --level: #131b19; --arrow: #8fb0a9; --paper: #0e1413; } }
  .parts .paper { fill: var(--paper); }
  .parts .level { fill: var(--level); }
  .parts .part { fill: var(--part); stroke: var(--arrow); }
  .parts .arrow { stroke: var(--arrow); }
  .parts .head { fill: var(--arrow); }
"""
"""The colours where the picture is shown alone, as in README; in the manual they are the site's own."""


class Point(Struct, frozen=True):
    """A place in a row: a part, or where an arrow crosses the row of others. key: unique; width: pixels."""

    key: str
    row: int
    width: float
    part: str | None = None


class Drawing(Struct, frozen=True):
    """Rows of points from left to right, the chain of points of each arrow; each point's centre and the width in pixels."""

    rows: list[list[Point]]
    chains: dict[tuple[str, str], list[Point]]
    centres: dict[str, float]
    width: int


def graph_of(name_of: Callable[[str], str | None]) -> dict[str, set[str]]:
    """Return each part and the parts that it imports. name_of: the part of a package such as `money/ledger`, None for no part."""
    found: dict[str, set[str]] = {}
    for path in product_files():
        if here := name_of(package_of(path)):
            used = found.setdefault(here, set())
            for module, _ in imports_of(path):
                if module.split(".")[0] in PRODUCT and file_of_module(module):
                    there = name_of(package_of(module.replace(".", "/")))
                    used |= {there} - {None, here}
    return found


def parts() -> dict[str, set[str]]:
    """Return each district, `pricing` and `migrations`, and those that it imports."""
    shown = {*DISTRICTS, "pricing", "migrations"}
    return graph_of(lambda package: found if (found := district_of(package)) in shown else None)


def packages_of(district: str) -> dict[str, set[str]]:
    """Return each package of a district, and those of the same district that it imports."""
    known = packages()

    def name_of(package: str) -> str | None:
        inside = package in known and "/" in package and district_of(package) == district
        return package.partition("/")[2] if inside else None

    return graph_of(name_of)


def reached(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return all that each part of a graph without circles uses, directly or through others."""
    found: dict[str, set[str]] = {}

    def visit(part: str) -> set[str]:
        if part not in found:
            found[part] = set().union(graph[part], *(visit(other) for other in graph[part]))
        return found[part]

    return {part: visit(part) for part in graph}


def reduced(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return the transitive reduction of a graph without circles: the fewest arrows that reach the same parts."""
    all_of = reached(graph)
    return {
        here: {there for there in used if not any(there in all_of[other] for other in used)}
        for here, used in graph.items()
    }


def rows_of(graph: Mapping[str, set[str]]) -> dict[str, int]:
    """Return the row of each part, counted from the top: the first below all that use it."""
    all_of = reached(graph)
    row: dict[str, int] = {}
    for part in sorted(graph, key=lambda one: -len(all_of[one])):
        row[part] = max((row[user] + 1 for user in graph if part in graph[user]), default=0)
    return row


def about(part: str) -> str:
    """Return the first sentence of a part's docstring."""
    path = next(
        path
        for name in (f"marketplace/{part}", part)
        for path in (f"{name}.py", f"{name}/__init__.py")
        if (ROOT / path).exists()
    )
    text = ast.get_docstring(tree_of(path)) or ""
    return " ".join(text.split("\n\n")[0].split())


def lay_out(arrows: Mapping[str, set[str]]) -> Drawing:
    """Place parts and the bends of arrows so that few arrows cross and most are short."""
    row_of = rows_of(arrows)
    points = {part: Point(part, row_of[part], len(part) * LETTER + 26, part) for part in sorted(arrows)}
    chains: dict[tuple[str, str], list[Point]] = {}
    rows: list[list[Point]] = [[] for _ in range(max(row_of.values()) + 1)]
    for point in points.values():
        rows[point.row].append(point)
    for upper in sorted(arrows):
        for lower in sorted(arrows[upper]):
            crossed = range(row_of[upper] + 1, row_of[lower])
            bends = [Point(f"{upper} {lower} {row}", row, 10) for row in crossed]
            chains[upper, lower] = [points[upper], *bends, points[lower]]
            for bend in bends:
                rows[bend.row].append(bend)
    ordered = _order(rows, list(chains.values()))
    width = max(NARROWEST, *(round(sum(point.width + GAP for point in row) + GAP) for row in ordered))
    return Drawing(
        ordered, chains, _in_the_middle(_space(ordered, list(chains.values()), width), ordered, width), width
    )


def _in_the_middle(centres: dict[str, float], rows: Sequence[Sequence[Point]], width: int) -> dict[str, float]:
    """Move everything sideways, so that both margins are the same."""
    left = min(centres[point.key] - point.width / 2 for row in rows for point in row)
    right = max(centres[point.key] + point.width / 2 for row in rows for point in row)
    return {key: centre + (width - left - right) / 2 for key, centre in centres.items()}


def _neighbours(chains: Sequence[Sequence[Point]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return each point's neighbours in the row above, and in the row below."""
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for chain in chains:
        for upper, lower in pairwise(chain):
            below.setdefault(upper.key, []).append(lower.key)
            above.setdefault(lower.key, []).append(upper.key)
    return above, below


def _order(rows: list[list[Point]], chains: Sequence[Sequence[Point]]) -> list[list[Point]]:
    """Order each row by the mean place of its neighbours, downward and upward in turn; keep the fewest crossings."""
    above, below = _neighbours(chains)
    best, fewest = rows, _crossings(rows, chains)
    for sweep in range(SWEEPS):
        downward = sweep % 2 == 0
        neighbours = above if downward else below
        rows = [list(row) for row in rows]
        for row in rows if downward else reversed(rows):
            place = {point.key: (at + 0.5) / len(line) for line in rows for at, point in enumerate(line)}
            row.sort(key=_mean_of(neighbours, place))
        if (found := _crossings(rows, chains)) < fewest:
            best, fewest = rows, found
    return best


def _mean_of(neighbours: Mapping[str, list[str]], place: Mapping[str, float]) -> Callable[[Point], float]:
    def mean(point: Point) -> float:
        near = neighbours.get(point.key) or [point.key]
        return math.fsum(place[key] for key in near) / len(near)  # `sum` of floats differs between Pythons

    return mean


def _crossings(rows: Sequence[Sequence[Point]], chains: Sequence[Sequence[Point]]) -> int:
    place = {point.key: at for row in rows for at, point in enumerate(row)}
    lines: dict[int, list[tuple[int, int]]] = {}
    for chain in chains:
        for upper, lower in pairwise(chain):
            lines.setdefault(upper.row, []).append((place[upper.key], place[lower.key]))
    return sum(
        (one[0] - other[0]) * (one[1] - other[1]) < 0
        for pairs in lines.values()
        for at, one in enumerate(pairs)
        for other in pairs[:at]
    )


def _space(rows: Sequence[Sequence[Point]], chains: Sequence[Sequence[Point]], width: int) -> dict[str, float]:
    """Return each point's centre: as near to its neighbours' as the order and the widths of its row allow.

    Arrows that cross rows pull more than others, so that they are straight.
    """
    above, below = _neighbours(chains)
    centres = {point.key: width / 2 for row in rows for point in row}
    weights = {point.key: 1 if point.part else STRAIGHT for row in rows for point in row}
    for sweep in range(10 * SWEEPS):
        for row in rows if sweep % 2 else reversed(rows):
            wanted = []
            for point in row:
                near = [*above.get(point.key, []), *below.get(point.key, [])]
                pulls = [(centres[key], weights[key] * weights[point.key]) for key in near] + [
                    (width / 2, PULL_TO_THE_MIDDLE)
                ]
                wanted.append(math.fsum(centre * pull for centre, pull in pulls) / math.fsum(pull for _, pull in pulls))
            placed = _apart(row, wanted, [weights[point.key] for point in row], width)
            centres |= {point.key: centre for point, centre in zip(row, placed, strict=True)}
    return centres


def _apart(row: Sequence[Point], wanted: Sequence[float], weights: Sequence[float], width: int) -> list[float]:
    """Return the centres nearest to the wanted ones that keep a row's order, its gaps and the margins."""
    offsets, offset = [], 0.0
    for at, point in enumerate(row):
        offset += (row[at - 1].width + point.width) / 2 + GAP if at else point.width / 2 + GAP
        offsets.append(offset)
    most = width - GAP - row[-1].width / 2 - offsets[-1]
    blocks: list[tuple[float, float, int]] = []
    for centre, start, weight in zip(wanted, offsets, weights, strict=True):
        blocks.append((centre - start, weight, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (one, light, few), (other, heavy, many) = blocks[-2:]
            blocks[-2:] = [((one * light + other * heavy) / (light + heavy), light + heavy, few + many)]
    shifts = [min(max(shift, 0.0), most) for shift, _, count in blocks for _ in range(count)]
    return [start + shift for start, shift in zip(offsets, shifts, strict=True)]


class Picture(Struct, frozen=True):
    """A picture: its name, what it shows, the graph, and where the docstring of a part is (`money/` before `ledger`)."""

    name: str
    title: str
    graph: dict[str, set[str]]
    prefix: str = ""


def pictures() -> list[Picture]:
    """Return the picture of the districts, then that of each district of several packages."""
    inside = {district: packages_of(district) for district in DISTRICTS}
    return [
        Picture("architecture", "The districts of Partage, and what each uses", parts()),
        *(
            Picture(f"district-{name}", f"The packages of {name}, and what each uses", graph, f"{name}/")
            for name, graph in inside.items()
            if len(graph) > 1
        ),
    ]


def draw(picture: Picture) -> str:
    """Return a picture as SVG. Its ids begin with its name, for a page shows several."""
    arrows = reduced(picture.graph)
    drawing = lay_out(arrows)
    height = TOP + ROW * len(drawing.rows)
    listed = ". ".join(
        f"{part} uses {', '.join(sorted(arrows[part]))}" for row in drawing.rows for part in _names(row) if arrows[part]
    )
    rows = range(TOP - 6, TOP + ROW * len(drawing.rows) - 6, ROW)
    name = picture.name
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" class="parts" role="img" aria-labelledby="{name}-title {name}-text"
 width="{drawing.width}" height="{height}" viewBox="0 0 {drawing.width} {height}" font-family="system-ui, sans-serif" font-size="14">
<style>{STYLE}</style>
<title id="{name}-title">{picture.title}</title>
<desc id="{name}-text">From top to bottom: {escape(listed)}.</desc>
<defs><marker id="{name}-head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path class="head" d="M0 .5 8 4 0 7.5Z" fill="currentColor"/></marker></defs>
<rect class="paper" width="{drawing.width}" height="{height}" rx="12" fill="none"/>
{_lines(_level(top, drawing.width) for top in rows)}
{_lines(_arrow(chain, drawing, name) for chain in drawing.chains.values())}
{_lines(_part(point, drawing.centres[point.key], picture.prefix) for row in drawing.rows for point in row if point.part)}
</svg>
"""


def _lines(elements: Iterable[str]) -> str:
    return "\n".join(elements)


def _level(top: int, width: int) -> str:
    return f'<rect class="level" x="6" y="{top}" width="{width - 12}" height="{BOX_HEIGHT + 12}" rx="8" fill="none"/>'


def _names(row: Sequence[Point]) -> list[str]:
    return [point.part for point in row if point.part]


def _part(point: Point, centre: float, prefix: str) -> str:
    top = TOP + ROW * point.row
    title = f"{point.part}: {about(f'{prefix}{point.part}')}"
    return (
        f"<g><title>{escape(title)}</title>"
        f'<rect class="part" x="{centre - point.width / 2:.1f}" y="{top}" width="{point.width:.1f}" height="{BOX_HEIGHT}" rx="7"'
        f' fill="none" stroke="currentColor"/>'
        f'<text x="{centre:.1f}" y="{top + 20}" text-anchor="middle" fill="currentColor">{escape(str(point.part))}</text></g>'
    )


def _arrow(chain: Sequence[Point], drawing: Drawing, name: str) -> str:
    """Draw an arrow from the lower edge of a part to the upper edge of another, straight through the rows between."""
    start, end = chain[0], chain[-1]
    xs = [
        _port(start, chain[1], [other[1] for other in drawing.chains.values() if other[0] == start], drawing),
        *(drawing.centres[point.key] for point in chain[1:-1]),
        _port(end, chain[-2], [other[-2] for other in drawing.chains.values() if other[-1] == end], drawing),
    ]
    y = TOP + ROW * start.row + BOX_HEIGHT
    path = [f"M{xs[0]:.1f} {y}"]
    for at, (x, to) in enumerate(pairwise(xs)):
        below = y + ROW - BOX_HEIGHT
        middle = (y + below) / 2
        path.append(f"C{x:.1f} {middle:.0f} {to:.1f} {middle:.0f} {to:.1f} {below}")
        y = below + BOX_HEIGHT
        if at < len(xs) - 2:
            path.append(f"V{y}")
    return f'<path class="arrow" d="{" ".join(path)}" fill="none" stroke="currentColor" stroke-width="1.2" marker-end="url(#{name}-head)"/>'


def _port(part: Point, towards: Point, others: Sequence[Point], drawing: Drawing) -> float:
    """Return where an arrow touches its part: its arrows share the middle of the edge, in the order they leave."""
    ordered = sorted(others, key=lambda point: drawing.centres[point.key])
    step = min(14.0, (part.width - 20) / max(1, len(ordered)))
    return drawing.centres[part.key] + (ordered.index(towards) - (len(ordered) - 1) / 2) * step


if __name__ == "__main__":
    for picture in pictures():
        path = FOLDER / f"{picture.name}.svg"
        path.write_text(draw(picture), "utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
