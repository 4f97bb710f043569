"""Layers of maps: a steward uploads them, bombs are refused, and maps show waters, names, hours and flows."""

import datetime as dt
import json
import random
import re
import uuid
from collections.abc import Sequence
from typing import Any

import html5lib
import httpx
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from marketplace.catalogue.offers.queries import get_listing
from marketplace.core.errors import Invalid
from marketplace.core.web import area_maps, maps
from marketplace.core.web.i18n import language
from marketplace.datasets.geography import layer_rules
from marketplace.datasets.geography.layer_drawing import draw
from marketplace.datasets.geography.layer_queries import Layer, near
from marketplace.datasets.geography.layer_rules import read_layer, shapes_of
from marketplace.datasets.geography.layer_wording import write_where
from marketplace.datasets.releases.queries import cells
from marketplace.demo import city_layers
from marketplace.site.storefront.maps_shown import Figures, by_hour, draw_bought
from tests.catalogue import builders as catalogue_shop
from tests.datasets.builders import ZONES
from tests.people.builders import PASSWORD, Browser, add_staff, page_text
from tests.sales.builders.shop import make_buyer, make_sale, open_shop

LAYERS = "/en/steward/map-layers"


def layer(*features: tuple[str, Any, dict[str, Any]]) -> str:
    return json.dumps(
        {
            "type": "FeatureCollection",
            "features": [
                {"type": "Feature", "properties": properties, "geometry": {"type": kind, "coordinates": coordinates}}
                for kind, coordinates, properties in features
            ],
        }
    )


async def upload_layer(browser: Browser, file: bytes | None, **fields: str) -> httpx.Response:
    await browser.get(LAYERS)
    token = browser.client.cookies.get("csrftoken", domain="testserver.example") or ""
    data = {"_csrf_token": token, "form_id": str(uuid.uuid4()), "kind": "water", "title": "Saône", **fields}
    return await browser.client.post(LAYERS, data=data, files={"file": ("layer.geojson", file)} if file else None)


@pytest.mark.long
@pytest.mark.usefixtures("stripe")
async def test_a_map_shows_what_a_steward_uploads_and_hours_to_who_bought() -> None:
    release = await open_shop()
    partner = await make_buyer()
    await add_staff("samir@partage.example", "Samir", "steward", PASSWORD)
    async with Browser() as samir, Browser() as atelier, Browser() as stranger:
        await samir.sign_in("samir@partage.example")
        await atelier.sign_in("atelier@partner.example")
        bare = await stranger.get("/en/datasets/lyon")
        assert 'class="over"' not in bare.text
        for bad, sentence in (
            (None, "Choose a file"),
            (b"\xff\xfe\x00", "UTF-8"),
            (b"[" * 100_000, "JSON"),
            (layer(("Polygon", [[[4, 45], [5, 45], [5, 46], [4, 45]]], {"name": "x" * 81})).encode(), "a text of 80"),
        ):
            refused = await upload_layer(samir, bad)
            assert refused.status_code == 422
            assert sentence in page_text(refused), sentence
            assert 'value="Saône"' in refused.text, "what was typed is there still"
        assert (await upload_layer(samir, b"{}", form_id="x")).status_code == 422
        assert "No layer yet" in page_text(await samir.get(LAYERS))
        for kind, title, features in city_layers.layers():
            text = json.dumps({"type": "FeatureCollection", "features": features})
            form = str(uuid.uuid4())
            for _ in range(2):
                assert (
                    await upload_layer(samir, text.encode(), kind=kind, title=title, form_id=form)
                ).status_code == 303
        listed = await samir.get(LAYERS)
        html5lib.HTMLParser(strict=True).parse(listed.text)
        assert listed.text.count('scope="row"') == 4, "the same form twice is one layer"

        for language, words in (("en", "near Bellecour"), ("fr", "près de Bellecour")):
            shown = await stranger.get(f"/{language}/datasets/lyon?hour=8")
            html5lib.HTMLParser(strict=True).parse(shown.text)
            assert shown.text.count('class="over"') == 1
            assert all(f">{name}</text>" in shown.text for name in ("Part-Dieu", "Bellecour"))
            assert words in shown.text
            assert 'name="hour"' not in shown.text, "hours are for who bought"
            assert len(shown.content) < 150_000
        assert (await stranger.get("/en/datasets/lyon?hour=24")).status_code == 400

        await make_sale(atelier, partner, release)
        whole = await atelier.get("/en/datasets/lyon")
        assert 'name="hour"' in whole.text
        assert "off by more than" in whole.text
        eight = await atelier.get("/en/datasets/lyon?hour=8")
        html5lib.HTMLParser(strict=True).parse(eight.text)
        assert "from 8 to 9 o’clock" in page_text(eight)
        assert values_of(eight.text) != values_of(whole.text)
        averages = expected_at(await cells(release), 8)
        assert sorted(values_of(eight.text)) == sorted(f"{round(value):,}" for value in averages.values())

        await _see_ages_and_own_zones(atelier, stranger, release)

        [first] = re.findall(r"/steward/map-layers/([0-9a-f-]{36})/removal", listed.text)[:1]
        for _ in range(2):
            assert (await samir.submit(f"{LAYERS}/{first}/removal", {})).status_code == 303
        assert (await samir.submit(f"{LAYERS}/{uuid.uuid4()}/removal", {})).status_code == 404
        assert 'class="river"' not in (await stranger.get("/en/datasets/lyon")).text


