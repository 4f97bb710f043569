"""Ordering over HTTP: the invoice's address before the money, what one has already, and money back for a recall."""

import datetime as dt
import json
import re
import uuid
from io import BytesIO

import html5lib
import pytest
import rfc8785
from msgspec import structs
from pypdf import PdfReader

from marketplace.catalogue.offers import queries as catalogue
from marketplace.catalogue.offers.signed_quotes import recompute
from marketplace.core import clock
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.settings import settings
from marketplace.core.signing import sign
from marketplace.datasets.releases import publishing
from marketplace.people.identity import key_actions
from marketplace.sales.orders.refunds import return_money_of_recalled
from tests.people.builders import Browser, allow, page_text
from tests.sales.builders.shop import jobs, make_buyer, make_quote, open_shop, order_of, pay
from tests.support.pdf import check_tagged
from tests.support.reads import fetch_value

ADDRESS = {"street": "12 rue des Capucins", "postcode": "69001", "city": "Lyon", "reference": " PO 4711 "}


@pytest.mark.usefixtures("stripe")
async def test_an_order_asks_for_the_address_first_and_for_a_reason_the_second_time() -> None:
    release = await open_shop()
    partner = await make_buyer()
    rival = await make_buyer("rival")
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        quote = await make_quote(partner, release)
        for fields, wrong in (({}, "street"), ({"street": "12 rue"}, "city")):
            for language in ("en", "fr"):
                answer = await browser.submit(f"/{language}/quotes/{quote}/orders", {"reference": "PO 4711"} | fields)
                assert answer.status_code == 422
                html5lib.HTMLParser(strict=True).parse(answer.text)
                assert f'id="{wrong}-error"' in answer.text
                assert 'value="PO 4711"' in answer.text, "what was written is kept"
        for field, written, why in (
            ("reference", "PO 4711 " * 8, "60 signs at most"),
            ("reference", "PO \u202e1174", "signs that nobody sees"),
        ):
            answer = await browser.submit(f"/en/quotes/{quote}/orders", ADDRESS | {field: written})
            assert (answer.status_code, why in page_text(answer)) == (422, True), "nothing is cut silently"
            assert written in answer.text, "what was written is kept"
        assert await fetch_value("SELECT count(*) FROM purchase_order") == 0
        bought = await browser.submit(f"/en/quotes/{quote}/orders", ADDRESS)
        assert bought.status_code == 303
        asked = await fetch_value("SELECT string_agg(to_jsonb(stripe_command)::text, '') FROM stripe_command")
        assert "12-month licence of Lyon" in asked, "the page of Stripe names the dataset as people do"
        await pay(bought.headers["location"])
        await jobs()
        assert (await order_of(quote))["reference"] == "PO 4711"
        document = json.loads(await fetch_value("SELECT document FROM invoice"))
        assert document["buyer"]["reference"] == "PO 4711"
        assert document["buyer"]["street"] == "12 rue des Capucins"

        page = await browser.get("/en/datasets/lyon")
        html5lib.HTMLParser(strict=True).parse(page.text)
        assert "Yours until" in page_text(page)
        assert "/download?format=parquet" in page.text
        assert "Buy it a second time" in page_text(page)
        again = await make_quote(partner, release)
        shown = await browser.get(f"/fr/quotes/{again}")
        assert "À vous jusqu’au" in page_text(shown)
        assert "12 rue des Capucins" in page_text(shown)
        refused = await browser.submit(f"/fr/quotes/{again}/orders", {"reason": " "})
        assert refused.status_code == 409
        assert 'id="reason-error"' in refused.text
        endless = await browser.submit(f"/en/quotes/{again}/orders", {"reason": "because " * 70})
        assert (endless.status_code, "500 signs at most" in page_text(endless)) == (422, True), (
            "nothing is cut silently"
        )
        assert "because " * 70 in endless.text
        key_id = uuid.uuid4()
        key = await key_actions.create_key(partner, "robot", key_id=key_id, session="a session's secret")
        await allow(partner, key_id)
        headers = {"authorization": f"Bearer {key}", "idempotency-key": "second"}
        by_machine = await browser.client.post(
            "/api/v1/orders", json={"quote": str(again), "terms": "standard-1"}, headers=headers
        )
        assert by_machine.status_code == 409
        assert "second time" in by_machine.text
        asked = {"quote": str(again), "terms": "standard-1", "reason": "Our sister company", "reference": "PO 4712"}
        for _ in range(2):
            assert (await browser.client.post("/api/v1/orders", json=asked, headers=headers)).status_code == 201
        second = await order_of(again)
        assert (second["second_reason"], second["reference"]) == ("Our sister company", "PO 4712")
    async with Browser() as other:
        await other.sign_in("rival@partner.example")
        page = await other.get("/en/datasets/lyon")
        assert "Yours until" not in page.text
        its = await make_quote(rival, release)
        assert (await other.submit(f"/en/quotes/{its}/orders", ADDRESS)).status_code == 303


