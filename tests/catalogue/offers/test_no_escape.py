"""No path of checkout escapes the arbitrage audit: lengths, private offers, baskets, subscriptions and held prices, mixed at random.

After every step that was accepted, all that the partner was promised by it, ordered or not, is put on its menu at once, and
nothing there may be had for less by buying other things. What the audit refused was signed nowhere.
"""

from __future__ import annotations

import ast
import contextlib
import datetime as dt
import random
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.offers import lengths, menu
from marketplace.catalogue.offers.holds import close_quotes
from marketplace.catalogue.offers.queries import list_lengths
from marketplace.catalogue.offers.rules import PricedOffer
from marketplace.core import clock
from marketplace.core.database import execute, fetch_rows, transaction
from marketplace.core.errors import Conflict, Refusal
from marketplace.sales.agreed import basket_actions as baskets
from marketplace.sales.agreed import private_actions as private_offers
from marketplace.sales.agreed.audit_actions import least_of
from marketplace.sales.orders.actions import order
from marketplace.sales.orders.invoices import change_billing
from marketplace.sales.subscriptions import actions as subscriptions
from tests.people.builders import make_staff
from tests.sales.builders.shop import CAP, FLOOR, make_buyer, open_shop, seal_release
from tests.support.reads import fetch, fetch_value
from tests.support.source import nodes_of, product_files, text_of

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from marketplace.people.identity.actors import Actor

WEEK, DAY = dt.timedelta(days=7), dt.timedelta(days=1)
MONTHS = {"short-1": 3, "year-and-more-1": 13, "long-1": 36}
STEPS, SEEDS = 14, 6
SEEN: dict[int, tuple[Counter[str], Counter[str]]] = {}
SIGNED = """SELECT quote.partner, quote.release, quote.level, quote.amount_minor, quote.expires_at, usage_right, months,
           purposes, countries
    FROM quote JOIN licence_terms ON code = quote.terms WHERE quote.partner = $1 AND NOT quote.id = ANY ($2)"""


