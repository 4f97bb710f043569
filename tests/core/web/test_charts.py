"""Charts and maps: small, whole, readable without colours, and silent about what is withheld."""

import datetime as dt
import math
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import h3
import html5lib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from marketplace.core.web import charts, maps
from marketplace.core.web.formats import PARIS as PARIS_CLOCK
from marketplace.core.web.i18n import language, preferred

PARIS = h3.latlng_to_cell(48.85, 2.35, 8)


def parsed_picture(markup: str) -> ET.Element:
    """Parse the SVG, which must be well-formed, and the whole, which must be strict HTML."""
    html5lib.HTMLParser(strict=True).parse(
        f"<!doctype html><html><head><title>x</title></head><body>{markup}</body></html>"
    )
    assert "style=" not in markup
    found = re.search(r"<svg.*?</svg>", markup, re.DOTALL)
    assert found
    return ET.fromstring(found[0])  # noqa: S314 (our own markup)


def test_a_thousand_hexagons_stay_below_a_hundred_kibibytes() -> None:
    cells = {cell: 10.0 + number for number, cell in enumerate(h3.grid_disk(PARIS, 18)) if number < 1000}
    markup = maps.zone_map(cells, title="People", unit="people")
    assert len(markup.encode()) < 100 * 1024
    svg = parsed_picture(markup)
    assert len(svg.findall("./g/path")) == 1000
    assert len(svg.findall("./g")) == 7
    assert all(path.find("title") is not None for path in svg.findall("./g/path"))


def test_neighbours_share_their_corners() -> None:
    cells = dict.fromkeys(h3.grid_disk(PARIS, 6), 10.0)
    rings, _ = maps._project(maps.hexagons(cells))
    corners = {corner for (ring,) in rings.values() for corner in ring}
    assert len(corners) < 2.6 * len(cells)  # a honeycomb has two corners a cell, and its rim


def test_a_withheld_cell_is_hatched_and_shows_nothing() -> None:
    ring = h3.grid_ring(PARIS, 1)
    svg = parsed_picture(maps.zone_map({PARIS: None, **dict.fromkeys(ring, 20.0)}, title="People"))
    (withheld,) = svg.findall("./path[@class='withheld']")
    assert "url(#hatch-" in withheld.attrib["fill"]
    assert withheld.findtext("title") == "withheld"
    assert len(svg.findall("./g/path")) == 6


def test_a_map_across_the_antimeridian_is_one_piece() -> None:
    fiji = h3.latlng_to_cell(-17.0, 180.0, 5)
    rings, frame = maps._project(maps.hexagons(h3.grid_disk(fiji, 3)))
    xs = [x for (ring,) in rings.values() for x, _ in ring]
    ys = [y for (ring,) in rings.values() for _, y in ring]
    assert min(xs) >= 0
    assert max(xs) <= maps.MAP_WIDTH
    assert min(ys) >= 0
    assert frame
    assert max(ys) <= frame.height
    assert max(xs) - min(xs) > maps.MAP_WIDTH / 2


def test_a_map_has_room_for_so_many_zones_and_corners_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maps, "MOST_DRAWN", 40)
    cells = {cell: float(number) or None for number, cell in enumerate(h3.grid_disk(PARIS, 4))}
    busiest = maps.busiest(cells)
    assert sorted(busiest.values(), key=lambda value: value or 0) == [float(number) for number in range(21, 61)]
    assert maps.busiest({PARIS: None, **dict.fromkeys(h3.grid_ring(PARIS, 1), 2.0)})[PARIS] is None
    markup = maps.zone_map(busiest, title="People", zones=len(cells))
    assert len(parsed_picture(markup).findall("./g/path")) == 40
    assert "Only the 40 busiest of 61 zones are drawn." in markup
    coast = [(math.cos(turn / 500), math.sin(turn / 500) * (1 + turn % 2 / 20)) for turn in range(int(1000 * math.pi))]
    shapes = {
        "isle": [[[*coast, coast[0]]]],
        "rock": [[[(0.0, 0.0), (1e-9, 0.0), (0.0, 1e-9), (0.0, 0.0)]]],
        "none": [],
    }
    whole = maps.outline(shapes)
    assert set(whole.paths) == {"isle"}, "a speck is not drawn"
    monkeypatch.setattr(maps, "MOST_CORNERS", 100)
    assert 20 < maps.outline(shapes).paths["isle"].count("l") + maps.outline(shapes).paths["isle"].count(" ") < 220
    assert whole.paths["isle"].count(" ") > 1_000
    assert maps.outline({"point": [[[(4.0, 45.0)] * 4]]}) == maps.Outlines({}, 1000)
    assert "<svg" not in maps.zone_map({"point": 3.0}, title="People", outlines=maps.Outlines({}, 1000))


