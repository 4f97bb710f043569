"""A steward runs markets by pages alone: define, propose, preview, state, state the law; and anybody reads the sheet."""

import asyncio
import csv
import hashlib
import html
import io
import json
import re
import uuid
from typing import Any

import httpx
import rfc8785

from marketplace.catalogue.offers.actions import define_terms, price_now, withdraw_offer
from marketplace.catalogue.offers.queries import list_priced_releases
from marketplace.catalogue.sheets import rules
from marketplace.catalogue.sheets.queries import get_law, get_version, list_history
from marketplace.consent.vocabulary import PURPOSES
from marketplace.core import clock
from marketplace.core.database import execute
from pricing.order import Lot, price
from pricing.sheet import Law
from tests.catalogue.builders import TERMS, open_catalogue, put_on_sale, seal_week, sign_in_staff
from tests.datasets.builders import ZONES
from tests.people.builders import PASSWORD, Browser, add_staff, words
from tests.support.reads import fetch_value

SHEET = "/en/steward/sheets/sheet-lyon"
LINES = "SELECT count(*) FROM staff_action WHERE verb = $1"


def typed_in(page: httpx.Response, action: str) -> dict[str, str]:
    """Return what the form of an address holds, as a browser would send it back."""
    form = re.search(rf'<form[^>]* action="{re.escape(action)}".*?</form>', page.text, re.DOTALL)
    assert form, page.text
    text = form.group(0)
    fields = {}
    for tag in re.findall(r"<input[^>]*>", text):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and name.group(1) not in {"form_id", "_csrf_token"} and 'type="file"' not in tag:
            fields[name.group(1)] = html.unescape(value.group(1)) if value else ""
    for name, value in re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>(.*?)</textarea>', text, re.DOTALL):
        fields[name] = html.unescape(value)
    return fields


async def upload(browser: Browser, path: str, fields: dict[str, str], file: bytes) -> httpx.Response:
    """Send a form with a file as a browser does."""
    await browser.get("/en/sign-out")
    token = browser.client.cookies.get("csrftoken") or ""
    sent = {**fields, "_csrf_token": token, "form_id": str(uuid.uuid4())}
    return await browser.client.post(path, data=sent, files={"file": ("constants.csv", file, "text/csv")})


async def begin_market(browser: Browser) -> uuid.UUID:
    """Put a release on sale, and sign a steward in."""
    await open_catalogue()
    release = await seal_week(by_day=True)
    await sign_in_staff((browser, "steward"))
    return release


async def begun_form(browser: Browser, path: str = SHEET, **changed: str) -> dict[str, str]:
    """Return the form of the next version as it begins, with changes."""
    return typed_in(await browser.get(path), path) | changed


async def preview(browser: Browser, path: str = SHEET, **changed: str) -> httpx.Response:
    return await browser.submit(path, await begun_form(browser, path, **changed))


