"""The entries of one account are the same however they are found, and a long journal is not sorted by amount."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from marketplace.ledger import chart, queries
from marketplace.ledger.queries import can_sort, list_accounts, list_entries
from tests.marketplace.payments.scenes import settled

if TYPE_CHECKING:
    import pytest


async def test_a_busy_account_has_the_entries_that_a_quiet_one_has(
    stripe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    del stripe
    await settled("busy")
    quiet = {
        (account.code, sort): (await list_entries(account=account.code, sort=sort)).rows
        for account in await list_accounts()
        for sort in queries.ENTRIES_BY
    }
    assert quiet[chart.PARTNERS, ""]
    monkeypatch.setattr(queries, "MOST_QUIET", 0)
    for (code, sort), rows in quiet.items():
        assert (await list_entries(account=code, sort=sort)).rows == rows, (code, sort)


async def test_a_long_journal_is_sorted_by_amount_where_days_or_an_account_make_it_short(
    stripe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    del stripe
    await settled("long")
    every = (await list_entries()).rows
    last = every[0].at
    narrowed: dict[str, Any] = {"account": None, "kind": None, "since": None, "until": None}
    assert await can_sort(**narrowed)
    monkeypatch.setattr(queries, "MOST_SORTED", 1)
    assert not await can_sort(**narrowed)
    assert not await can_sort(**narrowed | {"until": last})
    assert await can_sort(**narrowed | {"since": last + dt.timedelta(seconds=1)})
    assert await can_sort(**narrowed | {"kind": "sale"})
    assert await can_sort(**narrowed | {"account": chart.PARTNERS})
    monkeypatch.setattr(queries, "MOST_QUIET", 0)
    assert not await can_sort(**narrowed | {"account": chart.PARTNERS})
