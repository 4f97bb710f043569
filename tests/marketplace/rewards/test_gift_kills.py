"""Kill -9 at the awaits of moving and paying gifts: one payment a month and association, however often it died."""

from __future__ import annotations

import pytest

from marketplace.rewards import actions
from tests.marketplace.identity.site import make_staff
from tests.marketplace.payouts.payees import OUR_IBAN, paying_three
from tests.support.dying import killed_everywhere
from tests.support.reads import fetch


@pytest.mark.deep
async def test_gifts_killed_on_their_way_are_moved_and_paid_once(database_url: str) -> None:
    async with paying_three():
        nora, _ = await make_staff("Nora"), await make_staff("Paul")
        await actions.list_association("sea-rescue", name="Sea rescue", iban=OUR_IBAN, actor=nora)
        for line in (1, 2, 3):
            await actions.choose(line, "gift", "sea-rescue")
        deaths = [
            await killed_everywhere("tests.marketplace.rewards.killed", step, database_url, every=5)
            for step in ("move", "pay")
        ]
        assert min(deaths) >= 1, deaths
        rows = await fetch("SELECT state, count(*) AS people, sum(amount_minor) AS minor FROM reward GROUP BY state")
        assert [tuple(row) for row in rows] == [("done", 3, 3 * 3333)]
        paid = await fetch("SELECT people, amount_minor FROM gift_payment")
        assert [tuple(row) for row in paid] == [(3, 3 * 3333)]
        trail = await fetch("SELECT verb FROM staff_action WHERE verb IN ('rewards_moved', 'gifts_paid') ORDER BY id")
        assert [row["verb"] for row in trail] == ["rewards_moved", "gifts_paid"]
