"""Credit over HTTP: two people grant a limit, the data is there at once, the bank pays; what is late is closed, provided for and undone."""

import asyncio
import io
import uuid
from typing import Any

import html5lib
import msgspec
import pytest
from pypdf import PdfReader

from marketplace.core import clock
from marketplace.core.database import fetch_scalar
from marketplace.core.errors import Conflict, Invalid, NotAllowed, NotFound
from marketplace.finance.bank.candidates import list_for_line, settle_line
from marketplace.finance.bank.matching import undo_matches
from marketplace.finance.bank.queries import get_line
from marketplace.finance.reconciliation.exception_queries import list_exceptions
from marketplace.money.credit import rules
from marketplace.money.credit.actions import receive, remind_debtors
from marketplace.money.credit.proposals import propose_write_down
from marketplace.money.credit.queries import find_due, get_available
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import balance
from marketplace.sales.orders.disputes import follow_disputes
from marketplace.sales.orders.invoice_xml import facturx, ubl
from marketplace.sales.orders.invoices import render_invoices
from marketplace.sales.orders.refunds import request_order_refund
from marketplace.subscribers.earnings.actions import hold_shares
from tests.catalogue.builders import have_everything_cost
from tests.finance.builders.statements import banked
from tests.money.builders import DAY, with_limit
from tests.people.builders import PASSWORD, Browser, add_staff, kinds_written, make_staff, page_text
from tests.sales.builders.shop import jobs, make_buyer, make_quote, on_credit, open_shop, order_of
from tests.support.decisions import buttons_of, decide
from tests.support.reads import fetch_value

ADDRESS = {"street": "1 rue Longue", "postcode": "69001", "city": "Lyon", "reason": "For our other shop."}
ON_CREDIT, LOST, PROVIDED = chart.ON_CREDIT, chart.LOSSES, chart.PROVISIONS


async def books() -> tuple[int, ...]:
    """Return what partners owe on credit and otherwise, what is lost, and the provisions that are left."""
    return await balance(ON_CREDIT), await balance(chart.PARTNERS), await balance(LOST), -await balance(PROVIDED)


