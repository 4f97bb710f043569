"""What a careless steward, a slow worker and a sly bidder try: windows keep their word, and nobody pays for what is gone."""

import asyncio
import re
import uuid
from pathlib import Path
from typing import Any

import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.core.errors import Conflict, Invalid, NotAllowed
from marketplace.datasets.releases.publishing import revoke
from marketplace.demo import seed_auctions
from marketplace.money.payments.stripe_calls import run_commands
from marketplace.people.identity.actors import Actor
from marketplace.sales.auctions import award as ending
from marketplace.sales.auctions import charge, eligibility
from marketplace.sales.auctions.actions import REFUSALS, cancel
from marketplace.sales.auctions.announcing import Plan, announce
from marketplace.sales.auctions.page_queries import list_offers
from marketplace.sales.auctions.second_chance import second_chance
from tests.catalogue.builders import put_on_sale
from tests.money.builders import save
from tests.people.builders import Browser, page_text, spender_for
from tests.sales.builders.auctions import (
    DAY,
    SECOND,
    announce_of_shop,
    end_auction,
    ingest_bands,
    make_offer,
    move_end,
    place,
)
from tests.sales.builders.shop import (
    FLOOR,
    counts,
    jobs,
    make_buyer,
    make_quote,
    make_sale,
    open_shop,
    pay,
    place_order,
)
from tests.support.reads import fetch, fetch_one, fetch_value
from tests.support.scenes import books_are_clean
from tests.support.waiting import until


async def revoke_release(release: uuid.UUID) -> None:
    await revoke(release, reason_fr="Une erreur", reason_en="A fault", by="Steward")


async def actor_of(partner: uuid.UUID) -> Actor:
    return Actor(name="Ann", person=(await spender_for(partner)).person, partner=partner, vetted=True)


async def test_what_was_called_back_is_neither_announced_nor_charged(stripe: Any) -> None:
    release = await open_shop()
    ann, bob = await make_buyer("atelier"), await make_buyer("bureau")
    await save(stripe, bob, token="tok_visa")
    auction, deposit = await announce_of_shop(release, "exclusive"), uuid.uuid4()
    url = await eligibility.ask_deposit(await actor_of(ann), auction, deposit=deposit)
    assert url
    await pay(url)
    await eligibility.refresh_deposit(ann, deposit)
    await place(ann, auction, 9_000_000)
    await place(bob, auction, 8_000_000)
    await end_auction(auction)
    await revoke_release(release)
    assert await fetch_value("SELECT partner FROM exclusive_window") == ann
    sale = await fetch_value("SELECT id FROM auction_sale")
    with pytest.raises(Conflict, match="called back"):
        await charge.pay(await actor_of(ann), sale, order_id=uuid.uuid4())
    assert await charge.charge_sales() == 0
    await ending.settle_sales()
    await execute("UPDATE auction_sale SET due_at = now() - interval '1 second'")
    await ending.settle_sales()
    await run_commands()
    rows = await fetch("SELECT state FROM auction_sale")
    assert [row["state"] for row in rows] == ["called_back"], "no debt, no fault, no second chance"
    assert await counts("purchase_order", "exclusive_window") == (0, 0)
    assert await fetch_value("SELECT ending FROM auction_deposit") == "released"
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        shown = page_text(await browser.get(f"/en/auctions/{auction}"))
        assert "you owe nothing" in shown
        assert "(called back)" in shown
    await books_are_clean()
    with pytest.raises(Invalid, match="called back"):
        await announce_of_shop(release)
    assert await list_offers() == []


