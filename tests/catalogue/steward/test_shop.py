"""The steward's shop through its pages: purposes, notices, terms, offers, and a published release that is put on sale."""

import datetime as dt
import uuid
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.offers.queries import list_priced_releases
from marketplace.catalogue.offers.stated import count_published, state_sheet
from marketplace.consent.purposes import actions as consent
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Invalid, NotFound
from marketplace.datasets.releases import actions as datasets
from marketplace.datasets.releases.queries import get_release
from marketplace.people.identity import actions as identity
from marketplace.people.identity.actors import Actor
from tests.catalogue.builders import (
    FORM_ID,
    OFFER_FIELDS,
    TERMS,
    open_catalogue,
    put_on_sale,
    seal_week,
    sheet_document,
    sign_in_staff,
)
from tests.consent.builders import PURPOSE
from tests.datasets.builders import PERIOD, crowd, declare, make_subscribers, write
from tests.people.builders import Browser, words
from tests.support.reads import fetch_value


async def test_a_steward_defines_a_purpose_and_asks_anew_with_a_changed_notice() -> None:
    form: dict[str, Any] = {"category": "presence", "use": "statistics", "title_fr": "Présence", "title_en": "Presence"}
    async with Browser() as sam, Browser() as ada:
        await sign_in_staff((sam, "steward"), (ada, "auditor"))
        assert "No purpose is defined yet" in words(await sam.get("/en/steward/purposes"))
        wrong = await sam.submit("/en/steward/purposes", form | {"category": "Présence"})
        assert wrong.status_code == 422
        assert "small letters" in words(wrong)
        assert 'value="statistics"' in wrong.text, "what was typed is not lost"
        assert (await ada.submit("/en/steward/purposes", form)).status_code == 403
        for _ in range(2):
            made = await sam.submit("/en/steward/purposes", form)
            assert made.headers["location"] == f"/en/steward/purposes/{PURPOSE}"
        path = f"/en/steward/purposes/{PURPOSE}"
        first = {"text_fr": "On compte.", "text_en": "We count."}
        looked = await sam.submit(f"{path}/notices", first)
        assert "can consent to this purpose" in words(looked)
        assert await fetch_value("SELECT count(*) FROM notice") == 0, "looking publishes nothing"
        for day, why in (("9999-12-31", "a day to come"), ("soon", "2026-03-28")):
            assert why in words(await sam.submit(f"{path}/notices", first | {"since": day, "step": "publish"}))
        since = first | {"since": "2026-03-30"}
        assert "in force since 30 Mar 2026" in words(await sam.submit(f"{path}/notices", since))
        assert (await sam.submit(f"{path}/notices", since | {"step": "publish"})).status_code == 303
        midnight_in_paris = dt.datetime(2026, 3, 29, 22, tzinfo=dt.UTC)
        assert await fetch_value("SELECT published_at FROM notice") == midnight_in_paris

        await identity.add_subscribers([7])
        await consent.give(7, PURPOSE)
        second = {"text_fr": "On compte\r\nautre chose.", "text_en": "We count\r\nsomething else."}
        assert "has changed" in words(await sam.submit(f"{path}/notices", second))
        asked = second | {"change": "anew"}
        assert "Only the first notice" in words(await sam.submit(f"{path}/notices", asked | {"since": "2026-04-01"}))
        assert "Every consent to this purpose ends" in words(await sam.submit(f"{path}/notices", asked))
        for _ in range(2):
            answer = await sam.submit(f"{path}/notices", asked | {"step": "publish"}, form_id=FORM_ID)
            assert answer.status_code == 303
        assert await fetch_value("SELECT array_agg(version ORDER BY version) FROM notice") == [1, 2]
        assert "redemandé à tous" in words(await ada.get(f"/fr/steward/purposes/{PURPOSE}"))
        assert await fetch_value("SELECT text_en FROM notice WHERE version = 2") == "We count\nsomething else."
        assert (await sam.get("/en/steward/purposes/nothing.known")).status_code == 404
    assert await fetch_value("SELECT count(*) FROM staff_action WHERE verb = 'notice_published'") == 2


