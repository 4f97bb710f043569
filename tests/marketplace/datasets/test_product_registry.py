"""One file in the registry is a product: a toy one is defined, built, shown and sold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from marketplace.catalogue import actions as catalogue
from marketplace.datasets import actions, queries
from marketplace.datasets.ingestion import ingest_events
from marketplace.errors import Invalid
from marketplace.identity import actions as identity
from marketplace.privacy.product_registry import PRODUCTS
from tests.marketplace.datasets import toy_product
from tests.marketplace.datasets.builders import END, START, ZONES, crowd, declare, make_subscribers, write
from tests.marketplace.identity.site import PASSWORD, Browser, text_of
from tests.marketplace.purchases.shop import make_buyer, make_sale

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def _toy(registries: pytest.MonkeyPatch) -> None:
    """Drop the toy's file into the registry."""
    registries.setitem(PRODUCTS, toy_product.PRODUCT.code, toy_product.PRODUCT)


@pytest.mark.usefixtures("_toy", "lavish_year", "stripe")
async def test_a_toy_product_is_defined_built_shown_and_sold(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="can only be counted by day"):
        await declare(product="evenings")
    await declare(product="evenings", grain="day", epsilon_micro=10_000_000, budget_micro=100_000_000)
    await make_subscribers(range(1, 301))
    out = [*crowd(300, hour=10), *crowd(200, hour=20, zone=ZONES[1])]
    await ingest_events(**write(tmp_path, out, range(1, 301)))
    release = await actions.build("lyon", period_from=START, period_to=END)
    cells = [cell for cell in (await queries.cells(release)).to_pylist() if cell["people"] > 100]
    assert [(c["zone"], c["starts_at"], c["segment"]) for c in cells] == [(ZONES[1], START, "everybody")]
    assert abs(cells[0]["people"] - 200) < 20
    assert (await queries.get_release(release)).key_count == len(ZONES) * 2
    await catalogue.define_terms("standard-1", months=12, lines_fr="Un", lines_en="One")
    await catalogue.list_offer(
        "lyon", terms="standard-1", full_worth_minor=500_000, floor_minor=10_000, cap_minor=900_000
    )
    await is_shown()
    partner = await make_buyer()
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        sold: Any = await make_sale(browser, partner, release)
        assert sold["state"] == "paid"
        assert "People out, by evening" in text_of(await browser.get("/en/datasets/lyon"))
        assert "Sorties par zone" in text_of(await browser.get("/fr/datasets/lyon"))


async def is_shown() -> None:
    """See the toy's words on the steward's form and the partner's page, in both languages."""
    await identity.add_staff("sam@partage.example", "Sam", "steward", PASSWORD)
    async with Browser() as sam, Browser() as visitor:
        await sam.sign_in("sam@partage.example")
        assert "evenings: how many go out where" in text_of(await sam.get("/en/steward/datasets/new"))
        assert "combien sortent où" in text_of(await sam.get("/fr/steward/datasets/lyon"))
        page = text_of(await visitor.get("/en/datasets/lyon"))
        for words in ("H3 zone gone out to", "Day of the evening", "Always everybody"):
            assert words in page
