"""How much survives in a partner's own zones: read as people write them, answered rounded, a few times a day."""

import asyncio
import contextlib
import datetime as dt
import json
import math
import uuid
from typing import Any

import h3
import html5lib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.catalogue.chosen_zones import previews
from marketplace.core import clock
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.datasets.releases.publishing import revoke
from marketplace.people.identity.key_actions import create_key
from marketplace.privacy.zone_input import read_zones
from tests.catalogue.builders import cells_of_own_week, last_midnight, make_vetted_partner, open_catalogue, seal_week
from tests.datasets.builders import BANDS, RESOLUTION, ZONES
from tests.people.builders import Browser, page_text
from tests.support.reads import fetch_value

PARENT = h3.cell_to_parent(ZONES[0], RESOLUTION - 1)


def square_between(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


LYON = square_between(4.0, 45.0, 6.0, 46.5)
FEW = " ".join(ZONES[:3])
RING = [[round(5 + math.cos(n / 1e3), 5), round(45 + math.sin(n / 1e3), 5)] for n in range(6_283)]
STAR = {"type": "Polygon", "coordinates": [[*RING, RING[0]]]}
"""An outline that would take many seconds of the whole site's time to fill."""


def test_zones_are_read_as_people_write_them() -> None:
    children = set(h3.cell_to_children(PARENT, RESOLUTION)) & set(ZONES)
    for text, inside, outside in (
        (f"{ZONES[0]}\n{ZONES[1]}", {*ZONES[:2]}, 0),
        (f" {ZONES[0]}, {ZONES[0]};elsewhere ", {ZONES[0]}, 1),
        (PARENT, children, 7 - len(children)),
    ):
        assert read_zones(text, ZONES, RESOLUTION) == (sorted(inside), outside), text
    for drawn in (
        LYON,
        {"type": "MultiPolygon", "coordinates": [LYON["coordinates"]]},
        {"type": "Feature", "geometry": LYON},
        {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": LYON}]},
        {"type": "GeometryCollection", "geometries": [LYON, LYON]},
    ):
        inside, outside = read_zones(json.dumps(drawn), ZONES, RESOLUTION)
        assert inside == list(ZONES)
        assert outside > 1_000


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "at least one zone"),
        ("nowhere", "None of those zones"),
        ("{", "cannot be read as JSON"),
        ("{" * 100_000, "cannot be read as JSON"),
        ('{"type": "Point", "coordinates": [4, 45]}', "something else than polygons"),
        ('{"type": "FeatureCollection", "features": 3}', "something else than polygons"),
        ('{"type": "Polygon", "coordinates": []}', "cannot be read"),
        ('{"type": "Polygon", "coordinates": [[[4, 45]]]}', "cannot be read"),
        ('{"type": "Polygon", "coordinates": [[[45, 400], [1, 2], [3, 4]]]}', "longitude and latitude"),
        ('{"type": "Polygon", "coordinates": [[[1e999, 4], [1, 2], [3, 4]]]}', "longitude and latitude"),
        ('{"type": "Polygon", "coordinates": [[["4", true], [1, 2], [3, 4]]]}', "longitude and latitude"),
        (json.dumps(square_between(-180, -90, 180, 90)), "too large"),
        (json.dumps(STAR), "too detailed"),
        (h3.cell_to_parent(ZONES[0], 0) + " " + h3.cell_to_parent(ZONES[0], 1), "too large"),
        ("x" * 500_001, "too long"),
    ],
)
def test_what_names_no_zone_gets_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        read_zones(text, ZONES, RESOLUTION)


@given(possible=st.integers(1, 10**9), data=st.data())
def test_the_share_is_rounded_to_the_nearest_five_percent(possible: int, data: st.DataObject) -> None:
    published = data.draw(st.integers(0, possible))
    percent = previews.rounded_percent(published, possible)
    assert percent % 5 == 0
    assert 2 * abs(100 * published - percent * possible) <= 5 * possible


async def test_the_share_is_that_of_the_sealed_release_alone() -> None:
    await open_catalogue()
    partner = await make_vetted_partner()
    half = [row for row in cells_of_own_week(last_midnight() - dt.timedelta(days=7)) if row["zone"] in ZONES[1:4]]
    release = await seal_week(rows=half)
    called_back = await seal_week(rows=half, weeks_ago=1)
    await revoke(called_back, reason_fr="Une erreur.", reason_en="A fault.", by="Sam")
    with pytest.raises(NotFound):
        await previews.preview_zones(partner, called_back, " ".join(ZONES), preview_id=uuid.uuid4())

    async def share(*zones: str) -> tuple[int, int, int]:
        answer = await previews.preview_zones(partner, release, " ".join(zones), preview_id=uuid.uuid4())
        return answer.zones, answer.outside, answer.survives_percent

    assert await share(ZONES[0], *ZONES[4:]) == (4, 0, 0)
    assert await share(*ZONES[1:4]) == (3, 0, 100)
    assert await share(*ZONES[:2], ZONES[2], "elsewhere") == (3, 1, 65)
    assert await share(*ZONES) == (7, 0, 45)