async def test_other_terms_offered_after_a_bid_or_a_price_change_neither(stripe: Any) -> None:
    """A steward lists the dataset again, for a month in place of twelve: who bid or was quoted before keeps what was announced."""
    release = await open_shop()
    ann, bob = await make_buyer("atelier"), await make_buyer("bureau")
    await save(stripe, ann, token="tok_visa")
    auction = await announce_of_shop(release)
    await place(ann, auction, 70_000)
    await put_on_sale("lyon", terms="standard-1", worth_minor=500_000)
    quote = await make_quote(bob, release)
    await catalogue.define_terms("short-1", months=1, lines_fr="Un", lines_en="One")
    await put_on_sale("lyon", terms="short-1", worth_minor=500_000, least_minor=FLOOR)
    await end_auction(auction)
    await charge.charge_sales()
    async with Browser() as browser:
        await browser.sign_in("bureau@partner.example")
        await pay((await place_order(browser, quote)).headers["location"])
        await make_sale(browser, bob, release)
    rows = await fetch(
        """SELECT licence.terms, entitlement.ends_at - entitlement.starts_at > interval '300 days' AS for_a_year, partner
           FROM licence JOIN entitlement ON entitlement.licence = licence.id ORDER BY 2, 1, partner = $1""",
        ann,
    )
    assert [tuple(row) for row in rows] == [
        ("short-1", False, bob),
        ("standard-1", True, bob),
        ("standard-1", True, ann),
    ]


async def test_a_page_that_may_still_be_paid_is_not_let_off(stripe: Any) -> None:
    release = await open_shop()
    ann = await make_buyer("atelier")
    await save(stripe, ann, token="tok_visa")
    auction = await announce_of_shop(release)
    await place(ann, auction, 70_000)
    await end_auction(auction)
    await charge.charge_sales()
    await revoke_release(release)
    assert await ending.settle_sales() == 0
    await jobs()
    await ending.settle_sales()
    assert await fetch_value("SELECT state FROM auction_sale") == "paid", "it was charged before: a refund is staff's"


@pytest.mark.usefixtures("stripe")
async def test_nobody_is_sold_anything_inside_a_window() -> None:

    release = await open_shop()
    now = clock.now()
    first = await announce_of_shop(release, "exclusive")
    for kind, changes in (
        ("exclusive", {}),
        ("exclusive", {"exclusive_from": now + 30 * DAY, "exclusive_to": now + 40 * DAY}),
        ("limited", {}),
        ("ascending", {}),
    ):
        with pytest.raises(Conflict, match="inside an exclusive window"):
            await announce_of_shop(release, kind, **changes)
    await cancel(first, "Not that one", by="Steward")
    await announce_of_shop(release, "limited")
    with pytest.raises(Conflict, match="inside an exclusive window"):
        await announce_of_shop(release, "exclusive")
    # Nine days after its end the limited one has sold what it sells: three to pay, and three for each second chance.
    offer = await fetch_value("SELECT id FROM offer")
    late = {"exclusive_from": now + 11 * DAY, "exclusive_to": now + 12 * DAY}
    second = await announce_of_shop(release, "exclusive", **late)
    assert second != first
    assert (
        await announce(
            Plan(kind="exclusive", offer=offer, releases=[release], opens_at=now - SECOND, closes_at=now + DAY, **late),
            by="Steward",
            auction=second,
        )
        == second
    ), "the same form again is in nobody's way, its own least of all"


@pytest.mark.usefixtures("stripe")
async def test_a_window_is_as_long_as_its_reserve_was_reckoned_for() -> None:

    release = await open_shop()
    now = clock.now()
    with pytest.raises(Invalid, match="at most 366 days"):
        await announce_of_shop(release, "exclusive", exclusive_from=now + 2 * DAY, exclusive_to=now + 369 * DAY)
    offer = await fetch_value("SELECT id FROM offer")
    _, [foreign] = await make_offer(code="elsewhere")
    with pytest.raises(Invalid, match="of the offer"):
        await announce(
            Plan(kind="limited", offer=offer, releases=[foreign], opens_at=now, closes_at=now + DAY), by="Steward"
        )
    assert await fetch_value("SELECT count(*) FROM auction") == 0


