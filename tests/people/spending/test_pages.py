"""Pages and API of spending limits: an administrator writes them, a key reads its own, an order says who placed it."""

import datetime as dt
import uuid

import html5lib
import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.people.identity.key_actions import create_key
from marketplace.people.spending.rules import Spender
from marketplace.sales.orders.actions import order
from tests.people.builders import Browser, page_text
from tests.sales.builders.shop import FLOOR, make_buyer, make_quote, open_shop
from tests.support.reads import fetch_one, fetch_value


@pytest.mark.usefixtures("stripe")
async def test_an_administrator_limits_a_key_and_sees_what_it_spent() -> None:
    release, partner, key_id = await open_shop(), await make_buyer(), uuid.uuid4()
    key = await create_key(partner, "erp", key_id=key_id, session="s")
    page, bearer = f"/en/company/spending/{key_id}", {"Authorization": f"Bearer {key}"}
    until = clock.now().date() + dt.timedelta(days=90)
    limit = {"order": "", "month": "200", "datasets": "lyon", "until": until.isoformat()}
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        without = await browser.client.get("/api/v1/spending-limit", headers=bearer)
        assert (without.status_code, "no spending limit" in without.text) == (404, True)
        assert 'name="month"' in (await browser.get(page)).text, "the form is there before there is a limit"
        for odd, why in (
            ({"order": "x"}, "Write an amount"),
            ({"order": "201"}, "at least that"),
            ({"until": "soon"}, "Write a day"),
        ):
            refused = await browser.submit(page, limit | {"order": "150"} | odd)
            assert (refused.status_code, why in page_text(refused), 'value="lyon"' in refused.text) == (422, True, True)
        assert (await browser.submit(page, limit | {"order": "150"})).status_code == 303
        row = await fetch_one("SELECT order_minor, month_minor, datasets FROM spending_limit")
        assert row == (15_000, 20_000, ["lyon"])
        answer = (await browser.client.get("/api/v1/spending-limit", headers=bearer)).json()
        assert (answer["order_minor"], answer["left_minor"]) == (15_000, 20_000)
        by, made = Spender(partner, key=key_id), uuid.uuid4()
        quote = await make_quote(partner, release)
        await execute("UPDATE spending_limit SET order_minor = 10000000, month_minor = 10000000")
        await order(partner, quote, by=by, order_id=made, email="a@b.example", reference="PO 4711")
        spent = await fetch_value("SELECT net_minor FROM purchase_order")
        assert spent >= FLOOR
        bought = page_text(await browser.get(f"/en/orders/{made}"))
        assert "Ordered by erp" in bought
        assert "Your order number: PO 4711." in bought
        shown = (await browser.client.get(f"/api/v1/orders/{made}", headers=bearer)).json()
        assert (shown["reference"], shown["ordered_by"][:3]) == ("PO 4711", "erp")
        for language in ("en", "fr"):
            listed = await browser.get(f"/{language}/company/spending")
            html5lib.HTMLParser(strict=True).parse(listed.text)
            html5lib.HTMLParser(strict=True).parse((await browser.get(f"/{language}/company/spending/{key_id}")).text)
        file = (await browser.get("/en/company/spending.csv")).text
        assert f",1,{spent // 100}.{spent % 100:02d},0" in file.replace(";", ",")
        assert (await browser.submit(f"{page}/revoke", {})).status_code == 303
        assert "Limit revoked" in page_text(await browser.get("/en/company/spending"))
        assert (await browser.client.get("/api/v1/spending-limit", headers=bearer)).status_code == 404


async def test_a_limit_is_written_with_a_fresh_proof_by_an_administrator_alone() -> None:
    partner, key_id = await make_buyer(), uuid.uuid4()
    await create_key(partner, "erp", key_id=key_id, session="s")
    page, limit = f"/en/company/spending/{key_id}", {"order": "1", "month": "1", "until": "2027-01-01"}
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        await execute("UPDATE session SET proved_at = now() - interval '1 hour'")
        await browser.submit(page, limit)
        await execute("UPDATE session SET proved_at = now()")
        await execute("UPDATE person SET company_role = 'buyer' WHERE partner = $1", partner)
        assert (await browser.submit(page, limit)).status_code == 403
        for role, status in (("buyer", 403), ("approver", 403), ("reader", 403), ("accountant", 200)):
            await execute("UPDATE person SET company_role = $2 WHERE partner = $1", partner, role)
            assert (await browser.get("/en/company/spending")).status_code == status
            assert (await browser.get("/en/company/spending.csv")).status_code == status
            assert (await browser.submit(page, limit)).status_code == 403
        shown = (await browser.get("/en/company/spending")).text
        assert page not in shown, "an accountant reads, and changes nothing"
        assert await fetch_value("SELECT count(*) FROM spending_limit") == 0
        await execute("UPDATE person SET company_role = 'administrator' WHERE partner = $1", partner)
