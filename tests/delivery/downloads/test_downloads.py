"""Downloads over HTTP: the sealed bytes, whole or in parts, to whom they were sold and nobody else."""

import asyncio
import base64
import csv
import datetime as dt
import hashlib
import io
import uuid
from typing import Any

import httpx
import obstore
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from marketplace.core import clock, object_store
from marketplace.core.database import execute
from marketplace.delivery.downloads.actions import CHUNK_BYTES
from marketplace.people.identity.key_actions import create_key
from marketplace.sales.orders.refunds import request_order_refund
from tests.delivery.builders import customers, downloads
from tests.people.builders import Browser
from tests.sales.builders.shop import make_buyer, some_cells
from tests.support.reads import fetch, fetch_value
from tests.support.sites import the_site


async def test_the_parquet_is_the_sealed_one(stripe: Any) -> None:
    async for customer in customers():
        key = object_store.cells_key(customer.bought["release"])
        sealed = await object_store.get(key)
        answer = await customer.get()
        assert answer.status_code == 200
        assert answer.content == sealed
        assert pq.read_table(io.BytesIO(answer.content)).equals(some_cells())
        digest = hashlib.sha256(sealed).digest()
        assert answer.headers["etag"] == f'"{digest.hex()}"'
        assert answer.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest).decode()}:"
        assert answer.headers["content-length"] == str(len(sealed))
        assert answer.headers["accept-ranges"] == "bytes"
        assert answer.headers["content-type"] == "application/vnd.apache.parquet"
        assert answer.headers["cache-control"] == "private, no-store"
        assert "content-encoding" not in answer.headers
        release = await fetch("SELECT period_from, period_to FROM release")
        first, end = release[0]
        last = (end - dt.timedelta(microseconds=1)).date()
        named = f'attachment; filename="lyon-{first.date()}-{last}.parquet"'
        assert answer.headers["content-disposition"] == named
        assert await downloads() == [("parquet", len(sealed))]
    assert stripe


async def test_the_csv_holds_the_same_rows_and_is_always_the_same_bytes(stripe: Any) -> None:
    async for customer in customers(70_000):
        first, second = await asyncio.gather(customer.get("csv"), customer.get("csv"))
        assert first.status_code == second.status_code == 200
        assert first.content == second.content
        types = {
            "zone": pa.string(),
            "segment": pa.string(),
            "starts_at": pa.timestamp("us", tz="UTC"),
            "people": pa.int64(),
            "events": pa.int64(),
        }
        read = pacsv.read_csv(io.BytesIO(first.content), convert_options=pacsv.ConvertOptions(column_types=types))
        assert read.equals(some_cells(70_000))
        assert first.content.startswith(b'"zone","starts_at","segment","people","events"\r\n')
        assert b'"2026-03-01T00:00:00Z"' in first.content.split(b"\n")[1]
        key = object_store.cells_key(customer.bought["release"]).replace("parquet", "csv")
        await obstore.delete_async(object_store.store(), key)
        again = await customer.get("csv")
        assert again.content == first.content
        assert again.headers["etag"] == first.headers["etag"] != (await customer.get()).headers["etag"]
        assert again.headers["content-type"] == "text/csv; charset=utf-8"
        assert "repr-digest" not in again.headers
    assert stripe


@pytest.mark.long
async def test_parts_make_the_whole_and_count_once(stripe: Any) -> None:
    async for customer in customers(400_000):
        whole = await object_store.get(object_store.cells_key(customer.bought["release"]))
        size = len(whole)
        assert size > 3 * CHUNK_BYTES, "the file must take several chunks"
        step = size // 3 + 1
        ranges = [f"bytes={start}-{start + step - 1}" for start in range(0, size, step)]
        parts = await asyncio.gather(*(customer.get(range=wanted) for wanted in ranges))
        assert {part.status_code for part in parts} == {206}
        assert b"".join(part.content for part in parts) == whole
        assert parts[0].headers["content-range"] == f"bytes 0-{step - 1}/{size}"
        assert parts[2].headers["content-range"] == f"bytes {2 * step}-{size - 1}/{size}"
        assert [part.headers["content-length"] for part in parts] == [str(len(part.content)) for part in parts]
        assert (await customer.get(range="bytes=-7")).content == whole[-7:]
        assert await downloads() == [("parquet", size)]
        assert (await customer.get()).content == whole
        assert len(await downloads()) == 2
        with clock.shifted(dt.timedelta(hours=25)):
            await customer.get(range="bytes=9-")
        assert len(await downloads()) == 3
    assert stripe


