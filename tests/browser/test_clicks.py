"""The whole story clicked in Chromium, by everyone it is about; every page they come to is looked at with care."""

import io
import re
import uuid
from pathlib import Path

import httpx
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from marketplace.core import clock
from marketplace.core.web.formats import paris_day
from marketplace.datasets.releases.queries import get_release, manifest
from marketplace.people.identity import actions as identity
from tests.browser.builders import DATASET, list_small_city
from tests.support.browsing import DESK, PHONE, Guest, open_visit
from tests.support.decisions import approve_waiting
from tests.support.market import PASSWORD, Market, let_people_in, running


async def buy_by_clicks(partner: Guest, *, declined_first: bool) -> None:
    """From the catalogue to the order's page with its downloads, by way of Stripe's page."""
    page = partner.page
    await partner.go("/catalogue")
    await partner.press("Search", Search="district")
    await partner.click("Presence by district and day — Lyon")
    again = page.get_by_text("Buy it a second time")
    is_again = bool(await again.count())
    if is_again:
        await again.click()
    await partner.press("Buy")
    await partner.read("Check it yourself")
    address = {"Street and number": "1 rue Longue", "City": "Lyon"}
    await partner.press("Order and pay", **{"Why you need it": "Another shop"} if is_again else address)
    assert "/c/pay/" in page.url
    if declined_first:
        await page.locator("input[value=declined_card]").check()
        await partner.press("Pay")
        await page.get_by_role("alert").wait_for()
        await page.locator("input[value=visa]").check()
    await page.get_by_role("button", name="Pay").click()
    await page.get_by_role("link", name="Download as CSV").wait_for()
    await partner.look()


async def has_the_file(partner: Guest, release: uuid.UUID) -> None:
    table = pq.read_table(io.BytesIO(await partner.download("Download as Parquet")))
    text = pyarrow.csv.read_csv(io.BytesIO(await partner.download("Download as CSV")))
    assert table.num_rows == text.num_rows == (await get_release(release)).row_count > 0
    assert table["people"].to_pylist() == text["people"].to_pylist()


async def sees_the_total_on_a_phone(partner: Guest) -> None:
    """Read what an order costs where it is listed, without scrolling sideways."""
    await partner.page.set_viewport_size(PHONE)
    await partner.page.goto(f"{partner.base}/en/orders")
    total = await partner.page.get_by_text(re.compile(r"^€[\d,.]+$")).bounding_box()
    assert total
    assert total["x"] + total["width"] <= PHONE["width"]
    await partner.page.set_viewport_size(DESK)


async def uses_a_key(partner: Guest, market: Market) -> None:
    """Make an API key on its page, use it as a program would, and revoke it."""
    await partner.click("API keys")
    await partner.press("Make a key", again_by_address=False, Label="nightly import")
    key = await partner.page.locator("code.secret").inner_text()
    async with httpx.AsyncClient(base_url=market.base, headers={"authorization": f"Bearer {key}"}) as program:
        assert (await program.get("/api/v1/me")).json()["company"] == "Atelier Urbain"
        [entitlement] = (await program.get("/api/v1/entitlements")).json()["entitlements"]
        answer = await program.get(
            f"/api/v1/entitlements/{entitlement['id']}/download?format=csv", follow_redirects=True
        )
        assert answer.status_code == 200
        await partner.press("Revoke nightly import")
        assert (await program.get("/api/v1/me")).status_code == 401


async def joins_as_a_partner(newcomer: Guest, steward: Guest) -> None:
    """Sign a company up; it cannot buy until a steward has vetted it."""
    await newcomer.go("/sign-up")
    await newcomer.press(
        "Sign up",
        Company="Mobilité & Cie",
        Country="CH",
        Your_name="Inès",
        Email="ines@people.example",
        Password=PASSWORD,
    )
    await newcomer.go(f"/datasets/{DATASET}")
    await newcomer.read("not vetted yet")
    await steward.sign_in("steward@people.example")
    await steward.click("Partners")
    await steward.click("Mobilité & Cie")
    await steward.press("Vet this company")
    await steward.read("Vetted")
    await newcomer.go(f"/datasets/{DATASET}")
    await newcomer.page.get_by_role("button", name="Buy").wait_for()
    await newcomer.go("/company")
    await newcomer.press("Invite", again_by_address=False, Name="Karim", Email="karim@people.example")
    invitation = await newcomer.page.locator("code.secret").inner_text()
    await newcomer.go("/sign-out")
    await newcomer.press("Sign out")
    await newcomer.page.goto(invitation)
    await newcomer.look()


