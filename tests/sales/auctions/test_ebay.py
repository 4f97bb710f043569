"""Real bids of eBay auctions, bid again over HTTP: auction by auction what the pure engine gives."""

import asyncio
import csv
import uuid
from collections import defaultdict
from collections.abc import Sequence

import httpx
import pytest

from marketplace.core.settings import settings
from marketplace.sales.auctions import rules
from marketplace.sales.auctions.queries import get_auction, list_own_bids
from pricing.auctions.ascending import AscendingTerms, BidAnswer, ProxyBid
from pricing.auctions.ascending import run as run_pure
from pricing.money import Money
from tests.sales.auctions.webs import web_processes
from tests.sales.builders.auctions import Bidder, make_bidder, open_auction


def real_auctions() -> dict[str, list[dict[str, str]]]:
    path = settings().shared / "data" / "ebay-bids" / "bids.csv"
    if not path.exists():
        pytest.skip(f"the real bids are not at {path}")
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    with path.open() as file:
        for row in csv.DictReader(file):
            found[row["auction"]].append(row)
    for bids in found.values():
        bids.sort(key=lambda bid: float(bid["bid_day"]))
    return found


@pytest.mark.long
@pytest.mark.parametrize("share", [48, pytest.param(5, marks=pytest.mark.deep)])
async def test_real_bids_over_http_give_the_pure_engines_result(share: int) -> None:
    """A web process of its own, real HTTP, each auction's bids in their order; several auctions at once."""
    chosen = list(real_auctions().items())[::share]
    people: dict[str, Bidder] = {}

    async def run_auction(web: httpx.AsyncClient, name: str, bids: list[dict[str, str]]) -> None:
        opening = max(1, int(bids[0]["opening_cents"]))
        auction = await open_auction(seconds=86_400, reserve_minor=opening, window_seconds=0, extension_seconds=0)
        answers = []
        for bid in bids:
            response = await web.put(
                f"/api/v1/auctions/{auction}/bids/{uuid.uuid4()}",
                headers=people[bid["bidder"]].headers,
                json={"currency": "EUR", "maximum_minor": int(bid["maximum_cents"])},
            )
            assert response.status_code == 200, response.text
            answers.append(response.json()["answer"])
        terms = AscendingTerms(Money(opening, "EUR"), rules.STEPS, 0, 10**9)
        pure, expected = run_pure(
            terms, [ProxyBid(bid["bidder"], Money(int(bid["maximum_cents"]), "EUR"), at) for at, bid in enumerate(bids)]
        )
        assert answers == [str(one) for one in expected], name
        row = await get_auction(auction)
        assert row.price_minor == (pure.price.minor if pure.price else None), name
        assert row.leader == (people[pure.leader].partner if pure.leader else None), name
        shown = (await web.get(f"/api/v1/auctions/{auction}")).json()
        assert (shown["price_minor"], shown["bids"]) == (row.price_minor, len(pure_accepted(expected))), name
        if pure.leader:
            assert await list_own_bids(auction, people[pure.leader].partner)

    async def story(url: str) -> None:
        for name in {bid["bidder"] for _, bids in chosen for bid in bids}:
            people[name] = await make_bidder()
        limit = asyncio.Semaphore(4)

        async def one(name: str, bids: list[dict[str, str]]) -> None:
            async with limit:
                await run_auction(web, name, bids)

        async with httpx.AsyncClient(base_url=url, timeout=60) as web:
            await asyncio.gather(*(asyncio.create_task(one(name, bids)) for name, bids in chosen))

    with web_processes(1) as webs:
        await story(webs[0].url)


def pure_accepted(answers: Sequence[BidAnswer]) -> list[BidAnswer]:
    return [one for one in answers if not one.startswith("refused")]
