"""An auction undercuts the posted price: the same licence for a fraction of it, a page away."""

import uuid

import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.offers.queries import list_priced_releases
from marketplace.core import clock
from marketplace.core.instants import full_hour
from marketplace.sales.auctions import award as ending
from marketplace.sales.auctions.queries import get_auction
from pricing.order import later
from tests.people.builders import PASSWORD, Browser, add_staff, page_text
from tests.sales.builders.auctions import DAY, make_bidder, move_end
from tests.sales.builders.shop import FLOOR, make_buyer, open_shop
from tests.support.reads import fetch_value

HOUR = DAY / 24


@pytest.mark.long
async def test_no_auction_sells_a_licence_for_less_than_its_posted_price() -> None:
    """Two licences and one bidder: it pays what the licence costs anybody on the day of the close, not the least charge."""
    release = await open_shop()
    await add_staff("sam@operator.example", "Sam Steward", "steward", PASSWORD)
    await make_buyer("atelier")
    now = clock.now()
    [row] = await list_priced_releases([release])
    posted = await catalogue.price_now(row, now=now)
    fields = {
        "kind": "limited",
        "offer": str(await fetch_value("SELECT id FROM offer")),
        "opens_at": f"{now - DAY:%Y-%m-%dT%H:%M}",
        "closes_at": f"{now + 2 * DAY:%Y-%m-%dT%H:%M}",
        "licences": "2",
        "reserve": "",
    }
    form = str(uuid.uuid4())
    async with Browser() as steward, Browser(steward.app) as buyer:
        await steward.sign_in("sam@operator.example")
        cheap = await steward.submit("/en/steward/auctions/new", fields | {"reserve": str(FLOOR / 100)}, form_id=form)
        assert cheap.status_code == 422, "the least charge is no reserve"
        computed = page_text(await steward.submit("/en/steward/auctions/reserve", fields))
        assert "Each licence auctioned forgoes" in computed
        assert "about 1 ordinary sale is expected" in computed
        answer = await steward.submit("/en/steward/auctions/new", fields, form_id=form)
        assert answer.status_code == 303, answer.text
        auction = await get_auction(uuid.UUID(form))
        closes_in = (full_hour(auction.closes_at) - full_hour(now)) // HOUR
        then = later(posted, closes_in).amount_minor
        assert abs(auction.reserve_minor - then) <= 1
        assert FLOOR < then <= posted.amount_minor
        assert auction.forgone_minor == auction.reserve_minor

        await buyer.sign_in("atelier@partner.example")
        shown = page_text(await buyer.get(f"/en/auctions/{form}"))
        assert "posted price today: €" in shown
        assert "no auction goes below it" in shown
        listed = page_text(await buyer.get("/en/datasets/lyon"))
        assert "Also at auction" in listed
        assert "from €" in listed
        assert "Également aux enchères" in page_text(await buyer.get("/fr/datasets/lyon"))

        bidder, other = await make_bidder("One"), await make_bidder("Two")
        for one, amount, accepted in ((bidder, FLOOR, False), (other, 3 * then, True)):
            made = await buyer.client.put(
                f"/api/v1/auctions/{form}/bids/{uuid.uuid4()}",
                json={"currency": "EUR", "amount_minor": amount, "nonce": uuid.uuid4().hex * 2},
                headers=one.headers,
            )
            assert made.json()["accepted"] is accepted, made.text
        await move_end(uuid.UUID(form))
        await ending.close_auctions()
        assert await fetch_value("SELECT net_minor FROM auction_sale") == auction.reserve_minor
        assert "Also at auction" not in page_text(await buyer.get("/en/datasets/lyon"))
