"""Population density over HTTP: the official document's scenarios, and that document judges every answer."""

import asyncio
import datetime as dt
import functools
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pyarrow.parquet as pq
import pytest
import yaml
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from marketplace.core import clock, object_store
from marketplace.core.database import execute
from marketplace.core.settings import settings
from marketplace.delivery.population_density import actions, rules
from marketplace.delivery.population_density.callbacks import MOST_WAITING, answer_callbacks
from marketplace.delivery.population_density.grid import box_of
from marketplace.people.identity import vault
from marketplace.people.identity.key_actions import create_key
from tests.delivery.builders import CallbackSink, Customer, customers
from tests.support.blocks import blocks_of
from tests.support.clients import run, serving_site
from tests.support.reads import fetch_value
from tests.support.sites import the_site

OFFICIAL = Path(__file__).resolve().parents[4] / "shared" / "specs" / "camara"
PATH = "/api/camara/population-density-data/v0/retrieve"
START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
LYON = [(45.70, 4.75), (45.70, 4.92), (45.83, 4.92), (45.83, 4.75)]
HALF = [(45.70, 4.75), (45.70, 4.92), (45.76, 4.92), (45.76, 4.75)]
INSIDE = [(45.7600, 4.8300), (45.7600, 4.8340), (45.7630, 4.8340)]
NOWHERE = [(10.0, 10.0), (10.0, 10.002), (10.002, 10.002)]


@functools.cache
def official() -> Any:
    """Return what checks a value against a schema of the official document by its name; None where the document is not here."""
    if not OFFICIAL.is_dir():
        return None
    named = {f"http://official.example/{path.name}": path.read_text() for path in OFFICIAL.glob("*.yaml")}
    texts = {name: text.replace("../common/", "") for name, text in named.items()}
    registry: Any = Registry().with_resources(
        (name, Resource.from_contents(yaml.safe_load(text), default_specification=DRAFT4))
        for name, text in texts.items()
    )

    def check(schema: str, value: Any) -> None:
        reference = {"$ref": f"http://official.example/population-density-data.yaml#/components/{schema}"}
        jsonschema.Draft4Validator(reference, registry=registry).validate(value)

    return check


def density_request(points: list[tuple[float, float]] = LYON, hours: float = 2, **more: Any) -> dict[str, Any]:
    """Return a request as a client writes it."""
    boundary = [{"latitude": latitude, "longitude": longitude} for latitude, longitude in points]
    end = (START + hours * HOUR).isoformat()
    area = {"areaType": "POLYGON", "boundary": boundary}
    return {"area": area, "startTime": START.isoformat(), "endTime": end, "precision": 6} | more


class Client:
    """A program with a partner's key."""

    def __init__(self, program: httpx.AsyncClient, customer: Customer) -> None:
        self.program, self.customer = program, customer

    async def ask(self, body: Any, status: int = 200, code: str = "", **headers: str) -> Any:
        """Ask, and hold the answer against the official document."""
        named = {"x-correlator": "corr-1", **headers}
        answer = await self.program.post(PATH, json=body, headers=named)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-correlator"] == "corr-1"
        found = answer.json()
        assert found.get("code", "") == code
        if check := official():
            check_against_document(check, status, found)
        return found


def check_against_document(check: Any, status: int, found: Any) -> None:
    """Hold an answer, and each cell of its kind, against the official document."""
    names = {200: "schemas/PopulationDensityResponse", 202: "schemas/AcceptedAsyncResponse"}
    answers = {400: "RetrieveLocationBadRequest400", 422: "RetrieveLocationUnprocessableContent422"}
    generic = f"responses/{answers.get(status, '')}/content/application~1json/schema"
    if status in names or status in answers:
        check(names.get(status) or generic, found)
    kinds = {"NO_DATA": "NoData", "LOW_DENSITY": "LowDensity", "DENSITY_ESTIMATION": "DensityEstimation"}
    for hour in found.get("timedPopulationDensityData", ()):
        for cell in hour["cellPopulationDensityData"]:
            check(f"schemas/{kinds[cell['dataType']]}", cell)


