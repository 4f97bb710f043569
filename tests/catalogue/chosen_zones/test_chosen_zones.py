"""Zones before buying: names, postcodes, coordinates and files; strangers learn which the dataset has, and nothing else."""

import json
import re
import uuid
from typing import Any

import h3
import html5lib
import httpx
import pytest

from marketplace.catalogue.chosen_zones import actions, rules
from marketplace.core.errors import Invalid
from marketplace.datasets.geography.layer_actions import add_layer
from marketplace.datasets.geography.layer_queries import Layer, named_areas
from marketplace.datasets.geography.layer_rules import read_layer, shapes_of
from marketplace.datasets.geography.rules import read_zone_table
from marketplace.demo import city_layers
from marketplace.privacy.geography import H3, OwnZones
from tests.catalogue.builders import make_vetted_partner, open_catalogue, seal_week
from tests.datasets.builders import RESOLUTION, ZONES
from tests.people.builders import Browser, make_partner, make_staff, page_text
from tests.support.reads import fetch_value

PAGE = "/en/datasets/lyon/preview"
CENTRE = h3.latlng_to_cell(45.7578, 4.8320, RESOLUTION)


async def upload_zones(browser: Browser, release: uuid.UUID, file: bytes) -> httpx.Response:
    await browser.get(PAGE)
    token = browser.client.cookies.get("csrftoken", domain="testserver.example") or ""
    data = {"_csrf_token": token, "form_id": str(uuid.uuid4()), "release": str(release), "zones": "typed before"}
    return await browser.client.post(PAGE, data=data, files={"file": ("zones", file)})


def listed_zones(answer: httpx.Response) -> list[str]:
    """Return the zones that an answer lists, of which it says nothing else."""
    return re.findall(r'<tr>\s*<th scope="row">(?:[^<]*)<code[^>]*>([0-9a-f]+)</code></th>\s*</tr>', answer.text)


async def test_a_stranger_learns_which_zones_there_are_and_a_partner_what_survives() -> None:
    await open_catalogue()
    release = await seal_week()
    await make_vetted_partner()
    await make_partner("Neuf", "neuf@neuf.example")
    steward = await make_staff("Samir", "steward")
    for kind, title, features in city_layers.layers():
        text = json.dumps({"type": "FeatureCollection", "features": features})
        await add_layer(steward, uuid.uuid4(), kind=kind, title=title, text=text)
    async with Browser() as stranger, Browser() as claire, Browser() as new:
        for language, expected in (("en", "Names or postcodes"), ("fr", "Noms ou codes postaux")):
            shown = await stranger.get(f"/{language}/datasets/lyon/preview")
            html5lib.HTMLParser(strict=True).parse(shown.text)
            assert expected in page_text(shown)
            assert "Lyon 2e (69002)" in shown.text
            assert shown.text.count("data-zone=") == len(ZONES)
        for words in [*ZONES, *(" ".join(ZONES[:n]) for n in range(2, 8)), "69001\n69002 69003", "45.7578, 4.8320"]:
            answer = await stranger.submit(PAGE, {"release": str(release), "zones": words}, seen_at=PAGE)
            assert answer.status_code == 200, words
            assert set(listed_zones(answer)) <= set(ZONES)
            assert answer.text.count('chosen" data-zone') == len(listed_zones(answer)) > 0
            assert "%" not in page_text(answer).split("Answer")[1].split("Vetted partners")[0], "no share of figures"
        assert await fetch_value("SELECT count(*) FROM zone_preview") == 0
        html5lib.HTMLParser(strict=True).parse(answer.text)
        assert set(listed_zones(answer)) == {CENTRE}
        assert answer.text.count('chosen" data-zone') == 1
        typed = await stranger.submit(PAGE, {"zones": "Vileurbanne, Lyon 2ème", "release": "x"}, seen_at=PAGE)
        assert typed.status_code == 422
        assert "did you mean Villeurbanne?" in page_text(typed)
        for zones, sentence in (("x" * 10_001, "sign in as a vetted partner"), ("", "Name at least one zone")):
            refused = await stranger.submit(PAGE, {"zones": zones, "release": str(release)}, seen_at=PAGE)
            assert (refused.status_code, sentence in page_text(refused)) == (422, True)
        assert (await upload_zones(stranger, release, b"zone\n")).status_code == 403

        await new.sign_in("neuf@neuf.example")
        assert (await upload_zones(new, release, b"zone\n")).status_code == 403, "not vetted"
        await claire.sign_in("claire@atelier.example")
        points = {"type": "FeatureCollection", "features": []}
        for zone in ZONES[1:4]:
            place = {"type": "Point", "coordinates": list(h3.cell_to_latlng(zone))[::-1]}
            points["features"].append({"type": "Feature", "properties": {}, "geometry": place})  # type: ignore[attr-defined]
        files = (
            json.dumps(points).encode(),
            b"\xef\xbb\xbfshop;lat;lon\n" + b"".join(b"x;%f;%f\n" % h3.cell_to_latlng(zone) for zone in ZONES[1:4]),
            ("zone\n" + "\n".join(ZONES[1:4])).encode(),
            ("zone\n" + "\n".join(ZONES[1:4])).encode("utf-16"),
        )
        for file in files:
            answer = await upload_zones(claire, release, file)
            assert answer.status_code == 200, page_text(answer)
            assert "100%" in page_text(answer)
            assert set(listed_zones(answer)) == set(ZONES[1:4])
        for file, sentence in (
            (b"PK\x03\x04bomb", "zipped file cannot be read"),
            (b"\xff\xfe\xff", "UTF-8"),
            (b"x" * 500_001, "500 kB"),
            (b"lat,lon\n1,x\n", "a number"),
            (b"lat,lon\nnan,4.8\n", "a number"),
            (b"lat,lon\n1e999,4.8\n", "a number"),
            ("zone\n69002\n".encode("utf-16-le"), "UTF-8"),
            (b" \n", "file is empty"),
            (b"zone\nnonsense\n", "None of those zones"),
            (b'{"type": "Polygon", "coordinates": []}', "cannot be read"),
            (b"{" * 100_000, "JSON"),
            (b"a\n" * 5_001, "5000 lines"),
        ):
            refused = await upload_zones(claire, release, file)
            assert (refused.status_code, sentence in page_text(refused)) == (422, True), sentence
            assert ">typed before</textarea>" in refused.text, sentence
            assert re.search(f'id="file-error">[^<]*{sentence}', refused.text), sentence
        few = await claire.submit(PAGE, {"zones": CENTRE, "release": str(release)}, seen_at=PAGE)
        assert few.status_code == 422
        assert "at least 3 zones" in page_text(few)
        assert set(listed_zones(few)) == {CENTRE}, "the answer that anybody has is there all the same"

        kept = str(uuid.uuid4())
        written = {"dataset": "lyon", "name": "Our shops", "zones": "69002"}
        for _ in range(2):
            assert (await claire.submit("/en/zones/kept", written, form_id=kept)).status_code == 303
        assert (await claire.submit("/en/zones/kept", written | {"name": ""})).status_code == 422
        assert (await claire.submit("/en/zones/kept", written | {"zones": ""})).status_code == 422
        again = await claire.get(f"{PAGE}?kept={kept}")
        html5lib.HTMLParser(strict=True).parse(again.text)
        assert again.text.count("Our shops") == 2
        assert ">69002</textarea>" in again.text
        assert (await new.get(f"{PAGE}?kept={kept}")).status_code == 404, "another company's"
        assert (await new.submit(f"/en/zones/kept/{kept}/deletion", {})).status_code == 404
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(actions, "MOST_KEPT", 1)
            assert (await claire.submit("/en/zones/kept", written)).status_code == 409
        assert (await claire.submit(f"/en/zones/kept/{kept}/deletion", {"dataset": "lyon"})).status_code == 303
        assert "Our shops" not in (await claire.get(PAGE)).text


