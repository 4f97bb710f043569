"""Auctions in a browser: two partners bid to the soft close and see each other live; a sealed auction to its transcript."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from marketplace.core import clock
from marketplace.sales.auctions import award as ending
from marketplace.sales.auctions import reverse_actions as reverse_auctions
from marketplace.sales.auctions.queries import get_auction
from marketplace.sales.auctions.reverse_award import award_auctions
from marketplace.sales.auctions.reverse_rules import Stratum
from pricing.auctions.replay import replay
from pricing.auctions.transcript import from_json
from tests.browser.builders import Run, is_accessible, shoot, someone
from tests.people.builders import PASSWORD, add_staff
from tests.sales.auctions.webs import web_processes
from tests.sales.builders.auctions import DAY, make_offer, make_subscriber, move_end, open_auction, open_reverse_auction
from tests.sales.builders.auctions import end_reverse_auction as close_call
from tests.sales.builders.shop import make_buyer, save_card


@pytest.mark.deep
def test_two_partners_bid_against_each_other_to_the_soft_close(aside: Run, launched: Any) -> None:
    async def let_them_in() -> None:
        for name in ("atelier", "bureau"):
            await save_card(await make_buyer(name))
        await add_staff("sam@operator.example", "Sam Steward", "steward", PASSWORD)

    aside(let_them_in)
    with web_processes(2) as webs:
        ann = someone(launched, webs[0].url, "atelier@partner.example")
        bob = someone(
            launched,
            webs[1].url,
            "bureau@partner.example",
            language="fr",
            color_scheme="dark",
            viewport={"width": 390, "height": 800},
        )
        # Every bid is in the window and moves the end to so many seconds after itself.
        auction = aside(lambda: open_auction(seconds=600, window_seconds=3600, extension_seconds=600))
        sam = someone(launched, webs[0].url, "sam@operator.example")
        sam.goto(f"{webs[0].url}/en/auctions/{auction}")
        assert "Bids accepted" in sam.inner_text("[data-activity]")
        assert sam.is_visible("[data-cancel]")
        ann.goto(f"{webs[0].url}/en/auctions/{auction}")
        ann.fill("input[name=amount]", "50")
        ann.click("main form[action$=bids] .button")
        ann.wait_for_url("**/auctions/*?bid=*")
        assert "you lead" in ann.inner_text("#answer")
        assert "Your maximum: €50.00." in ann.inner_text("main")
        assert ann.is_visible("[data-leading]")
        bob.goto(f"{webs[1].url}/fr/auctions/{auction}")
        assert bob.input_value("input[name=amount]") == "11,00", "the next step"
        bob.fill("input[name=amount]", "5,00")
        bob.click("main form[action$=bids] .button")
        bob.wait_for_selector("#answer >> text=sous le minimum")
        assert bob.input_value("input[name=amount]") == "5,00", "what was typed is kept"
        is_accessible(bob)
        assert bob.input_value("input[name=amount]") == "5,00", "also once the stream brought the minimum"
        shoot(bob, "auction-fr-refused")
        bob.fill("input[name=amount]", "80,00")
        bob.click("main form[action$=bids] .button")
        bob.wait_for_url("**/auctions/*?bid=*")
        ann.wait_for_selector("[data-outbid]:not([hidden])")
        expect(ann).to_have_title(re.compile("^Outbid"))
        assert not ann.is_visible("#answer"), "which said that she leads"
        ann.wait_for_selector("[data-chart] svg", timeout=15_000)
        assert ann.is_visible("[data-sound]")
        assert ann.inner_text("[data-price]") == "€52.50"
        assert ann.inner_text("[data-bids]") == "2"
        assert ann.inner_text("[data-least]") == ann.inner_text("[data-minimum]") == "€55.00"
        # What the script wrote is what the page says when it is drawn again.
        lines = "[data-log] tbody tr"
        written = [ann.locator(lines).nth(row).inner_text() for row in range(2)]
        ann.reload()
        assert [ann.locator(lines).nth(row).inner_text() for row in range(2)] == written
        assert ann.locator("[data-log] tr, tbody tr").count() >= 2
        assert ":" in ann.inner_text("[data-left]")
        assert ann.is_visible("[data-extended]")
        assert bob.is_visible("[data-extended]")
        is_accessible(ann)
        is_accessible(bob)
        sam.wait_for_selector("[data-activity] >> text=it is below the minimum", timeout=15_000)
        expect(sam.locator("[data-activity] tbody tr")).to_have_count(3)
        assert not sam.is_visible("[data-cancel]"), "which nobody can any more"
        is_accessible(sam)
        shoot(sam, "auction-steward")
        shoot(ann, "auction-en-light")
        shoot(bob, "auction-fr-dark-mobile")
        row = aside(lambda: get_auction(auction))
        assert row.closes_at > row.scheduled_close_at
        aside(lambda: move_end(auction))
        aside(ending.close_auctions)
        ann.wait_for_selector("text=Download the transcript")
        bob.wait_for_selector("text=Vous avez gagné")
        is_accessible(bob)
        shoot(bob, "auction-fr-won")


def test_a_sealed_auction_to_its_transcript(aside: Run, launched: Any, tmp_path: Any) -> None:
    async def let_them_in() -> None:
        await save_card(await make_buyer("atelier"))

    aside(let_them_in)
    with web_processes(1) as webs:
        ann = someone(launched, webs[0].url, "atelier@partner.example", java_script_enabled=False)
        auction = aside(lambda: open_auction("limited", licences=2))
        ann.goto(f"{webs[0].url}/en/auctions/{auction}")
        ann.fill("input[name=amount]", "1.00")
        ann.click("main form[action$=bids] .button")
        assert "below the minimum" in ann.inner_text("#answer")
        ann.click("header >> text=FR")
        assert "Votre offre, en euros" in ann.inner_text("main"), "changing language on a refused form leads back to it"
        ann.goto(f"{webs[0].url}/en/auctions/{auction}")
        ann.fill("input[name=amount]", "75.50")
        ann.click("main form[action$=bids] .button")
        ann.wait_for_url("**/auctions/*?bid=*")
        assert "sealed" in ann.inner_text("#answer")
        ann.click("text=See its receipt")
        shoot(ann, "receipt-en")
        aside(lambda: move_end(auction))
        aside(ending.close_auctions)
        ann.goto(f"{webs[0].url}/en/auctions/{auction}")
        with ann.expect_download() as awaited:
            ann.click("text=Download the transcript")
        place = tmp_path / "transcript.json"
        awaited.value.save_as(place)
        root = aside(lambda: get_auction(auction)).root
        assert root in ann.inner_text("main")
        found = replay(from_json(place.read_text()), bytes.fromhex(root))
        assert found.equal
        assert found.award["outcomes"][0]["pays_minor"] == 1_000


@pytest.mark.deep
def test_a_steward_ticks_a_bundles_lots_of_two_datasets(aside: Run, launched: Any) -> None:
    async def let_them_in() -> None:
        for code in ("lyon", "paris"):
            await make_offer(code=code)
        await add_staff("sam@operator.example", "Sam Steward", "steward", PASSWORD)

    aside(let_them_in)
    with web_processes(1) as webs:
        sam = someone(
            launched, webs[0].url, "sam@operator.example", language="fr", viewport={"width": 390, "height": 800}
        )
        sam.goto(f"{webs[0].url}/fr/steward/calls/new")
        is_accessible(sam)
        sam.goto(f"{webs[0].url}/fr/steward/auctions/new")
        sam.select_option("select[name=kind]", "bundle")
        sam.click("summary")
        for number in range(2):
            sam.locator("input[name=release]").nth(number).check()
        now = clock.now()
        for name, after in (("opens_at", 0), ("closes_at", 2)):
            sam.fill(f"input[name={name}]", f"{now + after * DAY:%Y-%m-%dT%H:%M}")
        sam.fill("input[name=reserve]", "0,0a")
        sam.click("main form .button:not(.quiet)")
        sam.wait_for_selector("#reserve-error")
        assert sam.input_value("input[name=reserve]") == "0,0a", "what was typed is kept"
        assert sam.locator("input[name=release]:checked").count() == 2
        is_accessible(sam)
        assert sam.evaluate("document.documentElement.scrollWidth") <= 390
        shoot(sam, "bundle-new-fr")
        sam.fill("input[name=reserve]", "")
        sam.click("text=Calculer la réserve")
        sam.wait_for_url("**/reserve")
        assert sam.locator("input[name=release]:checked").count() == 2
        sam.click("main form .button:not(.quiet)")
        sam.wait_for_url(lambda there: "steward" not in there)
        assert sam.locator("span", has_text="réserve 0,01").count() == 2
        is_accessible(sam)
        shoot(sam, "bundle-fr")


@pytest.mark.deep
def test_a_subscriber_states_a_price_wins_and_sees_the_promise(aside: Run, launched: Any) -> None:
    async def let_them_in() -> Any:
        call, [stratum] = await open_reverse_auction(strata=[Stratum("18-39 ans", "18-39", 1, 10_000_000, 4_000_000)])
        await reverse_auctions.ask(1, call, stratum, least_micro=2_000_000)
        await make_subscriber()
        return call

    call = aside(let_them_in)
    with web_processes(1) as webs:
        ada = someone(launched, webs[0].url, "ada@line.example")
        ada.goto(f"{webs[0].url}/en/calls")
        is_accessible(ada)
        ada.click("text=State your least amount")
        ada.wait_for_url("**/calls/*")
        is_accessible(ada)
        ada.fill("input[name=amount]", "1.00")
        ada.click("main form .button")
        ada.wait_for_selector("text=Your answer is sealed")
        is_accessible(ada)
        shoot(ada, "call-en")

        async def finish() -> None:
            await close_call(call)
            await award_auctions()

        aside(finish)
        ada.reload()
        assert "promised at least €2.00" in ada.inner_text("main")
        ada.click("text=See it beside your earnings")
        ada.wait_for_url("**/earnings/shares")
        assert "What you were promised" in ada.inner_text("main")
        assert "€2.00" in ada.inner_text("main")
        is_accessible(ada)
        shoot(ada, "earnings-promise-en")
        phone = someone(
            launched,
            webs[0].url,
            "ada@line.example",
            language="fr",
            color_scheme="dark",
            viewport={"width": 390, "height": 800},
        )
        for path in ("calls", f"calls/{call}", "earnings/shares"):
            phone.goto(f"{webs[0].url}/fr/{path}")
            is_accessible(phone)
            assert phone.evaluate("document.documentElement.scrollWidth") <= 390
            shoot(phone, f"phone-{path.split('/')[0]}-{len(path)}")
