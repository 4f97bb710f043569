"""The registry of export formats: a new one works from its file alone, from the page's form to the download."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from marketplace import clock
from marketplace.bookkeeping.export_files import write_exports
from marketplace.bookkeeping.exports import registry
from marketplace.bookkeeping.exports.registry import EXPORT_FORMATS
from marketplace.web.formats import paris_day
from tests.marketplace.bookkeeping import toy_export
from tests.marketplace.bookkeeping.test_export_pages import YEAR, ask
from tests.marketplace.finance import sales
from tests.marketplace.finance.test_pages import signed_in
from tests.support.reads import fetch_value

if TYPE_CHECKING:
    import pytest

SHARED = {"__init__", "format", "registry", "plain_text", "fec_rules"}


def test_every_file_of_the_folder_is_listed_under_its_name() -> None:
    files = {path.stem for path in Path(registry.__file__).parent.glob("*.py")}
    assert files - SHARED == set(EXPORT_FORMATS)


async def test_a_format_dropped_into_the_registry_is_offered_written_and_downloaded(
    registries: pytest.MonkeyPatch,
) -> None:
    registries.setitem(EXPORT_FORMATS, toy_export.FORMAT.code, toy_export.FORMAT)
    await sales.open_shop()
    order = await sales.make_order()
    await sales.pay_unseen(order)
    await sales.settle(order)
    async with await signed_in("finance") as nora:
        assert "A line an entry, for a spreadsheet." in (await nora.get("/en/finance/exports")).text
        assert "Une ligne par écriture" in (await nora.get("/fr/finance/exports")).text
        assert (await ask(nora, format="csv")).status_code == 303
        assert await write_exports() == 1
        number = await fetch_value("SELECT id FROM export_file")
        assert "Comma-separated" in (await nora.get("/en/finance/exports")).text
        file = await nora.get(f"/en/finance/exports/{number}")
        assert f'filename="entries-{YEAR}-01-01.csv"' in file.headers["content-disposition"]
        assert file.text == f"day,kind,cents\r\n{paris_day(clock.now())},sale,12000\r\n"
