"""The same sales and refunds, in any order and with any work killed on its way: the same cents for the same people."""

import asyncio
import contextlib
import datetime as dt
import random
import uuid
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from msgspec import Struct

from marketplace.core import clock
from marketplace.money.ledger.chart import LOSSES, OPERATOR_PAYABLE
from marketplace.money.ledger.periods import bounds, month_of, next_month
from marketplace.money.ledger.queries import balance
from marketplace.subscribers.earnings.actions import cancel_shares, hold_shares
from marketplace.subscribers.earnings.month_close import close_months
from tests.subscribers.builders import sales
from tests.subscribers.builders.sales import given_back
from tests.support.reads import fetch_value

PEOPLE = range(1, 7)
WORK: dict[str, Callable[[], Awaitable[int]]] = {
    "hold": hold_shares,
    "cancel": cancel_shares,
    "close": lambda: close_months(lines_a_chunk=2, chunks_a_part=1),
}
LONGEST = 60
"""Steps of the event loop after which work is killed at the latest: most of it needs more."""


class AnySale(Struct, frozen=True):
    """A sale of a release of its own: weights, net cents, Stripe's fee, and cents given back before and after the close."""

    weights: dict[int, int]
    net: int
    fee: int
    returned: int
    returned_late: int


@some.composite
def any_sale(draw: some.DrawFn) -> AnySale:
    """Draw a sale, of which nothing, a part or all is given back, before its month is closed or after."""
    weights = draw(some.dictionaries(some.sampled_from(PEOPLE), some.integers(1, 12), min_size=1))
    net = draw(some.integers(1_000, 10**6))
    returned, late = draw(some.sampled_from([(0, 0), (net // 3, 0), (net, 0), (0, net // 4), (net // 3, net // 2)]))
    return AnySale(weights, net, draw(some.integers(0, 900)), returned, late)


async def kill(work: str, steps: int) -> None:
    """Begin some work and end it so many steps of the event loop later, wherever it is."""
    task = asyncio.ensure_future(WORK[work]())
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def meanwhile(chance: random.Random) -> None:
    """Have some work done or killed, or none: what a timetable and a bad day do between two events."""
    for work in chance.choices(list(WORK), k=chance.randrange(3)):
        await (kill(work, chance.randrange(LONGEST)) if chance.random() < 0.5 else WORK[work]())


async def live_two_months(
    sold: list[AnySale], begins: dt.datetime, chance: random.Random
) -> tuple[dict[int, int], int, int]:
    """Live two months with these sales, in an order by chance; return who got what, what the operator has, and its losses."""
    before, operator, losses = await sales.balances(), await money_of_operator(), await balance(LOSSES)
    licences: dict[int, uuid.UUID] = {}
    todo = [("sell", number) for number in range(len(sold))]
    with clock.started_at(begins):
        while todo:
            what, number = todo.pop(chance.randrange(len(todo)))
            one = sold[number]
            if what == "sell":
                release = await sales.seal_weights(one.weights, started_at=begins - sales.MONTH)
                licences[number] = await sales.write_sale(release, one.net, fee=one.fee, sold_at=begins)
                todo += [("give back", number)] if one.returned else []
            else:
                await given_back(licences[number], one.returned)
            await meanwhile(chance)
    ends = bounds(month_of(begins))[1]
    for at in (ends, bounds(next_month(month_of(begins)))[1]):
        with clock.started_at(at):
            await meanwhile(chance)
            for work in ("cancel", "hold", "close", "cancel", "hold"):
                await WORK[work]()
                await meanwhile(chance)
    with clock.started_at(at):
        for number in chance.sample(range(len(sold)), len(sold)):
            if sold[number].returned_late:
                await given_back(licences[number], sold[number].returned + sold[number].returned_late)
                await meanwhile(chance)
        await cancel_shares()
    after = await sales.balances()
    assert all(held == 0 for held, _ in after.values())
    got = {who: mine - before.get(who, (0, 0))[1] for who, (_, mine) in after.items()}
    return got, await money_of_operator() - operator, await balance(LOSSES) - losses


async def money_of_operator() -> int:
    """Return what the operator has, in micro-euros: with what a close carries to the next one, which is less than a cent."""
    carry = await fetch_value("SELECT carry_micro FROM share_close WHERE run IS NOT NULL ORDER BY month DESC LIMIT 1")
    return -await balance(OPERATOR_PAYABLE) * 10_000 - (carry or 0)


async def twice(sold: list[AnySale], chance: random.Random) -> None:
    if not await fetch_value("SELECT count(*) FROM dataset"):
        with clock.started_at(dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)):
            await sales.write_lines(PEOPLE)
    last = await fetch_value("SELECT max(month) FROM share_close") or dt.date(2026, 2, 1)
    outcomes = []
    for _ in range(2):
        first = bounds(next_month(last))[0]
        outcomes.append(await live_two_months(sold, first + dt.timedelta(days=3), chance))
        last = next_month(next_month(last))
    assert outcomes[0] == outcomes[1]
    got = sum(outcomes[0][0].values())
    left = max(one.net - one.returned - one.returned_late - one.fee for one in sold)
    assert got > 0 or left < 100, "a sale of which a euro is left after its fee pays its people something"
    assert got == 0 or any(one.returned < one.net for one in sold)


CHECKED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.mark.long
@settings(max_examples=3, deadline=None, suppress_health_check=CHECKED)
@given(some.lists(any_sale(), min_size=2, max_size=3), some.integers(0, 2**32))
async def test_any_order_of_sales_refunds_closes_and_crashes_gives_the_same_cents(
    sold: list[AnySale], seed: int
) -> None:
    await twice(sold, random.Random(seed))  # noqa: S311 (orders of a test)


@pytest.mark.deep
@settings(max_examples=25, deadline=None, suppress_health_check=CHECKED)
@given(some.lists(any_sale(), min_size=1, max_size=5), some.integers(0, 2**32))
async def test_many_orders_give_the_same_cents(sold: list[AnySale], seed: int) -> None:
    await twice(sold, random.Random(seed))  # noqa: S311 (orders of a test)
