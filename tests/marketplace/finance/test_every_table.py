"""Every table of finance's pages sorts by its headings, is narrowed and handed out, also while it is empty."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import pytest

from marketplace import clock
from marketplace.bank_rules.actions import decide_rule, end_rule, propose_rule
from marketplace.bookkeeping.years import decide_year, propose_year
from marketplace.database import execute
from marketplace.ledger import chart
from marketplace.ledger.category_accounts import decide_category_account, propose_category_account
from marketplace.ledger.periods import list_closed
from marketplace.web.formats import paris_day
from tests.marketplace.bookkeeping.test_years import YEAR, two_years
from tests.marketplace.finance import sales
from tests.marketplace.finance.test_lists import rows_of
from tests.marketplace.finance.test_pages import signed_in
from tests.marketplace.identity.site import make_staff, text_of
from tests.marketplace.payments.test_commands import order as ask_stripe

if TYPE_CHECKING:
    import httpx

TABLES = {
    "/finance/periods": ("oldest", "closed", "person"),
    "/finance/years": ("oldest", "result", "carried", "proposed", "decided"),
    "/finance/bank/rules": ("words", "account", "most", "booked", "proposed", "decided"),
    "/finance/business/behind": ("oldest", "number", "net", "vat"),
    "/finance/categories": ("category", "account", "proposed", "decided"),
    "/finance/commands": ("verb", "amount", "attempts", "next", "type", "happened", "came"),
}
"""A page of a table → what it is sorted by; its file is the same with `.csv`."""


async def column(visitor: httpx.AsyncClient, path: str, at: int = 0) -> list[str]:
    return [row[at] for row in await rows_of(visitor, path)]


@pytest.mark.parametrize("path", TABLES)
async def test_a_table_without_rows_is_handed_out_all_the_same_and_in_any_order(path: str) -> None:
    async with await signed_in("auditor") as eve, await signed_in("steward") as steward:
        for language in ("en", "fr"):
            page = (await eve.get(f"/{language}{path}")).text
            assert f'href="/{language}{path}.csv?' in page, "the file is there though no row is"
            for sort in (*TABLES[path], ";DROP TABLE period", "'"):
                assert (await eve.get(f"/{language}{path}", params={"sort": sort, "which": sort})).status_code == 200
                answer = await eve.get(f"/{language}{path}.csv", params={"sort": sort, "which": sort})
                assert answer.headers["content-type"].startswith("text/csv")
                assert len(answer.content.decode("utf-8-sig").splitlines()) == 1, "its headings"
        assert (await steward.get(f"/en{path}.csv")).status_code == 403


async def test_closed_months_and_years_are_sorted_narrowed_and_handed_out() -> None:
    await two_years()
    ada, bob = await make_staff("=ADA()"), await make_staff("Bob")
    for year, approve in ((YEAR - 1, True), (YEAR, False)):
        await propose_year(year, ada, form_id=(form := uuid.uuid4()))
        await decide_year(form, bob, approve=approve)
    months = [row.month.isoformat()[:7] for row in await list_closed()]
    async with await signed_in("auditor") as eve:
        assert await column(eve, "/en/finance/periods.csv") == months == sorted(months, reverse=True)
        assert await column(eve, "/en/finance/periods.csv?sort=oldest") == sorted(months)
        assert await column(eve, "/en/finance/periods.csv?sort=closed") == sorted(months), "as they were closed"
        page = (await eve.get("/en/finance/periods?month=2026-01&sort=oldest")).text
        assert 'href="/en/finance/periods?month=2026-01&amp;sort=closed"' in page
        assert 'aria-sort="other"' in page
        rows = await rows_of(eve, "/en/finance/years.csv")
        assert [(row[0], row[1], row[3], row[5], row[7]) for row in rows] == [
            (str(YEAR), "-2.00", "'=ADA()", "Bob", "refused"),
            (str(YEAR - 1), "7.00", "'=ADA()", "Bob", "approved"),
        ]
        for sort in ("oldest", "result", "decided"):
            assert await column(eve, f"/en/finance/years.csv?sort={sort}") == [str(YEAR - 1), str(YEAR)]
        assert await column(eve, "/fr/finance/years.csv?which=refused", 7) == ["refus"]
        opening = "/en/finance/years/opening.csv"
        assert await rows_of(eve, f"{opening}?year={YEAR}") == [
            ["110000", "Retained earnings", "0.00", "5.00"],
            ["401000", "Suppliers", "0.00", "5.50"],
            ["411000", "Partners", "10.50", "0.00"],
        ]
        assert await column(eve, f"{opening}?year={YEAR}&sort=opening_debit") == ["411000", "110000", "401000"]
        assert await column(eve, f"{opening}?year={YEAR}&sort=opening_credit") == ["401000", "110000", "411000"]
        assert await column(eve, f"{opening}?year=²⁰²⁶") == await column(
            eve, f"{opening}?year={paris_day(clock.now()).year - 1}"
        )
        shown = (await eve.get("/fr/finance/years?sort=opening_debit")).text
        assert f'href="/fr/finance/years/opening.csv?year={YEAR}&sort=opening_debit"' in shown.replace("&amp;", "&")
        assert shown.index("411000") < shown.index("401000")
        page = text_of(await eve.get("/en/finance/years?which=refused&sort=result"))
        assert "−€2.00" in page
        assert "€7.00 " not in page


async def test_rules_for_bank_lines_are_sorted_narrowed_and_handed_out() -> None:
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    given = {"zeta": 100, "@alpha": 300, "middle": 200, "open": 900}
    for words, most in given.items():
        form = uuid.uuid4()
        await propose_rule(
            words, chart.BANK_CHARGES, ada, comes_in=False, most_minor=most, reason="A fee.", form_id=form
        )
        if words != "open":
            await decide_rule(form, bob, approve=words != "zeta")
        if words == "middle":
            await end_rule(form, bob)
    path = "/en/finance/bank/rules"
    async with await signed_in("auditor") as eve:
        assert await column(eve, f"{path}.csv?sort=words") == ["open", "'@alpha", "middle", "zeta"]
        assert await column(eve, f"{path}.csv?sort=most", 3) == ["9.00", "3.00", "2.00", "1.00"]
        assert await column(eve, f"{path}.csv?sort=proposed") == ["open", "zeta", "'@alpha", "middle"]
        for which, words in (("current", "'@alpha"), ("refused", "zeta"), ("ended", "middle")):
            [row] = await rows_of(eve, f"{path}.csv?which={which}")
            assert (row[0], row[-1]) == (words, which)
        shown = text_of(await eve.get(f"{path}?which=ended&sort=words"))
        assert "middle" in shown
        assert "zeta" not in shown
        assert "“open”" in shown, "what waits is never narrowed away"
        assert f'href="{path}?sort=most"' in (await eve.get(path)).text


async def test_what_is_behind_a_number_is_sorted_narrowed_and_handed_out() -> None:
    await sales.open_shop()
    for last in (False, False, True):
        await sales.pay_unseen(order := await sales.make_order())
        await sales.settle(order)
        if last:
            await sales.refund(order)
    today = paris_day(clock.now())
    query = f"by=dataset&key=city&since={today - dt.timedelta(days=1)}&until={today}"
    path = f"/en/finance/business/behind.csv?{query}"
    async with await signed_in("auditor") as eve:
        newest = await column(eve, path, 1)
        assert len(newest) == 4
        assert await column(eve, f"{path}&sort=oldest", 1) == sorted(newest, key=int)
        assert [float(net) for net in await column(eve, f"{path}&sort=net", 4)] == [100, 100, 100, -100]
        numbers = await column(eve, f"{path}&sort=number", 3)
        assert numbers == sorted(numbers)
        assert await column(eve, f"{path}&which=refund", 4) == ["-100.00"]
        page = await eve.get(f"/en/finance/business/behind?{query}&which=refund&sort=net")
        assert "−€100.00" in text_of(page)
        assert f"&amp;until={today}&amp;which=refund&amp;sort=net" in page.text
        assert page.text.count("/finance/journal/") == 1


async def test_accounts_of_categories_are_sorted_narrowed_and_handed_out() -> None:
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    for category, account in (("tax", chart.SUPPLIERS), ("climate", chart.LOSSES), ("issuing", chart.BANK_CHARGES)):
        form = uuid.uuid4()
        await propose_category_account(category, account, ada, reason="=HYPERLINK()", form_id=form)
        if category != "issuing":
            await decide_category_account(form, bob, approve=category == "tax")
    path = "/en/finance/categories"
    async with await signed_in("auditor") as eve:
        rows = await rows_of(eve, f"{path}.csv")
        assert [(row[0], row[2], row[5], row[7]) for row in rows] == [
            ("issuing", "'=HYPERLINK()", "", ""),
            ("climate", "'=HYPERLINK()", "Bob", "refused"),
            ("tax", "'=HYPERLINK()", "Bob", "approved"),
        ]
        assert await column(eve, f"{path}.csv?sort=category") == ["climate", "issuing", "tax"]
        assert await column(eve, f"{path}.csv?sort=proposed") == ["tax", "climate", "issuing"]
        assert await column(eve, f"{path}.csv?sort=account") == ["tax", "issuing", "climate"]
        for which, category in (("waiting", "issuing"), ("approved", "tax"), ("refused", "climate")):
            assert await column(eve, f"{path}.csv?which={which}") == [category]
        page = await eve.get(f"{path}?which=refused&sort=category")
        assert "climate" in text_of(page)
        assert "issuing" not in text_of(page)
        assert f'href="{path}?which=refused&amp;sort=account"' in page.text


async def test_what_is_stuck_at_stripe_and_lost_webhooks_are_sorted_narrowed_and_handed_out() -> None:
    for attempts, amount in ((3, 9_000), (9, 30_000), (1, 20_000)):
        command = await ask_stripe(uuid.uuid4(), amount)
        await execute(
            """UPDATE stripe_command
               SET attempts = $2::int, created_at = created_at - interval '1 day', next_at = $3::timestamptz - $2::int * interval '1 hour',
                   state = CASE $2::int WHEN 9 THEN 'failed' ELSE state END, error = '+1'
               WHERE id = $1""",
            command,
            attempts,
            clock.now() + dt.timedelta(days=1),
        )
    for name, kind, hours in (("evt_1", "b.b", 1), ("evt_2", "c.c", 3), ("evt_3", "a.a", 2)):
        await execute(
            """INSERT INTO stripe_event (id, type, payload, came_by, received_at, created_at, lost_at)
               VALUES ($1, $2, '{}', 'sweep', $3, $3, $3)""",
            name,
            kind,
            clock.now() - dt.timedelta(hours=hours),
        )
    path = "/en/finance/commands"
    async with await signed_in("auditor") as eve:
        rows = await rows_of(eve, f"{path}.csv")
        assert [(row[1], row[2], row[6], row[7]) for row in rows] == [
            ("Pending", "3", "90.00", "'+1"),
            ("Failed", "9", "300.00", "'+1"),
            ("Pending", "1", "200.00", "'+1"),
        ], "oldest first, and no cell begins a formula"
        for sort, attempts in (("amount", "913"), ("attempts", "931"), ("next", "931"), ("verb", "391")):
            assert "".join(await column(eve, f"{path}.csv?sort={sort}", 2)) == attempts
        assert await column(eve, f"{path}.csv?which=failed", 2) == ["9"]
        page = text_of(await eve.get(f"{path}?which=pending&sort=amount"))
        assert page.index("€200.00") < page.index("€90.00")
        assert "€300.00" not in page
        lost = "/en/finance/lost-webhooks.csv"
        assert await column(eve, lost, 1) == ["evt_1", "evt_3", "evt_2"]
        assert await column(eve, f"{lost}?sort=type", 1) == ["evt_3", "evt_1", "evt_2"]
        assert await column(eve, f"{lost}?sort=came", 1) == ["evt_2", "evt_3", "evt_1"]
        page = (await eve.get(f"{path}?sort=happened")).text
        assert f'href="{lost}?sort=happened"' in page
        assert page.index("evt_2") < page.index("evt_3") < page.index("evt_1")
