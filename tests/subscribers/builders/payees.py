"""Subscribers with money that is theirs, with bank details or without, and staff who pay them."""

import asyncio
import contextlib
import datetime as dt
import os
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import uvicorn
from stdnum import iban

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.settings import settings
from marketplace.demo.payee_bank import PATH, PayeeBank
from marketplace.money.payments.transfers import connected_account
from marketplace.people.identity.actors import Actor
from marketplace.subscribers.earnings.actions import hold_shares
from marketplace.subscribers.payouts import actions as payouts
from marketplace.subscribers.payouts import bank_details
from marketplace.subscribers.payouts.bank_file import open_file
from tests.subscribers.builders import sales
from tests.support.reads import fetch, fetch_value
from tests.support.waiting import until

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
    release = await sales.seal_weights(weights)
    await sales.write_sale(release, net, fee=0, sold_at=clock.now() - DAYS_15)
    await hold_shares()
    assert await sales.close_month() == 1


async def claim_lines(*lines: int) -> None:
    """Have lines that nobody has claimed be somebody's."""
    await execute(
        "UPDATE subscriber SET claimed_at = $2 WHERE reference = ANY ($1) AND claimed_at IS NULL",
        list(lines),
        clock.now(),
    )


async def write_bank_details(*lines: int) -> None:
    await claim_lines(*lines)
    for line in lines:
        await bank_details.write_details(line, holder=f"Zoé Lefèvre {line}", iban=iban_of(line), details=uuid.uuid4())


@contextlib.asynccontextmanager
async def paying_three() -> AsyncIterator[None]:
    """Be a paying operator, with three lines that earned 33.33 euros each and gave bank details."""
    with paying():
        await sales.write_lines()
        await earn({1: 1, 2: 1, 3: 1})
        await write_bank_details(1, 2, 3)
        yield


async def draft_and_send(*, nora: Actor, paul: Actor) -> uuid.UUID:
    """Draft, approve and send a run."""
    run = await payouts.draft(nora)
    assert run
    await payouts.approve(run, paul, reason="checked with the list")
    await payouts.send(run, paul)
    return run


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


@contextlib.asynccontextmanager
async def paying_four() -> AsyncIterator[None]:
    with paying():
        await sales.write_lines()
        await earn({1: 1, 2: 1, 3: 1, 4: 1})  # 25 euros each
        yield


@contextlib.asynccontextmanager
async def paying_through_stripe(stripe: Any, funds: int = 20_000) -> AsyncIterator[None]:
    """Earn three lines 33.33 euros each, onboard the first two at Stripe, and put money there."""
    with paying():
        await sales.write_lines()
        await earn({1: 1, 2: 1, 3: 1})
        stripe.post(
            "payment_intents",
            amount=funds,
            currency="eur",
            confirm="true",
            payment_method="pm_card_bypassPending",
            return_url="http://x.example/",
        )
        for line in (1, 2):
            stripe.test("onboard", account=await connected_account(line))
            assert await bank_details.choose_stripe(line)
        yield


async def fund_balance(stripe: Any, cents: int) -> None:
    """Put money into the balance at Stripe, available at once."""
    card = {"payment_method": "pm_card_bypassPending", "return_url": "http://x.example/"}
    await asyncio.to_thread(stripe.post, "payment_intents", amount=cents, currency="eur", confirm="true", **card)


@contextlib.asynccontextmanager
async def bank_that_verifies(names: dict[str, str]) -> AsyncIterator[PayeeBank]:
    """Run a bank on a port of its own whose interface the marketplace asks."""
    bank = PayeeBank(names)
    server = uvicorn.Server(uvicorn.Config(bank, port=0, log_level="critical", lifespan="off", ws="none"))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    os.environ["VOP_URL"] = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}{PATH}"
    os.environ["VOP_TOKEN"] = "letmein"
    settings.cache_clear()
    try:
        yield bank
    finally:
        server.should_exit = True
        await serving


async def payout_states() -> dict[int, tuple[str, str | None]]:
    rows = await fetch("SELECT subscriber, state, reason FROM payout ORDER BY subscriber")
    return {row["subscriber"]: (row["state"], row["reason"]) for row in rows}


OUR_IBAN = "FR7630006000011234567890189"


async def file_of_run(run: uuid.UUID, number: int = 1) -> bytes:
    return b"".join([piece async for piece in await open_file(run, number)])
