"""Subscribers with money that is theirs, with bank details or without, and staff who pay them."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import uuid
from typing import TYPE_CHECKING

from stdnum import iban

from marketplace import clock
from marketplace.bank.actions import import_bank_statement
from marketplace.bank.payout_lines import match_payouts
from marketplace.database import execute
from marketplace.earnings.actions import hold_shares
from marketplace.embedded.bank import Bank
from marketplace.payouts import actions as payouts
from marketplace.payouts import bank_details
from marketplace.payouts.bank_file import open_file
from marketplace.settings import settings
from tests.marketplace.earnings import sales
from tests.support.reads import fetch_one, fetch_value

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from marketplace.identity.actors import Actor

OUR_IBAN = "FR7630006000011234567890189"
DAYS_15 = dt.timedelta(days=15)


def iban_of(line: int) -> str:
    """Return a Belgian IBAN of a line's own, whose inner and outer check digits fit."""
    bank, account = "539", f"{line:07d}"
    inner = int(bank + account) % 97 or 97
    bban = f"{bank}{account}{inner:02d}"
    return f"BE{iban.calc_check_digits(f'BE00{bban}')}{bban}"


@contextlib.contextmanager
def paying(*, after: dt.timedelta = DAYS_15, **others: str) -> Iterator[None]:
    """Set what a paying operator sets, and be fifteen days on, or so much, when the holds have passed."""
    before = dict(os.environ)
    os.environ |= {"PAYOUT_IBAN": OUR_IBAN, "PAYOUT_THRESHOLD_MINOR": "100"} | others
    settings.cache_clear()
    try:
        with clock.shifted(after):
            yield
    finally:
        os.environ.clear()
        os.environ |= before
        settings.cache_clear()


async def earn(weights: Mapping[int, int], net: int = 20_000) -> None:
    """Sell a release of these people, hold its shares and close their month; the shop is open and the clock is shifted."""
    release = await sales.make_release(weights)
    await sales.make_sale(release, net, fee=0, sold_at=clock.now() - DAYS_15)
    await hold_shares()
    assert await sales.close_month() == 1


async def claim(*lines: int) -> None:
    """Have lines that nobody has claimed be somebody's."""
    await execute(
        "UPDATE subscriber SET claimed_at = $2 WHERE reference = ANY ($1) AND claimed_at IS NULL",
        list(lines),
        clock.now(),
    )


async def give_details(*lines: int) -> None:
    await claim(*lines)
    for line in lines:
        await bank_details.write_details(line, holder=f"Zoé Lefèvre {line}", iban=iban_of(line), details=uuid.uuid4())


@contextlib.asynccontextmanager
async def paying_three() -> AsyncIterator[None]:
    """Be a paying operator, with three lines that earned 33.33 euros each and gave bank details."""
    with paying():
        await sales.open_shop()
        await earn({1: 1, 2: 1, 3: 1})
        await give_details(1, 2, 3)
        yield


async def sent(*, nora: Actor, paul: Actor) -> uuid.UUID:
    """Draft, approve and send a run."""
    run = await payouts.draft(nora)
    assert run
    await payouts.approve(run, paul, reason="checked with the list")
    await payouts.send(run, paul)
    return run


async def file_of(run: uuid.UUID, number: int = 1) -> bytes:
    return b"".join([piece async for piece in await open_file(run, number)])


async def reference_of(line: int, *, state: str = "open") -> str:
    """Return the end-to-end id of a line's payout."""
    payout: uuid.UUID = await fetch_value("SELECT id FROM payout WHERE subscriber = $1 AND state = $2", line, state)
    return f"PTP{payout.hex}"


async def balance_of(line: int) -> int:
    """Return what is a line's, in micro-euros."""
    return int(
        await fetch_value(
            "SELECT coalesce(sum(payable_micro), 0)::bigint FROM payable_movements() WHERE subscriber = $1", line
        )
    )


async def bank_day(bank: Bank, days: int = 4) -> int:
    """Let the bank close a day that many days on, take its statement and match it; return how many lines were explained."""
    statement = bank.close_day(clock.now().date() + dt.timedelta(days=days))
    await import_bank_statement(statement, person=None, new_account=True)
    return await match_payouts()


async def bank_of_today() -> Bank:
    """Return our bank where its last statement left it."""
    last = await fetch_one("SELECT closing_minor, sequence FROM bank_statement ORDER BY sequence DESC LIMIT 1")
    bank = Bank(OUR_IBAN)
    if last:
        bank.balance_cents, bank.days = last["closing_minor"], last["sequence"]
    return bank


async def bank_pays(run: uuid.UUID) -> int:
    """Let the bank pay a sent run; return how many of its lines were explained."""
    bank = await bank_of_today()
    bank.submit(await file_of(run))
    return await bank_day(bank)
