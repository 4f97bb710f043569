"""Bid shielding: two accomplices drive the price out of everybody's reach, do not pay, and have the lot for a fraction."""

import asyncio
import hashlib
import json
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from marketplace.core.database import execute
from marketplace.money.ledger.queries import balance
from marketplace.money.payments.events import handle_events, sweep_events
from marketplace.money.payments.stripe_calls import run_commands
from marketplace.sales.auctions import award as ending
from marketplace.sales.auctions import eligibility
from marketplace.sales.auctions.actions import fixed_terms
from marketplace.sales.auctions.queries import get_bid
from marketplace.sales.auctions.receipts import receipt_of, signed
from pricing.__main__ import main as pricing
from tests.money.builders import save
from tests.people.builders import Browser, page_text
from tests.sales.builders.auctions import LIMIT, announce_of_shop, do_not_pay, end_auction, place
from tests.sales.builders.shop import FLOOR, jobs, make_buyer, open_shop, pay
from tests.support.local_stripe import counterpart, stripe  # noqa: F401 (fixtures)
from tests.support.reads import fetch, fetch_value, list_facts
from tests.support.scenes import books_are_clean

SHIELD = "15000"
"""Euros: far beyond what any honest bidder would pay."""


async def bid_on_page(browser: Browser, auction: uuid.UUID, euros: str) -> httpx.Response:
    """Bid on the page, and return what is shown then."""
    answer = await browser.submit(f"/en/auctions/{auction}/bids", {"amount": euros})
    return await browser.get(answer.headers["location"]) if answer.status_code == 303 else answer


async def replays_with_every_round(browser: Browser, auction: uuid.UUID, folder: Path, *, rounds: int) -> None:
    """Check the latest transcript offline: it gives every round again, and a bid refused for the minimum cannot be left out."""
    document = (await browser.get(f"/api/v1/auctions/{auction}/transcript")).content
    (folder / "transcript.json").write_bytes(document)
    logged = {one.subject: json.loads(one.statement) for one in await list_facts() if "awarded" in one.kind}
    assert len(logged) == rounds + 1
    last = f"{auction} {rounds + 1}"
    assert logged[last]["transcript_sha256"] == hashlib.sha256(document).hexdigest(), "the public log has it"
    receipts = await fetch("SELECT id FROM bid WHERE answer = 'refused_below_minimum'")
    key = (await browser.get(f"/api/v1/auctions/{auction}")).json()["receipt_key"]
    command = ["replay", str(folder / "transcript.json"), "--key", key]
    for number, row in enumerate(receipts):
        bidder = await fetch_value("SELECT partner FROM bid WHERE id = $1", row["id"])
        bid, terms = await get_bid(row["id"], bidder), (await fixed_terms(auction)).digest
        path = folder / f"receipt-{number}.json"
        path.write_text(json.dumps(signed(receipt_of(bid, terms, is_repeated=True))))
        command += ["--receipt", str(path)]
    assert pricing(command) == 0
    changed = json.loads(document)
    assert len(changed["rounds"]) == rounds
    for tamper in (
        lambda made: made["refused"].pop(),
        lambda made: made["rounds"][-1]["award"]["outcomes"].pop(),
        lambda made: made["rounds"][0]["without"].append("BNOBODY"),
        lambda made: made["refused"][0].update(maximum_minor=90_000_000),
    ):
        made = json.loads(document)
        tamper(made)
        (folder / "transcript.json").write_text(json.dumps(made))
        assert pricing(command) == 1, "a change shows"


