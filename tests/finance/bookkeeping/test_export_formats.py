"""The registry of export formats: a new one works from its file alone, from the page's form to the download."""

import pytest

from marketplace.core import clock
from marketplace.core.web.formats import paris_day
from marketplace.finance.bookkeeping.export_files import write_exports
from marketplace.finance.bookkeeping.exports.registry import EXPORT_FORMATS
from tests.finance.bookkeeping import toy_export
from tests.finance.builders import sales
from tests.finance.builders.pages import YEAR, ask_export, signed_in
from tests.support.french import translate
from tests.support.reads import fetch_value


async def test_a_format_dropped_into_the_registry_is_offered_written_and_downloaded(
    registries: pytest.MonkeyPatch,
) -> None:
    registries.setitem(EXPORT_FORMATS, toy_export.FORMAT.code, toy_export.FORMAT)
    translate(registries, toy_export.FRENCH)
    await sales.write_shop()
    await sales.write_sold_order()
    async with await signed_in("finance") as nora:
        assert "A line an entry, for a spreadsheet." in (await nora.get("/en/finance/exports")).text
        assert "Une ligne par écriture" in (await nora.get("/fr/finance/exports")).text
        assert (await ask_export(nora, format="csv")).status_code == 303
        assert await write_exports() == 1
        number = await fetch_value("SELECT id FROM export_file")
        assert "Comma-separated" in (await nora.get("/en/finance/exports")).text
        file = await nora.get(f"/en/finance/exports/{number}")
        assert f'filename="entries-{YEAR}-01-01.csv"' in file.headers["content-disposition"]
        assert file.text == f"day,kind,cents\r\n{paris_day(clock.now())},sale,12000\r\n"
