"""Kill -9 at the awaits of drafting, sending, answering and settling: each is done or not, and the next try ends it."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING

import pytest

from marketplace.bank.actions import import_bank_statement
from marketplace.embedded.bank import Bank
from marketplace.ledger.chart import SUBSCRIBERS_IN_TRANSIT, SUBSCRIBERS_PAYABLE
from marketplace.ledger.queries import balance
from marketplace.payouts import actions as payouts
from tests.marketplace.earnings import sales
from tests.marketplace.identity.site import make_staff
from tests.marketplace.payouts import payees
from tests.marketplace.payouts.killed import BANKS_ANSWER
from tests.support.dying import killed_everywhere
from tests.support.reads import fetch, fetch_value

if TYPE_CHECKING:
    from pathlib import Path


async def killed_through(database_url: str, tmp_path: Path, every: int) -> dict[str, int]:
    """Take one run from its draft to the statement that returns a part, killed on its way through each step."""
    bank = Bank(payees.OUR_IBAN, rejects={payees.iban_of(2): "AC04"}, returns={payees.iban_of(3): "MS02"})
    deaths: dict[str, int] = {}

    async def kill(step: str, file: bytes = b"") -> None:
        (tmp_path / "answer").write_bytes(file)
        os.environ[BANKS_ANSWER] = str(tmp_path / "answer")
        died = await killed_everywhere("tests.marketplace.payouts.killed", step, database_url, every=every)
        deaths[step] = deaths.get(step, 0) + died

    async def prepare() -> None:
        await sales.open_shop()
        await payees.earn({1: 1, 2: 1, 3: 1})
        await payees.give_details(1, 2, 3)

    async def approve() -> None:
        drafted = await fetch_value("SELECT id FROM payout_run")
        await payouts.prepare(drafted, await make_staff("Nora"))
        await payouts.approve(drafted, await make_staff("Paul"), reason="checked")

    async def at_the_bank() -> bytes:
        sent = await fetch_value("SELECT id FROM payout_run WHERE state = 'sent'")
        return bank.submit(await payees.file_of(sent))

    async def a_day(on: int) -> None:
        statement = bank.close_day(dt.date(2090 + on, 1, 15))
        await import_bank_statement(statement, person=None, new_account=True)

    async def ended() -> None:
        rows = await fetch("SELECT subscriber, state FROM payout ORDER BY subscriber")
        assert [tuple(row) for row in rows] == [(1, "settled"), (2, "failed"), (3, "failed")]
        assert [await payees.balance_of(line) // 10_000 for line in (1, 2, 3)] == [0, 3333, 3333]
        assert await balance(SUBSCRIBERS_IN_TRANSIT) == 0
        assert await balance(SUBSCRIBERS_PAYABLE) == -(10_000 - 3333)
        counts = [
            await fetch_value(f"SELECT count(*) FROM {table}") for table in ("payout_run", "payout", "payout_answer")
        ]
        assert counts == [1, 3, 1]

    with payees.paying():
        await prepare()
        await kill("draft")
        await approve()
        await kill("send")
        await kill("answer", await at_the_bank())
        for on in (1, 2):
            await a_day(on)
            await kill("match")
        await ended()
    return deaths


@pytest.mark.deep
async def test_a_payout_killed_on_its_way_is_done_once(database_url: str, tmp_path: Path) -> None:
    deaths = await killed_through(database_url, tmp_path, 61)
    assert set(deaths) == {"draft", "send", "answer", "match"}
    assert min(deaths.values()) >= 1, deaths


@pytest.mark.deep
async def test_a_payout_killed_at_any_await_is_done_once(database_url: str, tmp_path: Path) -> None:
    deaths = await killed_through(database_url, tmp_path, 1)
    assert min(deaths.values()) >= 5, deaths
