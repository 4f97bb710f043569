"""The catalogue's sample and API: what is sold, quotes by machine, bad input."""

from __future__ import annotations

import csv
import datetime as dt
import io
import uuid

import pytest

from marketplace.catalogue.offers import rules
from marketplace.catalogue.search import api
from marketplace.core.settings import settings
from marketplace.core.signing import public_key
from marketplace.core.web.i18n import french
from marketplace.people.identity import key_actions
from tests.catalogue.builders import DAYS, cells_of_own_week, make_vetted_partner, open_catalogue, seal_week
from tests.datasets.builders import BANDS, ZONES
from tests.people.builders import Browser, make_partner
from tests.support.reads import fetch_value


async def test_the_sample_is_the_same_for_everyone_and_says_what_is_sold() -> None:
    await open_catalogue()
    release = await seal_week()
    await make_partner()
    async with Browser() as visitor, Browser() as partner:
        await partner.sign_in("claire@atelier.example")
        one = await visitor.get("/en/datasets/lyon/sample.csv")
        two = await partner.get(f"/fr/datasets/lyon/sample.csv?release={release}")
    assert one.content == two.content
    assert one.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in one.headers["content-disposition"]
    assert b"\r\n" in one.content
    rows = list(csv.DictReader(io.StringIO(one.text)))
    assert len(rows) >= 10
    assert len({row["zone"] for row in rows}) == 2, "of few zones"
    assert list(rows[0]) == ["zone", "starts_at", "segment", "people", "events"]
    end = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    sold = {
        (
            row["zone"],
            row["starts_at"].strftime("%Y-%m-%dT%H:%M:%SZ"),
            row["segment"],
            str(row["people"]),
            str(row["events"]),
        )
        for row in cells_of_own_week(end - dt.timedelta(days=DAYS))
    }
    assert {tuple(row.values()) for row in rows} <= sold


async def test_a_sample_cannot_be_a_formula() -> None:
    await open_catalogue()
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    rows = [
        {"zone": ZONES[0], "starts_at": start, "segment": s, "people": 30, "events": 30} for s in ('=1+1,"', "@x", "-2")
    ]
    await seal_week(rows=rows)
    async with Browser() as visitor:
        rows_read = list(csv.DictReader(io.StringIO((await visitor.get("/en/datasets/lyon/sample.csv")).text)))
    assert {row["segment"] for row in rows_read} == {"'=1+1,\"", "'@x", "'-2"}


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


def test_every_sentence_of_the_catalogue_is_translated() -> None:
    import re  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    folder = Path(rules.__file__).parent
    sentences: set[str] = set()
    for path in folder.glob("templates/*.html"):
        sentences |= {m.replace("\\'", "'") for m in re.findall(r"_\('((?:[^'\\]|\\.)*)'", path.read_text())}
    for path in folder.glob("*.py"):
        sentences |= set(
            re.findall(r'(?:Conflict|Invalid|NotFound|Expired|NotAllowed)\(\s*"([^"]+)"', path.read_text())
        )
    assert len(sentences) > 40
    assert not sorted(sentences - set(french()))


@pytest.mark.parametrize("band", BANDS)
def test_the_bands_of_tests_are_plain(band: str) -> None:
    assert band[0] not in "=+-@"