async def _see_ages_and_own_zones(atelier: Browser, stranger: Browser, release: uuid.UUID) -> None:
    """Look at one age band, alone and at an hour, of the whole area and of zones that the company keeps."""
    table = await cells(release)
    band = table["segment"][0].as_py()
    of_band = table.filter(pc.field("segment") == band)
    path = "/en/datasets/lyon"
    for address in (path, f"{path}?band={band}&kept={uuid.uuid4()}"):
        assert 'name="band"' not in (await stranger.get(address)).text, "ages are for who bought"
    for hour in (8, None):
        shown = await atelier.get(f"{path}?band={band}&kept=" + (f"&hour={hour}" if hour else ""))
        html5lib.HTMLParser(strict=True).parse(shown.text)
        assert f"People aged {band} alone" in page_text(shown)
        assert f'<option value="{band}" selected>' in shown.text
        assert ('name="hour" value="8"' in shown.text) == bool(hour), "the hour is kept with the band"
        wanted = expected_at(of_band, hour)
        assert sorted(values_of(shown.text)) == sorted(f"{round(value):,}" for value in wanted.values())
    assert "People aged" not in page_text(await atelier.get(f"{path}?band=1-2")), "no band of this dataset"
    zone = next(iter(wanted))
    form = str(uuid.uuid4())
    written = {"dataset": "lyon", "name": "Our shops", "zones": zone}
    assert (await atelier.submit("/en/zones/kept", written, form_id=form)).status_code == 303
    own = await atelier.get(f"{path}?band={band}&kept={form}")
    html5lib.HTMLParser(strict=True).parse(own.text)
    assert "Only the zones of “Our shops”" in page_text(own)
    assert values_of(own.text) == [f"{round(wanted[zone]):,}"]
    both = await atelier.get(f"{path}?kept={form}")
    assert len(values_of(both.text)) == 1
    assert values_of(both.text) != values_of(own.text), "of all ages"
    for zones, count in (("{", len(wanted)), ("0.0, 0.0", 0)):
        form = str(uuid.uuid4())
        await atelier.submit("/en/zones/kept", written | {"zones": zones}, form_id=form)
        odd = await atelier.get(f"{path}?band={band}&kept={form}")
        assert (odd.status_code, len(values_of(odd.text))) == (200, count), "what cannot be read, or lies elsewhere"