async def sees_the_budget(steward: Guest) -> None:
    await steward.click("Datasets")
    await steward.click("Presence by district and day — Lyon")
    await steward.read("of 10 spent")


async def earns_and_decides(line: Guest, reference: int) -> None:
    """Activate a line, see what it earned and why, withdraw and consent again, and keep the receipt."""
    page = line.page
    [(_, code)] = await identity.issue_activation_codes([reference])
    await line.go("/activate")
    await line.press(
        "Activate",
        Reference=str(reference),
        Activation_code=code,
        Your_name="Lucie",
        Email="lucie@people.example",
        Password=PASSWORD,
    )
    await line.click("Earnings")
    await line.click("All months, each sale and the statements")
    own_share = await page.get_by_role("main").get_by_text(re.compile(r"^[\d.]+\scents?$")).nth(1).inner_text()
    await line.click("Presence by district and day — Lyon")
    assert await page.locator(".chain li").last.locator(".figure").inner_text() == own_share
    await line.click("Consent")
    switch = page.get_by_role("switch")
    assert await switch.get_attribute("aria-checked") == "true"
    await line.click("I consent", role="switch", exact=False)
    await line.read("You have withdrawn.")
    assert await switch.get_attribute("aria-checked") == "false"
    await line.click("I consent", role="switch", exact=False)
    assert await switch.get_attribute("aria-checked") == "true"
    await line.click_in_table()
    assert b"signature" in await line.download("Download, signed")
    await line.click("Profile")
    await line.go(f"/earnings/statements/{paris_day(clock.now()).year}")


async def follows_the_money(finance: Guest) -> None:
    """See everything matched, and drill from Stripe's movement and from accounts down to journal entries."""
    await finance.sign_in("finance@people.example")
    await finance.click("Overview")
    await finance.read("To the cent.")
    await finance.click("Exceptions")
    await finance.read("Everything is matched.")
    await finance.click("Stripe")
    await finance.press("Compare now")
    await finance.click("Stripe’s transactions")
    await finance.click_in_table()
    await finance.go("/finance")
    await finance.click("Trial balance")
    await finance.click("517000", exact=False)
    await finance.click_in_table()
    await finance.read("Postings")
    await finance.click("Journal")
    await finance.press("Show", Account="411000")
    await finance.click_in_table()
    await finance.read("Postings")


async def refunds_an_order(finance: Guest, partner: Guest, market: Market) -> None:
    """Refund the order: the partner sees it under way, then done, and everything is matched again."""
    await finance.go("/finance")
    await finance.click("Orders")
    await finance.click_in_table()
    await finance.press("Propose this refund", Reason="ordered twice")
    await finance.read("ordered twice")
    await approve_waiting()
    await partner.click("Orders")
    await partner.click_in_table()
    await partner.read("on its way back to you")
    await market.work()
    await partner.page.reload()
    await partner.look()
    await partner.read("The whole amount was given back.")
    await finance.go("/finance/exceptions")
    await finance.read("Everything is matched.")


@pytest.mark.deep
async def test_the_story_is_clicked(tmp_path: Path, chromium: str) -> None:
    async with running() as market:
        release = await list_small_city(tmp_path / "city")
        await let_people_in(market)
        in_it = await manifest(release)
        async with open_visit(chromium, market) as visit:
            partner = await visit.guest()
            await partner.go("/")
            await partner.go("/nowhere")
            await partner.sign_in("partner@people.example")
            await buy_by_clicks(partner, declined_first=True)
            await has_the_file(partner, release)
            await market.work()
            steward = await visit.guest()
            await uses_a_key(partner, market)
            await joins_as_a_partner(await visit.guest(), steward)
            await sees_the_budget(steward)
            await earns_and_decides(await visit.guest(), int(in_it.references[in_it.weights.argmax()]))
            finance = await visit.guest()
            await follows_the_money(finance)
            await refunds_an_order(finance, partner, market)


async def test_it_works_without_scripts(tmp_path: Path, chromium: str) -> None:
    async with running() as market:
        release = await list_small_city(tmp_path / "city")
        await let_people_in(market)
        async with open_visit(chromium, market) as visit:
            partner = await visit.guest(scripts=False)
            await partner.sign_in("partner@people.example")
            await buy_by_clicks(partner, declined_first=False)
            await has_the_file(partner, release)
            await sees_the_total_on_a_phone(partner)
