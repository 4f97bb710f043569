"""The catalogue's pages and API: search, one dataset, the free sample, bad input."""

from __future__ import annotations

import csv
import datetime as dt
import io
import uuid

import html5lib
import obstore
import pytest

from marketplace import object_store
from marketplace.catalogue import api, rules
from marketplace.database import fetch_value
from marketplace.identity import actions as identity
from marketplace.identity import key_actions
from marketplace.settings import settings
from marketplace.web.i18n import french
from tests.marketplace.catalogue.shop import DAYS, make_buyer, make_release, open_shop, rows_of
from tests.marketplace.datasets.worlds import BANDS, ZONES
from tests.marketplace.identity.site import Browser, make_partner, text_of


def strict(text: str) -> None:
    """Refuse a page that is not HTML to the letter."""
    html5lib.HTMLParser(strict=True).parse(text)


async def found(browser: Browser, words: str, language: str = "en") -> set[str]:
    page = await browser.get(f"/{language}/catalogue", params={"search": words})
    assert page.status_code == 200
    strict(page.text)
    return {code for code in ("lyon", "nyc", "noise") if f"/datasets/{code}" in page.text}


async def test_search_reads_both_languages_beginnings_accents_and_anything_typed() -> None:
    await open_shop("lyon")
    await open_shop(
        "nyc", title_fr="Fréquentation des rues", title_en="Footfall of streets", area="New York",
        description_fr="Qui passe à Manhattan.", description_en="Who walks by in Manhattan.",
    )  # fmt: skip
    await open_shop("noise", title_fr="Nuits", title_en="Nights", area="Paris", description_fr="…", description_en="…")
    for code in ("lyon", "nyc", "noise"):
        await make_release(code)
    async with Browser() as browser:
        for words, codes in (
            ("", {"lyon", "nyc", "noise"}), ("lyon", {"lyon"}), ("LYO", {"lyon"}), ("présence", {"lyon"}),
            ("presence", {"lyon"}), ("frequentation", {"nyc"}), ("FRÉQUENT", {"nyc"}), ("footf", {"nyc"}),
            ("new york", {"nyc"}), ("york lyon", set()), ("zzz", set()), ("quartiers", {"lyon"}),
            ("streets manhattan", {"nyc"}), ("walking", {"nyc"}),
        ):  # fmt: skip
            assert await found(browser, words) == codes, words
            assert await found(browser, words, "fr") == codes, words
        for typed in ("'", "a:*&", "!!", "| & !", "\\", "<script>", "a\u0000b", "😀", "()", "-", "x" * 200):
            await found(browser, typed)
        assert (await browser.get("/en/catalogue", params={"search": "x" * 201})).status_code in (400, 422)
        for number in ("0", "-1", "x", "99999999999"):
            assert (await browser.get("/en/catalogue", params={"page": number})).status_code in (400, 422)


async def test_the_catalogue_is_paged_and_asks_no_query_a_row() -> None:
    codes = [f"set-{number:02d}" for number in range(27)]
    await open_shop(*codes)
    for code in codes:
        await make_release(code)
    async with Browser() as browser:
        first = await browser.get("/en/catalogue")
        second = await browser.get("/en/catalogue?page=2")
        third = await browser.get("/en/catalogue?page=3")
    shown = [[code for code in codes if f"/datasets/{code}" in page.text] for page in (first, second, third)]
    assert [len(page) for page in shown] == [25, 2, 0]
    assert sorted(shown[0] + shown[1]) == codes


async def test_a_dataset_says_all_and_sums_in_both_languages() -> None:
    await open_shop()
    release = await make_release()
    older = await make_release(weeks_ago=1)
    await make_buyer()
    async with Browser() as browser:
        for language, expected in (
            ("en", ("20 people", "14.3", "60", "where the money goes", "ε = 2", "In 7 days", "In 30 days")),
            ("fr", ("20 personnes", "14,3", "60", "où va l’argent", "ε = 2", "Dans 7 jours", "Dans 30 jours")),
        ):
            page = await browser.get(f"/{language}/datasets/lyon")
            strict(page.text)
            assert len(page.content) < 150_000
            text = text_of(page).casefold()
            for words in expected:
                assert words.casefold() in text, words
            assert page.text.count('<svg class="map"') == 1
            assert page.text.count('class="withheld"') >= 1
            assert str(older) in page.text
            assert "http://" not in page.text.replace("http://www.w3.org", "").replace("http://testserver", "")
        before = await browser.get(f"/en/datasets/lyon?release={older}")
        assert before.status_code == 200
        assert text_of(before) != text_of(await browser.get(f"/en/datasets/lyon?release={release}"))
        for wrong, status in ((f"release={uuid.uuid4()}", 404), ("release=x", 400), ("page=0", 400)):
            assert (await browser.get(f"/en/datasets/lyon?{wrong}")).status_code == status
        assert (await browser.get("/en/datasets/nowhere")).status_code == 404


