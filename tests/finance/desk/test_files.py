"""Every CSV file of finance, opened in both languages over the books of a year that was played."""

import csv
import io
import re

import httpx

from marketplace.core.database import execute
from marketplace.finance.desk.decision_pages import MOVED
from marketplace.site.app import routes
from tests.finance.builders import sales
from tests.finance.builders.banking import decide_everything, pay_subscribers
from tests.finance.builders.pages import signed_in
from tests.support.reads import fetch_value

ALIKE = {"Date", "Total", "Page", "Document", "Net", "SHA-256"}
"""Words that are the same in both languages."""
FOR_PROGRAMS = {"/finance/rewards/billing.csv"}
"""What a program of the operator's reads, by names that stay."""
NO_WORD = re.compile(r"^\d{4}-\d\d-\d\dT|^/(en|fr)/|^[=+@\t\r\n]|^-(?!\d)|^(None|True|False)$")
"""How no cell begins: an instant of a machine's, an address without its site, a formula, a value of the program's."""


async def rows_with_headings(visitor: httpx.AsyncClient, path: str) -> list[list[str]]:
    """Return a file's rows, its headings first."""
    answer = await visitor.get(path)
    assert answer.status_code == 200, (path, answer.status_code, answer.text[:200])
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))


def files_of_finance() -> list[str]:
    """Return the address of every CSV of finance."""
    elsewhere = {*FOR_PROGRAMS, *MOVED}
    paths = {path for handler in routes() for path in handler.paths if "GET" in handler.http_methods}
    return sorted(path for path in paths - elsewhere if path.startswith("/finance/") and path.endswith(".csv"))


async def test_every_file_of_finance_reads_well_in_both_languages() -> None:
    await sales.write_shop()
    await decide_everything()
    await pay_subscribers()
    await sales.write_order()
    await execute("UPDATE partner SET company = '=1+1'")
    run = await fetch_value("SELECT id FROM payout_run LIMIT 1")
    filled, found = set[str](), list[tuple[str, str, object]]()
    async with await signed_in("finance") as clerk:
        for path in files_of_finance():
            where = path.replace("{run:uuid}", str(run))
            where += "?by=partner&key=" + str(sales.PARTNER) if "behind" in path else ""
            english, french = [await rows_with_headings(clerk, f"/{language}{where}") for language in ("en", "fr")]
            found += [
                (path, "heading", one)
                for one, its in zip(english[0], french[0], strict=True)
                if one == its not in ALIKE
            ]
            found += [(path, "cell", cell) for row in english[1:] + french[1:] for cell in row if NO_WORD.search(cell)]
            if len(english) > 1:
                filled.add(path)
    assert found == []
    assert len(filled) >= 15
