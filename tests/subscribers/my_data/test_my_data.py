"""My data over HTTP: switches, pauses, links, deletion, uses and a map of one's own, as a person walks through them."""

import base64
import datetime as dt
import hashlib
import json
import re
import uuid
from pathlib import Path

import httpx
from joserfc import jws
from joserfc.jwk import KeySet

from marketplace.consent.purposes import actions as consent
from marketplace.consent.purposes.queries import get_signed_receipt, receipt_link
from marketplace.consent.switches import actions as switches
from marketplace.consent.switches.rules import EVERYTHING, PRESETS, read
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.datasets.builds.own_events import read_own_events
from marketplace.datasets.releases.ingestion import ingest_events
from marketplace.datasets.retractions.actions import apply_retractions
from marketplace.subscribers.earnings.actions import hold_shares
from marketplace.subscribers.earnings.contribution_actions import index_contributions
from marketplace.subscribers.my_data import queries
from marketplace.subscribers.my_data.actions import make_own_maps
from marketplace.subscribers.my_data.rules import MAP_LASTS, bounds_of
from tests.datasets import builders
from tests.people.builders import make_partner, token, visiting, words
from tests.subscribers.builders import sales
from tests.support.reads import fetch_value

PURPOSE = sales.PURPOSE
LAST = "SELECT covers FROM consent_record WHERE subscriber = 1 ORDER BY at DESC, id DESC LIMIT 1"
IS_GIVEN = "SELECT given FROM consent_record WHERE subscriber = 1 ORDER BY at DESC, id DESC LIMIT 1"


def ticked(answer: httpx.Response) -> dict[str, list[str] | str]:
    """Return what the form of switches would send as it is shown."""
    form = re.search(r'<form method="post" action="[^"]*/choices/.*?</form>', answer.text, re.DOTALL)
    assert form
    fields: dict[str, list[str] | str] = {}
    for tag in re.findall(r"<input[^>]*>", form[0]):
        known = dict(re.findall(r'(name|value|type)="([^"]*)"', tag))
        if known.get("type") == "checkbox":
            if " checked" in tag:
                fields[known["name"]] = [*fields.get(known["name"], []), known["value"]]
        elif "name" in known:
            fields[known["name"]] = known.get("value", "")
    return fields


async def test_a_person_who_refuses_two_sectors_their_home_and_the_nights() -> None:
    await sales.write_lines()
    async with visiting(1) as ada:
        page = f"/en/consent/choices/{PURPOSE}"
        assert ticked(await ada.get(page)).keys() & {"source", "sector", "home"} == set(), "no row means no"
        for code, (_, scope) in PRESETS.items():
            form = ticked(await ada.get(f"{page}?preset={code}"))
            answer = await ada.post(page, data=form)
            assert (answer.status_code, answer.headers["location"]) == (303, "/en/consent")
            assert read(await fetch_value(LAST)) == scope, code
        form = ticked(await ada.get(f"{page}?preset=everything"))
        form["sector"] = [sector for sector in form["sector"] if sector not in {"insurance", "advertising"}]
        del form["home"]
        form |= {"from_hour": "6", "to_hour": "22", "first_day": "2026-01-01", "last_day": "2099-12-31"}
        form |= {"not_there": builders.ZONES[0], "there": builders.ZONES[1]}
        for _ in range(2):
            assert (await ada.post(page, data=form)).status_code == 303
        chosen = read(await fetch_value(LAST))
        assert chosen.hours == tuple(range(6, 22))
        assert (chosen.home, chosen.places) == (False, {builders.ZONES[0]: False, builders.ZONES[1]: True})
        assert set(EVERYTHING.sectors) - set(chosen.sectors) == {"insurance", "advertising"}
        shown = ticked(await ada.get(page))
        assert shown["from_hour"] == "6"
        assert shown["not_there"] == [builders.ZONES[0]]
        assert "insurance" not in shown["sector"]
        for wrong, sentence in (
            ({"from_hour": "x"}, "hours from 0 to 24"),
            ({"to_hour": "9" * 5_000}, "hours from 0 to 24"),
            ({"first_day": "soon"}, "year, month and day"),
            ({"last_day": "2025-01-01"}, "before the first"),
        ):
            answer = await ada.post(page, data=form | wrong | {"form_id": str(uuid.uuid4())})
            assert answer.status_code == 422
            assert sentence in words(answer)
        assert (await ada.post(page, data=form | {"form_id": "1"})).status_code == 422
        assert (await ada.get("/en/consent/choices/no.such")).status_code == 404
        before = await fetch_value("SELECT count(*) FROM consent_record")
        nothing = token(await ada.get(page)) | {"form_id": str(uuid.uuid4()), "from_hour": "0", "to_hour": "24"}
        assert (await ada.post(page, data=nothing)).status_code == 303
        assert await fetch_value(IS_GIVEN) is False
        assert await fetch_value("SELECT count(*) FROM consent_record") == before + 1
        french = words(await ada.get(f"/fr/consent/choices/{PURPOSE}"))
        assert "Compter cela et rien d’autre" in french
    assert [bounds_of(hours) for hours in ((22, 23, 0, 5)[:2], tuple(range(24)), ())] == [(22, 24), (0, 24), (0, 24)]
    assert bounds_of((0, 1, 22, 23)) == (22, 2)


