"""The steward's shop through its pages: purposes, notices, terms, offers, and a published release that is put on sale."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.offers.menu import audit_published
from marketplace.consent.purposes import actions as consent
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, NotFound
from marketplace.datasets.releases import actions as datasets
from marketplace.datasets.releases.queries import get_dataset, get_release
from marketplace.people.identity import actions as identity
from tests.catalogue.builders import FORM_ID, OFFER_FIELDS, TERMS, open_catalogue, seal_week, sign_in_staff
from tests.consent.builders import PURPOSE
from tests.datasets.builders import PERIOD, crowd, declare, make_subscribers, write
from tests.people.builders import Browser, words
from tests.support.reads import fetch_one, fetch_value

if TYPE_CHECKING:
    from pathlib import Path


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


async def test_an_offer_shows_its_price_before_it_is_made_changed_and_withdrawn() -> None:
    await open_catalogue("lyon", "other")
    release = await seal_week()
    async with Browser() as sam, Browser() as ada:
        await sign_in_staff((sam, "steward"), (ada, "auditor"))
        path = "/en/steward/offers/lyon"
        assert "On sale" in words(await ada.get("/en/steward/offers"))
        assert "Nothing published" in words(await ada.get("/en/steward/offers"))
        assert (await ada.submit(path, OFFER_FIELDS)).status_code == 403
        assert "See the price" not in words(await ada.get(path))
        assert 'value="2400.00"' in (await sam.get(path)).text

        looked = await sam.submit(path, OFFER_FIELDS)
        assert "Full worth of one figure of one day" in words(looked)
        assert "Change the offer" in words(looked)
        assert await fetch_value("SELECT full_worth_minor FROM offer WHERE dataset = 'lyon'") == 240_000
        wrong = await sam.submit(path, OFFER_FIELDS | {"floor": "5000"})
        assert wrong.status_code == 422
        assert 'value="5000"' in wrong.text
        assert "amount in euros" in words(await sam.submit(path, OFFER_FIELDS | {"cap": "much"}))

        assert (await sam.submit(path, OFFER_FIELDS | {"step": "save"})).status_code == 303
        assert await fetch_value("SELECT full_worth_minor FROM offer WHERE dataset = 'lyon'") == 480_000

        day = (clock.now() + dt.timedelta(days=3)).date().isoformat()
        later = OFFER_FIELDS | {"full_worth": "5000", "starts_on": day}
        assert "Plan this change" in words(await sam.submit(path, later))
        assert "later than now" in words(await sam.submit(path, later | {"starts_on": "2020-01-01"}))
        for _ in range(2):
            assert (await sam.submit(path, later | {"step": "save"}, form_id=FORM_ID)).status_code == 303
        planned = await fetch_one("SELECT starts_at, outcome FROM offer_change")
        assert planned
        assert (planned["starts_at"].date().isoformat(), planned["outcome"]) == (day, "")
        assert "Cancel this change" in words(await sam.get(path))
        assert (await sam.submit(f"/en/steward/offer-changes/{FORM_ID}/cancel", {})).status_code == 303

        assert "leaves the catalogue" in words(await sam.get(f"{path}/withdraw"))
        for _ in range(2):
            assert (await sam.submit(f"{path}/withdraw", {})).status_code == 303
        assert (await sam.get("/en/datasets/lyon")).status_code == 404
        page = words(await sam.get(f"/en/steward/releases/{release}"))
        assert "Not on sale" in page
        assert "Put it on sale" in page
        assert "pas en vente" in words(await ada.get(f"/fr/steward/releases/{release}")).lower()
        assert "retirée" in words(await sam.get("/fr/steward/offers/lyon"))

        assert (await sam.submit(path, OFFER_FIELDS | {"step": "save"})).status_code == 303
        assert (await sam.get("/en/datasets/lyon")).status_code == 200
        assert "for €" in words(await sam.get(f"/en/steward/releases/{release}"))
    assert await fetch_value("SELECT count(*) FROM staff_action WHERE verb = 'offer_withdrawn'") == 1


async def test_an_offer_that_undercuts_another_is_refused_with_its_witness_and_cannot_be_saved() -> None:
    await open_catalogue("lyon", "again")
    await seal_week("lyon")
    await seal_week("again", row_count=60)
    dear = OFFER_FIELDS | {"full_worth": "48000", "floor": "3000"}
    async with Browser() as sam:
        await sign_in_staff((sam, "steward"))
        looked = words(await sam.submit("/en/steward/offers/again", dear))
        assert "has as much for" in looked
        assert "Change the offer" in looked, "the form is there, the button that makes it is not"
        assert 'value="save"' not in (await sam.submit("/en/steward/offers/again", dear)).text
        refused = await sam.submit("/fr/steward/offers/again", dear | {"step": "save"})
        assert refused.status_code == 409
        assert "en donne autant" in words(refused)


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


async def test_publishing_audits_the_menu_and_what_it_refuses_is_published_once_the_offer_is_right(
    tmp_path: Path,
) -> None:
    await declare()
    await datasets.define(structs.replace(await get_dataset("lyon"), code="rival"))
    await make_subscribers(range(1, 301))
    files = write(tmp_path, crowd(300), range(1, 301))
    release = await datasets.build("lyon", **files, **PERIOD, publish=False)
    built = await get_release(release)
    await catalogue.define_terms(TERMS, months=12, lines_fr="a\nb\nc\nd\ne", lines_en="v\nw\nx\ny\nz")
    await seal_week("rival", period_from=built.period_from, period_to=built.period_to)
    await catalogue.list_offer("rival", terms=TERMS, full_worth_minor=240_000, floor_minor=15_000, cap_minor=400_000)
    await catalogue.list_offer("lyon", terms=TERMS, full_worth_minor=240_000, floor_minor=300_000, cap_minor=400_000)
    async with Browser() as sam:
        await sign_in_staff((sam, "steward"))
        refused = await sam.submit(f"/en/steward/releases/{release}/publish", {})
        assert refused.status_code == 409
        assert "has as much for" in words(refused)
        assert (await get_release(release)).state == "assessed"
        assert "lyon" not in [row["code"] for row in (await sam.get("/api/v1/datasets")).json()["datasets"]]
        again = await datasets.build("lyon", **files, **PERIOD, publish=False, allow=audit_published)
        assert again == release
        with pytest.raises(Conflict, match="has as much for"):
            await datasets.build("lyon", **files, **PERIOD, allow=audit_published)
        await catalogue.list_offer("lyon", terms=TERMS, full_worth_minor=240_000, floor_minor=15_000, cap_minor=400_000)
        assert (await sam.submit(f"/en/steward/releases/{release}/publish", {})).status_code == 303
        assert (await get_release(release)).state == "sealed"