@pytest.mark.long
async def test_two_accomplices_lose_money_and_the_honest_price_is_reached(stripe: Any, tmp_path: Path) -> None:  # noqa: F811
    """The second chance counts the bids that theirs made too low; the deposits of both pay what they cost the seller."""
    release = await open_shop()
    names = ("crook", "friend", "ann", "bob")
    crook, friend, ann, bob = [await make_buyer(name) for name in names]
    for partner in (crook, friend, ann, bob):
        await save(stripe, partner, token="tok_visa")
    auction = await announce_of_shop(release, "ascending", unsecured_times=3)
    async with Browser() as first:
        browsers = [first, Browser(first.app), Browser(first.app), Browser(first.app)]
        for browser, name in zip(browsers, names, strict=True):
            await browser.sign_in(f"{name}@partner.example")
        shown = await bid_on_page(browsers[0], auction, SHIELD)
        assert "needs a deposit of its size" in page_text(shown), "no free shield"
        assert shown.status_code in (403, 422)
        page = page_text(await browsers[0].get(f"/en/auctions/{auction}"))
        assert "owes by how much the next buyer pays less" in page
        assert "may not bid for 180 days, nor before it has paid what it owes" in page
        assert "A bid above €300.03 needs a deposit of its size" in page
        odd = await browsers[0].submit(f"/en/auctions/{auction}/deposit", {"band": "1"})
        assert odd.status_code == 422
        for browser in browsers[:2]:
            assert "To bid more than" in page_text(await browser.get(f"/en/auctions/{auction}"))
            await browser.submit(f"/en/auctions/{auction}/deposit", {"band": str(50 * LIMIT)})
            await sweep_events()
            await handle_events()
            assert "Accepted" in page_text(await bid_on_page(browser, auction, SHIELD))
        for browser, euros in zip(browsers[2:], ("250", "200"), strict=True):
            assert "Refused: it is below the minimum" in page_text(await bid_on_page(browser, auction, euros))
        await end_auction(auction)
        assert await fetch_value("SELECT net_minor FROM auction_sale") == 1_500_000
        await do_not_pay(stripe, crook)
        assert await fetch_value("SELECT net_minor FROM auction_sale WHERE state = 'due'") == 25_500, "not the reserve"
        debt = await fetch_value("SELECT id FROM auction_default")
        assert "Still to pay" in page_text(await browsers[0].get(f"/en/auctions/debts?paid={debt}"))
        waits = await browsers[0].submit(f"/en/auctions/debts/{debt}/pay", {})
        assert (waits.status_code, "Your deposit is being captured" in page_text(waits)) == (409, True)
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
        await replays_with_every_round(browsers[0], auction, tmp_path, rounds=2)
        other = await announce_of_shop(release, "ascending")
        for browser in browsers[:2]:
            assert "you owe €" in page_text(await browser.get(f"/en/auctions/{auction}"))
            shown = page_text(await browser.get(f"/en/auctions/{other}"))
            assert "may bid again from" in shown
            assert "once it has paid" not in shown, "what was held back paid it"
            assert "may not bid for a time" in page_text(await bid_on_page(browser, other, "120"))
        assert "pourra de nouveau enchérir" in page_text(await browsers[0].get(f"/fr/auctions/{other}"))
        for browser in browsers[1:]:
            await browser.client.aclose()
    await books_are_clean()


@pytest.mark.long
async def test_who_has_no_deposit_is_charged_the_difference_and_can_pay_it(stripe: Any) -> None:  # noqa: F811
    """Below the limit a saved card is enough to bid: what its owner did not pay is asked for, on a page as often as one expires."""
    release = await open_shop()
    crook, ann = await make_buyer("crook"), await make_buyer("ann")
    for partner in (crook, ann):
        await save(stripe, partner, token="tok_visa")
    auction = await announce_of_shop(release, "limited", unsecured_times=3)
    await place(ann, auction, 2 * FLOOR)
    await place(crook, auction, LIMIT)
    await end_auction(auction)
    await do_not_pay(stripe, crook)
    [debt] = await fetch("SELECT id, owed_minor FROM auction_default")
    assert debt["owed_minor"] == FLOOR
    assert await fetch_value("SELECT count(*) FROM message WHERE kind = 'debt_due'") == 1
    await run_commands()
    await execute("UPDATE auction_default SET barred_until = decided_at + interval '1 millisecond'")
    async with Browser() as browser, Browser(browser.app) as other:
        await browser.sign_in("crook@partner.example")
        await other.sign_in("ann@partner.example")
        assert "You owe nothing" in page_text(await other.get("/en/auctions/debts"))
        assert (await other.submit(f"/en/auctions/debts/{debt['id']}/pay", {})).status_code == 404
        shown = page_text(await browser.get(f"/en/auctions/{auction}"))
        assert "Pay what you owe" in shown
        refused = await browser.client.put(
            f"/api/v1/auctions/{await announce_of_shop(release, 'ascending')}/bids/{debt['id']}",
            json={"currency": "EUR", "maximum_minor": FLOOR},
        )
        assert "once it has paid" in page_text(await browser.get(f"/en/auctions/{auction}")) or refused.status_code in (
            401,
            403,
        )
        page = page_text(await browser.get("/en/auctions/debts"))
        assert "once this is paid" in page
        assert "Reste à payer" in page_text(await browser.get("/fr/auctions/debts"))
        await execute("UPDATE payment SET state = 'expired' WHERE subject = $1", debt["id"])
        asked = await browser.submit(f"/en/auctions/debts/{debt['id']}/pay", {})
        again = await browser.submit(f"/en/auctions/debts/{debt['id']}/pay", {})
        assert asked.headers["location"] == again.headers["location"], "one page at a time"
        await pay(asked.headers["location"])
        returned = await browser.get(f"/en/auctions/debts?paid={debt['id']}")
        assert "Paid: you may bid again from" in page_text(returned)
        after = await browser.submit(f"/en/auctions/debts/{debt['id']}/pay", {})
        assert after.headers["location"].endswith("/auctions/debts"), "nothing is paid twice"
        assert await fetch_value("SELECT bidder_refusal($1, $2)", crook, auction) is None, "the bar is lifted"
        await jobs()
        await ending.settle_sales()
        assert await ending.settle_sales() == 0
        assert await balance("758200") == -FLOOR
        await has_its_payment_reversed(stripe, browser, crook, auction)
    assert await fetch_value("SELECT net_minor FROM auction_sale WHERE state IN ('due', 'paid')") == FLOOR
    await books_are_clean()


