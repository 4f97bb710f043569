"""A whole year played by program: every validator accepts it, it reconciles to the cent, and killed on its way it is the same."""

import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from marketplace.core import database
from marketplace.core.postgres import SUPERUSER, EmbeddedPostgres
from tests.datasets import builders
from tests.finance.bookkeeping import validators
from tests.finance.builders.travelling import platform_running
from tests.site.builders.closings import close_year
from tests.site.builders.months import play_year
from tests.site.builders.played_year import YEAR, Year, prepare_database
from tests.subscribers.builders import payees
from tests.subscribers.builders.payees import bank_that_verifies
from tests.support.deaths import bounded, firsts, the_dead_rest
from tests.support.reads import fetch, fetch_value
from tests.support.saved_state import State

KINDS = {
    "bank_line",
    "bank_match",
    "bank_opening",
    "credit_granted",
    "credit_loss",
    "credit_loss_undone",
    "credit_provision",
    "credit_provision_released",
    "deposit_forfeited",
    "dispute_lost",
    "payout_back",
    "payout_sent",
    "penalty_received",
    "refund",
    "rewards_answered",
    "rewards_back",
    "rewards_moved",
    "sale",
    "sale_cancelled",
    "sale_reissued",
    "shares_cancelled",
    "shares_held",
    "shares_released",
    "stripe_charge",
    "stripe_dispute",
    "stripe_dispute_reversal",
    "stripe_payout",
    "stripe_refund",
    "stripe_transfer",
    "vat_settled",
}
"""Kinds of entry that every year has."""
LONGEST_SECONDS = 1_800
"""Several times what both years need on a quiet machine."""
MOST_CONNECTIONS = 30
"""What two pools have at most, one of the living and one that died while it connected, and some; the server has 100."""


@contextlib.asynccontextmanager
async def begun(stripe: Any, database_url: str, killed: list[bool], first: int = 1) -> AsyncIterator[Year]:
    """Make a year that can be played, with a platform and a bank that verifies names beside it."""
    await prepare_database(database_url)
    with payees.paying(after=dt.timedelta(0), EINVOICING_FROM=f"{YEAR}-01-01"):
        async with platform_running() as platform, bank_that_verifies({}) as payee_bank:
            year = Year(stripe, platform, payee_bank, killed, first)
            try:
                yield year
            finally:
                year.over()


@pytest.fixture
def in_2025(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the shop's notice be published before the year, and rows unchecked, which other tests do and costs half of it."""
    monkeypatch.setattr(builders, "LONG_AGO", dt.datetime(YEAR - 1, 1, 1, tzinfo=dt.UTC))
    monkeypatch.setattr(database, "row_check", None)


async def valid_books(year: Year, folder: Path) -> dict[str, Any]:
    """Play a year, have everything that can be validated be so, and return what its books say."""
    people, files = await play_year(year)
    closed = await close_year(year, people)
    books = await validators.books_of()
    await validators.check_sums(year)
    assert await validators.check_invoices() > 35
    await validators.check_numbers()
    validators.check_platform(year)
    validators.check_payment_files(files)
    await validators.check_books(people.staff["Nora"], closed, folder)
    assert {row["kind"] for row in await fetch("SELECT DISTINCT kind FROM journal_entry")} >= KINDS
    return books


@pytest.mark.deep
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # what the dead leave to the collector
@pytest.mark.usefixtures("in_2025")
async def test_a_played_year_is_valid_and_the_same_where_everything_that_writes_is_killed_on_its_way(
    stripe: Any, database_url: str, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """Die at every fourth await, from another one each day: four days in a row die at all of them."""
    playing: list[Year] = []
    state = await State.opened(postgres.url(await fetch_value("SELECT current_database()"), SUPERUSER))
    empty = await state.save()
    async with bounded(LONGEST_SECONDS, lambda: "; ".join(one.place() for one in playing)):
        async with begun(stripe, database_url, []) as peaceful:
            playing.append(peaceful)
            expected = await valid_books(peaceful, tmp_path)
        for first in firsts():
            await state.restore(empty)
            stripe.test("reset")
            async with the_dead_rest(), begun(stripe, database_url, peaceful.wrote, first) as year:
                playing.append(year)
                found = await valid_books(year, tmp_path)
            deaths = sum(year.deaths.values())
            assert year.most_connections <= MOST_CONNECTIONS, f"{year.most_connections} connections after a death"
            assert deaths > 1_000, f"{deaths} at {sum(peaceful.wrote)} of {len(peaceful.wrote)} acts"
            differing = {name: (books, found[name]) for name, books in expected.items() if found[name] != books}
            assert not differing, f"{differing}; refused on the way: {year.refused}"
    await state.close()
