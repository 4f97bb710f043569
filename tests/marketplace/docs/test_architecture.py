"""The picture of the architecture is what `python -m tests.architecture` draws from the code today."""

from __future__ import annotations

from itertools import pairwise

from lxml import etree

from marketplace.docs import manual
from tests.architecture import PICTURE, about, draw, lay_out, parts, reduced
from tests.support.floors import FLOOR_OF

SVG = "{http://www.w3.org/2000/svg}"


def reached_from(part: str, graph: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [part]
    while waiting:
        new = graph[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def test_the_picture_is_what_the_code_draws() -> None:
    assert PICTURE.read_text("utf-8") == draw(), "redraw it: python -m tests.architecture"


def test_reduced_arrows_lead_to_the_same_parts() -> None:
    graph = parts()
    arrows = reduced(graph)
    for part in graph:
        assert reached_from(part, arrows) == reached_from(part, graph)
    assert reduced({"app": {"web", "errors"}, "web": {"errors"}, "errors": set()})["app"] == {"web"}


def test_parts_do_not_overlap_on_their_floors_and_arrows_point_down() -> None:
    arrows = reduced(parts())
    drawing = lay_out(arrows)
    for row in drawing.rows:
        assert len({FLOOR_OF[point.part] for point in row if point.part}) == 1
        edges = [(drawing.centres[p.key] - p.width / 2, drawing.centres[p.key] + p.width / 2) for p in row]
        assert all(left[1] < right[0] for left, right in pairwise(edges))
    assert all(chain[0].row < chain[-1].row for chain in drawing.chains.values())
    assert sum(map(len, arrows.values())) == len(drawing.chains)


def test_every_part_is_named_with_what_it_is() -> None:
    picture = etree.fromstring(PICTURE.read_bytes())
    titles = {title.text for title in picture.iter(f"{SVG}title")}
    texts = {text.text for text in picture.iter(f"{SVG}text")}
    for part in parts():
        assert about(part)
        assert f"{part}: {about(part)}" in titles
        assert part in texts


def test_the_manual_shows_it_in_the_page_without_a_style_of_its_own() -> None:
    html = manual.read_page("developer", "architecture").html
    assert (
        '<svg xmlns="http://www.w3.org/2000/svg" class="parts" role="img" aria-labelledby="parts-title parts-text"'
        in html
    )
    assert "<style" not in html
