"""Bad input over HTTP: a sentence and a way back for people, RFC 9457 for machines, and never our insides."""

import uuid
from collections.abc import AsyncIterator

import html5lib
import httpx
import pytest
from litestar import get, post
from litestar.params import JSONBody

from marketplace.core.settings import settings
from marketplace.people.identity import actions, key_actions
from marketplace.site.app import create_app
from tests.people.builders import PASSWORD, Browser, add_staff, make_partner, page_text


def strictly_parsed(answer: httpx.Response) -> httpx.Response:
    html5lib.HTMLParser(strict=True).parse(answer.text)
    return answer


async def test_who_is_let_in_is_said_in_the_language_of_the_page() -> None:
    await add_staff("steward@partage.example", "Sam", "steward", PASSWORD)
    async with Browser() as steward:
        await steward.sign_in("steward@partage.example")
        for language, words in (
            ("en", "This page is for these staff: finance, auditor."),
            ("fr", "Cette page est réservée à ce personnel : finances, auditeur."),
        ):
            answer = await steward.get(f"/{language}/finance/business")
            assert answer.status_code == 403
            assert words in page_text(answer)


async def test_every_open_page_is_strict_html_in_both_languages() -> None:
    partner = await make_partner()
    await add_staff("steward@partage.example", "Sam <b>", "steward", PASSWORD)
    await key_actions.create_key(partner, "<script>", key_id=uuid.UUID(int=7), session="s")
    async with Browser() as nobody, Browser() as claire, Browser() as steward:
        await claire.sign_in("claire@atelier.example")
        await steward.sign_in("steward@partage.example")
        pages = {
            nobody: ["/sign-in", "/sign-up", "/activate", "/no-such-page"],
            claire: ["/keys", "/company", "/profile", "/sign-out", "/partners"],
            steward: ["/partners", f"/partners/{partner}", "/profile"],
        }
        for browser, paths in pages.items():
            for path in paths:
                for language in ("fr", "en"):
                    answer = strictly_parsed(await browser.get(f"/{language}{path}"))
                    assert len(answer.content) < 150 * 1024
                    assert f'<html lang="{language}">' in answer.text
                    assert "http://" not in answer.text.replace("http://127.0.0.1", "").replace("http://localhost", "")
                    assert "<script>" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/en/no-such-page", 404),
        ("DELETE", "/en/sign-in", 405),
        ("GET", f"/en/partners/{uuid.UUID(int=7)}", 404),
        ("GET", "/en/partners?page=many", 400),
        ("GET", "/en/partners?page=0", 400),
        ("GET", "/en/partners/not-a-uuid", 404),
        ("GET", "/en/keys", 403),
        ("GET", "/en/join/%00", 422),
        ("GET", "/en/%F0%28%8C", 404),
    ],
)
async def test_pages_answer_with_a_sentence(method: str, path: str, status: int) -> None:
    await add_staff("steward@partage.example", "Sam", "steward", PASSWORD)
    async with Browser() as steward:
        await steward.sign_in("steward@partage.example")
        answer = strictly_parsed(await steward.client.request(method, path, headers={"accept": "text/html"}))
        assert answer.status_code in (status, 404)
        assert "Back to the catalogue" in page_text(answer)
        for inside in ("Traceback", "asyncpg", "litestar", "msgspec", "SELECT"):
            assert inside not in answer.text
        machine = await steward.client.request(method, path, headers={"accept": "application/json"})
        assert machine.headers["content-type"] == "application/problem+json"
        assert machine.json()["status"] == machine.status_code == answer.status_code
        assert machine.json()["detail"].endswith(".")


async def test_a_form_without_its_token_or_with_a_forged_one_changes_nothing() -> None:
    await make_partner()
    async with Browser() as browser:
        await browser.sign_in("claire@atelier.example")
        for token in ({}, {"_csrf_token": "forged"}, {"_csrf_token": "0" * 128}):
            answer = await browser.client.post(
                "/en/keys", data={"label": "x", "form_id": str(uuid.UUID(int=7)), **token}
            )
            assert answer.status_code == 403
            assert "no longer valid" in page_text(strictly_parsed(answer))
        async with Browser(browser.app) as evil:
            await evil.get("/en/sign-in")
            theirs = evil.client.cookies.get("csrftoken") or ""
        answer = await browser.client.post(
            "/en/keys", data={"label": "x", "form_id": str(uuid.UUID(int=7)), "_csrf_token": theirs}
        )
        assert answer.status_code == 403
        assert "No keys yet." in page_text(await browser.get("/en/keys"))


async def test_a_form_that_lacks_fields_names_them() -> None:
    async with Browser() as browser:
        answer = strictly_parsed(await browser.submit("/en/sign-in", {"email": "x@example.org"}))
        assert answer.status_code == 400
        assert "Check “Password”: it is missing or cannot be read." in page_text(answer)
        answer = await browser.submit("/en/sign-up", {"form_id": "nonsense"})
        assert answer.status_code == 400
        assert "Missing or malformed" in page_text(answer), "nothing was typed, and nothing is lost"


async def test_fifty_megabytes_are_refused_before_they_are_read() -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(50):
            sent += 1_000_000
            yield b"a" * 1_000_000

    async with Browser() as browser:
        declared = await browser.client.post(
            "/en/sign-in",
            content=b"a",
            headers={"content-type": "application/x-www-form-urlencoded", "content-length": "50000000"},
        )
        assert declared.status_code == 413
        assert "at most 1 MB" in page_text(strictly_parsed(declared))
        answer = await browser.client.post(
            "/en/sign-in", content=endless(), headers={"content-type": "application/x-www-form-urlencoded"}
        )
        assert answer.status_code == 413


