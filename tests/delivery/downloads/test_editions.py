"""A coarser edition is priced, quoted, bought and fetched as itself; a release that was called back is none of these."""

import hashlib
import io
import uuid

import html5lib
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.offers.queries import get_listed_release, get_quote, list_priced_releases
from marketplace.catalogue.offers.signed_quotes import recompute
from marketplace.catalogue.offers.stated import count_published
from marketplace.core import clock, object_store
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Expired, NotFound
from marketplace.datasets.releases.publishing import revoke
from marketplace.people.identity.key_actions import create_key
from tests.people.builders import Browser, page_text
from tests.sales.builders.shop import (
    jobs,
    make_buyer,
    make_quote,
    make_sale,
    open_shop,
    order_of,
    pay,
    place_order,
    some_cells,
)
from tests.support.reads import fetch_value


async def coarsen(release: uuid.UUID, level: int, multiple: int) -> bytes:
    """Publish a coarser edition of a sealed release, with cells of its own."""
    finer = some_cells(100)
    cells = finer.set_column(3, "people", pa.array([one.as_py() + level for one in finer["people"]], pa.int64()))
    file = io.BytesIO()
    pq.write_table(cells, file)
    data = file.getvalue()
    await object_store.put(object_store.edition_key(release, level), data)
    await execute(
        """INSERT INTO edition (id, release, level, variance_multiple, noise_variance_micro, threshold, row_count,
                                hours_by_day, published_by_day, published_by_zone, published_by_figure, error_people,
                                cells_sha256)
           SELECT gen_random_uuid(), $1, $2, $3, $4, 20, 100, hours_by_day, '{100}', '{100}', published_by_figure, $5, $6
           FROM release WHERE id = $1""",
        release,
        level,
        multiple,
        2_000_000 * multiple,
        9 * multiple,
        hashlib.sha256(data).hexdigest(),
    )
    await count_published("lyon", clock.now())
    return data


async def test_coarser_editions_cost_less() -> None:
    release = await open_shop()
    for level, multiple in ((1, 50), (2, 5_000)):
        await coarsen(release, level, multiple)
    row = await get_listed_release("lyon", release)
    editions = await catalogue.editions_now(row, now=clock.now())
    prices = [edition.priced.amount_minor for edition in editions]
    assert [edition.level for edition in editions] == [0, 1, 2]
    assert prices[0] > prices[1] > prices[2]
    assert prices[0] == (await catalogue.price_now(row, now=clock.now())).amount_minor


@pytest.mark.usefixtures("stripe")
async def test_an_edition_is_bought_and_fetched_as_itself() -> None:
    release, partner = await open_shop(), await make_buyer()
    data = await coarsen(release, 1, 50)
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        shown = await browser.get("/en/datasets/lyon")
        html5lib.HTMLParser(strict=True).parse(shown.text)
        assert "Coarser for less" in page_text(shown)
        asked = await browser.submit("/en/datasets/lyon/quotes", {"release": str(release), "level": "1"})
        quote = uuid.UUID(asked.headers["location"].rpartition("/")[2])
        assert "Edition 1" in page_text(await browser.get(f"/en/quotes/{quote}"))
        row = await get_quote(quote, partner)
        assert row.level == 1
        assert row.amount_minor < await price_today(release)
        recompute(row)
        ordered = await place_order(browser, quote)
        assert (await pay(ordered.headers["location"])).status_code == 303
        await jobs()
        order = (await order_of(quote))["id"]
        entitlement = await fetch_value("SELECT id FROM entitlement")
        got = await browser.get(f"/en/entitlements/{entitlement}/download?format=parquet")
        assert got.content == data
        assert got.headers["etag"] == f'"{hashlib.sha256(data).hexdigest()}"'
        assert "edition-1.parquet" in got.headers["content-disposition"]
        text = (await browser.get(f"/en/entitlements/{entitlement}/download?format=csv")).text
        assert len(text.splitlines()) == 101
        assert "Edition 1" in page_text(await browser.get(f"/en/orders/{order}"))


async def price_today(release: uuid.UUID) -> int:
    (row,) = await list_priced_releases([release])
    return (await catalogue.price_now(row, now=clock.now())).amount_minor


async def test_an_edition_that_is_not_there_and_a_quote_for_something_else_are_refused() -> None:
    release, partner = await open_shop(), await make_buyer()
    await coarsen(release, 1, 50)
    with pytest.raises(NotFound, match="no such edition"):
        await catalogue.quote(partner, release, quote_id=uuid.uuid4(), level=2)
    once = uuid.uuid4()
    for _ in range(2):
        await catalogue.quote(partner, release, quote_id=once, level=1)
    with pytest.raises(Conflict, match="already exists"):
        await catalogue.quote(partner, release, quote_id=once)


@pytest.mark.usefixtures("stripe")
async def test_a_release_that_was_called_back_is_not_shown_sold_or_fetched_and_its_holders_read_why() -> None:
    release, partner = await open_shop(), await make_buyer()
    await coarsen(release, 1, 50)
    async with Browser() as browser, Browser() as machine:
        await browser.sign_in("atelier@partner.example")
        bought = await make_sale(browser, partner, release)
        entitlement = await fetch_value("SELECT id FROM entitlement")
        path = f"/en/entitlements/{entitlement}/download?format=parquet"
        assert (await browser.get(path)).status_code == 200
        open_before = await make_quote(partner, release)
        for _ in range(2):
            await revoke(
                release, reason_fr="Une antenne était mal placée.", reason_en="An antenna was misplaced.", by="Sam"
            )
        with pytest.raises(Conflict, match="called back"):
            await catalogue.quote(partner, release, quote_id=uuid.uuid4())
        with pytest.raises(Conflict, match="called back"):
            await catalogue.quote(partner, release, quote_id=uuid.uuid4(), level=1)
        refused = await place_order(browser, open_before)
        assert refused.status_code == Conflict.status
        assert "called back" in page_text(refused)
        assert await fetch_value("SELECT count(*) FROM purchase_order") == 1
        gone = await browser.get(path)
        assert gone.status_code == Expired.status
        assert "called back" in page_text(gone)
        shown = page_text(await browser.get("/en/datasets/lyon"))
        assert "called back" in shown
        assert "Buy" not in shown
        assert "/datasets/lyon" not in (await browser.get("/en/catalogue")).text
        for language, why in (("en", "An antenna was misplaced."), ("fr", "Une antenne était mal placée.")):
            notice = await browser.get(f"/{language}/orders/{bought['id']}")
            html5lib.HTMLParser(strict=True).parse(notice.text)
            assert why in page_text(notice)
        assert "Called back An antenna was misplaced." in page_text(await browser.get("/en/orders"))
        key = await create_key(partner, "robot", key_id=uuid.uuid4(), session="a session's secret")
        headers = {"authorization": f"Bearer {key}"}
        [listed] = (await machine.client.get("/api/v1/entitlements", headers=headers)).json()["entitlements"]
        assert listed["recalled_at"]
        assert (listed["recalled_fr"], listed["recalled_en"]) == (
            "Une antenne était mal placée.",
            "An antenna was misplaced.",
        )
