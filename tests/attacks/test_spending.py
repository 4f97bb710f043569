"""A company's spending limits, attacked: orders and bids beyond their ceilings pass in no way.

At once, split, by several keys, around midnight and the end of a month, after lapsed orders, and after revocation.
"""

import asyncio
import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Expired
from marketplace.core.web.formats import PARIS
from marketplace.people.identity.actors import Actor
from marketplace.people.identity.ending import set_role
from marketplace.people.identity.key_actions import create_key, revoke_key, rotate_key
from marketplace.people.spending.actions import revoke_limit
from marketplace.people.spending.rules import BeyondLimit, Spender, month_of
from marketplace.sales.auctions.actions import place_bid
from marketplace.sales.auctions.award import settle_sales
from marketplace.sales.orders.actions import order, payment_page
from marketplace.sales.orders.settling import TIME_TO_PAY, lapse_unpaid
from tests.catalogue.builders import have_everything_cost
from tests.people.builders import add_person, allow, spender_for
from tests.sales.builders.auctions import end_auction, open_auction
from tests.sales.builders.shop import FLOOR, jobs, make_buyer, make_quote, open_shop, save_card
from tests.support.reads import fetch, fetch_value

ORDERS: Final = 5
"""How many orders fit into a month."""
WORKERS: Final = 8
SIZES: Final = [pytest.param(60), pytest.param(5_000, marks=pytest.mark.deep)]


@dataclass(frozen=True, slots=True)
class Company:
    """A partner, its owner, a release at the floor's price, and three who may spend: two keys and a member."""

    partner: uuid.UUID
    owner: Actor
    release: uuid.UUID
    spenders: Sequence[Spender]

    @property
    def first(self) -> Spender:
        return self.spenders[0]

    def holder(self, spender: Spender) -> uuid.UUID:
        found = spender.key or spender.person
        assert found
        return found


async def open_company() -> Company:
    release, partner = await open_shop(), await make_buyer()
    await have_everything_cost(FLOOR)
    owner = Actor(name="Claire", person=(await spender_for(partner)).person, partner=partner, vetted=True)
    keys = [uuid.uuid4(), uuid.uuid4()]
    for number, key in enumerate(keys):
        await create_key(partner, f"key {number}", key_id=key, session="s", owner=owner.person)
    member = await add_person("Eve", partner=partner)
    await execute("UPDATE person SET company_role = 'buyer' WHERE id = $1", member)
    for holder in (*keys, member):
        await allow(partner, holder, order_minor=FLOOR, month_minor=ORDERS * FLOOR + FLOOR - 1)
    spenders = [*(Spender(partner, key=key) for key in keys), Spender(partner, person=member)]
    return Company(partner, owner, release, spenders)


async def attack(company: Company, spenders: Sequence[Spender], times: int) -> list[uuid.UUID]:
    """Try to order so often, many at once; return the orders that passed. Every other answer is BeyondLimit."""
    places, passed = asyncio.Semaphore(WORKERS), []
    spare: list[uuid.UUID] = []  # a quote that was not ordered is tried again: a company gets fifty a day

    async def once(by: Spender) -> None:
        async with places:
            made, quote = uuid.uuid4(), spare.pop() if spare else await make_quote(company.partner, company.release)
            try:
                await order(company.partner, quote, by=by, order_id=made, email="a@b.example", reason="Again.")
            except BeyondLimit:
                spare.append(quote)
            else:
                passed.append(made)

    await asyncio.gather(*(once(spenders[number % len(spenders)]) for number in range(times)))
    return passed


async def ordered_by(spender: Spender, at: dt.datetime | None = None) -> int:
    """Return what the orders of a spender cost that are paid or may be paid, by the orders themselves."""
    found: int = await fetch_value(
        """SELECT coalesce(sum(net_minor), 0)::bigint
           FROM spending JOIN purchase_order ON purchase_order.id = spending.subject
           WHERE (spending.person = $1 OR spending.api_key = $2) AND purchase_order.state <> 'lapsed'
             AND ($3::date IS NULL OR month = $3)""",
        spender.person,
        spender.key,
        month_of(at) if at else None,
    )
    return found


