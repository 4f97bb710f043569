"""Every table of finance's pages sorts by its headings, is narrowed and handed out, also while it is empty."""

import datetime as dt
import uuid

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.web.formats import paris_day
from marketplace.finance.bank.rule_actions import end_rule
from marketplace.finance.bank.rule_proposals import propose_rule
from marketplace.finance.bookkeeping.years import propose_year
from marketplace.money.ledger import chart
from marketplace.money.ledger.periods import list_closed
from marketplace.money.payments.category_accounts import propose_category_account
from tests.finance.builders import sales
from tests.finance.builders.books import SECOND_YEAR, book_two_years
from tests.finance.builders.pages import column_of_csv, rows_of_csv, signed_in
from tests.money.builders import ask_payment as ask_stripe
from tests.people.builders import make_staff, page_text
from tests.support.decisions import decide

TABLES = {
    "/finance/periods": ("oldest", "closed", "person"),
    "/finance/years": ("oldest", "result", "carried", "proposed", "decided"),
    "/finance/bank/rules": ("words", "account", "most", "booked", "proposed", "decided"),
    "/finance/business/behind": ("oldest", "number", "net", "vat"),
    "/finance/decisions": ("what", "amount", "proposed", "decided"),
    "/finance/commands": ("verb", "amount", "attempts", "next", "type", "happened", "came"),
}
"""A page of a table → what it is sorted by; its file is the same with `.csv`."""


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
    await book_two_years()
    ada, bob = await make_staff("=ADA()"), await make_staff("Bob")
    for year, approve in ((SECOND_YEAR - 1, True), (SECOND_YEAR, False)):
        await propose_year(year, ada, form_id=(form := uuid.uuid4()))
        await decide(form, bob, approve=approve)
    months = [row.month.isoformat()[:7] for row in await list_closed()]
    async with await signed_in("auditor") as eve:
        assert await column_of_csv(eve, "/en/finance/periods.csv") == months == sorted(months, reverse=True)
        assert await column_of_csv(eve, "/en/finance/periods.csv?sort=oldest") == sorted(months)
        assert await column_of_csv(eve, "/en/finance/periods.csv?sort=closed") == sorted(months), "as they were closed"
        page = (await eve.get("/en/finance/periods?month=2026-01&sort=oldest")).text
        assert 'href="/en/finance/periods?month=2026-01&amp;sort=closed"' in page
        assert 'aria-sort="other"' in page
        rows = await rows_of_csv(eve, "/en/finance/years.csv")
        assert [(row[0], row[1], row[3], row[5]) for row in rows] == [(str(SECOND_YEAR - 1), "7.00", "'=ADA()", "Bob")]
        for sort in ("oldest", "result", "decided"):
            assert await column_of_csv(eve, f"/en/finance/years.csv?sort={sort}") == [str(SECOND_YEAR - 1)]
        [row] = await rows_of_csv(eve, "/en/finance/decisions.csv?kind=year&which=refused")
        facts = "Loss: €2.00; Carried to the next year: €10.50"
        assert [*row[:6], row[7], row[9]] == [
            "Year to close",
            str(SECOND_YEAR),
            "",
            facts,
            "",
            "'=ADA()",
            "Bob",
            "refused",
        ]
        assert await column_of_csv(eve, "/fr/finance/decisions.csv?which=refused", 9) == ["refus"]
        opening = "/en/finance/years/opening.csv"
        assert await rows_of_csv(eve, f"{opening}?year={SECOND_YEAR}") == [
            ["110000", "Retained earnings", "0.00", "5.00"],
            ["401000", "Suppliers", "0.00", "5.50"],
            ["411000", "Partners", "10.50", "0.00"],
        ]
        assert await column_of_csv(eve, f"{opening}?year={SECOND_YEAR}&sort=opening_debit") == [
            "411000",
            "110000",
            "401000",
        ]
        assert await column_of_csv(eve, f"{opening}?year={SECOND_YEAR}&sort=opening_credit") == [
            "401000",
            "110000",
            "411000",
        ]
        assert await column_of_csv(eve, f"{opening}?year=²⁰²⁶") == await column_of_csv(
            eve, f"{opening}?year={paris_day(clock.now()).year - 1}"
        )
        shown = (await eve.get("/fr/finance/years?sort=opening_debit")).text
        assert f'href="/fr/finance/years/opening.csv?year={SECOND_YEAR}&sort=opening_debit"' in shown.replace(
            "&amp;", "&"
        )
        assert shown.index("411000") < shown.index("401000")
        page = page_text(await eve.get("/en/finance/decisions?kind=year&which=refused"))
        assert "€2.00" in page
        assert "€7.00" not in page


async def test_rules_for_bank_lines_are_sorted_narrowed_and_handed_out() -> None:
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    given = {"zeta": 100, "@alpha": 300, "middle": 200, "open": 900}
    for words, most in given.items():
        form = uuid.uuid4()
        await propose_rule(
            words, chart.BANK_CHARGES, ada, comes_in=False, most_minor=most, reason="A fee.", form_id=form
        )
        if words != "open":
            await decide(form, bob, approve=words != "zeta")
        if words == "middle":
            await end_rule(form, bob)
    path = "/en/finance/bank/rules"
    async with await signed_in("auditor") as eve:
        assert await column_of_csv(eve, f"{path}.csv?sort=words") == ["'@alpha", "middle"]
        assert await column_of_csv(eve, f"{path}.csv?sort=most", 3) == ["3.00", "2.00"]
        assert await column_of_csv(eve, f"{path}.csv?sort=proposed") == ["'@alpha", "middle"]
        for which, words in (("current", "'@alpha"), ("ended", "middle")):
            [row] = await rows_of_csv(eve, f"{path}.csv?which={which}")
            assert (row[0], row[-1]) == (words, which)
        shown = page_text(await eve.get(f"{path}?which=ended&sort=words"))
        assert "middle" in shown
        assert "alpha" not in shown
        assert "waits for a second person" in shown, "what waits is never narrowed away"
        assert f'href="{path}?sort=most"' in (await eve.get(path)).text
        decisions = "/en/finance/decisions.csv?kind=bank_rule"
        for which, words in (("waiting", ["open"]), ("refused", ["zeta"]), ("approved", ["middle", "'@alpha"])):
            assert await column_of_csv(eve, f"{decisions}&which={which}", 1) == words