@pytest.mark.long
async def test_a_limit_of_two_people_opens_the_data_at_once_and_the_bank_line_pays_it(stripe: Any) -> None:
    release, partner = await open_shop(), await make_buyer()
    await have_everything_cost(600_000)
    for name in ("ada", "bob"):
        await add_staff(f"{name}@partage.example", name.title(), "finance", PASSWORD)
    async with Browser() as buyer, Browser() as ada, Browser() as bob:
        await buyer.sign_in("atelier@partner.example")
        await ada.sign_in("ada@partage.example")
        await bob.sign_in("bob@partage.example")
        quote = await make_quote(partner, release)
        path, asked = f"/en/quotes/{quote}/orders", ADDRESS | {"pay_by": "invoice"}
        assert "On invoice" not in page_text(await buyer.get(f"/en/quotes/{quote}"))
        refused = await buyer.submit(path, asked)
        assert (refused.status_code, "does not pay on invoice" in page_text(refused)) == (409, True)
        assert "You have nothing to pay" in page_text(await buyer.get("/en/to-pay"))

        limit = {"partner": "fr 40303265045", "amount": "10 000,00", "reason": "Ten years of orders."}
        for field, value, status, why in (
            ("partner", "Nobody Ltd", 404, "No vetted partner"),
            ("amount", "much", 422, "Write an amount"),
            ("amount", "200000000", 422, "may have"),
            ("reason", " ", 422, "Say why"),
        ):
            wrong = await ada.submit("/en/finance/credit/limits", limit | {field: value})
            assert (wrong.status_code, why in page_text(wrong)) == (status, True), field
            assert "Ten years of orders." in wrong.text or field == "reason", "what was written is kept"
        form = str(uuid.uuid4())
        for _ in range(2):
            assert (await ada.submit("/en/finance/credit/limits", limit, form_id=form)).status_code == 303
        assert (await bob.submit("/en/finance/credit/limits", limit)).status_code == 409, "one proposal at a time"
        decision, approve = await buttons_of(form)
        assert (await ada.submit(decision, approve)).status_code == 403
        assert not (await get_available(partner)).limit_minor, "nothing is granted by one person alone"
        assert "Credit to decide" in page_text(await bob.get("/en/finance/desk"))
        assert (await bob.submit(decision, approve)).status_code == 303
        assert (await bob.submit(decision, approve)).status_code == 409
        assert (await bob.submit(f"/en/finance/decisions/{uuid.uuid4()}", approve)).status_code == 404

        assert "€10,000.00 is left of your limit" in page_text(await buyer.get(f"/en/quotes/{quote}"))
        form = str(uuid.uuid4())
        for _ in range(2):
            assert (await buyer.submit(path, asked, form_id=form)).status_code == 303
        order = await order_of(quote)
        total = order["total_minor"]
        assert (order["state"], await books()) == ("paid", (total, 0, 0, 0))
        entitlement = await fetch_value("SELECT id FROM entitlement")
        shown = page_text(await buyer.get(f"/en/orders/{order['id']}"))
        assert "Download as Parquet" in shown
        assert "On invoice until" in shown
        file = f"/en/entitlements/{entitlement}/download?format=csv"
        assert (await buyer.get(file)).status_code == 200, "the data is there before the money"
        assert await hold_shares() == 0, "subscribers are paid from money that has come in"
        due = await find_due(order["id"])
        assert due
        assert due.due_at - order["ordered_at"] > 29 * DAY
        due_page = await buyer.get("/fr/to-pay")
        html5lib.HTMLParser(strict=True).parse(due_page.text)
        assert order["number"] in due_page.text
        await render_invoices()
        document = await fetch_value("SELECT document FROM invoice")
        assert b"due_on" in document

        [line, rest] = await banked(total - 100, 100, words=f"Order {order['number']}")
        [found, *_] = await list_for_line((await get_line(line)).line)
        assert (found.kind, found.id) == ("order", str(order["id"]))
        clerk = await make_staff("Nora")
        with pytest.raises(Invalid, match="not more"):
            await settle_line(line, [("order", order["number"], total + 1)], clerk)
        await settle_line(line, [("order", order["number"], total - 100)], clerk)
        assert await books() == (100, 0, 0, 0)
        assert (await get_available(partner)).owed_minor == 100
        assert await hold_shares() == 0
        await settle_line(rest, [("order", order["number"], 100)], clerk)
        assert (await books(), (await get_available(partner)).left_minor) == ((0, 0, 0, 0), 1_000_000)
        assert not await list_exceptions_of("sale_without_charge", "charge_differs")
        await undo_matches(rest, clerk, reason="Another order's.")
        assert (await books(), (await get_available(partner)).owed_minor) == ((100, 0, 0, 0), 100)
        await settle_line(rest, [("order", str(order["id"]), 100)], clerk)

        return_id = uuid.uuid4()
        for _ in range(2):
            await request_order_refund(order["id"], "Nora", refund_id=return_id, amount_minor=60)
        assert await books() == (-60, 0, 0, 0)
        assert await list_exceptions_of("credit_owed_back") == [order["number"]]
        await request_order_refund(order["id"], "Nora", refund_id=uuid.uuid4())
        await request_order_refund(order["id"], "Nora", refund_id=uuid.uuid4())
        assert (await order_of(quote))["state"] == "refunded"
        assert "To transfer back" in page_text(await ada.get("/en/finance/credit?which=back"))
        assert "We transfer it back" in page_text(await buyer.get("/en/to-pay"))
        [refund] = await banked(-total)
        await settle_line(refund, [("order", order["number"], -total)], clerk)
        assert await books() == (0, 0, 0, 0)
        with pytest.raises(Conflict, match="undo that transfer first"):
            await undo_matches(line, clerk, reason="Another order's.")
        assert (await buyer.get(file)).status_code == 410
        notes = await fetch_value("SELECT count(*) FROM invoice WHERE kind = 'credit_note'")
        assert notes == 2
        await jobs()
        assert not await list_exceptions_of("refund_without_movement", "money_without_entitlement", "credit_owed_back")
        del stripe


async def list_exceptions_of(*kinds: str) -> list[str]:
    """Return what the exceptions of these kinds are about."""
    return [row.reference for row in (await list_exceptions()).rows if row.why in kinds]