async def clients(rows: int = 100) -> AsyncIterator[Client]:
    """Yield a program whose partner bought four days of presence by the hour."""
    async for customer in customers(rows, (START, START + 96 * HOUR)):
        key = await create_key(customer.partner, "density", key_id=uuid.uuid4(), session="a session's secret")
        transport = httpx.ASGITransport(the_site())
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://site.example", headers=headers) as program:
            yield Client(program, customer)


def cells_by_geohash(found: Any) -> dict[str, Any]:
    """Return the cells of the first hour by name."""
    return {cell["geohash"]: cell for cell in found["timedPopulationDensityData"][0]["cellPopulationDensityData"]}


async def test_density_is_that_of_the_sealed_cells_within_their_interval(stripe: Any) -> None:
    async for client in clients():
        found = await client.ask(density_request(hours=1.5))
        assert found["status"] == "PART_OF_AREA_NOT_SUPPORTED"
        assert [hour["startTime"] for hour in found["timedPopulationDensityData"]] == [
            "2026-03-01T00:00:00Z",
            "2026-03-01T01:00:00Z",
        ]
        cells = cells_by_geohash(found)
        kinds = {cell["dataType"] for cell in cells.values()}
        assert kinds == {"NO_DATA", "LOW_DENSITY", "DENSITY_ESTIMATION"}
        dense = {name: cell for name, cell in cells.items() if cell["dataType"] == "DENSITY_ESTIMATION"}
        assert all(cell["minPplDensity"] <= cell["pplDensity"] <= cell["maxPplDensity"] for cell in dense.values())
        key = object_store.cells_key(client.customer.bought["release"])
        path = object_store.path_of(key)
        assert path
        [row] = [row for row in pq.read_table(path).to_pylist() if row["starts_at"] == START]
        people = sum(cell["pplDensity"] * box_of(name).square_km for name, cell in dense.items())
        assert people == pytest.approx(row["people"], rel=0.35) or row["people"] > 2**31, "cut at the border"
        name = next(iter(dense))
        both = {"areaType": "GEOHASHLIST", "geohashes": [name, "s00000", name]}
        again = await client.ask({k: v for k, v in density_request(hours=0, area=both).items() if k != "precision"})
        assert cells_by_geohash(again) == {name: dense[name], "s00000": {"geohash": "s00000", "dataType": "NO_DATA"}}
        fine = await client.ask(density_request(INSIDE, hours=1, precision=8))
        assert fine["status"] == "SUPPORTED_AREA"
        default = {k: v for k, v in density_request(NOWHERE).items() if k != "precision"}
        assert await client.ask(default) == {"status": "AREA_NOT_SUPPORTED", "timedPopulationDensityData": []}
        gone = density_request(
            INSIDE, startTime=(START + 95 * HOUR).isoformat(), endTime=(START + 97 * HOUR).isoformat()
        )
        partly = await client.ask(gone)
        last = partly["timedPopulationDensityData"][-1]["cellPopulationDensityData"]
        assert {cell["dataType"] for cell in last} == {"NO_DATA"}, "after what was bought"
    assert stripe


