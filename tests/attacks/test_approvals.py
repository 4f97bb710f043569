"""Approval above an amount, attacked: one's own, another order than was approved, twice, at once, revoked, split."""

import asyncio
import datetime as dt
import uuid
from typing import Self

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Expired, NotAllowed, Refusal
from marketplace.core.web.formats import PARIS
from marketplace.people.identity.actors import Actor
from marketplace.people.identity.key_actions import create_key, revoke_key
from marketplace.people.spending.rules import BeyondLimit, NeedsApproval, Spender
from marketplace.sales.auctions.actions import place_bid
from marketplace.sales.orders.actions import order
from marketplace.sales.orders.approval_actions import decide
from tests.catalogue.builders import have_everything_cost
from tests.people.builders import add_person, allow, spender_for
from tests.sales.builders.auctions import open_auction
from tests.sales.builders.shop import FLOOR, make_buyer, make_quote, open_shop, save_card
from tests.support.reads import fetch, fetch_value


class FourEyesCompany:
    """Two administrators, a member and a key, each of whom may order `without` cents within a day alone."""

    async def open(self, without: int = 0) -> Self:
        self.release, self.partner = await open_shop(), await make_buyer()
        await have_everything_cost(FLOOR)
        first = (await spender_for(self.partner)).person
        second = await add_person("Bob", partner=self.partner)
        self.claire, self.bob = [Actor(name="x", person=one, partner=self.partner) for one in (first, second)]
        self.member, self.key = await add_person("Eve", partner=self.partner), uuid.uuid4()
        await execute("UPDATE person SET company_role = 'buyer' WHERE id = $1", self.member)
        await create_key(self.partner, "erp", key_id=self.key, session="s", owner=first)
        for holder in (self.member, self.key):
            await allow(self.partner, holder, approval_minor=without)
        self.by_key = Spender(self.partner, key=self.key)
        self.by_member = Spender(self.partner, self.member)
        return self

    async def ask(self, by: Spender, quote: uuid.UUID | None = None, **more: str) -> tuple[uuid.UUID, str]:
        """Order beyond what needs no approval; return the quote and the hash of what was asked."""
        quote = quote or await make_quote(self.partner, self.release)
        with pytest.raises(NeedsApproval, match="has been asked"):
            await self.place(by, quote, **more)
        return quote, await fetch_value("SELECT document_sha256 FROM purchase_request WHERE quote = $1", quote)

    async def place(self, by: Spender, quote: uuid.UUID, **more: str) -> uuid.UUID:
        made = uuid.uuid4()
        return await order(
            self.partner, quote, by=by, order_id=made, email="a@b.example", **{"reason": "Again.", **more}
        )

    async def approve(self, who: Actor, quote: uuid.UUID, sha256: str, *, approve: bool = True) -> uuid.UUID | None:
        return await decide(who, quote, sha256=sha256, approve=approve, email="a@b.example")


async def orders() -> int:
    found: int = await fetch_value("SELECT count(*) FROM purchase_order")
    return found


@pytest.mark.usefixtures("stripe")
async def test_nobody_approves_their_own_nor_that_of_their_key_nor_another_company() -> None:
    company = await FourEyesCompany().open()
    quote, sha256 = await company.ask(company.by_key)
    member = Actor(name="x", person=company.member, partner=company.partner, company_role="buyer")
    rival = await make_buyer("rival")
    stranger = Actor(name="x", person=(await spender_for(rival)).person, partner=rival)
    for who in (company.claire, member, Actor(name="x", key=company.key, partner=company.partner), stranger):
        with pytest.raises(Refusal):
            await company.approve(who, quote, sha256)
    own, own_sha256 = await company.ask(company.by_member)
    await execute("UPDATE person SET company_role = 'administrator' WHERE id = $1", company.member)
    with pytest.raises(NotAllowed, match="somebody else"):
        await company.approve(member, own, own_sha256)
    assert await orders() == 0
    assert await company.approve(company.bob, quote, sha256)
    by = await fetch("SELECT api_key, approved_by FROM spending")
    assert [(row["api_key"], row["approved_by"]) for row in by] == [(company.key, company.bob.person)]


@pytest.mark.usefixtures("stripe")
async def test_another_order_than_was_approved_needs_a_decision_of_its_own() -> None:
    company = await FourEyesCompany().open()
    quote, seen = await company.ask(company.by_member)
    _, changed = await company.ask(company.by_member, quote, reference="PO 2")
    with pytest.raises(Conflict, match="read it again"):
        await company.approve(company.bob, quote, seen)
    await execute("UPDATE partner SET country = 'DE', vat_confirmed_at = now()")
    with pytest.raises(NeedsApproval):
        await company.approve(company.bob, quote, changed)
    assert await orders() == 0, "its VAT is another by now"
    with pytest.raises(Conflict, match="read it again"):
        await company.approve(company.bob, quote, changed)
    now = await fetch_value("SELECT document_sha256 FROM purchase_request WHERE approved IS NULL")
    assert await company.approve(company.bob, quote, now)
    assert await fetch_value("SELECT vat_minor FROM purchase_order") == 0


