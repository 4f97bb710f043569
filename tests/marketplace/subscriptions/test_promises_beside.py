"""What others are promised raises what is sold from then on, and nothing that was agreed with one partner before."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from marketplace import clock
from marketplace.database import execute
from marketplace.errors import Conflict
from marketplace.identity.actors import Actor
from marketplace.private_offers import actions as private_offers
from marketplace.subscriptions.actions import deliver, subscribe
from tests.attacks.test_price import DAY
from tests.attacks.test_price_alike import PARTS, open_parts, promise
from tests.attacks.test_price_menus import amounts_of, make_span, sell
from tests.marketplace.baskets.test_baskets import make_payer
from tests.support.reads import fetch_value


@pytest.mark.parametrize("promised_of", ["west", "east"])
async def test_a_locked_price_is_raised_by_its_own_datasets_promise_alone(stripe: Any, promised_of: str) -> None:
    del stripe
    await open_parts()
    await execute("UPDATE dataset SET cadence = 'week'")
    partner = await make_payer()
    await subscribe(partner, "east", releases=4, subscription=uuid.uuid4())
    locked = await fetch_value("SELECT locked_minor FROM subscription")
    await promise(promised_of, 90, cents=3_000_000)
    with clock.shifted(8 * DAY):
        await make_span("east", len(PARTS["east"]), 0, 7)
        assert (await amounts_of("east"))[0] > locked
        assert await deliver() == 1
    paid = await fetch_value("SELECT net_minor FROM purchase_order")
    assert (paid == locked) == (promised_of == "west")


@pytest.mark.parametrize("is_promised", [False, True])
async def test_a_private_offer_is_audited_as_if_nothing_was_promised(*, is_promised: bool) -> None:
    await open_parts()
    with clock.shifted(80 * DAY):
        if is_promised:
            await promise("west", 2)
        partner, steward = await make_payer(), Actor("Samir", person=uuid.uuid4(), role="steward")
        with pytest.raises(Conflict, match="who buys city"):
            await private_offers.offer(
                steward, partner, "city", percent_off=50, ends_at=clock.now() + 25 * DAY, offer_id=uuid.uuid4()
            )


async def test_a_private_price_that_nothing_undercuts_today_is_signed_while_something_is_promised() -> None:
    """Everything costs what the promise needs, the private price too."""
    await open_parts()
    partner, steward, offer = await make_payer(), Actor("Samir", person=uuid.uuid4(), role="steward"), uuid.uuid4()
    await private_offers.offer(steward, partner, "city", percent_off=30, ends_at=clock.now() + 25 * DAY, offer_id=offer)
    await sell("west", 5_500_000)
    with pytest.raises(Conflict, match="but who buys city"):
        await private_offers.quote(partner, offer, quote_id=uuid.uuid4())
    await promise("west", 90, cents=3_000_000)
    assert {amount for code in PARTS for amount in await amounts_of(code)} == {9_022_610}
    await private_offers.quote(partner, offer, quote_id=uuid.uuid4())