async def has_its_payment_reversed(stripe: Any, browser: Browser, crook: uuid.UUID, auction: uuid.UUID) -> None:  # noqa: F811
    """Have a defaulter's bank dispute what it paid: its bar is back at once; once that is lost, so is the debt, to be paid again."""
    refusal = "SELECT bidder_refusal($1, $2)"
    [debt] = [row["id"] for row in await fetch("SELECT id FROM auction_default")]

    async def disputed(*, won: bool) -> None:
        """Let the bank dispute the latest payment, and decide."""
        intent = await fetch_value(
            """SELECT payment_intent_id FROM payment JOIN auction_deposit AS debt ON debt.id = subject
               WHERE state = 'paid' AND partner = $1 ORDER BY paid_at DESC""",
            crook,
        )
        dispute = await asyncio.to_thread(stripe.test, "dispute", payment_intent=intent)
        await jobs()
        await ending.settle_sales()
        assert await fetch_value(refusal, crook, auction) == "barred", "while its bank decides, too"
        assert "Your bank is deciding" in page_text(await browser.get("/en/auctions/debts"))
        refused = await browser.submit(f"/en/auctions/debts/{debt}/pay", {})
        assert (refused.status_code, "deciding on a payment" in page_text(refused)) == (409, True)
        await asyncio.to_thread(stripe.test, "close_dispute", dispute=dispute["id"], won=won)
        await jobs()
        await ending.settle_sales()

    await disputed(won=False)
    assert await balance("758200") == 0, "the books gave it back"
    assert await fetch_value(refusal, crook, auction) == "barred"
    await run_commands()
    assert await ending.settle_sales() == 0, "asked for once"
    assert await fetch_value("SELECT count(*) FROM message WHERE kind = 'debt_due'") == 2
    page = page_text(await browser.get("/en/auctions/debts"))
    assert "Your bank reversed a payment of it: you owe it again." in page
    assert "Votre banque a repris un paiement" in page_text(await browser.get("/fr/auctions/debts"))
    assert await fetch_value("SELECT count(*) FROM payment WHERE state = 'open'") == 1, "its card is not charged again"
    asked = await browser.submit(f"/en/auctions/debts/{debt}/pay", {})
    await pay(asked.headers["location"])
    assert "Paid: you may bid again" in page_text(await browser.get(f"/en/auctions/debts?paid={debt}"))
    assert await fetch_value(refusal, crook, auction) is None
    await disputed(won=True)
    assert await fetch_value(refusal, crook, auction) is None, "its bank decided for us"
    assert await balance("758200") == -FLOOR


