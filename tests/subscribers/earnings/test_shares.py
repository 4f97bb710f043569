"""Shares: exact for any sales to anyone, moved once though workers race or die, never below zero."""

import asyncio
import datetime as dt
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from marketplace.core import clock
from marketplace.core.database import copy_columns, execute, transaction
from marketplace.core.errors import Conflict
from marketplace.money.ledger.chart import OPERATOR_PAYABLE, SUBSCRIBERS_HELD, SUBSCRIBERS_SHARES
from marketplace.money.ledger.queries import balance
from marketplace.subscribers.earnings import rules
from marketplace.subscribers.earnings.actions import cancel_shares, hold_shares
from marketplace.subscribers.earnings.month_close import close_months
from marketplace.subscribers.earnings.queries import get_balance, get_share
from tests.subscribers.builders import sales
from tests.support.reads import fetch, fetch_one, fetch_value

DAYS_15 = dt.timedelta(days=15)


@given(
    posted=some.integers(1, 10**9),
    paid_basis_points=some.integers(1, 10_000),
    fee=some.integers(0, 10**6),
    rates=some.tuples(some.integers(0, 10_000), some.integers(0, 10_000)).filter(lambda pair: sum(pair) <= 10_000),
)
def test_a_sale_is_divided_to_the_cent(posted: int, paid_basis_points: int, fee: int, rates: tuple[int, int]) -> None:
    """Pool and denominator are those of the posted price, not of what was paid, and what was paid less is the operator's."""
    net = -(-posted * paid_basis_points // 10_000)
    division, at_the_price = rules.divide(posted, net, fee, rates), rules.divide(posted, posted, 0, rates)
    parts = division.pool_minor, division.operator_minor, division.platform_minor
    assert sum(parts) == division.distributable_minor == net - fee
    assert min(parts[:2]) >= 0
    assert division.pool_minor == at_the_price.pool_minor
    assert division.posted_operator_minor == at_the_price.operator_minor
    if 10_000 - paid_basis_points <= rates[1]:
        assert division.operator_minor == at_the_price.operator_minor - (posted - net)
        assert division.platform_minor == at_the_price.platform_minor - fee
    public = at_the_price.pool_minor, at_the_price.operator_minor, at_the_price.platform_minor
    for part, rate in zip(public, rates, strict=False):
        assert abs(part * 10_000 - posted * rate) < 10_000
    denominators = {
        rules.public_denominator(one, 77, noises=9, variance_micro=2_000_000) for one in (division, at_the_price)
    }
    assert len(denominators) == 1


@given(
    pool=some.integers(0, 10**8),
    operator=some.integers(0, 10**8),
    of_pool=some.integers(0, 10**12),
    added=some.integers(0, 10**12),
)
def test_who_pays_what_is_owed_adds_up(pool: int, operator: int, of_pool: int, added: int) -> None:
    division = rules.Division(0, pool + operator, pool, operator, 0, operator)
    owed = rules.settle(division, 1, of_pool, added, 1)
    assert owed.shares_micro == of_pool + added
    assert owed.owed_minor * 10_000 == owed.shares_micro + owed.rounding_micro
    assert 0 <= owed.rounding_micro < 10_000
    paid = rules.costs((pool, operator), owed.owed_minor, (owed.top_up_operator_minor, owed.top_up_platform_minor))
    assert paid.subscribers_minor + paid.operators_minor == owed.owed_minor
    assert min(paid.subscribers_minor, paid.operators_minor) >= 0
    assert owed.owed_minor + paid.kept_minor == pool + operator + owed.top_up_platform_minor
    if owed.top_up_platform_minor:
        assert paid.kept_minor <= max(0, pool - -(-of_pool // 10_000)), "the operator's part is spent first"
    if of_pool <= (pool + operator) * 10_000:
        assert paid.kept_minor >= 0


async def test_shares_are_held_then_released_to_the_millionth() -> None:
    await sales.write_lines()
    release = await sales.seal_weights({1: 3, 2: 3, 4: 1})
    licence = await sales.write_sale(release, 10_001, fee=318, hold_days=14)
    assert await hold_shares() == 1
    assert await hold_shares() == 0
    split = await fetch_one("SELECT * FROM licence_split")
    assert split
    assert (split["distributable_minor"], split["pool_minor"]) == (9683, 5001)
    assert (split["operator_minor"], split["platform_minor"]) == (3500, 1500 - 318)
    assert await sales.balances() == {1: (21_432_857, 0), 2: (21_432_857, 0), 4: (7_144_285, 0)}
    assert (split["denominator"], split["shares_micro"], split["rounding_micro"]) == (7, 50_009_999, 1)
    assert await fetch_value("SELECT count(*) FROM accrual") == 0, "no row a person while it is held"
    assert -await balance(OPERATOR_PAYABLE) == split["operator_minor"]
    assert await close_months() == 0
    assert await sales.close_month() == 1
    assert await sales.close_month() == 0
    assert await sales.balances() == {1: (0, 21_432_857), 2: (0, 21_432_857), 4: (0, 7_144_285)}
    share = await get_share(licence, 4)
    assert (share.share_micro, share.state, share.weight) == (7_144_285, "released", 1)


@pytest.mark.parametrize("published", [70, 8, 7, 6, 5])
async def test_what_differs_from_the_pool_is_the_operators(published: int) -> None:
    """Whatever the release publishes: everybody's share is by that, and the operator keeps or pays the rest."""
    await sales.write_lines()
    licence = await sales.write_sale(await sales.seal_weights({1: 3, 2: 3, 4: 1}, published=published), 10_001, fee=318)
    await hold_shares()
    held = await sales.balances()
    assert held == {who: (50_010_000 * weight // published, 0) for who, weight in {1: 3, 2: 3, 4: 1}.items()}
    owed = -await balance(SUBSCRIBERS_HELD)
    assert owed == -(-sum(mine for mine, _ in held.values()) // 10_000)
    assert -await balance(OPERATOR_PAYABLE) == 3_500 + 5_001 - owed
    await sales.refund_licence(licence)
    await cancel_shares()
    assert [await balance(account) for account in (SUBSCRIBERS_HELD, OPERATOR_PAYABLE, SUBSCRIBERS_SHARES)] == [0, 0, 0]
    assert await sales.balances() == {}


async def test_one_close_has_one_row_a_person_over_all_licences() -> None:
    await sales.write_lines()
    here, there = await sales.seal_weights({1: 1, 2: 2}), await sales.seal_weights({2: 5, 3: 1})
    for release, net in ((here, 4000), (here, 999), (there, 77_777), (there, 2)):
        await sales.write_sale(release, net, fee=0)
    assert await hold_shares() == 4
    held = await sales.balances()
    for who in held:
        assert (await get_balance(who)).held_micro == held[who][0]
    for who in held:
        mine = [await get_share(row["licence"], who) for row in await licences_with(who)]
        assert sum(share.share_micro for share in mine) == held[who][0]
    assert await sales.close_month() == 4
    rows = await fetch("SELECT subscriber, count(*) AS rows FROM closed_share GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in rows] == [(1, 1), (2, 1), (3, 1)]


async def licences_with(who: int) -> list[Any]:
    """Return the splits whose licence's release has `who` in it."""
    from marketplace.subscribers.earnings.contribution_queries import find_contributions  # noqa: PLC0415

    return await fetch(
        """SELECT licence_split.licence FROM licence_split JOIN licence ON licence.id = licence_split.licence
           JOIN sold_release ON sold_release.release = licence.release WHERE sold_release.number = ANY ($1)""",
        (await find_contributions(who)).numbers.tolist(),
    )


@some.composite
def any_sales(draw: some.DrawFn) -> tuple[list[dict[int, int]], list[tuple[int, int, int, bool]]]:
    """Draw weights by person for a few releases, and sales (release, net, fee, refunded) of them."""
    weights = some.dictionaries(some.integers(1, 300), some.integers(1, 12), min_size=1, max_size=200)
    manifests = draw(some.lists(weights, min_size=1, max_size=3))
    sale = some.tuples(
        some.integers(0, len(manifests) - 1), some.integers(1, 10**7), some.integers(0, 2000), some.booleans()
    )
    return manifests, draw(some.lists(sale, min_size=1, max_size=6))


@pytest.mark.long
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(any_sales())
async def test_any_sales_add_up_and_are_refunded(
    made: tuple[list[dict[int, int]], list[tuple[int, int, int, bool]]],
) -> None:
    manifests, sold = made
    if not await fetch_value("SELECT count(*) FROM dataset"):
        await sales.write_lines(range(1, 301))
    releases = [await sales.seal_weights(weights, started_at=clock.now() - sales.MONTH) for weights in manifests]
    before = await sales.balances()
    licences = [(await sales.write_sale(releases[which], net, fee=fee), refunded) for which, net, fee, refunded in sold]
    assert await hold_shares() == len(licences)
    owed = await fetch_value("SELECT sum(shares_micro)::bigint FROM licence_split WHERE state = 'held'")
    held = await sales.balances()
    assert sum(of_one[0] for of_one in held.values()) == owed
    for licence, refunded in licences:
        if refunded:
            await sales.refund_licence(licence)
    refunds = sum(refunded for _, refunded in licences)
    assert await cancel_shares() == refunds
    assert await sales.close_month() == len(licences) - refunds
    after = await sales.balances()
    assert all(of_one[0] == 0 for of_one in after.values())
    paid = sum(mine for _, mine in after.values()) - sum(mine for _, mine in before.values())
    kept = [licence for licence, refunded in licences if not refunded]
    assert paid == await fetch_value(
        "SELECT coalesce(sum(shares_micro), 0)::bigint FROM licence_split WHERE licence = ANY ($1)", kept
    )


async def test_a_refund_before_the_hold_ends_cancels_everything() -> None:
    await sales.write_lines()
    licence = await sales.write_sale(await sales.seal_weights({1: 3, 2: 4}))
    await hold_shares()
    await sales.refund_licence(licence)
    with clock.shifted(DAYS_15):
        assert await sales.close_month() == 0
        assert await cancel_shares() == 1
        assert await cancel_shares() == 0
    assert await sales.balances() == {}
    assert await balance(OPERATOR_PAYABLE) == 0


async def test_a_refund_after_the_release_leaves_the_subscribers_theirs() -> None:
    await sales.write_lines()
    licence = await sales.write_sale(await sales.seal_weights({1: 1}), 200, fee=0)
    await hold_shares()
    with clock.shifted(DAYS_15):
        await sales.close_month()
        await sales.refund_licence(licence)
        assert await cancel_shares() == 0
    assert await sales.balances() == {1: (0, 1_000_000)}


async def test_a_refund_before_the_split_leaves_nothing_to_split() -> None:
    await sales.write_lines()
    licence = await sales.write_sale(await sales.seal_weights({1: 1}))
    await execute("UPDATE licence SET cancelled_at = now()")  # asked for: Stripe has not answered yet
    assert await hold_shares() == 0
    await sales.refund_licence(licence)
    assert await hold_shares() == 0
    assert await sales.balances() == {}


async def test_a_share_waits_while_a_refund_is_asked_for_or_a_dispute_is_open() -> None:
    await sales.write_lines()
    release = await sales.seal_weights({1: 1})
    asked, disputed = await sales.write_sale(release), await sales.write_sale(release)
    await hold_shares()
    await sales.ask_refund(asked)
    await sales.mirror_movement(disputed, "dispute", -10_000, 1500)
    with clock.shifted(DAYS_15):
        assert await sales.close_month() == 0
        await sales.mirror_movement(disputed, "dispute_reversal", 10_000)
        await execute("UPDATE stripe_command SET state = 'failed'")
        assert await sales.close_month() == 2


async def test_nothing_is_split_before_stripes_fee_is_known() -> None:
    await sales.write_lines()
    licence = await sales.write_sale(await sales.seal_weights({1: 1}), fee=None)
    assert await hold_shares() == 0
    await sales.mirror_movement(licence, "charge", 10_000, 250)
    assert await hold_shares() == 1
    assert await fetch_value("SELECT fee_minor FROM licence_split") == 250


async def test_a_fee_is_the_platforms_even_where_it_uses_up_the_sale() -> None:
    await sales.write_lines()
    await sales.write_sale(await sales.seal_weights({1: 1, 2: 1}), 20, fee=25)
    assert await hold_shares() == 1
    assert await fetch("SELECT pool_minor, operator_minor, platform_minor FROM licence_split") == [(10, 7, -22)]
    assert await sales.balances() == {1: (50_000, 0), 2: (50_000, 0)}
    with clock.shifted(DAYS_15):
        assert await sales.close_month() == 1


async def test_racing_workers_split_and_release_once() -> None:
    await sales.write_lines(range(1, 2001))
    release = await sales.seal_weights({who: who % 12 + 1 for who in range(1, 2001)})
    licences = [await sales.write_sale(release, 1000 + number) for number in range(12)]
    held = await asyncio.gather(*[hold_shares() for _ in range(4)])
    assert sum(held) == 12
    owed = await fetch_value("SELECT sum(shares_micro)::bigint FROM licence_split")
    assert sum(mine[0] for mine in (await sales.balances()).values()) == owed
    with clock.shifted(dt.timedelta(days=50)):
        ends = await asyncio.gather(
            close_months(),
            cancel_shares(),
            *[sales.refund_licence(licence) for licence in licences[:6]],
            close_months(),
            cancel_shares(),
        )
        assert ends is not None
        await cancel_shares()
    await sales.close_month()
    states = {row["licence"]: row["state"] for row in await fetch("SELECT licence, state FROM licence_split")}
    assert all(states[licence] == "released" for licence in licences[6:])
    assert {states[licence] for licence in licences[:6]} <= {"released", "cancelled"}
    await sales.balances()


async def test_an_accrual_of_a_line_or_run_that_is_not_there_is_refused() -> None:
    await sales.write_lines()
    await sales.write_sale(await sales.seal_weights({1: 1}))
    await hold_shares()
    known = int(await fetch_value("SELECT max(id) FROM share_run"))
    for number, who in ((known, 77), (known + 1, 2)):
        columns = {"run": [number], "subscriber": [who], "payable_micro": [1]}
        with pytest.raises(asyncpg.ForeignKeyViolationError, match="does not exist"):
            async with transaction():
                await copy_columns("accrual", {name: np.array(values) for name, values in columns.items()})


async def test_a_manifest_of_someone_unknown_stops_the_close_and_pays_nobody() -> None:
    await sales.write_lines()
    await sales.write_sale(await sales.seal_weights({1: 1, 4711: 1}))
    await hold_shares()
    with pytest.raises(Conflict, match="a line that there is not"):
        await sales.close_month()
    assert await fetch_value("SELECT count(*) FROM closed_share") == 0
    await execute("INSERT INTO subscriber (reference) VALUES (4711)")
    assert await sales.close_month() == 1


async def test_only_who_is_in_the_release_sees_a_share() -> None:
    from marketplace.core.errors import NotFound  # noqa: PLC0415

    async def story(who: int) -> UUID:
        await sales.write_lines()
        licence = await sales.write_sale(await sales.seal_weights({1: 1, 3: 2}))
        await hold_shares()
        with pytest.raises(NotFound):
            await get_share(licence, who)
        return licence

    await story(2)
