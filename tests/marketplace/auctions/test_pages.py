"""The pages: complete without a script, in both languages; from a won auction to a paid licence; the subscribers' calls."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from marketplace import clock
from marketplace.auctions import award as ending
from marketplace.auctions import contributors
from marketplace.auctions.actions import Plan, announce
from marketplace.auctions.contributors import Stratum
from marketplace.auctions.queries import get_auction
from marketplace.catalogue import actions as catalogue
from marketplace.database import execute, fetch, fetch_one, fetch_value
from marketplace.errors import Conflict, Expired, Invalid, NotFound
from marketplace.identity import actions as identity
from tests.marketplace.auctions.world import add_offer, open_auction
from tests.marketplace.identity.site import PASSWORD, Browser, text_of
from tests.marketplace.purchases.shop import counts, jobs, make_buyer, open_shop, pay

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Callable[[], Any]], Any]

SECOND = dt.timedelta(seconds=1)


def test_two_partners_bid_against_each_other_on_the_page(run: Run) -> None:
    async def story() -> None:
        auction = await open_auction(seconds=50, window_seconds=60, extension_seconds=90)
        await make_buyer("atelier")
        await make_buyer("bureau")
        async with Browser() as ann, Browser(ann.app) as bob, Browser(ann.app) as nobody:
            await ann.sign_in("atelier@partner.example")
            await bob.sign_in("bureau@partner.example")
            shown = text_of(await nobody.get(f"/en/auctions/{auction}"))
            assert "Sign in to bid" in shown
            form = str(uuid.uuid4())
            for _ in range(2):
                answer = await ann.submit(f"/en/auctions/{auction}/bids", {"amount": "50"}, form_id=form)
                assert answer.headers["location"] == f"/en/bids/{form}"
            assert "Accepted: you lead." in text_of(await ann.get(f"/en/bids/{form}"))
            assert (await bob.get(f"/en/bids/{form}")).status_code == 404
            assert (await nobody.submit(f"/en/auctions/{auction}/bids", {"amount": "50"})).status_code in (401, 303)
            await bob.submit(f"/fr/auctions/{auction}/bids", {"amount": "1 000,50 €"})
            row = await get_auction(auction)
            assert (row["bid_count"], row["price_minor"]) == (2, 5_250)
            shown = text_of(await ann.get(f"/en/auctions/{auction}"))
            assert "You have been outbid" in shown
            assert "A late bid moved the end" in shown
            assert "Vous êtes en tête" in text_of(await bob.get(f"/fr/auctions/{auction}"))
            assert (await bob.submit(f"/en/auctions/{auction}/bids", {"amount": "much"})).status_code == 422
            assert "100050" not in (await nobody.get(f"/en/auctions/{auction}")).text, "a maximum is shown to nobody"
            assert "Live auction" in text_of(await nobody.get("/en/auctions"))

    run(story)


def test_the_winner_pays_and_holds_the_window_alone(run: Run, stripe: Any) -> None:
    del stripe

    async def story() -> None:
        release = await open_shop()
        offer = await fetch_value("SELECT id FROM offer")
        ann, bob = await make_buyer("atelier"), await make_buyer("bureau")
        now = clock.now()
        auction = await announce(
            Plan(
                kind="exclusive", offer=offer, releases=[release], opens_at=now - SECOND, closes_at=now + 4 * SECOND,
                reserve_minor=20_000, exclusive_from=now + 4 * SECOND, exclusive_to=now + dt.timedelta(days=30),
            ),
            by="Steward",
        )  # fmt: skip
        async with Browser() as winner, Browser(winner.app) as loser:
            await winner.sign_in("atelier@partner.example")
            await loser.sign_in("bureau@partner.example")
            await winner.submit(f"/en/auctions/{auction}/bids", {"amount": "700.00", "nonce": "ab" * 32})
            await loser.submit(f"/en/auctions/{auction}/bids", {"amount": "300.00", "nonce": "cd" * 32})
            await asyncio.sleep(4.1)
            await ending.close_auctions()
            assert "You won" in text_of(await winner.get(f"/en/auctions/{auction}"))
            assert "Outbid" in text_of(await loser.get(f"/en/auctions/{auction}"))
            sale = await fetch_value("SELECT id FROM auction_sale")
            assert (await loser.submit(f"/en/auctions/sales/{sale}/pay", {})).status_code == 404
            order = str(uuid.uuid4())
            for _ in range(2):
                answer = await winner.submit(f"/en/auctions/sales/{sale}/pay", {}, form_id=order)
                assert answer.headers["location"] == f"/en/orders/{order}"
            address = await fetch_value("SELECT checkout_url FROM payment WHERE subject = $1", uuid.UUID(order))
            assert (await pay(address)).status_code == 303
            await jobs()
            await execute("UPDATE auction_sale SET due_at = now() - interval '1 hour'")
            assert await ending.settle_sales() == 1
            assert await ending.settle_sales() == 0
            row = await fetch_one("SELECT * FROM purchase_order")
            assert row
            assert (row["state"], row["net_minor"], row["partner"]) == ("paid", 30_000, ann)
            assert await counts("licence", "entitlement") == (1, 1)
            assert "Paid." in text_of(await winner.get(f"/en/auctions/{auction}"))
        with pytest.raises(Conflict, match="exclusively"):
            await catalogue.quote(bob, release, quote_id=uuid.uuid4())
        await catalogue.quote(ann, release, quote_id=uuid.uuid4())

    run(story)


def test_a_steward_announces_and_cancels(run: Run) -> None:
    async def story() -> None:
        offer, _ = await add_offer(2)
        await identity.add_staff("sam@operator.example", "Sam Steward", "steward", PASSWORD)
        async with Browser() as steward:
            await steward.sign_in("sam@operator.example")
            assert "Announce" in text_of(await steward.get("/en/steward/auctions/new"))
            now = clock.now()
            fields = {
                "kind": "limited", "offer": str(offer), "opens_at": f"{now:%Y-%m-%dT%H:%M}", "licences": "3",
                "closes_at": f"{now + dt.timedelta(days=2):%Y-%m-%dT%H:%M}", "reserve": "120,00", "exclusive_from": "", "exclusive_to": "",
            }  # fmt: skip
            form = str(uuid.uuid4())
            for _ in range(2):
                answer = await steward.submit("/en/steward/auctions/new", fields, form_id=form)
                assert answer.headers["location"] == f"/en/auctions/{form}", answer.text
            row = await get_auction(uuid.UUID(form))
            assert (row["licences"], row["reserve_minor"], row["kind"]) == (3, 12_000, "limited")
            for bad in (
                {"kind": "dutch"},
                {"reserve": "0"},
                {"closes_at": "soon"},
                {"closes_at": fields["opens_at"]},
                {"licences": "0"},
            ):
                assert (await steward.submit("/en/steward/auctions/new", fields | bad)).status_code == 422, bad
            await steward.submit(f"/en/auctions/{form}/cancel", {"reason": "The release is late"})
            assert "Cancelled: The release is late" in text_of(await steward.get(f"/en/auctions/{form}"))
        async with Browser() as nobody:
            assert (await nobody.submit(f"/en/auctions/{form}/cancel", {"reason": "x"})).status_code in (401, 303)

    run(story)


# ------------------------------------------------------------------ the subscribers' auction
async def open_call(
    seconds: float = 3.0, *, wanted: int = 2, budget_micro: int = 10_000_000, people: int = 5
) -> tuple[uuid.UUID, uuid.UUID]:
    if not await fetch_value("SELECT true FROM dataset"):
        await add_offer()
    for reference in range(people):
        await execute("INSERT INTO subscriber (reference) VALUES ($1)", reference)
    now = clock.now()
    dataset = await fetch_value("SELECT code FROM dataset")
    call = await contributors.announce_call(
        dataset, [Stratum("18-39 ans", "18-39", wanted, budget_micro, 4_000_000)], opens_at=now - SECOND,
        closes_at=now + seconds * SECOND, promise_from=now + 60 * SECOND, promise_to=now + dt.timedelta(days=90), by="Steward",
    )  # fmt: skip
    return call, await fetch_value("SELECT id FROM contributor_stratum WHERE call = $1", call)


def test_the_lowest_asks_win_one_price_which_is_promised(run: Run) -> None:
    async def story() -> None:
        call, stratum = await open_call(1.0)
        for person, least in enumerate((1_000_000, 3_000_000, 2_000_000, 2_500_000)):
            await contributors.ask(person, call, stratum, least_micro=least)
        await contributors.ask(1, call, stratum, least_micro=500_000)
        await contributors.ask(4, call, stratum, least_micro=1)
        await contributors.withdraw(4, call)
        assert not any(
            "500000" in row["text"] for row in await fetch("SELECT contributor_ask::text AS text FROM contributor_ask")
        )
        assert await contributors.award_calls() == 0
        await asyncio.sleep(1.1)
        assert sum(await asyncio.gather(*(asyncio.create_task(contributors.award_calls()) for _ in range(4)))) == 1
        rows = await fetch("SELECT subscriber, won, reason FROM contributor_ask ORDER BY subscriber")
        assert [(row["subscriber"], row["won"]) for row in rows] == [(0, 1), (1, 1), (2, 0), (3, 0), (4, None)]
        told = await fetch_one("SELECT winners, price_micro FROM contributor_stratum")
        assert told
        assert (told["winners"], told["price_micro"]) == (2, 2_000_000), "the first ask that did not win"
        term = await fetch_one("SELECT * FROM contributor_term")
        assert term
        assert term["minimum_pool_minor"] == 400
        with pytest.raises(Expired):
            await contributors.ask(0, call, stratum, least_micro=1)

    run(story)


def test_the_budget_fixed_before_opening_is_never_passed(run: Run) -> None:
    async def story() -> None:
        call, stratum = await open_call(0.6, wanted=5, budget_micro=4_000_000)
        for person, least in enumerate((1_000_000, 1_500_000, 1_900_000, 3_000_000)):
            await contributors.ask(person, call, stratum, least_micro=least)
        for bad in (-1, 10**12):
            with pytest.raises(Invalid):
                await contributors.ask(0, call, stratum, least_micro=bad)
        with pytest.raises(NotFound):
            await contributors.ask(0, call, uuid.uuid4(), least_micro=5)
        await asyncio.sleep(0.7)
        await contributors.award_calls()
        told = await fetch_one("SELECT winners, price_micro FROM contributor_stratum")
        assert told
        assert (told["winners"], told["price_micro"]) == (2, 1_900_000)

    run(story)


def test_a_subscriber_states_a_price_and_sees_the_promise(run: Run) -> None:
    async def story() -> None:
        call, stratum = await open_call(5.0)
        await contributors.ask(1, call, stratum, least_micro=2_000_000)
        await contributors.ask(2, call, stratum, least_micro=3_000_000)
        await execute(
            """INSERT INTO person (id, email, name, password_hash, language, subscriber, created_at)
               VALUES (gen_random_uuid(), 'ada@line.example', 'Ada', $1, 'en', 0, now())""",
            await identity_hash(),
        )
        async with Browser() as ada:
            await ada.sign_in("ada@line.example")
            assert "A few people have answered at most" in text_of(await ada.get("/en/calls"))
            answer = await ada.submit(f"/en/calls/{call}/asks", {"stratum": str(stratum), "amount": "1,00"})
            assert answer.headers["location"] == "/en/calls"
            shown = text_of(await ada.get("/en/calls"))
            assert "Your answer is sealed" in shown
            await asyncio.sleep(5.1)
            await contributors.award_calls()
            assert "promised at least €3.000000" in text_of(await ada.get("/en/calls"))
            assert "Vous êtes retenu" in text_of(await ada.get("/fr/calls"))

    run(story)


async def identity_hash() -> str:
    from marketplace.identity.passwords import hash_password  # noqa: PLC0415

    found = hash_password(PASSWORD)
    return await found if asyncio.iscoroutine(found) else str(found)