@pytest.mark.parametrize("seed", range(5))
def test_no_two_zones_read_alike_and_each_says_how_far_and_where_it_lies(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 (the same zones each time)
    spots = [
        ("Point", spot, {"name": name, "postcodes": []})
        for name, spot in (("Bellecour", [4.83, 45.76]), ("Bron", [4.91, 45.73]))
    ]
    layers = [Layer(uuid.uuid4(), "place", shapes_of(layer(*spots)))]
    centres = {f"z{at}": (dice.uniform(4.7, 5.0), dice.uniform(45.6, 45.9)) for at in range(400)}
    centres |= {
        "north": (4.83, 45.76 + 2_000 / 111_320),
        "same": (4.7, 45.6),
        "here": (4.83, 45.76),
        "twin": (4.7, 45.6),
    }
    for spoken, near_words, far_words in (
        ("en", "near Bellecour", "2 km north of Bellecour"),
        ("fr", "près de Bellecour", "Bellecour, à 2 km au nord"),
    ):
        token = language.set(spoken)
        names = write_where(near(layers, centres))
        language.reset(token)
        assert names.keys() == centres.keys()
        assert len(set(names.values())) == len(centres)
        assert (names["here"], names["north"]) == (near_words, far_words)
        assert sum("near " in name or "près de" in name for name in names.values()) <= 2, "one a place"


def values_of(text: str) -> list[str]:
    return re.findall(r"<title>[^:<]+: ([0-9,.]+) people</title>", text)


def expected_at(table: Any, hour: int | None) -> dict[str, float]:
    sums: dict[tuple[str, dt.datetime], int] = {}
    for row in table.to_pylist():
        if hour is None or row["starts_at"].hour == hour:
            sums[row["zone"], row["starts_at"]] = sums.get((row["zone"], row["starts_at"]), 0) + row["people"]
    zones: dict[str, list[int]] = {}
    for (zone, _), people in sums.items():
        zones.setdefault(zone, []).append(people)
    return {zone: float(np.mean(values)) for zone, values in zones.items()}


async def test_flows_are_arrows_of_a_release_for_who_bought_and_simulated_for_strangers() -> None:
    await catalogue_shop.open_catalogue(product="flows", max_cells=3)
    start = catalogue_shop.last_midnight() - dt.timedelta(days=7)
    pairs = [f"{a}>{b}" for a in ZONES for b in ZONES]
    rows = [
        {"zone": pair, "starts_at": start, "segment": "all", "people": 30_000 + number, "events": 90_000}
        for number, pair in enumerate(pairs)
    ]
    release = await catalogue_shop.seal_week(rows=rows)
    async with Browser() as stranger:
        page = await stranger.get("/en/datasets/lyon")
        html5lib.HTMLParser(strict=True).parse(page.text)
        assert 'class="land"' in page.text
        assert 'class="flow' in page.text
        assert "The largest flows between zones – simulated" in page.text
        assert page.text.count('class="simulated"') == 1
        assert not re.search(r": 30,0[0-9]{2} people", page.text), "no flow of the release"
    listing = await get_listing("lyon")
    drawn = await draw_bought(listing, release, list(ZONES), Figures())
    assert drawn.area.paths
    assert len(drawn.flows) == len(pairs)
    markup = area_maps.flow_map(
        drawn.flows, drawn.middles, drawn.area, title="Flows", unit="people", names={ZONES[6]: "Home"}, note="±"
    )
    assert markup.count('class="flow') == area_maps.MOST_ARROWS < 42, "the largest; those that stay are no arrow"
    assert f"Home → {ZONES[1]}: 30,043 people" in markup
    assert "Home → Home" not in markup
    assert f"{ZONES[5]} → Home" in markup
    assert area_maps.flow_map([], {}, drawn.area, title="Flows", unit="people", names={}) == ""


SQUARE = [[4.0, 45.0], [5.0, 45.0], [5.0, 46.0], [4.0, 46.0], [4.0, 45.0]]


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [
        ("river", layer(("Point", [4, 45], {})), "Choose what the layer shows"),
        ("water", "{", "JSON"),
        ("water", "[]", "collection of features"),
        ("water", '{"type": "FeatureCollection", "features": []}', "between 1"),
        ("water", '{"type": "FeatureCollection", "features": [1]}', "made of"),
        ("water", '{"type": "FeatureCollection", "features": [{"geometry": {"type": []}}]}', "made of"),
        ("road", layer(("Polygon", [SQUARE], {})), "made of LineString"),
        ("road", layer(("LineString", [[4, 45]], {})), "cannot be read"),
        ("road", layer(("LineString", "x", {})), "cannot be read"),
        ("road", layer(("LineString", [[4, 95], [4, 45]], {})), "longitude and latitude"),
        ("road", layer(("LineString", [[4, True], [4, 45]], {})), "longitude and latitude"),
        (
            "road",
            '{"type":"FeatureCollection","features":[{"geometry":{"type":"LineString","coordinates":[[NaN,1],[1e999,2]]}}]}',
            "longitude",
        ),
        ("place", layer(("Point", [4, 45], {})), "needs a name"),
        ("place", layer(("Point", [4, 45], {"name": 3})), "a text of"),
        ("place", layer(("Point", [4, 45], {"name": "a\u0000"})), "a text of"),
        ("outline", layer(("Polygon", [SQUARE], {"postcodes": ["1"] * 21})), "at most 20"),
        ("road", layer(("LineString", [[4, 45]] * 60_001, {})), "more than"),
    ],
)
def test_bombs_and_what_is_no_layer_are_refused(kind: str, text: str, sentence: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_layer(kind, text)
    assert sentence in refused.value.sentence.format(**refused.value.fields)


def test_layers_are_cut_to_the_map_and_simplified_and_labels_do_not_meet() -> None:
    frame = maps.outline({"a": [[SQUARE]]}).frame
    assert frame
    globe = [[-170, -80], [170, -80], [170, 80], [-170, 80], [-170, -80]]
    hole = layer(("Polygon", [globe, SQUARE], {"name": "sea", "postcodes": "1"}))
    bends = np.linspace(0, 200, 50_000)
    long = [[3 + bend / 80, 45.5 + float(np.sin(bend)) / 3] for bend in bends.tolist()]
    rivers = layer(("LineString", long, {}), ("MultiLineString", [[[50, 10], [60, 10]], [[4, 45], [5, 46]]], {}))
    crowd = layer(*(("Point", [4.5 + n / 1e4, 45.5], {"name": f"Town {n}"}) for n in range(50)))
    spread = layer(*(("MultiPoint", [[4.1 + n / 50, 45.05 + n / 50]], {"name": f"Place {n}"}) for n in range(45)))
    layers: Sequence[tuple[str, str]] = (("water", hole), ("water", rivers), ("place", crowd), ("place", spread))
    drawn = str(draw([(kind, shapes_of(read_layer(kind, text)[0])) for kind, text in layers], frame))
    assert len(drawn) < 60_000, "fifty thousand corners are not in a page"
    numbers = [int(value) for path in re.findall(r"M(-?\d+)", drawn) for value in [path]]
    assert all(-200 <= value <= maps.MAP_WIDTH + 200 for value in numbers)
    assert drawn.count(">Town") == 1, "names do not meet"
    assert 1 < drawn.count(">Place") <= 40
    assert 'class="odd"' in drawn
    elsewhere = layer(("Polygon", [[[x + 40, y] for x, y in SQUARE]], {}))
    assert draw([("water", shapes_of(read_layer("water", elsewhere)[0]))], frame) == ""


def test_hours_are_those_of_the_zone() -> None:
    noon = dt.datetime(2026, 7, 1, 10, tzinfo=dt.UTC)
    table = pa.table(
        {
            "zone": ["a", "a", "a", "b"],
            "starts_at": pa.array([noon, noon, noon + dt.timedelta(days=1), noon], pa.timestamp("us", tz="UTC")),
            "people": [10, 20, 50, 7],
        }
    )
    found, whole, breaks = by_hour(table, "Europe/Paris")
    assert whole == {"a": 40.0, "b": 7.0}
    assert found[12] == {"a": 40.0, "b": 7.0}
    assert not found[10]
    assert breaks[0] == 7
    assert layer_rules.folded("  Saint-Étienne ") == "saint etienne"
