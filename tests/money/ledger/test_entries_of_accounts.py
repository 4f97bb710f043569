"""The entries of one account are the same however they are found, and a long journal is not sorted by amount."""

import datetime as dt

import pytest

from marketplace.money.ledger import chart, queries
from marketplace.money.ledger.queries import list_accounts, list_entries
from tests.support.scenes import sell_named


@pytest.mark.usefixtures("stripe")
async def test_a_busy_account_has_the_entries_that_a_quiet_one_has(monkeypatch: pytest.MonkeyPatch) -> None:
    await sell_named("busy")
    quiet = {
        (account.code, sort): (await list_entries(account=account.code, sort=sort)).rows
        for account in await list_accounts()
        for sort in queries.ENTRIES_BY
    }
    assert quiet[chart.PARTNERS, ""]
    monkeypatch.setattr(queries, "MOST_QUIET", 0)
    for (code, sort), rows in quiet.items():
        assert (await list_entries(account=code, sort=sort)).rows == rows, (code, sort)


@pytest.mark.usefixtures("stripe")
async def test_a_long_journal_is_sorted_by_amount_where_days_or_an_account_make_it_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await sell_named("long")
    everything = await list_entries(sort="debit")
    assert everything.is_short
    by_date = [row.id for row in (await list_entries()).rows]
    assert [row.id for row in everything.rows] != by_date
    monkeypatch.setattr(queries, "MOST_SORTED", 1)
    for narrowed, is_short in (
        ({}, False),
        ({"until": max(row.at for row in everything.rows)}, False),
        ({"since": max(row.at for row in everything.rows) + dt.timedelta(seconds=1)}, True),
        ({"kind": "sale"}, True),
        ({"account": chart.PARTNERS}, True),
    ):
        assert (await list_entries(sort="debit", **narrowed)).is_short == is_short, narrowed
    assert [row.id for row in (await list_entries(sort="debit")).rows] == by_date
    monkeypatch.setattr(queries, "MOST_QUIET", 0)
    assert not (await list_entries(account=chart.PARTNERS)).is_short