AREAS = named_areas(
    [
        Layer(
            uuid.uuid4(),
            kind,
            shapes_of(read_layer(kind, json.dumps({"type": "FeatureCollection", "features": of}))[0]),
        )
        for kind, _, of in city_layers.layers()
    ]
)


def choose(text: str, **more: Any) -> rules.ChosenZones:
    return rules.choose(text, more.get("known", ZONES), RESOLUTION, H3, AREAS)


def test_zones_are_read_as_people_write_them() -> None:
    second = choose("69002").zones
    assert second
    assert second == choose("LYON 2E").zones == choose("Lyon-2e").zones == choose("69002;69002").zones
    assert second == choose("69 002").zones == choose("69\u202f002; 69 002").zones, "as spreadsheets write numbers"
    assert choose("Lyon 2e, Lyon 3e").zones == choose("69002 69003").zones == choose("69003\n69002").zones
    assert choose("45.7578, 4.8320\n45.7578;4.8320").zones == [CENTRE]
    assert choose(h3.cell_to_parent(CENTRE, RESOLUTION - 1)).zones, "a coarser cell is all that it holds"
    assert choose(h3.cell_to_center_child(CENTRE, RESOLUTION + 2)).zones == [CENTRE]
    assert choose("0.0, 0.0").outside
    assert choose("lyon 2r, nonsense words").unknown == [("lyon 2r", "Lyon 2e"), ("nonsense words", "")]
    assert len(choose("\n".join(f"nothing{n}" for n in range(50))).unknown) == rules.MOST_UNKNOWN
    table, _ = read_zone_table("code,name,parent\nE,Est,\nE1,Bourg-en-Bresse,E\nE2,Oyonnax,E\n")
    own = OwnZones.of("t", "d", table)
    for text, zones in (("bourg en bresse", ["E1"]), ("Est", ["E1", "E2"]), ("E2", ["E2"]), ("oyonax", [])):
        assert rules.choose(text, ["E1", "E2"], 2, own, {}).zones == zones, text
    assert rules.choose("oyonax", ["E1", "E2"], 2, own, {}).unknown == [("oyonax", "Oyonnax")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Name at least one"),
        ("x" * 100_001, "too long"),
        ("a\n" * 5_001, "5000 lines"),
        ("45.0, 999.5", "latitude and a longitude"),
        (h3.cell_to_parent(CENTRE, 0), "too large"),
        ('{"type":"FeatureCollection","features":[{"geometry":{"type":"Point","coordinates":[4]}}]}', "longitude"),
        ('{"type":"FeatureCollection","features":[{"geometry":{"type":"Point","coordinates":[NaN,1]}}]}', "longitude"),
        ('{"type":"FeatureCollection","features":[1]}', "something else than polygons"),
    ],
)
def test_what_names_no_zone_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(Invalid) as refused:
        rules.choose(text, ZONES, 12 if "too large" in sentence else RESOLUTION, H3, AREAS)
    assert sentence in refused.value.sentence.format(**refused.value.fields)


def test_files_of_lines_have_a_column_of_zones_or_none() -> None:
    assert rules.read_file(b"Code_Postal;Ventes\n69002;5\n\n69003;6\n") == "69002\n69003"
    assert rules.read_file(b"69002\n69003\n") == "69002\n69003"
    assert rules.read_file(b"id,zone\n1\n2,a\n") == "a"
    assert rules.read_file(b' {"type": 1}') == ' {"type": 1}'
    with pytest.raises(Invalid):
        rules.read_file(b"")