@pytest.mark.parametrize("times", SIZES)
@pytest.mark.usefixtures("stripe")
async def test_orders_at_once_by_several_keys_stay_within_each_ceiling(times: int) -> None:
    company = await open_company()
    passed = await attack(company, company.spenders, times)
    assert len(passed) == ORDERS * len(company.spenders)
    assert {await ordered_by(one) for one in company.spenders} == {ORDERS * FLOOR}
    assert await attack(company, company.spenders, 6) == []
    stranger = Spender(company.partner, key=uuid.uuid4())
    former = Spender(company.partner, person=await add_person("Gone", partner=company.partner))
    await execute("UPDATE person SET ended_at = now() WHERE id = $1", former.person)
    assert await attack(company, [stranger, former, Spender(company.partner)], 6) == []


@pytest.mark.usefixtures("stripe")
async def test_no_price_above_the_ceiling_passes_and_none_that_rose() -> None:
    company = await open_company()
    await have_everything_cost(FLOOR + 1)
    assert await attack(company, company.spenders, 12) == []
    await have_everything_cost(FLOOR)
    assert len(await attack(company, [company.first], 3)) == 3


@pytest.mark.usefixtures("stripe")
async def test_a_month_ends_at_midnight_in_paris_and_not_before() -> None:
    company = await open_company()
    today = clock.now().astimezone(PARIS)
    midnight = dt.datetime(today.year + today.month // 12, today.month % 12 + 1, 1, tzinfo=PARIS)
    second, passed = dt.timedelta(seconds=20), []
    for instant in (midnight - second, midnight - second, midnight, midnight + second):
        with clock.started_at(instant):
            passed.append(len(await attack(company, [company.first], 12)))
    assert passed == [ORDERS, 0, ORDERS, 0]
    months = [await ordered_by(company.first, at) for at in (midnight - second, midnight)]
    assert months == [ORDERS * FLOOR] * 2


@pytest.mark.usefixtures("stripe")
async def test_what_lapsed_is_given_back_once_and_only_what_nobody_can_pay() -> None:
    company = await open_company()
    assert len(await attack(company, [company.first], 12)) == ORDERS
    assert await lapse_unpaid() == 0
    assert await attack(company, [company.first], 6) == []
    with clock.shifted(TIME_TO_PAY):
        assert await lapse_unpaid() == ORDERS
        assert await attack(company, [company.first], 6) == [], "their pages are not closed yet"
        await jobs()
        assert len(await attack(company, [company.first], 12)) == ORDERS
        await jobs()
        await jobs()
        assert await attack(company, [company.first], 6) == []
    assert await ordered_by(company.first) == ORDERS * FLOOR


@pytest.mark.parametrize("how", ["limit", "key", "role", "role of who made the key"])
@pytest.mark.usefixtures("stripe")
async def test_after_revocation_nothing_is_ordered_and_nothing_unpaid_can_be_paid(how: str) -> None:
    company = await open_company()
    member = company.spenders[2]
    stopped = member if how == "role" else company.first
    await execute("UPDATE api_key SET owner = $1 WHERE id = $2", member.person, company.first.key)
    made = await attack(company, [stopped], 2)
    if how == "limit":
        await revoke_limit(company.owner, company.holder(stopped))
    elif how == "key":
        await revoke_key(company.partner, company.holder(stopped))
    else:
        assert member.person
        await set_role(company.partner, member.person, "reader", by=company.owner.person)
    assert await attack(company, [stopped], 12) == []
    with pytest.raises(Expired, match="not in force"):
        await payment_page(company.partner, made[0])
    assert await lapse_unpaid() == 1
    states = await fetch("SELECT DISTINCT state FROM purchase_order")
    assert [row["state"] for row in states] == ["lapsed"]
    assert len(await attack(company, [company.spenders[1]], 2)) == 2, "the others' limits stay"


@pytest.mark.usefixtures("stripe")
async def test_keys_that_replace_each_other_have_one_limit() -> None:
    company = await open_company()
    first = company.holder(company.first)
    for _ in range(3):
        await rotate_key(company.owner, first, new_id=uuid.uuid4(), session="s")
    roots = await fetch("SELECT DISTINCT coalesce(replaces, id) AS root FROM api_key WHERE replaces = $1", first)
    assert [row["root"] for row in roots] == [first]
    await revoke_key(company.partner, first)
    assert len(await attack(company, [company.first], 12)) == ORDERS, "a newer key orders, within the same limit"


async def bid(company: Company, by: Spender, auction: uuid.UUID, amount: int) -> bool:
    actor = Actor(name="x", person=by.person, key=by.key, partner=company.partner, vetted=True)
    try:
        return (await place_bid(actor, auction, bid=uuid.uuid4(), maximum_minor=amount)).accepted
    except BeyondLimit:
        return False


@pytest.mark.parametrize("times", SIZES)
@pytest.mark.usefixtures("stripe")
async def test_bids_at_once_in_several_auctions_and_orders_stay_within_one_ceiling(times: int) -> None:
    company = await open_company()
    await save_card(company.partner)
    ceiling, month = 2 * FLOOR, 11 * FLOOR
    await allow(company.partner, company.holder(company.first), order_minor=ceiling, month_minor=month)
    auctions = [await open_auction(reserve_minor=FLOOR) for _ in range(8)]
    places = asyncio.Semaphore(WORKERS)

    async def once(number: int) -> None:
        async with places:
            amount = ceiling + 1 if number % 3 == 0 else FLOOR + 97 * number % FLOOR
            await bid(company, company.first, auctions[number % len(auctions)], amount)

    await asyncio.gather(*(once(number) for number in range(times)))
    bound: int = await fetch_value(
        """SELECT sum(most)::bigint FROM (
               SELECT max(maximum_minor) AS most FROM bid WHERE position IS NOT NULL GROUP BY auction) AS held"""
    )
    assert month - ceiling < bound <= month
    assert await fetch_value("SELECT max(maximum_minor) FROM bid") <= ceiling
    assert await fetch_value("SELECT spent_minor FROM spending_month") == bound
    assert len(await attack(company, [company.first], 6)) == (month - bound) // FLOOR, "what is bid is spent until then"


@pytest.mark.usefixtures("stripe")
async def test_a_bid_of_a_revoked_limit_is_not_charged_and_what_is_not_won_is_given_back() -> None:
    company = await open_company()
    await save_card(company.partner)
    won, stopped = [await open_auction(reserve_minor=FLOOR) for _ in range(2)]
    await allow(company.partner, company.holder(company.first), order_minor=2 * FLOOR, month_minor=2 * FLOOR)
    assert await bid(company, company.first, won, 2 * FLOOR)
    assert await bid(company, company.spenders[1], stopped, FLOOR)
    await revoke_limit(company.owner, company.holder(company.spenders[1]))
    for auction in (won, stopped):
        await end_auction(auction)
    await settle_sales()
    charged = await fetch("SELECT api_key, net_minor FROM purchase_order JOIN spending ON subject = id")
    assert [(row["api_key"], row["net_minor"]) for row in charged] == [(company.first.key, FLOOR)]
    await execute("UPDATE auction_sale SET state = 'paid' WHERE purchase_order IS NOT NULL")
    await settle_sales()
    counted = await fetch_value(
        "SELECT spent_minor FROM spending_month JOIN spending_limit ON spending_limit.id = spending_limit WHERE api_key = $1",
        company.first.key,
    )
    assert counted == FLOOR, "won at the reserve: the rest of the bid is given back"
    await execute("UPDATE auction_sale SET state = 'due' WHERE purchase_order IS NOT NULL")
