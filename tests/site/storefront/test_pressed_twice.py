"""A button of the shop that is pressed twice at once, in one tab or in two: done once, and the second press reads why."""

import asyncio
import datetime as dt
import uuid

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.sales.agreed.private_actions import offer
from marketplace.sales.orders.invoices import change_billing
from marketplace.sales.subscriptions.actions import deliver
from tests.money.builders import with_limit
from tests.people.builders import PASSWORD, Browser, add_staff, make_staff, page_text
from tests.sales.builders.shop import (
    basket_of,
    jobs,
    make_buyer,
    make_quote,
    make_sale,
    open_shop,
    pressed,
    save_card_on_page,
    seal_release,
)
from tests.support.reads import ORDERED, fetch, fetch_value

DAY, WEEK = dt.timedelta(days=1), dt.timedelta(days=7)
PAID = "SELECT count(*) FROM payment WHERE state = 'paid'"


async def once_in_one_tab(browser: Browser, path: str, fields: dict[str, str], leads_to: str) -> str:
    """Press one form's button twice, see both lead to the same place, and return the form's id."""
    form = str(uuid.uuid4())
    answers = await pressed(browser, path, fields, [form, form])
    assert [one.status_code for one in answers] == [303, 303], [page_text(one)[:900] for one in answers]
    assert {one.headers["location"] for one in answers} == {
        leads_to.format(form=form, basket=uuid.uuid5(uuid.UUID(form), "order"))
    }
    return form


async def once_in_two_tabs(browser: Browser, path: str, fields: dict[str, str], why: str, status: int = 409) -> str:
    """Press the buttons of two tabs, see one refused in words, and return where the other leads to."""
    answers = await pressed(browser, path, fields, [str(uuid.uuid4()) for _ in range(2)])
    assert [one.status_code for one in answers] == [303, status], [page_text(one)[:900] for one in answers]
    assert why in page_text(answers[1])
    return answers[0].headers["location"]


async def three_weeks() -> list[uuid.UUID]:
    """Open a shop of three weeks of one dataset."""
    end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - 3 * DAY
    first = await open_shop(period=(end - WEEK, end))
    await execute("UPDATE dataset SET budget_micro = 90000000")
    return [first] + [await seal_release(period=(end - (n + 1) * WEEK, end - n * WEEK)) for n in (1, 2)]


@pytest.mark.usefixtures("stripe")
async def test_a_basket_is_charged_once_in_one_tab_and_in_two() -> None:
    """What is being charged is not the partner's yet: before, a second tab charged all of it again."""
    releases = await three_weeks()
    partner = await make_buyer()
    await change_billing(partner, street="1 rue Longue", postcode="69001", city="Lyon", reference="")
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        await save_card_on_page(browser, "/basket")
        await once_in_one_tab(browser, "/en/basket/orders", await basket_of(releases[:1]), "/en/orders/{basket}")
        being_paid = "is being paid: say why you need it a second time"
        later = await browser.submit("/en/basket/orders", await basket_of(releases[:1]))
        assert (later.status_code, being_paid in page_text(later)) == (409, True)
        await once_in_two_tabs(browser, "/en/basket/orders", await basket_of(releases[1:]), being_paid)
        await jobs()
        rows = await fetch(f"SELECT release, state FROM {ORDERED}")
        assert sorted((row["release"], row["state"]) for row in rows) == sorted((one, "paid") for one in releases)
        assert await fetch_value(PAID) == 2
        has = await browser.submit("/en/basket/orders", await basket_of(releases[:1]))
        assert (has.status_code, "You have this release until" in page_text(has)) == (409, True)


@pytest.mark.usefixtures("stripe")
async def test_a_basket_on_credit_is_owed_once() -> None:
    releases = await three_weeks()
    partner, ada, bob = await make_buyer(), await make_staff("Ada"), await make_staff("Bob")
    await with_limit(partner, 100_000_000, ada, bob)
    await change_billing(partner, street="1 rue Longue", postcode="69001", city="Lyon", reference="")
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        on_credit = await basket_of(releases) | {"pay_by": "invoice"}
        answers = await pressed(browser, "/en/basket/orders", on_credit, [str(uuid.uuid4()) for _ in range(2)])
        assert [one.status_code for one in answers] == [303, 409], [page_text(one)[:900] for one in answers]
        words = page_text(answers[1])
        assert "is being paid" in words or "You have this release until" in words
    assert await fetch_value("SELECT count(*) FROM credit_sale") == 1
    assert await fetch_value("SELECT count(*) FROM licence") == 3


