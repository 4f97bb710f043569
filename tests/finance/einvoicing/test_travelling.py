"""Invoices travel once, under one number; what is rejected is issued again; 212 and reports add up to the VAT account."""

import asyncio
import datetime as dt
import uuid

import httpx
import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.core.settings import settings
from marketplace.demo.einvoicing_platform import Platform
from marketplace.finance.bank.candidates import settle_line
from marketplace.finance.bookkeeping.closing import checks_of
from marketplace.finance.einvoicing import queries
from marketplace.finance.einvoicing.actions import choose_address, exchange_einvoices, mend
from marketplace.finance.reconciliation.exception_queries import list_blocking
from marketplace.finance.reconciliation.kept_findings import refresh_exceptions
from marketplace.money.ledger import chart
from marketplace.money.ledger.periods import month_of
from tests.finance.builders import sales
from tests.finance.builders.pages import signed_in
from tests.finance.builders.statements import banked
from tests.finance.builders.travelling import (
    SALE,
    SIREN,
    amounts_reported,
    equal_months,
    exceptions_on_the_way,
    exchange_all,
    number_of,
    platform_running,
    sell_under,
    states_of_documents,
    transmission_of,
    write_french_shop,
)
from tests.people.builders import make_staff
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_one, fetch_value
from tests.support.schematron import FRANCE, broken_rules

pytestmark = pytest.mark.usefixtures("database_url")


@pytest.mark.long
async def test_an_invoice_travels_is_approved_and_its_money_is_reported() -> None:
    await write_french_shop()
    assert await exchange_einvoices() == 0, "without a platform nothing travels"
    async with platform_running() as platform:
        order = await sell_under()
        number = await number_of(order)
        await exchange_all()
        assert await states_of_documents() == {number: "deposited"}
        assert await fetch_value("SELECT code FROM transmission") == 205
        assert await fetch_value("SELECT address FROM electronic_address") == SIREN, "from the annuaire"
        assert await amounts_reported(platform) == [(number, "120.00", "20.00")]
        assert broken_rules(platform_xml(platform), FRANCE) == []
        await sales.write_refund(order)
        await exchange_all()
        note = await number_of(order, "credit_note")
        assert await amounts_reported(platform) == [(number, "120.00", "20.00"), (note, "-120.00", "20.00")]
        assert platform.invoices() == [f"{number}.pdf", f"{note}.pdf"]
        await exchange_all()
        assert len(platform.invoices()) == 2, "once"
        [month] = await equal_months()
        assert (month.booked_minor, month.statuses_minor, month.waiting_minor) == (0, 0, 0)
        assert await exceptions_on_the_way() == {}
        [line] = await banked(-555)
        await settle_line(line, [("fee", chart.VAT_COLLECTED, -555)], await make_staff("Ada"))
        await equal_months()  # paying the tax office is no difference
        assert await fetch_value(
            "SELECT document LIKE '%\"electronic_address\":\"303265045\"%'::bytea FROM invoice WHERE kind = 'credit_note'"
        )


def platform_xml(platform: Platform) -> bytes:
    """Return the XML of the first invoice that the platform has."""
    from facturx import get_xml_from_pdf  # noqa: PLC0415

    _, xml = get_xml_from_pdf(next(flow.body for flow in platform.flows if flow.kind == "Factur-X"))
    return bytes(xml)


