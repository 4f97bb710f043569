"""What strangers see of a dataset is the same regardless of what was counted: it follows from no release.

Two marketplaces with the same definition and the same price sheet differ in all of their data: people, consent, noise,
figures, periods, recalls and the operator's secret. Nothing that a stranger sees as the simulated week may differ.
"""

import datetime as dt
import re
import uuid

import httpx
import pytest
from msgspec import structs

from marketplace.catalogue.offers.queries import get_listing
from marketplace.catalogue.sheets import simulated
from marketplace.catalogue.sheets.actions import state_version
from marketplace.catalogue.sheets.simulated import as_parquet, simulated_week
from marketplace.core import clock
from marketplace.datasets.releases.publishing import revoke
from marketplace.people.identity.actors import Actor
from tests.catalogue.builders import last_midnight, open_catalogue, seal_week, sheet_document
from tests.datasets.builders import BANDS, ZONES
from tests.people.builders import Browser
from tests.support.reads import statements_sent

PUBLIC = {"dataset", "sheet_version", "zone_table", "price_sheet"}


def simulated_parts(page: httpx.Response) -> list[str]:
    """Return the maps and charts of a dataset's page, and the rows of its viewer."""
    pictures = re.findall(r'<svg class="(?:map|chart)".*?</svg>', page.text, re.DOTALL)
    overview = page.text.split('id="overview"')[1].split('id="method"')[0]
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", overview.split('class="scroll tall"')[1], re.DOTALL)
    return [*pictures[:2], *rows]


async def everything_simulated() -> list[bytes | str]:
    """Return all that a stranger sees of the simulated week, drawn anew."""
    simulated._known.cache_clear()
    async with Browser() as stranger:
        files = [(await stranger.get(f"/en/datasets/lyon/sample.{suffix}")).content for suffix in ("csv", "parquet")]
        parts = simulated_parts(await stranger.get("/en/datasets/lyon"))
        sketch = re.findall(r'<svg class="map sketch".*?</svg>', (await stranger.get("/en/")).text, re.DOTALL)
    assert len(parts) > 40
    return [*files, *parts, *sketch]


@pytest.mark.parametrize(("product", "grain"), [("presence", "day"), ("presence", "hour"), ("flows", "day")])
async def test_marketplaces_that_differ_in_all_their_data_show_the_same_week(
    product: str, grain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_catalogue(product=product, grain=grain)
    start = last_midnight() - dt.timedelta(days=7)
    is_flows = product == "flows"
    first = [
        {"zone": f"{zone}>{ZONES[0]}" if is_flows else zone, "starts_at": start, "segment": "all" if is_flows else BANDS[0],
         "people": 40 + number, "events": 90}
        for number, zone in enumerate(ZONES)
    ]  # fmt: skip
    one = await seal_week(rows=first)
    seen = await everything_simulated()
    assert ("map sketch" in str(seen[-1])) == (not is_flows)
    other = [row | {"people": 9_000 - 7 * number, "events": 20_000} for number, row in enumerate(reversed(first))][:3]
    await seal_week(weeks_ago=1, rows=[row | {"starts_at": start - dt.timedelta(days=7)} for row in other])
    await revoke(one, reason_fr="Une erreur.", reason_en="A fault.", by="Sam")
    monkeypatch.setenv("PARTAGE_SECRET", "another operator's secret, as long as the first one is")
    assert await everything_simulated() == seen


async def test_the_week_is_drawn_from_the_definition_and_the_sheet_and_reads_no_other_table() -> None:
    await open_catalogue()
    await seal_week()
    listing = await get_listing("lyon")
    simulated._known.cache_clear()
    async with statements_sent() as sent:
        as_parquet(await simulated_week("lyon", listing.sheet))
    tables = {name for statement in sent for name in re.findall(r'(?:FROM|JOIN)\s+"?([a-z_]+)', statement)}
    assert {"dataset", "sheet_version"} <= tables <= PUBLIC, tables


async def test_another_public_source_is_another_week() -> None:
    await open_catalogue()
    await seal_week()
    before = await everything_simulated()
    document = await sheet_document("lyon", worth_minor=240_000)
    zones = {zone: (weight, 3 * people, *rest) for zone, (weight, people, *rest) in document.zones.items()}
    steward = Actor(name="Samir", role="steward")
    with clock.shifted(dt.timedelta(seconds=1)):
        await state_version("sheet-lyon", structs.replace(document, zones=zones), steward, version=uuid.uuid4())
        assert await everything_simulated() != before