async def test_the_vat_line_follows_who_looks() -> None:
    await open_shop()
    await make_release()
    await make_buyer()
    await identity.vet_partner(
        await identity.create_partner(
            company="Ailleurs", country="CH", vat_number="", name="Urs", email="urs@ailleurs.example",
            password="a rather long sentence",
        ),
        "Samir",
    )  # fmt: skip
    for email, words in (("claire@atelier.example", "VAT 20%"), ("urs@ailleurs.example", "No VAT")):
        async with Browser() as browser:
            await browser.sign_in(email)
            assert words in text_of(await browser.get("/en/datasets/lyon"))


async def test_the_sample_is_the_same_for_everyone_and_says_what_is_sold() -> None:
    await open_shop()
    release = await make_release()
    await make_partner()
    async with Browser() as visitor, Browser() as partner:
        await partner.sign_in("claire@atelier.example")
        one = await visitor.get("/en/datasets/lyon/sample.csv")
        two = await partner.get(f"/fr/datasets/lyon/sample.csv?release={release}")
    assert one.content == two.content
    assert one.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in one.headers["content-disposition"]
    assert b"\r\n" in one.content
    rows = list(csv.DictReader(io.StringIO(one.text)))
    assert len(rows) == 10
    assert list(rows[0]) == ["zone", "starts_at", "segment", "people", "events"]
    end = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    sold = {
        (
            row["zone"],
            row["starts_at"].strftime("%Y-%m-%dT%H:%M:%SZ"),
            row["segment"],
            str(row["people"]),
            str(row["events"]),
        )
        for row in rows_of(end - dt.timedelta(days=DAYS))
    }
    assert {tuple(row.values()) for row in rows} <= sold


async def test_a_sample_cannot_be_a_formula() -> None:
    await open_shop()
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    rows = [
        {"zone": ZONES[0], "starts_at": start, "segment": s, "people": 30, "events": 30} for s in ('=1+1,"', "@x", "-2")
    ]
    await make_release(rows=rows)
    async with Browser() as visitor:
        rows_read = list(csv.DictReader(io.StringIO((await visitor.get("/en/datasets/lyon/sample.csv")).text)))
    assert {row["segment"] for row in rows_read} == {"'=1+1,\"", "'@x", "'-2"}


async def test_a_stranger_is_welcomed_and_a_missing_store_costs_only_the_pictures() -> None:
    await open_shop("lyon")
    key = object_store.cells_key(await make_release("lyon"))
    kept = await object_store.get(key)
    await make_buyer()
    async with Browser() as browser:
        await obstore.delete_async(object_store.store(), key)
        bare = (await browser.get("/en/")).text
        await object_store.put(key, kept)
        drawn, sought = (await browser.get("/en/")).text, (await browser.get("/en/?search=lyon")).text
        await browser.sign_in("claire@atelier.example")
        known = (await browser.get("/en/")).text
    for text in (bare, drawn, sought, known):
        strict(text)
        assert "/en/datasets/lyon" in text
    assert [text.count("map sketch") for text in (bare, drawn, sought, known)] == [0, 1, 0, 0]
    assert [text.count("chart spark") for text in (bare, drawn, sought, known)] == [0, 1, 1, 1]
    assert ['/en/activate">Be paid' in text for text in (bare, drawn, sought, known)] == [True, True, False, False]


async def test_a_dataset_with_nothing_to_sell_is_not_listed() -> None:
    await open_shop()
    await make_release(
        state="refused", sealed_at=None, contributors=0, total_weight=0, row_count=0, cells_sha256="", refusal="x"
    )
    async with Browser() as browser:
        assert "Nothing is for sale yet." in text_of(await browser.get("/en/catalogue"))
        for path in ("/en/datasets/lyon", "/en/datasets/lyon/sample.csv", "/api/v1/datasets/lyon"):
            assert (await browser.get(path)).status_code == 404


async def machine_key(partner: uuid.UUID) -> dict[str, str]:
    key = await key_actions.create_key(partner, "tests", key_id=uuid.uuid4(), session="a session's secret")
    return {"authorization": f"Bearer {key}"}