@given(st.lists(st.integers(1, 10**7), min_size=1, max_size=50))
def test_classes_ascend_and_hold_every_value(values: list[int]) -> None:
    breaks = maps.class_breaks(values)
    assert breaks == sorted(set(breaks))
    assert 1 <= len(breaks) <= 7
    assert breaks[0] <= min(values)
    assert breaks[-1] <= max(values)


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=10))
def test_a_waterfall_goes_step_on_step(amounts: list[int]) -> None:
    total = sum(amounts)
    rows = list(charts.waterfall([("step", amount) for amount in amounts], total))
    assert len(rows) == len(amounts) + 1
    assert rows[-1][1].kind == "sum"
    for (_, amount), bar in rows[:-1]:
        assert bar.kind == ("down" if amount < 0 else "up")
    for _, bar in rows:
        assert -0.1 <= bar.x <= 1000.1
        assert bar.width >= 0
        assert bar.x + bar.width <= 1000.2


@given(st.lists(st.floats(0, 1e9), max_size=6))
def test_segments_fill_their_line_without_overlap(weights: list[float]) -> None:
    at = 0.0
    for x, width in charts.segments(weights):
        assert x >= at - 0.2
        assert width >= 0
        at = x + width
    assert at <= 1000.3


@given(st.floats(0.000001, 1e12))
def test_an_axis_ends_at_a_round_number_just_above(highest: float) -> None:
    top = charts._ceiling(highest)
    assert highest * 0.999 <= top <= highest * 4.01


@pytest.mark.parametrize("count", [1, 2, 24, 200, 744])
@pytest.mark.parametrize("step", [dt.timedelta(hours=1), dt.timedelta(days=1), dt.timedelta(days=31)])
@pytest.mark.parametrize("tongue", ["fr", "en"])
def test_a_line_has_axes_words_and_a_table(count: int, step: dt.timedelta, tongue: str) -> None:
    token = language.set(tongue)
    try:
        start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
        points = [(start + step * number, float(number % 17)) for number in range(count)]
        markup = charts.line_chart(points, title="Day & night <b>", unit="people")
    finally:
        language.reset(token)
    svg = parsed_picture(markup)
    assert svg.findtext("title") == "Day & night <b>"
    assert svg.findtext("desc")
    labels = [text for text in svg.findall("text") if text.attrib.get("text-anchor") == "middle"]
    assert 1 <= len(labels) <= 8 or (count == 1 and len(labels) <= 1) or step.days == 31
    assert 'class="n"' in markup
    assert len(markup) < 60 * 1024
    for circle_or_line in svg.findall("polyline"):
        for pair in circle_or_line.attrib["points"].split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= charts.WIDTH
            assert 0 <= y <= charts.HEIGHT


def test_a_stepped_line_holds_each_value_until_the_next_and_shows_the_zones_clock() -> None:
    start = dt.datetime(2026, 7, 1, 22, 30, tzinfo=dt.UTC)
    points = [(start + dt.timedelta(minutes=number), value) for number, value in enumerate((10, 30, 20))]
    markup = charts.line_chart(points, title="x", stepped=True, zone=PARIS_CLOCK)
    (line,) = parsed_picture(markup).findall("polyline")
    places = [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]
    assert len(places) == 5
    for before, after in pairwise(places):
        assert before[0] == after[0] or before[1] == after[1]
    assert "00:31" in markup
    assert "22:31" not in markup


def test_a_break_is_a_vertical_line_with_its_label_and_is_in_the_table() -> None:
    days = [dt.date(2026, 7, day) for day in (1, 8, 15, 22)]
    points = [(day, float(number)) for number, day in enumerate(days)]
    markup = charts.line_chart(points, title="x", breaks={days[1]: "method <2>", days[3]: "lines +7%"})
    svg = parsed_picture(markup)
    lines = [path for path in svg.findall("path") if path.attrib["class"] == "break"]
    assert [path.findtext("title") for path in lines] == ["method <2>", "lines +7%"]
    drawn = next(line for line in svg.findall("polyline") if line.attrib["class"] == "line")
    across = [pair.split(",")[0] for pair in drawn.attrib["points"].split()]
    assert [path.attrib["d"].split()[0] for path in lines] == [f"M{across[1]}", f"M{across[3]}"]
    labels = [text for text in svg.findall("text") if text.attrib.get("class") == "break"]
    assert [text.text for text in labels] == ["method <2>", "lines +7%"]
    assert labels[1].attrib["text-anchor"] == "end", "the last label stays inside"
    assert "· method &lt;2&gt;" in markup.split("<table>")[1]
    assert 'class="break"' not in charts.line_chart(points, title="x")


def test_labels_of_columns_do_not_run_into_each_other() -> None:
    bars = [(f"lyon-presence-month-{number}", 10.0) for number in range(8)]
    drawn = re.findall(
        r'<text class="(?:odd|even)" x="(\d+)".*?>(lyon[^<]*)</text>', str(charts.bar_chart(bars, title="x"))
    )
    assert len(drawn) > 1
    places = [int(x) for x, _ in drawn]
    assert all(after - before >= len(drawn[0][1]) * charts.LETTER_WIDTH for before, after in pairwise(places))


