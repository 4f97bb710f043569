"""Kill -9 at every statement of bidding and of closing: the bid counts once, the award is the same, receipts hold."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import uuid
from typing import Any

import httpx
import pytest

from marketplace import database
from marketplace.auctions import award as ending
from marketplace.auctions.actions import place_bid, place_sealed_bid
from marketplace.auctions.queries import get_auction, get_transcript
from marketplace.settings import settings
from pricing.auctions.replay import replay
from pricing.auctions.transcript import from_json
from tests.marketplace.auctions.builders import Bidder, make_bidder, move_end, open_auction
from tests.marketplace.auctions.killing import Proxy, proxy
from tests.marketplace.auctions.webs import Web, fork
from tests.support.reads import fetch, fetch_value
from tests.support.waiting import until

AMOUNTS = (5_000, 9_000, 7_000)
NONCE = "ab" * 32


async def bid_in(auction: uuid.UUID, kind: str, bidder: Bidder, amount: int) -> dict[str, Any]:
    """Bid from here; return the receipt's document."""
    if kind == "ascending":
        answer = await place_bid(bidder.actor, auction, bid=uuid.uuid4(), maximum_minor=amount)
    else:
        answer = await place_sealed_bid(
            bidder.actor, auction, bid=uuid.uuid4(), nonce=secrets.token_hex(32), packages=[([0], amount)]
        )
    assert answer.accepted, answer.answer
    found: dict[str, Any] = json.loads(answer.document)
    return found


async def award_of(auction: uuid.UUID, receipts: list[dict[str, Any]]) -> dict[uuid.UUID, tuple[Any, ...]]:
    """Return what everybody got, once: after checking that the transcript gives it and holds every receipt."""
    row = await get_auction(auction)
    assert row.state == "awarded"
    transcript = from_json((await get_transcript(auction)).decode())
    found = replay(transcript, bytes.fromhex(row.root))
    assert found.equal, found.differences
    entries = [entry.hex() for entry in transcript.entries]
    for receipt in receipts:
        assert set(receipt["commitments"]) <= set(entries)
    outcomes = await fetch("SELECT * FROM auction_outcome WHERE auction = $1", auction)
    sales = await fetch_value(
        """SELECT count(*) FROM auction_sale AS sale JOIN auction_outcome AS outcome ON outcome.id = sale.outcome
           WHERE outcome.auction = $1""",
        auction,
    )
    assert sales == sum(len(one["lots"]) for one in outcomes)
    assert {one["round"] for one in outcomes} == {1}
    return {one["partner"]: (tuple(one["lots"]), one["pays_minor"], one["reason"]) for one in outcomes}


async def until_over(auction: uuid.UUID) -> None:
    await until(
        lambda: fetch_value("SELECT clock_timestamp() > closes_at FROM auction_lead WHERE auction = $1", auction)
    )


# ------------------------------------------------------------------ the worker
def finish(auction: str) -> None:
    """Close and award one auction, as the job does."""

    async def story() -> None:
        await database.open_pool(settings().database_url)
        await ending.close(uuid.UUID(auction))
        await ending.award(uuid.UUID(auction))
        await database.close_pool()

    asyncio.run(story())


async def finish_at(between: Proxy, auction: uuid.UUID, at: int | None, *, after: bool) -> int:
    """Let a worker finish an auction and die at its statement number `at`; return how many it came to."""
    process = fork(finish, str(auction), DATABASE_URL=between.url)
    between.arm(process, at, after=after)
    await asyncio.to_thread(process.join)
    assert (process.exitcode == 0) == (at is None), f"statement {at}: exit code {process.exitcode}"
    return between.seen


@pytest.mark.parametrize(
    ("kind", "every"),
    [
        ("exclusive", 24),
        pytest.param("exclusive", 1, marks=pytest.mark.deep),
        pytest.param("ascending", 1, marks=pytest.mark.deep),
    ],
)
async def test_a_worker_killed_at_any_statement_leaves_the_same_award(kind: str, every: int) -> None:
    people = [await make_bidder() for _ in AMOUNTS]
    async with proxy(os.environ["DATABASE_URL"]) as between:

        async def make() -> tuple[uuid.UUID, list[dict[str, Any]]]:
            auction = await open_auction(kind)
            receipts = [
                await bid_in(auction, kind, person, amount) for person, amount in zip(people, AMOUNTS, strict=True)
            ]
            await move_end(auction)
            return auction, receipts

        whole, receipts = await make()
        steps = await finish_at(between, whole, None, after=False)
        expected = await award_of(whole, receipts)
        assert sorted(expected.values()) == [((), 0, "outbid"), ((), 0, "outbid"), ((0,), sold(kind), "won")]
        points = [(at, after) for at in range(1, steps + 1) for after in (False, True)][::every]
        made = [await make() for _ in points]
        for (at, after), (auction, kept) in zip(points, made, strict=True):
            await finish_at(between, auction, at, after=after)
            await ending.close(auction)
            await ending.award(auction)
            assert await award_of(auction, kept) == expected, (at, after)
        print(f"{kind}: killed at {len(points)} of {2 * steps} points of {steps} statements")