async def test_leaving_costs_no_more_clicks_than_coming_and_works_from_the_receipts_link() -> None:
    await sales.write_lines()
    async with visiting(1) as ada, visiting() as nobody:
        form = token(await ada.get("/en/consent")) | {"purpose": PURPOSE, "word": "give"}
        receipt = uuid.uuid4()
        await ada.post("/en/consent", data=form | {"form_id": str(receipt)})  # one click to come in
        paused = await ada.post(
            "/en/my-data/pause", data=token(await ada.get("/en/my-data")) | {"form_id": str(receipt)}
        )
        assert paused.status_code == 303
        shown = words(await ada.get("/en/my-data"))
        assert "Everything has been paused since" in shown
        assert "Location use is on" not in shown
        await ada.post("/en/my-data/resume", data=token(await ada.get("/en/my-data")) | {"form_id": str(receipt)})
        assert "Location use is on" in words(await ada.get("/en/my-data"))
        page = await ada.get(f"/en/consent/receipts/{receipt}")
        link = re.search(r'<code class="break">http[^/]*//[^/]*/en(/receipts/[^<]+)<', page.text)
        assert link
        assert link[1] == receipt_link(receipt)
        opened = await nobody.get(f"/en{link[1]}")
        assert "nothing else" in words(opened)
        for _ in range(2):  # one click to leave, without signing in
            gone = await nobody.post(f"/en{link[1]}", data=token(opened) | {"form_id": str(uuid.UUID(int=7))})
            assert "no release built from now on has this line" in words(gone)
        assert await fetch_value(IS_GIVEN) is False
        for wrong in (link[1][:-1] + "_", f"/receipts/{uuid.uuid4()}/{link[1].rpartition('/')[2]}"):
            assert (await nobody.get(f"/en{wrong}")).status_code == 404
            assert (await nobody.post(f"/en{wrong}", data=token(opened) | {"form_id": str(receipt)})).status_code == 404
        asked = await ada.get("/en/consent", headers={"sec-gpc": "1"})
        assert "Global Privacy Control" in words(asked)
        assert 'role="switch"' not in asked.text, "nobody is asked to consent"
        await consent.give(1, PURPOSE)
        still = await ada.get("/en/consent", headers={"sec-gpc": "1"})
        assert 'aria-checked="true"' in still.text, "and nothing is withdrawn without a word"
        assert (await nobody.get("/.well-known/gpc.json")).json()["gpc"] is True


