"""The operator's own zones: read, placed on Earth, counted over, rolled up, shown, previewed; a table never changes."""

import csv
import io
import itertools
import json
import uuid
from pathlib import Path
from typing import Any

import asyncpg
import h3
import html5lib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from marketplace.catalogue.chosen_zones import previews
from marketplace.catalogue.offers import actions as catalogue
from marketplace.consent.purposes import actions as consent
from marketplace.core.database import copy_in, execute
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.core.web import maps
from marketplace.datasets.geography.actions import define_zones
from marketplace.datasets.geography.queries import TitleRow, find_titles, get_geography
from marketplace.datasets.geography.rules import read_zone_table
from marketplace.datasets.releases import actions, queries
from marketplace.datasets.releases.ingestion import ingest_events
from marketplace.datasets.releases.rules import specify
from marketplace.privacy import drawing, finishing, geography
from marketplace.privacy.geography import H3, NOWHERE, OwnZones
from marketplace.privacy.key_set import area_of, coverage_areas, key_zones, parent_zones
from marketplace.privacy.zone_input import read_zones
from tests.catalogue.builders import TERMS, make_vetted_partner, put_on_sale
from tests.consent.builders import PURPOSE
from tests.datasets.builders import BANDS, ELSEWHERE, PERIOD, RESOLUTION, ZONES, at, declare, make_subscribers
from tests.people.builders import PASSWORD, Browser, add_staff, page_text
from tests.privacy.specs import SECRET, counts_of, specification
from tests.support.owner import as_owner
from tests.support.reads import fetch_one, fetch_value

WEST, SOUTH, SIDE = 4.7, 45.65, 0.1


def square_of_grid(column: float, row: float, size: float = 1) -> dict[str, Any]:
    """Return a square of the grid of communes."""
    west, south = WEST + SIDE * column, SOUTH + SIDE * row
    east, north = west + SIDE * size, south + SIDE * size
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def feature(code: str, name: str, parent: str = "", geometry: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "Feature", "properties": {"code": code, "name": name, "parent": parent}, "geometry": geometry}


def geojson(*features: dict[str, Any]) -> str:
    return json.dumps({"type": "FeatureCollection", "features": list(features)})


COMMUNES = geojson(
    *(
        feature(
            f"69{row}{column}", f"Commune {row}.{column} <&>", "east" if column else "west", square_of_grid(column, row)
        )
        for row in range(2)
        for column in range(3)
    ),
    feature("east", "Est"),
    feature("west", "Ouest <&>", "", square_of_grid(0, 0, 2)),
)
LEAVES = ("6900", "6901", "6902", "6910", "6911", "6912")


def own(text: str = COMMUNES) -> OwnZones:
    return OwnZones.of("communes", "d1", read_zone_table(text)[0])


