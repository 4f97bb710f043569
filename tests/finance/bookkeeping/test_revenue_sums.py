"""Revenue by sums of days is the journal's to the cent: before the job, between two runs, after it, and though it is killed."""

import asyncio
import datetime as dt
import random
import re
import uuid
from collections import Counter

import asyncpg
import pytest

from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.core.paging import PAGE_SIZE
from marketplace.core.web.formats import PARIS, paris_day
from marketplace.finance.bookkeeping import business_actions, business_pages, business_queries
from marketplace.finance.bookkeeping.business_actions import sum_revenue
from marketplace.finance.bookkeeping.business_queries import SHARES, SOLD, SQL
from marketplace.finance.bookkeeping.revenue_entries import SORTS, Number, list_all_behind, list_behind
from marketplace.money.ledger import chart
from marketplace.money.ledger.actions import record
from marketplace.money.ledger.queries import SQL as LEDGER
from marketplace.sales.orders.corrections import correct_invoice
from tests.finance.builders import sales
from tests.finance.builders.pages import signed_in
from tests.people.builders import make_staff, page_text
from tests.support.reads import fetch, fetch_value
from tests.support.waiting import until_blocked

DAY = dt.timedelta(days=1)
STEPS = 14
SALE = [
    (chart.PARTNERS, chart.LICENCES_SOLD, sales.NET),
    (chart.PARTNERS, chart.VAT_COLLECTED, sales.VAT),
]


async def waiting() -> int:
    return await fetch_value("SELECT count(*) FROM unsummed_entry")


async def revenue_rows(side: str) -> list[tuple[str, int, int, int]]:
    day = paris_day(clock.now())
    found = await business_queries.list_revenue(side, day - 9 * DAY, day + 99 * DAY)
    return [(row.key, row.orders, row.net_minor, row.vat_minor) for row in found]


