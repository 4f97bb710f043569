"""The entries of one account are the same however they are found: from its own postings, or along the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketplace.ledger import chart, queries
from marketplace.ledger.queries import list_accounts, list_entries
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