def test_labels_of_columns_do_not_run_into_each_other_on_a_phone() -> None:
    bars = [(f"≥ €{number}0.00", 10.0) for number in range(7)]
    kept = re.findall(r'<text class="even" x="(\d+)".*?>(≥[^<]*)</text>', str(charts.bar_chart(bars, title="x")))
    assert len(kept) > 1
    places = [int(x) for x, _ in kept]
    wide = len(kept[0][1]) * charts.LETTER_WIDTH_ON_A_PHONE
    assert all(after - before >= wide for before, after in pairwise(places)), "the style sheet hides the odd ones there"


def test_long_names_are_all_there_inside_the_picture_and_apart_on_a_phone() -> None:
    names = ["Presence by arrondissement — Lyon and Villeurbanne", "x" * 200, "short"]
    svg = parsed_picture(charts.row_chart([(name, 1_000.0 / (at + 1)) for at, name in enumerate(names)], title="x"))
    texts = [(str(one.text), float(one.attrib["x"]), float(one.attrib["y"])) for one in svg.findall("text")]
    assert [text for text, x, _ in texts if not x] == [names[0], "x" * 54 + "…", "short"]
    assert all(x + len(text) * charts.LETTER_WIDTH_ON_A_PHONE <= charts.WIDTH for text, x, _ in texts)
    heights = [y for *_, y in texts]
    assert all(after - before >= 23 for before, after in pairwise(heights)), "letters of the style sheet on a phone"
    bars = [float(rect.attrib["width"]) for rect in svg.findall("rect")]
    assert bars == pytest.approx([bars[0], bars[0] / 2, bars[0] / 3], abs=0.1)
    assert all(x >= width for (_, x, _), width in zip(texts[1::2], bars, strict=True)), "a value is after its bar"
    floor = [float(rect.attrib["y"]) + float(rect.attrib["height"]) for rect in svg.findall("rect")][-1]
    assert floor <= float(svg.attrib["viewBox"].split()[3])


@pytest.mark.parametrize("highest", [1, 2, 3, 5, 6, 7, 9])
def test_a_scale_has_no_half_person(highest: int) -> None:
    svg = parsed_picture(charts.bar_chart([("one", highest), ("other", 1)], title="x", unit="people"))
    labels = [str(text.text) for text in svg.findall("text") if not text.attrib.get("class")]
    assert len(labels) == 5
    assert all(text.isdecimal() for text in labels), labels
    money = parsed_picture(charts.bar_chart([("one", 1)], title="x", write=lambda value: f"{value:.2f} €"))
    assert "0.25 €" in [text.text for text in money.findall("text")]


def test_values_of_a_scale_are_written_over_the_columns() -> None:
    svg = parsed_picture(charts.bar_chart([("one", 10_000)], title="x"))
    kinds = [one.tag for one in svg if one.tag in {"rect", "text"} and one.attrib.get("class") in {None, "column"}]
    assert kinds == ["rect", *["text"] * 5]


def test_columns_are_as_high_as_their_values() -> None:
    svg = parsed_picture(charts.bar_chart([("a", 1), ("b", 2), ("c", 0)], title="x"))
    heights = [float(rect.attrib["height"]) for rect in svg.findall("rect")]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)
    assert heights[2] == 0


def test_a_sketch_draws_each_zone_without_words() -> None:
    ring = h3.grid_ring(PARIS, 1)
    classes = {PARIS: 2, **dict.fromkeys(ring[:3], 1), **dict.fromkeys(ring[3:], 0)}
    outlines = maps.outline(maps.hexagons(classes))
    sketch = parsed_picture(maps.sketch(classes, 3, outlines))
    assert sum(path.attrib["d"].count("M") for path in sketch.iter("path")) == 7
    assert not "".join(sketch.itertext()).strip()
    assert "on top" in maps.sketch(classes, 3, outlines, Markup("<text>on top</text>"))
    assert maps.sketch({}, 3, outlines) == ""


def test_nothing_to_draw_is_said() -> None:
    for markup in (charts.line_chart([], title="x"), charts.bar_chart([], title="x"), maps.zone_map({}, title="x")):
        assert "nothing to draw" in markup


@given(st.text(max_size=60))
def test_any_accept_language_gives_a_language(header: str) -> None:
    assert preferred(header) in ("fr", "en")


@given(
    st.sampled_from(["fr", "en"]),
    st.lists(st.sampled_from(["de", "es;q=0.9", "*;q=0.1", ";;q=x", "it-IT"]), max_size=4),
)
def test_the_only_language_we_speak_wins_over_others(ours: str, others: list[str]) -> None:
    assert preferred(", ".join([*others, f"{ours}-XX;q=0.3"])) == ours


def test_weights_are_honoured() -> None:
    assert preferred("fr;q=0.4, en;q=0.8") == "en"
    assert preferred("en;q=0.4, fr;q=0.8") == "fr"
    assert preferred("en;q=0, fr;q=0.1") == "fr"
