"""A category of Stripe's that the chart does not know stops the close; two people give it an account, and it is posted."""

import datetime as dt
import re
import uuid

import httpx
import pytest

from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Invalid, NotAllowed
from marketplace.finance.bookkeeping.closing import close_month
from marketplace.finance.bookkeeping.trail import list_actions
from marketplace.finance.reconciliation.exception_queries import list_exceptions
from marketplace.money.ledger import chart
from marketplace.money.ledger.periods import bounds
from marketplace.money.ledger.queries import balance
from marketplace.money.payments.balance import list_given_accounts
from marketplace.money.payments.category_accounts import propose_category_account
from marketplace.people.identity.actors import Actor
from tests.finance.builders.books import in_the_way, months_ago, record_comparison
from tests.finance.builders.pages import signed_in
from tests.people.builders import kinds_written, make_staff, page_text
from tests.support.decisions import buttons_of, decide
from tests.support.reads import fetch_value

CLIMATE = "climate_order_purchase"


async def mirror_of_category(name: str, amount: int, at: dt.datetime, *, fee: int = 0, category: str = CLIMATE) -> None:
    """Mirror a movement as the job does, without posting it."""
    await execute(
        """INSERT INTO balance_transaction (id, category, amount_minor, fee_minor, net_minor, currency, status,
                                            created_at, available_on)
           VALUES ($1, $2, $3::bigint, $4::bigint, $3 - $4, 'EUR', 'available', $5, $5)""",
        name,
        category,
        amount,
        fee,
        at,
    )


async def send_category(visitor: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    """Send a form of the page of categories."""
    token = re.search(r'name="_csrf_token" value="([^"]+)"', (await visitor.get("/en/finance/categories")).text)
    assert token
    data = {"_csrf_token": token.group(1), "form_id": str(uuid.uuid4()), **fields}
    return await visitor.post(path or "/en/finance/categories", data=data)


async def proposed(actor: Actor, account: str = chart.FEES_OF_THIRD_PARTIES, category: str = CLIMATE) -> uuid.UUID:
    form = uuid.uuid4()
    await propose_category_account(category, account, actor, reason="Stripe Climate.", form_id=form)
    return form


async def test_two_people_give_a_category_its_account_on_a_page_and_the_month_closes() -> None:
    month = months_ago(1)
    at = bounds(month)[0]
    await mirror_of_category("txn_1", -500, at, fee=20)
    await mirror_of_category("txn_2", -250, at)
    await mirror_of_category("txn_3", 0, at)
    await record_comparison(-770, 0)
    assert set(await in_the_way(month)) == {"stripe_agrees", "categories_known"}
    async with await signed_in("finance") as ada, await signed_in("finance") as bob, await signed_in("auditor") as eve:
        assert f"{CLIMATE} 2 transactions wait, −€7.70 in all" in page_text(await eve.get("/en/finance/categories"))
        assert "2 mouvements en attente, pour \N{MINUS SIGN}7,70 €" in page_text(
            await eve.get("/fr/finance/categories")
        )
        assert (await send_category(ada, "", category=CLIMATE, account="706000", reason="A gift.")).status_code == 422
        answer = await send_category(ada, "", category=CLIMATE, account=chart.FEES_OF_THIRD_PARTIES, reason="A gift.")
        assert answer.status_code == 303
        decision, approve = await buttons_of(await fetch_value("SELECT id FROM proposal"))
        assert (await send_category(ada, decision, **approve)).status_code == 403
        assert await balance(chart.STRIPE) == 0
        assert "Decision of a second person 1" in page_text(await bob.get("/en/finance"))
        await execute("UPDATE person SET name = 'Ada Byron' WHERE staff_role = 'finance'")
        assert "You and Ada Byron have the same name" in page_text(await bob.get("/en/finance/decisions"))
        assert (await send_category(bob, decision, **approve)).status_code == 303
        assert (await send_category(bob, decision, **approve | {"decision": "refuse"})).status_code == 409
        page = page_text(await eve.get("/en/finance/categories"))
        assert "Every transaction’s category has an account" in page
        entry = await fetch_value("SELECT id FROM journal_entry WHERE source_id = 'txn_1'")
        assert "Stripe: climate order purchase" in page_text(await bob.get(f"/en/finance/journal/{entry}"))
    assert await balance(chart.FEES_OF_THIRD_PARTIES) == 750
    assert await balance(chart.STRIPE_FEES) == 20
    assert await balance(chart.STRIPE) == -770
    assert [row.why for row in (await list_exceptions()).rows if row.why != "balance_differs"] == []
    await record_comparison(-770, -770)
    assert await in_the_way(month) == {}
    await close_month(month, await make_staff("Ada"))
    assert await kinds_written() == ["proposal_to_decide"]
    actions = (await list_actions()).rows
    assert [row.became.get("alike") for row in actions if row.verb == "category_account_approved"] == ["name"]
    verbs = [row.verb for row in actions]
    assert [verb for verb in verbs if verb.startswith("category")] == [
        "category_account_approved",
        "category_account_proposed",
    ]


async def test_a_refused_account_posts_nothing_and_another_may_be_proposed() -> None:
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    await mirror_of_category("txn_1", -500, bounds(months_ago(0))[0])
    for account in (chart.BANK, chart.SUBSCRIBERS_PAYABLE, chart.STRIPE, "1"):
        with pytest.raises(Invalid, match="account of the list"):
            await proposed(ada, account)
    first = await proposed(ada, chart.LOSSES)
    with pytest.raises(Conflict, match="already"):
        await proposed(bob)
    with pytest.raises(NotAllowed, match="someone else"):
        await decide(first, ada, approve=False)
    await decide(first, bob, approve=False)
    assert await balance(chart.STRIPE) == 0
    assert [(row.why, row.detail) for row in (await list_exceptions()).rows] == [("unknown_category", CLIMATE)]
    await decide(await proposed(bob), ada, approve=True)
    assert await list_given_accounts() == {CLIMATE: chart.FEES_OF_THIRD_PARTIES}
    assert await balance(chart.FEES_OF_THIRD_PARTIES) == 500


async def test_an_account_of_the_chart_is_not_given_another() -> None:
    """A later approval counts from then on; what the chart says of a category is never overruled."""
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    at = bounds(months_ago(0))[0]
    await mirror_of_category("txn_1", -500, at)
    await decide(await proposed(ada), bob, approve=True)
    await mirror_of_category("txn_2", -300, at)
    with pytest.raises(Conflict, match="chart has an account"):
        await proposed(ada, chart.LOSSES, "fee")
    await decide(await proposed(ada, chart.DIFFERENCES_LOST), bob, approve=True)
    assert await balance(chart.FEES_OF_THIRD_PARTIES) == 500
    assert await balance(chart.DIFFERENCES_LOST) == 300
