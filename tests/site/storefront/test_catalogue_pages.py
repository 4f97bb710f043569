"""The pages of what is for sale: the catalogue and its search, a dataset, what a stranger sees first."""

import datetime as dt
import re
import uuid

import h3
import html5lib
import obstore

from marketplace.core import object_store
from marketplace.core.settings import settings
from marketplace.datasets.geography.rules import read_zone_table
from marketplace.people.identity import actions as identity
from marketplace.privacy.geography import H3, OwnZones
from marketplace.site.storefront.coverage import around
from tests.catalogue.builders import (
    cells_of_own_week,
    last_midnight,
    make_vetted_partner,
    open_catalogue,
    put_on_sale,
    seal_week,
)
from tests.people.builders import Browser, page_text
from tests.support.reads import statements_sent


def check_markup(text: str) -> None:
    """Refuse a page that is not HTML to the letter."""
    html5lib.HTMLParser(strict=True).parse(text)


async def catalogue_found(browser: Browser, words: str, language: str = "en") -> set[str]:
    page = await browser.get(f"/{language}/catalogue", params={"search": words})
    assert page.status_code == 200
    check_markup(page.text)
    return {code for code in ("lyon", "nyc", "noise") if f"/datasets/{code}" in page.text}


async def test_search_reads_both_languages_beginnings_accents_and_anything_typed() -> None:
    await open_catalogue("lyon")
    await open_catalogue(
        "nyc",
        title_fr="Fréquentation des rues",
        title_en="Footfall of streets",
        area="New York",
        description_fr="Qui passe à Manhattan.",
        description_en="Who walks by in Manhattan.",
    )
    await open_catalogue(
        "noise", title_fr="Nuits", title_en="Nights", area="Paris", description_fr="…", description_en="…"
    )
    for code in ("lyon", "nyc", "noise"):
        await seal_week(code)
    async with Browser() as browser:
        for words, codes in (
            ("", {"lyon", "nyc", "noise"}),
            ("lyon", {"lyon"}),
            ("LYO", {"lyon"}),
            ("présence", {"lyon"}),
            ("presence", {"lyon"}),
            ("frequentation", {"nyc"}),
            ("FRÉQUENT", {"nyc"}),
            ("footf", {"nyc"}),
            ("new york", {"nyc"}),
            ("york lyon", set()),
            ("zzz", set()),
            ("quartiers", {"lyon"}),
            ("streets manhattan", {"nyc"}),
            ("walking", {"nyc"}),
        ):
            assert await catalogue_found(browser, words) == codes, words
            assert await catalogue_found(browser, words, "fr") == codes, words
        for typed in ("'", "a:*&", "!!", "| & !", "\\", "<script>", "a\u0000b", "😀", "()", "-", "x" * 200):
            await catalogue_found(browser, typed)
        assert (await browser.get("/en/catalogue", params={"search": "x" * 201})).status_code in (400, 422)
        for number in ("0", "-1", "x", "99999999999"):
            assert (await browser.get("/en/catalogue", params={"page": number})).status_code in (400, 422)


async def test_a_map_shows_where_there_is_data() -> None:
    elsewhere = sorted(h3.grid_disk(h3.latlng_to_cell(45.19, 5.72, 7), 1))
    await open_catalogue("lyon", "lyon-2")
    await open_catalogue("grenoble", area="Grenoble", zones=elsewhere)
    for code in ("lyon", "lyon-2"):
        await seal_week(code)
    async with Browser() as browser:
        before = await browser.get("/en/catalogue")
        assert "<title>Lyon: 2 datasets</title>" in before.text
        await seal_week("grenoble", rows=cells_of_own_week(last_midnight() - dt.timedelta(days=7), elsewhere))
        for language, words in (("en", "Where there is data"), ("fr", "Où il y a des données")):
            both = await browser.get(f"/{language}/catalogue")
            check_markup(both.text)
            assert words in page_text(both)
            assert "<title>Grenoble: 1 " in both.text
            assert f"/{language}/datasets/grenoble" in both.text
        assert "/fr/catalogue?search=Lyon" in both.text
        assert "<title>Lyon: " not in (await browser.get("/en/catalogue?search=grenoble")).text
        assert "Aucun jeu de données" in page_text(await browser.get("/fr/catalogue?search=zzzzzz"))
        titles = {
            path: (await browser.get(path)).text.split("<title>")[1].split("<")[0] for path in ("/fr/", "/fr/catalogue")
        }
        assert len(set(titles.values())) == 2, titles
    ring = around(elsewhere, H3)
    assert ring[0] == ring[-1]
    assert len(ring) < len(elsewhere) * 6
    own = OwnZones.of("t", "d", read_zone_table("code,name\nA,A\n")[0])
    assert around(["A"], own) == [], "no outline, no map"


async def test_the_catalogue_is_paged_and_asks_no_query_a_row() -> None:
    codes = [f"set-{number:02d}" for number in range(27)]
    await open_catalogue(*codes)
    for code in codes:
        await seal_week(code)
    async with Browser() as browser:
        async with statements_sent() as sent:
            first = await browser.get("/en/catalogue")
        second = await browser.get("/en/catalogue?page=2")
        third = await browser.get("/en/catalogue?page=3")
    shown = [[code for code in codes if f"/datasets/{code}" in page.text] for page in (first, second, third)]
    assert [len(page) for page in shown] == [25, 2, 0]
    assert sorted(shown[0] + shown[1]) == codes
    assert len(sent) < 40 * len(codes), "the stranger's one map aside, none is drawn"


