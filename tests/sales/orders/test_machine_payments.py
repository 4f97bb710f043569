"""A program finishes a purchase alone: it accepts terms by version, pays by what is saved or by transfer, reads the invoices."""

import asyncio
import datetime as dt
import uuid
from typing import Any

import httpx

from marketplace.catalogue.offers import actions as catalogue
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.sales.subscriptions.actions import deliver
from tests.catalogue.builders import have_everything_cost
from tests.money.builders import save, with_limit
from tests.people.builders import machine_of, make_staff
from tests.sales.builders.shop import counts, jobs, make_buyer, make_quote, open_shop, seal_release, send_transfer
from tests.support.reads import fetch_value
from tests.support.sites import the_site

DAY = dt.timedelta(days=1)


async def order_by_program(machine: httpx.AsyncClient, quote: uuid.UUID, **asked: str) -> httpx.Response:
    return await machine.post(
        "/api/v1/orders", json={"quote": str(quote), **asked}, headers={"idempotency-key": str(quote)}
    )


async def test_a_program_accepts_terms_pays_without_a_page_and_reads_its_invoices(stripe: Any) -> None:
    release, app = await open_shop(), the_site()
    partner, rival = await make_buyer(), await make_buyer("rival")
    await have_everything_cost(10_001)
    quote = await make_quote(partner, release)
    await catalogue.define_terms("standard-2", months=6, lines_fr="Un", lines_en="One")
    async with await machine_of(partner, app) as machine, await machine_of(rival, app) as other:
        its = (await machine.get(f"/api/v1/quotes/{quote}")).json()["terms"]
        terms = (await machine.get(f"/api/v1/licence-terms/{its}")).json()
        assert (terms["code"], terms["lines_en"], terms["months"]) == ("standard-1", "One\nTwo", 12)
        assert (await machine.get("/api/v1/licence-terms/standard-9")).status_code == 404
        stale = await order_by_program(machine, quote, terms="standard-2")
        assert (stale.status_code, stale.headers["content-type"]) == (409, "application/problem+json")
        assert "under the terms standard-1, and you accepted standard-2" in stale.json()["detail"]
        assert (await order_by_program(machine, quote)).status_code == 400
        assert (await machine.get("/api/v1/payment-methods")).json() == {"payment_methods": []}
        assert (
            "no valid saved method" in (await order_by_program(machine, quote, terms=its, pay_by="saved_method")).text
        )
        small = await order_by_program(machine, quote, terms=its, pay_by="bank_transfer")
        assert (small.status_code, "1000 EUR" in small.json()["detail"]) == (422, True)
        assert await counts("purchase_order") == (0,)
        await save(stripe, partner, token="tok_visa")
        (method,) = (await machine.get("/api/v1/payment-methods")).json()["payment_methods"]
        assert method["kind"] == "card"
        made = await order_by_program(machine, quote, terms=its, pay_by="saved_method")
        assert (made.status_code, made.json()["payment_url"], made.json()["terms"]) == (201, None, its)
        await jobs()
        mine = f"/api/v1/orders/{made.json()['id']}"
        assert (await machine.get(mine)).json()["state"] == "paid"
        (invoice,) = (await machine.get("/api/v1/invoices")).json()["invoices"]
        assert invoice["total_minor"] == made.json()["total_minor"]
        pdf = await machine.get(f"/api/v1/invoices/{invoice['id']}")
        assert (pdf.headers["content-type"], pdf.content[:5]) == ("application/pdf", b"%PDF-")
        of_none = f"/api/v1/invoices?order={uuid.uuid4()}&after={invoice['id']}"
        assert (await machine.get(of_none)).json() == {"invoices": [], "has_more": False, "after": invoice["id"]}
        assert (await other.get(f"/api/v1/invoices/{invoice['id']}")).status_code == 404
        assert (await other.get("/api/v1/invoices")).json()["invoices"] == []
        await claim_by_program(machine, other, mine)
    assert stripe