async def test_receipts_are_verified_by_another_library_in_the_standards_fields() -> None:
    await sales.write_lines()
    receipt = await switches.choose(1, PURPOSE, PRESETS["not_at_home"][1], channel="app", version=1)
    document, _ = await get_signed_receipt(receipt)
    assert json.loads(document)["version"] == 3
    assert json.loads(document)["covers"]["home"] is False
    async with visiting(1) as ada, visiting(2) as other:
        keys = KeySet.import_key_set((await ada.get("/.well-known/jwks.json")).json())
        texts = {}
        for kind in ("jwt", "sd-jwt"):
            answer = await ada.get(f"/en/consent/receipts/{receipt}.{kind}")
            assert answer.text == (await ada.get(f"/en/consent/receipts/{receipt}.{kind}")).text
            assert (await other.get(f"/en/consent/receipts/{receipt}.{kind}")).status_code == 404
            texts[kind] = answer.text
        assert (await ada.get(f"/en/consent/receipts/{receipt}.pdf")).status_code == 404
    signed = jws.deserialize_compact(texts["jwt"], keys, algorithms=["Ed25519"])
    stated = json.loads(signed.payload)
    assert stated["schema_version"] == "ISO/IEC TS 27560:2023"
    [purpose] = stated["processing"]["purposes"]
    assert (purpose["collection_method"], purpose["scope"]["home"]) == ("app", False)
    assert stated["event"][0]["event_state"] == "given"
    token_, *disclosures, last = texts["sd-jwt"].split("~")
    assert last == ""
    credential = json.loads(jws.deserialize_compact(token_, keys, algorithms=["Ed25519"]).payload)
    hidden = {}
    for disclosure in disclosures:
        digest = base64.urlsafe_b64encode(hashlib.sha256(disclosure.encode()).digest()).decode().rstrip("=")
        assert digest in credential["_sd"]
        _, name, value = json.loads(base64.urlsafe_b64decode(disclosure + "=="))
        hidden[name] = value
    assert {name: value for name, value in stated.items() if name in hidden} == hidden
    assert "pii_principal_id" not in credential


async def test_days_are_deleted_and_the_past_releases_that_hold_them_are_named(tmp_path: Path) -> None:
    await sales.write_lines()
    release = await sales.seal_weights({1: 3, 2: 5})
    await sales.write_sale(release)
    await sales.write_sale(release)
    await hold_shares()
    await index_contributions()
    period = await fetch_value("SELECT period_from FROM release")
    noon = period.replace(hour=12)  # of the same day in Paris, at any hour of this test
    file = builders.write(tmp_path, [(1, noon + dt.timedelta(days=day), builders.ZONES[0]) for day in range(6)], [1])
    await ingest_events(**file)
    partner = await fetch_value("SELECT id FROM partner")
    async with visiting(1) as ada, visiting(role="steward") as steward:
        shown = words(await ada.get("/en/my-data"))
        assert re.search("for 3 counts of you ?, ?sold 2 times", shown), shown
        assert "A buyer whose sector is not stated" in shown
        states = token(await steward.get("/en/steward/sectors")) | {"form_id": str(uuid.uuid4())}
        for sector, status in (("insurance", 303), ("insurance", 303), ("spies", 422)):
            answer = await steward.post(f"/en/steward/sectors/{partner}", data=states | {"sector": sector})
            assert answer.status_code == status
        unknown = f"/en/steward/sectors/{uuid.uuid4()}"
        assert (await steward.post(unknown, data=states | {"sector": "bank"})).status_code == 404
        assert "insurance" in words(await steward.get("/en/steward/sectors"))
        assert "sector “insurance”" in words(await ada.get("/en/my-data"))
        refused = words(await ada.get(f"/en/consent/choices/{PURPOSE}?preset=public_good"))
        assert "came from buyers of sectors that are off here" in refused
        days = {"first": str(period.date() + dt.timedelta(days=1)), "last": str(period.date() + dt.timedelta(days=3))}
        form = token(await ada.get("/en/my-data")) | {"form_id": str(uuid.uuid4())}
        gone = await ada.post("/en/my-data/delete", data=form | days)
        assert "These past releases hold some of it" in words(gone)
        assert "Lyon" in words(gone)
        for wrong, sentence in (
            ({"first": "x"}, "year, month and day"),
            ({"last": "2020-01-01"}, "before the first"),
            ({"first": "2999-01-01", "last": "2999-01-02"}, "empty"),
        ):
            answer = await ada.post("/en/my-data/delete", data=form | days | wrong)
            assert answer.status_code == 422
            assert sentence in words(answer)
    assert sum((await apply_retractions()).values()) == 3
    assert len(list(read_own_events(1, builders.LONG_AGO - dt.timedelta(days=999)) or ())) == 3