async def test_a_steward_makes_a_market_from_nothing_and_prices_by_it() -> None:
    async with Browser() as sam:
        await open_catalogue()
        await sign_in_staff((sam, "steward"))
        assert "Define its market" not in words(await sam.get("/en/steward/sheets")), "it has one"
        begun_with = await sam.get("/en/steward/sheets/new?dataset=lyon")
        fields = typed_in(begun_with, "/en/steward/sheets") | {"dataset": "lyon"}
        assert fields["title_en"], "prefilled from the dataset"
        for wrong, why in (
            ({"code": "No"}, "small letters"),
            ({"title_fr": " "}, "a title in both languages"),
            ({"currency": "euro"}, "three capital letters"),
            ({"dataset": ""}, "Choose a dataset first"),
        ):
            refused = await sam.submit("/en/steward/sheets", fields | wrong)
            assert (refused.status_code, why in words(refused)) == (422, True)
            assert fields["title_en"] in refused.text or "title_en" in wrong
        for _ in range(2):
            made = await sam.submit("/en/steward/sheets", fields | {"code": "second"})
            assert made.headers["location"] == "/en/steward/sheets/second"
        assert await fetch_value(LINES, "market_defined") == 1
        path = "/en/steward/sheets/second"
        rows = await proposed_rows(sam, path)
        assert sorted(row["zone"] for row in rows) == sorted(ZONES)
        assert {(row["weight"], row["people"], row["group"]) for row in rows} == {("100", "700", "all")}
        await seal_week(by_day=True)
        assert sum(int(row["people"]) for row in await proposed_rows(sam, path)) <= 1_000, (
            "of whom the release says there are"
        )
        await withdraw_offer("lyon")
        file = rules.constants_file({zone: (90 + number, 5, "", "own") for number, zone in enumerate(ZONES[:-1])})
        refused = await upload(sam, path, await begun_form(sam, path, worth="0.01"), file)
        assert refused.status_code == 200, "what is not on sale may be without a place on the sheet"
        assert "not on this sheet" in words(refused)
        stating = typed_in(refused, path) | {"step": "state"}
        assert (await sam.submit(path, stating)).status_code == 303
        rows = await proposed_rows(sam, path)
        assert [row["weight"] for row in rows if row["group"] == "own"] == [
            row["weight"] for row in csv.DictReader(io.StringIO(file.decode("utf-8-sig")))
        ], "what is stated stays"
        assert [row["zone"] for row in rows if row["group"] == "all"] == [ZONES[-1]]


async def proposed_rows(browser: Browser, path: str) -> list[dict[str, str]]:
    """Return the rows of constants to begin from."""
    file = await browser.get(f"{path}/proposal.csv?people=700")
    return list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"))))


async def test_constants_are_sent_as_a_file_previewed_and_stated_once() -> None:
    async with Browser() as sam:
        release = await begin_market(sam)
        [row] = await list_priced_releases([release])
        before = (await price_now(row, now=clock.now())).amount_minor
        file = b"\n".join([b"zone,weight,people,group", *(f"{zone},300,1000,west".encode() for zone in ZONES)])
        shown = await upload(sam, SHEET, await begun_form(sam), file)
        assert shown.status_code == 200
        stating = typed_in(shown, SHEET) | {"step": "state"}
        assert await fetch_value("SELECT count(*) FROM sheet_version") == 1, "a preview states nothing"
        form_id = str(uuid.uuid4())
        answers = await asyncio.gather(*(sam.submit(SHEET, stating, form_id=form_id) for _ in range(3)))
        assert [one.status_code for one in answers] == [303] * 3
        assert await fetch_value("SELECT count(*) FROM sheet_version") == 2
        assert await fetch_value(LINES, "sheet_stated") == 2
        after = (await price_now(row, now=clock.now())).amount_minor
        for amount in (before, after, after - before):
            assert f"{amount / 100:,.2f}" in words(shown)
        assert rules.read((await get_version("sheet-lyon", clock.now())).document).groups == ["west"]
        file = await sam.get(f"{SHEET}/constants.csv")
        assert f"{ZONES[0]},300,1000,west" in file.content.decode("utf-8-sig")
        history = words(await sam.get(SHEET))
        assert "Steward" in history
        assert (await list_history("sheet-lyon"))[0].sha256[:16] in history


async def test_a_preview_has_every_release_on_sale_with_today_next_difference_and_a_total() -> None:
    async with Browser() as sam:
        await begin_market(sam)
        await seal_week(weeks_ago=1, by_day=True)
        shown = await preview(sam, worth=f"{2 * worth_in(await begun_form(sam)):.8f}")
        text = words(shown)
        rows = re.findall(r'<td\s+class="n">([^<]*)</td>', shown.text)
        amounts = [round(float(re.sub(r"[^\d.]", "", cell)) * 100) for cell in rows]
        per_row, total = [amounts[at : at + 4] for at in (0, 4)], amounts[8:]
        today, after, more = ([*(row[at] for row in per_row), total[at]] for at in range(3))
        assert [row[1] for row in per_row] == [row[3] for row in per_row], (
            "one of later days costs the same: only the worth is new"
        )
        assert len(today) == 3, "two releases and the total"
        assert today[2] == sum(today[:2])
        assert after[2] == sum(after[:2])
        assert more == [b - a for a, b in zip(today, after, strict=True)]
        assert all(b > a for a, b in zip(today, after, strict=True))
        assert "State this version" in text
        await withdraw_offer("lyon")
        assert "Nothing is on sale on this sheet yet" in words(await preview(sam))


