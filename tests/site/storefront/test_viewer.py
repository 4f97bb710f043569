"""The parts of a dataset's page: its rows filtered and sorted, its promises checked, what vetted partners see besides."""

import datetime as dt
import re
import urllib.parse
from typing import Any

import html5lib
import httpx
import lxml.html
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.core import object_store
from marketplace.core.database import execute
from marketplace.privacy.product import Product
from marketplace.privacy.product_registry import PRODUCTS
from marketplace.privacy.simulated_week import NOTICE
from marketplace.site.storefront.viewer import MOST_BINS, roughly, spread_of
from tests.catalogue.builders import last_midnight, make_vetted_partner, open_catalogue, seal_week
from tests.datasets.builders import BANDS, ZONES
from tests.people.builders import Browser, make_partner, page_text

PAGE = "/en/datasets/lyon"
OLDEST = urllib.parse.quote(BANDS[-1])
PARTS = ("overview", "data", "method", "quality", "use", "history", "provider")


def tree_of_page(page: httpx.Response) -> Any:
    """Return a page as a tree."""
    return lxml.html.document_fromstring(page.text)


def rows_shown(page: httpx.Response) -> list[list[str]]:
    """Return the cells of the viewer's rows."""
    document = tree_of_page(page)
    rows = document.xpath("//section[@id='data']//div[contains(@class, 'tall')]//tbody/tr")
    return [[" ".join(cell.text_content().split()) for cell in row] for row in rows]


def hourly() -> list[dict[str, object]]:
    """Return a week's hours, each zone's level and busiest hour its own: the first sleeps while the last is awake."""
    start = last_midnight() - dt.timedelta(days=7)
    return [
        {
            "zone": zone,
            "starts_at": start + dt.timedelta(hours=hour),
            "segment": band,
            "people": 60 + 9 * number + 8 * ((hour + 4 * number) % 24) + 5 * BANDS.index(band) * (len(ZONES) - number),
            "events": 300,
        }
        for number, zone in enumerate(ZONES)
        for hour in range(24 * 7)
        for band in BANDS
    ]


async def test_rows_are_filtered_sorted_and_kept_in_the_address() -> None:
    await open_catalogue()
    await seal_week()
    async with Browser() as stranger:
        page = await stranger.get(PAGE)
        html5lib.HTMLParser(strict=True).parse(page.text)
        every = rows_shown(page)
        assert len(every) >= 10
        zones = {row[0] for row in every}
        assert len(zones) == len(ZONES)
        one = min(zones)
        some = await stranger.get(PAGE, params={"where": one, "who": BANDS[0], "order": "people"})
        html5lib.HTMLParser(strict=True).parse(some.text)
        shown = rows_shown(some)
        assert 0 < len(shown) < len(every)
        assert {(row[0], row[2]) for row in shown} == {(one, BANDS[0])}
        people = [int(row[3]) for row in shown]
        assert people == sorted(people, reverse=True)
        assert 'aria-sort="descending"' in some.text
        assert f'value="{one}"' in some.text, "what was asked is kept in its fields"
        assert re.search(r'order=events[^"]*#data|[?&]order=events#data', some.text), "a heading stays in this part"
        assert "How many people figures count" in some.text
        for asked in ({"where": "nowhere"}, {"where": "x" * 5000}, {"where": "\0", "who": "'", "order": "zone;--"}):
            strange = await stranger.get(PAGE, params=asked)
            assert strange.status_code == 200
            html5lib.HTMLParser(strict=True).parse(strange.text)
        assert rows_shown(await stranger.get(PAGE, params={"where": "nowhere"})) == []
        french = page_text(await stranger.get("/fr/datasets/lyon"))
        for words in ("Vue d’ensemble", "Méthode et vie privée", "Dictionnaire", "tout le monde"):
            assert words in french or words == "tout le monde"


async def test_a_page_has_parts_that_need_no_script() -> None:
    await open_catalogue()
    release = await seal_week()
    await execute("INSERT INTO release_notice (release, notice) SELECT $1, id FROM notice", release)
    async with Browser() as stranger:
        page = await stranger.get(PAGE)
    document = tree_of_page(page)
    assert tuple(one.get("id") for one in document.xpath("//section[contains(@class, 'part')]")) == PARTS
    links = document.xpath("//nav[contains(@class, 'parts-of')]/a/@href")
    assert links == [f"#{name}" for name in PARTS]
    for part, words in zip(
        PARTS,
        ("On the map", "Dictionary", "Noise", "Checked on the sealed file", "read_csv", "We count.", "Sold by"),
        strict=True,
    ):
        assert words in document.get_element_by_id(part).text_content(), part
    assert len(page.content) < 150_000