async def test_a_winner_whose_bank_reverses_its_payment_owes_and_is_barred_as_one_who_did_not_pay(stripe: Any) -> None:  # noqa: F811
    """Winning, downloading and disputing the charge costs what not paying does; its card is not charged again."""
    release = await open_shop()
    crook = await make_buyer("crook")
    await save(stripe, crook, token="tok_visa")
    auction = await announce_of_shop(release, "ascending")
    await place(crook, auction, FLOOR)
    rival = await make_buyer("rival")
    await save(stripe, rival, token="tok_visa")
    await place(rival, auction, 2 * FLOOR)
    await place(crook, auction, 3 * FLOOR)
    await end_auction(auction)
    for _ in range(2):
        await ending.settle_sales()
        await jobs()
    assert await ending.settle_sales() == 0
    sold = await fetch_value("SELECT net_minor FROM auction_sale WHERE state = 'paid'")
    intent = await fetch_value(
        "SELECT payment_intent_id FROM payment JOIN purchase_order ON purchase_order.id = subject"
    )
    disputed = await asyncio.to_thread(stripe.test, "dispute", payment_intent=intent)
    await asyncio.to_thread(stripe.test, "close_dispute", dispute=disputed["id"], won=False)
    for _ in range(3):
        await jobs()
        await ending.settle_sales()
    await run_commands()
    [owed] = await fetch("SELECT partner, owed_minor FROM auction_default")
    assert tuple(owed) == (crook, sold - FLOOR)
    assert await fetch_value("SELECT bidder_refusal($1, $2)", crook, auction) == "barred"
    assert await fetch_value("SELECT state FROM payment ORDER BY requested_at DESC LIMIT 1") == "open", "a page"
    assert await fetch_value("SELECT count(*) FROM auction_outcome WHERE round > 1") == 0
    await books_are_clean()


async def test_a_sealed_bid_beyond_its_deposit_is_void_once_opened_and_shows_nothing_before(
    stripe: Any,  # noqa: F811
    tmp_path: Path,
) -> None:
    """The deposit is chosen before sealing: the answer to a shield is that of any bid, and it wins nothing."""
    release = await open_shop()
    crook, rich, ann = [await make_buyer(name) for name in ("crook", "rich", "ann")]
    for partner in (crook, rich, ann):
        await save(stripe, partner, token="tok_visa")
    auction = await announce_of_shop(release, "limited", unsecured_times=3)
    async with Browser() as browser, Browser(browser.app) as other:
        await browser.sign_in("crook@partner.example")
        await other.sign_in("rich@partner.example")
        page = page_text(await browser.get(f"/en/auctions/{auction}"))
        assert "Above €300.03 your bid would be void when bids are opened" in page
        assert "The deposit is chosen before the bid is sealed" in page
        await other.submit(f"/en/auctions/{auction}/deposit", {"band": str(2 * LIMIT)})
        await sweep_events()
        await handle_events()
        assert "Above €600.06 your bid would be void" in page_text(await other.get(f"/en/auctions/{auction}"))
        nonce = "cd" * 32
        for one, euros in ((browser, SHIELD), (other, "500")):
            answer = await one.submit(f"/en/auctions/{auction}/bids", {"amount": euros, "nonce": nonce})
            assert "Accepted and sealed" in page_text(await one.get(answer.headers["location"]))
        await place(ann, auction, 2 * FLOOR)
        log = page_text(await browser.get(f"/fr/auctions/{auction}"))
        assert "Couverte jusqu’à" in log
        assert "600,06" in log, "everybody sees what a deposit covers"
        assert "15 000" not in log
        kept = await browser.get(answer.headers["location"])
        await end_auction(auction)
        award = page_text(await browser.get(f"/en/auctions/{auction}"))
        assert "Void: above what its deposit covers" in award
        document = (await browser.get(f"/api/v1/auctions/{auction}/transcript")).content
    assert kept.status_code == 200
    rows = await fetch("SELECT partner, pays_minor, reason FROM auction_outcome ORDER BY reason")
    assert [tuple(row) for row in rows] == [
        (crook, 0, "beyond_deposit"),
        (ann, 0, "outbid"),
        (rich, 2 * FLOOR, "won"),
    ], "the price is that of the best bid that counts"
    (tmp_path / "transcript.json").write_bytes(document)
    assert pricing(["replay", str(tmp_path / "transcript.json")]) == 0
    raised = json.loads(document)
    raised["reveals"][0]["covered_minor"] = 80_000_000
    (tmp_path / "transcript.json").write_text(json.dumps(raised))
    assert pricing(["replay", str(tmp_path / "transcript.json")]) == 1, "what a deposit covers is bound with the bid"
