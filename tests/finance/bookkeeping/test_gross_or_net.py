"""Gross or net is said once: what is judged later changes neither what was sold before nor what goes back of it; nothing is deferred."""

import datetime as dt
import random
import uuid
from dataclasses import dataclass, field

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.web.formats import paris_day
from marketplace.finance.bookkeeping.business_actions import sum_revenue
from marketplace.finance.bookkeeping.business_queries import count_ordered_ahead, list_prospects
from marketplace.finance.bookkeeping.judgements import list_presented, propose_judgement
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import balance
from marketplace.people.identity.actors import Actor
from marketplace.subscribers.earnings.actions import cancel_shares
from tests.finance.builders import sales
from tests.people.builders import make_staff
from tests.support.decisions import decide
from tests.support.reads import fetch_value

REASONS = {"control": "The operator hosts them.", "risk": "The operator bears it.", "price": "The operator sets it."}
DAY = dt.timedelta(days=1)
POOL, OPERATOR = 4_897, 3_428
STEPS = 12


@dataclass
class Played:
    """What happened on which day: sales and what became of them, and what was judged."""

    sold: dict[uuid.UUID, tuple[int, uuid.UUID]] = field(default_factory=dict)
    """Order → the day it was sold on, and its licence."""
    returned: dict[uuid.UUID, int] = field(default_factory=dict)
    judged: list[tuple[int, str]] = field(default_factory=list)

    def role(self, day: int) -> str:
        """Return what was judged on a day; the first judgement counts before it, too."""
        roles = [role for on, role in self.judged if on < day] or [role for _, role in self.judged[:1]]
        return roles[-1] if roles else "principal"

    def presented(self, first: int, last: int) -> int:
        """Return what the days from `first` until `last` (excluded) present."""
        total = 0
        for order, (day, _) in self.sold.items():
            kept = sales.NET - (POOL + OPERATOR if self.role(day) == "agent" else 0)
            total += kept * (first <= day < last) - kept * (first <= self.returned.get(order, -1) < last)
        return total


async def judge_role(role: str, people: tuple[Actor, Actor]) -> None:
    form = uuid.uuid4()
    await propose_judgement("city", role, people[0], **REASONS, form_id=form)
    await decide(form, people[1], approve=True)


async def presents(begun: dt.date, first: int, last: int) -> int:
    [row] = await list_presented(begun + first * DAY, begun + (last - 1) * DAY)
    return row.presented_minor


@pytest.mark.parametrize("seed", range(3))
async def test_a_sale_and_its_refund_cancel_out_though_another_role_is_judged_between(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 (the same days each time)
    jobs = random.Random(seed)  # noqa: S311 (nor are these a secret)
    await sales.write_shop()
    people = (await make_staff("Ada"), await make_staff("Bob"))
    played, begun = Played(), paris_day(clock.now())
    frozen: dict[tuple[int, int], int] = {}
    for day in range(STEPS):
        with clock.shifted(day * DAY):
            kept = [order for order in played.sold if order not in played.returned]
            what = dice.choice(["sell", "judge", "refund"]) if kept else "sell"
            if what == "sell":
                order = await sales.write_paid_order()
                played.sold[order] = (day, await sales.write_settled(order))
                await sales.hold_shares(played.sold[order][1])
            elif what == "refund":
                played.returned[dice.choice(kept)] = day
                await sales.write_refund(next(reversed(played.returned)))
                await cancel_shares()
            else:
                role = dice.choice(["agent", "principal"])
                is_first = not played.judged
                await judge_role(role, people)
                played.judged.append((day, role))
                if is_first:
                    frozen.clear()
            if jobs.random() < 0.5:
                await sum_revenue()
            for days, shown in frozen.items():
                assert await presents(begun, *days) == shown, "a day that is over stays as it was shown"
            frozen[day, day + 1] = await presents(begun, day, day + 1)
            assert frozen[day, day + 1] == played.presented(day, day + 1), (what, day)
    with clock.shifted(STEPS * DAY):
        for _ in range(5):
            first, last = sorted(dice.sample(range(STEPS + 1), 2))
            assert await presents(begun, first, last) == played.presented(first, last)
        for order in played.sold:
            if order not in played.returned:
                played.returned[order] = STEPS
                await sales.write_refund(order)
        await cancel_shares()
        [row] = await list_presented(begun, begun + STEPS * DAY)
        assert (row.sold_minor, row.shares_minor, row.presented_minor) == (0, 0, 0), (
            "all went back, and nothing is left"
        )
        assert {await balance(account) for account in (chart.LICENCES_SOLD, chart.VAT_COLLECTED)} == {0}


async def test_two_sales_of_a_day_that_are_summed_apart_both_have_their_shares() -> None:
    await sales.write_shop()
    people = (await make_staff("Ada"), await make_staff("Bob"))
    await judge_role("agent", people)
    today = paris_day(clock.now())
    for number in (1, 2):
        order = await sales.write_paid_order()
        await sales.hold_shares(await sales.write_settled(order))
        await sum_revenue()
        assert await presents(today, 0, 1) == number * (sales.NET - POOL - OPERATOR)


async def ahead() -> tuple[int, int, int]:
    """Return what subscriptions still bring; what is said of the dataset is the same."""
    row, due = await count_ordered_ahead(), (await list_prospects())["city"]
    assert (row.releases, row.at_most_minor) == (due.due_releases, due.due_minor)
    return row.subscriptions, row.releases, row.at_most_minor


async def test_what_subscriptions_still_bring_is_nothing_at_their_end_and_never_in_the_books() -> None:
    await sales.write_shop()
    assert await ahead() == (0, 0, 0)
    it = uuid.uuid4()
    await execute(
        """INSERT INTO subscription (id, partner, dataset, locked, locked_minor, releases, after, began_at, promised_days,
                                     promised_coverage_micro, terms)
           SELECT $1, id, 'city', '', 10000, 4, now(), now(), 3, 1, 'standard-1' FROM partner LIMIT 1""",
        it,
    )
    assert await ahead() == (1, 4, 40_000)
    order = await sales.write_order()
    await execute(
        """INSERT INTO subscribed_release (id, subscription, release, purchase_order, refusal, at)
           VALUES (gen_random_uuid(), $1, $2, $3, '', now())""",
        it,
        sales.RELEASE,
        order,
    )
    assert await ahead() == (1, 3, 30_000)
    await execute("UPDATE subscription SET state = 'paused'")
    assert await ahead() == (1, 3, 30_000), "what is paused may go on"
    await execute("UPDATE purchase_order SET state = 'lapsed'")
    assert await ahead() == (1, 4, 40_000), "what was not paid is made again once it goes on"
    await execute("UPDATE purchase_order SET state = 'awaiting_payment'")
    await sales.pay_unseen(order)
    await sales.write_settled(order)
    assert await balance(chart.LICENCES_SOLD) == -sales.NET, "a release that is there is revenue at once"
    await sales.write_refund(order)
    assert await ahead() == (1, 3, 30_000), "what went back was brought"
    await execute("UPDATE subscription SET state = 'ended', ended_at = now()")
    assert await ahead() == (0, 0, 0)
    assert await fetch_value("SELECT count(*) FROM posting WHERE $1 IN (debit, credit)", chart.ADVANCES) == 0