@post("/api/v1/echo", status_code=200)
async def echo(data: JSONBody[dict[str, int]]) -> dict[str, int]:
    return data


@get("/broken")
async def break_loudly() -> None:
    message = "the secret inside"
    raise RuntimeError(message)


def with_handlers() -> Browser:
    """Visit a site that has two handlers of the test's own."""
    return Browser(create_app(manages_pool=False, further_routes=[echo, break_loudly]))


async def test_machines_get_problems() -> None:
    async with with_handlers() as browser:
        for body, kind in (
            ('{"a": ', "application/json"),
            ('{"a": "x"}', "application/json"),
            ("[]", "application/json"),
            ("a=1", "application/x-www-form-urlencoded"),
            ("", "text/plain"),
        ):
            answer = await browser.client.post("/api/v1/echo", content=body, headers={"content-type": kind})
            assert 400 <= answer.status_code < 500, (body, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["title"]
        assert (await browser.client.post("/api/v1/echo", json={"a": 1})).json() == {"a": 1}


async def test_what_breaks_here_stays_here(capsys: pytest.CaptureFixture[str]) -> None:
    async with with_handlers() as browser:
        answer = strictly_parsed(await browser.get("/en/broken"))
        assert answer.status_code == 500
        assert "Something failed on our side" in page_text(answer)
        assert "secret" not in answer.text
        machine = await browser.get("/en/broken", headers={"accept": "application/json"})
        assert machine.json()["status"] == 500
        assert "secret" not in machine.text
    assert "the secret inside" in capsys.readouterr().out


async def test_security_headers_are_on_every_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(*, https: bool) -> None:
        async with Browser() as browser:
            for path in ("/", "/en/sign-in", "/en/none", "/api/v1/me", "/static/style.css", "/healthz"):
                headers = (await browser.get(path)).headers
                policy = headers["content-security-policy"]
                assert "unsafe" not in policy
                assert "object-src 'none'" in policy
                assert "base-uri 'none'" in policy
                assert "frame-ancestors 'none'" in policy
                assert policy.endswith(
                    "form-action 'self' " + ("https://checkout.stripe.com" if https else "http://127.0.0.1:4242")
                )
                assert headers["x-content-type-options"] == "nosniff"
                assert headers["cross-origin-opener-policy"] == "same-origin"
                assert "geolocation=()" in headers["permissions-policy"]
                lasting = "max-age=31536000; includeSubDomains" if https else None
                assert headers.get("strict-transport-security") == lasting
            cookie = (await browser.get("/en/sign-in")).headers.get("set-cookie", "")
            assert ("secure" in cookie.lower()) == https or not cookie

    monkeypatch.setenv("STRIPE_API_BASE", "http://127.0.0.1:4242/v1")
    settings.cache_clear()
    await story(https=False)
    monkeypatch.setenv("STRIPE_API_BASE", "")
    monkeypatch.setenv("PARTAGE_URL", "https://partage.example")
    settings.cache_clear()
    await story(https=True)


async def test_head_answers_as_get_does() -> None:
    async with Browser() as browser:
        for path in ("/en/sign-in", "/en/none", "/healthz", "/static/icon.svg"):
            assert (await browser.client.head(path)).status_code == (await browser.get(path)).status_code
        assert (await browser.client.head("/en/keys")).status_code == 303


async def test_a_path_without_a_language_leads_to_the_visitors() -> None:
    async with Browser() as browser:

        async def led(path: str, wishes: str) -> str:
            answer = await browser.get(path, headers={"accept-language": wishes})
            assert (answer.status_code, answer.headers["vary"]) == (307, "accept-language")
            return answer.headers["location"]

        assert await led("/sign-in?next=%2Fkeys&x=é", "en-GB,fr;q=0.5") == "/en/sign-in?next=%2Fkeys&x=%C3%A9"
        assert await led("/caf%C3%A9%0d%0aset-cookie:x", "de, fr;q=0.2") == "/fr/caf%C3%A9%0D%0Aset-cookie%3Ax"
        assert (await led("//evil.example/x", "en")).startswith("/en/")
        switch = (await browser.get("/en/activate?x=1&y=%26")).text
        assert 'href="/fr/activate?x=1&amp;y=%26"' in switch


@pytest.mark.parametrize(
    "odd",
    [{"cookie": "x{y}=1; theme=dark"}, {"cookie": "a,b:c=1;;=;\xff"}, {"referer": "http://[bad"}, {"referer": "//"}],
)
async def test_odd_headers_of_a_browser_are_no_failure_of_ours(odd: dict[str, str]) -> None:
    await make_partner()
    async with Browser() as claire:
        await claire.sign_in("claire@atelier.example")
        headers = [(name, value.encode("latin-1")) for name, value in odd.items()]
        if "cookie" in odd:
            headers = [("cookie", headers[0][1] + f"; session={claire.session()}".encode())]
        async with Browser(claire.app) as raw:
            missing = await raw.client.get("/en/no-such-page", headers=headers)
            assert missing.status_code == 404
            entered = await raw.client.get("/en/company", headers=headers, follow_redirects=False)
            assert entered.status_code == (200 if "cookie" in odd else 303)


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"quote":' * 50_000], ids=["lists", "objects"])
async def test_a_body_nested_without_end_is_malformed(body: bytes) -> None:
    partner = await make_partner()
    await actions.vet_partner(partner, "a steward")
    key = await key_actions.create_key(partner, "import", key_id=uuid.uuid4(), session="s")
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json", "idempotency-key": "k"}
    async with Browser() as machine:
        answer = await machine.client.post("/api/v1/orders", content=body, headers=headers)
        assert answer.status_code == answer.json()["status"] == 400
