"""Many bidders at once through two web processes, with the end in the middle: none lost, none twice, one order."""

from __future__ import annotations

import asyncio
import random
import uuid
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from marketplace.auctions import award as ending
from marketplace.auctions import rules
from marketplace.auctions.queries import get_auction, get_transcript
from marketplace.database import fetch
from pricing.auctions.ascending import ProxyBid
from pricing.auctions.ascending import run as run_pure
from pricing.auctions.transcript import from_json, replay
from pricing.money import Money
from tests.marketplace.auctions.webs import Web, web_processes
from tests.marketplace.auctions.world import Bidder, add_bidder, open_auction

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Callable[[], Any]], Any]


async def put(  # noqa: PLR0917 (a request's parts)
    client: httpx.AsyncClient, web: Web, auction: uuid.UUID, bidder: Bidder, bid: uuid.UUID, maximum_minor: int
) -> dict[str, Any]:
    """Bid over HTTP; a lost connection is tried again with the same id, as a client would."""
    while True:
        try:
            answer = await client.put(
                f"{web.url}/api/v1/auctions/{auction}/bids/{bid}", headers=bidder.headers,
                json={"currency": "EUR", "maximum_minor": maximum_minor},
            )  # fmt: skip
        except httpx.TransportError:
            await asyncio.sleep(0.05)
            continue
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


async def check_log(auction: uuid.UUID, answers: list[dict[str, Any]]) -> None:
    """Check that the log is what was answered, in one order, and the award what the log gives."""
    log = await fetch("SELECT * FROM bid WHERE auction = $1 AND position IS NOT NULL ORDER BY position", auction)
    row = await get_auction(auction)
    assert [entry["position"] for entry in log] == list(range(1, len(log) + 1)), "no gap and none twice"
    assert row["bid_count"] == len(log)
    assert all(a["received_at"] < b["received_at"] for a, b in pairwise(log)), "order is the order of instants"
    assert all(row["opens_at"] <= entry["received_at"] < row["closes_at"] for entry in log)
    accepted = {uuid.UUID(answer["bid"]): answer["position"] for answer in answers if answer["accepted"]}
    assert accepted == {entry["id"]: entry["position"] for entry in log}, "accepted is logged, and nothing else"
    everyone = await fetch("SELECT id FROM bid WHERE auction = $1", auction)
    assert {uuid.UUID(answer["bid"]) for answer in answers} == {entry["id"] for entry in everyone}, "each answered once"
    state, said = run_pure(
        rules.terms_of(row),
        [
            ProxyBid(entry["pseudonym"], Money(entry["maximum_minor"], "EUR"), rules.micros(entry["received_at"]))
            for entry in log
        ],
    )
    assert [entry["answer"] for entry in log] == [str(one) for one in said], "every answer is the pure engine's"
    assert row["price_minor"] == (state.price.minor if state.price else None)
    assert rules.instant(state.closes_at) == row["closes_at"]
    await asyncio.gather(*(asyncio.create_task(ending.close_auctions()) for _ in range(2)))
    found = replay(
        from_json((await get_transcript(auction)).decode()), bytes.fromhex((await get_auction(auction))["root"])
    )
    assert found.equal, found.differences
    won = [one for one in found.award["outcomes"] if one["units"]]
    assert (
        [(one["bidder"], one["pays_minor"]) for one in won] == [(state.leader, state.price.minor)]
        if state.price
        else []
    )
    assert (await get_auction(auction))["state"] == "awarded"


@pytest.mark.parametrize(
    ("bidders", "bids", "seconds"), [(16, 25, 1.2), pytest.param(64, 200, 20.0, marks=pytest.mark.deep)]
)
def test_no_bid_is_lost_and_none_counts_twice(run: Run, bidders: int, bids: int, seconds: float) -> None:
    async def story(webs: list[Web]) -> None:
        people = [await add_bidder() for _ in range(bidders)]
        limits = httpx.Limits(max_connections=bidders, max_keepalive_connections=bidders)
        async with httpx.AsyncClient(timeout=60, limits=limits) as client:
            auction = await open_auction(seconds=seconds, window_seconds=0, extension_seconds=0)

            async def bid_often(number: int) -> list[dict[str, Any]]:
                draw, said = random.Random(number), []  # noqa: S311 (a test's draws repeat)
                for turn in range(bids):
                    bid, amount = uuid.UUID(int=draw.getrandbits(128)), 1_000 + turn * 150 + draw.randrange(4_000)
                    web = webs[(number + turn) % len(webs)]
                    said.append(await put(client, web, auction, people[number], bid, amount))
                    if turn % 10 == 0:
                        again = await put(
                            client, webs[(number + turn + 1) % len(webs)], auction, people[number], bid, amount
                        )
                        assert again["repeated"]
                        assert again["receipt"] == said[-1]["receipt"]
                return said

            answers = [
                one for said in await asyncio.gather(*(bid_often(number) for number in range(bidders))) for one in said
            ]
        assert len(answers) == bidders * bids
        late = sum(answer["answer"] == "refused_too_late" for answer in answers)
        assert 0 < late < len(answers), f"the end must lie in the middle, but {late} of {len(answers)} came after it"
        row = await get_auction(auction)
        await asyncio.sleep(max(0.0, (row["closes_at"] - row["now"]).total_seconds()))
        await check_log(auction, answers)

    with web_processes(2) as webs:
        run(lambda: story(webs))


def test_kill_9_of_web_processes_in_the_middle_loses_nothing(run: Run) -> None:
    async def story(webs: list[Web]) -> None:
        people = [await add_bidder() for _ in range(8)]
        auction = await open_auction(seconds=6, window_seconds=0)
        async with httpx.AsyncClient(timeout=10) as client:
            stop = asyncio.Event()

            async def bid_often(number: int) -> list[dict[str, Any]]:
                draw, said, turn = random.Random(number), [], 0  # noqa: S311 (a test's draws repeat)
                while not stop.is_set() and turn < 4000:
                    turn += 1
                    said.append(
                        await put(
                            client,
                            webs[turn % 2],
                            auction,
                            people[number],
                            uuid.uuid4(),
                            1_000 + turn * 100 + draw.randrange(500),
                        )
                    )
                return said

            async def kill_often() -> None:
                for turn in range(2):
                    await asyncio.sleep(0.7)
                    port = webs[turn].port
                    webs[turn].kill()
                    webs[turn] = Web(port)
                    await asyncio.to_thread(webs[turn].wait)
                stop.set()

            *told, _ = await asyncio.gather(*(bid_often(number) for number in range(8)), kill_often())
        row = await get_auction(auction)
        await asyncio.sleep(max(0.0, (row["closes_at"] - row["now"]).total_seconds() + 0.01))
        await check_log(auction, [one for said in told for one in said])

    with web_processes(2) as webs:
        run(lambda: story(webs))
