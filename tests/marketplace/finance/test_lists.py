"""Finance's lists: sorted by their headings and narrowed over all pages; their files have all rows in that order."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from marketplace.database import execute
from marketplace.paging import PAGE_SIZE
from tests.marketplace.finance import sales
from tests.marketplace.finance.test_pages import signed_in
from tests.marketplace.identity.site import text_of
from tests.support.reads import fetch_value

if TYPE_CHECKING:
    import httpx


async def rows_of(visitor: httpx.AsyncClient, path: str) -> list[list[str]]:
    """Return the rows of a file, without its headings."""
    answer = await visitor.get(path)
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))[1:]


async def test_orders_are_sorted_and_narrowed_over_all_pages_and_so_is_their_file() -> None:
    await sales.open_shop()
    for number in range(PAGE_SIZE + 2):
        order = await sales.make_order()
        await execute("UPDATE purchase_order SET reference = $2 WHERE id = $1", order, str(number))
    await sales.pay_unseen(order)
    await sales.settle(order)
    await sales.mirror(order)
    newest = await fetch_value("SELECT number FROM purchase_order WHERE id = $1", order)
    lowest, highest = [await fetch_value(f"SELECT {end}(number) FROM purchase_order") for end in ("min", "max")]
    another = await fetch_value("SELECT number FROM purchase_order WHERE id <> $1 LIMIT 1", order)
    async with await signed_in("auditor") as visitor:
        first = text_of(await visitor.get("/en/finance/orders?sort=number"))
        assert lowest in first
        assert highest not in first, "sorted over all pages, not within the one that is shown"
        assert newest in text_of(await visitor.get("/en/finance/orders"))
        paid = text_of(await visitor.get("/fr/finance/orders?which=paid&sort=total"))
        assert newest in paid
        assert another not in paid
        file = await rows_of(visitor, "/en/finance/orders.csv?sort=number")
        assert len(file) == PAGE_SIZE + 2
        assert [row[0] for row in file] == sorted(row[0] for row in file)
        assert [row[0] for row in await rows_of(visitor, "/en/finance/orders.csv?which=paid")] == [newest]
        assert (await visitor.get("/en/finance/orders?sort=;DROP&which=%27")).status_code == 200, "nonsense is no order"
        charges = await rows_of(visitor, "/en/finance/transactions.csv?category=charge")
        assert [(row[2], row[3], row[8]) for row in charges] == [("Charge", "120.00", newest)]
        assert await rows_of(visitor, "/en/finance/transactions.csv?category=nothing") == []
        assert "Charge" in text_of(await visitor.get("/en/finance/reconciliation?category=charge"))
        assert await rows_of(visitor, "/en/finance/penalties.csv") == []
