"""An operator changes an auction beneath its triggers, before the root is made: the transcript alone is flawless.

And a leader who keeps an auction open for as long as it likes.
"""

import datetime as dt
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from marketplace.catalogue.offers.actions import quote
from marketplace.core import clock
from marketplace.core.errors import Conflict
from marketplace.sales.auctions import award as ending
from marketplace.sales.auctions.actions import place_sealed_bid
from marketplace.sales.auctions.announcing import Plan, announce
from marketplace.sales.auctions.queries import get_auction
from pricing.__main__ import main as pricing
from tests.people.builders import Browser, page_text
from tests.sales.builders.auctions import make_bidder, move_end, open_auction
from tests.sales.builders.shop import make_buyer, open_shop
from tests.support.owner import as_owner
from tests.support.reads import fetch_value, list_facts

TABLES = ("auction", "auction_lot")

TAMPERED = [
    ("limited", {"licences": 2}, "UPDATE auction SET licences = 3 WHERE id = $1"),
    ("limited", {"licences": 2}, "UPDATE auction SET reserve_minor = 2500 WHERE id = $1"),
    ("limited", {}, "UPDATE auction SET scheduled_close_at = scheduled_close_at + interval '1 hour' WHERE id = $1"),
    ("bundle", {"releases": 2}, "UPDATE auction SET price_rule = 'vcg' WHERE id = $1"),
    ("bundle", {"releases": 2}, "UPDATE auction_lot SET reserve_minor = 2500 WHERE auction = $1 AND position = 0"),
    ("bundle", {"releases": 2}, "UPDATE auction_lot SET position = 1 - position WHERE auction = $1"),
    ("ascending", {}, "UPDATE auction SET steps_minor = '{1}', steps_from_minor = '{0}' WHERE id = $1"),
]


@pytest.mark.parametrize(("kind", "more", "change"), TAMPERED)
async def test_terms_changed_after_the_first_bid_show_in_every_receipt(
    kind: str, more: dict[str, Any], change: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    auction, bidder = await open_auction(kind, **more), await make_bidder()
    place = tmp_path / "transcript.json"
    async with Browser() as anyone:
        wanted: dict[str, Any] = {"currency": "EUR", "nonce": "ab" * 32}
        wanted |= {"packages": [{"lots": [0], "amount_minor": 9_000}]} if kind == "bundle" else {"amount_minor": 9_000}
        if kind == "ascending":
            wanted = {"currency": "EUR", "maximum_minor": 9_000}
        path = f"/api/v1/auctions/{auction}/bids/{uuid.uuid4()}"
        made = (await anyone.client.put(path, json=wanted, headers=bidder.headers)).json()
        assert made["accepted"], made
        (tmp_path / "receipt.json").write_text(json.dumps(made["receipt"]))
        stated = json.loads(next(one.statement for one in await list_facts() if one.kind == "auction_opened"))
        assert made["receipt"]["document"]["terms"] == stated["terms_sha256"], "as the public log has them"
        assert stated["terms_sha256"] in page_text(await anyone.get(f"/en/auctions/{auction}"))
        for table in TABLES:
            await as_owner(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        await as_owner("ALTER TABLE auction_lot DROP CONSTRAINT one_place_a_lot")
        await as_owner(change.replace("$1", f"'{auction}'"))
        for table in TABLES:
            await as_owner(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        await move_end(auction)
        assert await ending.close_auctions() == 1
        place.write_bytes((await anyone.get(f"/api/v1/auctions/{auction}/transcript")).content)
        root = (await get_auction(auction)).root
        assert root
    command = ("replay", str(place), "--root", root)
    assert pricing(command) == 0, "nothing shows in the transcript alone"
    assert pricing([*command, "--receipt", str(tmp_path / "receipt.json")]) == 1
    assert pricing([*command, "--terms", stated["terms_sha256"]]) == 1
    printed = capsys.readouterr().out
    assert "was received under other terms" in printed
    assert "not those published at opening" in printed


async def test_a_bid_left_unopened_is_a_difference(tmp_path: Path) -> None:
    """The loser who sets the price is hidden, and a friend pays the reserve: its own receipt is not needed to see it."""
    auction, place = await open_auction("exclusive"), tmp_path / "transcript.json"
    async with Browser() as anyone:
        for amount in (9_000, 6_000):
            bidder = await make_bidder()
            wanted = {"currency": "EUR", "amount_minor": amount, "nonce": uuid.uuid4().hex * 2}
            path = f"/api/v1/auctions/{auction}/bids/{uuid.uuid4()}"
            await anyone.client.put(path, json=wanted, headers=bidder.headers)
        await move_end(auction)
        await ending.close_auctions()
        document = (await anyone.get(f"/api/v1/auctions/{auction}/transcript")).json()
    document["reveals"][1] = None
    document["award"]["outcomes"] = document["award"]["outcomes"][:1]
    document["award"]["outcomes"][0]["pays_minor"] = document["terms"]["reserve_minor"]
    document["award"]["clearing_price_minor"] = document["terms"]["reserve_minor"]
    place.write_text(json.dumps(document))
    assert pricing(["replay", str(place)]) == 1


async def test_a_leader_does_not_drag_the_end_and_nobody_passes_its_bound() -> None:
    auction = await open_auction(seconds=60, window_seconds=120, extension_seconds=3_600, most_extension_seconds=100)
    leader, rival = await make_bidder(), await make_bidder()
    ends = []
    async with Browser() as anyone:
        for number in range(12):
            wanted = {"currency": "EUR", "maximum_minor": 5_000 + number}
            path = f"/api/v1/auctions/{auction}/bids/{uuid.uuid4()}"
            made = (await anyone.client.put(path, json=wanted, headers=leader.headers)).json()
            assert made["answer"] == ("maximum_raised" if number else "leading")
            ends.append((await get_auction(auction)).closes_at)
        row = await get_auction(auction)
        assert set(ends) == {row.scheduled_close_at + dt.timedelta(seconds=100)}
        path = f"/api/v1/auctions/{auction}/bids/{uuid.uuid4()}"
        wanted = {"currency": "EUR", "maximum_minor": 9_000}
        await anyone.client.put(path, json=wanted, headers=rival.headers)
        assert (await get_auction(auction)).closes_at == row.closes_at
        assert "by 1 minutes at most in all" in page_text(await anyone.get(f"/en/auctions/{auction}"))


async def test_no_window_opens_over_a_price_that_somebody_holds() -> None:
    """What is promised prevails: a price that is signed is honoured, so a window begins once no such price is left."""
    release = await open_shop()
    await quote(await make_buyer(), release, quote_id=uuid.uuid4())
    now, offer = clock.now(), await fetch_value("SELECT id FROM offer")
    minute = dt.timedelta(minutes=1)
    plan = Plan("exclusive", offer, [release], now - minute, now + minute, exclusive_to=now + dt.timedelta(days=3))
    with pytest.raises(Conflict, match="Somebody holds a price"):
        await announce(structs.replace(plan, exclusive_from=now + 2 * minute), by="Steward")
    window = await announce(structs.replace(plan, exclusive_from=now + 20 * minute, unsecured_times=100), by="Steward")
    bidder, other = await make_bidder(), await make_bidder()
    sealed: dict[str, Any] = {"bid": uuid.uuid4(), "nonce": "ab" * 32, "packages": [([0], 9_000_000)]}
    assert (await place_sealed_bid(bidder.actor, window, **sealed)).accepted
    await quote(other.partner, release, quote_id=uuid.uuid4())
    with pytest.raises(Conflict, match="exclusively"):
        await quote(other.partner, release, quote_id=uuid.uuid4(), is_held=True)
