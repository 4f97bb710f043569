"""Orders by API: keys that repeat nothing, whose orders one sees, refusals for machines."""

import asyncio
import uuid
from typing import Any

from tests.people.builders import machine_of
from tests.sales.builders.shop import counts, jobs, make_buyer, make_quote, open_shop, pay
from tests.support.reads import fetch_value
from tests.support.sites import the_site

ORDERS = "/api/v1/orders"
TERMS = {"terms": "standard-1"}


async def test_a_machine_buys(stripe: Any) -> None:
    release, app = await open_shop(), the_site()
    partner = await make_buyer()
    quote = str(await make_quote(partner, release))
    async with await machine_of(partner, app) as machine:
        once = {"Idempotency-Key": "order of tuesday"}
        answers = await asyncio.gather(
            *(machine.post(ORDERS, json={"quote": quote} | TERMS, headers=once) for _ in range(3))
        )
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.json()["id"] for answer in answers}) == 1
        made = (await machine.post(ORDERS, json={"quote": quote} | TERMS, headers=once)).json()
        assert made["state"] == "awaiting_payment"
        assert made["total_minor"] == made["net_minor"] + made["vat_minor"]
        assert (await machine.get(f"{ORDERS}/{made['id']}")).json()["payment_url"] == made["payment_url"]
        await pay(made["payment_url"])
        await jobs()
        listed = (await machine.get(ORDERS)).json()
        assert (listed["page"], listed["has_more"], listed["after"]) == (1, False, made["id"])
        (bought,) = listed["orders"]
        assert bought == (await machine.get(f"{ORDERS}/{made['id']}")).json()
        assert (bought["state"], bought["dataset"], bought["payment_url"]) == ("paid", "lyon", None)
        assert bought["entitlement"] == str(await fetch_value("SELECT id FROM entitlement"))
        again = (await machine.post(ORDERS, json={"quote": quote} | TERMS, headers=once)).json()
        assert (again["state"], again["payment_url"]) == ("paid", None)
        assert [customer["email"] for customer in stripe.list("customers")] == ["atelier@partner.example"]
    assert await counts("purchase_order") == (1,)


async def test_machines_are_refused_in_sentences(stripe: Any) -> None:
    release, app = await open_shop(), the_site()
    partner = await make_buyer()
    rival = await make_buyer("rival")
    newcomer = await make_buyer("newcomer", vetted=False)
    quotes = [str(await make_quote(partner, release)) for _ in range(2)]
    once = {"Idempotency-Key": "one"}
    async with await machine_of(partner, app) as machine:
        made = (await machine.post(ORDERS, json={"quote": quotes[0]} | TERMS, headers=once)).json()
        for headers, body, status, words in (
            (once, {"quote": quotes[1]} | TERMS, 409, "already exists, for another quote"),
            ({}, {"quote": quotes[1]} | TERMS, 422, "Idempotency-Key"),
            (once, {"quote": str(uuid.uuid4())} | TERMS, 404, "no such quote"),
            (once, {"quote": "seven"} | TERMS, 400, "quote"),
            (once, {"quote": quotes[1], "price": 1} | TERMS, 400, "price"),
            (once, [], 400, ""),
        ):
            answer = await machine.post(ORDERS, json=body, headers=headers)
            assert answer.status_code == status, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            assert words in answer.json()["detail"]
        assert (await machine.post(ORDERS, content=b"{", headers=once)).status_code == 400
    async with await machine_of(rival, app) as machine:
        assert (await machine.get(f"{ORDERS}/{made['id']}")).status_code == 404
        assert (await machine.get(ORDERS)).json()["orders"] == []
        theirs = await machine.post(ORDERS, json={"quote": quotes[0]} | TERMS, headers=once)
        assert theirs.status_code == 404
    async with await machine_of(newcomer, app) as machine:
        assert (await machine.post(ORDERS, json={"quote": quotes[1]} | TERMS, headers=once)).status_code == 403
        machine.headers["authorization"] = "Bearer nonsense"
        assert (await machine.get(ORDERS)).status_code == 401
    assert await counts("purchase_order") == (1,)
    assert stripe
