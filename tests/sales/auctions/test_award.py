"""The end: closed at its instant, awarded once, with a reason for everybody, and a second chance when the winner does not pay."""

import asyncio
import hashlib
import json
import uuid
from typing import Any

import asyncpg
import pytest

from marketplace.core.database import execute
from marketplace.core.errors import NotFound
from marketplace.core.settings import settings
from marketplace.sales.auctions import award as ending
from marketplace.sales.auctions import rules
from marketplace.sales.auctions.actions import place_bid, place_sealed_bid
from marketplace.sales.auctions.queries import get_auction, get_transcript, list_outcomes
from pricing.auctions.transcript import terms_entry
from tests.sales.builders.auctions import make_bidder, move_end, open_auction, seal
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_value, list_facts


async def end(auction: uuid.UUID) -> dict[str, Any]:
    """Let the end pass and the job run; return the transcript's document."""
    await move_end(auction)
    await ending.close_auctions()
    document: dict[str, Any] = json.loads(await get_transcript(auction))
    return document


async def test_an_exclusive_window_goes_to_the_best_bid_at_the_second_price() -> None:
    auction = await open_auction("exclusive")
    bidders = [await make_bidder() for _ in range(3)]
    for bidder, amount in zip(bidders, (5_000, 9_000, 7_000), strict=True):
        assert (await seal(bidder, auction, ([0], amount))).accepted
    again = await place_sealed_bid(
        bidders[0].actor, auction, bid=uuid.uuid4(), nonce="ab" * 32, packages=[([0], 8_000)]
    )
    assert again.answer == "refused_already_bid"
    document = await end(auction)
    assert [(o["pays_minor"], o["reason"]) for o in document["award"]["outcomes"]] == [
        (0, "outbid"),
        (7_000, "won"),
        (0, "outbid"),
    ]
    outcomes = await list_outcomes(auction)
    assert {row.partner: (row.pays_minor, row.reason) for row in outcomes} == {
        bidders[1].partner: (7_000, "won"),
        bidders[2].partner: (0, "outbid"),
        bidders[0].partner: (0, "outbid"),
    }
    assert len(document["reveals"]) == 3


async def test_limited_licences_cost_the_best_losing_bid() -> None:
    auction = await open_auction("limited", licences=2)
    for amount in (3_000, 9_000, 7_000, 7_000):
        assert (await seal(await make_bidder(), auction, ([0], amount))).accepted
    document = await end(auction)
    assert [(o["pays_minor"], o["reason"]) for o in document["award"]["outcomes"]] == [
        (0, "outbid"),
        (7_000, "won"),
        (7_000, "won"),
        (0, "tied_later"),
    ]


async def test_bundles_go_where_they_are_worth_most() -> None:
    auction = await open_auction("bundle", releases=2)
    whole, left, right, low = [await make_bidder() for _ in range(4)]
    assert (await seal(whole, auction, ([0, 1], 10_000))).accepted
    assert (await seal(left, auction, ([0], 8_000))).accepted
    assert (await seal(right, auction, ([1], 7_000), ([0], 1_500))).accepted
    below = await place_sealed_bid(low.actor, auction, bid=uuid.uuid4(), nonce="ab" * 32, packages=[([0, 1], 1_900)])
    assert below.answer == "refused_below_minimum"
    document = await end(auction)
    outcomes = {row.partner: row for row in await list_outcomes(auction)}
    assert (outcomes[left.partner].lots, outcomes[right.partner].lots) == ([0], [1])
    paid = outcomes[left.partner].pays_minor + outcomes[right.partner].pays_minor
    assert 10_000 <= paid <= 15_000, "core: the losers' ten thousand must not be more than what is paid"
    assert outcomes[whole.partner].reason == "outbid"
    assert await fetch_value("SELECT sum(net_minor) FROM auction_sale") == paid
    assert document["kind"] == "core"


async def test_an_ascending_auction_ends_as_the_pure_engine_says() -> None:
    auction = await open_auction(window_seconds=0)
    bidders = [await make_bidder() for _ in range(4)]
    for step in range(40):
        await place_bid(
            bidders[step * 7 % 4].actor, auction, bid=uuid.uuid4(), maximum_minor=1_000 + (step * 7_919) % 60_000
        )
    before = await get_auction(auction)
    document = await end(auction)
    won = [o for o in document["award"]["outcomes"] if o["reason"] == "won"]
    assert [(o["bidder"], o["pays_minor"]) for o in won] == [
        (rules.pseudonym(before.salt, before.leader), before.price_minor)
    ]


async def test_a_worker_that_was_down_at_the_end_closes_later_with_the_same_award() -> None:
    auction, bidders = await open_auction(), [await make_bidder() for _ in range(3)]
    for bidder, amount in zip(bidders, (5_000, 9_000, 7_000), strict=True):
        assert (await place_bid(bidder.actor, auction, bid=uuid.uuid4(), maximum_minor=amount)).accepted
    await move_end(auction)
    late = await place_bid(bidders[0].actor, auction, bid=uuid.uuid4(), maximum_minor=50_000)
    assert late.answer == "refused_too_late", "over is over, whether or not anybody closed it"
    assert (await get_auction(auction)).phase == "closing"
    assert await ending.close_auctions() == 1
    won = [row for row in await list_outcomes(auction) if row.reason == "won"]
    assert [(row.partner, row.lots, row.pays_minor) for row in won] == [(bidders[1].partner, [0], 7_250)]