async def test_the_manuals_block_runs_as_it_is(stripe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [block] = blocks_of("marketplace/site/docs/partner/population-density.md")
    async for client in clients():
        async with serving_site() as address:
            monkeypatch.setenv("SITE", address)
            monkeypatch.setenv("KEY", client.program.headers["authorization"].split()[1])
            printed = await run(Path(sys.executable), block.text, folder=tmp_path)
            assert printed.splitlines()[0].startswith("2026-03-01T00:00:00Z ")
            assert len(printed.splitlines()) == 2
    assert stripe


async def test_refusals_have_the_official_codes(stripe: Any) -> None:
    own = rules.OWN
    now = clock.now()
    week = density_request(endTime=(START + 200 * HOUR).isoformat())
    line = [(45.7, 4.8), (45.7, 4.9), (45.7, 4.95)]
    bow = [(45.7, 4.8), (45.8, 4.9), (45.7, 4.9), (45.8, 4.8)]
    many = [(45.7 + n / 1000, 4.8 + n * n / 10_000) for n in range(16)]
    token = {"credentialType": "ACCESSTOKEN", "accessToken": "t", "accessTokenType": "bearer"}
    cells = {"areaType": "GEOHASHLIST", "geohashes": ["u05kq4"]}
    large = [(44.0, 3.0), (44.0, 7.0), (47.0, 7.0)]
    refused: list[tuple[dict[str, Any], int, str]] = [
        *[
            ({k: v for k, v in density_request().items() if k != each}, 400, "INVALID_ARGUMENT")
            for each in ("area", "startTime")
        ],
        (density_request(startTime="2026-03-01T00:00:00"), 400, "INVALID_ARGUMENT"),
        (density_request(precision=13), 400, "INVALID_ARGUMENT"),
        (density_request(unknown=1), 400, "INVALID_ARGUMENT"),
        (density_request(area=cells), 400, "INVALID_ARGUMENT"),
        (density_request(area={"areaType": "CIRCLE"}), 400, "INVALID_ARGUMENT"),
        (
            density_request(sink="https://a.example/x", sinkCredential=token | {"credentialType": "PLAIN"}),
            400,
            "INVALID_CREDENTIAL",
        ),
        (
            density_request(sink="https://a.example/x", sinkCredential=token | {"accessTokenType": "mac"}),
            400,
            "INVALID_TOKEN",
        ),
        *[(density_request(sink=sink), 400, "INVALID_SINK") for sink in WRONG_SINKS],
        *[(density_request(points), 400, f"{own}INVALID_AREA") for points in (line, bow, many)],
        (
            density_request(startTime="2026-02-01T00:00:00Z", endTime="2026-02-01T01:00:00Z"),
            400,
            f"{own}MIN_STARTTIME_EXCEEDED",
        ),
        (
            density_request(startTime=(now + HOUR).isoformat(), endTime=(now + 2 * HOUR).isoformat()),
            400,
            f"{own}MAX_STARTTIME_EXCEEDED",
        ),
        (density_request(endTime="2026-02-01T00:00:00Z"), 400, f"{own}INVALID_END_TIME"),
        (density_request(endTime=(now + HOUR).isoformat()), 400, f"{own}INVALID_TIME_PERIOD"),
        (week, 400, f"{own}MAX_TIME_PERIOD_EXCEEDED"),
        (density_request(startTime=(START + HOUR / 2).isoformat(), hours=168.5), 400, f"{own}MAX_TIME_PERIOD_EXCEEDED"),
        (density_request(precision=2), 422, f"{own}UNSUPPORTED_PRECISION"),
        (
            {k: v for k, v in density_request(area=cells | {"geohashes": ["u"]}).items() if k != "precision"},
            422,
            f"{own}UNSUPPORTED_PRECISION",
        ),
        (density_request(HALF, precision=7, hours=150), 422, f"{own}UNSUPPORTED_SYNC_RESPONSE"),
        (density_request(precision=8), 422, f"{own}UNSUPPORTED_REQUEST"),
        (density_request(large, precision=8), 422, f"{own}UNSUPPORTED_REQUEST"),
    ]
    async for client in clients():
        for body, status, code in refused:
            await client.ask(body, status, code)
        await client.ask(density_request(), 401, "UNAUTHENTICATED", authorization="Bearer nobody")
        other = await create_key(
            client.customer.partner, "orders", key_id=uuid.uuid4(), session="another secret", scopes="orders"
        )
        await client.ask(density_request(), 403, "PERMISSION_DENIED", authorization=f"Bearer {other}")
        await execute("UPDATE entitlement SET suspended_at = now()")
        await client.ask(density_request(), 403, "PERMISSION_DENIED")
        await execute("UPDATE entitlement SET suspended_at = NULL")
    assert stripe


WRONG_SINKS = ("http://a.example/x", "https://[", "https://", "x", "https://a..example/x", "https://1.2.3.999/x")


async def test_an_answer_is_posted_to_the_sink(stripe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTAGE_WEBHOOK_NETWORKS", "127.0.0.0/8")
    monkeypatch.setattr(rules, "SCHEMES", ("https", "http"))
    settings.cache_clear()
    sink = CallbackSink()
    token = {"credentialType": "ACCESSTOKEN", "accessToken": "secret", "accessTokenType": "bearer"}
    body = density_request(
        INSIDE, precision=7, sink=f"http://127.0.0.1:{sink.server.server_port}/x", sinkCredential=token
    )
    try:
        async for client in clients():
            sink.statuses = [500, 204]
            accepted = await client.ask(body, 202)
            assert b"secret" not in await fetch_value("SELECT request FROM density_callback")
            assert await answer_callbacks() == 1
            assert await answer_callbacks() == 0, "it waits for five seconds"
            with clock.shifted(dt.timedelta(seconds=6)):
                assert await answer_callbacks() == 1
            assert len(sink.came) == 2
            authorization, posted = sink.came[-1]
            assert (authorization, posted["operationId"]) == ("Bearer secret", accepted["operationId"])
            assert posted["status"] == "SUPPORTED_AREA"
            if check := official():
                check("schemas/PopulationDensityAsyncResponse", posted)
            await client.ask({k: v for k, v in body.items() if k != "sinkCredential"}, 202)
            await execute("UPDATE entitlement SET revoked_at = now()")
            await answer_callbacks()
            assert sink.came[-1][1]["statusInfo"].startswith("Client does not have sufficient permissions")
            await execute("UPDATE entitlement SET revoked_at = NULL")
            sink.statuses = [410]
            await client.ask(body, 202)
            await answer_callbacks()
            for _ in range(MOST_WAITING):
                await client.ask(body, 202)
            assert await client.ask(body, 429, "TOO_MANY_REQUESTS")
            await execute("UPDATE density_callback SET key_id = 'lost'")
            while await answer_callbacks():
                pass
            assert len(sink.came) == 4, "one that nobody can open is given up"
            monkeypatch.setattr(actions, "_add", None)
            sink.statuses = [500]
            await client.ask({k: v for k, v in body.items() if k != "sinkCredential"}, 202)
            await execute("UPDATE density_callback SET attempts = 9")
            assert await answer_callbacks() == 1
            assert await fetch_value("SELECT count(*) FROM density_callback") == 0
            authorization, posted = sink.came[-1]
            assert (authorization, posted["status"]) == (None, "OPERATION_NOT_COMPLETED")
            if check := official():
                check("schemas/PopulationDensityAsyncResponse", posted)
            operation = uuid.UUID((await client.ask(body, 202))["operationId"])
            key_id, sealed = vault.seal({"request": "{"}, operation, 0, table="density_callback")
            await execute("UPDATE density_callback SET key_id = $1, request = $2", key_id, sealed)
            assert await answer_callbacks() == 1, "what nobody foresaw fails that attempt"
            assert await answer_callbacks() == 0
            await execute("UPDATE density_callback SET attempts = 9, next_at = $1", clock.now())
            assert await answer_callbacks() == 1
            assert await fetch_value("SELECT count(*) FROM density_callback") == 0, "and the last attempt is the last"
    finally:
        await asyncio.to_thread(sink.server.shutdown)
        sink.server.server_close()
        monkeypatch.undo()
        settings.cache_clear()
    assert stripe
