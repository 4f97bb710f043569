"""Subscribers in Chromium: a letter at sixty-two, two sectors and a place refused, a way out, a credit on the bill; each page looked at."""

import json
import os
import re

import pytest

from marketplace.consent.purposes import actions as consent
from marketplace.consent.purposes.queries import receipt_link
from marketplace.consent.switches.rules import read
from marketplace.core.database import execute
from marketplace.core.settings import settings
from marketplace.people.identity import actions as identity
from marketplace.subscribers.my_data.operator_app import page_of
from tests.datasets.builders import ZONES
from tests.people.builders import add_staff
from tests.subscribers.builders import payees, sales
from tests.support.browsing import Guest, Visit, open_visit
from tests.support.market import PASSWORD, Market, activate_line, running
from tests.support.reads import fetch_value

APP = {"name": "Réseau Un", "issuer": "https://id.operator.example", "client_id": "partage", "colour": "#ff7900"}
LETTER, REFUSES, LEAVES, BILL = 41, 2, 3, 4
COVERS = "SELECT covers FROM consent_record WHERE subscriber = $1 ORDER BY at DESC, id DESC LIMIT 1"
GIVEN = "SELECT given FROM consent_record WHERE subscriber = $1 ORDER BY at DESC, id DESC LIMIT 1"


async def let_line_holders_earn(market: Market) -> None:
    await sales.write_lines(range(1, 42), unclaimed=(LETTER, REFUSES, LEAVES, BILL))
    await execute("UPDATE dataset SET zones = $1", list(ZONES[:3]))
    for line in (REFUSES, LEAVES, BILL):
        await activate_line(market, line, f"line-{line}@people.example")
        await consent.give(line, sales.PURPOSE)
    await payees.earn({line: line for line in range(1, 42)}, 200_000)
    await add_staff("nora@people.example", "Nora", "finance", PASSWORD)


async def is_let_in_by_a_letter(odile: Guest) -> None:
    """Type the letter's code, and consent with the keyboard alone."""
    [(_, code)] = await identity.issue_activation_codes([LETTER])
    await odile.go("/activate")
    await odile.press(
        "Activate",
        Reference=str(LETTER),
        Activation_code=code,
        Your_name="Odile",
        Email="odile@people.example",
        Password=PASSWORD,
    )
    await odile.go("/consent")
    await odile.page.get_by_role("switch").first.focus()
    async with odile.page.expect_navigation():
        await odile.page.keyboard.press("Enter")
    assert await fetch_value(GIVEN, LETTER) is True
    await odile.go("/my-data")
    await odile.read("Location use is on")
    await odile.go("/earnings/shares")
    await odile.read("counts of you")


async def refuses_two_sectors_and_a_place(bruno: Guest) -> None:
    await bruno.sign_in(f"line-{REFUSES}@people.example")
    await bruno.go(f"/consent/choices/{sales.PURPOSE}")
    page = bruno.page
    for name in ("insurance", "advertising"):
        await page.get_by_role("checkbox", name=name, exact=True).uncheck()
    await bruno.press("Count this and nothing else", A_place_where_nothing_counts=ZONES[1])
    scope = read(await fetch_value(COVERS, REFUSES))
    assert {"insurance", "advertising"}.isdisjoint(scope.sectors)
    assert scope.places == {ZONES[1]: False}
    await bruno.go(f"/consent/choices/{sales.PURPOSE}")
    assert not await page.get_by_role("checkbox", name="insurance", exact=True).is_checked()


async def leaves_by_the_receipts_link(visit: Visit) -> None:
    """Withdraw without signing in: one page, one click."""
    receipt = await fetch_value("SELECT receipt FROM consent_record WHERE subscriber = $1", LEAVES)
    chloe = await visit.guest()
    await chloe.go(receipt_link(receipt))
    await chloe.press("Withdraw", again_by_address=False)
    await chloe.read("no release built from now on")
    assert await fetch_value(GIVEN, LEAVES) is False


async def is_paid_on_the_bill(david: Guest, nora: Guest) -> None:
    await david.sign_in(f"line-{BILL}@people.example")
    await david.go("/earnings/rewards")
    await david.page.get_by_role("radio", name=re.compile("On my phone bill")).check()
    await david.press("Choose")
    await nora.sign_in("nora@people.example")
    await nora.go("/finance/rewards")
    await nora.press("Credit these bills")
    lines = (await nora.download("Download what is open")).decode().splitlines()
    answer = "id,status,reason\n" + "".join(f"{line.split(',')[0]},credited,\n" for line in lines[1:])
    await nora.press("Record it", Billing=answer)
    await david.go("/earnings/rewards")
    await david.read("done")


@pytest.mark.deep
async def test_subscribers_click(chromium: str) -> None:
    os.environ["PARTAGE_OPERATOR_APP"] = json.dumps(APP)
    settings.cache_clear()
    with payees.paying():
        async with running() as market:
            await let_line_holders_earn(market)
            async with open_visit(chromium, market) as visit:
                await is_let_in_by_a_letter(await visit.guest())
                await refuses_two_sectors_and_a_place(await visit.guest())
                await leaves_by_the_receipts_link(visit)
                await is_paid_on_the_bill(await visit.guest(), await visit.guest())
                app = await visit.guest()
                await app.go(page_of(REFUSES)[0])
                async with app.page.expect_navigation():
                    await app.page.get_by_role("button", name="Pause everything").click()
                await app.read("Paused")
                assert await fetch_value(GIVEN, REFUSES) is False