@pytest.mark.usefixtures("stripe")
async def test_a_recalled_release_is_refunded_whole_by_a_button() -> None:
    release = await open_shop()
    partner = await make_buyer()
    rival = await make_buyer("rival")
    async with Browser() as browser, Browser() as other:
        await browser.sign_in("atelier@partner.example")
        await other.sign_in("rival@partner.example")
        quote = await make_quote(partner, release)
        bought = await browser.submit(f"/en/quotes/{quote}/orders", ADDRESS)
        await pay(bought.headers["location"])
        await jobs()
        order = (await order_of(quote))["id"]
        assert (await browser.submit(f"/en/orders/{order}/return-recalled", {})).status_code == 409
        await publishing.revoke(release, reason_fr="Faux.", reason_en="Wrong.", by="Samir")
        assert "Give my money back" in page_text(await browser.get(f"/en/orders/{order}"))
        assert (await other.submit(f"/en/orders/{order}/return-recalled", {})).status_code == 404
        for _ in range(2):
            form = "00000000-0000-4000-8000-000000000001"
            answer = await browser.submit(f"/en/orders/{order}/return-recalled", {}, form_id=form)
            assert answer.status_code == 303
        await jobs()
        shown = page_text(await browser.get(f"/en/orders/{order}"))
        assert "whole amount" in shown
        assert "Yours until" not in (await browser.get("/en/datasets/lyon")).text
    row = await order_of(quote)
    assert (row["state"], row["returned_minor"]) == ("refunded", row["total_minor"])
    with pytest.raises(Conflict):
        await return_money_of_recalled(partner, order, by="Claire", refund_id=uuid.uuid4())
    assert rival


@pytest.mark.usefixtures("stripe")
async def test_a_price_is_held_for_thirty_days_as_a_pdf_that_a_colleague_reads_without_an_account() -> None:
    release = await open_shop()
    partner = await make_buyer()
    rival = await make_buyer("rival")
    async with Browser() as browser, Browser() as stranger:
        await browser.sign_in("atelier@partner.example")
        assert "Hold the price for 30 days" in page_text(await browser.get("/en/datasets/lyon"))
        form = str(uuid.uuid4())
        asked = {"release": str(release), "for_thirty_days": "yes"}
        made = await browser.submit("/en/datasets/lyon/quotes", asked, form_id=form)
        assert made.headers["location"] == f"/en/quotes/{form}"
        quote = await catalogue.get_quote(uuid.UUID(form), partner)
        priced = recompute(quote)
        holding = -(-priced.amount_minor * 2 // 100)
        assert quote.amount_minor == priced.amount_minor + holding
        assert quote.expires_at - quote.quoted_at == dt.timedelta(days=30)
        for cheaper in (quote.amount_minor - 1, priced.amount_minor):
            with pytest.raises(Invalid):
                recompute(structs.replace(quote, amount_minor=cheaper))
        forged = json.loads(quote.document) | {"holding_minor": 1}
        document = rfc8785.dumps(forged)
        with pytest.raises(Invalid):
            signed = sign(document, settings().signing_key)
            recompute(structs.replace(quote, document=document, signature=signed, amount_minor=priced.amount_minor + 1))
        page = await browser.get(f"/en/quotes/{form}")
        html5lib.HTMLParser(strict=True).parse(page.text)
        assert "This price holds until" in page_text(page)
        links = re.findall(r'href="/en(/shared/quotes/[^"]+)"', page.text)
        for language, words in (
            ("en", ("Quote", "Valid until", "Total", "Agreed")),
            ("fr", ("Devis", "Valable", "Bon pour")),
        ):
            for reader, path in (
                (browser, f"/{language}/quotes/{form}/quote.pdf"),
                (stranger, f"/{language}{links[0]}"),
            ):
                answer = await reader.get(path)
                assert answer.headers["content-type"] == "application/pdf", answer.text
                text = " ".join(sheet.extract_text() for sheet in PdfReader(BytesIO(answer.content)).pages)
                assert all(word in text for word in (*words, "Lyon", "Atelier")), text
                check_tagged(answer.content)
        for path in (links[0].replace(form, str(uuid.uuid4())), f"/shared/quotes/{form}/forged.pdf"):
            assert (await stranger.get(f"/en{path}")).status_code == 404
        ordinary = await make_quote(partner, release)
        assert (await catalogue.get_quote(ordinary, partner)).amount_minor == priced.amount_minor
        with clock.shifted(dt.timedelta(days=20)):
            await browser.sign_in("atelier@partner.example")
            assert (await browser.submit(f"/en/quotes/{ordinary}/orders", ADDRESS)).status_code == 410
            bought = await browser.submit(f"/en/quotes/{form}/orders", ADDRESS)
            assert bought.status_code == 303
            await pay(bought.headers["location"])
            await jobs()
        assert (await order_of(uuid.UUID(form)))["net_minor"] == quote.amount_minor
        assert await fetch_value("SELECT neutral_minor FROM posted_sale") == priced.amount_minor
        with clock.shifted(dt.timedelta(days=31)):
            assert (await stranger.get(f"/en{links[0]}")).status_code == 410
    assert rival