async def claim_by_program(machine: httpx.AsyncClient, other: httpx.AsyncClient, mine: str) -> None:
    """File a claim, twice the same, read it, withdraw it; another's program can do none of it."""
    wrong, once = {"reason": "incomplete", "evidence": "Zone 69001 is missing."}, {"idempotency-key": "c"}
    for _ in range(2):
        filed = await machine.post(f"{mine}/claims", json=wrong, headers=once)
        assert (filed.status_code, len(filed.json()["claims"])) == (201, 1)
    assert (await machine.post(f"{mine}/claims", json=wrong)).status_code == 422
    assert (await machine.post(f"{mine}/claims", json=wrong, headers={"idempotency-key": "d"})).status_code == 409
    assert (await other.post(f"{mine}/claims", json=wrong, headers=once)).status_code == 404
    assert (await other.get(f"{mine}/claims")).status_code == 404
    (withdrawn,) = (await machine.post(f"{mine}/claims/withdraw")).json()["claims"]
    assert withdrawn["outcome"] == "withdrawn"
    assert (await machine.get(f"{mine}/claims")).json()["claims"] == [withdrawn]


async def test_a_program_pays_by_transfer_to_an_iban_of_its_own(stripe: Any) -> None:
    release, app = await open_shop(), the_site()
    await have_everything_cost(150_000)
    partner = await make_buyer()
    quotes = [await make_quote(partner, release) for _ in range(2)]
    asked = {"terms": "standard-1", "pay_by": "bank_transfer", "reason": "for our other shop"}
    async with await machine_of(partner, app) as machine:
        paid = (await order_by_program(machine, quotes[0], **asked)).json()
        assert (paid["state"], paid["payment_url"]) == ("awaiting_payment", None)
        to = paid["bank_transfer"]
        assert to["iban"]
        assert to["remaining_minor"] == paid["total_minor"]
        customer = await fetch_value("SELECT customer_id FROM payer")
        await asyncio.to_thread(send_transfer, stripe, customer, paid["total_minor"], to["reference"])
        await jobs()
        late = (await order_by_program(machine, quotes[1], **asked)).json()
        assert late["bank_transfer"]["reference"] != to["reference"]
        bought = (await machine.get(f"/api/v1/orders/{paid['id']}")).json()
        assert (bought["state"], bought["bank_transfer"]) == ("paid", None)
        assert (await machine.get(f"/api/v1/orders/{late['id']}")).json()["bank_transfer"] == late["bank_transfer"]
        with clock.shifted(14 * DAY):
            for _ in range(3):
                await jobs()
        assert (await machine.get(f"/api/v1/orders/{late['id']}")).json()["state"] == "lapsed"
        assert await fetch_value("SELECT count(*) FROM stripe_command WHERE verb = 'checkout'") == 0
        for narrowed, ids in (
            ("state=paid", [paid["id"]]),
            ("dataset=lyon&state=lapsed", [late["id"]]),
            ("dataset=atlantis", []),
            ("since=2100-01-01T00:00:00Z", []),
            (f"after={late['id']}", [paid["id"]]),
            (f"after={paid['id']}", []),
        ):
            answer = (await machine.get(f"/api/v1/orders?{narrowed}")).json()
            assert [one["id"] for one in answer["orders"]] == ids, narrowed
        assert (await machine.get("/api/v1/orders?since=2026-01-01T00:00:00")).status_code == 422
        assert (await machine.get("/api/v1/orders?since=0.5")).status_code == 422
        assert (await machine.get("/api/v1/orders?state=dreamt")).status_code == 400
    states = {intent["status"] for intent in await asyncio.to_thread(stripe.list, "payment_intents")}
    assert states == {"succeeded", "canceled"}, "nobody can pay what has lapsed"