async def test_a_partner_asks_a_few_times_a_day_however_it_asks() -> None:
    await open_catalogue()
    partner, other = await make_vetted_partner(), await make_vetted_partner("zoe@studio.example", "Studio")
    release = await seal_week()
    once = uuid.uuid4()
    for _ in range(3):
        answer = await previews.preview_zones(partner, release, FEW, preview_id=once)
        assert answer.left_today == previews.PREVIEWS_A_DAY - 1
    asked = await asyncio.gather(
        *(previews.preview_zones(partner, release, FEW, preview_id=uuid.uuid4()) for _ in range(25)),
        return_exceptions=True,
    )
    refused = [one for one in asked if isinstance(one, Conflict)]
    assert len(refused) == 25 - (previews.PREVIEWS_A_DAY - 1)
    assert await fetch_value("SELECT count(*) FROM zone_preview") == previews.PREVIEWS_A_DAY
    await previews.preview_zones(other, release, FEW, preview_id=uuid.uuid4())
    with clock.shifted(dt.timedelta(days=1, seconds=1)):
        await previews.preview_zones(partner, release, FEW, preview_id=uuid.uuid4())
    with pytest.raises(Conflict, match="ask again tomorrow"):  # said before its zones are even read
        await previews.preview_zones(partner, release, "no zone at all", preview_id=uuid.uuid4())
    # What was answered is answered again when nothing is left, and says nothing new.
    assert (await previews.preview_zones(partner, release, FEW, preview_id=once)).left_today == 0


async def test_the_map_cannot_be_redrawn_zone_by_zone_day_by_day_or_under_one_id() -> None:
    """A hostile partner: single zones, another question under a known id, another's id, and patience."""
    await open_catalogue()
    partner, other = await make_vetted_partner(), await make_vetted_partner("zoe@studio.example", "Studio")
    release, later = await seal_week(weeks_ago=1), await seal_week()
    for few in (ZONES[0], " ".join(ZONES[:2]), f"{ZONES[0]} {ZONES[0]} {ZONES[0]} elsewhere"):
        with pytest.raises(Invalid, match="at least 3 zones"):
            await previews.preview_zones(partner, release, few, preview_id=uuid.uuid4())
    once = uuid.uuid4()
    await previews.preview_zones(partner, release, FEW, preview_id=once)
    for who, about, what in (
        (partner, release, " ".join(ZONES[1:5])),
        (partner, later, FEW),
        (other, release, FEW),
    ):
        with pytest.raises(Conflict, match="asked already"):
            await previews.preview_zones(who, about, what, preview_id=once)
    answered = 1
    for day in range(6):
        with clock.shifted(dt.timedelta(days=2 * day, seconds=day)):
            for _ in range(previews.PREVIEWS_A_DAY):
                with contextlib.suppress(Conflict):
                    await previews.preview_zones(partner, release, FEW, preview_id=uuid.uuid4())
                    answered += 1
    assert answered == previews.PREVIEWS_A_RELEASE == await fetch_value("SELECT count(*) FROM zone_preview")
    with clock.shifted(dt.timedelta(days=30)):
        with pytest.raises(Conflict, match="before it is bought"):
            await previews.preview_zones(partner, release, FEW, preview_id=uuid.uuid4())
        await previews.preview_zones(partner, later, FEW, preview_id=uuid.uuid4())


async def test_of_flows_those_within_the_zones_count() -> None:
    await open_catalogue(product="flows", grain="day", age_bands=list(BANDS))
    partner, start = await make_vetted_partner(), last_midnight() - dt.timedelta(days=7)
    inside, beyond = ZONES[:3], ZONES[3:]
    rows = [
        {"zone": f"{one}>{two}", "starts_at": start, "segment": "all", "people": 40, "events": 50}
        for one in inside
        for two in (*inside, *beyond)
    ]
    release = await seal_week(rows=rows, key_count=len(ZONES) ** 2)
    answer = await previews.preview_zones(partner, release, " ".join(inside), preview_id=uuid.uuid4())
    assert answer.survives_percent == 100
    answer = await previews.preview_zones(partner, release, " ".join(ZONES), preview_id=uuid.uuid4())
    assert answer.survives_percent == previews.rounded_percent(21, 49)
    async with Browser() as visitor:
        for language, expected in (("en", "From which H3 zone to which"), ("fr", "De quelle zone H3")):
            shown = await visitor.get(f"/{language}/datasets/lyon")
            html5lib.HTMLParser(strict=True).parse(shown.text)
            assert expected in page_text(shown)
            assert "hatch" not in shown.text, "pairs of zones are no map of zones"


