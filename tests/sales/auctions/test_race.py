"""Many bidders at once through two web processes, with the end in the middle: none lost, none twice, one order."""

import asyncio
import json
import random
import uuid
from itertools import pairwise
from typing import Any

import httpx
import pytest

from marketplace.core.instants import instant_of, microseconds
from marketplace.sales.auctions import award as ending
from marketplace.sales.auctions.open_rules import terms_of
from marketplace.sales.auctions.queries import get_auction, get_transcript
from pricing.auctions.ascending import ProxyBid
from pricing.auctions.ascending import run as run_pure
from pricing.auctions.receipt import read_receipt
from pricing.auctions.replay import replay
from pricing.auctions.transcript import from_json
from pricing.money import Money
from tests.sales.auctions.webs import Web, web_processes
from tests.sales.builders.auctions import Bidder, make_bidder, open_auction
from tests.support.reads import fetch
from tests.support.waiting import until

AFTER_THE_END = 5
"""Bids that everybody still sends once it knows of the end."""


async def put_bid(  # noqa: PLR0917 (a request's parts)
    client: httpx.AsyncClient, web: Web, auction: uuid.UUID, bidder: Bidder, bid: uuid.UUID, maximum_minor: int
) -> dict[str, Any]:
    """Bid over HTTP; a lost connection is tried again with the same id, as a client would."""

    async def answered() -> dict[str, Any] | None:
        try:
            answer = await client.put(
                f"{web.url}/api/v1/auctions/{auction}/bids/{bid}",
                headers=bidder.headers,
                json={"currency": "EUR", "maximum_minor": maximum_minor},
            )
        except httpx.TransportError:
            return None
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    return dict(await until(answered))


async def check_answers(auction: uuid.UUID, answers: list[dict[str, Any]]) -> None:
    """Check that the log is what was answered, in one order, and the award what the log gives."""
    log = await fetch("SELECT * FROM bid WHERE auction = $1 AND position IS NOT NULL ORDER BY position", auction)
    row = await get_auction(auction)
    assert [entry["position"] for entry in log] == list(range(1, len(log) + 1)), "no gap and none twice"
    assert row.bid_count == len(log)
    assert all(a["received_at"] < b["received_at"] for a, b in pairwise(log)), "order is the order of instants"
    assert all(row.opens_at <= entry["received_at"] < row.closes_at for entry in log)
    accepted = {uuid.UUID(answer["bid"]): answer["position"] for answer in answers if answer["accepted"]}
    assert accepted == {entry["id"]: entry["position"] for entry in log}, "accepted is logged, and nothing else"
    everyone = await fetch("SELECT id, answer, received_at FROM bid WHERE auction = $1", auction)
    assert {uuid.UUID(answer["bid"]) for answer in answers} == {entry["id"] for entry in everyone}, "each answered once"
    late = [entry["received_at"] for entry in everyone if entry["answer"] == "refused_too_late"]
    assert all(at >= row.closes_at for at in late), "nobody was too late before the end"
    state, expected = run_pure(
        terms_of(row),
        [
            ProxyBid(entry["pseudonym"], Money(entry["maximum_minor"], "EUR"), microseconds(entry["received_at"]))
            for entry in log
        ],
    )
    assert [entry["answer"] for entry in log] == [str(one) for one in expected], "every answer is the pure engine's"
    assert row.price_minor == (state.price.minor if state.price else None)
    assert instant_of(state.closes_at) == row.closes_at
    await asyncio.gather(*(asyncio.create_task(ending.close_auctions()) for _ in range(2)))
    found = replay(
        from_json((await get_transcript(auction)).decode()), bytes.fromhex((await get_auction(auction)).root)
    )
    assert found.equal, found.differences
    won = [one for one in found.award["outcomes"] if one["units"]]
    leader = [(state.leader, state.price.minor)] if state.price else []
    assert [(one["bidder"], one["pays_minor"]) for one in won] == leader
    assert (await get_auction(auction)).state == "awarded"


async def race(
    webs: list[Web], people: list[Bidder], *, bids: int, seconds: float
) -> tuple[uuid.UUID, list[dict[str, Any]]]:
    """Let everyone bid as fast as they can across the end; return the auction and every answer.

    Nobody stops before `bids` bids, nor before it is answered that it is over: so the end lies within, however fast the
    machine is.
    """
    limits = httpx.Limits(max_connections=len(people), max_keepalive_connections=len(people))
    async with httpx.AsyncClient(timeout=60, limits=limits) as client:
        auction = await open_auction(seconds=seconds, window_seconds=0, extension_seconds=0)

        async def bid_often(number: int) -> list[dict[str, Any]]:
            draw = random.Random(number)  # noqa: S311 (a test's draws repeat)
            answers: list[dict[str, Any]] = []
            late = 0
            while len(answers) < bids or late < AFTER_THE_END:
                turn = len(answers)
                bid, amount = uuid.uuid4(), 1_000 + turn * 150 + draw.randrange(4_000)
                web = webs[(number + turn) % len(webs)]
                answers.append(await put_bid(client, web, auction, people[number], bid, amount))
                late += answers[-1]["answer"] == "refused_too_late"
                if turn % 10 == 0:
                    other = webs[(number + turn + 1) % len(webs)]
                    again = await put_bid(client, other, auction, people[number], bid, amount)
                    assert again["repeated"]
                    first, second = (read_receipt(json.dumps(one["receipt"])) for one in (answers[-1], again))
                assert second.signed == first.signed
                assert first.is_signed()
                assert second.is_signed()
            return answers

        everyone = await asyncio.gather(*(asyncio.create_task(bid_often(number)) for number in range(len(people))))
    return auction, [one for answers in everyone for one in answers]


@pytest.mark.long
@pytest.mark.parametrize(
    ("bidders", "bids", "seconds"),
    [(16, 15, 1.0), pytest.param(64, 80, 20.0, marks=[pytest.mark.deep, pytest.mark.alone])],
)
async def test_no_bid_is_lost_and_none_counts_twice(bidders: int, bids: int, seconds: float) -> None:
    async def story(webs: list[Web]) -> None:
        people = [await make_bidder() for _ in range(bidders)]
        late, answers, attempt = 0, [], 0
        while late == len(answers):
            # A machine so busy that nobody got through before the end gets another auction, twice as long.
            auction, answers = await race(webs, people, bids=bids, seconds=seconds * 2**attempt)
            await check_answers(auction, answers)
            late = sum(answer["answer"] == "refused_too_late" for answer in answers)
            attempt += 1
        assert len(answers) >= bidders * bids
        assert late >= bidders * AFTER_THE_END

    with web_processes(2) as webs:
        await story(webs)