@pytest.mark.long
async def test_a_rejected_invoice_names_its_rule_and_is_issued_anew() -> None:
    await write_french_shop()
    ada = await make_staff("Ada")
    async with platform_running() as platform:
        order = await sell_under()
        number = await number_of(order)
        platform.refuses[number] = (213, "REJ_SEMAN", "BR-FR-10 : le SIREN du vendeur manque")
        await exchange_all()
        assert await states_of_documents() == {number: "rejected"}
        assert await amounts_reported(platform) == []
        assert await exceptions_on_the_way() == {
            number: "einvoice_rejected REJ_SEMAN – BR-FR-10 : le SIREN du vendeur manque"
        }
        blocking = await list_blocking(clock.now() + dt.timedelta(days=40))
        assert number in {row.reference for row in blocking}, "the month does not close"
        access = await fetch("SELECT * FROM entitlement")
        it, form = await transmission_of(number), uuid.uuid4()
        async with await signed_in("finance") as visitor:
            page = (await visitor.get(f"/en/finance/einvoicing/{it}")).text
            assert "213 · Invoice rejected" in page
            assert "a check of the content failed (REJ_SEMAN)" in page
            assert "Cancel and issue again" in page
            assert "Annuler et refaire" in (await visitor.get(f"/fr/finance/einvoicing/{it}")).text
            listed = (await visitor.get("/en/finance/einvoicing?show=rejected")).text
            assert number in listed
            assert (await visitor.get("/en/finance/einvoicing?show=lost")).status_code == 422
        with pytest.raises(Invalid, match="Say why"):
            await mend(it, ada, reason=" ", form_id=form)
        await mend(it, ada, reason="The seller’s number was missing.", form_id=form)
        await mend(it, ada, reason="The seller’s number was missing.", form_id=form)
        await exchange_all()
        note, anew = await number_of(order, "credit_note"), await number_of(order)
        assert anew != number
        assert await states_of_documents() == {note: "corrected", number: "corrected", anew: "deposited"}
        assert platform.invoices() == [f"{number}.pdf", f"{anew}.pdf"], "the credit note of what nobody had stays here"
        assert await amounts_reported(platform) == [(anew, "120.00", "20.00")]
        assert await fetch("SELECT * FROM entitlement") == access
        assert await exceptions_on_the_way() == {}
        [month] = await equal_months()
        assert (month.booked_minor, month.statuses_minor) == (sales.VAT, sales.VAT)
        texts = [row["body"] for row in await fetch("SELECT kind AS body FROM message WHERE kind LIKE '%invoice%'")]
        assert sorted(texts) == ["invoice_corrected", "invoice_issued"]
        with pytest.raises(Conflict, match="Only a rejected"):
            await mend(await transmission_of(anew), ada, reason="Again", form_id=uuid.uuid4())
        with pytest.raises(NotFound):
            await mend(uuid.uuid4(), ada, reason="Again", form_id=uuid.uuid4())


@pytest.mark.long
async def test_a_refused_invoice_was_had_so_its_credit_note_travels_and_its_money_is_said_below_zero() -> None:
    await write_french_shop()
    ada = await make_staff("Ada")
    async with platform_running() as platform:
        order = await sell_under()
        number = await number_of(order)
        await exchange_all()
        platform.report(number, 210, "TX_TVA_ERR", "Le taux est faux")
        await exchange_all()
        assert await states_of_documents() == {number: "refused"}
        await mend(await transmission_of(number), ada, reason="Another rate", form_id=uuid.uuid4())
        await exchange_all()
        note, anew = await number_of(order, "credit_note"), await number_of(order)
        assert await states_of_documents() == {note: "deposited", number: "corrected", anew: "deposited"}
        reported = [(number, "120.00", "20.00"), (note, "-120.00", "20.00"), (anew, "120.00", "20.00")]
        assert sorted(await amounts_reported(platform)) == sorted(reported)
        platform.report(anew, 213, "DEST_INC", "Radiée")
        await exchange_all()
        await mend(await transmission_of(anew), ada, reason="Gone", form_id=uuid.uuid4())
        await exchange_all()
        last = await number_of(order)
        assert sorted(await amounts_reported(platform)) == sorted(
            [*reported, (anew, "-120.00", "20.00"), (last, "120.00", "20.00")]
        )
        await equal_months()
        await sales.write_refund(order)
        await exchange_all()
        assert (
            await fetch_value("SELECT corrects FROM invoice WHERE kind = 'credit_note' ORDER BY number DESC LIMIT 1")
            == last
        )


async def test_without_an_address_an_invoice_waits_and_a_clerk_chooses_among_lines() -> None:
    await write_french_shop()
    ada, start = await make_staff("Ada"), clock.now()
    async with platform_running() as platform:
        platform.unknown.add(SIREN)
        order = await sell_under()
        number = await number_of(order)
        await exchange_all()
        assert await states_of_documents() == {number: "waiting"}
        it = await transmission_of(number)
        with pytest.raises(Invalid, match="no such line"):
            await choose_address(it, SIREN, ada)
        async with await signed_in("partner") as partner:
            assert "your invoices wait" in (await partner.get("/en/billing")).text
        with clock.started_at(start + dt.timedelta(hours=2)):
            assert await exceptions_on_the_way() == {number: "einvoice_waiting annuaire"}
            platform.unknown.clear()
            platform.lines[SIREN] = [f"{SIREN}_COMPTA", f"{SIREN}_SIEGE"]
            await exchange_all()
            assert await states_of_documents() == {number: "waiting"}, "nobody guesses which"
            async with await signed_in("finance") as visitor, await signed_in("partner") as partner:
                assert "which one you read" in (await partner.get("/en/billing")).text
                assert f"{SIREN}_COMPTA" in (await visitor.get(f"/en/finance/einvoicing/{it}")).text
            await choose_address(it, f"{SIREN}_COMPTA", ada)
            await exchange_all()
            assert await states_of_documents() == {number: "deposited"}
            async with await signed_in("partner") as partner:
                assert f"travel to {SIREN}_COMPTA" in (await partner.get("/en/billing")).text
            with pytest.raises(NotFound):
                await choose_address(it, f"{SIREN}_COMPTA", ada)
            assert f"{SIREN}_COMPTA".encode() in platform_xml(platform), "the file that travels has the address"