@pytest.mark.usefixtures("stripe")
async def test_a_private_offer_is_accepted_once() -> None:
    await open_shop()
    partner, samir = await make_buyer(), await make_staff("Samir", "steward")
    await with_limit(partner, 100_000_000, await make_staff("Ada"), await make_staff("Bob"))
    await change_billing(partner, street="1 rue Longue", postcode="69001", city="Lyon", reference="")
    given = uuid.uuid4()
    await offer(samir, partner, "lyon", percent_off=15, ends_at=clock.now() + 20 * DAY, offer_id=given)
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        asked = {"offer": str(given)}
        first = await once_in_one_tab(browser, "/en/private-offers/quotes", asked, "/en/quotes/{form}")
        second = str(uuid.uuid4())
        await browser.submit("/en/private-offers/quotes", asked, form_id=second)
        assert await fetch_value("SELECT count(*) FROM quote") == 2
        on_invoice = {"pay_by": "invoice"}
        tabs = await pressed(browser, f"/en/quotes/{first}/orders", on_invoice, [str(uuid.uuid4()) for _ in range(2)])
        assert [one.status_code for one in tabs] == [303, 303], "one quote is one order"
        assert tabs[0].headers["location"] == tabs[1].headers["location"]
        late = await browser.submit(f"/en/quotes/{second}/orders", on_invoice)
        assert (late.status_code, "You have this release until" in page_text(late)) == (409, True)
        await jobs()
        assert await fetch_value("SELECT count(*) FROM purchase_order") == 1
        assert await fetch_value("SELECT count(*) FROM credit_sale") == 1


@pytest.mark.usefixtures("stripe")
async def test_two_quotes_of_one_release_are_not_both_owed() -> None:
    """Two tabs at once, each with a quote of its own; before, both were sold on invoice."""
    release, partner = await open_shop(), await make_buyer()
    await with_limit(partner, 100_000_000, await make_staff("Ada"), await make_staff("Bob"))
    await change_billing(partner, street="1 rue Longue", postcode="69001", city="Lyon", reference="")
    quotes = [await make_quote(partner, release) for _ in range(2)]
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        await browser.get("/en/sign-out")
        token = browser.client.cookies.get("csrftoken") or ""
        written = {"_csrf_token": token, "pay_by": "invoice"}
        answers = await asyncio.gather(
            *(
                browser.client.post(f"/en/quotes/{quote}/orders", data=written | {"form_id": str(uuid.uuid4())})
                for quote in quotes
            )
        )
        assert sorted(one.status_code for one in answers) == [303, 409], [page_text(one)[:900] for one in answers]
        words = next(page_text(one) for one in answers if one.status_code == 409)
        assert "is being paid" in words or "You have this release until" in words
        assert await fetch_value("SELECT count(*) FROM credit_sale") == 1
        for quote in [await make_quote(partner, release) for _ in range(2)]:
            again = await browser.submit(f"/en/quotes/{quote}/orders", {"reason": "For our other shop."})
            assert again.status_code == 303, "a page that is paid by hand may be left and opened anew"


@pytest.mark.usefixtures("stripe")
async def test_a_claim_is_filed_once() -> None:
    release, partner = await open_shop(), await make_buyer()
    written = {"reason": "wrong_figures", "evidence": "Zone 871f90209ffffff is empty on Sunday."}
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        first, second = [(await make_sale(browser, partner, release))["id"] for _ in range(2)]
        path = f"/en/orders/{first}/claim"
        await once_in_one_tab(browser, path, written, path)
        path = f"/en/orders/{second}/claim"
        await once_in_two_tabs(browser, path, written, "is being looked at already")
        withdrawn = await pressed(browser, f"{path}/withdraw", {}, [str(uuid.uuid4()) for _ in range(2)])
        assert [one.status_code for one in withdrawn] == [303, 303]
    assert await fetch_value("SELECT count(*) FROM claim") == 2
    assert await fetch_value("SELECT count(*) FROM message WHERE kind = 'claim_filed'") == 2
    waiting = await fetch("SELECT purchase_order, claimed_at IS NOT NULL AS waits FROM licence")
    assert {row["purchase_order"]: row["waits"] for row in waiting} == {first: True, second: False}