async def test_from_its_announcement_on_nobody_is_quoted_in_the_window(stripe: Any) -> None:
    release = await open_shop()
    ann, bob = await make_buyer("atelier"), await make_buyer("bureau")
    for partner in (ann, bob):
        await save(stripe, partner, token="tok_visa")
    unwanted = await announce_of_shop(release, "exclusive")
    with clock.shifted(2 * DAY), pytest.raises(Conflict, match="exclusively"):
        await catalogue.quote(bob, release, quote_id=uuid.uuid4())
    await end_auction(unwanted)
    assert await fetch_value("SELECT count(*) FROM exclusive_window") == 0, "nobody bid: the window is nobody's"
    auction = await announce_of_shop(release, "exclusive")
    await place(ann, auction, 9_000_000)
    await place(bob, auction, 9_500_000)
    await catalogue.quote(bob, release, quote_id=uuid.uuid4())
    with clock.shifted(2 * DAY):  # The window has begun, and no worker was there to award it.
        for partner in (ann, bob):
            with pytest.raises(Conflict, match="exclusively"):
                await catalogue.quote(partner, release, quote_id=uuid.uuid4())
    await end_auction(auction)
    with clock.shifted(2 * DAY):
        await catalogue.quote(bob, release, quote_id=uuid.uuid4())
        with pytest.raises(Conflict, match="exclusively"):
            await catalogue.quote(ann, release, quote_id=uuid.uuid4())


async def test_a_worker_that_was_down_for_days_charges_before_it_blames(stripe: Any) -> None:
    release = await open_shop()
    ann, bob = await make_buyer("atelier"), await make_buyer("bureau")
    for partner in (ann, bob):
        await save(stripe, partner, token="tok_visa")
    auction = await announce_of_shop(release)
    await place(ann, auction, 70_000)
    await place(bob, auction, 30_000)
    await end_auction(auction)
    await execute("UPDATE auction_sale SET due_at = now() - interval '1 day'")
    await ending.settle_sales()
    await jobs()
    await ending.settle_sales()
    row = await fetch_one(
        "SELECT auction_sale.state, purchase_order.partner FROM auction_sale JOIN purchase_order USING (id)"
    )
    assert row
    assert tuple(row) == ("paid", ann)
    await books_are_clean()


async def test_nobody_bids_and_then_forgets_the_card(stripe: Any) -> None:
    release = await open_shop()
    ann, bob = await make_buyer("atelier"), await make_buyer("bureau")
    for partner in (ann, bob):
        await save(stripe, partner, token="tok_visa")
    auction = await announce_of_shop(release, "ascending")
    await place(ann, auction, 70_000)
    saved = await fetch_value("SELECT id FROM saved_method WHERE payer = $1", ann)
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        answer = await browser.submit(f"/en/payment-method/{saved}/forget", {})
        assert answer.status_code == 409
        assert "save another payment method first" in page_text(answer)
        assert "Save another instead" in page_text(await browser.get("/en/payment-method"))
    await place(bob, auction, 90_000)
    with pytest.raises(Conflict):
        await eligibility.forget_method(bob, await fetch_value("SELECT id FROM saved_method WHERE payer = $1", bob))
    await save(stripe, bob, token="tok_visa")
    old = await fetch_value("SELECT id FROM saved_method WHERE payer = $1 ORDER BY saved_at LIMIT 1", bob)
    await eligibility.forget_method(bob, old)
    await eligibility.forget_method(ann, saved)
    await end_auction(auction)
    new = await fetch_value("SELECT id FROM saved_method WHERE payer = $1 AND state = 'saved'", bob)
    with pytest.raises(Conflict):
        await eligibility.forget_method(bob, new)
    await ending.settle_sales()
    await jobs()
    await ending.settle_sales()
    await eligibility.forget_method(bob, new)
    assert await fetch_value("SELECT state FROM auction_sale") == "paid"


@pytest.mark.usefixtures("stripe")
async def test_a_deposit_that_ends_too_soon_can_be_made_again() -> None:

    release = await open_shop()
    ann = await make_buyer("atelier")
    auction, first, second = await announce_of_shop(release), uuid.uuid4(), uuid.uuid4()
    url = await eligibility.ask_deposit(await actor_of(ann), auction, deposit=first)
    assert url
    await pay(url)
    await eligibility.refresh_deposit(ann, first)
    assert await eligibility.ask_deposit(await actor_of(ann), auction, deposit=uuid.uuid4()) is None, "one is held back"
    await move_end(auction, "now() + interval '60 days'")
    assert await eligibility.find_refusal(ann, auction) == "no_payment_method"
    url = await eligibility.ask_deposit(await actor_of(ann), auction, deposit=second)
    assert url
    await pay(url)
    await eligibility.refresh_deposit(ann, second)
    await move_end(auction, "now() + interval '1 day'")
    assert await eligibility.find_refusal(ann, auction) is None
    await end_auction(auction)
    await ending.settle_sales()
    await run_commands()
    rows = await fetch("SELECT ending FROM auction_deposit")
    assert [row["ending"] for row in rows] == ["released", "released"]


