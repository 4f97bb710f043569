"""What an entry is reads in the page's language; its text stays as it was written."""

from tests.finance.builders import sales
from tests.finance.builders.pages import signed_in
from tests.support.reads import fetch_value


async def test_the_journal_and_an_entry_show_its_kinds_label_and_its_own_text() -> None:
    await sales.write_shop()
    await sales.write_sold_order()
    entry = await fetch_value("SELECT id FROM journal_entry WHERE kind = 'sale'")
    text = await fetch_value("SELECT text FROM journal_entry WHERE id = $1", entry)
    async with await signed_in("auditor") as visitor:
        for language, label in (("en", "Sale of a licence"), ("fr", "Vente d’une licence")):
            for path in ("journal", f"journal/{entry}"):
                page = (await visitor.get(f"/{language}/finance/{path}")).text
                assert label in page
                assert text in page
