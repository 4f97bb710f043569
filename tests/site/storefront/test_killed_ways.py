"""Each way to sell over HTTP, killed at every await of each press and job that writes, a fourth of them a day: the same books."""

from typing import Any

import pytest

from marketplace.core.postgres import SUPERUSER, EmbeddedPostgres
from marketplace.finance.reconciliation.actions import reconcile
from marketplace.finance.reconciliation.exception_queries import list_exceptions
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import balance
from marketplace.money.payments.balance import read_balance
from marketplace.oversight.invariants import broken
from marketplace.subscribers.earnings.queries import list_unequal_accounts
from tests.site.builders.ways import WAYS, Way
from tests.support.deaths import the_dead_rest
from tests.support.reads import fetch, fetch_value
from tests.support.saved_state import State

BOOKS = {
    "entries": """SELECT kind, debit, credit, amount_minor, count(*) FROM journal_entry
                  JOIN posting ON entry = journal_entry.id GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4""",
    "orders": "SELECT state, net_minor, vat_minor, returned_minor, charged_back_minor FROM purchase_order ORDER BY 1, 2, 3, 4",
    "licences": """SELECT licence.terms, net_minor, returned_minor, cancelled_at IS NULL, revoked_at IS NULL, claimed_at IS NULL
                   FROM licence LEFT JOIN entitlement ON licence = licence.id ORDER BY 1, 2, 3, 4, 5, 6""",
    "invoices": "SELECT kind, net_minor, vat_minor FROM invoice ORDER BY 1, 2, 3",
    "shares": "SELECT state, pool_minor, shares_micro FROM licence_split ORDER BY 1, 2, 3",
    "credits": "SELECT basis_points, refund_minor, asked_at IS NULL FROM service_credit ORDER BY 1, 2",
    "claims": "SELECT proposal, outcome, refund_minor FROM claim ORDER BY 1, 2",
    "subscriptions": "SELECT state, locked_minor FROM subscription ORDER BY 1, 2",
    "trials": "SELECT count(*) FROM trial",
    "messages": "SELECT kind, count(*) FROM message GROUP BY 1 ORDER BY 1",
    "noted": "SELECT verb, count(*) FROM staff_action WHERE area = 'decision' GROUP BY 1 ORDER BY 1",
}
"""What two walks are compared by."""
SOLD = {"trial": 0, "basket": 2, "volume_and_term": 2}
"""Way → how many licences it sells; one unless said."""


async def walked(way: Way, name: str) -> dict[str, Any]:
    """Walk a way to its end, reconcile to the cent, and return what its books say."""
    try:
        await way.open()
        await WAYS[name](way)
        await way.work("hold-shares", "cancel-shares")
        await reconcile()
        open_ones = [(row.why, row.reference) for row in (await list_exceptions()).rows]
        assert open_ones == [], open_ones
        assert await broken() == []
        assert await balance(chart.STRIPE) == await read_balance(), "Stripe and the books agree to the cent"
        assert await balance(chart.PARTNERS) == await balance(chart.ON_CREDIT) == await balance(chart.SUSPENSE) == 0
        assert await list_unequal_accounts() == []
        assert await fetch_value("SELECT count(*) FROM licence") == SOLD.get(name, 1)
        return {what: [tuple(row) for row in await fetch(sql)] for what, sql in BOOKS.items()}
    finally:
        way.over()
        await way.close()


@pytest.mark.deep
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # what the dead leave to the collector
@pytest.mark.parametrize("name", list(WAYS))
async def test_killed_at_every_await_where_money_moves_a_way_ends_in_the_same_books(
    stripe: Any, postgres: EmbeddedPostgres, name: str
) -> None:
    state = await State.opened(postgres.url(await fetch_value("SELECT current_database()"), SUPERUSER))
    empty = await state.save()
    peaceful = Way(stripe, [])
    expected = await walked(peaceful, name)
    if SOLD.get(name, 1):
        assert expected["shares"], "its own contributors have a share"
    else:
        assert not expected["entries"], "no money moves"
    await state.restore(empty)
    stripe.test("reset")
    async with the_dead_rest():
        killed = Way(stripe, peaceful.wrote)
        found = await walked(killed, name)
    await state.close()
    deaths = sum(killed.deaths.values())
    print(f"{name}: killed {deaths} times: {killed.deaths}")
    assert deaths >= sum(peaceful.wrote), "each press and job that writes died on its way"
    differing = {what: (books, found[what]) for what, books in expected.items() if found[what] != books}
    assert not differing, differing