async def test_what_is_late_is_reminded_closed_and_provided_for_and_a_payment_undoes_it_all() -> None:
    release, partner = await open_shop(), await make_buyer()
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    await with_limit(partner, 2_000_000, ada, bob)
    order = await on_credit(partner, release)
    total, subject = order["total_minor"], order["id"]
    with pytest.raises(Conflict, match="Only what is overdue"):
        await propose_write_down("loss", subject, 0, ada, reason="They left.", form_id=uuid.uuid4())
    assert await remind_debtors() == 0
    for days, kinds in ((31, ["credit_due"]), (38, ["credit_due"] * 2), (39, ["credit_due"] * 2)):
        with clock.shifted(days * DAY):
            await remind_debtors()
            await remind_debtors()
        assert [kind for kind in await kinds_written() if kind.startswith("credit_due")] == kinds
    with clock.shifted(35 * DAY), pytest.raises(Conflict, match="overdue"):
        await on_credit(partner, release)
    async with Browser() as buyer, Browser() as clerk:
        await add_staff("nora@partage.example", "Nora", "finance", PASSWORD)
        with clock.shifted(52 * DAY):
            assert await list_exceptions_of("credit_overdue") == [order["number"]]
            assert await remind_debtors() == 1
            assert await remind_debtors() == 0
            await follow_disputes()
            await buyer.sign_in("atelier@partner.example")
            await clerk.sign_in("nora@partage.example")
            closed = await buyer.get(f"/en/orders/{subject}")
            assert "cannot be downloaded until it is paid" in page_text(closed)
            entitlement = await fetch_value("SELECT id FROM entitlement")
            refused = await buyer.get(f"/en/entitlements/{entitlement}/download?format=csv")
            assert (refused.status_code, "overdue" in page_text(refused)) == (409, True), page_text(refused)
            assert "Overdue: data closed" in page_text(await buyer.get("/en/to-pay"))
            page = await clerk.get("/fr/finance/credit?which=overdue&sort=owed")
            html5lib.HTMLParser(strict=True).parse(page.text)
            assert "Suspendu" in page_text(page)
            assert (await clerk.get("/en/finance/credit?which=odd")).status_code == 422
            file = (await clerk.get("/en/finance/credit.csv?which=suspended&sort=due")).text
            assert f"{order['number']},Atelier,{total / 100:.2f}" in file

            half = total // 2
            proposal = {"kind": "provision", "amount": f"{half / 100:.2f}", "reason": "No answer."}
            address = f"/en/finance/credit/orders/{subject}"
            assert (await clerk.submit(address, proposal | {"amount": "99999999"})).status_code == 422
            assert (await clerk.submit(f"/en/finance/credit/orders/{uuid.uuid4()}", proposal)).status_code == 404
            form = uuid.uuid4()
            for _ in range(2):
                assert (await clerk.submit(address, proposal, form_id=str(form))).status_code == 303
            await decide(form, bob, approve=True)
            assert await books() == (total, 0, 0, half)
            assert await balance(chart.PROVISIONS_MADE) == half

            loss = uuid.uuid4()
            await propose_write_down("loss", subject, 0, ada, reason="Bankrupt.", form_id=loss)
            with pytest.raises(NotAllowed):
                await decide(loss, ada, approve=True)
            await decide(loss, bob, approve=True)
            vat = order["vat_minor"]
            assert await books() == (0, 0, total - vat, 0), "the VAT of a bad debt is no loss"
            assert await balance(chart.VAT_RECLAIMED) == vat, "it is reclaimed"
            assert (await clerk.get(f"/en/finance/duplicate?order={uuid.uuid4()}")).status_code == 404
            assert (await clerk.get("/en/finance/duplicate?order=odd")).status_code == 404
            marked = await clerk.get(f"/en/finance/duplicate?order={subject}")
            assert marked.headers["content-type"] == "application/pdf"
            shown = " ".join("".join(one.extract_text() for one in PdfReader(io.BytesIO(marked.content)).pages).split())
            assert "article 272" in shown
            assert (await kinds_written()).count("invoice_unpaid") == 1, "it is sent by itself"
            assert "Duplicate for the VAT" in page_text(await buyer.get("/en/to-pay"))
            own = await buyer.get(f"/fr/to-pay/duplicate?order={subject}")
            assert (own.status_code, own.headers["content-type"]) == (200, "application/pdf")
            assert (await buyer.get(f"/en/to-pay/duplicate?order={uuid.uuid4()}")).status_code == 404
            pages = ((clerk, f"/en/finance/orders/{subject}"), (buyer, f"/en/orders/{subject}"))
            for browser, address in pages:
                assert f"duplicate?order={subject}" in (await browser.get(address)).text, "beside the invoice"
            assert -await balance(chart.PROVISIONS_RELEASED) == half
            assert not await list_exceptions_of("credit_overdue")
            assert "Written off" in page_text(await clerk.get("/en/finance/credit?which=lost"))
            assert (await get_available(partner)).owed_minor == total, "a bad debt is still owed"
            with pytest.raises(Conflict, match="Only what is overdue"):
                await propose_write_down("loss", subject, 0, ada, reason="Again.", form_id=uuid.uuid4())

            [line, rest] = await banked(40, total - 40)
            await settle_line(line, [("order", order["number"], 40)], ada)
            assert await books() == (total - 40, 0, 0, 0), "the debt is owed again, less what came"
            assert await balance(chart.VAT_RECLAIMED) == 0, "and its VAT is due again"
            assert (await clerk.get(f"/en/finance/duplicate?order={subject}")).status_code == 404
            assert (await buyer.get(f"/en/to-pay/duplicate?order={subject}")).status_code == 404
            for browser, address in pages:
                assert "duplicate?order" not in (await browser.get(address)).text, "what is owed again is no bad debt"
            await follow_disputes()
            assert await fetch_value("SELECT suspended_at IS NOT NULL FROM entitlement")
            two = [uuid.uuid4(), uuid.uuid4()]
            await propose_write_down("provision", subject, 30, ada, reason="Slow.", form_id=two[0])
            await decide(two[0], bob, approve=True)
            await propose_write_down("loss", subject, 0, ada, reason="Slower.", form_id=two[1])
            await settle_line(rest, [("order", order["number"], total - 40)], ada)
            assert await books() == (0, 0, 0, 0)
            with pytest.raises(Conflict, match="Only what is overdue"):
                await decide(two[1], bob, approve=True)
            await decide(two[1], bob, approve=False)
            await follow_disputes()
            assert not await fetch_value("SELECT suspended_at IS NOT NULL FROM entitlement"), "paid: open again"
            assert "Download as Parquet" in page_text(await buyer.get(f"/en/orders/{subject}"))
            assert await balance(chart.PROVISIONS_MADE) + await balance(chart.PROVISIONS_RELEASED) == 0
            assert await on_credit(partner, release), "nothing is overdue: the limit is free"
    assert (await kinds_written()).count("credit_suspended") == 1
    assert (await kinds_written()).count("credit_limit_set") == 1


