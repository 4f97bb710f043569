"""Kill -9 at the awaits of selling on credit and of paying it: sold once, owed once, paid once."""

from __future__ import annotations

import pytest

from tests.marketplace.credit.test_credit import with_limit
from tests.marketplace.identity.site import make_staff
from tests.marketplace.purchases.shop import make_buyer, open_shop
from tests.support.dying import killed_everywhere


@pytest.mark.deep
async def test_a_sale_on_credit_killed_on_its_way_is_sold_and_paid_once(database_url: str) -> None:
    await open_shop()
    partner = await make_buyer()
    await with_limit(partner, 10_000_000_000, await make_staff("Ada"), await make_staff("Bob"))
    assert await killed_everywhere("tests.marketplace.credit.killed", "pay", database_url) >= 4
    assert await killed_everywhere("tests.marketplace.credit.killed", "sell", database_url) >= 4