def sold(kind: str) -> int:
    """Return what the winner pays: the second price, one step above it where the auction ascends."""
    return 7_250 if kind == "ascending" else 7_000


async def test_a_worker_that_was_down_at_the_end_closes_later_with_the_same_award() -> None:
    people = [await make_bidder() for _ in AMOUNTS]
    auction = await open_auction()
    receipts = [
        await bid_in(auction, "ascending", person, amount) for person, amount in zip(people, AMOUNTS, strict=True)
    ]
    await move_end(auction)
    late = await place_bid(people[0].actor, auction, bid=uuid.uuid4(), maximum_minor=50_000)
    assert late.answer == "refused_too_late", "over is over, whether or not anybody closed it"
    assert (await get_auction(auction)).phase == "closing"
    assert await ending.close_auctions() == 1
    found = await award_of(auction, receipts)
    assert found[people[1].partner] == ((0,), 7_250, "won")


# ------------------------------------------------------------------ the site
@pytest.mark.parametrize(
    ("kind", "every"),
    [
        ("ascending", 8),
        pytest.param("ascending", 1, marks=pytest.mark.deep),
        pytest.param("limited", 3, marks=pytest.mark.deep),
    ],
)
async def test_a_site_killed_at_any_statement_of_a_bid_places_it_once(kind: str, every: int) -> None:
    ann, bob = await make_bidder(), await make_bidder()
    body: dict[str, Any] = (
        {"currency": "EUR", "maximum_minor": 9_000}
        if kind == "ascending"
        else {"currency": "EUR", "amount_minor": 9_000, "nonce": NONCE}
    )
    steady = Web()
    async with proxy(os.environ["DATABASE_URL"]) as between, httpx.AsyncClient(timeout=60) as client:
        await asyncio.to_thread(steady.wait)

        async def put(web: Web, auction: uuid.UUID, bid: uuid.UUID) -> dict[str, Any]:
            path = f"{web.url}/api/v1/auctions/{auction}/bids/{bid}"
            answer = await client.put(path, headers=bob.headers, json=body)
            assert answer.status_code == 200, answer.text
            found: dict[str, Any] = answer.json()
            return found

        async def bid_at(at: int | None, steps: int = 0, *, after: bool) -> None:
            auction, bid = await open_auction(kind), uuid.uuid4()
            await bid_in(auction, kind, ann, 5_000)
            fragile = Web(DATABASE_URL=between.url)
            try:
                await asyncio.to_thread(fragile.wait)
                between.arm(fragile, at, after=after)
                if at is None:
                    assert (await put(fragile, auction, bid))["accepted"]
                else:
                    with pytest.raises(httpx.TransportError):
                        await put(fragile, auction, bid)
                    assert between.struck.is_set()
            finally:
                fragile.kill()
            first = await put(steady, auction, bid)
            again = await put(steady, auction, bid)
            assert first["accepted"], first
            assert first["answer"] == ("leading" if kind == "ascending" else "sealed")
            assert (first["position"], again["position"], again["repeated"]) == (2, 2, True)
            assert again["receipt"] == first["receipt"]
            row = await get_auction(auction)
            assert row.bid_count == 2
            assert row.price_minor == (5_250 if kind == "ascending" else None)
            assert await fetch_value("SELECT count(*) FROM bid WHERE auction = $1", auction) == 2
            if at == steps:
                assert first["repeated"] == after, "with its last statement the bid is placed, and not before"

        try:
            await bid_at(None, after=False)
            steps = between.seen
            points = [(at, after) for at in range(1, steps + 1) for after in (False, True)][::-1][::every]
            for at, after in points:
                await bid_at(at, steps, after=after)
            print(f"{kind}: killed at {len(points)} of {2 * steps} points of {steps} statements")
        finally:
            steady.kill()