def test_a_table_is_one_document_however_it_is_written() -> None:
    zones = own()
    assert [zone for zone, level in zones.levels.items() if level == 2] == list(LEAVES)
    assert list(zones.levels)[:2] == ["east", "west"], "parents come first"
    features = json.loads(COMMUNES)["features"]
    assert read_zone_table(geojson(*reversed(features))) == read_zone_table(COMMUNES)
    rows = io.StringIO()
    csv.writer(rows).writerows([["code", "name", "parent"], *(list(one["properties"].values()) for one in features)])
    plain = own("\ufeff" + rows.getvalue())
    assert (plain.names, plain.parents, plain.levels) == (zones.names, zones.parents, zones.levels)
    assert not any(plain.polygons.values())
    assert sorted(zones.below("east", 2)) == ["6901", "6902", "6911", "6912"]
    assert zones.above("6901", 1) == "east"
    assert key_zones(["west", "6901"], 2, zones) == ("6900", "6901", "6910")
    assert parent_zones(("6900", "6901"), 1, zones)[0] == ("east", "west")
    assert zones.shape("east") == [
        polygon for leaf in ("6901", "6902", "6911", "6912") for polygon in zones.shape(leaf)
    ]
    assert len(zones.shape("west")) == 1, "its own outline stands for it"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "columns code, name"),
        ("code,name\n", "between 1 and"),
        ("code,name\na,A\nb\n", "Row 2"),
        ("code,name\na b,A\n", "cannot be a zone's code"),
        ("code,name\na>b,A\n", "cannot be a zone's code"),
        (f"code,name\n{ZONES[0]},A\n", "no H3 cell"),
        ("code,name\na, \n", "needs a name"),
        ("code,name\na,A\na,B\n", "twice"),
        ("code,name,parent\na,A,b\n", "not in the table"),
        ("code,name,parent\na,A,b\nb,B,a\n", "circle"),
        ("code,name,parent\na,A,a\n", "circle"),
        ('code,name\na,"' + "x" * 200_000 + '"\n', "cannot be read as CSV"),
        ("{", "cannot be read as JSON"),
        ('{"type": "Polygon"}', "collection of features"),
        ('{"type": "FeatureCollection", "features": [3]}', "properties code and name"),
        (
            '{"type": "FeatureCollection", "features": [{"properties": {"code": ["a"], "name": "A"}}]}',
            "properties code",
        ),
        (geojson(feature("a\x00", "A")), "cannot be a zone's code"),
        (geojson(feature("a", "\ud800")), "needs a name"),
        (f"code,name\n{'8' * 17},A\na,\n", "zone a needs a name"),
        ('"' + "x" * 200_000 + '",name\n', "cannot be read as CSV"),
        (geojson(feature("a", "A", "", {"type": [], "coordinates": [4, 45]})), "something else than polygons"),
        (geojson(feature("a", "A", "", {"type": {"Polygon": 1}})), "something else than polygons"),
        (geojson(feature("a", "A", "", {"type": "Point", "coordinates": [4, 45]})), "something else than polygons"),
        (
            geojson(feature("a", "A", "", {"type": "Polygon", "coordinates": [[[10**400, 45]] * 4]})),
            "longitude and latitude",
        ),
        (
            geojson(feature("a", "A", "", {"type": "Polygon", "coordinates": [[[float("nan"), 45]] * 4]})),
            "longitude and latitude",
        ),
        (geojson(feature("a", "A", "", {"type": "Polygon", "coordinates": [[[4, 45]] * 4]})), "cannot be read"),
        (
            geojson(feature("a", "A", "", {"type": "Polygon", "coordinates": [[[4, 45], [5, 45], [4, 45]]]})),
            "cannot be read",
        ),
    ],
)
def test_a_table_that_makes_no_sense_gets_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        read_zone_table(text)


@given(st.data())
@hypothesis_settings(max_examples=30, deadline=None)
def test_what_lies_inside_a_division_is_in_exactly_one_part(data: st.DataObject) -> None:
    """Parts share crooked borders, corner by corner in either order; points lie on borders and corners too."""
    numbers = st.integers(-3, 3)
    bend = {
        (i, j): (4 * i + data.draw(numbers) / 2, 4 * j + data.draw(numbers) / 2) for i in range(4) for j in range(4)
    }
    inner = {
        corner: at if 0 < corner[0] < 3 and 0 < corner[1] < 3 else (4.0 * corner[0], 4.0 * corner[1])
        for corner, at in bend.items()
    }
    features = []
    for i in range(3):
        for j in range(3):
            ring = [inner[i, j], inner[i + 1, j], inner[i + 1, j + 1], inner[i, j + 1], inner[i, j]]
            ring = ring[::-1] if data.draw(st.booleans()) else ring
            features.append(feature(f"{i}{j}", "A part", "", {"type": "Polygon", "coordinates": [ring]}))
    zones = own(geojson(*features))
    asked = data.draw(st.lists(st.tuples(st.integers(0, 47), st.integers(0, 47)), min_size=1, max_size=40))
    points = np.array([*((x / 4, y / 4) for x, y in asked), *((x, y) for x, y in inner.values() if x < 12 and y < 12)])
    inside = np.zeros(len(points), int)
    for zone in zones.levels:
        for polygon in zones.shape(zone):
            inside += geography._contains(polygon, points[:, 0], points[:, 1])
    assert (inside == 1).all()
    found = zones.locate(points[:, 1], points[:, 0], 1)
    assert NOWHERE not in found
    assert zones.locate(np.array([-1.0, 13.0]), np.array([1.0, 1.0]), 1) == [NOWHERE, NOWHERE]