@pytest.mark.usefixtures("stripe")
async def test_what_was_approved_is_for_who_asked_and_for_its_quote_alone() -> None:
    company = await FourEyesCompany().open()
    quote, sha256 = await company.ask(company.by_member)
    await execute("UPDATE spending_limit SET revoked_at = now() WHERE person = $1", company.member)
    with pytest.raises(BeyondLimit, match="No spending limit"):
        await company.approve(company.bob, quote, sha256)
    with pytest.raises(NeedsApproval):
        await company.place(company.by_key, quote)
    with pytest.raises(NeedsApproval):
        await company.place(company.by_key, await make_quote(company.partner, company.release))
    assert await orders() == 0


@pytest.mark.usefixtures("stripe")
async def test_a_key_revoked_between_orders_nothing_and_an_expired_price_is_over() -> None:
    company = await FourEyesCompany().open()
    quote, sha256 = await company.ask(company.by_key)
    late, late_sha256 = await company.ask(company.by_key)
    await revoke_key(company.partner, company.key)
    with pytest.raises(BeyondLimit, match="No spending limit"):
        await company.approve(company.bob, quote, sha256)
    with clock.shifted(dt.timedelta(hours=1)), pytest.raises(Expired):
        await company.approve(company.bob, late, late_sha256)
    assert await orders() == 0


@pytest.mark.usefixtures("stripe")
async def test_two_administrators_at_once_place_one_order_and_only_one_decision_counts() -> None:
    company = await FourEyesCompany().open()
    carol = Actor(name="x", person=await add_person("Carol", partner=company.partner), partner=company.partner)
    quote, sha256 = await company.ask(company.by_member)
    clicks = [company.approve(who, quote, sha256) for who in (company.bob, carol) * 4]
    made = await asyncio.gather(*clicks)
    assert (len(set(made)), await orders()) == (1, 1)
    with pytest.raises(Conflict, match="decided already"):
        await company.approve(carol, quote, sha256, approve=False)
    other, other_sha256 = await company.ask(company.by_member)
    clicks = [company.approve(who, other, other_sha256, approve=who is carol) for who in (company.bob, carol) * 4]
    answers = await asyncio.gather(*clicks, return_exceptions=True)
    approved = await fetch_value("SELECT approved FROM purchase_request WHERE quote = $1", other)
    assert await orders() == 1 + approved
    assert sum(isinstance(one, Conflict) for one in answers) == 4
    assert await fetch_value("SELECT count(*) FROM staff_action WHERE verb LIKE 'purchase_%'") == 2


@pytest.mark.parametrize("times", [pytest.param(24), pytest.param(1_000, marks=pytest.mark.deep)])
@pytest.mark.usefixtures("stripe")
async def test_an_order_split_into_many_at_once_needs_approval_like_one(times: int) -> None:
    company = await FourEyesCompany().open(without=3 * FLOOR + FLOOR - 1)
    places, spare, passed = asyncio.Semaphore(8), [], []

    async def once(number: int) -> None:
        async with places:
            quote = spare.pop() if spare else await make_quote(company.partner, company.release)
            by = (company.by_member, company.by_key)[number % 2]
            try:
                passed.append(await company.place(by, quote))
            except NeedsApproval:
                spare.append(quote)

    await asyncio.gather(*(once(number) for number in range(times)))
    assert len(passed) == 6, "three each, in any order"


@pytest.mark.usefixtures("stripe")
async def test_an_order_split_around_the_end_of_a_month_counts_together() -> None:
    company = await FourEyesCompany().open(without=3 * FLOOR)
    today = clock.now().astimezone(PARIS)
    midnight = dt.datetime(today.year + today.month // 12, today.month % 12 + 1, 1, tzinfo=PARIS)
    second = dt.timedelta(seconds=20)

    async def order_at(instant: dt.datetime) -> int:
        with clock.started_at(instant):
            quotes = [await make_quote(company.partner, company.release) for _ in range(4)]
            answers = await asyncio.gather(
                *(company.place(company.by_member, one) for one in quotes), return_exceptions=True
            )
            return sum(isinstance(one, uuid.UUID) for one in answers)

    assert [await order_at(midnight - second), await order_at(midnight + second)] == [3, 0]
    assert await order_at(midnight + dt.timedelta(days=1, seconds=1)) == 3


@pytest.mark.usefixtures("stripe")
async def test_a_bid_counts_with_orders_and_is_refused_beyond() -> None:
    company = await FourEyesCompany().open(without=3 * FLOOR)
    await save_card(company.partner)
    auction, other = [await open_auction(reserve_minor=FLOOR) for _ in range(2)]
    bidder = Actor(name="x", person=company.member, partner=company.partner, vetted=True, company_role="buyer")
    await place_bid(bidder, auction, bid=uuid.uuid4(), maximum_minor=2 * FLOOR)
    with pytest.raises(NeedsApproval):
        await place_bid(bidder, other, bid=uuid.uuid4(), maximum_minor=2 * FLOOR)
    await place_bid(bidder, auction, bid=uuid.uuid4(), maximum_minor=2 * FLOOR + 1)
    quote, sha256 = await company.ask(company.by_member)
    assert await company.approve(company.bob, quote, sha256)
    await place_bid(bidder, auction, bid=uuid.uuid4(), maximum_minor=3 * FLOOR)