async def test_a_trial_is_begun_once() -> None:
    await open_shop()
    end = clock.now() - 61 * DAY
    await seal_release(period=(end - WEEK, end))
    for name, vat in (("atelier", "FR40303265045"), ("rival", "FR83404833048")):
        await execute("UPDATE partner SET vat_number = $2 WHERE id = $1", await make_buyer(name), vat)
    async with Browser() as browser, Browser() as rival:
        await browser.sign_in("atelier@partner.example")
        await rival.sign_in("rival@partner.example")
        await once_in_one_tab(browser, "/en/datasets/lyon/trial", {}, "/en/trial")
        why = "Your company has had its trial."
        assert await once_in_two_tabs(rival, "/en/datasets/lyon/trial", {}, why) == "/en/trial"
    assert await fetch_value("SELECT count(*) FROM trial") == 2


@pytest.mark.usefixtures("stripe")
async def test_a_subscription_begins_pauses_goes_on_and_ends_once() -> None:
    await open_shop()
    await make_buyer()
    await execute("UPDATE dataset SET cadence = 'week'")
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        await save_card_on_page(browser, "/basket")
        four = {"dataset": "lyon", "releases": "4"}
        first = await once_in_one_tab(browser, "/en/subscribe/lyon", four, "/en/subscriptions/{form}")
        assert (await browser.submit(f"/en/subscriptions/{first}/end", {})).status_code == 303
        path = await once_in_two_tabs(browser, "/en/subscribe/lyon", four, "subscribed to this dataset already")
        assert await fetch_value("SELECT count(*) FROM subscription") == 2

        async def press(verb: str, *others: str) -> str:
            await browser.get("/en/sign-out")
            token = browser.client.cookies.get("csrftoken") or ""
            buttons = [verb, *(others or (verb,))]
            answers = await asyncio.gather(
                *(
                    browser.client.post(f"{path}/{one}", data={"_csrf_token": token, "form_id": str(uuid.uuid4())})
                    for one in buttons
                )
            )
            assert {one.status_code for one in answers} <= {303, 409}, [page_text(one)[:900] for one in answers]
            for one in answers:
                assert one.status_code == 303 or "has ended" in page_text(one)
            return str(await fetch_value("SELECT state FROM subscription WHERE id <> $1", uuid.UUID(first)))

        assert await press("pause") == "paused"
        assert await press("resume") == "active"
        end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - DAY
        await seal_release(rows=201, period=(end - WEEK, end))
        assert sorted(await asyncio.gather(deliver(), deliver())) == [0, 1], "two workers order one release once"
        await jobs()
        assert await fetch_value("SELECT count(*) FROM purchase_order") == 1
        assert await press("end", "pause", "resume") == "ended", "no button wakes what another one ended"
        assert await press("end") == "ended"
        late = await browser.submit(f"{path}/resume", {})
        assert (late.status_code, "has ended" in page_text(late)) == (409, True)


async def test_data_is_asked_for_once() -> None:
    await open_shop()
    await make_buyer()
    await add_staff("samir@partage.example", "Samir", "steward", PASSWORD)
    wanted = {
        "place": "Croix-Rousse, Confluence",
        "product": "presence",
        "grain": "hour",
        "starts_on": "2026-01-01",
        "ends_on": "2026-03-31",
        "most": "1 250,00",
        "text": "A shop of ours.",
    }
    async with Browser() as browser, Browser() as samir:
        await browser.sign_in("atelier@partner.example")
        await samir.sign_in("samir@partage.example")
        forms = [str(uuid.uuid4())] * 2 + [str(uuid.uuid4())]
        answers = await pressed(browser, "/en/requests/new", wanted, forms)
        assert [one.status_code for one in answers] == [303] * 3
        (path,) = {one.headers["location"] for one in answers}
        assert "Croix-Rousse, Confluence" in page_text(await browser.get(path))
        assert await fetch_value("SELECT count(*) FROM data_request") == 1
        assert await fetch_value("SELECT count(*) FROM data_request_partner") == 1
        assert await fetch_value("SELECT count(*) FROM message WHERE kind = 'data_requested'") == 1
        asked = path.rpartition("/")[2]
        refused = {"answer": "refused", "reason_fr": "Trop petit.", "reason_en": "Too small."}
        why = "answered already"
        await once_in_two_tabs(samir, f"/en/steward/requests/{asked}", refused, why, status=410)
        assert await fetch_value("SELECT count(*) FROM message WHERE kind = 'request_answered'") == 1