async def test_preconditions_and_what_cannot_be_satisfied(stripe: Any) -> None:
    async for customer in customers():
        size = len(await object_store.get(object_store.cells_key(customer.bought["release"])))
        plain = await customer.browser.client.head(customer.path())
        tag, modified = plain.headers["etag"], plain.headers["last-modified"]
        assert (plain.status_code, plain.content, plain.headers["content-length"]) == (200, b"", str(size))
        for wanted in (f"bytes={size}-", f"bytes={size + 5}-{size + 9}", "bytes=-0"):
            beyond = await customer.get(range=wanted)
            assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
        for known in (tag, f'"x", W/{tag}', "*"):
            fresh = await customer.get(if_none_match=known)
            assert (fresh.status_code, fresh.content, fresh.headers["etag"]) == (304, b"", tag)
        assert await downloads() == []
        for if_range, status in ((tag, 206), (modified, 206), ('"other"', 200), (f"W/{tag}", 200)):
            answer = await customer.get(range="bytes=0-9", if_range=if_range)
            assert (answer.status_code, len(answer.content)) == (status, 10 if status == 206 else size)
        several = await customer.get(range="bytes=0-1,4-5")
        assert (several.status_code, len(several.content)) == (200, size)
        for accept in ("gzip", "gzip, br", "identity"):
            assert "content-encoding" not in (await customer.get(accept_encoding=accept)).headers
        assert (await customer.get("doc")).status_code == 422
        assert (await customer.browser.get(customer.path().split("?")[0])).status_code == 200
    assert stripe


async def test_nobody_else_downloads_and_nobody_for_ever(stripe: Any) -> None:
    async for customer in customers():
        await make_buyer("rival")
        async with Browser() as stranger:
            assert (await stranger.get(customer.path())).status_code == 303
            await stranger.sign_in("rival@partner.example")
            for file_format in ("parquet", "csv"):
                assert (await stranger.get(customer.path(file_format))).status_code == 404
                assert (await stranger.client.head(customer.path(file_format))).status_code == 404
        assert (await customer.browser.get(f"/en/entitlements/{uuid.uuid4()}/download")).status_code == 404
        assert (await customer.browser.get("/en/entitlements/..%2f..%2fprivate/download")).status_code == 404
        ends_at = await fetch_value("SELECT ends_at FROM entitlement")
        await execute("UPDATE session SET expires_at = $1, last_seen_at = $2", ends_at + dt.timedelta(days=1), ends_at)
        with clock.shifted(ends_at - clock.now() - dt.timedelta(seconds=20)):
            assert (await customer.get()).status_code == 200
        with clock.shifted(ends_at - clock.now() + dt.timedelta(seconds=1)):
            ended = await customer.get()
            assert ended.status_code == 410
            assert "This licence has ended" in ended.text
            page = await customer.browser.get(f"/en/orders/{customer.bought['id']}")
            assert "The licence ended on" in page.text
            assert "Download as" not in page.text
        assert len(await downloads()) == 1
    assert stripe


async def test_nothing_is_downloaded_after_a_refund(stripe: Any) -> None:
    async for customer in customers():
        assert (await customer.get()).status_code == 200
        await request_order_refund(customer.bought["id"], "Léa", refund_id=uuid.uuid4())
        for answer in (await customer.get(), await customer.get("csv"), await customer.get(range="bytes=0-1")):
            assert answer.status_code == 410
            assert "This order was refunded" in answer.text
        assert len(await downloads()) == 1
    assert stripe