async def test_how_i_compare_is_of_published_figures_alone_and_is_left_out_where_it_would_reveal_more() -> None:
    await sales.write_lines(range(1, 8))
    cases = (
        ({1: 6, 2: 1, 3: 1}, 30, 12, "2.5"),
        ({1: 6, 2: 40, 3: 50, 4: 60}, 30, 12, "2.5"),  # others move more: the page says the same
        ({1: 6, 2: 1, 3: 1}, 60, 12, "5"),
        ({1: 6, 2: 1, 3: 1}, 30, 0, ""),
        ({1: 6, 2: 1, 3: 1}, 9, 12, "0.75"),
    )
    sentence = re.compile(
        r"How you compare: by its published figures, each person in it is counted about ([\d.]+) times on average"
    )
    async with visiting(1) as ada:
        for weights, published, consenting, average in cases:
            release = await sales.seal_weights(weights, published=published, consenting=consenting)
            await sales.write_sale(release)
            await hold_shares()
            await index_contributions()
            rows = (await queries.list_uses(1)).rows
            used = next(one for one in rows if one.lines[0][0].release == release)
            assert (f"{used.average:g}" if used.average else "") == average
        shown = words(await ada.get("/en/my-data"))
        assert sorted(sentence.findall(shown)) == ["2.5", "2.5", "5"]
        assert "ten people who consented are counted about 8 times together." in shown, "nobody is counted 0.8 times"
        assert "Pour comparer" in words(await ada.get("/fr/my-data"))
    async with visiting(7) as bob:
        assert not sentence.search(words(await bob.get("/en/my-data"))), "who is in none compares with none"


async def test_a_person_sees_who_tried_a_release_with_them_in_it() -> None:
    await sales.write_lines()
    await execute(
        """INSERT INTO sheet_version (id, sheet, number, document, sha256, terms, groups, starts_at, stated_by, stated_at)
           VALUES (gen_random_uuid(), 'sheet', 1, '{}', encode(sha256('{}'), 'hex'), '{"half_life_hours": 720}', '{}',
                   now() - interval '1 day', 'Samir', now() - interval '1 day')"""
    )
    for people, sector in (({1: 3, 2: 5}, "insurance"), ({3: 1}, "bank")):
        release = await sales.seal_weights(people)
        trying = await make_partner(sector, f"{sector}@partner.example")
        await execute("INSERT INTO partner_sector VALUES ($1, $2, 'Samir', now())", trying, sector)
        await execute(
            "INSERT INTO trial VALUES (gen_random_uuid(), $1, $2, now(), now() + interval '14 days')", trying, release
        )
    assert await index_contributions() == 2
    async with visiting(1) as ada, visiting(4) as bob:
        shown = words(await ada.get("/en/my-data"))
        assert "A company of the sector “insurance” tried it free for two weeks" in shown
        assert "bank" not in shown, "another release"
        assert "l’a essayée gratuitement" in words(await ada.get("/fr/my-data"))
        assert "Nobody yet" in words(await bob.get("/en/my-data"))


async def test_ones_own_map_opens_in_the_session_that_asked_and_is_gone_in_ten_minutes(tmp_path: Path) -> None:
    await sales.write_lines()
    went = [(1, builders.at(hour), builders.ZONES[hour % 2]) for hour in range(20)] + [
        (2, builders.at(1), builders.ZONES[3])
    ]
    await ingest_events(**builders.write(tmp_path, went, [1, 2]))
    async with visiting(1) as ada, visiting(2) as other:
        maps = []
        for browser in (ada, other):
            form = token(await browser.get("/en/my-data")) | {"form_id": str(uuid.uuid4())}
            maps += [(await browser.post("/en/my-data/map", data=form)).headers["location"] for _ in range(2)]
        assert "being drawn" in words(await ada.get(maps[0]))
        assert await make_own_maps() == 2
        shown = words(await ada.get(maps[0]))
        assert "Places you were seen most" in shown
        assert (await ada.get(maps[0])).headers["cache-control"] == "no-store"
        assert "Events 20 " in shown
        assert "Events 1 " in words(await other.get(maps[2]))
        assert (await other.get(maps[0])).status_code == 404
        sealed = bytes(await fetch_value("SELECT sealed FROM own_map WHERE subscriber = 1"))
        assert builders.ZONES[0].encode() not in sealed
        await execute("UPDATE own_map SET public_key = (SELECT public_key FROM own_map WHERE subscriber = 2)")
        await execute("UPDATE own_map SET sealed = NULL WHERE subscriber = 1")
        await make_own_maps()
        assert (await ada.get(maps[0])).status_code == 404, "it is sealed to another session"
        with clock.started_at(clock.now() + MAP_LASTS):
            assert (await other.get(maps[2])).status_code in {303, 307, 404}
            await make_own_maps()
        assert await fetch_value("SELECT count(*) FROM own_map") == 0
