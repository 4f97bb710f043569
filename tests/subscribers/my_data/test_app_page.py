"""The operator's app: its key and the person's token together, and a page in its look that says whether location use is on."""

import json
import os
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from marketplace.consent.switches.rules import read
from marketplace.core import clock
from marketplace.core.errors import Invalid
from marketplace.core.settings import settings
from marketplace.subscribers.my_data.operator_app import PAGE_LASTS, read_app
from tests.consent.builders import PURPOSE
from tests.people.builders import kinds_written, visiting, words
from tests.subscribers.builders.operators import API, system
from tests.support.identity_provider import IdentityProvider, providing
from tests.support.reads import fetch_one, fetch_value

LAST = "SELECT given, channel FROM consent_record WHERE subscriber = 7 ORDER BY at DESC, id DESC LIMIT 1"


@pytest.fixture
def operators_provider(database_url: str) -> Iterator[IdentityProvider]:
    """Serve the operator's identity provider, named by the setting."""
    del database_url
    with providing() as serving:
        app = {"name": "Réseau Un", "issuer": serving.issuer, "client_id": "partage", "colour": "#ff7900"}
        os.environ["PARTAGE_OPERATOR_APP"] = json.dumps(app | {"shown_by": "https://app.operator.example"})
        settings.cache_clear()
        yield serving


def token_of_line(provider: IdentityProvider, **claims: Any) -> dict[str, str]:
    provider.claims = {"partage_line": 7} | claims
    return {"x-partage-person": provider.token({"client_id": "partage", "nonce": "x"})}


async def test_the_app_needs_the_persons_token_and_care_staff_none(operators_provider: IdentityProvider) -> None:
    app = await system()
    scope = (await app.get(f"{API}/switches")).json()["presets"]["everything"]["scope"]
    choice = {"reference": 7, "purpose": PURPOSE, "notice_version": 1, "channel": "app", "scope": scope}

    async def chosen(headers: dict[str, str], **other: Any) -> int:
        answer = await app.client.put(f"{API}/choices/{uuid.uuid4()}", json=choice | other, headers=headers)
        return answer.status_code

    assert await chosen({}) == 403, "nobody shows that the person asked"
    assert await chosen({}, channel="call_centre") == 200, "care staff say so themselves"
    assert await chosen(token_of_line(operators_provider)) == 200
    for wrong in ({"partage_line": 8}, {"aud": "another"}, {"exp": 1}, {"partage_line": None}):
        assert await chosen(token_of_line(operators_provider, **wrong)) == 403, wrong
    assert await chosen({"x-partage-person": "a.b.c"}) == 403
    for path in ("uses/7", "pages/7"):
        assert (
            await app.client.get(f"{API}/{path}", headers=token_of_line(operators_provider, partage_line=8))
        ).status_code == 403
        assert (await app.client.get(f"{API}/{path}", headers=token_of_line(operators_provider))).status_code == 200
    assert (await app.client.get(f"{API}/pages/7")).status_code == 403
    for body, path in (
        ({"word": "pause"}, "pauses"),
        ({"first_day": "2026-05-03", "last_day": "2026-05-09"}, "deletions"),
    ):
        for headers, status in (
            (token_of_line(operators_provider, partage_line=8), 403),
            (token_of_line(operators_provider), 200),
        ):
            sent = {"reference": 7} | body
            answer = await app.client.put(f"{API}/{path}/{uuid.uuid4()}", json=sent, headers=headers)
            assert answer.status_code == status


