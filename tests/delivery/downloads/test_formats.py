"""Every format of a download over HTTP: the same rows, what they mean beside them, and refusals in one sentence."""

import datetime as dt
import io
import json
import struct
import zipfile
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lxml import etree

from marketplace.core.database import execute
from marketplace.delivery.downloads.formats import grid, xlsx
from marketplace.delivery.downloads.formats.geoparquet import _box, multi_polygon
from marketplace.oversight.invariants import broken
from tests.datasets.builders import BANDS, ZONES
from tests.delivery.builders import customers
from tests.sales.builders.shop import some_cells

ROWS = 400
FROM = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
HOURS = 21 * 24
MARCH = (FROM, FROM + dt.timedelta(hours=HOURS))
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def table_of_answer(answer: httpx.Response) -> pa.Table:
    assert answer.status_code == 200, answer.text
    return pq.read_table(io.BytesIO(answer.content))


async def test_every_format_has_the_same_rows_and_says_what_they_mean(stripe: Any, monkeypatch: Any) -> None:
    async for customer in customers(ROWS, MARCH):
        geo = table_of_answer(await customer.get("geoparquet"))
        assert geo.select(some_cells().column_names).equals(some_cells(ROWS).cast(geo.schema.remove(5)))
        about = json.loads(geo.schema.metadata[b"geo"])
        assert (about["version"], about["primary_column"]) == ("1.1.0", "geometry")
        west, south, east, north = about["columns"]["geometry"]["bbox"]
        assert 4.7 < west < east < 5
        assert 45.6 < south < north < 45.9
        order, kind, parts, ring = struct.unpack("<BIIB", geo["geometry"][0].as_py()[:10])
        assert (order, kind, parts, ring) == (1, 6, 1, 1)

        whole = table_of_answer(await customer.get("grid"))
        assert len(whole) == len(ZONES) * HOURS * len(BANDS)
        published = whole.filter(pa.array([not one for one in whole["withheld"].to_pylist()]))
        assert published.drop_columns(["withheld"]).equals(some_cells(ROWS).cast(whole.schema.remove(5)))
        assert whole["people"].null_count == whole["events"].null_count == len(whole) - ROWS
        assert b"withheld" in whole.schema.metadata[b"partage.absent_row"]

        book = zipfile.ZipFile(io.BytesIO((await customer.get("xlsx")).content))
        rows = etree.fromstring(book.read("xl/worksheets/sheet1.xml")).findall(f".//{MAIN}row")
        assert len(rows) == ROWS + 1
        fills = etree.fromstring(book.read("xl/styles.xml")).findall(f".//{MAIN}fill")
        assert [[one.get("patternType") for one in fill] for fill in fills] == [["none"], ["gray125"]], (
            "as ECMA-376 asks"
        )
        first = ["".join(cell.itertext()) for cell in rows[1]]
        cells = some_cells(ROWS)
        assert first[0] == cells["zone"][0].as_py()
        assert first[1] == f"{(FROM - dt.datetime(1899, 12, 30, tzinfo=dt.UTC)).days}.000000000"
        assert first[3:] == [str(cells[name][0].as_py()) for name in ("people", "events")]
        meanings = book.read("xl/worksheets/sheet2.xml").decode()
        assert "Ce n’est pas zéro".lower() in meanings.lower()
        assert str(customer.bought["release"]) in meanings
        assert (await customer.get("xlsx")).content == (await customer.get("xlsx")).content

        dictionary = (await customer.browser.get(f"/en/entitlements/{customer.entitlement}/dictionary")).json()
        assert dictionary["row_count"] == ROWS
        assert [column["name"] for column in dictionary["columns"]] == some_cells().column_names
        assert dictionary["licence"]["order"] == customer.bought["number"]
        page = await customer.browser.get(f"/fr/orders/{customer.bought['id']}")
        assert "Grille complète" in page.text

        monkeypatch.setattr(xlsx, "MOST_ROWS", ROWS)
        monkeypatch.setattr(grid, "LARGEST", 1)
        for code, sentence in (("xlsx", "A sheet holds"), ("grid", "more than 1 figures")):
            refused = await customer.get(code)
            assert refused.status_code == 409
            assert sentence in refused.text
        assert not await broken()
    assert stripe


async def test_flows_have_no_outline(stripe: Any) -> None:
    async for customer in customers(ROWS, MARCH):
        await execute("UPDATE dataset SET product = 'flows'")
        refused = await customer.get("geoparquet")
        assert (refused.status_code, "have no outline" in refused.text) == (409, True)
    assert stripe


@pytest.mark.parametrize("polygons", [[], [[[[0.0, 1.0], [2.0, 3.0], [0.0, 1.0]]]]])
def test_outlines_are_well_known_binary(polygons: Any) -> None:
    data = multi_polygon(polygons)
    assert struct.unpack("<BII", data[:9]) == (1, 6, len(polygons))
    assert len(data) == 9 + sum(9 + 4 + 16 * 3 for _ in polygons)
    assert _box([polygons]) == ([0.0, 1.0, 2.0, 3.0] if polygons else [-180.0, -90.0, 180.0, 90.0])