async def test_what_is_behind_a_number_is_sorted_narrowed_and_handed_out() -> None:
    await sales.write_shop()
    for last in (False, False, True):
        order = await sales.write_sold_order()
        if last:
            await sales.write_refund(order)
    today = paris_day(clock.now())
    query = f"by=dataset&key=city&since={today - dt.timedelta(days=1)}&until={today}"
    path = f"/en/finance/business/behind.csv?{query}"
    async with await signed_in("auditor") as eve:
        newest = await column_of_csv(eve, path, 1)
        assert len(newest) == 4
        assert await column_of_csv(eve, f"{path}&sort=oldest", 1) == sorted(newest, key=int)
        assert [float(net) for net in await column_of_csv(eve, f"{path}&sort=net", 4)] == [100, 100, 100, -100]
        numbers = await column_of_csv(eve, f"{path}&sort=number", 3)
        assert numbers == sorted(numbers)
        assert await column_of_csv(eve, f"{path}&which=refund", 4) == ["-100.00"]
        page = await eve.get(f"/en/finance/business/behind?{query}&which=refund&sort=net")
        assert "−€100.00" in page_text(page)
        assert f"&amp;until={today}&amp;which=refund&amp;sort=net" in page.text
        assert page.text.count("/finance/journal/") == 1


async def test_accounts_of_categories_are_sorted_narrowed_and_handed_out() -> None:
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    for category, account in (("tax", chart.SUPPLIERS), ("climate", chart.LOSSES), ("issuing", chart.BANK_CHARGES)):
        form = uuid.uuid4()
        await propose_category_account(category, account, ada, reason="=HYPERLINK()", form_id=form)
        if category != "issuing":
            await decide(form, bob, approve=category == "tax")
    path = "/en/finance/decisions"
    async with await signed_in("auditor") as eve:
        rows = await rows_of_csv(eve, f"{path}.csv?kind=category")
        assert [(row[1], row[4], row[7], row[9]) for row in rows] == [
            ("issuing", "'=HYPERLINK()", "", ""),
            ("climate", "'=HYPERLINK()", "Bob", "refused"),
            ("tax", "'=HYPERLINK()", "Bob", "approved"),
        ]
        assert [row[3] for row in rows][:1] == ["Account: 627800 · Bank charges"]
        assert await column_of_csv(eve, f"{path}.csv?sort=proposed", 1) == ["tax", "climate", "issuing"]
        assert await rows_of_csv(eve, f"{path}.csv?kind=month") == []
        for which, category in (("waiting", "issuing"), ("approved", "tax"), ("refused", "climate")):
            assert await column_of_csv(eve, f"{path}.csv?which={which}", 1) == [category]
        page = await eve.get(f"{path}?kind=category&which=refused&sort=proposed")
        assert "climate" in page_text(page)
        assert "issuing" not in page_text(page)
        assert "kind=category" in page.text.split("sort=decided")[0]
        moved = await eve.get("/en/finance/categories.csv?which=refused", follow_redirects=False)
        assert (moved.status_code, moved.headers["location"]) == (308, f"{path}.csv?kind=category&which=refused")
        searched = await eve.get("/en/finance/search?text=F-2026", follow_redirects=False)
        assert (searched.status_code, searched.headers["location"]) == (308, "/en/find?text=F-2026")


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
        rows = await rows_of_csv(eve, f"{path}.csv")
        assert [(row[1], row[2], row[6], row[7]) for row in rows] == [
            ("Pending", "3", "90.00", "'+1"),
            ("Failed", "9", "300.00", "'+1"),
            ("Pending", "1", "200.00", "'+1"),
        ], "oldest first, and no cell begins a formula"
        for sort, attempts in (("amount", "913"), ("attempts", "931"), ("next", "931"), ("verb", "391")):
            assert "".join(await column_of_csv(eve, f"{path}.csv?sort={sort}", 2)) == attempts
        assert await column_of_csv(eve, f"{path}.csv?which=failed", 2) == ["9"]
        page = page_text(await eve.get(f"{path}?which=pending&sort=amount"))
        assert page.index("€200.00") < page.index("€90.00")
        assert "€300.00" not in page
        lost = "/en/finance/lost-webhooks.csv"
        assert await column_of_csv(eve, lost, 1) == ["evt_1", "evt_3", "evt_2"]
        assert await column_of_csv(eve, f"{lost}?sort=type", 1) == ["evt_3", "evt_1", "evt_2"]
        assert await column_of_csv(eve, f"{lost}?sort=came", 1) == ["evt_2", "evt_3", "evt_1"]
        page = (await eve.get(f"{path}?sort=happened")).text
        assert f'href="{lost}?sort=happened"' in page
        assert page.index("evt_2") < page.index("evt_3") < page.index("evt_1")