async def test_the_page_says_all_the_time_that_location_use_is_on_and_each_choice_is_a_click(
    operators_provider: IdentityProvider,
) -> None:
    app = await system()
    address = (await app.client.get(f"{API}/pages/7", headers=token_of_line(operators_provider))).json()["url"]
    path = "/en" + re.sub(r"^https?://[^/]+", "", address)
    async with visiting() as webview:

        async def click(text: str) -> str:
            shown = await webview.get(path)
            form = next(one for one in re.findall(r"<form.*?</form>", shown.text, re.DOTALL) if text in one)
            fields = dict(re.findall(r'name="([a-z_]+)" value="([^"]*)"', form))
            assert (await webview.post(path, data=fields)).status_code == 303
            return words(await webview.get(path))

        shown = await webview.get(path)
        assert "Réseau Un Location use is off" in words(shown)
        assert "frame-ancestors https://app.operator.example" in shown.headers["content-security-policy"]
        assert (shown.headers["cache-control"], shown.headers["referrer-policy"]) == ("no-store", "no-referrer")
        assert "#ff7900" in (await webview.get("/app.css")).text
        assert "Réseau Un Location use is on" in await click("Everything but at home")
        assert tuple(await fetch_one(LAST) or ()) == (True, "app")
        assert "Réseau Un Paused" in await click("Pause everything")
        assert "Réseau Un Location use is on" in await click("Resume")
        assert "Location use is off" in await click("Count nothing")
        assert tuple(await fetch_one(LAST) or ()) == (False, "app")
        assert (await kinds_written()).count("consent_changed_elsewhere") == 4
        assert "Localisation non utilisée" in words(await webview.get(path.replace("/en", "/fr", 1)))
        unknown = {"word": "everything", "purpose": "no.such", "form_id": str(uuid.uuid4())}
        assert (await webview.post(path, data=unknown)).status_code == 404
        for wrong in (path[:-1] + "_", path.replace("/7.", "/8."), "/en/app/7", "/en/app/7.1." + "x" * 43):
            assert (await webview.get(wrong)).status_code == 404
            assert (await webview.post(wrong, data=unknown)).status_code == 404
        with clock.shifted(PAGE_LASTS):
            assert (await webview.get(path)).status_code == 404
        assert await fetch_value("SELECT count(*) FROM consent_record WHERE subscriber = 8") == 0


async def test_the_page_has_each_switch_by_itself_and_says_all_the_time_that_location_use_is_on(
    operators_provider: IdentityProvider,
) -> None:
    app = await system()
    address = (await app.client.get(f"{API}/pages/7", headers=token_of_line(operators_provider))).json()["url"]
    path = re.sub(r"^https?://[^/]+", "", address)
    switches = f"{path}/{PURPOSE}"
    async with visiting() as webview:
        assert f"/en{switches}" in (await webview.get(f"/en{path}")).text
        shown = await webview.get(f"/en{switches}")
        assert "Réseau Un Location use is off" in words(shown)
        assert "frame-ancestors https://app.operator.example" in shown.headers["content-security-policy"]
        assert " checked" not in shown.text, "no word is no"
        form = {
            "form_id": re.findall(r'name="form_id" value="([^"]+)"', shown.text)[-1],
            "source": ["presence"],
            "elsewhere": "yes",
            "weekday": ["6", "7"],
            "from_hour": "8",
            "to_hour": "20",
            "first_day": "2026-06-01",
            "last_day": "2026-08-31",
            "sector": ["public", "research"],
        }
        wrong = await webview.post(f"/en{switches}", data=form | {"to_hour": "25"})
        assert (wrong.status_code, "Choose hours from 0 to 24." in words(wrong)) == (422, True)
        assert "Réseau Un Location use is off" in words(wrong)
        for _ in range(2):
            assert (await webview.post(f"/en{switches}", data=form)).status_code == 303
        assert "Location use is on" in words(await webview.get(f"/en{path}"))
        assert await fetch_value("SELECT count(*) FROM consent_record WHERE subscriber = 7") == 1, "once a form"
        row = await fetch_one("SELECT channel, covers FROM consent_record WHERE subscriber = 7")
        assert row
        covers = read(row["covers"])
        assert (row["channel"], covers.sources, covers.sectors) == ("app", ("presence",), ("public", "research"))
        assert (covers.home, covers.elsewhere, covers.weekdays) == (False, True, (6, 7))
        assert (covers.hours, str(covers.last_day)) == (tuple(range(8, 20)), "2026-08-31")
        french = await webview.get(f"/fr{switches}")
        assert "Localisation utilisée" in words(french)
        assert french.text.count(" checked") == 6
        assert (await kinds_written()).count("consent_changed_elsewhere") == 1
        for other in (f"/en{path}/no.such", f"/en{path.replace('/7.', '/8.')}/{PURPOSE}"):
            assert (await webview.get(other)).status_code == 404
            assert (await webview.post(other, data=form)).status_code == 404
        assert (await webview.post(f"/en{switches}", data=form | {"form_id": "x"})).status_code == 422


async def test_without_an_app_there_is_no_page() -> None:
    app = await system()
    assert (await app.client.get(f"{API}/pages/7")).status_code == 409
    for wrong in ("[]", '{"name": "x"}', '{"name": "x", "issuer": "http://x.example", "client_id": "y"}'):
        with pytest.raises(Invalid, match="PARTAGE_OPERATOR_APP"):
            read_app(wrong)
