"""The pages of exports and invoices over HTTP: who may, progress while it is written, the file, and nonsense."""

import uuid

from facturx import get_xml_from_pdf

from marketplace.core.database import execute
from marketplace.finance.bookkeeping.export_files import write_exports
from marketplace.finance.bookkeeping.exports.fec_rules import COLUMNS
from tests.finance.builders import sales
from tests.finance.builders.pages import YEAR, ask_export, signed_in
from tests.support.reads import fetch_value


async def test_a_file_is_asked_for_watched_and_fetched() -> None:
    await sales.write_shop()
    order = await sales.write_sold_order()
    async with await signed_in("finance") as nora:
        assert (await ask_export(nora)).status_code == 303
        waiting = await nora.get("/fr/finance/exports")
        assert 'data-fresh="3"' in waiting.text
        assert "<progress" in waiting.text
        assert "En cours d’écriture" in waiting.text
        number = await fetch_value("SELECT id FROM export_file")
        assert (await nora.get(f"/en/finance/exports/{number}")).status_code == 404
        await write_exports()
        done = await nora.get("/en/finance/exports")
        assert "data-fresh" not in done.text
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
    await sales.write_shop()
    async with await signed_in("finance") as nora:
        for fields in (
            {"format": "pdf"},
            {"first_day": "yesterday"},
            {"last_day": ""},
            {"first_day": f"{YEAR}-02-01"},
            {"format": "hledger", "last_day": "1999-01-01"},
        ):
            assert (await ask_export(nora, **fields)).status_code == 422, fields
        assert await fetch_value("SELECT count(*) FROM export_file") == 0
        assert (await ask_export(nora)).status_code == 303
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
