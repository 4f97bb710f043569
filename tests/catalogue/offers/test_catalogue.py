"""The catalogue's simulated week and API: what is sold, quotes by machine, bad input."""

import csv
import io
import uuid
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from marketplace.catalogue.offers import rules
from marketplace.catalogue.search import api
from marketplace.core.settings import settings
from marketplace.core.signing import public_key
from marketplace.people.identity import key_actions
from marketplace.privacy.simulated_week import MARK, NOTICE
from tests.catalogue.builders import DAYS, make_vetted_partner, open_catalogue, seal_week
from tests.datasets.builders import BANDS, ZONES
from tests.people.builders import Browser, make_partner, page_text
from tests.support.reads import fetch_value


async def test_the_simulated_week_is_a_file_for_everyone_that_says_what_it_is(tmp_path: Path) -> None:
    await open_catalogue()
    release = await seal_week()
    await make_partner()
    async with Browser() as visitor, Browser() as partner:
        await partner.sign_in("claire@atelier.example")
        one = await visitor.get("/en/datasets/lyon/sample.csv")
        two = await partner.get(f"/fr/datasets/lyon/sample.csv?release={release}")
        whole = await visitor.get("/en/datasets/lyon/sample.parquet")
        stated = (await visitor.get("/api/v1/datasets/lyon")).json()["simulated_week"]
        programs = page_text(await visitor.get("/en/datasets/lyon"))
    assert one.content == two.content
    assert one.headers["content-type"] == "text/csv; charset=utf-8"
    assert whole.headers["content-type"] == "application/vnd.apache.parquet"
    for answer, suffix in ((one, "csv"), (whole, "parquet")):
        assert f'filename="lyon-simulated-week.{suffix}"' in answer.headers["content-disposition"]
        assert stated[suffix] == f"{settings().url}/datasets/lyon/sample.{suffix}"
    english, french_too, *lines = one.text.split("\r\n")
    assert (english, french_too) == (f"# {NOTICE.en}", f"# {NOTICE.fr}")
    assert (stated["notice_en"], stated["notice_fr"]) == (NOTICE.en, NOTICE.fr)
    rows = list(csv.DictReader(lines))
    table = pq.read_table(io.BytesIO(whole.content))
    assert table.schema.metadata[MARK.encode()].decode() == f"{NOTICE.en} {NOTICE.fr}"
    assert list(rows[0]) == table.column_names == ["zone", "starts_at", "segment", "people", "events"]
    assert [int(row["people"]) for row in rows] == table["people"].to_pylist()
    assert {row["zone"] for row in rows} <= set(ZONES)
    assert {row["segment"] for row in rows} == set(BANDS)
    assert {row["starts_at"][:10] for row in rows} == {f"2001-01-0{day}" for day in range(1, DAYS + 1)}
    assert programs.count("sample.csv") == 4
    file = tmp_path / "sample.csv"
    file.write_bytes(one.content)
    read = duckdb.execute("SELECT sum(people) FROM read_csv(?, comment = '#')", [str(file)]).fetchall()
    assert read == [(table["people"].to_numpy().sum(),)], "the programs of the page read it"


async def test_a_simulated_week_cannot_be_a_formula() -> None:
    bands = ['=1+1,"', "@x", "-2"]
    await open_catalogue(age_bands=bands)
    await seal_week()
    async with Browser() as visitor:
        text = (await visitor.get("/en/datasets/lyon/sample.csv")).text
    rows = list(csv.DictReader(text.split("\r\n")[2:]))
    assert {row["segment"] for row in rows} == {f"'{band}" for band in bands}


async def machine_key(partner: uuid.UUID) -> dict[str, str]:
    key = await key_actions.create_key(partner, "tests", key_id=uuid.uuid4(), session="a session's secret")
    return {"authorization": f"Bearer {key}"}


async def test_machines_list_quote_and_check(monkeypatch: pytest.MonkeyPatch) -> None:
    await open_catalogue()
    release = await seal_week()
    await seal_week(weeks_ago=1)
    keys = await machine_key(await make_vetted_partner())
    others = await machine_key(await make_vetted_partner("other@rival.example", "Rival"))
    unvetted = await machine_key(await make_partner("Newcomer", "new@comer.example"))
    async with Browser() as b:
        listed = (await b.get("/api/v1/datasets", headers=keys)).json()
        assert [row["code"] for row in listed["datasets"]] == ["lyon"]
        shown = (await b.get("/api/v1/datasets/lyon", headers=keys)).json()
        assert shown["releases"][0]["id"] == str(release)
        assert not {"contributors", "total_weight", "manifest_sha256"} & set(shown["releases"][0])
        monkeypatch.setattr(api, "MOST_HEXAGONS", len(ZONES) - 1)
        assert (await b.get("/api/v1/datasets/lyon/zones.geojson")).status_code == 409
        monkeypatch.undo()
        outlined = await b.get("/api/v1/datasets/lyon/zones.geojson")
        assert {one["properties"]["code"] for one in outlined.json()["features"]} == set(ZONES)
        monkeypatch.setattr(api, "key_zones", None)
        assert (await b.get("/api/v1/datasets/lyon/zones.geojson")).content == outlined.content, "made once"
        form = {"idempotency-key": str(uuid.uuid4())}
        url, ask = "/api/v1/quotes", {"release": str(release)}
        one = await b.client.post(url, json=ask, headers=keys | form)
        two = await b.client.post(url, json=ask, headers=keys | form)
        assert one.status_code in (200, 201)
        assert one.json() == two.json()
        assert await fetch_value("SELECT count(*) FROM quote") == 1
        quoted = one.json()
        public = (await b.get("/api/v1/keys")).json()["public_key"]
        assert public == public_key(settings().signing_key).hex()
        priced = rules.recompute(quoted["document"].encode(), bytes.fromhex(quoted["signature"]), public)
        assert priced.amount_minor == quoted["amount_minor"]
        mine = f"{url}/{quoted['id']}"
        assert (await b.get(mine, headers=keys)).json()["id"] == quoted["id"]
        assert (await b.get(mine, headers=others)).status_code == 404
        fresh = {"idempotency-key": str(uuid.uuid4())}
        for body, headers, status in (
            (b'{"release":', keys | fresh, {400}),
            (b"[]", keys | fresh, {400, 422}),
            (b"", keys | fresh, {400, 422}),
            (b'{"release":"x"}', keys | fresh, {400, 422}),
            (f'{{"release":"{release}","amount_minor":1}}'.encode(), keys | fresh, {400, 422}),
            (f'{{"release":"{release}"}}'.encode(), keys, {400, 422}),
            (f'{{"release":"{release}"}}'.encode(), keys | {"idempotency-key": "x"}, {400, 422}),
            (f'{{"release":"{uuid.uuid4()}"}}'.encode(), keys | fresh, {404}),
            (f'{{"release":"{release}"}}'.encode(), others | form, {409}),
            (f'{{"release":"{release}"}}'.encode(), unvetted | fresh, {403}),
            (f'{{"release":"{release}"}}'.encode(), fresh, {401}),
            (f'{{"release":"{release}"}}'.encode(), {"authorization": "Bearer no"} | fresh, {401}),
            (b" " * 2_000_000, keys | fresh, {413}),
        ):
            answer = await b.client.post(url, content=body, headers=headers | {"content-type": "application/json"})
            assert answer.status_code in status, (body[:60], answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"]
        assert await fetch_value("SELECT count(*) FROM quote") == 1


@pytest.mark.parametrize("band", BANDS)
def test_the_bands_of_tests_are_plain(band: str) -> None:
    assert band[0] not in "=+-@"