async def test_a_bad_debt_that_is_credited_is_no_loss_and_two_orders_never_pass_one_limit() -> None:
    release, partner = await open_shop(), await make_buyer()
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    await with_limit(partner, 100_000_000, ada, bob)
    order = await on_credit(partner, release)
    total = order["total_minor"]
    with clock.shifted(40 * DAY):
        loss = uuid.uuid4()
        await propose_write_down("loss", order["id"], 0, ada, reason="Gone.", form_id=loss)
        await decide(loss, bob, approve=True)
        await request_order_refund(order["id"], "Ada", refund_id=uuid.uuid4(), amount_minor=50, bears_loss=True)
        assert await books() == (total - 50, 0, 0, 0)
        await request_order_refund(order["id"], "Ada", refund_id=uuid.uuid4(), bears_loss=True)
        assert await books() == (0, 0, 0, 0)
        known = await on_credit(partner, release)
        await request_order_refund(known["id"], "Ada", refund_id=uuid.uuid4())
        total = known["total_minor"]
        await with_limit(partner, total * 3 // 2, ada, bob)
        found = await asyncio.gather(*(on_credit(partner, release) for _ in range(3)), return_exceptions=True)
        assert sum(isinstance(one, Conflict) for one in found) == 2, found
        assert await balance(ON_CREDIT) == total
    with pytest.raises(NotFound):
        await receive(uuid.uuid4(), 1, at=clock.now())


async def test_documents_say_what_is_due_and_stay_valid() -> None:
    """The invoice of a sale on credit asks to be paid, its credit note says what it is set off against; both validate."""
    release, partner = await open_shop(), await make_buyer()
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    await with_limit(partner, 100_000_000, ada, bob)
    order = await on_credit(partner, release)
    await request_order_refund(order["id"], "Ada", refund_id=uuid.uuid4(), amount_minor=600)
    assert await render_invoices() == 2
    for kind, due in (("invoice", True), ("credit_note", False)):
        written = await fetch_scalar(bytes, "SELECT document FROM invoice WHERE kind = $1", kind)
        assert written
        document = msgspec.json.decode(written)
        for iban in (document["pay_to"]["iban"], "FR7630006000011234567890189", ""):
            document["pay_to"]["iban"] = iban
            xml = facturx(document).decode()
            assert ("DueDateDateTime" in xml) == due
            assert ("FR7630006000011234567890189" in xml) == (due and bool(iban))
            assert (f"<ram:DuePayableAmount>{order['total_minor'] / 100:.2f}<" in xml) == due
            assert ubl(document)


def test_what_credit_allows() -> None:
    now = clock.now()
    assert [rules.steps_due(now - days * DAY, now) for days in (0, 1, 7, 8, 15, 90)] == [0, 1, 1, 2, 3, 3]
    assert rules.by_age([(0, 5), (1, 7), (31, 1), (61, 2), (400, 3)]) == [5, 7, 1, 2, 3]
    rules.check_credit(rules.Available(100, 40, is_overdue=False), 60)
    for available, why in (
        (rules.Available(0, 0, is_overdue=False), "does not pay"),
        (rules.Available(100, 40, is_overdue=True), "overdue"),
        (rules.Available(100, 41, is_overdue=False), "0.59 EUR"),
        (rules.Available(100, 400, is_overdue=False), "0.00 EUR"),
    ):
        with pytest.raises(Conflict, match=why):
            rules.check_credit(available, 60)
