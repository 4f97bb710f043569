"""What a licence is for is asked where a price is asked for, and checked again where it is ordered, whatever the way."""

import datetime as dt
import uuid

import httpx
import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.offers.uses import get_policy, state_use
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Invalid, NotAllowed, NotFound
from marketplace.delivery.downloads.trial_actions import begin
from marketplace.people.identity.key_actions import create_key
from marketplace.sales.auctions.announcing import Plan, announce
from marketplace.sales.orders.actions import order
from marketplace.sales.subscriptions.actions import subscribe
from tests.catalogue.builders import put_on_sale
from tests.people.builders import Browser, page_text, spender_for
from tests.sales.builders.shop import FLOOR, make_buyer, open_shop
from tests.support.reads import fetch_value
from tests.support.sites import the_site

LIMITED = {"purposes": ["ScientificResearch", "PublicPolicyMaking"], "countries": ["BE", "FR"]}


async def open_limited_shop() -> uuid.UUID:
    """Sell for research and policy alone, to companies in two countries, inside the company."""
    release = await open_shop()
    await catalogue.define_terms("study-1", months=6, lines_fr="Un", lines_en="One", right="internal", **LIMITED)
    await put_on_sale("lyon", terms="study-1", worth_minor=500_000, least_minor=FLOOR)
    return release


@pytest.mark.usefixtures("stripe")
async def test_a_purpose_is_asked_with_the_price_and_checked_again_with_the_order() -> None:
    release = await open_limited_shop()
    partner = await make_buyer()
    async with Browser() as buyer:
        await buyer.sign_in("atelier@partner.example")
        shown = await buyer.get("/fr/datasets/lyon")
        assert "À quoi servira-t-il" in page_text(shown).replace("\u202f", " ").replace("\u00a0", " ")
        assert 'value="PublicPolicyMaking"' in shown.text
        form = {"release": str(release)}
        for purpose, status, why in (
            ("", 403, "for some purposes alone"),
            ("Advertising", 403, "for some purposes alone"),
            ("World domination", 422, "from the list"),
        ):
            refused = await buyer.submit("/en/datasets/lyon/quotes", form | {"purpose": purpose})
            assert refused.status_code == status, purpose
            assert why in page_text(refused)
        quoted = await buyer.submit("/en/datasets/lyon/quotes", form | {"purpose": "ScientificResearch"})
        assert quoted.status_code == 303
        quote = uuid.UUID(quoted.headers["location"].rpartition("/")[2])
        await state_use(partner, "study-1", purpose="ScientificResearch", right="publish")
        with pytest.raises(NotAllowed, match="what your company means to do"):
            await order(partner, quote, by=await spender_for(partner), order_id=uuid.uuid4(), email="a@b.example")
        await execute("UPDATE partner SET country = 'DE' WHERE id = $1", partner)
        await state_use(partner, "study-1", purpose="ScientificResearch")
        ordered = await buyer.submit(f"/en/quotes/{quote}/orders", {"street": "1 rue A", "city": "Lyon"})
        assert ordered.status_code == 403
        assert "not for companies established in your country" in page_text(ordered)
        await execute("UPDATE partner SET country = 'BE' WHERE id = $1", partner)
        assert await order(partner, quote, by=await spender_for(partner), order_id=uuid.uuid4(), email="a@b.example")
    assert await fetch_value("SELECT count(*) FROM intended_use") == 1, "the last word counts"


async def test_no_way_to_buy_goes_around_it() -> None:
    release = await open_limited_shop()
    partner = await make_buyer()
    for attempt in (
        begin(partner, "lyon", trial=uuid.uuid4()),
        subscribe(partner, "lyon", by=await spender_for(partner), releases=4, subscription=uuid.uuid4()),
    ):
        with pytest.raises(NotAllowed, match="for some purposes alone"):
            await attempt
    key = await create_key(partner, "erp", key_id=uuid.uuid4(), session="s", scopes="quotes")
    transport = httpx.ASGITransport(the_site())
    async with httpx.AsyncClient(transport=transport, base_url="http://site.example") as program:
        asked, bearer = {"release": str(release)}, {"Authorization": f"Bearer {key}"}
        for purpose, status in (("", 403), ("Marketing", 403), ("Sorcery", 422), ("PublicPolicyMaking", 201)):
            headers = bearer | {"Idempotency-Key": str(uuid.uuid4())}
            answer = await program.post("/api/v1/quotes", json=asked | {"purpose": purpose}, headers=headers)
            assert answer.status_code == status, (purpose, answer.text)
    offer = await fetch_value("SELECT id FROM offer")
    now = clock.now()
    plan = Plan("ascending", offer, [release], now, now + dt.timedelta(days=1))
    with pytest.raises(Invalid, match="is not auctioned"):
        await announce(plan, by="Steward")
    with pytest.raises(NotFound):
        await get_policy("no-such-1")
    with pytest.raises(Invalid, match="from the list"):
        await state_use(partner, "study-1", purpose="Sorcery")
