"""Bid shielding: two accomplices drive the price out of everybody's reach, do not pay, and have the lot for a fraction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketplace.auctions import award as ending
from marketplace.auctions import eligibility
from marketplace.database import execute
from marketplace.ledger.queries import balance
from marketplace.payments.events import handle_events, sweep_events
from marketplace.payments.stripe_calls import run_commands
from tests.marketplace.auctions.test_money import announced, bid, books_are_clean, end
from tests.marketplace.conftest import counterpart, stripe  # noqa: F401 (fixtures)
from tests.marketplace.identity.site import Browser, text_of
from tests.marketplace.payments.test_off_session import REFUSING, refusing, save
from tests.marketplace.purchases.shop import FLOOR, jobs, make_buyer, open_shop, pay
from tests.support.reads import fetch, fetch_value

if TYPE_CHECKING:
    import uuid

    import httpx

LIMIT = 3 * FLOOR
SHIELD = "15000"
"""Euros: far beyond what any honest bidder would pay."""


async def bid_on_page(browser: Browser, auction: uuid.UUID, euros: str) -> httpx.Response:
    """Bid on the page, and return what is shown then."""
    answer = await browser.submit(f"/en/auctions/{auction}/bids", {"amount": euros})
    return await browser.get(answer.headers["location"]) if answer.status_code == 303 else answer


async def do_not_pay(stripe: Any, partner: uuid.UUID) -> None:  # noqa: F811
    """Let a partner's card refuse the charge, and its page and its time to pay run out."""
    await execute(
        "UPDATE saved_method SET method_id = $1 WHERE payer = $2",
        await refusing(stripe, partner, REFUSING["generic_decline"]),
        partner,
    )
    await ending.settle_sales()
    await run_commands()
    await execute("UPDATE auction_sale SET due_at = now() - interval '1 second' WHERE state = 'due'")
    await execute("UPDATE purchase_order SET ordered_at = ordered_at - interval '1 hour' WHERE state <> 'paid'")
    await jobs()
    await ending.settle_sales()


async def test_two_accomplices_lose_money_and_the_honest_price_is_reached(stripe: Any) -> None:  # noqa: F811
    """The second chance counts the bids that theirs made too low; the deposits of both pay what they cost the seller."""
    release = await open_shop()
    names = ("crook", "friend", "ann", "bob")
    crook, friend, ann, bob = [await make_buyer(name) for name in names]
    for partner in (crook, friend, ann, bob):
        await save(stripe, partner, token="tok_visa")
    auction = await announced(release, "ascending", unsecured_times=3)
    async with Browser() as first:
        browsers = [first, Browser(first.app), Browser(first.app), Browser(first.app)]
        for browser, name in zip(browsers, names, strict=True):
            await browser.sign_in(f"{name}@partner.example")
        shown = await bid_on_page(browsers[0], auction, SHIELD)
        assert "needs a deposit of its size" in text_of(shown), "no free shield"
        assert shown.status_code in (403, 422)
        page = text_of(await browsers[0].get(f"/en/auctions/{auction}"))
        assert "may not bid for 180 days, and owes by how much the next buyer pays less" in page
        assert "A bid above €300.03 needs a deposit of its size" in page
        odd = await browsers[0].submit(f"/en/auctions/{auction}/deposit", {"amount": "1"})
        assert odd.status_code == 422
        for browser in browsers[:2]:
            assert "To bid more than" in text_of(await browser.get(f"/en/auctions/{auction}"))
            await browser.submit(f"/en/auctions/{auction}/deposit", {"amount": str(50 * LIMIT)})
            await sweep_events()
            await handle_events()
            assert "Accepted" in text_of(await bid_on_page(browser, auction, SHIELD))
        for browser, euros in zip(browsers[2:], ("250", "200"), strict=True):
            assert "Refused: it is below the minimum" in text_of(await bid_on_page(browser, auction, euros))
        await end(auction)
        assert await fetch_value("SELECT net_minor FROM auction_sale") == 1_500_000
        await do_not_pay(stripe, crook)
        assert await fetch_value("SELECT net_minor FROM auction_sale WHERE state = 'due'") == 25_500, "not the reserve"
        await do_not_pay(stripe, friend)
        rows = await fetch("SELECT round, partner, pays_minor FROM auction_outcome WHERE pays_minor > 0 ORDER BY round")
        assert [tuple(row) for row in rows] == [(1, crook, 1_500_000), (2, friend, 25_500), (3, ann, 20_500)]
        await ending.settle_sales()
        await jobs()
        await ending.settle_sales()
        assert await fetch_value("SELECT net_minor FROM auction_sale WHERE state = 'paid'") == 20_500
        owed = await fetch("SELECT partner, owed_minor FROM auction_default ORDER BY owed_minor")
        assert [tuple(row) for row in owed] == [(friend, 5_000), (crook, 1_474_500)]
        await jobs()
        await eligibility.end_deposits()
        assert await balance("758100") == -1_474_500 - 5_000, "captured from what was held back"
        other = await announced(release, "ascending")
        for browser in browsers[:2]:
            assert "you owe €" in text_of(await browser.get(f"/en/auctions/{auction}"))
            assert "may bid again from" in text_of(await browser.get(f"/en/auctions/{other}"))
            assert "may not bid for a time" in text_of(await bid_on_page(browser, other, "120"))
        assert "pourra de nouveau enchérir" in text_of(await browsers[0].get(f"/fr/auctions/{other}"))
        for browser in browsers[1:]:
            await browser.client.aclose()
    await books_are_clean()


async def test_who_has_no_deposit_is_charged_the_difference(stripe: Any) -> None:  # noqa: F811
    """Below the limit a saved card is enough to bid: what its owner did not pay is asked for, and paid on a page here."""
    release = await open_shop()
    crook, ann = await make_buyer("crook"), await make_buyer("ann")
    for partner in (crook, ann):
        await save(stripe, partner, token="tok_visa")
    auction = await announced(release, "limited", unsecured_times=3)
    await bid(ann, auction, 2 * FLOOR)
    await bid(crook, auction, LIMIT)
    await end(auction)
    await do_not_pay(stripe, crook)
    assert await fetch_value("SELECT owed_minor FROM auction_default") == FLOOR
    await run_commands()
    page = await fetch_value("SELECT checkout_url FROM payment WHERE amount_minor = $1 AND state = 'open'", FLOOR)
    assert page
    await pay(page)
    await jobs()
    await ending.settle_sales()
    assert await ending.settle_sales() == 0
    assert await balance("758100") == -FLOOR
    assert await fetch_value("SELECT net_minor FROM auction_sale WHERE state IN ('due', 'paid')") == FLOOR
    await books_are_clean()