HALF = (
    '--x\r\ncontent-disposition: form-data; name="flowInfo"\r\n\r\n{"flowSyntax": "Factur-X"}\r\n'
    '--x\r\ncontent-disposition: form-data; name="file"; filename="half.pdf"\r\n\r\n%PDF'
)


async def send_half(path: str) -> None:
    """Begin to send the platform a file, and be gone before its end."""
    address = httpx.URL(settings().einvoicing_flow_url)
    _, cut = await asyncio.open_connection(address.host, address.port)
    head = f"POST {address.path}{path} HTTP/1.1\r\nhost: x\r\ncontent-length: 9999\r\n"
    cut.write(f"{head}content-type: multipart/form-data; boundary=x\r\n\r\n{HALF}".encode())
    await cut.drain()
    cut.close()
    await cut.wait_closed()


async def test_a_silent_platform_a_refused_file_and_a_broken_connection_send_nothing_twice() -> None:
    await write_french_shop()
    start = clock.now()
    async with platform_running() as platform:
        await send_half("/v1/flows")
        order = await sell_under()
        number = await number_of(order)
        platform.is_silent = True
        await exchange_all()
        assert (await queries.find_state()).error == "HTTP 503"  # type: ignore[union-attr]
        async with await signed_in("auditor") as visitor:
            assert "does not answer (HTTP 503)" in (await visitor.get("/en/finance/einvoicing")).text
        platform.is_silent, platform.dies_after = False, "/v1/flows"
        await exchange_all()
        assert await fetch_value("SELECT state FROM einvoicing_flow") == "pending"
        assert len(platform.invoices()) == 1, "it came, and we never heard"
        assert {flow.name for flow in platform.flows if flow.direction == "Out"} == {f"{number}.pdf"}, "half is nothing"
        with clock.started_at(start + dt.timedelta(minutes=5)):
            await exchange_all()
            assert await states_of_documents() == {number: "deposited"}
            assert len(platform.invoices()) == 1
            await as_owner("UPDATE transmission SET state = 'queued', code = NULL, deposited_at = NULL")
            await as_owner("ALTER TABLE life_cycle_event DISABLE TRIGGER append_only")
            await as_owner("DELETE FROM life_cycle_event")
            await as_owner("ALTER TABLE life_cycle_event ENABLE TRIGGER append_only")
            await as_owner("DELETE FROM einvoicing_flow WHERE kind = 'receipt'")
            await as_owner(
                "INSERT INTO einvoice_unsaid (what, subject, at) SELECT 'receipt', invoice, created_at FROM transmission"
            )
            await as_owner(
                "UPDATE einvoicing_flow SET state = 'pending', attempts = 0, next_at = now() - interval '1 day', platform_id = NULL"
            )
            await exchange_all()
            assert await states_of_documents() == {number: "rejected"}, "a platform's own guard against the same number"
            assert (await exceptions_on_the_way())[number].startswith("einvoice_rejected DOUBLON")


async def test_a_document_that_was_queued_without_a_flow_is_named_and_kept_as_waiting() -> None:
    await write_french_shop()
    async with platform_running() as platform:
        platform.unknown.add(SIREN)
        number = await number_of(await sell_under())
        await exchange_all()
        await execute("UPDATE transmission SET state = 'queued', address = $1", SIREN)
        with clock.shifted(dt.timedelta(hours=2)):
            assert await exceptions_on_the_way() == {number: "einvoice_waiting "}
            await refresh_exceptions()
        assert await fetch_value("SELECT reference FROM kept_exception WHERE why = 'einvoice_waiting'") == number
        await execute("UPDATE transmission SET state = 'waiting'")  # no invariant allows the other