def worth_in(fields: dict[str, str]) -> float:
    return float(fields["worth"])


async def test_a_preview_costs_the_same_queries_for_two_releases_as_for_many(monkeypatch: Any) -> None:
    from marketplace.catalogue.offers import previews  # noqa: PLC0415
    from marketplace.core import database  # noqa: PLC0415

    async with Browser() as sam:
        await begin_market(sam)
        document = rules.read((await get_version("sheet-lyon", clock.now())).document)
        asked: list[str] = []
        fetch = database._statement

        def counted(source: Any, values: Any) -> Any:
            asked.append(str(source))
            return fetch(source, values)

        monkeypatch.setattr(database, "_statement", counted)
        await previews.preview("sheet-lyon", document, clock.now())  # the day's demand is drawn
        counts = []
        for weeks in ((1,), (2, 3, 4, 5)):
            for week in weeks:
                await seal_week(weeks_ago=week, by_day=True)
            asked.clear()
            assert len((await previews.preview("sheet-lyon", document, clock.now())).rows) == 1 + weeks[-1]
            counts.append(len(asked))
        assert counts[0] == counts[1]


async def test_what_was_typed_is_kept_when_something_is_refused() -> None:
    async with Browser() as sam:
        await begin_market(sam)
        rows = "zone,weight,people,group\n" + "\n".join(f"{zone},120,900,east" for zone in ZONES)
        fields = await begun_form(sam, constants=rows, worth="0.0123", starts_at="2040-01-01T08:00")
        for wrong, why in (
            ({"worth": "much"}, "Write a number above zero"),
            ({"half_life_days": "0"}, "Write a number above zero"),
            ({"right_publish": "101"}, "100 percent at most"),
            ({"right_internal": "90"}, "each right is worth more"),
            ({"purpose_Marketing": "-1"}, "Write a number above zero"),
            ({"segments": "18-24, 1, 25"}, "Line 1: write a segment"),
            ({"segments": "a; 1; 50\na; 1; 50"}, "is there twice"),
            ({"segments": "a; 1; 101"}, "100 percent at most"),
            ({"segments": "other; 1; 100"}, "is not on this sheet"),
            ({"starts_at": "soon"}, "Write a day and an hour"),
            ({"starts_at": "2020-01-01T00:00"}, "A sheet starts now or later"),
            ({"constants": "zone,weight\n"}, "The file has no column"),
            ({"constants": rows.replace(",120,", ",0,", 1)}, "Row 2"),
            ({"constants": "\n".join(rows.splitlines()[:-1])}, "has no zone"),
        ):
            for step in ("preview", "state"):
                refused = await sam.submit(SHEET, fields | wrong | {"step": step})
                assert why in words(refused), (wrong, words(refused))
                assert 400 <= refused.status_code < 500
                kept = typed_in(refused, SHEET)
                assert {
                    name: kept[name].replace("\r", "")
                    for name in fields
                    if name not in ("form_id", "_csrf_token", "step")
                } == {name: (fields | wrong)[name] for name in fields if name not in ("form_id", "_csrf_token", "step")}
        broken = await upload(sam, SHEET, fields, b"\xff\xfe\x00")
        assert "no CSV in UTF-8" in words(broken)
        assert await fetch_value("SELECT count(*) FROM sheet_version") == 1
        changed = await sam.submit(SHEET, fields | {"step": "state", "back": "yes"})
        assert typed_in(changed, SHEET)["constants"].replace("\r", "") == rows


