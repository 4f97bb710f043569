"""A dataset's address lives on when nothing of it is for sale: it says why, what its buyer has, and what else there is."""

import pytest

from marketplace.catalogue.offers.actions import withdraw_offer
from marketplace.datasets.releases.publishing import revoke
from tests.people.builders import Browser, page_text
from tests.sales.builders.shop import make_first_sale


@pytest.mark.usefixtures("stripe")
async def test_a_recalled_dataset_says_why_to_its_buyer_and_to_strangers() -> None:
    async with Browser() as buyer, Browser() as stranger:
        order = await make_first_sale(buyer)
        await revoke(order["release"], reason_fr="Faux.", reason_en="It was wrong.", by="Samir")
        for browser in (buyer, stranger):
            answer = await browser.get("/en/datasets/lyon")
            text = page_text(answer)
            assert answer.status_code == 200
            assert "It was wrong." in text
            assert "The next release will be on this page." in text
            assert "before VAT" not in text, "it has no price"
            assert (order["number"] in text) is (browser is buyer), "who bought it is nobody else's business"
        assert "Faux." in (await stranger.get("/fr/datasets/lyon")).text


@pytest.mark.usefixtures("stripe")
async def test_a_withdrawn_dataset_says_since_when_and_leads_to_its_order() -> None:
    async with Browser() as buyer:
        order = await make_first_sale(buyer)
        await withdraw_offer("lyon")
        page = await buyer.get("/en/datasets/lyon")
        assert page.status_code == 200
        assert "It has not been sold since" in page_text(page)
        assert "called back on" not in page_text(page)
        assert f'href="/en/orders/{order["id"]}"' in page.text
        assert (await buyer.get("/en/datasets/nowhere")).status_code == 404