async def test_sales_elsewhere_are_in_reports_that_add_up_and_a_missing_one_is_named() -> None:
    await write_french_shop()
    day = dt.timedelta(days=1)
    start = dt.datetime(2026, 11, 3, 9, tzinfo=dt.UTC)
    async with platform_running() as platform:
        with clock.started_at(start):
            german = await sell_under("unverified", "DE", "DE136695976")
            await sell_under("reverse_charge", "DE", "DE136695976")
            await sell_under("domestic", "MC", "FR40303265045")
            await exchange_all()
            assert [flow.kind for flow in platform.flows] == []
        with clock.started_at(start + 9 * day):
            await exchange_all()
            assert [flow.kind for flow in platform.flows] == ["FRR"], "the first third of the month is over"
            await sales.write_refund(german)
        with clock.started_at(start + 29 * day):
            await exchange_all()
            reports = {(row.kind, row.first_day.day): row for row in await queries.list_reports()}
            assert {key: (row.documents, row.net_minor, row.vat_minor) for key, row in reports.items()} == {
                ("transactions", 1): (3, 30_000, 6_000),
                ("transactions", 11): (1, -10_000, -2_000),
                ("payments", 1): (4, 20_000, 4_000),
            }
            [month] = await equal_months()
            assert (month.booked_minor, month.reports_minor) == (4_000, 4_000)
            assert await exceptions_on_the_way() == {}
        with clock.started_at(start + 10 * day):
            missing = await number_of(await sell_under("unverified", "DE", "DE136695976"))
        with clock.started_at(start + 31 * day):
            assert await exceptions_on_the_way() == {missing: "sale_unreported –"}, "the planted one is named"
            found = [check.found for check in await checks_of(month_of(start)) if check.name == "nothing_open"]
            assert any(missing in one for one in found[0])
            await exchange_all()
            assert await exceptions_on_the_way() == {}
            again = await fetch_one(
                "SELECT documents, sequence FROM e_report WHERE kind = 'payments' ORDER BY sequence DESC LIMIT 1"
            )
            assert again is not None
            assert (again["documents"], again["sequence"]) == (5, 2), "reported again, whole"
            async with await signed_in("auditor") as visitor:
                page = (await visitor.get("/fr/finance/einvoicing")).text
                assert "remplace la précédente" in page


async def test_partners_elsewhere_may_have_ubl_of_their_own() -> None:
    await write_french_shop()
    order = await sell_under("reverse_charge", "DE", "DE136695976")
    await sales.write_refund(order)
    invoices = [row["id"] for row in await fetch("SELECT id FROM invoice ORDER BY number")]
    async with (
        await signed_in("partner") as partner,
        await signed_in("auditor") as auditor,
        await signed_in("finance") as clerk,
    ):
        for invoice in invoices:
            own = await partner.get(f"/en/invoices/{invoice}/ubl")
            assert own.status_code == 200
            assert (await auditor.get(f"/en/finance/invoices/{invoice}/ubl")).content == own.content
        assert (await clerk.get(f"/en/invoices/{invoices[0]}/ubl")).status_code == 403
        assert (await partner.get(f"/en/invoices/{uuid.uuid4()}/ubl")).status_code == 404
    assert SALE


async def test_documents_on_their_way_are_sorted_narrowed_and_handed_out() -> None:
    await write_french_shop()
    async with platform_running() as platform:
        numbers = []
        for at in range(3):
            numbers.append(await number_of(await sell_under()))
            if at == 1:
                platform.refuses[numbers[1]] = (213, "REJ_SEMAN", "BR-FR-10")
            await exchange_all()
    async with await signed_in("auditor") as eve:
        page = (await eve.get("/en/finance/einvoicing")).text
        assert 'href="/en/finance/einvoicing?sort=amount"' in page
        for sort, expected in (
            ("", numbers[::-1]),
            ("oldest", numbers),
            ("state", [numbers[2], numbers[0], numbers[1]]),
        ):
            file = (await eve.get(f"/fr/finance/einvoicing.csv?sort={sort}")).content.decode("utf-8-sig").splitlines()
            assert [line.split(",")[0] for line in file[1:]] == expected, sort
            shown = (await eve.get(f"/en/finance/einvoicing?sort={sort}")).text
            assert sorted(numbers, key=shown.index) == expected
        rejected = (await eve.get("/fr/finance/einvoicing.csv?show=rejected")).content.decode("utf-8-sig")
        assert [line.split(",")[0] for line in rejected.splitlines()[1:]] == [numbers[1]]
        assert "Rejetée par la plateforme" in rejected
        assert (await eve.get("/fr/finance/einvoicing.csv?show=odd")).status_code == 422
        named = (await eve.get("/en/finance/exceptions.csv?which=einvoice_rejected")).content.decode("utf-8-sig")
        assert numbers[1] in named
        assert "120.00" in named
        assert len((await eve.get("/en/finance/exceptions.csv?which=odd")).content.splitlines()) == 1
        assert "/en/finance/exceptions.csv?which=" in (await eve.get("/en/finance/exceptions")).text
