"""The pages of exports and invoices over HTTP: who may, progress while it is written, the file, and nonsense."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

from facturx import get_xml_from_pdf

from marketplace import clock
from marketplace.bookkeeping.export_files import write_exports
from marketplace.bookkeeping.exports.fec_rules import COLUMNS
from marketplace.database import execute
from marketplace.web.formats import paris_day
from tests.marketplace.finance import sales
from tests.marketplace.finance.test_pages import signed_in
from tests.support.reads import fetch_value

if TYPE_CHECKING:
    import httpx


YEAR = paris_day(clock.now()).year


async def ask(visitor: httpx.AsyncClient, **fields: str) -> httpx.Response:
    """Fill the page's form and send it."""
    html = (await visitor.get("/en/finance/exports")).text
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', html.partition('class="form"')[2]))
    asked = {"format": "fec", "first_day": f"{YEAR}-01-01", "last_day": f"{YEAR}-12-31"} | fields
    return await visitor.post("/en/finance/exports", data=hidden | asked)


async def test_a_file_is_asked_for_watched_and_fetched() -> None:
    await sales.open_shop()
    order = await sales.make_order()
    await sales.pay_unseen(order)
    await sales.settle(order)
    async with await signed_in("finance") as nora:
        assert (await ask(nora)).status_code == 303
        waiting = await nora.get("/fr/finance/exports")
        assert waiting.headers["refresh"] == "2"
        assert "<progress" in waiting.text
        assert "En cours d’écriture" in waiting.text
        number = await fetch_value("SELECT id FROM export_file")
        assert (await nora.get(f"/en/finance/exports/{number}")).status_code == 404
        await write_exports()
        done = await nora.get("/en/finance/exports")
        assert "refresh" not in done.headers
        assert "<progress" not in done.text
        assert f"/en/finance/exports/{number}" in done.text
        file = await nora.get(f"/en/finance/exports/{number}")
        assert file.status_code == 200
        assert f'filename="123456782FEC{YEAR}1231.txt"' in file.headers["content-disposition"]
        assert file.content.decode("iso-8859-15").split("\r\n")[0].split("\t") == list(COLUMNS)
        invoice = await fetch_value("SELECT id FROM invoice")
        shown = await nora.get(f"/en/finance/orders/{order}")
        assert f"/en/finance/invoices/{invoice}" in shown.text
        pdf = await nora.get(f"/en/finance/invoices/{invoice}")
        assert get_xml_from_pdf(pdf.content)[0] == "factur-x.xml"
    paths = ["exports", f"exports/{number}", f"invoices/{invoice}"]
    for role, status in (("auditor", 200), ("steward", 403), ("partner", 403), (None, 303)):
        async with await signed_in(role) as visitor:
            assert {(await visitor.get(f"/en/finance/{path}")).status_code for path in paths} == {status}, role


async def test_nonsense_is_answered_in_words_and_a_faulty_file_is_not_handed_out() -> None:
    await sales.open_shop()
    async with await signed_in("finance") as nora:
        for fields in (
            {"format": "pdf"},
            {"first_day": "yesterday"},
            {"last_day": ""},
            {"first_day": f"{YEAR}-02-01"},
            {"format": "hledger", "last_day": "1999-01-01"},
        ):
            assert (await ask(nora, **fields)).status_code == 422, fields
        assert await fetch_value("SELECT count(*) FROM export_file") == 0
        assert (await ask(nora)).status_code == 303
        await write_exports()
        number = await fetch_value("SELECT id FROM export_file WHERE state = 'failed'")
        page = await nora.get("/en/finance/exports")
        assert "Not handed out" in page.text
        assert "the file has no entry" in page.text
        assert (await nora.get(f"/en/finance/exports/{number}")).status_code == 404
        assert (await nora.get(f"/en/finance/exports/{uuid.uuid4()}")).status_code == 404
        assert (await nora.get(f"/en/finance/invoices/{uuid.uuid4()}")).status_code == 404
        await execute("UPDATE export_file SET state = 'waiting', done_at = NULL, lines_written = 3, lines_expected = 2")
        assert (await nora.get("/en/finance/exports")).status_code == 200
