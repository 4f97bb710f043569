"""Kill -9 at every await from intent to outcome, half of them a day: the money is right at the end, to the cent."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.marketplace.payments.scenes import SCENES, SECRET
from tests.support.dying import killed_everywhere
from tests.support.halves import first_and_every

LEAST = 10
MODULE = "tests.marketplace.payments.scenes"


@pytest.mark.usefixtures("stripe")
@pytest.mark.parametrize("scene", ["charge"])
async def test_killed_here_and_there_the_card_is_charged_once(database_url: str, scene: str) -> None:
    assert await killed_everywhere(MODULE, scene, database_url, every=5) >= 3


@pytest.mark.deep
@pytest.mark.parametrize("scene", list(SCENES))
async def test_killed_at_every_await_the_money_is_right(stripe: Any, database_url: str, scene: str) -> None:
    del stripe
    os.environ["STRIPE_WEBHOOK_SECRET"] = SECRET
    first, every = first_and_every()
    deaths = await killed_everywhere(MODULE, scene, database_url, first=first, every=every)
    print(f"{scene}: killed {deaths} times")
    assert deaths * every >= LEAST, "the scene must have been killed on its way"