@pytest.mark.usefixtures("stripe")
async def test_two_tabs_make_one_deposit() -> None:

    release = await open_shop()
    ann = await actor_of(await make_buyer("atelier"))
    auction = await announce_of_shop(release)
    await asyncio.gather(
        *(asyncio.create_task(eligibility.ask_deposit(ann, auction, deposit=uuid.uuid4())) for _ in range(4))
    )
    assert await counts("auction_deposit") == (1,)


async def test_a_winner_who_pays_at_the_last_instant_is_not_in_default(stripe: Any) -> None:
    """The job judges while the click's order is being committed: it waits for it, and then sees it."""
    release = await open_shop()
    ann = await make_buyer("atelier")
    await save(stripe, ann, token="tok_visa")
    auction = await announce_of_shop(release)
    await place(ann, auction, 70_000)
    await end_auction(auction)
    await charge.charge_sales()
    await execute("UPDATE purchase_order SET state = 'lapsed'")
    await execute("UPDATE auction_sale SET due_at = clock_timestamp()")
    sale = await fetch_value("SELECT id FROM auction_sale")
    clicked, order, by = asyncio.Event(), uuid.uuid4(), await spender_for(ann)

    async def click() -> None:
        with clock.shifted(-DAY):  # A click that was in time.
            await order_in_time()

    async def order_in_time() -> None:
        async with transaction():
            assert await charge._order(sale, order, by=by) == order
            clicked.set()
            await until(waits)

    async def waits() -> bool:
        return bool(await fetch_value("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"))

    clicking = asyncio.create_task(click())
    await clicked.wait()
    judging = asyncio.create_task(second_chance(auction))
    await asyncio.gather(clicking, judging)
    assert judging.result() == 0
    row = await fetch_one("SELECT state, purchase_order FROM auction_sale")
    assert row
    assert tuple(row) == ("due", order)


async def test_every_answer_of_the_eligibility_rule_has_its_words() -> None:
    text = await fetch_value("SELECT prosrc FROM pg_proc WHERE proname = 'bid_refusals'")
    assert set(re.findall(r"(?:RETURN|THEN|ELSE) '(\w+)'", text)) == set(REFUSALS)


@pytest.mark.usefixtures("stripe")
async def test_a_demo_stopped_between_an_auction_and_its_bids_begins_it_again(tmp_path: Path) -> None:

    ann, bob = await make_buyer("atelier"), await make_buyer("bureau")
    await execute("INSERT INTO subscriber (reference) SELECT generate_series(0, 9)")
    for code in ("lyon-presence-hour", "lyon-presence-day"):
        await make_offer(code=code, floor_minor=10_000)
    await execute("UPDATE dataset SET age_bands = '{18-39,40+}'")
    await ingest_bands(tmp_path, {line: "40+" if line < 3 else "18-39" for line in range(10)})
    await execute("UPDATE partner SET vetted_at = NULL, vetted_by = NULL WHERE id = $1", bob)
    bidders = [await actor_of(ann), await actor_of(bob)]
    with pytest.raises(NotAllowed):
        await seed_auctions.open_auctions(bidders, by="Steward")
    assert await counts("auction", "bid") == (0, 0)
    await execute("UPDATE partner SET vetted_at = now(), vetted_by = 'Steward' WHERE id = $1", bob)
    for _ in range(2):
        await seed_auctions.open_auctions(bidders, by="Steward")
    assert await counts("auction", "bid", "reverse_auction", "reverse_auction_ask") == (2, 4, 1, 10)
    older = "SELECT subscriber FROM reverse_auction_ask JOIN reverse_auction_stratum AS own ON own.id = stratum WHERE '40+' = ANY(age_bands)"
    assert {row["subscriber"] for row in await fetch(older)} == {0, 1, 2}
