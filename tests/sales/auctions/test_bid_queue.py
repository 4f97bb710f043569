"""Bids that wait for one auction are taken together, and each is still answered for itself."""

import asyncio
import contextlib
import json
import threading
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from marketplace.core.database import DB
from marketplace.core.errors import NotAllowed
from marketplace.sales.auctions import placing, sealed_rules
from marketplace.sales.auctions.actions import place_bid
from marketplace.sales.auctions.bid_queue import BATCH_SIZE, SEALED_AT_ONCE, queue_of
from marketplace.sales.auctions.placing import OpenBid, place_open_bids
from marketplace.sales.auctions.receipts import signed
from pricing.auctions.receipt import read_receipt
from tests.sales.builders.auctions import bid_for, make_bidder, open_auction, seal
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_value
from tests.support.waiting import until


@contextlib.asynccontextmanager
async def locked_rows(*auctions: uuid.UUID) -> AsyncIterator[None]:
    """Lock auctions' rows, so that every bid meanwhile waits."""
    assert DB.pool
    async with DB.pool.acquire() as other, other.transaction():
        await other.fetch("SELECT id FROM auction WHERE id = ANY($1) FOR UPDATE", list(auctions))
        yield


async def test_bids_that_wait_are_placed_together_and_answered_alone() -> None:
    auction = await open_auction()
    good = [await make_bidder() for _ in range(4)]
    poor, unvetted = await make_bidder(with_method=False), await make_bidder(vetted=False)
    people = [*good, poor, unvetted]
    await place_bid(
        good[0].actor, auction, bid=uuid.uuid4(), maximum_minor=1_000
    )  # the process knows the auction's rule
    async with locked_rows(auction):
        asked = [
            asyncio.create_task(
                place_bid(people[number % 6].actor, auction, bid=uuid.uuid4(), maximum_minor=1_000 + 500 * number)
            )
            for number in range(48)
        ]
        left = asyncio.create_task(place_bid(good[0].actor, auction, bid=uuid.uuid4(), maximum_minor=90_000))
        await asyncio.sleep(0)
        left.cancel()  # its bidder left; the bid may count or not, and nobody else notices
    results = await asyncio.gather(*asked, return_exceptions=True)
    for number, one in enumerate(results):
        if number % 6 < 4:
            assert not isinstance(one, BaseException), one
            assert one.accepted or one.answer.startswith("refused")
        else:
            assert isinstance(one, NotAllowed)
    accepted = [one for one in results if not isinstance(one, BaseException) and one.accepted]
    assert len(accepted) > 20, "in the order they came, each above the one before"
    assert [one.position for one in accepted] == sorted(one.position or 0 for one in accepted), (
        "first come, first placed"
    )
    kept = [read_receipt(json.dumps(signed(one))) for one in results if not isinstance(one, BaseException)]
    assert all(one.is_signed() for one in kept)
    assert len({one.signature for one in kept}) <= 2, "those that were decided together are under one signature"
    rows = await fetch("SELECT received_at, xmin::text AS commit FROM bid ORDER BY received_at")
    assert len({row["received_at"] for row in rows}) == len(rows) >= 32, "each at an instant of its own"
    assert len({row["commit"] for row in rows}) <= 1 + -(-49 // BATCH_SIZE), "not a commit each"
    assert await fetch_value("SELECT bid_count FROM auction_lead") == await fetch_value(
        "SELECT count(position) FROM bid"
    )


async def test_the_same_ids_sent_to_two_auctions_in_a_circle_do_not_stop_either() -> None:
    """Each waits for what the other has taken; in one order, or PostgreSQL would end one of them."""
    auctions, ann = [await open_auction(), await open_auction()], await make_bidder()
    ids = [uuid.uuid4() for _ in range(1000)]

    async def bid(auction: uuid.UUID, some: list[uuid.UUID]) -> None:
        requests = [OpenBid(one, ann.spender, bid_for(1_000 + number)) for number, one in enumerate(some)]
        placed = await place_open_bids(auction, requests)
        assert placed is not None
        assert [one.bid.id for one in placed if one.bid] == some

    async with locked_rows(*auctions):
        both = [
            asyncio.create_task(bid(auction, some)) for auction, some in zip(auctions, (ids, ids[::-1]), strict=True)
        ]
        await until(lambda: fetch_value("SELECT count(*) = 2 FROM pg_locks WHERE NOT granted"))
    await asyncio.gather(*both)
    assert await fetch_value("SELECT count(*) FROM bid") == 1000


async def test_what_fails_is_raised_to_everyone_who_waited_and_nobody_stays() -> None:
    auction, ann = await open_auction(), await make_bidder()
    ids = [uuid.uuid4() for _ in range(6)]

    def all_at_once() -> list[asyncio.Task[Any]]:
        return [
            asyncio.create_task(place_bid(ann.actor, auction, bid=bid, maximum_minor=1_000 + 100 * number))
            for number, bid in enumerate(ids)
        ]

    await as_owner("ALTER FUNCTION bid_refusals RENAME TO hidden")
    results = await asyncio.gather(*all_at_once(), return_exceptions=True)
    assert {type(one) for one in results} == {asyncpg.UndefinedFunctionError}
    assert len(set(map(id, results))) == 6, "each its own"
    await as_owner("ALTER FUNCTION hidden RENAME TO bid_refusals")
    assert await fetch_value("SELECT count(*) FROM bid") == 0
    assert [one.accepted for one in await asyncio.gather(*all_at_once())] == [True] * 6
    queue = queue_of(auction)
    assert (len(queue.waiting), queue.sender) == (0, None)


async def test_one_bid_that_the_database_refuses_fails_alone() -> None:
    auction, ann = await open_auction(), await make_bidder()
    ids = [uuid.uuid4() for _ in range(6)]
    await as_owner(
        """CREATE FUNCTION refuse_one() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN RAISE EXCEPTION 'not this one'; END $$"""
    )
    await as_owner(
        f"CREATE TRIGGER refuse_one BEFORE INSERT ON bid FOR EACH ROW WHEN (NEW.id = '{ids[3]}') EXECUTE FUNCTION refuse_one()"
    )
    await place_bid(ann.actor, auction, bid=uuid.uuid4(), maximum_minor=1_000)  # the auction's rule is known
    asked = [place_bid(ann.actor, auction, bid=bid, maximum_minor=2_000 + n * 100) for n, bid in enumerate(ids)]
    results = await asyncio.gather(*map(asyncio.create_task, asked), return_exceptions=True)
    assert [isinstance(one, asyncpg.RaiseError) for one in results] == [n == 3 for n in range(6)]
    assert [one.position for one in results if not isinstance(one, BaseException)] == [2, 3, 4, 5, 6]


async def test_when_the_sender_is_ended_nobody_waits_on_and_the_next_bid_is_placed() -> None:
    auction, ann = await open_auction(), await make_bidder()
    queue = queue_of(auction)
    await place_bid(ann.actor, auction, bid=uuid.uuid4(), maximum_minor=1_000)
    async with locked_rows(auction):
        asked = [
            asyncio.create_task(place_bid(ann.actor, auction, bid=uuid.uuid4(), maximum_minor=2_000 + number))
            for number in range(BATCH_SIZE + 8)
        ]
        await until(lambda: fetch_value("SELECT count(*) = 1 FROM pg_locks WHERE NOT granted"))
        assert queue.sender
        assert len(queue.waiting) == 8
        queue.sender.cancel()
        done, waiting = await asyncio.wait(asked, timeout=60)
    assert not waiting
    assert all(one.cancelled() for one in done)
    assert (await place_bid(ann.actor, auction, bid=uuid.uuid4(), maximum_minor=9_000)).accepted


async def test_sealed_bids_that_wait_for_a_row_leave_the_pool_to_readers() -> None:
    auction = await open_auction("limited")
    first, *people = [await make_bidder() for _ in range(13)]
    await seal(first, auction)  # the process knows the auction's rule
    waiting = "SELECT count(*) = $1 FROM pg_locks WHERE NOT granted"
    async with locked_rows(auction):
        asked = [asyncio.create_task(seal(one, auction)) for one in people]
        async with asyncio.timeout(60):
            await until(lambda: fetch_value(waiting, SEALED_AT_ONCE))
            await until(lambda: fetch_value("SELECT true"))
        assert await fetch_value(waiting, SEALED_AT_ONCE), "and no more come"
    assert all(one.accepted for one in await asyncio.gather(*asked))


async def test_a_process_that_freezes_with_a_sealed_bid_lets_the_row_go(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide = sealed_rules.decide

    async def lock_the_row(auction: uuid.UUID) -> None:
        other = await asyncpg.connect(database_url)
        try:
            await other.execute("SET lock_timeout = '30s'")
            await other.fetch("SELECT id FROM auction WHERE id = $1 FOR UPDATE", auction)
        finally:
            await other.close()

    def frozen(locked: Any, *rest: Any, **more: Any) -> Any:
        """Say nothing until somebody else has had the row; what this process asks for then comes too late."""
        somebody = threading.Thread(target=lambda: asyncio.run(lock_the_row(locked.id)))
        somebody.start()
        somebody.join()
        return decide(locked, *rest, **more)

    auction, ann, bid = await open_auction("limited"), await make_bidder(), uuid.uuid4()
    with monkeypatch.context() as here:
        here.setattr(placing, "FROZEN_AFTER", "100ms")
        here.setattr(sealed_rules, "decide", frozen)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await seal(ann, auction, bid=bid)
    assert await fetch_value("SELECT count(*) FROM bid") == 0
    assert (await seal(ann, auction, bid=bid)).position == 1


@pytest.mark.parametrize("repeats", [1, 2])
async def test_a_bid_sent_twice_in_one_statement_is_one_bid(repeats: int) -> None:
    auction, ann, bid = await open_auction(), await make_bidder(), uuid.uuid4()
    placed = await place_open_bids(auction, [OpenBid(bid, ann.spender, bid_for(5_000))] * repeats)
    assert placed is not None
    assert [(one.bid.id, one.is_repeated) for one in placed if one.bid] == [(bid, False), (bid, True)][:repeats]
    assert await fetch_value("SELECT count(*) FROM bid") == 1