async def test_a_new_version_of_terms_is_copied_from_one_there_is() -> None:
    await open_catalogue()
    async with Browser() as sam:
        await sign_in_staff((sam, "steward"))
        copied = await sam.get(f"/en/steward/terms?copy={TERMS}")
        assert 'value="standard-2"' in copied.text
        assert "1 offer" in words(copied)
        form: dict[str, Any] = {"code": "standard-2", "months": "24", "right": "resell", "countries": "be fr"}
        form["purposes"] = ["ScientificResearch", "PublicPolicyMaking"]
        for wrong, why in (
            ({"countries": "France"}, "two letters"),
            ({"countries": "QZ"}, "two letters"),
            ({"purposes": "Anything"}, "from the list"),
            ({"right": "burn"}, "no such right"),
            ({"months": "two"}, "whole number"),
        ):
            refused = await sam.submit("/en/steward/terms", form | wrong)
            assert why in words(refused), wrong
            assert 'value="standard-2"' in refused.text, "what was typed is not lost"
        for _ in range(2):
            assert (await sam.submit("/en/steward/terms", form)).status_code == 303
        assert "never change" in words(await sam.submit("/en/steward/terms", form | {"months": "36"}))
        french = words(await sam.get("/fr/steward/terms"))
        assert "24 mois" in french
        assert "élaborer des politiques publiques, la recherche scientifique" in french
        assert "établies ici : Belgique, France" in french.replace("\u00a0", " ").replace("\u202f", " ")
        again = (await sam.get("/en/steward/terms?copy=standard-2")).text
        assert 'value="ScientificResearch" checked' in again
        assert 'value="BE, FR"' in again


async def test_a_purpose_is_named_for_programs() -> None:
    await open_catalogue()
    async with Browser() as sam:
        await sign_in_staff((sam, "steward"))
        path = f"/en/steward/purposes/{PURPOSE}"
        assert "from the list" in words(await sam.submit(f"{path}/name", {"dpv": "World domination"}))
        assert (await sam.submit(f"{path}/name", {"dpv": "ScientificResearch"})).status_code == 303
        assert "dpv:ScientificResearch" in words(await sam.get(path))
        unknown = await sam.submit("/en/steward/purposes/nothing.known/name", {"dpv": "Marketing"})
        assert unknown.status_code == 404
    with pytest.raises(NotFound):
        await consent.name_purpose("nothing.known", "Marketing")
    assert await fetch_value("SELECT count(*) FROM staff_action WHERE verb = 'purpose_named'") == 1


async def test_an_offer_shows_its_price_and_is_made_changed_and_withdrawn() -> None:
    await open_catalogue("lyon", "other")
    release = await seal_week()
    await catalogue.define_terms("shorter-1", months=1, lines_fr="a\nb\nc\nd\ne", lines_en="v\nw\nx\ny\nz")
    async with Browser() as sam, Browser() as ada:
        await sign_in_staff((sam, "steward"), (ada, "auditor"))
        path = "/en/steward/offers/lyon"
        assert "On sale" in words(await ada.get("/en/steward/offers"))
        assert "Nothing published" in words(await ada.get("/en/steward/offers"))
        assert (await ada.submit(path, OFFER_FIELDS)).status_code == 403
        assert "Change the offer" not in words(await ada.get(path))
        [row] = await list_priced_releases([release])
        before = (await catalogue.price_now(row, now=clock.now())).amount_minor
        assert f"€{before / 100:,.2f}" in words(await sam.get(path))

        for wrong, why in (
            ({"terms": ""}, "Choose the licence terms first"),
            ({"sheet": ""}, "price sheet first"),
            ({"terms": "nothing-1"}, "There are no licence terms"),
            ({"sheet": "nothing"}, "no price sheet"),
        ):
            refused = await sam.submit(path, OFFER_FIELDS | wrong)
            assert refused.status_code in {404, 422}, wrong
            assert why in words(refused), wrong
        assert await fetch_value("SELECT terms FROM offer WHERE dataset = 'lyon'") == TERMS

        assert (await sam.submit(path, OFFER_FIELDS | {"terms": "shorter-1"})).status_code == 303
        assert await fetch_value("SELECT terms FROM offer WHERE dataset = 'lyon'") == "shorter-1"
        after = (await catalogue.price_now(row, now=clock.now())).amount_minor
        assert after < before
        assert f"€{after / 100:,.2f}" in words(await sam.get(path))

        assert "leaves the catalogue" in words(await sam.get(f"{path}/withdraw"))
        for _ in range(2):
            assert (await sam.submit(f"{path}/withdraw", {})).status_code == 303
        assert "It has not been sold since" in (await sam.get("/en/datasets/lyon")).text
        page = words(await sam.get(f"/en/steward/releases/{release}"))
        assert "Not on sale" in page
        assert "Put it on sale" in page
        assert "pas en vente" in words(await ada.get(f"/fr/steward/releases/{release}")).lower()
        assert "retirée" in words(await sam.get("/fr/steward/offers/lyon"))

        assert (await sam.submit(path, OFFER_FIELDS)).status_code == 303
        assert (await sam.get("/en/datasets/lyon")).status_code == 200
        assert "for €" in words(await sam.get(f"/en/steward/releases/{release}"))
    assert await fetch_value("SELECT count(*) FROM staff_action WHERE verb = 'offer_withdrawn'") == 1