class ShopOfTricks:
    """A shop with a month and its weeks, several lengths and an edition, and one partner in it who tries everything."""

    def __init__(self, seed: int) -> None:
        """Begin. seed: of what is tried."""
        self.dice = random.Random(seed)  # noqa: S311 (a test's draws repeat)
        self.releases: list[uuid.UUID] = []
        self.signed, self.refused = Counter[str](), Counter[str]()
        self.partner: uuid.UUID
        self.steward: Actor
        self.offered: uuid.UUID | None = None

    async def open(self, *, editions: bool = True) -> None:
        """Open it. editions: whether each release has a coarser one."""
        end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - 3 * DAY
        self.releases = [await open_shop(rows=2_000, period=(end - 4 * WEEK, end))]
        await execute("UPDATE dataset SET budget_micro = 900000000, cadence = 'week'")
        for number in range(4):
            self.releases.append(await seal_release(period=(end - (number + 1) * WEEK, end - number * WEEK)))
        await execute(
            """INSERT INTO edition (id, release, level, variance_multiple, noise_variance_micro, threshold, row_count,
                                    hours_by_day, published_by_day, published_by_zone, error_people, cells_sha256)
               SELECT gen_random_uuid(), id, 1, 400, 400 * noise_variance_micro, 40, row_count,
                      hours_by_day, published_by_day, published_by_zone, 50, 'x' FROM release
               WHERE $1""",
            editions,
        )
        for code, months in MONTHS.items():
            await catalogue.define_terms(code, months=months, lines_fr="l", lines_en="l")
        self.steward, self.partner = await make_staff("Samir", "steward"), await make_buyer()
        await change_billing(self.partner, street="1 rue Longue", postcode="69001", city="Lyon", reference="")
        await execute("INSERT INTO payer (partner, customer_id, asked_at) VALUES ($1, 'cus_x', now())", self.partner)
        await execute(
            """INSERT INTO saved_method (id, payer, state, requested_at, kind, method_id, saved_at)
               VALUES (gen_random_uuid(), $1, 'saved', now(), 'card', 'pm_x', now())""",
            self.partner,
        )

    async def set_lengths(self) -> None:
        """Sell it for some lengths."""
        await lengths.set_lengths("lyon", self.dice.sample(list(MONTHS), self.dice.randrange(4)))

    async def reprice(self) -> None:
        """List it at another floor and worth."""
        worth, floor = self.dice.choice([200_000, 500_000, 2_000_000]), self.dice.choice([FLOOR, 40_000, 90_000])
        await catalogue.list_offer(
            "lyon", terms="standard-1", full_worth_minor=worth, floor_minor=floor, cap_minor=CAP, worth_days=7
        )

    async def publish(self) -> None:
        """Publish a part of the month as publishing does: audited in its transaction, refused as a whole."""
        start = await fetch_value("SELECT min(period_from) FROM release") + self.dice.randrange(3) * WEEK
        async with transaction():
            release = await seal_release(rows=self.dice.choice([50, 500, 4_000]), period=(start, start + 2 * WEEK))
            await menu.audit_published("lyon", clock.now())
        self.releases.append(release)

    async def ask_price(self) -> None:
        """Ask for a price that everybody sees, to hold it or not."""
        terms = self.dice.choice(["", *MONTHS])
        is_long, release, level = self.dice.random() < 1 / 3, self.dice.choice(self.releases), self.dice.randrange(2)
        await catalogue.quote(self.partner, release, quote_id=uuid.uuid4(), level=level, is_held=is_long, terms=terms)

    async def offer(self) -> None:
        """Offer the partner something alone, for some lengths, in place of what it was offered before."""
        if self.offered:
            await private_offers.withdraw(self.steward, self.offered)
        self.offered, form = None, uuid.uuid4()
        await private_offers.offer(
            self.steward,
            self.partner,
            "lyon",
            percent_off=self.dice.choice([1, 5, 15, 50]),
            ends_at=clock.now() + 20 * DAY,
            offer_id=form,
            months=await self.some_lengths(),
        )
        self.offered = form

    async def some_lengths(self) -> list[int]:
        """Return all lengths that it is sold for, or some that it may not be."""
        sold = [12, *(one.months for one in await list_lengths(["lyon"]))]
        return self.dice.choice([sold, self.dice.sample([3, 12, 13, 36], self.dice.randrange(5))])

    async def ask_private(self) -> None:
        """Ask for the private price of some length."""
        if self.offered:
            months = self.dice.choice([0, *await self.some_lengths()])
            await private_offers.quote(self.partner, self.offered, quote_id=uuid.uuid4(), months=months)

    async def order_basket(self) -> None:
        """Order several releases at once, for some length."""
        chosen = self.dice.sample(self.releases, self.dice.randrange(1, 6))
        months = self.dice.choice([0, 3, 12, 13, 36])
        total = sum(line.amount_minor for line in await baskets.read_lines(chosen, months))
        await baskets.order(self.partner, chosen, total_minor=total, basket=uuid.uuid4(), months=months)

    async def subscribe(self) -> None:
        """Subscribe at a locked price, or have what is due delivered at it."""
        if not await fetch_value("SELECT count(*) FROM subscription"):
            await subscriptions.subscribe(self.partner, "lyon", releases=4, subscription=uuid.uuid4())
            locked = self.dice.choice([FLOOR, 20_000, 60_000, 10**9])
            await execute("UPDATE subscription SET locked_minor = $1, after = after - interval '26 days'", locked)
        await execute("UPDATE subscribed_release SET at = at - interval '2 days'")
        await subscriptions.deliver()

    async def accept_price(self) -> None:
        """Order a price that was signed."""
        sql = (
            "SELECT id FROM quote WHERE id NOT IN (SELECT quote FROM quote_acceptance) ORDER BY quoted_at DESC LIMIT 1"
        )
        if quote := await fetch_value(sql):
            await order(
                self.partner, quote, order_id=uuid.uuid4(), email="x@example.org", reason="x", pay_by="saved_method"
            )

    async def step(self, name: str) -> None:
        """Do something; where it was accepted, everything that it signed is on the partner's menu, which stays in order."""
        known = [row["id"] for row in await fetch("SELECT id FROM quote")]
        work: Awaitable[None] = getattr(self, name)()
        try:
            await work
        except Refusal:
            self.refused[name] += 1
            left = await fetch_value("SELECT count(*) FROM quote WHERE NOT id = ANY ($1)", known)
            assert left == 0, f"{name} was refused, and signed {left} prices"
            return
        signed = await fetch_rows(menu.HeldQuote, SIGNED, self.partner, known)
        self.signed[name] += len(signed)
        if name in {"ask_price", "accept_price"} or not signed:
            return
        offered = await self.private_prices() if name == "ask_private" else []
        promised = await self.promised_offers() if name == "subscribe" else []
        try:
            buyer = menu.Buyer([self.partner], least_of([*signed, *offered]))
            await menu.audit("lyon", clock.now(), [*signed, *offered], buyer=buyer, promised=promised)
        except Conflict as escaped:
            raise AssertionError(f"{name} escaped the audit: {escaped}") from escaped

    async def promised_offers(self) -> list[PricedOffer]:
        """Return the offers of the day on which the subscription began: what rose since changes nothing of it."""
        return msgspec.json.decode(await fetch_value("SELECT agreed_offers FROM subscription"), type=list[PricedOffer])

    async def private_prices(self) -> list[menu.HeldQuote]:
        """Return what else the partner may have by the offer that it asked under."""
        assert self.offered
        row = await private_offers.get_private_offer(self.offered)
        months = [one.months for one in await private_offers.prices_of(row)]
        return await private_offers._prices(
            self.partner, "lyon", months, clock.now(), basis_points=row.basis_points, until=row.ends_at
        )