async def test_without_a_bid_nothing_is_sold_and_that_is_an_award() -> None:
    auction = await open_auction()
    document = await end(auction)
    assert document["award"] == {"clearing_price_minor": None, "outcomes": []}
    assert (await get_auction(auction)).state == "awarded"


async def test_the_root_is_out_before_any_bid_and_many_workers_award_once() -> None:
    auction = await open_auction("limited")
    for amount in (3_000, 4_000):
        assert (await seal(await make_bidder(), auction, ([0], amount))).accepted
    assert not await ending.close(auction), "not before the end"
    await move_end(auction)
    closes = await asyncio.gather(*(asyncio.create_task(ending.close(auction)) for _ in range(5)))
    assert sum(closes) == 1
    row = await get_auction(auction)
    assert row.root
    assert (row.state, len(row.root)) == ("closed", 64)
    with pytest.raises(NotFound):
        await get_transcript(auction)
    awards = await asyncio.gather(*(asyncio.create_task(ending.award(auction)) for _ in range(5)))
    assert sum(awards) == 1
    document = json.loads(await get_transcript(auction))
    assert document["root"] == row.root
    assert await fetch_value("SELECT count(*) FROM auction_outcome") == 2
    for statement in ("UPDATE auction_transcript SET published_at = now()", "DELETE FROM auction_outcome"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await as_owner(statement)


async def test_the_public_log_states_what_was_fixed_closed_and_awarded() -> None:
    auction = await open_auction("limited")
    (opened,) = await list_facts()
    assert (opened.kind, opened.subject) == ("auction_opened", str(auction))
    assert (await seal(await make_bidder(), auction, ([0], 3_000))).accepted
    document = await end(auction)
    _, closed, awarded = await list_facts()
    assert (closed.kind, awarded.kind) == ("auction_closed", "auction_awarded")
    assert json.loads(closed.statement) == {"bids": 1, "root": document["root"]}
    digest = hashlib.sha256(await get_transcript(auction)).hexdigest()
    assert json.loads(awarded.statement) == {"root": document["root"], "transcript_sha256": digest}
    terms = {"auction": str(auction), "kind": document["kind"], "terms": document["terms"]}
    assert json.loads(opened.statement)["terms_sha256"] == terms_entry(terms).hex(), "the terms' leaf under the root"
    await ending.close_auctions()
    assert len(await list_facts()) == 3, "each once"


async def test_the_wrong_key_awards_nothing_and_the_right_one_later_does() -> None:
    import os  # noqa: PLC0415

    auction = await open_auction("limited")
    assert (await seal(await make_bidder(), auction, ([0], 3_000))).accepted
    await move_end(auction)
    os.environ["PARTAGE_BID_KEY"] = "cd" * 32
    settings.cache_clear()
    assert await ending.close_auctions() == 0
    assert (await get_auction(auction)).state == "closed"
    del os.environ["PARTAGE_BID_KEY"]
    settings.cache_clear()
    assert await ending.close_auctions() == 1


async def test_who_does_not_pay_makes_room_for_the_next_twice() -> None:
    auction = await open_auction("exclusive")
    first, second, third = [await make_bidder() for _ in range(3)]
    for bidder, amount in ((first, 9_000), (second, 7_000), (third, 4_000)):
        assert (await seal(bidder, auction, ([0], amount))).accepted
    await end(auction)
    assert await ending.settle_sales() == 1, "the winner is charged"
    assert await ending.settle_sales() == 0, "still time to pay"
    await execute("UPDATE auction_sale SET due_at = now() - interval '1 second'")
    assert await ending.settle_sales() == 0, "the order may still be paid"
    await execute("UPDATE purchase_order SET state = 'lapsed'")
    assert await ending.settle_sales() == 2, "the next has it, and what it costs the seller is charged"
    rows = await fetch("SELECT * FROM auction_outcome WHERE round = 2")
    assert {row["partner"]: row["pays_minor"] for row in rows} == {second.partner: 4_000, third.partner: 0}
    await execute("UPDATE auction_sale SET due_at = now() - interval '1 second' WHERE state = 'due'")
    assert await ending.settle_sales() == 1, "never ordered, and too late to be"
    assert await fetch_value("SELECT max(round) FROM auction_outcome") == 2
    assert await ending.settle_sales() == 0
    for last in (3, 3):
        await execute("UPDATE purchase_order SET state = 'lapsed'")
        await ending.settle_sales()
        assert await fetch_value("SELECT max(round) FROM auction_outcome") == last
        await execute("UPDATE auction_sale SET due_at = now() - interval '1 second' WHERE state = 'due'")
        await ending.settle_sales()
    owed = await fetch("SELECT owed_minor FROM auction_default ORDER BY decided_at")
    assert [row["owed_minor"] for row in owed] == [7_000 - 4_000, 4_000 - 1_000, 0]
