"""Bids that wait for one auction are taken together, and each is still answered for itself."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from marketplace.auctions.actions import place_bid
from marketplace.auctions.lanes import TAKEN_TOGETHER, lane_of
from marketplace.database import DB, execute, fetch, fetch_value
from marketplace.errors import NotAllowed
from tests.marketplace.auctions.test_live import until
from tests.marketplace.auctions.world import add_bidder, open_auction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Run = Callable[[Callable[[], Any]], Any]


@contextlib.asynccontextmanager
async def held(*auctions: uuid.UUID) -> AsyncIterator[None]:
    """Hold auctions' rows, so that whatever is bid meanwhile waits."""
    assert DB.pool
    async with DB.pool.acquire() as other, other.transaction():
        await other.fetch("SELECT id FROM auction WHERE id = ANY($1) FOR UPDATE", list(auctions))
        yield


def test_whoever_waits_is_taken_together_and_answered_alone(run: Run) -> None:
    async def story() -> None:
        auction = await open_auction()
        good = [await add_bidder() for _ in range(4)]
        poor, unvetted = await add_bidder(with_method=False), await add_bidder(vetted=False)
        people = [*good, poor, unvetted]
        await place_bid(
            good[0].actor, auction, bid=uuid.uuid4(), maximum_minor=1_000
        )  # the process knows the auction's rule
        async with held(auction):
            asked = [
                asyncio.create_task(
                    place_bid(people[number % 6].actor, auction, bid=uuid.uuid4(), maximum_minor=1_000 + 500 * number)
                )
                for number in range(48)
            ]
            left = asyncio.create_task(place_bid(good[0].actor, auction, bid=uuid.uuid4(), maximum_minor=90_000))
            await asyncio.sleep(0)
            left.cancel()  # its bidder left; the bid may count or not, and nobody else notices
        told = await asyncio.gather(*asked, return_exceptions=True)
        for number, one in enumerate(told):
            if number % 6 < 4:
                assert not isinstance(one, BaseException), one
                assert one.accepted or one.answer.startswith("refused")
            else:
                assert isinstance(one, NotAllowed)
        accepted = [one for one in told if not isinstance(one, BaseException) and one.accepted]
        assert len(accepted) > 20, "in the order they came, each above the one before"
        assert [one.position for one in accepted] == sorted(one.position or 0 for one in accepted), (
            "first come, first taken"
        )
        rows = await fetch("SELECT received_at, xmin::text AS commit FROM bid ORDER BY received_at")
        assert len({row["received_at"] for row in rows}) == len(rows) >= 32, "each at an instant of its own"
        assert len({row["commit"] for row in rows}) <= 1 + -(-49 // TAKEN_TOGETHER), "not a commit each"
        assert await fetch_value("SELECT bid_count FROM auction_lead") == await fetch_value(
            "SELECT count(position) FROM bid"
        )

    run(story)


def test_the_same_ids_sent_to_two_auctions_in_a_circle_do_not_stop_either(run: Run) -> None:
    """Each waits for what the other has taken; in one order, or PostgreSQL would end one of them."""

    async def story() -> None:
        auctions, ann = [await open_auction(), await open_auction()], await add_bidder()
        ids = [uuid.uuid4() for _ in range(1000)]

        async def bid(auction: uuid.UUID, some: list[uuid.UUID]) -> None:
            told = await fetch(
                "SELECT (answered).id AS id FROM place_open_bids($1, $2, $3, $4, $5)",
                auction, some, [ann.partner] * 1000, ["B"] * 1000, list(range(1_000, 2_000)),
            )  # fmt: skip
            assert [row["id"] for row in told] == some

        async with held(*auctions):
            both = [
                asyncio.create_task(bid(auction, some))
                for auction, some in zip(auctions, (ids, ids[::-1]), strict=True)
            ]
            await until(lambda: fetch_value("SELECT count(*) = 2 FROM pg_locks WHERE NOT granted"))
        await asyncio.gather(*both)
        assert await fetch_value("SELECT count(*) FROM bid") == 1000

    run(story)


def test_what_fails_is_told_to_everyone_who_waited_and_nobody_stays(run: Run) -> None:
    async def story() -> None:
        auction, ann = await open_auction(), await add_bidder()
        ids = [uuid.uuid4() for _ in range(6)]

        def all_at_once() -> list[asyncio.Task[Any]]:
            return [
                asyncio.create_task(place_bid(ann.actor, auction, bid=bid, maximum_minor=1_000 + 100 * number))
                for number, bid in enumerate(ids)
            ]

        await execute("ALTER FUNCTION decide_open_bid RENAME TO hidden")
        told = await asyncio.gather(*all_at_once(), return_exceptions=True)
        assert {type(one) for one in told} == {asyncpg.UndefinedFunctionError}
        await execute("ALTER FUNCTION hidden RENAME TO decide_open_bid")
        assert await fetch_value("SELECT count(*) FROM bid") == 0
        assert [one.accepted for one in await asyncio.gather(*all_at_once())] == [True] * 6
        lane = lane_of(auction)
        assert (len(lane.waiting), lane.sender) == (0, None)

    run(story)


@pytest.mark.parametrize("repeats", [1, 2])
def test_a_bid_sent_twice_in_one_statement_is_one_bid(run: Run, repeats: int) -> None:
    async def story() -> None:
        auction, ann, bid = await open_auction(), await add_bidder(), uuid.uuid4()
        rows = await fetch(
            "SELECT number, (answered).id AS id, repeated FROM place_open_bids($1, $2, $3, $4, $5)",
            auction, [bid] * repeats, [ann.partner] * repeats, ["B"] * repeats, [5_000] * repeats,
        )  # fmt: skip
        assert [tuple(row) for row in rows] == [(1, bid, False), (2, bid, True)][:repeats]

    run(story)