async def test_machines_download_with_their_key(stripe: Any) -> None:
    async for customer in customers():
        key = await create_key(customer.partner, "robot", key_id=uuid.uuid4(), session="a session's secret")
        rival = await make_buyer("rival")
        other = await create_key(rival, "robot", key_id=uuid.uuid4(), session="another session's secret")
        app = the_site()
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://testserver.example"
        ) as machine:
            bearer = {"authorization": f"Bearer {key}"}
            listed = (await machine.get("/api/v1/entitlements", headers=bearer)).json()
            (mine,) = listed["entitlements"]
            assert mine == (await machine.get(f"/api/v1/entitlements/{mine['id']}", headers=bearer)).json()
            assert listed["after"] == mine["id"]
            for narrowed, count in (("dataset=lyon", 1), ("dataset=atlantis", 0), (f"after={mine['id']}", 0)):
                answer = await machine.get(f"/api/v1/entitlements?{narrowed}", headers=bearer)
                assert len(answer.json()["entitlements"]) == count, narrowed
            assert (mine["number"], mine["dataset"], mine["revoked_at"]) == (
                customer.bought["number"],
                "lyon",
                None,
            )
            path = f"/api/v1/entitlements/{mine['id']}/download"
            file = await machine.get(path, headers=bearer)
            assert hashlib.sha256(file.content).hexdigest() == mine["cells_sha256"]
            part = await machine.get(f"{path}?format=csv", headers={**bearer, "range": "bytes=0-5"})
            assert (part.status_code, part.content) == (206, b'"zone"')
            head = await machine.head(path, headers=bearer)
            assert (head.status_code, head.headers["content-length"]) == (200, str(len(file.content)))
            refused = await machine.get(path, headers={"authorization": f"Bearer {other}"})
            assert (refused.status_code, refused.headers["content-type"]) == (404, "application/problem+json")
            assert (await machine.get("/api/v1/entitlements", headers={"authorization": f"Bearer {other}"})).json()[
                "entitlements"
            ] == []
            assert (await machine.get(path)).status_code == 401
            assert (await machine.get(f"{path}?format=doc", headers=bearer)).status_code == 422
    assert stripe


@pytest.mark.parametrize("file_format", ["parquet", "csv"])
async def test_a_missing_object_is_a_sentence(stripe: Any, file_format: str) -> None:
    async for customer in customers():
        await obstore.delete_async(object_store.store(), object_store.cells_key(customer.bought["release"]))
        answer = await customer.get(file_format)
        assert answer.status_code == 404
        assert "not in the store" in answer.text
        assert await downloads() == []
    assert stripe


async def test_a_csv_ends_its_lines_as_the_standard_says_and_holds_no_formula(stripe: Any) -> None:
    segments = ["18-39", "=1+1", "@x", "-2", '"a,b"', "40+"]
    async for customer in customers():
        table = some_cells(len(segments)).set_column(2, "segment", pa.array(segments))
        zones = ["north", "=HYPERLINK(1)", "+33", "a=b", "@", "-1_4"]  # an operator's own zones have codes of their own
        table = table.set_column(0, "zone", pa.array(zones))
        file = io.BytesIO()
        pq.write_table(table, file)
        await object_store.put(object_store.cells_key(customer.bought["release"]), file.getvalue())
        data = (await customer.get("csv")).content
        assert data.count(b"\r\n") == data.count(b"\n") == len(segments) + 1
        rows = list(csv.DictReader(io.StringIO(data.decode())))
        assert [row["segment"] for row in rows] == ["18-39", "'=1+1", "'@x", "'-2", '"a,b"', "40+"]
        assert [row["zone"] for row in rows] == ["north", "'=HYPERLINK(1)", "'+33", "a=b", "'@", "'-1_4"]
        assert [int(row["people"]) for row in rows] == table["people"].to_pylist()
        assert {row["starts_at"][:10] for row in rows} == {"2026-03-01"}
    assert stripe
