"""The pictures of the architecture are what `python -m tests.architecture` draws from the code today."""

from functools import cache
from itertools import pairwise

import pytest
from lxml import etree

from marketplace.core.districts import DISTRICTS
from marketplace.site.docs import manual
from tests.architecture import FOLDER, Picture, about, draw, lay_out, pictures, reached, reduced, rows_of
from tests.support.districts import packages

SVG = "{http://www.w3.org/2000/svg}"


DRAWN = sorted(path.stem for path in FOLDER.glob("*.svg"))
MOST_BOXES, WIDEST = 20, 1_280


@cache
def of_today() -> dict[str, Picture]:
    """Return the pictures of the code by name, read once and not while tests are collected."""
    return {picture.name: picture for picture in pictures()}


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_is_what_the_code_draws(name: str) -> None:
    assert (FOLDER / f"{name}.svg").read_text("utf-8") == draw(of_today()[name]), (
        "redraw it: python -m tests.architecture"
    )


def test_there_is_a_picture_of_the_districts_and_of_each_of_several_packages() -> None:
    drawn = set(DRAWN)
    assert drawn == of_today().keys()
    inside = {name: [package for package in packages() if package.startswith(f"{name}/")] for name in DISTRICTS}
    assert drawn == {"architecture", *(f"district-{name}" for name, found in inside.items() if len(found) > 1)}


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_is_read_at_a_glance(name: str) -> None:
    drawing = lay_out(reduced(of_today()[name].graph))
    assert sum(bool(point.part) for row in drawing.rows for point in row) <= MOST_BOXES
    assert drawing.width <= WIDEST


@pytest.mark.parametrize("name", DRAWN)
def test_reduced_arrows_lead_to_the_same_parts(name: str) -> None:
    graph = of_today()[name].graph
    assert reached(reduced(graph)) == reached(graph)


def test_an_arrow_that_follows_from_others_is_left_out() -> None:
    graph = {"site": {"money", "core"}, "money": {"core"}, "core": set()}
    assert reduced(graph)["site"] == {"money"}
    assert rows_of(graph) == {"site": 0, "money": 1, "core": 2}


@pytest.mark.parametrize("name", DRAWN)
def test_parts_do_not_overlap_in_their_rows_and_arrows_point_down(name: str) -> None:
    arrows = reduced(of_today()[name].graph)
    drawing = lay_out(arrows)
    for row in drawing.rows:
        edges = [(drawing.centres[p.key] - p.width / 2, drawing.centres[p.key] + p.width / 2) for p in row]
        assert all(left[1] < right[0] for left, right in pairwise(edges))
        assert 0 < edges[0][0] < edges[-1][1] < drawing.width
    assert all(chain[0].row < chain[-1].row for chain in drawing.chains.values())
    assert sum(map(len, arrows.values())) == len(drawing.chains)


@pytest.mark.parametrize("name", DRAWN)
def test_every_part_is_named_with_what_it_is(name: str) -> None:
    picture = of_today()[name]
    drawn = etree.fromstring((FOLDER / f"{name}.svg").read_bytes())
    titles = {title.text for title in drawn.iter(f"{SVG}title")}
    texts = {text.text for text in drawn.iter(f"{SVG}text")}
    for part in picture.graph:
        assert (what := about(f"{picture.prefix}{part}"))
        assert f"{part}: {what}" in titles
        assert part in texts


@pytest.mark.parametrize("name", DRAWN)
def test_the_manual_shows_it_in_the_page_without_a_style_of_its_own(name: str) -> None:
    html = manual.read_page("developer", "architecture" if name == "architecture" else "districts").html
    assert f'class="parts" role="img" aria-labelledby="{name}-title {name}-text"' in html
    assert "<style" not in html