async def test_a_program_subscribes_and_tries(stripe: Any) -> None:
    await open_shop()
    app, end = the_site(), clock.now() - 61 * DAY
    await execute("UPDATE dataset SET cadence = 'week'")
    partner, rival = await make_buyer(), await make_buyer("rival")
    async with await machine_of(partner, app) as machine, await machine_of(rival, app) as other:
        asked, once = {"dataset": "lyon", "releases": 4}, {"idempotency-key": "s"}
        assert (await machine.post("/api/v1/subscriptions", json=asked, headers=once)).status_code == 409
        await save(stripe, partner, token="tok_visa")
        on_invoice = await machine.post("/api/v1/subscriptions", json=asked | {"pay_by": "invoice"}, headers=once)
        assert (on_invoice.status_code, "does not pay on invoice" in on_invoice.text) == (409, True)
        for _ in range(2):
            made = await machine.post("/api/v1/subscriptions", json=asked, headers=once)
            assert made.status_code == 201, made.text
        mine = f"/api/v1/subscriptions/{made.json()['subscription']['id']}"
        listed = (await machine.get("/api/v1/subscriptions")).json()["subscriptions"]
        assert listed == [made.json()["subscription"]]
        new = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - DAY
        late = await seal_release(rows=200, period=(new - 7 * DAY, new))
        await deliver()
        await jobs()
        shown = (await machine.get(mine)).json()
        assert [(one["release"], one["refused"]) for one in shown["releases"]] == [(str(late), "")]
        assert (await machine.put(f"{mine}/payment", json={"pay_by": "invoice"})).status_code == 409
        await with_limit(partner, 100_000_000, await make_staff("Ada"), await make_staff("Bob"))
        for way in ("invoice", "saved_method"):
            changed = await machine.put(f"{mine}/payment", json={"pay_by": way})
            assert changed.json()["subscription"]["pay_by"] == way
        assert (await other.put(f"{mine}/payment", json={"pay_by": "invoice"})).status_code == 404
        for state in ("paused", "active", "ended"):
            changed = await machine.put(f"{mine}/state", json={"state": state})
            assert changed.json()["subscription"]["state"] == state
        assert (await machine.put(f"{mine}/state", json={"state": "paused"})).status_code == 409
        assert (await other.get(mine)).status_code == 404
        assert (await other.put(f"{mine}/state", json={"state": "ended"})).status_code == 404
        assert (await other.get("/api/v1/trial")).status_code == 404
        await seal_release(period=(end - 7 * DAY, end))
        for _ in range(2):
            begun = await other.post("/api/v1/datasets/lyon/trial", headers=once)
            assert begun.status_code == 201, begun.text
        assert (await other.post("/api/v1/datasets/lyon/trial", headers={"idempotency-key": "t"})).status_code == 409
        assert (await other.get("/api/v1/trial")).json() == begun.json()
        file = await other.get("/api/v1/trial/download?format=csv")
        assert file.headers["content-type"].startswith("text/csv")
        assert (await machine.get("/api/v1/trial/download")).status_code == 404
    assert stripe


async def test_no_transfer_is_awaited_into_a_window_that_is_anothers(stripe: Any) -> None:
    release, app = await open_shop(), the_site()
    await have_everything_cost(150_000)
    partner = await make_buyer()
    asked = {"terms": "standard-1", "pay_by": "bank_transfer", "reason": "for our other shop"}
    offer, now = await fetch_value("SELECT id FROM offer"), clock.now()
    async with await machine_of(partner, app) as machine:
        assert (await order_by_program(machine, await make_quote(partner, release), **asked)).status_code == 201
        await catalogue.reserve_window(uuid.uuid4(), offer, now + 13 * DAY, now + 20 * DAY)
        refused = await order_by_program(machine, await make_quote(partner, release), **asked)
        assert refused.status_code == 409
        assert "exclusively before a transfer might come" in refused.text
        by_page = (
            await order_by_program(machine, await make_quote(partner, release), **asked | {"pay_by": "page"})
        ).json()
        assert by_page["payment_url"]
    pages = await asyncio.to_thread(stripe.list, "checkout/sessions")
    assert [page["payment_method_types"] for page in pages if "customer_balance" in page["payment_method_types"]] == []
