"""Real bids of eBay auctions, bid again over HTTP: auction by auction what the pure engine gives."""

from __future__ import annotations

import csv
import uuid
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from marketplace.app import create_app
from marketplace.auctions import rules
from marketplace.auctions.queries import get_auction, list_own_bids
from marketplace.settings import settings
from pricing.auctions.ascending import AscendingTerms, ProxyBid
from pricing.auctions.ascending import run as run_pure
from pricing.money import Money
from tests.marketplace.auctions.world import Bidder, add_bidder, open_auction

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Callable[[], Any]], Any]


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


@pytest.mark.parametrize("share", [12, pytest.param(1, marks=pytest.mark.deep)])
def test_real_bids_over_http_give_the_pure_engines_result(run: Run, share: int) -> None:
    chosen = list(real_auctions().items())[::share]

    async def story() -> None:
        transport = httpx.ASGITransport(app=create_app(), raise_app_exceptions=False)  # type: ignore[arg-type]
        people: dict[str, Bidder] = {}
        async with httpx.AsyncClient(transport=transport, base_url="http://partage") as web:
            for name, bids in chosen:
                opening = max(1, int(bids[0]["opening_cents"]))
                auction = await open_auction(
                    seconds=86_400, reserve_minor=opening, window_seconds=0, extension_seconds=0
                )
                answers = []
                for bid in bids:
                    if bid["bidder"] not in people:
                        people[bid["bidder"]] = await add_bidder()
                    said = await web.put(
                        f"/api/v1/auctions/{auction}/bids/{uuid.uuid4()}", headers=people[bid["bidder"]].headers,
                        json={"currency": "EUR", "maximum_minor": int(bid["maximum_cents"])},
                    )  # fmt: skip
                    answers.append(said.json()["answer"])
                terms = AscendingTerms(Money(opening, "EUR"), rules.STEPS, 0, 10**9)
                state, pure = run_pure(
                    terms,
                    [
                        ProxyBid(bid["bidder"], Money(int(bid["maximum_cents"]), "EUR"), at)
                        for at, bid in enumerate(bids)
                    ],
                )
                row = await get_auction(auction)
                assert answers == [str(one) for one in pure], name
                assert row["price_minor"] == (state.price.minor if state.price else None), name
                assert row["leader"] == (people[state.leader].partner if state.leader else None), name
                if state.leader:
                    assert await list_own_bids(auction, people[state.leader].partner)

    run(story)