PATHS = (
    "set_lengths",
    "reprice",
    "publish",
    "ask_price",
    "offer",
    "ask_private",
    "order_basket",
    "subscribe",
    "accept_price",
)
SIGN = {"ask_price", "ask_private", "order_basket", "subscribe"}


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.deep) for seed in range(1, SEEDS))])
async def test_what_is_signed_leaves_nothing_to_be_had_for_less(stripe: Any, seed: int) -> None:
    del stripe
    shop = ShopOfTricks(seed)
    await shop.open()
    for name in ("set_lengths", *shop.dice.choices(PATHS, k=STEPS), *PATHS[4:8]):
        await shop.step(name)
    SEEN[seed] = (shop.signed, shop.refused)
    if len(SEEN) == SEEDS:
        signed, refused = (sum(counted, Counter()) for counted in zip(*SEEN.values(), strict=True))
        assert {name for name, times in signed.items() if times} >= SIGN, f"each path signs: {signed}"
        assert {"offer", "order_basket"} <= set(refused), f"and is refused: {refused}"


def called(function: ast.AST) -> set[str]:
    """Return the names of what a function calls, the last part of each."""
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    return {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}


def test_every_function_that_signs_an_agreed_amount_audits_the_menu_itself() -> None:
    """A price that is not the posted one is on no audited menu; a new way to sell must put it there before it commits."""
    signing = {}
    for path in product_files():
        if "agreed=" not in text_of(path):
            continue
        for function in nodes_of(path):
            if isinstance(function, ast.AsyncFunctionDef) and "agreed" in {
                word.arg
                for call in ast.walk(function)
                if isinstance(call, ast.Call) and getattr(call.func, "attr", getattr(call.func, "id", "")) == "quote"
                for word in call.keywords
            }:
                signing[f"{path.split('/')[-2]}.{function.name}"] = called(function)
    assert set(signing) >= {"agreed.order", "agreed.quote", "subscriptions._order"}
    assert not [name for name, calls in signing.items() if "audit_agreed" not in calls]


async def test_what_a_subscription_brings_in_all_is_no_cheaper_way_to_a_longer_release(stripe: Any) -> None:
    """Four weeks, published while it was paused, at a locked price far under today's: their month, at its cap, costs more."""
    del stripe
    shop, stated = ShopOfTricks(0), {"terms": "standard-1", "full_worth_minor": 500_000, "floor_minor": FLOOR}
    await shop.open(editions=False)
    await catalogue.list_offer("lyon", cap_minor=120_000, **stated)
    await subscriptions.subscribe(shop.partner, "lyon", releases=4, subscription=uuid.uuid4())
    await execute("UPDATE subscription SET locked_minor = $1, after = after - interval '26 days'", 20_000)
    for _ in range(5):
        await subscriptions.deliver()
    bought = {row["release"]: row["net_minor"] for row in await fetch("SELECT release, net_minor FROM purchase_order")}
    assert bought, "a week alone undercuts nothing"
    month, *weeks = shop.releases
    assert month in bought or not set(weeks) <= set(bought), (
        f"four weeks for {sum(bought.values())}, less than their month"
    )
    refusals = [row["refusal"] for row in await fetch("SELECT refusal FROM subscribed_release WHERE refusal <> ''")]
    assert refusals, "and the partner reads why"
    assert all("has as much for" in refusal for refusal in refusals)