def test_holes_islands_and_parents_are_where_they_are() -> None:
    ring = square_of_grid(0, 0, 3)["coordinates"] + square_of_grid(1, 1)["coordinates"]
    island = square_of_grid(1.25, 1.25, 0.5)["coordinates"]
    zones = own(
        geojson(
            feature("ring", "Ring", "land", {"type": "MultiPolygon", "coordinates": [ring, island]}),
            feature("hole", "Hole", "", square_of_grid(1, 1)),
            feature("land", "Land"),
        )
    )
    spots = np.array([[0.5, 0.5], [1.1, 1.1], [1.5, 1.5], [2.9, 2.9], [3.1, 0.5]]) * SIDE + [WEST, SOUTH]
    assert zones.locate(spots[:, 1], spots[:, 0], 2) == ["ring", NOWHERE, "ring", "ring", NOWHERE]
    assert zones.locate(spots[:, 1], spots[:, 0], 1) == ["land", "hole", "hole", "land", NOWHERE]
    assert own().find(["6901", "east", ZONES[0], ELSEWHERE, "Paris"], 2)[1:] == [NOWHERE, "6910", NOWHERE, None]
    assert own().find(["6901", "east"], 1) == ["east", "east"]
    finest = [h3.cell_to_parent(cell, 8) for cell in h3.cell_to_children(ZONES[0], 12)]
    assert H3.find(h3.cell_to_children(ZONES[0], 12), 8) == finest, (
        "a cell is in its parent, also where its centre is not"
    )
    assert H3.level(H3.find([h3.cell_to_parent(ZONES[0], 4)], 8)[0] or "") == 8
    middle = geography._middle(zones.shape("hole"))
    assert np.allclose(middle, (WEST + 1.5 * SIDE, SOUTH + 1.5 * SIDE))


def test_zones_are_named_or_drawn_as_partners_write_them() -> None:
    zones = own()
    assert read_zones("west, 6901\nnowhere", LEAVES, 2, zones) == (["6900", "6901", "6910"], 1)
    drawn = geojson(feature("", "", "", square_of_grid(-0.4, -0.4, 1)), feature("", "", "", square_of_grid(1, 0, 2)))
    assert read_zones(drawn, LEAVES, 2, zones) == (["6900", "6901", "6902", "6911", "6912"], 0)
    with pytest.raises(Invalid, match="Name at least one zone"):
        read_zones(json.dumps(square_of_grid(9, 9)), LEAVES, 2, zones)
    without = own("code,name\nBellecour,Bellecour\n")
    with pytest.raises(Invalid, match="Name at least one zone"):
        read_zones(json.dumps(square_of_grid(0, 0)), ["Bellecour"], 1, without)


def test_coverage_is_published_for_parents_or_the_whole() -> None:
    many = own("code,name\n" + "".join(f"z{number},Zone\n" for number in range(65)))
    names, at_ = coverage_areas(many.whole(1), many)
    assert (names, set(at_.tolist())) == (("communes",), {0})
    assert coverage_areas(LEAVES, own())[0] == ("east", "west")
    nested = own(
        "code,name,parent\n" + "".join(f"z{number},Zone,p{number % 2}\n" for number in range(65)) + "p0,P,\np1,P,\n"
    )
    assert coverage_areas(nested.whole(2), nested)[0] == ("p0", "p1")
    assert coverage_areas(ZONES)[0] == tuple(sorted({H3.above(zone, RESOLUTION - 2) for zone in ZONES}))
    for zone in ZONES:
        assert coverage_areas([zone])[0] == (area_of(zone),), "in every dataset that has the zone"
    assert H3.geojson(ZONES[:1])["features"][0]["properties"]["code"] == ZONES[0]