@pytest.mark.parametrize("seed", range(3))
async def test_each_day_is_what_its_entries_moved_whenever_the_job_was_there(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(business_actions, "BATCH_SIZE", 2)
    dice = random.Random(seed)  # noqa: S311 (the same days each time)
    await sales.write_shop()
    clerk, today = await make_staff("Ada"), paris_day(clock.now())
    sold: list[uuid.UUID] = []
    kept: list[uuid.UUID] = []
    orders, net = Counter[int](), Counter[int]()
    for day in range(STEPS):
        with clock.shifted(day * DAY):
            what = dice.choice(["sell", "sell", "refund", "correct"])
            if what == "sell" or not kept:
                kept.append(await sales.write_sold_order())
                sold.append(kept[-1])
                orders[day] += 1
                net[day] += sales.NET
            elif what == "refund":
                await sales.write_refund(kept.pop(dice.randrange(len(kept))))
                net[day] -= sales.NET
            else:
                invoice = await fetch_value(
                    """SELECT id FROM invoice WHERE purchase_order = $1 AND kind = 'invoice'
                       AND NOT EXISTS (SELECT FROM invoice_correction WHERE invoice = invoice.number)""",
                    dice.choice(kept),
                )
                await correct_invoice(invoice, clerk, correction=uuid.uuid4(), reason="Another address.")
        if dice.random() < 0.4:
            before = await waiting()
            assert await sum_revenue() == before
            assert await waiting() == 0
        first = dice.randrange(STEPS)
        last = dice.randrange(first, STEPS)
        within = range(first, last + 1)
        for side in business_queries.SIDES:
            found = await business_queries.list_revenue(side, today + first * DAY, today + last * DAY)
            assert sum(row.net_minor for row in found) == sum(net[one] for one in within)
            assert sum(row.vat_minor for row in found) * 5 == sum(net[one] for one in within)
            assert sum(row.orders for row in found) == sum(orders[one] for one in within)
            for row in found:
                number = Number(side, row.key, today + first * DAY, today + last * DAY)
                behind = await list_all_behind(number)
                assert sum(one.net_minor for one in behind) == row.net_minor
                assert sum(one.kind == "sale" for one in behind) == row.orders
                assert behind == sorted(behind, key=lambda one: (one.at, one.entry), reverse=True)
    assert len(sold) > 3
    await sum_revenue()
    assert await waiting() == 0


async def test_a_day_is_the_day_in_paris_on_both_sides_of_midnight() -> None:
    await sales.write_shop()
    midnight = dt.datetime.combine(paris_day(clock.now()) + 2 * DAY, dt.time(), PARIS)
    half = dt.timedelta(minutes=30)
    for at in (midnight - half, midnight + half):
        with clock.shifted(at - clock.now()):
            await sales.write_sold_order()
    for _ in range(2):  # read from the entries, and from the sums
        for side in business_queries.SIDES:
            for day in (midnight.date() - DAY, midnight.date()):
                [row] = await business_queries.list_revenue(side, day, day)
                assert (row.orders, row.net_minor) == (1, sales.NET), (side, day)
                assert len(await list_all_behind(Number(side, row.key, day, day))) == 1
        await sum_revenue()


async def test_a_partner_that_states_another_sector_has_its_revenue_there() -> None:
    await sales.write_shop()
    await sales.write_sold_order()
    assert await sum_revenue() == 1
    state = """INSERT INTO partner_sector (partner, sector, stated_at, stated_by) VALUES ($1, $2, now(), gen_random_uuid())
               ON CONFLICT (partner) DO UPDATE SET sector = excluded.sector"""
    assert await revenue_rows("sector") == [("", 1, sales.NET, sales.VAT)]
    for sector in ("transport", "retail"):
        await execute(state, sales.PARTNER, sector)
        assert await revenue_rows("sector") == [(sector, 1, sales.NET, sales.VAT)]


async def test_how_each_licence_was_sold_is_kept() -> None:
    await sales.write_shop()
    posted, subscribed = await sales.write_sold_order(), await sales.write_sold_order()
    await execute(
        """WITH begun AS (INSERT INTO subscription (id, partner, dataset, locked, locked_minor, releases, after, began_at, promised_days,
                                                    promised_coverage_micro, terms)
                          VALUES (gen_random_uuid(), $1, 'city', '', 10000, 4, now(), now(), 3, 1, 'standard-1')
                          RETURNING id)
           INSERT INTO subscribed_release (id, subscription, release, purchase_order, at)
           SELECT gen_random_uuid(), id, $2, $3, now() FROM begun""",
        sales.PARTNER,
        sales.RELEASE,
        subscribed,
    )
    await sales.write_refund(posted)
    before = await revenue_rows("way")
    assert sorted(before) == [("posted", 1, 0, 0), ("subscription", 1, sales.NET, sales.VAT)]
    assert await sum_revenue() == 3
    assert await revenue_rows("way") == before


async def test_what_is_no_order_of_ours_is_nobodys_revenue_and_does_not_wait_for_ever() -> None:
    await sales.write_shop()
    with pytest.raises(ZeroDivisionError):
        async with transaction():
            for source in ("gift", str(uuid.uuid4())):
                await record("sale", source, at=clock.now(), text="x", postings=SALE)
            assert await revenue_rows("dataset") == []
            assert await sum_revenue() == 2
            assert await waiting() == 0
            assert await revenue_rows("dataset") == []
            _ = 1 // 0


async def test_an_entry_that_commits_late_is_summed_too(database_url: str) -> None:
    await sales.write_shop()
    order = await sales.write_order()
    late = await asyncpg.connect(database_url)
    writing = late.transaction()
    await writing.start()
    entry = await late.fetchval(
        """INSERT INTO journal_entry (kind, source_id, at, recorded_at, currency, text)
           VALUES ('sale', $1, now(), now(), 'EUR', 'x') RETURNING id""",
        str(order),
    )
    for debit, credit, amount in SALE:
        await late.execute(
            "INSERT INTO posting (entry, debit, credit, amount_minor) VALUES ($1, $2, $3, $4)",
            entry,
            debit,
            credit,
            amount,
        )
    await sales.write_sold_order()
    assert await sum_revenue() == 1, "nobody waits for a transaction that is open"
    assert await revenue_rows("dataset") == [("city", 1, sales.NET, sales.VAT)]
    await writing.commit()
    await late.close()
    twice = [("city", 2, 2 * sales.NET, 2 * sales.VAT)]
    assert await revenue_rows("dataset") == twice
    assert await sum_revenue() == 1
    assert await revenue_rows("dataset") == twice
    await sales.pay_unseen(order)
    await sales.write_settled(order)
    assert await revenue_rows("dataset") == twice, "the sale was entered already"


async def test_two_workers_and_one_that_is_killed_sum_each_entry_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(business_actions, "BATCH_SIZE", 3)
    await sales.write_shop()
    for _ in range(20):
        await sales.write_sold_order()
    killed = await asyncpg.connect(database_url)
    writing = killed.transaction()
    await writing.start()
    entries = [row["entry"] for row in await killed.fetch(LEDGER["claim_unsummed"], 5)]
    assert await killed.fetchval(SQL["sum_revenue"], *SOLD, SHARES, entries) == 5
    seen = await revenue_rows("partner")
    workers = [asyncio.create_task(sum_revenue()) for _ in range(2)]
    await until_blocked(2)
    killed.terminate()
    await asyncio.gather(*workers)
    assert seen == [(str(sales.PARTNER), 20, 20 * sales.NET, 20 * sales.VAT)]
    assert await revenue_rows("partner") == seen
    await sum_revenue()
    assert await waiting() == 0
    assert await revenue_rows("partner") == seen
    [kept] = await fetch("SELECT orders, net_minor FROM revenue_sum WHERE side = 'partner'")
    assert tuple(kept) == (20, 20 * sales.NET)


async def test_what_is_behind_a_number_is_found_by_each_of_its_keys_and_in_each_order() -> None:
    await sales.write_shop()
    today = paris_day(clock.now())
    orders = [await sales.write_sold_order() for _ in range(PAGE_SIZE + 2)]
    await sum_revenue()
    await sales.write_refund(orders[3])
    async with await signed_in("auditor") as eve:
        for _ in range(2):
            for side in business_queries.SIDES:
                [row] = await business_queries.list_revenue(side, today, today)
                number = Number(side, row.key, today, today)
                newest = await list_all_behind(number)
                assert [one.kind for one in newest] == ["refund"] + ["sale"] * len(orders)
                assert [one.entry for one in newest] == sorted((one.entry for one in newest), reverse=True)
                parts = [(await list_behind(number, page=page)).rows for page in (1, 2, 3)]
                assert [*parts[0], *parts[1]] == newest, "a page begins where the one before ends"
                assert not parts[2]
                assert await list_all_behind(number, sort="oldest") == newest[::-1]
                assert [one.kind for one in await list_all_behind(number, "refund")] == ["refund"]
                assert not await list_all_behind(number, "dispute_lost")
                assert not await list_all_behind(Number(side, "no such key", today, today))
                assert not await list_all_behind(Number(side, row.key, today + DAY, today + DAY))
                for sort in SORTS:
                    found = await list_all_behind(number, sort=sort)
                    assert sorted(found, key=lambda one: one.entry) == newest[::-1]
                by_number = [one.number for one in await list_all_behind(number, sort="number")]
                assert by_number == sorted(by_number)
                assert (await list_all_behind(number, sort="net"))[-1] == newest[0], "what went back is least"
                page = page_text(await eve.get(f"/en/finance/business/behind?by={side}&key={row.key}"))
                assert f"Orders {len(orders)}" in page
            await sum_revenue()


@pytest.mark.parametrize(
    "offence",
    [
        "UPDATE revenue_entry SET net_minor = net_minor + 1",
        "UPDATE revenue_entry SET at = at - interval '1 day'",
        "UPDATE revenue_entry SET partner = gen_random_uuid()",
        "DELETE FROM revenue_entry",
        "UPDATE revenue_sum SET orders = orders + 1",
        "UPDATE revenue_sum SET day = day - 1",
        "INSERT INTO unsummed_entry SELECT entry FROM revenue_entry",
    ],
)
async def test_what_is_kept_wrongly_is_named(offence: str) -> None:
    await sales.write_shop()
    await sales.write_sold_order()
    await sum_revenue()
    assert not await fetch(SQL["list_wrong_sums"], *SOLD, SHARES)
    with pytest.raises(ZeroDivisionError):
        async with transaction():
            await execute(offence)
            assert await fetch(SQL["list_wrong_sums"], *SOLD, SHARES)
            _ = 1 // 0


async def test_a_number_of_too_many_orders_is_sorted_by_the_date_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    await sales.write_shop()
    await sales.write_refund(await sales.write_sold_order())
    await sales.write_sold_order()
    path = "/en/finance/business/behind?by=dataset&key=city&sort="
    async with await signed_in("auditor") as eve:
        by_amount = await eve.get(f"{path}net")
        assert "sort=vat" in by_amount.text
        monkeypatch.setattr(business_pages, "MOST_SORTED", 1)
        newest = await eve.get(f"{path}net")
        assert "More than 1 orders are sorted here by their date alone" in page_text(newest)
        assert "sort=vat" not in newest.text
        assert "sort=oldest" in newest.text
        are_refunds = [
            ["Refund" in kind for kind in re.findall(r"· ([^<]+)</a>", page.text)] for page in (by_amount, newest)
        ]
        assert are_refunds == [[False, False, True], [False, True, False]]


async def test_the_page_is_the_same_before_and_after_the_job() -> None:
    await sales.write_shop()
    await sales.write_sold_order()
    await sales.write_refund(await sales.write_sold_order())
    async with await signed_in("auditor") as eve:
        for side in business_queries.SIDES:
            before = page_text(await eve.get(f"/en/finance/business?by={side}"))
            await sum_revenue()
            assert page_text(await eve.get(f"/en/finance/business?by={side}")) == before
        await sales.write_sold_order()
        assert "Acme 3 " in page_text(await eve.get("/en/finance/business?by=partner"))