@pytest.mark.parametrize("is_held", [True, False])
async def test_a_publication_makes_nothing_cheaper_in_parts_by_a_price_that_is_held(*, is_held: bool) -> None:
    """A week held at an old price, and the next at today's, would be cheaper than the fortnight that is published."""
    end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - 3 * DAY
    first = await open_shop(rows=2_000, period=(end - 2 * WEEK, end - WEEK))
    await seal_release(rows=2_000, period=(end - WEEK, end))
    await execute("UPDATE dataset SET budget_micro = 900000000")
    partner = await make_buyer()
    if is_held:
        await catalogue.quote(partner, first, quote_id=uuid.uuid4(), is_held=True)
    worth = {"full_worth_minor": 5_000_000, "floor_minor": 90_000, "cap_minor": CAP}
    await catalogue.list_offer("lyon", terms="standard-1", **worth)
    with clock.shifted(29 * DAY), contextlib.ExitStack() as refused:
        if is_held:
            refused.enter_context(pytest.raises(Conflict, match="has as much for"))
        async with transaction():
            await seal_release(rows=4_000, period=(end - 2 * WEEK, end))
            await menu.audit_published("lyon", clock.now())
    assert await fetch_value("SELECT count(*) FROM release") == 3 - is_held, "what is refused is not published"


@pytest.mark.parametrize("terms", ["standard-1", "longer-1"])
async def test_a_whole_that_is_held_keeps_its_weeks_from_no_lower_price(terms: str) -> None:
    """Weeks that become cheaper, or are sold for longer: the fortnight does, too, and is then bought for less than it is held for."""
    end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - 3 * DAY
    await open_shop(rows=2_000, period=(end - 2 * WEEK, end - WEEK))
    await execute("UPDATE dataset SET budget_micro = 900000000")
    await seal_release(rows=2_000, period=(end - WEEK, end))
    whole, partner = await seal_release(rows=4_000, period=(end - 2 * WEEK, end)), await make_buyer()
    await catalogue.quote(partner, whole, quote_id=uuid.uuid4(), is_held=True)
    promised = await fetch_value("SELECT amount_minor FROM quote")
    await catalogue.define_terms("longer-1", months=24, lines_fr="Un\nDeux", lines_en="One\nTwo")
    await catalogue.list_offer("lyon", terms=terms, full_worth_minor=250_000, floor_minor=FLOOR, cap_minor=CAP)
    assert await fetch_value("SELECT terms FROM offer WHERE withdrawn_at IS NULL") == terms
    cheaper = uuid.uuid4()
    await catalogue.quote(partner, whole, quote_id=cheaper)
    assert await fetch_value("SELECT amount_minor FROM quote WHERE id = $1", cheaper) < promised * 3 // 4


async def test_what_was_ordered_for_less_counts_when_the_rest_is_ordered_for_less(stripe: Any) -> None:
    """Two weeks cheaper beside dearer releases, then the other two so: less than their month, which neither undercuts alone."""
    del stripe
    shop = ShopOfTricks(0)
    await shop.open(editions=False)
    await execute("UPDATE dataset SET half_life_days = 300")
    month, *weeks = shop.releases
    start = await fetch_value("SELECT period_from FROM release WHERE id = $1", month)
    dear = [await seal_release(period=(start - (2 * n + 2) * WEEK, start - 2 * n * WEEK)) for n in range(4)]
    priced = {line.release.id: line.priced.amount_minor for line in await baskets.read_lines([*weeks, *dear])}
    assert min(priced[one] for one in dear) > max(priced[one] for one in weeks), "the first two cost all of their price"
    cap = sum(priced[one] for one in weeks) * 965 // 1000
    stated = {"terms": "standard-1", "full_worth_minor": 500_000, "worth_days": 28, "floor_minor": FLOOR}
    await catalogue.list_offer("lyon", cap_minor=cap, **stated)
    now = {line.release.id: line.priced.amount_minor for line in await baskets.read_lines([month, *weeks, *dear])}
    assert now == priced | {month: cap}, "the cap lowers the month alone"
    for number in range(2):
        await execute("UPDATE purchase_order SET waits_for = '{}'")  # as if its dearer lines were paid
        chosen = [*dear[2 * number :][:2], *weeks[2 * number :][:2]]
        total = sum(line.amount_minor for line in await baskets.read_lines(chosen))
        with pytest.raises(Conflict, match="with this basket, ") if number else contextlib.nullcontext():
            await baskets.order(shop.partner, chosen, total_minor=total, basket=uuid.uuid4())
    of_weeks = "SELECT coalesce(sum(net_minor), 0)::bigint FROM purchase_order WHERE release = ANY ($1)"
    assert 0 < await fetch_value(of_weeks, weeks) < cap, "two weeks are sold, and two are not"
    await execute("UPDATE purchase_order SET state = 'lapsed', waits_for = '{}'")
    await close_quotes([row["quote"] for row in await fetch("SELECT quote FROM purchase_order")])
    await baskets.order(shop.partner, chosen, total_minor=total, basket=uuid.uuid4())