async def test_a_table_is_written_once() -> None:
    for _ in range(2):
        assert await define_zones("communes", COMMUNES, by="Sam") == "communes"
    with pytest.raises(Conflict, match="another code"):
        await define_zones("communes", COMMUNES.replace("Est", "East"), by="Sam")
    with pytest.raises(Invalid, match="small letters"):
        await define_zones("Communes", COMMUNES, by="Sam")
    for change in ("UPDATE zone_table SET defined_by = 'Eve'", "DELETE FROM zone_table"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await as_owner(change)
    with pytest.raises(asyncpg.CheckViolationError):
        await execute(
            "INSERT INTO zone_table SELECT 'other', document || ' ', sha256, 1, '', defined_at FROM zone_table"
        )
    with pytest.raises(NotFound):
        await get_geography("cantons")
    await define_zones("communes-again", COMMUNES, by="Sam")
    one, other = [await get_geography(code) for code in ("communes", "communes-again")]
    assert (one.code, other.code) == ("communes", "communes-again")
    assert one == other, "the same zones, whatever their table is called"


async def count_communes(folder: Path, people: int = 400) -> uuid.UUID:
    """Build one release over communes: a crowd at a site, a crowd at places on Earth, and a thin one that adds up."""
    await define_zones("communes", COMMUNES, by="Sam")
    await declare(
        zone_table="communes",
        zones=["east", "west"],
        h3_resolution=2,
        parent_resolution=1,
        epsilon_micro=4_000_000,
        budget_micro=40_000_000,
    )
    await make_subscribers(range(1, people + 1))
    hours = pa.array([at(10)] * people, pa.timestamp("us", tz="UTC"))
    who = pa.array(range(1, people + 1), pa.int64())
    sites = [("7", "8", "9")[number % 3] if number > 60 else "6902" for number in range(people)]
    pq.write_table(pa.table({"subscriber_id": who, "at": hours, "site": pa.array(sites)}), folder / "sites.parquet")
    spots = {"latitude": pa.array([SOUTH + 0.151] * people), "longitude": pa.array([WEST + 0.02] * people)}
    later = pa.array([at(12)] * people, pa.timestamp("us", tz="UTC"))
    pq.write_table(pa.table({"subscriber_id": who, "at": later} | spots), folder / "spots.parquet")
    homes = ["6911" if number % 2 else ZONES[0] for number in range(people)]
    bands = pa.array([BANDS[number % 2] for number in range(people)])
    subscribers = pa.table({"subscriber_id": who, "age_band": bands, "home_zone": pa.array(homes)})
    pq.write_table(subscribers, folder / "subscribers.parquet")
    (folder / "zones.csv").write_text("site,zone\n7,6901\n8,6901\n9,east\n")
    for events in ("sites", "spots"):
        await ingest_events(
            str(folder / f"{events}.parquet"), str(folder / "subscribers.parquet"), str(folder / "zones.csv")
        )
    return await actions.build("lyon", **PERIOD)


@pytest.mark.long
@pytest.mark.usefixtures("lavish_year")
async def test_a_dataset_is_counted_over_communes_from_sites_and_places(tmp_path: Path) -> None:
    release = await count_communes(tmp_path)
    row = await queries.get_release(release)
    assert row.state == "sealed"
    assert row.key_count == len(LEAVES) * 48 * len(BANDS)
    table = await queries.cells(release)
    sums: dict[tuple[str, int], int] = {}
    for cell in table.to_pylist():
        key = (cell["zone"], cell["starts_at"].hour)
        sums[key] = sums.get(key, 0) + cell["people"]
    large = {key: people for key, people in sums.items() if people > 100}
    assert set(large) == {("6901", 10), ("6910", 12)}, "site 9 lies in a zone too coarse to say in which"
    assert abs(large["6901", 10] - 226) < 60
    assert abs(large["6910", 12] - 400) < 60
    areas = {one.name: one.population for one in await queries.list_coverage(release) if one.kind == "area"}
    assert areas == {"east": 200, "west": 200}, "an H3 home lies where its centre does"
    about = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    assert about["partage.zones"] == "communes, level 2"
    digest = await fetch_value("SELECT sha256 FROM zone_table")
    assert about["partage.zones.sha256"] == digest
    assert about["partage.zones.geojson"].endswith("/api/v1/datasets/lyon/zones.geojson")
    assert sum(map(len, about.values())) < 1_000, "reading a column reads no outlines"
    # The very zones are in the specification: the same codes drawn or nested otherwise are another release.
    dataset = await queries.get_dataset("lyon")
    stated = await queries.get_specification(dataset, *PERIOD.values())
    assert stated.digest == row.specification
    other = OwnZones.of("communes", "another", read_zone_table(COMMUNES.replace("Est", "East"))[0])
    assert specify(dataset, *PERIOD.values(), geography=other).digest != stated.digest
    assert await actions.build("lyon", **PERIOD) == release, "again it is the same"
    await on_sale(release)


async def on_sale(release: uuid.UUID) -> None:
    """Its zones are shown by name, previewed as partners write them, and free to download."""
    await catalogue.define_terms(TERMS, months=12, lines_fr="a\nb\nc\nd\ne", lines_en="v\nw\nx\ny\nz")
    await put_on_sale("lyon", terms=TERMS, worth_minor=240_000, least_minor=15_000)
    partner = await make_vetted_partner()
    answers = [
        await previews.preview_zones(partner, release, zones, preview_id=uuid.uuid4())
        for zones in ("east west", json.dumps(square_of_grid(0, 0, 3)), "6900 6901 6902 elsewhere")
    ]
    assert [(one.zones, one.outside) for one in answers] == [(6, 0), (6, 0), (3, 1)]
    await add_staff("sam@partage.example", "Sam", "steward", PASSWORD)
    async with Browser() as visitor, Browser() as sam:
        for language, meaning in (
            ("en", "by its code in the table communes"),
            ("fr", "par son code dans la table communes"),
        ):
            shown = await visitor.get(f"/{language}/datasets/lyon")
            html5lib.HTMLParser(strict=True).parse(shown.text)
            assert meaning in page_text(shown)
            assert "Commune 0.1 &lt;&amp;&gt;" in shown.text
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(maps, "_project", None)
            assert (await visitor.get("/en/datasets/lyon")).status_code == 200, "its outlines were projected once"
        zones = (await visitor.get("/api/v1/datasets/lyon/zones.geojson")).json()
        shown_zones = {one["properties"]["code"]: one for one in zones["features"]}
        assert set(shown_zones) == {*LEAVES, "east", "west"}
        assert shown_zones["6901"]["properties"] == {"code": "6901", "name": "Commune 0.1 <&>", "parent": "east"}
        assert shown_zones["6901"]["geometry"]["coordinates"] == [square_of_grid(1, 0)["coordinates"]]
        assert (await visitor.get("/api/v1/datasets/lyon")).json()["zone_table"] == "communes"
        await sam.sign_in("sam@partage.example")
        for path in (f"/en/steward/releases/{release}", f"/fr/steward/releases/{release}"):
            shown = await sam.get(path)
            html5lib.HTMLParser(strict=True).parse(shown.text)
            assert "Ouest &lt;&amp;&gt;" in shown.text


def test_thin_communes_add_up_over_their_parent() -> None:
    """The same numbers over H3 and over own zones nested alike: one roll-up, other names."""
    hexagons = specification(49, parent_resolution=7)
    names, parent = parent_zones(hexagons.zones, 7)
    rows = [f"{name}-x,{name},\n" for name in names]
    rows += [f"{zone}-y,{zone},{names[of]}-x\n" for zone, of in zip(hexagons.zones, parent, strict=True)]
    zones = own("code,name,parent\n" + "".join(rows))
    leaves = tuple(f"{zone}-y" for zone in hexagons.zones)
    same = specification(49, resolution=2, parent_resolution=1, geography=zones, zones=leaves)
    rng = np.random.default_rng(5)
    people = rng.poisson(rng.gamma(1.0, 14.0, hexagons.key_count))
    one, other = (finishing.roll_up(s, people, 2 * people) for s in (hexagons, same))
    assert len(one.keys) > 20
    for part in ("keys", "people", "events", "children"):
        assert (getattr(one, part) == getattr(other, part)).all()
    shown_zones = set(drawing.table(same, drawing.draw(same, counts_of(same, people), SECRET))["zone"].to_pylist())
    assert shown_zones & {f"{name}-x" for name in names}
    assert shown_zones <= {*leaves, *(f"{name}-x" for name in names)}


async def names_the_table(sam: Browser, ada: Browser) -> None:
    """Give a table that is there already other names, in both languages, and none; the zones themselves stay."""
    path, named = "/steward/zones/communes", {"title_fr": "Mairies", "title_en": "Town halls"}
    assert (await ada.submit(f"/en{path}", named)).status_code == 403
    long = await sam.submit(f"/en{path}", named | {"title_fr": "x" * 61})
    assert long.status_code == 422
    assert 'id="title_fr-error"' in long.text
    assert 'value="Town halls"' in long.text, "what was typed is kept"
    for _ in range(2):
        assert (await sam.submit(f"/en{path}", named)).headers["location"] == f"/en{path}"
    assert set((await find_titles(["communes"])).values()) == {TitleRow("communes", "Mairies", "Town halls")}
    assert "Mairies" in page_text(await ada.get(f"/fr{path}"))
    assert (await sam.submit(f"/en{path}", {})).status_code == 303
    assert "communes" in page_text(await ada.get(f"/fr{path}"))
    assert await fetch_value("SELECT count(*) FROM staff_action WHERE verb = 'zone_table_named'") == 3
    assert (await sam.submit("/en/steward/zones/nowhere", named)).status_code == 404
    with pytest.raises(asyncpg.PostgresError, match=r"append-only|never|permission"):
        await execute("UPDATE zone_table SET document = ''")
    await sam.submit(f"/en{path}", {"title_fr": "Communes d’ici", "title_en": "Local communes"})


async def test_a_steward_writes_a_table_down_and_defines_a_dataset_over_it() -> None:
    await consent.define_purpose("presence", "statistics", title_fr="Présence", title_en="Presence")
    await consent.publish_notice(PURPOSE, text_fr="On compte.", text_en="We count.", at=at(0))
    await copy_in("subscriber", ["reference"], [(1,)])
    await add_staff("sam@partage.example", "Sam", "steward", PASSWORD)
    await add_staff("ada@partage.example", "Ada", "auditor", PASSWORD)
    async with Browser() as sam, Browser() as ada:
        await sam.sign_in("sam@partage.example")
        await ada.sign_in("ada@partage.example")

        async def send(browser: Browser, code: str, data: bytes, title: str = "Local communes") -> Any:
            await browser.get("/en/steward/zones")
            cookies = browser.client.cookies
            token = cookies.get("csrftoken", domain="testserver.example") or cookies.get("csrftoken") or ""
            return await browser.client.post(
                "/en/steward/zones",
                data={"_csrf_token": token, "code": code, "title_fr": "Communes d’ici", "title_en": title},
                files={"file": ("z.geojson", data)},
            )

        assert (await ada.submit("/en/steward/zones", {"code": "communes"})).status_code == 403
        assert "Choose a file" in page_text(await sam.submit("/en/steward/zones", {"code": "communes"}))
        for code, data, meaning in (
            ("communes", b"\xff\xfe", "not text in UTF-8"),
            ("Communes", COMMUNES.encode(), "small letters"),
            ("communes", b"code,name\n", "between 1 and"),
        ):
            refused = await send(sam, code, data)
            assert refused.status_code == 422
            assert meaning in page_text(refused)
        long = await send(sam, "communes", COMMUNES.encode(), "x" * 61)
        assert long.status_code == 422
        assert 'id="title_en-error"' in long.text
        assert 'value="Communes d’ici"' in long.text, "what was typed is kept"
        for _ in range(2):
            made = await send(sam, "communes", COMMUNES.encode())
            assert made.headers["location"] == "/en/steward/zones/communes"
        for reader, path in itertools.product(
            (sam, ada), ("/en/steward/zones", "/fr/steward/zones", "/fr/steward/zones/communes")
        ):
            shown = await reader.get(path)
            html5lib.HTMLParser(strict=True).parse(shown.text)
            assert "communes" in shown.text
        assert "Communes d’ici" in page_text(await ada.get("/fr/steward/zones"))
        assert "Local communes" in page_text(await ada.get("/en/steward/zones"))
        assert "Commune 1.2 &lt;&amp;&gt;" in shown.text
        await names_the_table(sam, ada)
        form = {
            "code": "communes-day",
            "purpose": PURPOSE,
            "title_fr": "Jour",
            "title_en": "Day",
            "description_fr": "Qui.",
            "description_en": "Who.",
            "area": "Lyon",
            "zones": "",
            "zone_table": "communes",
            "age_bands": ", ".join(BANDS),
            "h3_resolution": "2",
            "grain": "day",
            "unit": "release",
            "mechanism": "laplace",
            "delta_exponent": "0",
            "max_cells": "3",
            "max_events": "2",
            "epsilon": "2",
            "budget": "6",
            "parent_resolution": "1",
            "max_zones": "0",
        }
        page = await sam.get("/en/steward/datasets/new")
        assert '<option value="communes"' in page.text
        for wrong, meaning in (
            ({"zones": ZONES[0]}, "not a zone of the table communes"),
            ({"h3_resolution": "3"}, "declares its zones"),
            ({"zone_table": "cantons"}, "There is no zone table"),
            ({"code": "Communes Day"}, "small letters"),
            ({"h3_resolution": "99", "zones": "east"}, "from 0 to 15"),
            ({"max_cells": "9999999999"}, "a million at most"),
        ):
            refused = await sam.submit("/en/steward/datasets", form | wrong)
            assert refused.status_code in {404, 422}
            assert meaning in page_text(refused)
        assert (await sam.submit("/en/steward/datasets", form)).status_code == 303
        row = await fetch_one("SELECT zones, zone_table, h3_resolution FROM dataset")
        assert row
        assert tuple(row) == (list(LEAVES), "communes", 2)
        for language, meaning in (("en", "6 zones (communes, level 2)"), ("fr", "6 zones (communes, niveau 2)")):
            assert meaning in page_text(await sam.get(f"/{language}/steward/datasets/communes-day"))