async def test_a_version_that_somebody_else_stated_meanwhile_is_looked_at_first() -> None:
    async with Browser() as sam, Browser() as tom:
        await begin_market(sam)
        await add_staff("tom@partage.example", "Tom", "steward", PASSWORD)
        await tom.sign_in("tom@partage.example")
        late = typed_in(await preview(sam, worth="0.05"), SHEET) | {"step": "state"}
        tom_states = typed_in(await preview(tom, worth="0.04"), SHEET) | {"step": "state"}
        assert (await tom.submit(SHEET, tom_states)).status_code == 303
        refused = await sam.submit(SHEET, late)
        assert refused.status_code == 409
        assert "Tom stated version 2 meanwhile" in words(refused)
        kept = typed_in(refused, SHEET)
        assert kept["worth"] == "0.05", "what was typed is not lost"
        assert (await sam.submit(SHEET, kept | {"step": "state"})).status_code == 303
        assert [one.number for one in await list_history("sheet-lyon")] == [3, 2, 1]


async def test_a_version_may_start_later_and_french_numbers_are_read() -> None:
    async with Browser() as sam:
        await begin_market(sam)
        path = "/fr/steward/sheets/sheet-lyon"
        fields = await begun_form(sam, path, worth="0,025", starts_at="2040-01-01T08:00", half_life_days="1,5")
        assert (await sam.submit(path, fields | {"step": "state"})).status_code == 303
        assert (await get_version("sheet-lyon", clock.now())).number == 1
        later = (await list_history("sheet-lyon"))[0]
        assert later.starts_at.isoformat() == "2040-01-01T07:00:00+00:00", "eight in Paris"
        stated = rules.read(await fetch_value("SELECT document FROM sheet_version WHERE number = 2"))
        assert (stated.worth_micro, stated.half_life_hours) == (2_500_000, 36)
        shown = words(await sam.get("/en/sheets/sheet-lyon"))
        assert "Version 2 starts on" in shown
        assert "not in force now" in words(await sam.get(f"/en/sheets/{later.sha256}"))


async def test_a_sheet_without_a_rate_that_is_sold_is_refused() -> None:
    async with Browser() as sam:
        await begin_market(sam)
        purpose = next(iter(PURPOSES))
        await define_terms("one-1", months=12, lines_fr="a\nb\nc\nd\ne", lines_en="a\nb\nc\nd\ne", purposes=[purpose])
        await put_on_sale("lyon", terms="one-1")
        refused = await sam.submit(SHEET, await begun_form(sam, **{f"purpose_{purpose}": ""}))
        assert f"a purpose without a rate on the sheet: {purpose}" in words(refused)
        both = await begun_form(sam, step="state", **{f"purpose_{purpose}": ""})
        assert (await sam.submit(SHEET, both)).status_code == 422
        await withdraw_offer("lyon")
        assert (await sam.submit(SHEET, both)).status_code == 303
        offered = await sam.submit("/en/steward/offers/lyon", {"terms": "one-1", "sheet": "sheet-lyon"})
        assert "without a rate on the sheet" in words(offered)
        assert (await sam.submit("/en/steward/offers/lyon", {"terms": TERMS, "sheet": "sheet-lyon"})).status_code == 303


