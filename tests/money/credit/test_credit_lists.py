"""What finance reads of credit: sales, limits and decisions, paged, sorted and narrowed, their files whole in that order."""

import csv
import io
import uuid

import httpx

from marketplace.core import clock
from marketplace.core.paging import PAGE_SIZE
from marketplace.money.credit.actions import remind_debtors
from marketplace.money.credit.proposals import propose_write_down
from tests.money.builders import DAY, with_limit
from tests.people.builders import PASSWORD, Browser, add_staff, make_staff, page_text
from tests.sales.builders.shop import make_buyer, on_credit, open_shop
from tests.support.decisions import decide


def rows_of_answer(answer: httpx.Response) -> list[list[str]]:
    """Return the rows of a file, without its headings."""
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))[1:]


async def test_sales_limits_and_decisions_are_paged_sorted_narrowed_and_handed_out() -> None:
    release, partner = await open_shop(), await make_buyer()
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    await with_limit(partner, 100_000_000, ada, bob)
    orders = [await on_credit(partner, release) for _ in range(PAGE_SIZE + 2)]
    numbers, total = [order["number"] for order in orders], orders[0]["total_minor"]
    with clock.shifted(31 * DAY):
        refused = uuid.uuid4()
        await propose_write_down("provision", orders[3]["id"], 700, ada, reason="Slow.", form_id=refused)
        await decide(refused, bob, approve=False)
        given = uuid.uuid4()
        await propose_write_down("provision", orders[-1]["id"], 900, ada, reason="Slower.", form_id=given)
        await decide(given, bob, approve=True)
        await add_staff("eve@partage.example", "Eve", "auditor", PASSWORD)
        async with Browser() as eve:
            await eve.sign_in("eve@partage.example")
            first = page_text(await eve.get("/en/finance/credit"))
            assert (numbers[0] in first, numbers[-1] in first) == (True, False), "one page of them"
            assert numbers[-1] in page_text(await eve.get("/en/finance/credit?page=2&sort=due"))
            by_provision = page_text(await eve.get("/fr/finance/credit?sort=provision"))
            assert numbers[-1] in by_provision, "sorted over all pages, not within the one that is shown"
            assert f"{total * len(orders) / 100:,.2f}" in first, "ages are of all pages"
            file = rows_of_answer(await eve.get("/en/finance/credit.csv?sort=provision&which=overdue"))
            assert [row[0] for row in file] == [numbers[-1], *numbers[:-1]]
            assert rows_of_answer(await eve.get("/en/finance/credit.csv?which=suspended")) == []

            [limit] = rows_of_answer(await eve.get("/fr/finance/credit/limits.csv?which=overdue&sort=left"))
            owed = total * len(orders) / 100
            assert limit == ["Atelier", "1000000.00", f"{owed:.2f}", f"{owed:.2f}", f"{1_000_000 - owed:.2f}"]
            assert rows_of_answer(await eve.get("/en/finance/credit/limits.csv?which=used")) == []
            assert "Atelier" in page_text(await eve.get("/fr/finance/credit/limits?sort=owed"))
            assert "Propose a limit" not in page_text(await eve.get("/en/finance/credit/limits"))
            assert (await eve.get("/en/finance/credit/limits?which=odd")).status_code == 422

            decided = rows_of_answer(await eve.get("/en/finance/decisions.csv?kind=credit&sort=amount"))
            assert [(row[3], row[2], row[9]) for row in decided] == [
                ("What: Limit", "1000000.00", "approved"),
                ("What: Provision", "9.00", "approved"),
                ("What: Provision", "7.00", "refused"),
            ]
            [one] = rows_of_answer(await eve.get("/fr/finance/decisions.csv?which=refused"))
            assert one[1] == numbers[3]
            assert "Slow." in page_text(await eve.get("/en/finance/decisions?which=refused&sort=decided"))
            assert "Slow." not in page_text(await eve.get("/fr/finance/decisions?which=approved&sort=proposed"))
            moved = await eve.get("/fr/finance/credit/decided?which=refused")
            assert (moved.status_code, moved.headers["location"]) == (
                308,
                "/fr/finance/decisions?kind=credit&which=refused",
            )
        assert await remind_debtors() == len(orders)
