"""Documents, clicked in Chromium: an address, an invoice, what a licence did for people, a subscriber's year, the books as files."""

import uuid

import pytest
from facturx import get_xml_from_pdf

from marketplace.core import clock
from marketplace.core.web.formats import paris_day
from marketplace.finance.bookkeeping.export_files import write_exports
from marketplace.people.identity import actions as identity
from marketplace.sales.orders.invoices import issue_invoices
from marketplace.subscribers.earnings.actions import hold_shares
from tests.people.builders import add_staff
from tests.subscribers.builders import sales
from tests.support.browsing import Guest, open_visit
from tests.support.market import PASSWORD, Market, activate_line, running
from tests.support.reads import fetch_value


async def sell_two_licences(market: Market) -> None:
    """Sell two licences of a hundred and fifty lines; let a buyer, one line's holder and finance in."""
    await sales.write_lines(range(1, 151), unclaimed=(150,))
    release = await sales.seal_weights({line: line for line in range(1, 151)})
    for net in (10_001, 250_000):
        await sales.write_sale(release, net)
    await issue_invoices()
    await hold_shares()
    partner = await fetch_value("SELECT id FROM partner WHERE company = 'Acme'")
    await add_staff("nora@people.example", "Nora", "finance", PASSWORD)
    code = await identity.invite_colleague(
        partner, email="claire@people.example", name="Claire", invitation_id=uuid.uuid4()
    )
    await identity.accept_invitation(code, PASSWORD, "en")
    await activate_line(market, 150, "lucie@people.example")


async def downloads_its_documents(partner: Guest) -> None:
    await partner.click("Orders")
    await partner.click_in_table()
    await partner.read("Your company’s address is missing")
    name, _ = get_xml_from_pdf(await partner.download("F-"))
    assert name == "factur-x.xml"
    await partner.click("Address of your invoices")
    await partner.press("Save", Street="12 rue des Capucins", Postcode="69001", City="Lyon", Your_reference="PO-7")
    await partner.read("Changed on")
    await partner.click("Orders")
    await partner.click_in_table()
    await partner.click("What your licence did for people")
    await partner.read("People counted")
    assert (await partner.download("Keep as PDF")).startswith(b"%PDF")


async def reads_a_year(line: Guest) -> None:
    await line.go("/earnings")
    await line.click("All months, each sale and the statements")
    await line.click(f"Statement of {paris_day(clock.now()).year}")
    await line.read("On 31 December, carried over")
    assert (await line.download("Keep as PDF")).startswith(b"%PDF")


async def chooses_while_files_are_written(finance: Guest) -> None:
    """Choose a format while the page shows how far files are: it was the first one again two seconds later."""
    box = finance.page.get_by_role("main").get_by_label("Format")
    await box.select_option("hledger")
    for _ in range(2):
        async with finance.page.expect_response(lambda answer: answer.url.endswith("/finance/exports")):
            pass
    assert await box.input_value() == "hledger"
    assert await write_exports() == 3
    await finance.page.get_by_text("Ready", exact=True).first.wait_for()
    assert await box.input_value() == "hledger"


async def downloads_the_books(finance: Guest) -> None:
    await finance.go("/finance/exports")
    for chosen in ("fec", "beancount", "hledger"):
        await finance.press("Write the file", Format=chosen)
    await chooses_while_files_are_written(finance)
    await finance.go("/finance/exports")
    await finance.read("Ready")
    assert (await finance.download("FEC")).startswith(b"JournalCode\t")
    assert (await finance.download("beancount")).startswith(b'option "title"')
    assert (await finance.download("hledger")).startswith(b"decimal-mark .")


@pytest.mark.deep
async def test_documents_are_clicked(chromium: str) -> None:
    async with running() as market:
        await sell_two_licences(market)
        async with open_visit(chromium, market) as visit:
            partner, line, finance = [await visit.guest() for _ in range(3)]
            await partner.sign_in("claire@people.example")
            await downloads_its_documents(partner)
            await line.sign_in("lucie@people.example")
            await reads_a_year(line)
            await finance.sign_in("nora@people.example")
            await downloads_the_books(finance)