async def test_a_dataset_says_all_and_sums_in_both_languages() -> None:
    await open_catalogue()
    release = await seal_week()
    older = await seal_week(weeks_ago=1)
    await make_vetted_partner()
    async with Browser() as browser:
        for language, expected in (
            (
                "en",
                (
                    "at least 20 in each figure",
                    "14.3",
                    "simulated",
                    "60",
                    "where the money goes",
                    "ε = 2",
                    "In 7 days",
                    "In 30 days",
                ),
            ),
            (
                "fr",
                (
                    "chaque chiffre est un compte bruité d’au moins 20",
                    "14,3",
                    "simulation",
                    "60",
                    "où va l’argent",
                    "ε = 2",
                    "Dans 7 jours",
                    "Dans 30 jours",
                ),
            ),
        ):
            page = await browser.get(f"/{language}/datasets/lyon")
            check_markup(page.text)
            assert len(page.content) < 150_000
            text = page_text(page).casefold()
            for words in expected:
                assert words.casefold() in text, words
            assert page.text.count('<svg class="map"') == 1
            assert str(older) in page.text
            assert "http://" not in page.text.replace("http://www.w3.org", "").replace("http://testserver", "").replace(
                settings().url, ""
            )
        before = await browser.get(f"/en/datasets/lyon?release={older}")
        assert before.status_code == 200
        assert page_text(before) != page_text(await browser.get(f"/en/datasets/lyon?release={release}"))
        for wrong, status in ((f"release={uuid.uuid4()}", 404), ("release=x", 400), ("page=0", 400)):
            assert (await browser.get(f"/en/datasets/lyon?{wrong}")).status_code == status
        assert (await browser.get("/en/datasets/nowhere")).status_code == 404


async def test_the_vat_line_follows_who_looks() -> None:
    await open_catalogue()
    await seal_week()
    await make_vetted_partner()
    await identity.vet_partner(
        await identity.create_partner(
            company="Ailleurs",
            country="CH",
            vat_number="",
            name="Urs",
            email="urs@ailleurs.example",
            password="a rather long sentence",
        ),
        "Samir",
    )
    for email, words in (("claire@atelier.example", "VAT 20%"), ("urs@ailleurs.example", "No VAT")):
        async with Browser() as browser:
            await browser.sign_in(email)
            assert words in page_text(await browser.get("/en/datasets/lyon"))


async def test_a_stranger_is_welcomed_by_a_map_that_needs_no_release() -> None:
    await open_catalogue("lyon")
    key = object_store.cells_key(await seal_week("lyon"))
    kept = await object_store.get(key)
    await make_vetted_partner()
    async with Browser() as browser:
        await obstore.delete_async(object_store.store(), key)
        bare = (await browser.get("/en/")).text
        await object_store.put(key, kept)
        drawn, sought = (await browser.get("/en/")).text, (await browser.get("/en/?search=lyon")).text
        await browser.sign_in("claire@atelier.example")
        known = (await browser.get("/en/")).text
    for text in (bare, drawn, sought, known):
        check_markup(text)
        assert "/en/datasets/lyon" in text
    assert [text.count("map sketch") for text in (bare, drawn, sought, known)] == [1, 1, 0, 0]
    assert ['/en/activate">Be paid' in text for text in (bare, drawn, sought, known)] == [True, True, False, False]


async def test_a_dataset_with_nothing_to_sell_is_not_listed() -> None:
    await open_catalogue()
    await seal_week(
        state="refused", sealed_at=None, contributors=0, total_weight=0, row_count=0, cells_sha256="", refusal="x"
    )
    async with Browser() as browser:
        assert "Nothing is for sale yet." in page_text(await browser.get("/en/catalogue"))
        for path in ("/en/datasets/lyon", "/en/datasets/lyon/sample.csv", "/api/v1/datasets/lyon"):
            assert (await browser.get(path)).status_code == 404


async def test_where_the_money_goes_adds_up_to_the_price() -> None:
    """To the cent: a part was rounded down, and a cent went nowhere."""
    await open_catalogue("lyon")
    await seal_week("lyon")
    async with Browser() as browser:
        for worth in range(9_000_000, 9_000_100, 11):
            await put_on_sale("lyon", worth_minor=worth)
            page = page_text(await browser.get("/en/datasets/lyon"))
            _, _, after = page.partition("Where the money goes")
            parts = [cents_in(amount) for amount in re.findall(r"€[\d,.]+", after)[:3]]
            price = re.search(r"(€[\d,.]+)\s+before VAT, for", page)
            assert price
            assert sum(parts) == cents_in(price[1])


def cents_in(amount: str) -> int:
    return int(re.sub(r"\D", "", amount))


async def test_a_price_falls_with_the_days_that_pass_and_not_faster() -> None:
    await open_catalogue()
    await seal_week()
    async with Browser() as browser:
        text = page_text(await browser.get("/en/datasets/lyon"))
    patterns = (r"(€[\d,.]+)\s+before VAT, for", r"In 7 days: (€[\d,.]+)", r"In 30 days: (€[\d,.]+)")
    today, in_a_week, in_a_month = (cents_in(found[1]) for pattern in patterns if (found := re.search(pattern, text)))
    assert today > in_a_week > in_a_month
    assert abs(in_a_month - today / 2) <= 1, "half of what figures say is out of date after 30 days"
