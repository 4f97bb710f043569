"""Kill -9 at every await, half of them a day, of giving back what was paid twice: one payment is kept, one goes back, once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.marketplace.purchases.shop import open_shop
from tests.support.dying import killed_everywhere
from tests.support.halves import first_and_every


@pytest.mark.deep
async def test_of_two_payments_one_is_kept_wherever_a_worker_dies(stripe: Any, database_url: str) -> None:
    del stripe
    await open_shop()
    first, every = first_and_every()
    killed = await killed_everywhere(
        "tests.marketplace.duplicate_orders.killed", "decide", database_url, first=first, every=every
    )
    assert killed * every >= 8