async def test_publishing_and_calling_back_ask_once_and_say_whether_it_is_on_sale() -> None:
    await open_catalogue()
    waiting = await seal_week(state="assessed", sealed_at=None)
    sealed = await seal_week(weeks_ago=1)
    async with Browser() as sam, Browser() as ada:
        await sign_in_staff((sam, "steward"), (ada, "auditor"))
        ask = words(await sam.get(f"/en/steward/releases/{waiting}/publish"))
        assert "sealed for ever" in ask
        assert "It goes on sale at once under standard-1, for €" in ask
        await sam.submit("/en/steward/offers/lyon/withdraw", {})
        assert "not on sale yet" in words(await sam.get(f"/en/steward/releases/{waiting}/publish"))
        assert "en vente" in words(await sam.get(f"/fr/steward/releases/{waiting}/publish"))
        assert (await ada.get(f"/en/steward/releases/{waiting}/publish")).status_code == 403
        assert "cannot be undone" in words(await sam.get(f"/en/steward/releases/{sealed}/revoke"))
        assert "nothing to call back" in words(await sam.get(f"/en/steward/releases/{waiting}/revoke"))
        assert "published already" in words(await sam.get(f"/en/steward/releases/{sealed}/publish"))
    await execute("UPDATE release SET state = 'noised' WHERE id = $1", waiting)


async def test_a_release_that_its_sheet_has_no_zone_of_is_published_once_the_sheet_is_right(tmp_path: Path) -> None:
    await declare()
    await make_subscribers(range(1, 301))
    await catalogue.define_terms(TERMS, months=12, lines_fr="a\nb\nc\nd\ne", lines_en="v\nw\nx\ny\nz")
    sheet = await put_on_sale("lyon", terms=TERMS, worth_minor=240_000, least_minor=15_000)
    right = await sheet_document("lyon", worth_minor=240_000)
    steward, zones = Actor(name="Sam", role="steward"), dict(list(right.zones.items())[1:])
    await state_sheet(sheet, structs.replace(right, zones=zones), steward, version=uuid.uuid4())
    files = write(tmp_path, crowd(300), range(1, 301))
    release = await datasets.build("lyon", **files, **PERIOD, publish=False)
    async with Browser() as sam:
        await sign_in_staff((sam, "steward"))
        refused = await sam.submit(f"/en/steward/releases/{release}/publish", {})
        assert refused.status_code == 422
        assert "is not on this sheet" in words(refused)
        assert (await get_release(release)).state == "assessed"
        assert "lyon" not in [row["code"] for row in (await sam.get("/api/v1/datasets")).json()["datasets"]]
        again = await datasets.build("lyon", **files, **PERIOD, publish=False, allow=count_published)
        assert again == release
        with pytest.raises(Invalid, match="is not on this sheet"):
            await datasets.build("lyon", **files, **PERIOD, allow=count_published)
        assert await fetch_value("SELECT count(*) FROM release_points") == 0
        await state_sheet(sheet, right, steward, version=uuid.uuid4())
        assert (await sam.submit(f"/en/steward/releases/{release}/publish", {})).status_code == 303
        assert (await get_release(release)).state == "sealed"
        assert await fetch_value("SELECT count(*) FROM release_points") == 1