async def test_the_badge_is_gone_when_the_file_breaks_a_promise() -> None:
    await open_catalogue()
    release = await seal_week()
    async with Browser() as stranger:
        assert "Checked on the sealed file" in page_text(await stranger.get(PAGE))
        document = tree_of_page(await stranger.get(PAGE))
        assert document.xpath("count(//section[@id='quality']//span[contains(@class, 'good')])") == 7
        kept = await object_store.get(object_store.cells_key(release))
        await object_store.put(object_store.cells_key(release), kept + b" ")
        broken = tree_of_page(await stranger.get(PAGE))
        assert broken.xpath("count(//section[@id='quality']//header//span[contains(@class, 'good')])") == 0
        assert "broken" in broken.get_element_by_id("quality").text_content()
        await object_store.put(object_store.cells_key(release), kept)
        below = await seal_week(weeks_ago=1, threshold=115)
        low = tree_of_page(await stranger.get(f"{PAGE}?release={below}"))
        sentences = [one.text_content() for one in low.xpath("//section[@id='quality']//li")]
        assert [("broken" in one, "threshold" in one) for one in sentences].count((True, True)) == 1


@pytest.mark.long
async def test_before_it_is_bought_everyone_sees_the_same_simulated_map_and_no_figure_of_a_release() -> None:
    await open_catalogue(grain="hour")
    await seal_week(rows=hourly(), key_count=len(ZONES) * 168 * len(BANDS))
    await make_vetted_partner()
    await make_partner("Newcomer", "new@comer.example")
    async with Browser() as stranger, Browser() as claire, Browser() as newcomer:
        await claire.sign_in("claire@atelier.example")
        await newcomer.sign_in("new@comer.example")
        plain = map_of_page(await stranger.get(PAGE))
        assert re.search(r"[0-9] people", plain)
        assert NOTICE.en in plain
        for browser in (stranger, newcomer, claire):
            for asked in ("", "?hour=3", f"?band={OLDEST}"):
                page = await browser.get(f"{PAGE}{asked}")
                html5lib.HTMLParser(strict=True).parse(page.text)
                assert map_of_page(page) == plain, "asked for in vain"
                assert 'name="hour"' not in page.text
        assert "The whole release" in page_text(await claire.get(PAGE))
        assert "The whole release" not in page_text(await stranger.get(PAGE))


async def test_what_is_simulated_says_so_beside_the_map_on_it_over_the_chart_and_over_the_rows() -> None:
    await open_catalogue()
    await seal_week()
    async with Browser() as stranger:
        for language, notice, mark in (("en", NOTICE.en, "Simulated"), ("fr", NOTICE.fr, "Simulation")):
            page = await stranger.get(f"/{language}/datasets/lyon")
            assert page_text(page).count(notice) == 3, "map, chart, rows"
            assert re.search(rf'<text class="simulated"[^>]*>{mark}</text>', map_of_page(page))
            first = await stranger.get(f"/{language}/")
            sketch = re.search(r'<svg class="map sketch".*?</svg>', first.text, re.DOTALL)
            assert sketch
            assert f">{mark}</text>" in sketch[0]


def map_of_page(page: httpx.Response) -> str:
    """Return the map of a page."""
    found = re.search(r'<svg class="map".*?</svg>', page.text, re.DOTALL)
    assert found
    return re.sub(r"map-[0-9a-f]{8}", "", found[0])


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=200))
def test_bins_hold_every_figure_and_are_few(people: list[int]) -> None:
    spread = spread_of(np.array(people))
    assert 1 <= len(spread) <= MOST_BINS
    assert sum(count for *_, count in spread) == len(people)
    for low, high, count in spread:
        assert sum(low <= one <= high for one in people) == count
    assert all(share % 5 == 0 for *_, share in roughly(spread))


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=list(PRODUCTS))
def test_each_product_has_worked_examples_in_both_languages(product: Product) -> None:
    assert all(words.fr != words.en for words in product.examples)
    assert len(product.examples) >= 3
