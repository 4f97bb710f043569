"""Tables of finance are sorted by their headings and handed out as files; a match made from the queue can be undone at once."""

import re
import uuid

from marketplace.core import clock
from marketplace.finance.bank.actions import import_bank_statement
from marketplace.finance.reconciliation.exception_queries import list_exceptions
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import balance
from tests.finance.builders import sales
from tests.finance.builders.pages import signed_in
from tests.finance.builders.statements import Entry, Statement
from tests.people.builders import page_text
from tests.support.reads import fetch_value


async def test_a_trial_balance_folds_what_never_moved_and_sorts_by_its_headings() -> None:
    await sales.write_shop()
    await sales.write_sold_order()
    async with await signed_in("auditor") as eve:
        page = (await eve.get("/en/finance/trial-balance")).text
        assert "accounts that never moved" in page
        table = page[: page.index("<details>")] if "<details>" in page else page
        assert "/finance/accounts/411000" in table
        assert "/finance/accounts/622000" not in table
        assert 'href="/en/finance/trial-balance?sort=debit"' in page
        by_debit = (await eve.get("/en/finance/trial-balance?sort=debit")).text
        assert 'aria-sort="other"' in by_debit
        assert re.findall(r"/finance/accounts/(\d+)", by_debit)[0] == chart.PARTNERS
        file = (await eve.get("/fr/finance/trial-balance.csv?sort=credit")).content.decode("utf-8-sig").splitlines()
        assert file[0].startswith("Compte,")
        assert file[1] == f"{chart.LICENCES_SOLD},Licences vendues,0.00,100.00,-100.00"
        assert len(file) == 1 + len(chart.TITLES)
        assert (await eve.get("/en/finance/trial-balance.csv?by=whim")).status_code == 422


async def test_a_match_made_from_the_queue_is_undone_at_once() -> None:
    await sales.write_shop()
    order = await sales.write_sold_order()
    given = Statement([Entry(sales.NET + sales.VAT, "B1", words="P")], day=clock.now().date())
    given.entries[0].day = given.day
    await import_bank_statement(given.xml(), person=None, new_account=True)
    line = await fetch_value("SELECT id FROM bank_line")
    async with await signed_in("finance") as ada:
        token = re.search(r'name="_csrf_token" value="([^"]+)"', (await ada.get("/en/finance/bank")).text)
        assert token
        forms = {"_csrf_token": token.group(1)}
        settled = await ada.post(
            "/en/finance/exception/settle",
            data=forms
            | {
                "form_id": str(uuid.uuid4()),
                "why": "line_unexplained",
                "subject": str(line),
                "kind": "order",
                "target": str(order),
                "amount_minor": str(sales.NET + sales.VAT),
            },
        )
        assert settled.status_code == 303
        assert settled.headers["location"].endswith(f"done={line}")
        assert await balance(chart.SUSPENSE) == 0
        page = (await ada.get(settled.headers["location"])).text
        assert "Matched." in page
        reason = re.search(r'name="reason" value="([^"]+)"', page)
        assert reason
        undone = await ada.post(
            f"/en/finance/bank/lines/{line}/undo",
            data=forms | {"form_id": str(uuid.uuid4()), "reason": reason.group(1)},
        )
        assert undone.status_code == 303
        assert "Undo" not in page_text(await ada.get("/en/finance/exceptions"))
    assert await balance(chart.SUSPENSE) == -(sales.NET + sales.VAT)
    assert "line_unexplained" in {row.why for row in (await list_exceptions()).rows}
