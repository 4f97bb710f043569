"""Forged forms: a token is good for one session only, however an attacker plants it; over HTTPS no neighbour can plant any."""

import uuid

import pytest

from marketplace.core.settings import settings
from tests.people.builders import PASSWORD, Browser, make_partner, page_text

CLAIRE = "claire@atelier.example"


async def test_a_planted_pair_of_cookie_and_token_changes_nothing() -> None:
    await make_partner()
    await make_partner("Other", "eve@other.example")
    async with Browser() as claire, Browser(claire.app) as eve, Browser(claire.app) as nobody:
        await claire.sign_in(CLAIRE)
        await eve.sign_in("eve@other.example")
        await eve.get("/en/keys")
        await nobody.get("/en/sign-in")
        for token in (eve.client.cookies["csrftoken"], nobody.client.cookies["csrftoken"]):
            async with Browser(claire.app) as planted:
                answer = await planted.client.post(
                    "/en/keys",
                    data={"label": "x", "form_id": str(uuid.uuid4()), "_csrf_token": token},
                    headers={"cookie": f"csrftoken={token}; session={claire.session()}"},
                )
                assert answer.status_code == 403
        assert "No keys yet." in page_text(await claire.get("/en/keys"))


async def test_a_token_from_before_signing_in_is_not_the_sessions() -> None:
    await make_partner()
    async with Browser() as claire:
        await claire.get("/en/sign-in")
        before = claire.client.cookies["csrftoken"]
        await claire.sign_in(CLAIRE)
        sent = {"label": "x", "form_id": str(uuid.uuid4()), "_csrf_token": before}
        assert (await claire.client.post("/en/keys", data=sent)).status_code == 403


async def test_a_token_that_we_did_not_sign_is_replaced() -> None:
    async with Browser() as browser:
        browser.client.cookies.set("csrftoken", "a" * 32 + "." + "b" * 64)
        answer = await browser.get("/en/sign-in")
        assert "a" * 32 not in answer.headers["set-cookie"]
        sent = {"email": CLAIRE, "password": PASSWORD, "_csrf_token": "a" * 32 + "." + "b" * 64}
        assert (await browser.client.post("/en/sign-in", data=sent)).status_code == 403


async def test_cookies_over_https_cannot_be_set_by_a_neighbouring_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser takes `__Host-` from this very host alone, over HTTPS; what a neighbour plants under the bare name counts for nothing."""
    monkeypatch.setenv("PARTAGE_URL", "https://partage.example")
    settings.cache_clear()
    await make_partner()
    async with Browser() as claire:
        page = await claire.client.get("https://testserver.example/en/sign-in")
        token = claire.client.cookies["__Host-csrftoken"]
        assert token in page.text
        sent = {"email": CLAIRE, "password": PASSWORD, "_csrf_token": token}
        entered = await claire.client.post("https://testserver.example/en/sign-in", data=sent)
        cookies = entered.headers.get_list("set-cookie")
        assert {cookie.partition("=")[0] for cookie in cookies} == {"__Host-session", "__Host-device"}
        for cookie in (*cookies, page.headers["set-cookie"]):
            assert {"Secure", "HttpOnly", "Path=/"} <= {part.strip() for part in cookie.split(";")}
            assert "domain" not in cookie.lower()
        secret = claire.client.cookies["__Host-session"]
        assert (await claire.client.get("https://testserver.example/en/keys")).status_code == 200
        async with Browser(claire.app) as planted:
            planted.client.cookies.set("session", secret)
            assert (await planted.client.get("https://testserver.example/en/keys")).status_code == 303
