"""One file in the registry is a product: a toy one is defined, built, shown and sold."""

import re
import uuid
from pathlib import Path
from typing import Any

import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.core.errors import Invalid
from marketplace.datasets.releases import actions, dry_run, queries
from marketplace.datasets.releases.ingestion import ingest_events
from marketplace.privacy.product_registry import PRODUCTS
from marketplace.site.app import routes
from marketplace.site.serving.refusals import MACHINE_PATHS
from tests.catalogue.builders import put_on_sale
from tests.datasets.builders import END, START, ZONES, crowd, declare, make_subscribers, write
from tests.datasets.releases import toy_product
from tests.people.builders import PASSWORD, Browser, add_staff, page_text
from tests.sales.builders.shop import make_buyer, make_sale
from tests.support.french import translate
from tests.support.reads import fetch_value


@pytest.fixture
def _toy(registries: pytest.MonkeyPatch) -> None:
    """Drop the toy's file into the registry."""
    registries.setitem(PRODUCTS, toy_product.PRODUCT.code, toy_product.PRODUCT)
    translate(registries, toy_product.FRENCH)


@pytest.mark.deep
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
    foreseen = (await dry_run.run("lyon", (START, END), consent=1.0, beside=False)).declared.foreseen
    assert 0 < foreseen.cells <= (len(ZONES) - 1) * 2, "all live in one zone, and nobody goes out there"
    await catalogue.define_terms("standard-1", months=12, lines_fr="Un", lines_en="One")
    await put_on_sale("lyon", terms="standard-1", worth_minor=500_000, least_minor=10_000)
    await is_shown()
    partner = await make_buyer()
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        sold: Any = await make_sale(browser, partner, release)
        assert sold["state"] == "paid"
        assert "People out, by evening" in page_text(await browser.get("/en/datasets/lyon"))
        assert "Sorties par zone" in page_text(await browser.get("/fr/datasets/lyon"))
    await every_address_answers(
        code="lyon",
        release=str(release),
        partner_id=str(partner),
        order=str(sold["id"]),
        quote=str(sold["quote"]),
        licence=str(await fetch_value("SELECT id FROM licence")),
        entitlement=str(await fetch_value("SELECT id FROM entitlement")),
        language="en",
    )


async def every_address_answers(**known: str) -> None:
    """Ask every address of a GET, as those who may read it: none fails, and many show what is on sale."""
    await add_staff("nora@partage.example", "Nora", "finance", PASSWORD)
    answered: dict[str, int] = {}
    for email in ("", "atelier@partner.example", "sam@partage.example", "nora@partage.example"):
        async with Browser() as browser:
            if email:
                await browser.sign_in(email)
            for path in addresses_of_gets(known):
                found = (await browser.get(path)).status_code
                answered[path] = max(answered.get(path, 0), found if found in {200, 500} else 0)
    assert sum(status == 200 for status in answered.values()) > 100
    assert [path for path, status in answered.items() if status == 500] == []
    for path in (
        "/catalogue.jsonld",
        "/catalogue.ttl",
        "/en/datasets/lyon",
        f"/en/steward/releases/{known['release']}",
    ):
        assert answered[path] == 200, path


def addresses_of_gets(known: dict[str, str]) -> list[str]:
    """Return every address that a GET answers, with an id in place of each parameter: nobody's where none is known."""
    nobodys = {"uuid": str(uuid.UUID(int=1)), "int": "1", "str": "lyon", "path": "checkpoint"}
    return [
        ("" if path.startswith(MACHINE_PATHS) else "/en")
        + re.sub(r"\{(\w+):(\w+)\}", lambda match: known.get(match[1], nobodys[match[2]]), path)
        for handler in routes()
        if "GET" in handler.http_methods
        for path in sorted(handler.paths)
        if path not in {"/sign-out", "/profile/erase", "/readyz"} and "stream" not in path
    ]


async def is_shown() -> None:
    """See the toy's words on the steward's form and the partner's page, in both languages."""
    await add_staff("sam@partage.example", "Sam", "steward", PASSWORD)
    async with Browser() as sam, Browser() as visitor:
        await sam.sign_in("sam@partage.example")
        assert "evenings: how many go out where" in page_text(await sam.get("/en/steward/datasets/new"))
        assert "combien sortent où" in page_text(await sam.get("/fr/steward/datasets/lyon"))
        page = page_text(await visitor.get("/en/datasets/lyon"))
        for words in ("H3 zone gone out to", "Day of the evening", "Always everybody"):
            assert words in page