async def test_a_law_of_volume_is_stated_once_and_a_stale_form_is_said() -> None:
    async with Browser() as sam:
        await sign_in_staff((sam, "steward"))
        path = "/en/steward/volume"
        assert "nothing can be sold in it" in words(await sam.get(path))
        fields = typed_in(await sam.get(path), path)
        law = {"steps": "0; 100\n2000; 85\n10 000; 60,5", "least": "90"}
        for wrong, why in (
            ({"steps": ""}, "a first line"),
            ({"steps": "0 100"}, "Line 1"),
            ({"steps": "0; 50\n10; 60"}, "never do"),
            ({"steps": "0; 100\nmuch; 50"}, "amount in euros"),
            ({"least": "0"}, "at least a cent"),
            ({"currency": "XXX"}, "No market is in XXX"),
            ({"starts_at": "2020-01-01T00:00"}, "now or later"),
        ):
            refused = await sam.submit(path, fields | law | wrong)
            assert why in words(refused), words(refused)
            if "currency" not in wrong:
                kept = typed_in(refused, path)
                assert kept["least"] == (law | wrong)["least"]
        form_id = str(uuid.uuid4())
        answers = await asyncio.gather(*(sam.submit(path, fields | law, form_id=form_id) for _ in range(3)))
        assert [one.status_code for one in answers] == [303] * 3
        assert await get_law("EUR", clock.now()) == Law(
            currency="EUR", volume=((0, 10_000), (200_000, 8_500), (1_000_000, 6_050)), least_minor=9_000
        )
        assert await fetch_value(LINES, "volume_law_stated") == 1
        stale = await sam.submit(path, fields | law | {"least": "95"})
        assert stale.status_code == 409
        assert "Another law of volume was stated meanwhile" in words(stale)
        again = typed_in(stale, path)
        assert again["least"] == "95"
        assert (await sam.submit(path, again)).status_code == 303
        shown = words(await sam.get(path))
        assert "It covers promises of" in shown
        assert "beyond €2,000.00" in shown


async def test_anybody_reads_the_sheet_and_computes_a_price_by_it() -> None:
    async with Browser() as sam, Browser() as stranger:
        release = await begin_market(sam)
        [row] = await list_priced_releases([release])
        priced = await price_now(row, now=clock.now())
        page = await stranger.get("/en/sheets/sheet-lyon")
        assert "How a price is computed" in words(page)
        stated = (await stranger.get("/en/sheets/sheet-lyon/sheet.json")).json()
        [lot] = priced.lots
        assert hashlib.sha256(rfc8785.dumps(stated["document"])).hexdigest() == stated["sha256"] == lot.terms.sheet
        terms = rules.terms_of(
            rules.Rates(**{name: stated["document"][name] for name in rules.Rates.__struct_fields__}),
            stated["sha256"],
            stated["demand_basis_points"],
        )
        law = Law(**stated["law"] | {"volume": [tuple(step) for step in stated["law"]["volume"]]})
        again = price(law, [Lot(lot.release, terms, lot.licence, lot.points)])
        assert again.amount_minor == priced.amount_minor
        of_digest = await stranger.get(f"/fr/sheets/{stated['sha256']}/sheet.json")
        assert json.loads(of_digest.content)["version"] == stated["version"]
        file = (await stranger.get("/en/sheets/sheet-lyon/constants.csv")).content.decode("utf-8-sig")
        assert len(file.splitlines()) == 1 + len(ZONES)
        assert (await stranger.get("/en/sheets/nothing")).status_code == 404
        assert (await stranger.get(f"/en/sheets/{'0' * 64}")).status_code == 404
        assert f"/sheets/{stated['sha256']}" in (await stranger.get("/en/datasets/lyon")).text, "from the price's steps"


async def test_an_offer_leads_to_its_sheet_or_to_making_one() -> None:
    async with Browser() as sam, Browser() as ada:
        await begin_market(sam)
        await sign_in_staff((ada, "auditor"))
        assert 'href="/en/steward/sheets/sheet-lyon"' in (await sam.get("/en/steward/offers/lyon")).text
        await execute("DELETE FROM offer")
        await open_catalogue("second", grain="hour")
        await execute("DELETE FROM offer")
        await execute("UPDATE price_sheet SET h3_resolution = 5 WHERE code = 'sheet-second'")
        shown = await sam.get("/en/steward/offers/second")
        assert "No market counts what this dataset counts" in words(shown)
        assert 'href="/en/steward/sheets/new?dataset=second"' in shown.text
        listed = words(await ada.get("/en/steward/sheets"))
        assert "Datasets without a market" in listed
        assert (await ada.get(SHEET)).status_code == 200
        assert (await ada.submit(SHEET, {"step": "state"})).status_code == 403
