"""Money that is refunded in part or late: shares stay as they are, and what went back is the operator's loss."""

import datetime as dt
import uuid
from typing import Any

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.money.ledger.chart import LOSSES, OPERATOR_PAYABLE, SUBSCRIBERS_SHARES
from marketplace.money.ledger.queries import balance
from marketplace.sales.orders.refunds import record_refunds, request_order_refund
from marketplace.subscribers.earnings.actions import cancel_shares, hold_shares
from tests.subscribers.builders import sales
from tests.subscribers.builders.sales import given_back, state_dispute
from tests.support.reads import fetch, fetch_value

DAYS_15 = dt.timedelta(days=15)


async def splits() -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await fetch("SELECT state FROM licence_split ORDER BY split_at")]


@pytest.mark.parametrize("backs", [[2_500], [1, 2, 9_999], [3_333, 6_666, 10_000]])
async def test_held_shares_do_not_show_a_refund_of_a_part(backs: list[int]) -> None:
    """It is the operator's loss once they are released; only a sale that is paid back whole has none."""
    await sales.write_lines()
    licence = await sales.write_sale(await sales.seal_weights({1: 1, 2: 2, 3: 4}), 10_000, fee=300)
    other = await sales.write_sale(await sales.seal_weights({1: 1, 5: 1}), 8_000, fee=200)
    await hold_shares()
    before = await sales.balances()
    for amount in backs:
        await given_back(licence, amount)
        assert await cancel_shares() == (amount == 10_000)
        assert await hold_shares() == 0
        assert (await sales.balances() == before) is (amount < 10_000)
    assert (await sales.balances())[5] == before[5], "another sale's people do not notice"
    is_whole = backs[-1] == 10_000
    with clock.shifted(DAYS_15):
        assert await sales.close_month() == (1 if is_whole else 2)
        assert await balance(LOSSES) == 0
        await cancel_shares()
    assert await fetch_value("SELECT state FROM licence_split WHERE licence = $1", other) == "released"
    await sales.balances()
    assert await balance(LOSSES) == (0 if is_whole else 5_000 * backs[-1] // 10_000)


async def test_shares_wait_while_money_may_go_back() -> None:
    await sales.write_lines()
    release = await sales.seal_weights({1: 1, 2: 3})
    asked, disputed, silent = [await sales.write_sale(release, 10_000) for _ in range(3)]
    await hold_shares()
    await execute("UPDATE payment SET received_minor = amount_minor, payment_intent_id = 'pi_' || subject")
    await request_order_refund(await sales.order_of_licence(asked), "Léa", refund_id=uuid.uuid4(), amount_minor=100)
    await state_dispute(disputed, "open", 10_000)
    await execute("UPDATE payment SET refunded_minor = 1 WHERE subject = $1", await sales.order_of_licence(silent))
    with clock.shifted(DAYS_15):
        assert await sales.close_month() == 0, "asked for, disputed, and given back though not yet in the books"
        await execute("UPDATE stripe_command SET state = 'failed'")
        await record_refunds()
        await state_dispute(disputed, "won", 10_000)
        await sales.mirror_movement(silent, "refund", -1)
        assert await cancel_shares() == 0
        assert await sales.close_month() == 3


@pytest.mark.parametrize("way", ["refund", "dispute"])
@pytest.mark.parametrize(("first", "then"), [(10_000, None), (4_000, None), (4_000, 10_000)])
async def test_what_is_refunded_after_the_release_is_the_operators_loss(way: str, first: int, then: int | None) -> None:
    await sales.write_lines()
    licence = await sales.write_sale(await sales.seal_weights({1: 1, 2: 2, 3: 4}), 10_000, fee=300)
    await hold_shares()
    with clock.shifted(DAYS_15):
        await sales.close_month()
        payable, operator = await sales.balances(), await balance(OPERATOR_PAYABLE)
        lost = 0
        for amount in (first, then):
            if amount is None:
                continue
            if way == "refund" or amount == then:
                await given_back(licence, amount - (lost if way == "dispute" else 0))
            else:
                await state_dispute(licence, "lost", amount)
                await sales.mirror_movement(licence, "dispute", -amount)
                lost = amount
            assert await cancel_shares() == 0
            assert await cancel_shares() == 0
            assert await sales.balances() == payable, "what was released stays theirs"
            assert await balance(LOSSES) == 5_000 * amount // 10_000
            assert await balance(SUBSCRIBERS_SHARES) == 5_000 - 5_000 * amount // 10_000
            assert await balance(OPERATOR_PAYABLE) == operator + 3_500 * amount // 10_000
        assert [row[0] for row in await splits()] == ["released"]


async def test_a_dispute_won_gives_the_shares_back_their_way() -> None:
    await sales.write_lines()
    licence = await sales.write_sale(await sales.seal_weights({1: 1, 2: 2}), 10_000)
    await hold_shares()
    held = await sales.balances()
    await state_dispute(licence, "open", 10_000)
    assert await fetch_value("SELECT suspended_at IS NOT NULL FROM entitlement")
    assert await cancel_shares() == 0, "held shares stay held"
    assert await sales.balances() == held
    await state_dispute(licence, "won", 10_000)
    assert await fetch_value("SELECT suspended_at IS NULL AND revoked_at IS NULL FROM entitlement")
    with clock.shifted(DAYS_15):
        assert await sales.close_month() == 1


async def test_a_dispute_lost_before_the_release_cancels_the_shares() -> None:
    await sales.write_lines()
    licence = await sales.write_sale(await sales.seal_weights({1: 1, 2: 2}), 10_000)
    await hold_shares()
    await state_dispute(licence, "open", 10_000)
    await state_dispute(licence, "lost", 10_000)
    await sales.mirror_movement(licence, "dispute", -10_000)
    with clock.shifted(DAYS_15):
        assert await sales.close_month() == 0
        assert await cancel_shares() == 1
    assert await sales.balances() == {}
    assert await balance(LOSSES) == 0
    assert await fetch_value("SELECT state FROM purchase_order") == "charged_back"
    assert await fetch_value("SELECT revoked_at IS NOT NULL FROM entitlement")