async def test_a_release_called_back_shows_no_map_and_no_rows() -> None:
    await open_catalogue()
    gone = await seal_week(weeks_ago=1)
    await seal_week()
    async with Browser() as visitor:
        before = await visitor.get(f"/en/datasets/lyon?release={gone}")
        assert "A simulated week" in before.text
        await revoke(gone, reason_fr="Une erreur.", reason_en="A fault.", by="Sam")
        shown = await visitor.get(f"/en/datasets/lyon?release={gone}")
        html5lib.HTMLParser(strict=True).parse(shown.text)
        assert "A fault." in page_text(shown)
        assert "A simulated week" not in shown.text
        assert "On the map" not in shown.text


async def test_partners_ask_on_a_page_and_machines_on_theirs() -> None:
    await open_catalogue()
    release = await seal_week()
    partner = await make_vetted_partner()
    async with Browser() as nobody, Browser() as claire:
        assert (await nobody.get("/en/datasets/lyon/preview")).status_code == 200
        await claire.sign_in("claire@atelier.example")
        for language, expected in (("en", "What is in it for your zones?"), ("fr", "Que dit-elle de vos zones")):
            form = await claire.get(f"/{language}/datasets/lyon/preview")
            assert expected in page_text(form)
            html5lib.HTMLParser(strict=True).parse(form.text)
        fields = {"release": str(release), "zones": json.dumps(LYON)}
        answer = await claire.submit("/en/datasets/lyon/preview", fields, seen_at="/en/datasets/lyon/preview")
        html5lib.HTMLParser(strict=True).parse(answer.text)
        assert "85%" in page_text(answer)
        refused = await claire.submit("/en/datasets/lyon/preview", fields | {"zones": "zzz"})
        assert refused.status_code == 422
        assert "None of those zones" in page_text(refused)
        assert "zzz" in refused.text, "what was typed is not lost"
    key = await create_key(partner, "robot", key_id=uuid.uuid4(), session="a session's secret")
    async with Browser() as machine:
        headers = {"authorization": f"Bearer {key}", "Idempotency-Key": str(uuid.uuid4())}
        body = {"release": str(release), "zones": " ".join(ZONES)}
        answered = await machine.client.post("/api/v1/previews", json=body, headers=headers)
        assert answered.json() == {
            "zones": 7,
            "outside": 0,
            "survives_percent": 85,
            "left_today": previews.PREVIEWS_A_DAY - 2,
        }
        asked = [
            machine.client.post("/api/v1/previews", json=body, headers=headers | {"Idempotency-Key": str(uuid.uuid4())})
            for _ in range(previews.PREVIEWS_A_DAY + 5)
        ]
        answers = await asyncio.gather(*asked)
        assert sum(one.status_code == 200 for one in answers) == previews.PREVIEWS_A_DAY - 2
        many = [one for one in answers if one.status_code == 429]
        assert len(many) == 7, "each is asked before anything is drawn"
        for one in many:
            assert "ask again tomorrow" in one.json()["detail"]
            seconds = int(one.headers["retry-after"])
            assert 86_000 < seconds <= 86_400
            limits = one.headers.get_list("ratelimit")
            assert f'"previews";r=0;t={seconds}' in ", ".join(limits)
            assert f'"previews";q={previews.PREVIEWS_A_DAY};w=86400' in one.headers["ratelimit-policy"]
        assert (await machine.client.post("/api/v1/previews", json=body)).status_code == 401
    async with Browser() as claire:
        await claire.sign_in("claire@atelier.example")
        refused = await claire.submit("/en/datasets/lyon/preview", fields, seen_at="/en/datasets/lyon/preview")
        assert refused.status_code == 429
        assert "ask again tomorrow" in page_text(refused)
        assert "retry-after" in refused.headers
        form = fields | {"form_id": str(uuid.uuid4()), "_csrf_token": claire.client.cookies["csrftoken"]}
        unread = {"file": ("zones.zip", b"PK no archive")}
        refused = await claire.client.post("/en/datasets/lyon/preview", data=form, files=unread)
        assert refused.status_code == 429, "asked before the file is even read"
        assert ZONES[0] in refused.text, "what was typed is not lost"
