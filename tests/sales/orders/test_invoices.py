"""Invoices and credit notes: numbered with the sale, without a gap, drawn once, and their own partner's alone."""

import asyncio
import datetime as dt
import uuid
from typing import Any

import asyncpg
import msgspec
import pytest
from facturx import get_xml_from_pdf
from lxml import etree

from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.core.errors import NotFound
from marketplace.core.web.formats import paris_day
from marketplace.oversight.invariants import broken
from marketplace.sales.orders import invoices
from marketplace.sales.orders.invoice_pdf import draw
from marketplace.sales.orders.numbers import draw_numbers
from marketplace.sales.orders.refunds import request_order_refund
from marketplace.sales.orders.settling import settle_paid
from pricing.money import decimal
from tests.finance.builders import sales
from tests.people.builders import Browser, kinds_written, page_text
from tests.sales.builders.shop import jobs, make_buyer, make_sale, open_shop
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_one, fetch_value
from tests.support.schematron import broken_rules

YEAR = paris_day(clock.now()).year
RAM = "{urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100}"


async def issued() -> list[Any]:
    return await fetch("SELECT * FROM invoice ORDER BY kind DESC, position")


@pytest.mark.usefixtures("stripe")
async def test_a_sale_has_its_invoice_and_a_refund_its_credit_note() -> None:

    release = await open_shop()
    partner = await make_buyer()
    await make_buyer("rival")
    async with Browser() as browser, Browser() as rival:
        await browser.sign_in("atelier@partner.example")
        await rival.sign_in("rival@partner.example")
        saved = await browser.submit(
            "/en/billing",
            {"street": "12  quai des Étroits", "postcode": "69005", "city": "Lyon", "reference": "PO-7"},
        )
        assert saved.status_code == 303
        bought = await make_sale(browser, partner, release)
        [invoice] = await issued()
        assert (invoice["kind"], invoice["number"]) == ("invoice", f"F-{YEAR}-000001")
        shown = await browser.get(f"/en/orders/{bought['id']}")
        assert invoice["number"] in page_text(shown)
        assert f"/en/invoices/{invoice['id']}" in shown.text

        answer = await browser.get(f"/en/invoices/{invoice['id']}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/pdf"
        assert f'filename="{invoice["number"]}.pdf"' in answer.headers["content-disposition"]
        assert "no-store" in answer.headers["cache-control"]
        _, xml = get_xml_from_pdf(answer.content)
        assert broken_rules(xml) == []
        tree = etree.fromstring(xml)
        assert [e.text for e in tree.iter(f"{RAM}GrandTotalAmount")] == [decimal(bought["total_minor"])]
        assert [e.text for e in tree.iter(f"{RAM}TaxTotalAmount")] == [decimal(bought["vat_minor"])]
        assert [e.text for e in tree.iter(f"{RAM}LineOne")] == ["1 rue de la Démonstration", "12 quai des Étroits"]
        assert (await browser.get(f"/fr/invoices/{invoice['id']}")).content == answer.content
        assert (await rival.get(f"/en/invoices/{invoice['id']}")).status_code == 404
        assert (await browser.get(f"/en/invoices/{uuid.uuid4()}")).status_code == 404
        async with Browser() as stranger:
            assert (await stranger.get(f"/en/invoices/{invoice['id']}")).status_code in (303, 401)

        await request_order_refund(bought["id"], "Léa", refund_id=uuid.uuid4())
        await jobs()
        note = (await issued())[1]
        assert (note["kind"], note["number"], note["corrects"]) == (
            "credit_note",
            f"A-{YEAR}-000001",
            invoice["number"],
        )
        assert note["total_minor"] == bought["total_minor"]
        assert [kind for kind in await kinds_written() if kind in ("invoice_issued", "refunded")] == [
            "invoice_issued",
            "refunded",
        ]
        shown = await browser.get(f"/fr/orders/{bought['id']}")
        assert "Avoir" in page_text(shown)
        answer = await browser.get(f"/en/invoices/{note['id']}")
        assert broken_rules(get_xml_from_pdf(answer.content)[1]) == []


@pytest.mark.usefixtures("stripe")
async def test_money_given_back_part_by_part_has_a_credit_note_each() -> None:

    release = await open_shop()
    partner = await make_buyer()
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        bought = await make_sale(browser, partner, release)
        parts = [1, 333, bought["total_minor"] - 334]
        for part in parts:
            await request_order_refund(bought["id"], "Léa", refund_id=uuid.uuid4(), amount_minor=part)
            await jobs()
        shown = page_text(await browser.get(f"/en/orders/{bought['id']}"))
    invoice, *notes = await issued()
    assert [note["total_minor"] for note in notes] == parts
    assert [note["number"] for note in notes] == [f"A-{YEAR}-00000{place}" for place in (1, 2, 3)]
    assert {note["corrects"] for note in notes} == {invoice["number"]}
    assert sum(note["net_minor"] for note in notes) == bought["net_minor"]
    assert sum(note["vat_minor"] for note in notes) == bought["vat_minor"]
    for note in notes:
        assert note["number"] in shown
        _, xml = get_xml_from_pdf((await invoices.get_invoice_file(note["id"]))[1])
        assert broken_rules(xml) == []
        assert [e.text for e in etree.fromstring(xml).iter(f"{RAM}GrandTotalAmount")] == [decimal(note["total_minor"])]


async def test_the_file_is_kept_as_it_was_and_drawn_again_from_its_document() -> None:
    await sales.write_shop()
    await sales.write_paid_order()
    assert await settle_paid() == 1
    [invoice] = await issued()
    assert await fetch_value("SELECT count(*) FROM invoice_file") == 0
    await invoices.render_pending_invoices()
    await invoices.render_pending_invoices()
    number, pdf = await invoices.get_invoice_file(invoice["id"])
    assert number == invoice["number"]
    assert await fetch_value("SELECT encode(sha256($1), 'hex') = sha256 FROM invoice_file", pdf)
    await execute("UPDATE partner SET company = 'Renamed'")
    assert (await invoices.get_invoice_file(invoice["id"], sales.PARTNER))[1] == pdf
    assert draw(msgspec.json.decode(invoice["document"])) == pdf
    with pytest.raises(NotFound):
        await invoices.get_invoice_file(invoice["id"], uuid.uuid4())
    for change in (
        "UPDATE invoice SET net_minor = 1",
        "DELETE FROM invoice_file",
        "UPDATE invoice_file SET pdf = ''",
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            await as_owner(change)


async def test_sales_at_once_and_sales_that_fail_leave_no_gap() -> None:
    await sales.write_shop()
    orders = [await sales.write_order() for _ in range(18)]
    for order in orders:
        await sales.pay_unseen(order)

    async def sell(place: int, order: uuid.UUID) -> None:
        async with transaction():
            await sales.write_settled(order)
            for _ in range(place % 4):  # some come to their end later than others
                await fetch_value("SELECT true")
            if place % 3 == 0:
                raise ZeroDivisionError

    done = await asyncio.gather(
        *(asyncio.create_task(sell(place, order)) for place, order in enumerate(orders)), return_exceptions=True
    )
    assert sum(isinstance(error, ZeroDivisionError) for error in done) == 6
    assert sum(error is None for error in done) == 12
    assert await settle_paid() == 6
    rows = await issued()
    assert [row["position"] for row in rows] == list(range(1, 19))
    assert [row["issued_at"] for row in rows] == sorted(row["issued_at"] for row in rows)
    assert {row["purchase_order"] for row in rows} == set(orders)
    assert await invoices.issue_invoices() == 0


async def test_the_keys_alone_refuse_a_gap() -> None:
    await sales.write_shop()
    order = await sales.write_paid_order()
    await settle_paid()

    async def insert(entry: int, position: int, previous: int | None, number: str | None = None) -> None:
        async with transaction():
            await execute(
                """INSERT INTO invoice (number, series, position, previous, kind, purchase_order, entry, corrects,
                                        issued_at, net_minor, vat_minor, total_minor, document)
                   VALUES ($1, $2, $3, $4, 'credit_note', $5, $6, $7, $8, 1, 0, 1, '{}')""",
                number or f"A-{YEAR}-{position:06d}",
                f"A-{YEAR}",
                position,
                None if previous is None else f"A-{YEAR}-{previous:06d}",
                order,
                entry,
                f"F-{YEAR}-000001",
                clock.now(),
            )

    with pytest.raises(ZeroDivisionError):
        async with transaction():
            entry = await fetch_value(
                """INSERT INTO journal_entry (kind, source_id, at, recorded_at, text)
                   VALUES ('refund', 'x', $1, $1, '') RETURNING id""",
                clock.now(),
            )
            with pytest.raises(asyncpg.ForeignKeyViolationError):
                await insert(entry, 2, 1)
            for position, previous, number in ((2, None, None), (3, 1, None), (1, None, f"A-{YEAR}-000009")):
                with pytest.raises(asyncpg.CheckViolationError):
                    await insert(entry, position, previous, number)
            await insert(entry, 1, None)
            offenders = "\n".join(await broken())
            assert "leave no gap" in offenders, "the counter was not asked"
            assert "for what it moves" in offenders
            raise ZeroDivisionError


async def test_what_missed_its_invoice_is_found_by_the_job() -> None:
    await sales.write_shop()
    order = await sales.write_sold_order()
    async with transaction():
        for table in ("einvoice_unsaid", "einvoice", "invoice"):
            await as_owner(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            await as_owner(f"DELETE FROM {table}")
            await as_owner(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        await execute("DELETE FROM number_series")
    assert any("has its invoice" in line for line in await broken())
    assert await invoices.issue_invoices() == 1
    assert await broken() == []
    await sales.write_refund(order)
    [invoice, note] = await issued()
    assert note["corrects"] == invoice["number"]


async def test_numbers_begin_anew_each_year_and_rise_with_their_dates() -> None:
    new_year = dt.datetime(2031, 12, 31, 23, tzinfo=dt.UTC)  # in Paris it is 2032 already
    assert await draw_numbers("T", new_year) == ("T-2032-000001", new_year)
    assert await draw_numbers("T", new_year - dt.timedelta(hours=1)) == (
        "T-2031-000001",
        new_year - dt.timedelta(hours=1),
    )
    late = await draw_numbers("T", new_year + dt.timedelta(hours=2))
    early = await draw_numbers("T", new_year + dt.timedelta(hours=1), 3)
    assert early[1] == late[1]
    row = await fetch_one("SELECT last FROM number_series WHERE code = 'T-2032'")
    assert row
    assert row["last"] == 5


async def test_an_address_wants_its_street_and_city() -> None:
    await make_buyer()
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        turned = [{field: "1 rue \u202eeur 1"} for field in ("street", "postcode", "city", "reference")]
        for wrong in ({"street": " "}, {"city": ""}, {"street": "x" * 201}, {"city": "Ly\x07on"}, *turned):
            fields = {"street": "1 rue", "postcode": "", "city": "Lyon", "reference": ""} | wrong
            refused = await browser.submit("/en/billing", fields)
            assert refused.status_code == 422, wrong
            [(field, written)] = wrong.items()
            assert f'id="{field}-error"' in refused.text
            if "\u202e" in written:
                assert "signs that nobody sees" in page_text(refused)
                assert f'value="{written}"' in refused.text, "what was typed is kept"
        assert "Lyon" not in page_text(await browser.get("/en/billing"))