async def test_machines_list_quote_and_check(monkeypatch: pytest.MonkeyPatch) -> None:
    await open_shop()
    release = await make_release()
    await make_release(weeks_ago=1)
    keys = await machine_key(await make_buyer())
    others = await machine_key(await make_buyer("other@rival.example", "Rival"))
    unvetted = await machine_key(await make_partner("Newcomer", "new@comer.example"))
    async with Browser() as b:
        listed = (await b.get("/api/v1/datasets", headers=keys)).json()
        assert [row["code"] for row in listed["datasets"]] == ["lyon"]
        shown = (await b.get("/api/v1/datasets/lyon", headers=keys)).json()
        assert shown["releases"][0]["id"] == str(release)
        assert not {"contributors", "total_weight", "manifest_sha256"} & set(shown["releases"][0])
        monkeypatch.setattr(api, "MOST_HEXAGONS", len(ZONES) - 1)
        assert (await b.get("/api/v1/datasets/lyon/zones.geojson")).status_code == 409
        monkeypatch.undo()
        outlined = await b.get("/api/v1/datasets/lyon/zones.geojson")
        assert {one["properties"]["code"] for one in outlined.json()["features"]} == set(ZONES)
        monkeypatch.setattr(api, "key_zones", None)
        assert (await b.get("/api/v1/datasets/lyon/zones.geojson")).content == outlined.content, "made once"
        form = {"idempotency-key": str(uuid.uuid4())}
        url, ask = "/api/v1/quotes", {"release": str(release)}
        one = await b.client.post(url, json=ask, headers=keys | form)
        two = await b.client.post(url, json=ask, headers=keys | form)
        assert one.status_code in (200, 201)
        assert one.json() == two.json()
        assert await fetch_value("SELECT count(*) FROM quote") == 1
        quoted = one.json()
        public = (await b.get("/api/v1/keys")).json()["public_key"]
        assert public == rules.public_key(settings().signing_key)
        priced = rules.recompute(quoted["document"].encode(), bytes.fromhex(quoted["signature"]), public)
        assert priced.amount_minor == quoted["amount_minor"]
        mine = f"{url}/{quoted['id']}"
        assert (await b.get(mine, headers=keys)).json()["id"] == quoted["id"]
        assert (await b.get(mine, headers=others)).status_code == 404
        fresh = {"idempotency-key": str(uuid.uuid4())}
        for body, headers, status in (
            (b'{"release":', keys | fresh, {400}), (b"[]", keys | fresh, {400, 422}), (b"", keys | fresh, {400, 422}),
            (b'{"release":"x"}', keys | fresh, {400, 422}),
            (f'{{"release":"{release}","amount_minor":1}}'.encode(), keys | fresh, {400, 422}),
            (f'{{"release":"{release}"}}'.encode(), keys, {400, 422}),
            (f'{{"release":"{release}"}}'.encode(), keys | {"idempotency-key": "x"}, {400, 422}),
            (f'{{"release":"{uuid.uuid4()}"}}'.encode(), keys | fresh, {404}),
            (f'{{"release":"{release}"}}'.encode(), others | form, {409}),
            (f'{{"release":"{release}"}}'.encode(), unvetted | fresh, {403}),
            (f'{{"release":"{release}"}}'.encode(), fresh, {401}),
            (f'{{"release":"{release}"}}'.encode(), {"authorization": "Bearer no"} | fresh, {401}),
            (b" " * 2_000_000, keys | fresh, {413}),
        ):  # fmt: skip
            answer = await b.client.post(url, content=body, headers=headers | {"content-type": "application/json"})
            assert answer.status_code in status, (body[:60], answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"]
        assert await fetch_value("SELECT count(*) FROM quote") == 1


def test_every_sentence_of_the_catalogue_is_translated() -> None:
    import re  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    slice_ = Path(rules.__file__).parent
    sentences: set[str] = set()
    for path in slice_.glob("templates/*.html"):
        sentences |= {m.replace("\\'", "'") for m in re.findall(r"_\('((?:[^'\\]|\\.)*)'", path.read_text())}
    for path in slice_.glob("*.py"):
        sentences |= set(
            re.findall(r'(?:Conflict|Invalid|NotFound|Expired|NotAllowed)\(\s*"([^"]+)"', path.read_text())
        )
    assert len(sentences) > 40
    assert not sorted(sentences - set(french()))


@pytest.mark.parametrize("band", BANDS)
def test_the_bands_of_tests_are_plain(band: str) -> None:
    assert band[0] not in "=+-@"
