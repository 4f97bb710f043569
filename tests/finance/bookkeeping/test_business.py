"""The business in figures: each number is the books', adds up with what is beside it, and leads to its entries."""

import datetime as dt
import re
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.web.formats import paris_day
from marketplace.finance.bookkeeping import business_queries
from marketplace.finance.bookkeeping.business_rules import AGES, DayMove, ages_of, forecast
from marketplace.finance.bookkeeping.revenue_entries import Number, list_behind
from marketplace.money.ledger import chart
from marketplace.money.ledger.actions import record
from marketplace.money.ledger.queries import balance
from tests.finance.builders import sales
from tests.finance.builders.pages import signed_in
from tests.people.builders import page_text

TODAY = dt.date(2026, 11, 27)
PAGE = "/en/finance/business"
cents = st.integers(0, 1_000)


@given(st.lists(st.tuples(st.integers(0, 500), cents, cents), max_size=12))
def test_what_is_owed_by_age_is_what_is_left_when_the_oldest_is_paid_first(
    rows: Sequence[tuple[int, int, int]],
) -> None:
    days = sorted(rows, reverse=True)
    moves = [DayMove("467200", TODAY - dt.timedelta(days=ago), added, paid) for ago, added, paid in days]
    ages = ages_of(moves, TODAY)
    added, paid = sum(row[1] for row in days), sum(row[2] for row in days)
    assert sum(ages) == max(added - paid, 0)
    assert len(ages) == len(AGES) + 1
    # The youngest euro is owed last: of what was added within a limit, no more is left than that, and no less than what is owed in all.
    for place, limit in enumerate(AGES):
        young = sum(row[1] for row in days if row[0] < limit)
        assert sum(ages[: place + 1]) == min(young, sum(ages))


def test_the_forecast_has_what_is_due_and_nothing_else() -> None:
    vat = {chart.VAT_COLLECTED: -30, chart.VAT_RECLAIMED: 10}
    coming = forecast({chart.PARTNERS: 500, chart.SUBSCRIBERS_HELD: -70, chart.BANK: 9, chart.GIFTS: 0} | vat)
    assert [(row.account, row.within_days, row.amount_minor) for row in coming] == [
        (chart.PARTNERS, 31, 500),
        (chart.VAT_COLLECTED, 31, -30),
        (chart.VAT_RECLAIMED, 31, 10),
        (chart.SUBSCRIBERS_HELD, 92, -70),
    ]
    assert business_queries.Cash(1_000, coming).after(31) == 1_480
    assert business_queries.Cash(1_000, coming).after(92) == 1_410


async def test_each_number_adds_up_to_the_books_and_leads_to_its_entries() -> None:
    await sales.write_shop()
    async with await signed_in("auditor") as nobody:
        assert "Nothing yet" in page_text(await nobody.get(PAGE))
    for number in range(4):
        order = await sales.write_paid_order()
        licence = await sales.write_settled(order)
        if number == 3:
            await sales.write_refund(order)
            break
        await sales.mirror_charge(order)
        await sales.hold_shares(licence)
        if not number:
            await sales.release_shares(licence)
    await execute(
        "INSERT INTO partner_sector (partner, sector, stated_at, stated_by) SELECT partner.id, 'transport', now(), person.id FROM partner, person LIMIT 1"
    )
    await execute(
        """INSERT INTO subscription (id, partner, dataset, locked, locked_minor, releases, after, began_at, promised_days,
                                     promised_coverage_micro, terms)
           SELECT gen_random_uuid(), id, 'city', '', 5000, 4, now(), now(), 3, 1, 'standard-1' FROM partner LIMIT 1"""
    )
    now = clock.now()
    await record(
        "fact",
        "gift",
        at=now,
        text="x",
        postings=[(chart.ADVANCES, chart.LICENCES_SOLD, 7), (chart.VAT_COLLECTED, chart.ADVANCES, 3)],
    )
    today = paris_day(now)
    days = today - dt.timedelta(days=200), today
    for side in business_queries.SIDES:
        rows = await business_queries.list_revenue(side, *days)
        assert sum(row.net_minor for row in rows) == -await balance(chart.LICENCES_SOLD) - 7 > 0
        assert sum(row.vat_minor for row in rows) == -await balance(chart.VAT_COLLECTED) + 3
        for row in rows:
            behind = (await list_behind(Number(side, row.key, *days))).rows
            assert sum(one.net_minor for one in behind) == row.net_minor
            assert sum(one.vat_minor for one in behind) == row.vat_minor
    [month] = [row for row in await business_queries.list_months(*days) if row.sold_minor]
    assert month.subscribers_minor == await balance(chart.SUBSCRIBERS_SHARES)
    assert 0 < month.subscribers_part < 1
    owed = {row.account: row.ages for row in await business_queries.list_owed(today)}
    assert sum(owed[chart.SUBSCRIBERS_PAYABLE]) == -await balance(chart.SUBSCRIBERS_PAYABLE) > 0
    ahead = await business_queries.count_ordered_ahead()
    assert (ahead.subscriptions, ahead.releases, ahead.at_most_minor) == (1, 4, 20_000)
    async with await signed_in("auditor") as eve:
        for side, name in (
            ("dataset", ">City</a>"),
            ("partner", "Acme"),
            ("sector", "transport"),
            ("way", "At the posted price"),
            ("vat", "France 20"),
        ):
            page = (await eve.get(f"{PAGE}?by={side}&sort=name")).text
            assert name in page
            assert "Other entries of the account" in page
            [link] = set(re.findall(rf'/en/finance/business/behind\?by={side}[^"]+', page))
            text = page_text(await eve.get(link.replace("&amp;", "&")))
            assert "Sale of a licence" in text
        file = (await eve.get(f"{PAGE}.csv?by=partner&sort=orders")).content.decode("utf-8-sig")
        assert file.splitlines()[1].startswith("Acme,4,")
        assert "Chiffre d’affaires par : Mode de vente" in page_text(
            await eve.get(PAGE.replace("/en/", "/fr/") + "?by=way")
        )
        assert "Nothing yet" in page_text(await eve.get(f"{PAGE}/behind?by=dataset&key=other"))
        for wrong in ("by=colour", "since=x", "since=2026-02-01&until=2026-01-01", "until=9999-12-31"):
            assert (await eve.get(f"{PAGE}?{wrong}")).status_code == 422
